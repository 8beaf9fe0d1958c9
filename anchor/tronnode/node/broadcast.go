package node

import (
	"bytes"
	"encoding/binary"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
)

// Broadcast takes a transaction into those that wait for a block, or says why
// not. Taken means that it has been run against the state as it now is, and
// nothing more. The checks come in java-tron's order.
func (c *Chain) Broadcast(msg *core.Transaction) *Refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) > maxPending {
		return refuse(api.Return_SERVER_BUSY, "Server busy.")
	}
	now := c.cfg.Now().UnixMilli()
	if c.cfg.IDCache && !c.seen.add(TransactionID(msg.GetRawData()), now) {
		return refuse(api.Return_DUP_TRANSACTION_ERROR, "Transaction already exists.")
	}
	t, refusal := decode(msg)
	if refusal != nil {
		return refusal
	}
	if t.expires() < c.head()+c.cfg.Period.Milliseconds() {
		return expired()
	}
	if refusal := t.checkSignatures(c.ahead); refusal != nil {
		return refusal
	}
	if len(msg.GetRawData().GetContract()) != 1 {
		return invalid("a transaction holds exactly one contract")
	}
	if refusal := c.admit(t, c.head()); refusal != nil {
		return refusal
	}
	if c.waiting[t.id] {
		return duplicate()
	}
	t.since = now
	return c.enqueue(t)
}

func (t *transaction) expires() int64 { return t.msg.GetRawData().GetExpiration() }

func expired() *Refusal {
	return refuse(api.Return_TRANSACTION_EXPIRATION_ERROR, "Transaction expired")
}

func duplicate() *Refusal { return refuse(api.Return_DUP_TRANSACTION_ERROR, "Dup transaction.") }

// admit checks what depends on the chain: the block referred to, the size, the
// expiration, and that no block holds the transaction yet. time is that of the
// block it would be in, or of the head.
func (c *Chain) admit(t *transaction, time int64) *Refusal {
	if !c.refers(t.msg.GetRawData()) {
		return refuse(api.Return_TAPOS_ERROR, "Tapos check error.")
	}
	if t.size+2*resultBytes > maxTxBytes {
		return refuse(api.Return_TOO_BIG_TRANSACTION_ERROR,
			"Transaction of %d bytes, at most %d with its result", t.size, maxTxBytes)
	}
	if t.expires() <= c.head() || t.expires() > c.head()+maxExpiry || t.expires() < time {
		return expired()
	}
	if _, ok := c.txs[t.id]; ok {
		return duplicate()
	}
	return nil
}

// refers reports whether the transaction names one of the last 65,536 blocks by
// two bytes of its number and eight of its id.
func (c *Chain) refers(raw *core.TransactionRaw) bool {
	ref := raw.GetRefBlockBytes()
	if len(ref) != 2 {
		return false
	}
	back := (c.height() - uint64(binary.BigEndian.Uint16(ref))) % recentBlocks
	if back > c.height() {
		return false
	}
	id := c.blocks[c.height()-back].id
	return bytes.Equal(raw.GetRefBlockHash(), id[8:16])
}

// enqueue runs t on the state ahead of the head and lets it wait.
func (c *Chain) enqueue(t *transaction) *Refusal {
	next := c.head() + c.cfg.Period.Milliseconds()
	if _, refusal := c.apply(c.ahead, t, c.height()+1, next); refusal != nil {
		return refusal
	}
	c.pending = append(c.pending, t)
	c.waiting[t.id] = true
	return nil
}

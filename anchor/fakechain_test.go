package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// fakeChain is a public chain with an AnchorLog and a RewardVault that ask for no
// signatures, but for the proof that a checkpoint extends the head; the contracts
// themselves are tested elsewhere. A block is final when depth more are on it.
type fakeChain struct {
	w         *world
	id        string
	anchorLog canon.Account
	vault     canon.Account
	token     canon.Account

	down     bool
	lags     bool               // it shows no events
	mute     bool               // its endpoint answers no question about events
	ends     uint64             // its endpoint says so of the final head, if not 0
	says     []contracts.Newest // its endpoint says so of the newest set, the last one
	held     int64              // by every account; 10^18 when 0
	full     bool               // its blocks have no room
	holds    bool               // they have none for what goes to the vault
	lie      event              // it shows this event as well, if it has a contract
	away     error              // the endpoints that do not answer, where enough others do
	depth    int
	blocks   []chainBlock
	pool     []chainTx
	paid     map[string]int // fees by member
	reverted int            // transactions that failed
	armed    atomic.Uint64  // newest nonce

	// ill, when it is set, says which calls of a member's driver fail, and which do so
	// although they take effect.
	ill func(msp, call string) (not, though error)
}

type chainBlock struct {
	head   contracts.Checkpoint
	epoch  uint64
	claims int64 // claimed total
	events []event
	sets   []contracts.Newest // by version, from 1
	txs    map[[32]byte]bool  // true for those that succeeded
	calls  []chainTx
}

// newest is the newest member set.
func (b chainBlock) newest() contracts.Newest { return b.sets[len(b.sets)-1] }

// belongs reports whether a set signs a size.
func (b chainBlock) belongs(version, size uint64) bool {
	n := uint64(len(b.sets))
	return version >= 1 && version <= n && b.sets[version-1].From <= size && (version == n || size < b.sets[version].From)
}

// word reads a number of calldata.
func word(data []byte, at uint64) uint64 { return binary.BigEndian.Uint64(data[4+32*at+24:]) }

// signedBy is the version of the set whose signatures a call carries, their place in its
// arguments given.
func signedBy(data []byte, at uint64) uint64 { return word(data, word(data, at)/32) }

// rotate does what AnchorLog does with the call, but for signatures.
func (b *chainBlock) rotate(data []byte) bool {
	at := word(data, 2) / 32
	var members [][20]byte
	for i := range word(data, at) {
		members = append(members, [20]byte(data[4+32*(at+1+i)+12:]))
	}
	next := contracts.Newest{Version: word(data, 0), From: word(data, 3), Hash: canon.MemberSetHash(word(data, 0), word(data, 1), members)}
	if v := next.Version; v <= uint64(len(b.sets)) {
		return b.sets[v-1].Hash == next.Hash && b.sets[v-1].From == next.From
	}
	if now := b.newest(); next.Version != now.Version+1 || next.From <= now.From || signedBy(data, 5) != now.Version {
		return false
	}
	b.sets = append(slices.Clone(b.sets), next)
	return true
}

// found gives the chain's AnchorLog its first member set.
func (c *fakeChain) found(p *log.Policy) {
	if err := p.Check(); err != nil {
		c.w.t.Fatal(err)
	}
	for i := range c.blocks {
		c.blocks[i].sets = []contracts.Newest{{Version: 1, Hash: p.Set().Hash(), From: 1}}
	}
}

type chainTx struct {
	ID    [32]byte `json:"-"`
	By    string
	Nonce uint64 // 0: it shares none
	To    send.Address
	Raw   []byte // calldata
}

// replaces reports whether a block that has one of two has no room for the other.
func (t chainTx) replaces(had chainTx) bool {
	return t.ID == had.ID || t.Nonce > 0 && t.Nonce == had.Nonce && t.By == had.By
}

// landed returns the block with a transaction, or with one that took its nonce.
func (c *fakeChain) landed(t chainTx) (number int, ok bool) {
	for n, b := range c.blocks {
		if slices.ContainsFunc(b.calls, t.replaces) {
			return n, true
		}
	}
	return 0, false
}

const supply = 1_000_000

func newFakeChain(w *world, id string) *fakeChain {
	account := func(last byte) canon.Account { return canon.Account{Chain: id, Address: [20]byte{19: last}} }
	return &fakeChain{w: w, id: id, anchorLog: account(1), vault: account(2), token: account(3),
		depth: 2, blocks: make([]chainBlock, 3), paid: map[string]int{}}
}

var errDown = errors.New("the chain's node is down")

func (c *fakeChain) block(at send.Head) chainBlock {
	if at == send.Final {
		return c.blocks[max(len(c.blocks)-1-c.depth, 0)]
	}
	return c.blocks[len(c.blocks)-1]
}

// mine makes a block of what is in the pool.
func (c *fakeChain) mine() {
	b := c.block(send.Latest)
	b.events, b.txs, b.calls = nil, map[[32]byte]bool{}, nil
	number := uint64(len(c.blocks))
	var left []chainTx
	for _, t := range c.pool {
		if c.full || c.holds && t.To == c.vault.Address {
			left = append(left, t)
			continue
		}
		if _, there := c.landed(t); there || slices.ContainsFunc(b.calls, t.replaces) {
			continue
		}
		c.paid[t.By]++
		b.calls = append(b.calls, t)
		n := binary.BigEndian.Uint64(t.Raw[4+24:])
		e := event{Number: n, Root: [32]byte(t.Raw[36:68]), Landing: log.Landing{Tx: t.ID, Block: number, BlockHash: canon.Sum(fmt.Append(nil, number))}}
		b.txs[t.ID] = c.works(b, t.To, t.Raw)
		switch {
		case !b.txs[t.ID]:
			c.reverted++
		case rotates(t.Raw):
			b.rotate(t.Raw)
		case reports(t.Raw):
			b.freeze()
		case t.To == c.anchorLog.Address && n > b.head.Size:
			b.head = contracts.Checkpoint{Size: n, Root: e.Root, Time: binary.BigEndian.Uint64(t.Raw[68+24:])}
			e.Contract = c.anchorLog
			b.events = append(b.events, e)
		case t.To == c.vault.Address && n > b.epoch:
			b.epoch, e.Contract = n, c.vault
			b.events = append(b.events, e)
		}
	}
	c.pool = left
	c.blocks = append(c.blocks, b)
}

func rotates(data []byte) bool {
	return bytes.Equal(data[:4], contracts.PackRotate(contracts.Set{}, 0, [32]byte{}, contracts.Signatures{})[:4])
}

// kindOf says what a call does.
func kindOf(data []byte) string {
	switch {
	case rotates(data):
		return "rotate"
	case bytes.Equal(data[:4], contracts.PackActivate(contracts.Epoch{Total: new(big.Int)}, contracts.Signatures{})[:4]):
		return "activate"
	}
	return "submit"
}

// works reports whether a call succeeds after a block, which it does not change.
func (c *fakeChain) works(b chainBlock, to send.Address, data []byte) bool {
	n := word(data, 0)
	switch {
	case reports(data):
		return c.believes(b, data)
	case to == c.anchorLog.Address && b.newest().Frozen:
		return false
	case rotates(data):
		return b.rotate(data)
	case to == c.vault.Address:
		return n <= b.epoch || signedBy(data, 3) == b.newest().Version
	}
	return [32]byte(data[36:68]) == c.rootAt(b, n) || n > b.head.Size && grows(b.head, data) && b.belongs(signedBy(data, 4), n)
}

// rootAt returns the root anchored for a size, in a block that is being made or in
// one that is there.
func (c *fakeChain) rootAt(b chainBlock, size uint64) [32]byte {
	for _, b := range append([]chainBlock{b}, c.blocks...) {
		for _, e := range b.events {
			if e.Contract == c.anchorLog && e.Number == size {
				return e.Root
			}
		}
	}
	return [32]byte{}
}

// grows reports whether the proof in the calldata of submit leads from the head.
func grows(head contracts.Checkpoint, data []byte) bool {
	words := data[4:]
	number := func(at uint64) uint64 { return binary.BigEndian.Uint64(words[at+24:]) }
	at := number(3 * 32)
	var proof [][32]byte
	for i := range number(at) {
		proof = append(proof, [32]byte(words[at+32+i*32:]))
	}
	if head.Size == 0 {
		return len(proof) == 0
	}
	return log.CheckGrowth(head.Size, head.Root, number(0), [32]byte(words[32:]), proof) == nil
}

// submit is the calldata by which somebody anchors a checkpoint.
func (w *world) submit(c *fakeChain, p point) []byte {
	w.t.Helper()
	var proof [][32]byte
	if head := c.block(send.Latest).head; head.Size > 0 && head.Size < p.Size {
		var err error
		if proof, err = w.members[0].log.ProveGrowth(p.Size, head.Size); err != nil {
			w.t.Fatal(err)
		}
	}
	return contracts.PackSubmit(contracts.Checkpoint{Size: p.Size, Root: p.Root, Time: p.Time}, proof, contracts.Signatures{Set: contracts.Set{Version: 1}})
}

func decodeJSON(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}

// fees is what all members paid on the chain, in transactions.
func (c *fakeChain) fees() (n int) {
	for _, paid := range c.paid {
		n += paid
	}
	return n
}

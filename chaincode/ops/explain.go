package ops

import (
	"encoding/binary"
	"fmt"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Explanation is the answer of ops:Explain (docs/formats/explain.md): what a batch does here and now, item
// by item, so that the organisation and the item can be found on which
// organisations differ. Digests are SHA-256, hex.
type Explanation struct {
	// State is the digest of every key that the batch read and its value. Two
	// explanations with the same State began from the same ledger.
	State string   `json:"state"`
	Items []Effect `json:"items"`
}

// Effect is what one item does.
type Effect struct {
	ID     string `json:"id"`     // of the operation
	Result string `json:"result"` // name of its code
	Writes string `json:"writes"` // digest of what it writes, in the order of the keys
}

// explain runs a batch and keeps nothing. An operation that has been executed
// meanwhile is explained as if it had not been, as far as that is possible: the
// batch in question may commit while organisations are asked about it.
func (e *Engine) explain(tx *ledger.Tx, frame []byte) (any, error) {
	items, err := DecodeFrame(frame)
	if err != nil {
		return nil, err
	}
	network, err := govern.Load(tx)
	if err != nil {
		return nil, err
	}
	tx.AssumeContents() // they came to those who executed the batch, not to who explains it
	outcomes, signatures, err := e.prepare(tx, network, items)
	if err != nil {
		return nil, err
	}
	x := Explanation{Items: make([]Effect, len(items))}
	for i, s := range signatures {
		id := canon.Sum(items[i].input())
		x.Items[i].ID = canon.Hex(id[:])
		if s == nil {
			x.Items[i].Result, x.Items[i].Writes = outcomes[i].Code.String(), digest(nil)
			continue
		}
		if err := e.explainOne(tx, network, s, &x.Items[i]); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	x.State = digest(tx.Seen())
	return x, nil
}

func (e *Engine) explainOne(tx *ledger.Tx, network *govern.Network, s *signed, x *Effect) error {
	mark := tx.Mark()
	outcome, err := e.applyOne(tx, network, s)
	if err != nil {
		return err
	}
	if !outcome.Replay {
		x.Result, x.Writes = outcome.Code.String(), digest(tx.Since(mark))
		return nil
	}
	// What it finds of itself is not what it found then, so this result may differ
	// from the first one; it is the same wherever code and state are the same.
	if _, err = s.op.apply(tx, network); err != nil {
		tx.Rollback(mark)
	}
	x.Writes = digest(tx.Since(mark))
	tx.Rollback(mark)
	if outcome, err = refused(err); err != nil {
		return err
	}
	x.Result = outcome.Code.String()
	return nil
}

// digest is the hash of keys and values, each after its length; a nil value
// differs from an empty one.
func digest(entries []ledger.Entry) string {
	var b []byte
	for _, e := range entries {
		b = binary.BigEndian.AppendUint32(b, uint32(len(e.Key)))
		b = append(b, e.Key...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(e.Value)+1))
		if e.Value == nil {
			b = append(b[:len(b)-4], 0, 0, 0, 0)
			continue
		}
		b = append(b, e.Value...)
	}
	sum := canon.Sum([]byte("killick.explain.v1"), b)
	return canon.Hex(sum[:])
}

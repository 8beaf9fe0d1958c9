package reward

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// CurrentKey is the state key of the current epoch. Everything that moves
// money reads it, so no operation outlives its epoch.
const CurrentKey = "epoch/current"

// Epoch is a settlement period. Start is the time of the checkpoint that
// opened it; 0 means that the first checkpoint opens it.
type Epoch struct {
	Number uint64 `json:"number"`
	Start  uint64 `json:"start"`
}

// Clock is what the accepted checkpoints say about time: the first one's and
// the newest one's time, zeros before the first.
type Clock struct{ First, Now uint64 }

// Open begins epoch 1. Initialisation calls it.
func Open(tx *ledger.Tx) error { return putJSON(tx, CurrentKey, Epoch{Number: 1}) }

// Current returns the current epoch. Errors: fault.NotInitialised.
func Current(tx *ledger.Tx) (Epoch, error) {
	var e Epoch
	value, err := tx.Get(CurrentKey)
	if err != nil {
		return e, err
	}
	if value == nil {
		return e, fault.New(fault.NotInitialised, "the ledger has no epoch yet")
	}
	if err := json.Unmarshal(value, &e, json.RejectUnknownMembers(true)); err != nil {
		return e, fmt.Errorf("stored epoch: %w", err)
	}
	return e, nil
}

// Due says whether the epoch is over by the checkpoints' clock.
func (e Epoch) Due(n *govern.Network, clock Clock) bool {
	start := e.Start
	if start == 0 {
		start = clock.First
	}
	return start != 0 && clock.Now >= start && clock.Now-start >= n.EpochSeconds
}

// Cut ends the current epoch when it is due and begins the next one at the
// newest checkpoint. Anyone may ask for it. Errors: fault.NotDue.
func Cut(tx *ledger.Tx, n *govern.Network, clock Clock) (Epoch, error) {
	e, err := Current(tx)
	if err != nil {
		return e, err
	}
	if !e.Due(n, clock) {
		return e, fault.New(fault.NotDue, "epoch %d lasts %d s by the checkpoints' clock", e.Number, n.EpochSeconds)
	}
	next := Epoch{Number: e.Number + 1, Start: clock.Now}
	return next, putJSON(tx, CurrentKey, next)
}

func putJSON(tx *ledger.Tx, key string, v any) error {
	value, err := canon.Marshal(v)
	if err != nil {
		return err
	}
	tx.Put(key, value)
	return nil
}

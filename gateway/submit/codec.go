package submit

import (
	"crypto/sha256"
	"hash/maphash"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/ops"
)

// The limits of a batch.
const (
	maxBatch = ops.MaxItems
	maxFrame = ops.MaxFrame - 4 // the frame's own bytes
)

// seed makes hashes of keys differ from one process to the next, so that nobody
// can look for keys that wait for one another.
var seed = maphash.MakeSeed()

func hash(key string) uint64 { return maphash.String(seed, key) >> 1 }

// read takes a JWS apart and refuses what no state is needed to refuse. Errors:
// those of the operation's form and times.
func (it *item) read(jws, network string) (*ops.Operation, error) {
	part, err := ops.ParseCompact(jws)
	if err != nil {
		return nil, err
	}
	o, err := ops.Admit(part, network, uint64(time.Now().Unix()))
	if err != nil {
		return nil, err
	}
	return o, it.fill(o)
}

// reread takes a JWS apart that may have been taken before and has expired since,
// which only the ledger can say for good.
func (it *item) reread(jws string) error {
	part, err := ops.ParseCompact(jws)
	if err != nil {
		return err
	}
	o, err := ops.Open(part)
	if err != nil {
		return err
	}
	if err := o.Body.Check(o.Call); err != nil {
		return err
	}
	return it.fill(o) // an endorser whose clock is slow may execute it yet
}

// operation reads an item again that was accepted before.
func (it *item) operation() (*ops.Operation, error) {
	parts, err := ops.DecodeFrame(it.raw)
	if err != nil {
		return nil, err
	}
	o, err := ops.Open(parts[0])
	if err != nil {
		return nil, err
	}
	return o, o.Body.Check(o.Call)
}

// name sets what an item is known by.
func (it *item) name(o *ops.Operation) (err error) {
	ref := o.Reference()
	it.op, it.hour, it.exp = ref.ID, ref.Expiry, o.Expires
	it.actor, it.first = laneOf(o)
	it.raw, err = ops.EncodeFrame([]ops.Item{o.Item})
	return err
}

// fill sets all that is kept of an operation until it is final: its bytes, once,
// and what decides which batch it travels in.
func (it *item) fill(o *ops.Operation) error {
	accesses := o.Accesses()
	it.class, it.needs = ready, o.Content()
	if it.needs != "" {
		it.class = private
	}
	it.keys = make([]access, 0, len(accesses))
	for _, a := range accesses {
		if strings.HasPrefix(a.Key, "op/") {
			continue // its own result: whatever has the same one is in its own lane
		}
		if a.Key == ops.ClockKey {
			it.class = timed // nothing here changes it, so there is nothing to wait for
			continue
		}
		k := access(hash(a.Key) << 1)
		if a.Changes {
			k |= 1
		}
		it.keys = append(it.keys, k)
	}
	return it.name(o)
}

// laneOf returns the lane of an operation: its actor, or for what a recovery key signs
// a lane of that key, which comes first. So a thief who has filled the actor's places,
// or shows keys that are not the recovery key, holds the owner up no longer than
// operations under way do.
func laneOf(o *ops.Operation) (lane [20]byte, first bool) {
	key := ""
	switch b := o.Body.(type) {
	case *ops.DIDRecover:
		key = b.Key
	case *ops.DIDDeactivate:
		key = b.Key
	}
	if key == "" {
		return o.Call.Actor, false
	}
	sum := sha256.Sum256(append(append([]byte("recovery of "), o.Call.Actor[:]...), key...))
	return [20]byte(sum[:20]), true
}

func (it *item) reference() string { return ops.Reference{Expiry: it.hour, ID: it.op}.String() }

// frameOf encodes a batch. The queue has kept it within the limits.
func frameOf(items []*item) ([]byte, error) {
	parts := make([]ops.Item, len(items))
	for i, it := range items {
		one, err := ops.DecodeFrame(it.raw)
		if err != nil {
			return nil, err
		}
		parts[i] = one[0]
	}
	return ops.EncodeFrame(parts)
}

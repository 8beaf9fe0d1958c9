package submit

import (
	"time"

	"github.com/killick-ledger/killick/chaincode/ops"
)

// The limits of a batch.
const (
	maxBatch = ops.MaxItems
	maxFrame = ops.MaxFrame - 4 // the frame's own bytes
)

// read takes a JWS apart and refuses what no state is needed to refuse. Errors:
// those of the operation's form and times.
func (it *item) read(network string) error {
	part, err := ops.ParseCompact(string(it.jws))
	if err != nil {
		return err
	}
	o, err := ops.Admit(part, network, uint64(time.Now().Unix()))
	if err != nil {
		return err
	}
	it.fill(o)
	return nil
}

// reread takes a JWS apart that was accepted before; it may have expired since,
// which only the ledger can say for good.
func (it *item) reread() error {
	part, err := ops.ParseCompact(string(it.jws))
	if err != nil {
		return err
	}
	o, err := ops.Open(part)
	if err != nil {
		return err
	}
	it.fill(o)
	return nil
}

func (it *item) fill(o *ops.Operation) {
	ref := o.Reference()
	it.part, it.size = o.Item, len(it.jws)
	it.op, it.ref, it.hour = ref.ID, ref.String(), ref.Hour
	it.actor, it.exp = string(o.Call.Actor[:]), o.Expires
}

// frameOf encodes a batch. The queue has kept it within the limits.
func frameOf(items []*item) ([]byte, error) {
	parts := make([]ops.Item, len(items))
	for i, it := range items {
		parts[i] = it.part
	}
	return ops.EncodeFrame(parts)
}

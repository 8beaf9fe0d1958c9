package reward

import (
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// HoldQuery is the request of reward:Hold and of reward:Return: the reference of the
// operation that set money aside.
type HoldQuery struct {
	Hold string `json:"hold"`
}

func (q *HoldQuery) reference() (ledger.Reference, error) {
	ref, err := ledger.ParseReference(q.Hold)
	if err != nil {
		return ref, fault.New(fault.InvalidValue, "hold: %v", err)
	}
	return ref, nil
}

// Return answers reward:Return, given what tells how much the checkpoints' clock has
// counted. Errors: fault.InvalidValue and those of Return.
func (q *HoldQuery) Return(tx *ledger.Tx, elapsed func() (uint64, error)) error {
	ref, err := q.reference()
	if err != nil {
		return err
	}
	return Return(tx, ref, elapsed)
}

// HoldView is a hold as queries answer it.
type HoldView struct {
	Hold     string `json:"hold"`
	Owner    string `json:"owner"`
	Asset    string `json:"asset"`
	Amount   Amount `json:"amount"`
	Paid     Amount `json:"paid"`
	Returned Amount `json:"returned"`
	Status   string `json:"status"`
	Due      uint64 `json:"due,omitzero"` // of the checkpoints' clock, before which it is not returned
}

// Answer returns the hold. Errors: fault.InvalidValue, fault.NotFound.
func (q *HoldQuery) Answer(tx *ledger.Tx, n *govern.Network) (*HoldView, error) {
	ref, err := q.reference()
	if err != nil {
		return nil, err
	}
	h, err := ReadHold(tx, ref)
	if err != nil {
		return nil, err
	}
	return &HoldView{q.Hold, did.String(n.Name, h.Owner), h.Asset, h.Amount, h.Paid, h.Returned, h.Status.String(), h.Due}, nil
}

package checkpoint

import (
	"fmt"
	"strconv"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// maxDraws bounds the draws in one answer.
const maxDraws = 50

// DrawView is a draw as queries answer it.
type DrawView struct {
	Draw     uint64        `json:"draw"`
	Waits    bool          `json:"waits"`    // a round waits for it, and it is not made
	Accepted bool          `json:"accepted"` // its checkpoint is there: it takes elements, unless it is closed
	Closed   bool          `json:"closed"`   // it takes no more elements
	Seed     string        `json:"seed"`     // empty until it is made
	K        int           `json:"k"`        // of its set: how many elements it needs; 0 until it is accepted
	Elements []ElementView `json:"elements"` // of its set, in the order of members; empty until it is accepted
}

// DrawsQuery is the request of checkpoint:Draws: draws with larger numbers than After.
type DrawsQuery struct {
	After uint64 `json:"after,omitempty"`
}

// Answer returns at most 50 draws for which rounds wait, ascending: those that are not
// made, also such that never come.
func (q *DrawsQuery) Answer(tx *ledger.Tx, n *govern.Network) ([]*DrawView, error) {
	entries, err := tx.Prefix(waitPrefix, waitKey(q.After), maxDraws)
	if err != nil {
		return nil, err
	}
	views := []*DrawView{}
	for _, e := range entries {
		draw, err := strconv.ParseUint(e.Key[len(waitPrefix):], 16, 64)
		if err != nil {
			return nil, fmt.Errorf("stored %s: %v", e.Key, err)
		}
		v, err := viewDraw(tx, n, draw)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

// DrawQuery is the request of checkpoint:DrawAt.
type DrawQuery struct {
	Draw uint64 `json:"draw"`
}

// Answer returns how far a draw is. Errors: fault.InvalidValue.
func (q *DrawQuery) Answer(tx *ledger.Tx, n *govern.Network) (*DrawView, error) {
	if q.Draw < 1 {
		return nil, fault.New(fault.InvalidValue, "draw must be at least 1")
	}
	return viewDraw(tx, n, q.Draw)
}

func viewDraw(tx *ledger.Tx, n *govern.Network, draw uint64) (*DrawView, error) {
	v := &DrawView{Draw: draw, Elements: []ElementView{}}
	var err error
	if v.Waits, err = tx.Has(waitKey(draw)); err != nil {
		return nil, err
	}
	set, err := drawnBy(tx, n, draw)
	if fault.Of(err) == fault.NotDue {
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	v.Accepted, v.K = true, set.K
	if v.Elements, _, err = elements(tx, set, draw); err != nil {
		return nil, err
	}
	if v.Closed, err = isClosed(tx, draw); err != nil {
		return nil, err
	}
	var made drawForm
	if err := readInto(tx, DrawKey(draw), &made); err != nil {
		return nil, err
	}
	v.Seed, v.Closed = made.Seed, v.Closed || made.Number > 0
	return v, nil
}

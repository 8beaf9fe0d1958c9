package checkpoint

import (
	"fmt"
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const waitPrefix = "draw/wait/"

func waitKey(draw uint64) string { return waitPrefix + ledger.Hex64(draw) }

// DrawKey returns the state key of a draw that was made.
func DrawKey(draw uint64) string { return "draw/" + ledger.Hex64(draw) }

// Await notes that a round waits for a draw: that of the checkpoint after the newest one,
// which the caller has read. It reads nothing, so that any number of rounds may begin to
// wait at once.
func Await(tx *ledger.Tx, draw uint64) error {
	if draw < 1 {
		return fmt.Errorf("await the draw %d: draws count from 1", draw)
	}
	tx.Put(waitKey(draw), []byte{1})
	return nil
}

// Drawn is a draw that was made.
type Drawn struct {
	Number   uint64
	Seed     [32]byte
	Elements []Element // of the members of its set, in their order
}

// Element is what a member gave to a draw; nil when it withheld it.
type Element struct {
	MSP   string
	Value *[32]byte
}

// Withheld says that an organisation was of the set that made the draw and gave nothing.
func (d *Drawn) Withheld(msp string) bool {
	return slices.ContainsFunc(d.Elements, func(e Element) bool { return e.MSP == msp && e.Value == nil })
}

// drawForm is a draw as it is stored.
type drawForm struct {
	Number   uint64        `json:"number"`
	Seed     string        `json:"seed"`
	Elements []ElementView `json:"elements"`
}

// ElementView is an element in hex, empty when there is none.
type ElementView struct {
	MSP     string `json:"msp"`
	Element string `json:"element"`
}

// DrawOf returns a draw, nil when it was not made.
func DrawOf(tx *ledger.Tx, draw uint64) (*Drawn, error) {
	var f drawForm
	if err := readInto(tx, DrawKey(draw), &f); err != nil || f.Number == 0 {
		return nil, err
	}
	seed, err := canon.UnHex32(f.Seed)
	if err != nil {
		return nil, fmt.Errorf("stored draw %d: %v", draw, err)
	}
	d := &Drawn{Number: f.Number, Seed: seed}
	for _, v := range f.Elements {
		e := Element{MSP: v.MSP}
		if v.Element != "" {
			value, err := canon.UnHex32(v.Element)
			if err != nil {
				return nil, fmt.Errorf("stored draw %d: %v", draw, err)
			}
			e.Value = &value
		}
		d.Elements = append(d.Elements, e)
	}
	return d, nil
}

// Hopeless says that a draw never comes: it takes no elements any more, and has fewer than
// K of its set.
func Hopeless(tx *ledger.Tx, n *govern.Network, draw uint64) (bool, error) {
	closed, err := isClosed(tx, draw)
	if err != nil || !closed {
		return false, err
	}
	set, err := drawnBy(tx, n, draw)
	if err != nil {
		return false, err
	}
	_, given, err := elements(tx, set, draw)
	return given < set.K, err
}

// Forget notes that no round waits any more for a draw that never comes. It reads nothing:
// all jobs that waited for it can be closed at once. None can begin to wait for it again,
// since its checkpoint is there.
func Forget(tx *ledger.Tx, draw uint64) { tx.Delete(waitKey(draw)) }

// Draw is the request of checkpoint:Draw.
type Draw struct {
	Draw uint64 `json:"draw"`
}

// Apply makes a draw for which a round waits, once: as soon as every member of its set has
// given its element, or when it takes no more of them, with those of K or more. State
// alone decides what comes of it, so it does not matter who asks.
// Errors: fault.InvalidValue, fault.NotDue, fault.AlreadyDone, fault.NotFound when no
// round waits for it, fault.NoQuorum when it never comes.
func (d *Draw) Apply(tx *ledger.Tx, n *govern.Network) (*DrawView, error) {
	set, err := drawnBy(tx, n, d.Draw)
	if err != nil {
		return nil, err
	}
	made, err := tx.Has(DrawKey(d.Draw))
	if err != nil {
		return nil, err
	}
	waits, err := tx.Has(waitKey(d.Draw))
	if err != nil {
		return nil, err
	}
	switch {
	case made:
		return nil, fault.New(fault.AlreadyDone, "the draw %d is made", d.Draw)
	case !waits:
		return nil, fault.New(fault.NotFound, "no round waits for the draw %d", d.Draw)
	}
	list, given, err := elements(tx, set, d.Draw)
	if err != nil {
		return nil, err
	}
	if err := d.checkDue(tx, given, len(list), set.K); err != nil {
		return nil, err
	}
	seed, err := seedOf(n.Name, d.Draw, list)
	if err != nil {
		return nil, err
	}
	tx.Delete(waitKey(d.Draw))
	if err := put(tx, DrawKey(d.Draw), drawForm{d.Draw, canon.Hex(seed[:]), list}); err != nil {
		return nil, err
	}
	return viewDraw(tx, n, d.Draw)
}

// checkDue refuses a draw that may still get elements, or has too few for good.
func (d *Draw) checkDue(tx *ledger.Tx, given, all, k int) error {
	if given == all {
		return nil
	}
	closed, err := isClosed(tx, d.Draw)
	switch {
	case err != nil:
		return err
	case !closed:
		return fault.New(fault.NotDue, "%d of %d members have given their elements, which are taken until the checkpoint %d", given, all, d.Draw+govern.Reach)
	case given < k:
		return fault.New(fault.NoQuorum, "%d members gave their elements in time, %d are needed", given, k)
	}
	return nil
}

func seedOf(network string, draw uint64, list []ElementView) (seed [32]byte, err error) {
	values := make([][32]byte, len(list))
	for i, e := range list {
		if e.Element == "" {
			continue
		}
		if values[i], err = canon.UnHex32(e.Element); err != nil {
			return seed, fmt.Errorf("stored element of %s: %v", e.MSP, err)
		}
	}
	return canon.DrawSeed(network, draw, values), nil
}

// elements returns what the members of a set have given to a draw, in their order, and how
// many have.
func elements(tx *ledger.Tx, set *govern.Set, draw uint64) (list []ElementView, given int, err error) {
	for _, m := range set.Members {
		list = append(list, ElementView{MSP: m.MSP})
	}
	err = each(tx, set.Members, func(msp string) string { return ElementKey(draw, msp) }, func(msp string, value []byte) error {
		given++
		at := slices.IndexFunc(list, func(e ElementView) bool { return e.MSP == msp })
		list[at].Element = string(value)
		return nil
	})
	return list, given, err
}

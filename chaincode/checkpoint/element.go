package checkpoint

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// ElementKey returns the state key of a member's element of a draw.
func ElementKey(draw uint64, msp string) string { return "element/" + ledger.Hex64(draw) + "/" + msp }

// PublishedKey returns the state key of the newest element that a member has published.
func PublishedKey(msp string) string { return "published/" + msp }

// published is the element of the largest draw that a member has published, of the chain
// that begins at From. Elements before and after it are found by hashing from here.
type published struct {
	From    uint64 `json:"from"`
	Draw    uint64 `json:"draw"`
	Element string `json:"element"`
}

// Publish is the request of checkpoint:Element: the calling member's element of a draw,
// 64 hex digits.
type Publish struct {
	Draw    uint64 `json:"draw"`
	Element string `json:"element"`
}

// Apply stores the element. It reads no other member's, and nothing that a new checkpoint
// changes, but for the one with which the draw closes.
// Errors: fault.InvalidValue, fault.NotDue before the checkpoint of the draw's number is
// accepted, fault.NotMember for who is not of the set that signed it, fault.AlreadyDone,
// fault.Closed once the draw is made or govern.Reach checkpoints later, fault.NotFound when no
// round waits for it or no chain of the member has it, fault.BadProof.
func (p *Publish) Apply(tx *ledger.Tx, n *govern.Network) error {
	element, err := canon.UnHex32(p.Element)
	if err != nil {
		return fault.New(fault.InvalidValue, "element: %s", fault.Text(err))
	}
	set, err := drawnBy(tx, n, p.Draw)
	if err != nil {
		return err
	}
	member, err := set.CallingMember(tx)
	if err != nil {
		return err
	}
	if err := p.checkOpen(tx, member.MSP); err != nil {
		return err
	}
	chain, err := govern.ChainOf(tx, member.MSP, p.Draw)
	if err != nil {
		return err
	}
	if chain == nil {
		return fault.New(fault.NotFound, "%s has registered no chain for the draw %d", member.MSP, p.Draw)
	}
	last := new(published)
	if err := readInto(tx, PublishedKey(member.MSP), last); err != nil {
		return err
	}
	if err := p.verify(n.Name, member.MSP, chain, last, element); err != nil {
		return err
	}
	tx.Put(ElementKey(p.Draw, member.MSP), []byte(p.Element))
	if last.From == chain.From && last.Draw > p.Draw {
		return nil
	}
	return put(tx, PublishedKey(member.MSP), published{chain.From, p.Draw, p.Element})
}

// checkOpen refuses an element that is there, or of a draw that takes none.
func (p *Publish) checkOpen(tx *ledger.Tx, msp string) error {
	had, err := tx.Get(ElementKey(p.Draw, msp))
	if err != nil {
		return err
	}
	if string(had) == p.Element {
		return fault.New(fault.AlreadyDone, "%s has published its element of the draw %d", msp, p.Draw)
	}
	closed, err := isClosed(tx, p.Draw)
	if err != nil {
		return err
	}
	drawn, err := tx.Has(DrawKey(p.Draw))
	if err != nil {
		return err
	}
	if closed || drawn {
		return fault.New(fault.Closed, "the draw %d takes no elements any more", p.Draw)
	}
	waits, err := tx.Has(waitKey(p.Draw))
	if err == nil && !waits {
		err = fault.New(fault.NotFound, "no round waits for the draw %d", p.Draw)
	}
	return err
}

// verify finds the element in the chain: from the newest that was published of it, or
// from its tip. A member that jumps far ahead makes peers hash as often, 2^20 times at
// most. Errors: fault.BadProof.
func (p *Publish) verify(network, msp string, c *govern.Chain, last *published, element [32]byte) error {
	tip, err := canon.UnHex32(c.Tip)
	if err != nil {
		return fmt.Errorf("stored chain of %s: %v", msp, err)
	}
	known, steps, from := tip, p.Draw-c.From+1, element
	if last.From == c.From && last.Element != "" {
		newest, err := canon.UnHex32(last.Element)
		if err != nil {
			return fmt.Errorf("stored element of %s: %v", msp, err)
		}
		known, steps = newest, p.Draw-last.Draw
		if p.Draw < last.Draw {
			known, steps, from = element, last.Draw-p.Draw, newest
		}
	}
	if canon.ChainWalk(network, msp, from, steps) != known {
		return fault.New(fault.BadProof, "this is not the element %d of the chain of %s", p.Draw-c.From, msp)
	}
	return nil
}

// drawnBy returns the member set that makes a draw: the one that signed the checkpoint of
// its number, whichever is in force by now, so that a change of members changes no draw.
// Errors: fault.InvalidValue, fault.NotDue.
func drawnBy(tx *ledger.Tx, n *govern.Network, draw uint64) (*govern.Set, error) {
	if draw < 1 {
		return nil, fault.New(fault.InvalidValue, "draw must be at least 1")
	}
	c, err := read(tx, NumberKey(draw))
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, fault.New(fault.NotDue, "the checkpoint %d is not accepted", draw)
	}
	return n.SetOf(tx, c.Size)
}

// isClosed says that a draw takes no elements any more, whatever it has.
func isClosed(tx *ledger.Tx, draw uint64) (bool, error) {
	return tx.Has(NumberKey(draw + govern.Reach))
}

// readInto reads a stored value into v, which stays as it is when there is none.
func readInto(tx *ledger.Tx, key string, v any) error {
	value, err := tx.Get(key)
	if value == nil || err != nil {
		return err
	}
	if err := json.Unmarshal(value, v, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("stored %s: %v", key, err)
	}
	return nil
}

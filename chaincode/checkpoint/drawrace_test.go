package checkpoint_test

import (
	"slices"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// DR-7: rounds that begin to wait, elements of different members, and new checkpoints
// void one another not; of two who make a draw one does.
func TestDrawsInOneBlock(t *testing.T) {
	d := newDice(t)
	wait := func() *opstest.Endorsed {
		return d.EndorseRun(func(tx *ledger.Tx, _ *govern.Network) error { return checkpoint.Await(tx, 10) })
	}
	for _, e := range []*opstest.Endorsed{wait(), wait()} {
		if len(e.Reads) > 1 || !d.Order(e) { // the network, which EndorseRun reads
			t.Error("a round that begins to wait is void")
		}
	}
	d.AdvanceTo(10)
	var all []*opstest.Endorsed
	for _, c := range d.chains {
		e := c.Element(10)
		all = append(all, d.EndorseCall(c.By.Caller(), "checkpoint:Element", checkpoint.Publish{Draw: 10, Element: canon.Hex(e[:])}))
	}
	d.AdvanceTo(12)
	for i, e := range all {
		if !d.Order(e) {
			t.Errorf("the element of member %d is void", i)
		}
	}
	draw := func() *opstest.Endorsed {
		return d.EndorseCall(d.Members[0].Caller(), "checkpoint:Draw", checkpoint.Draw{Draw: 10})
	}
	first, second := draw(), draw()
	if !d.Order(first) || d.Order(second) {
		t.Error("not exactly one draw is valid")
	}
}

// A member that publishes a later element first reveals earlier ones, which it may still
// give to their draws.
func TestElementsOutOfOrder(t *testing.T) {
	d := newDice(t)
	d.AdvanceTo(10)
	d.Await(11)
	d.Await(12)
	d.AdvanceTo(12)
	c := d.chains[0]
	d.want("the middle one", d.Publish(c, 11), fault.OK)
	wrong := c.Element(11)
	_, err := d.Invoke(c.By.Caller(), "checkpoint:Element", checkpoint.Publish{Draw: 10, Element: canon.Hex(wrong[:])})
	d.want("of another draw", err, fault.BadProof)
	d.want("the one before", d.Publish(c, 10), fault.OK)
	d.want("the one after", d.Publish(c, 12), fault.OK)
}

// Whatever bytes ask for elements and draws, they are refused with a code or do what the
// bytes of our own client do.
func FuzzElement(f *testing.F) {
	w := opstest.New(f)
	chains := w.RegisterAll(8)
	w.AdvanceTo(9)
	w.Await(10)
	w.AdvanceTo(10)
	e := chains[0].Element(10)
	f.Add([]byte(w.JSON(checkpoint.Publish{Draw: 10, Element: canon.Hex(e[:])})))
	f.Add([]byte(`{"draw":10}`))
	f.Add([]byte(`{"after":9}`))
	f.Fuzz(func(t *testing.T, request []byte) {
		w := w.Clone(t)
		for _, function := range []string{"checkpoint:Element", "checkpoint:Draw", "checkpoint:DrawAt", "checkpoint:Draws"} {
			if _, err := w.Invoke(chains[0].By.Caller(), function, request); fault.Of(err) >= fault.Internal {
				t.Fatalf("%s: %v", function, err)
			}
		}
		stored, err := w.Store.Get(checkpoint.ElementKey(10, chains[0].By.MSP))
		if err != nil || stored != nil && string(stored) != canon.Hex(e[:]) {
			t.Errorf("%s stores %s, %v", request, stored, err)
		}
	})
}

// DR-8: the set that signed a draw's checkpoint makes it, whoever is a member by then.
func TestDrawAcrossARotation(t *testing.T) {
	d := newDice(t)
	d.AdvanceTo(10)
	founded, five := slices.Clone(d.Members), opstest.NewMember(5)
	d.Rotate(3, founded[0], founded[1], founded[2], five)
	e := d.chains[3].Element(10)
	_, err := d.Invoke(five.Caller(), "checkpoint:Element", checkpoint.Publish{Draw: 10, Element: canon.Hex(e[:])})
	d.want("by who joined since", err, fault.NotMember)
	for _, c := range d.chains {
		d.want("element", d.Publish(c, 10), fault.OK)
	}
	d.want("draw", d.draw(10), fault.OK)
	if made := d.drawn(10); made.Seed != d.seed(10, 0, 1, 2, 3) || made.Elements[3].MSP != "Org4MSP" {
		t.Errorf("%+v", made)
	}
	// The next checkpoint is the new set's, and so is its draw.
	d.Await(11)
	d.AdvanceTo(11)
	d.want("by who left", d.Publish(d.chains[3], 11), fault.NotMember)
	_, err = d.Invoke(five.Caller(), "checkpoint:Element", checkpoint.Publish{Draw: 11, Element: canon.Hex(e[:])})
	d.want("by who joined, without a chain", err, fault.NotFound)
	d.want("without the new one", d.draw(11), fault.NotDue)
}

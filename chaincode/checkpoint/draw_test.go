package checkpoint_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// dice is a ledger whose members have chains for draws from 5 on, at checkpoint 9: a
// round waits for draw 10.
type dice struct {
	*opstest.World
	t      *testing.T
	chains []*opstest.Chain
}

func newDice(t *testing.T) *dice {
	d := &dice{World: opstest.New(t), t: t}
	d.chains = d.RegisterAll(64)
	d.AdvanceTo(9)
	d.Await(10)
	return d
}

func (d *dice) clone() *dice { return &dice{d.Clone(d.t), d.t, d.chains} }

func (d *dice) draw(number uint64) error {
	_, err := d.Invoke(d.Members[3].Caller(), "checkpoint:Draw", checkpoint.Draw{Draw: number})
	return err
}

func (d *dice) want(what string, err error, code fault.Code) {
	d.t.Helper()
	if fault.Of(err) != code {
		d.t.Errorf("%s: %v, want %v", what, err, code)
	}
}

func (d *dice) drawn(number uint64) *checkpoint.Drawn {
	d.t.Helper()
	made, err := checkpoint.DrawOf(ledger.Begin(d.Store, d.Now, ledger.Caller{}), number)
	if err != nil {
		d.t.Fatal(err)
	}
	return made
}

func (d *dice) hopeless(number uint64) bool {
	d.t.Helper()
	is, err := checkpoint.Hopeless(ledger.Begin(d.Store, d.Now, ledger.Caller{}), network(d.t, d.World), number)
	if err != nil {
		d.t.Fatal(err)
	}
	return is
}

// seed is what docs/formats/checkpoint.md makes of the elements of the members given.
func (d *dice) seed(number uint64, members ...int) [32]byte {
	b := []byte("killick.draw.v1" + string(rune(len(opstest.Network))) + opstest.Network)
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(number>>shift))
	}
	elements := make([][32]byte, len(d.chains))
	for _, i := range members {
		elements[i] = d.chains[i].Element(number)
	}
	for _, e := range elements {
		b = append(b, e[:]...)
	}
	return canon.Sum(b)
}

// DR-1: with the elements of all members a draw is made at once, and once; who asks does
// not matter.
func TestDrawOfAll(t *testing.T) {
	d := newDice(t)
	d.want("a draw before its checkpoint", d.draw(10), fault.NotDue)
	d.AdvanceTo(10)
	for i, c := range d.chains {
		d.want("a draw without all", d.draw(10), fault.NotDue)
		if d.drawn(10) != nil || d.hopeless(10) {
			t.Errorf("after %d elements: drawn, or hopeless", i)
		}
		d.want("element", d.Publish(c, 10), fault.OK)
	}
	var open []checkpoint.DrawView
	d.Read("checkpoint:Draws", checkpoint.DrawsQuery{}, &open)
	if len(open) != 1 || open[0].Draw != 10 || !open[0].Accepted || open[0].Closed || open[0].K != 3 || len(open[0].Elements) != 4 || open[0].Elements[3].Element == "" {
		t.Errorf("%+v", open)
	}
	if _, err := d.Invoke(ledger.Caller{}, "checkpoint:Draw", checkpoint.Draw{Draw: 10}); err != nil {
		t.Fatal(err)
	}
	made := d.drawn(10)
	if made == nil || made.Number != 10 || made.Seed != d.seed(10, 0, 1, 2, 3) || made.Withheld("Org1MSP") || made.Withheld("Org9MSP") {
		t.Errorf("%+v", made)
	}
	for i, e := range made.Elements {
		if e.MSP != d.Members[i].MSP || *e.Value != d.chains[i].Element(10) {
			t.Errorf("element %d is %+v", i, e)
		}
	}
	d.want("again", d.draw(10), fault.AlreadyDone)
	d.want("an element of a draw that is made", d.Publish(d.chains[0], 10), fault.AlreadyDone)
	d.Read("checkpoint:Draws", checkpoint.DrawsQuery{}, &open)
	var view checkpoint.DrawView
	d.Read("checkpoint:DrawAt", checkpoint.DrawQuery{Draw: 10}, &view)
	if len(open) != 0 || view.Waits || !view.Closed || view.Seed != canon.Hex(made.Seed[:]) {
		t.Errorf("%+v, %+v", open, view)
	}
	if d.hopeless(10) {
		t.Error("a draw that is made is hopeless")
	}
}

// DR-2: elements count in their time, from their member, for a draw that somebody waits
// for, and when they are of the chain.
func TestElementRefuses(t *testing.T) {
	d := newDice(t)
	one := d.chains[0]
	d.want("early", d.Publish(one, 10), fault.NotDue)
	d.want("of a draw that nobody waits for", d.Publish(one, 9), fault.NotFound)
	d.want("a draw that nobody waits for", d.draw(9), fault.NotFound)
	d.AdvanceTo(10)
	publish := func(caller ledger.Caller, draw uint64, element string) error {
		_, err := d.Invoke(caller, "checkpoint:Element", checkpoint.Publish{Draw: draw, Element: element})
		return err
	}
	hex := func(e [32]byte) string { return canon.Hex(e[:]) }
	good := hex(one.Element(10))
	for name, c := range map[string]struct {
		caller  ledger.Caller
		draw    uint64
		element string
		code    fault.Code
	}{
		"of the draw after":  {one.By.Caller(), 10, hex(one.Element(11)), fault.BadProof},
		"of the draw before": {one.By.Caller(), 10, hex(one.Element(9)), fault.BadProof},
		"of another member":  {one.By.Caller(), 10, hex(d.chains[1].Element(10)), fault.BadProof},
		"by another member":  {d.chains[1].By.Caller(), 10, good, fault.BadProof},
		"zeros":              {one.By.Caller(), 10, hex([32]byte{}), fault.BadProof},
		"short":              {one.By.Caller(), 10, good[2:], fault.InvalidValue},
		"no element":         {one.By.Caller(), 10, "", fault.InvalidValue},
		"draw zero":          {one.By.Caller(), 0, good, fault.InvalidValue},
		"a far draw":         {one.By.Caller(), 1<<53 - 1, good, fault.NotDue},
		"by a stranger":      {ledger.Caller{MSP: "Org9MSP", Role: "client"}, 10, good, fault.NotMember},
		"by a peer":          {ledger.Caller{MSP: one.By.MSP, Role: "peer"}, 10, good, fault.NotMember},
	} {
		before := d.Store.Clone().Entries()
		d.want(name, publish(c.caller, c.draw, c.element), c.code)
		if after := d.Store.Entries(); !reflect.DeepEqual(before, after) { // which is faster than a diff
			t.Errorf("%s wrote\n%s", name, cmp.Diff(before, after))
		}
	}
	d.want("good", publish(one.By.Caller(), 10, good), fault.OK)
	d.want("twice", publish(one.By.Caller(), 10, good), fault.AlreadyDone)
	d.want("another after it", publish(one.By.Caller(), 10, hex(one.Element(11))), fault.BadProof)
	d.AdvanceTo(12)
	d.want("at the last checkpoint", d.Publish(d.chains[1], 10), fault.OK)
	late := d.EndorseCall(d.chains[3].By.Caller(), "checkpoint:Element", checkpoint.Publish{Draw: 10, Element: hex(d.chains[3].Element(10))})
	d.AdvanceTo(13)
	d.want("late", d.Publish(d.chains[2], 10), fault.Closed)
	if d.Order(late) {
		t.Error("an element that was endorsed in time and ordered too late is valid")
	}
	for _, name := range []string{"checkpoint:Element", "checkpoint:Draw", "checkpoint:DrawAt"} {
		if _, err := d.Invoke(d.Members[0].Caller(), name, `{}`); fault.Of(err) != fault.MissingField {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
	d.want("the draw 0", d.draw(0), fault.InvalidValue)
}

// DR-3: a member without a chain for a draw gives nothing, before and behind it.
func TestDrawsOutsideOfAChain(t *testing.T) {
	d := &dice{World: opstest.New(t), t: t}
	d.chains = d.RegisterAll(8) // draws 5 to 12
	for draw, e := range map[uint64][32]byte{4: d.chains[0].Element(5), 13: d.chains[0].Element(12)} {
		w := d.clone()
		w.AdvanceTo(draw - 1)
		w.Await(draw)
		w.AdvanceTo(draw)
		_, err := w.Invoke(w.Members[0].Caller(), "checkpoint:Element", checkpoint.Publish{Draw: draw, Element: canon.Hex(e[:])})
		w.want(fmt.Sprint("draw ", draw), err, fault.NotFound)
	}
	d.AdvanceTo(3)
	d.Await(4)
	d.AdvanceTo(13)
	d.want("a draw for which nobody has a chain", d.draw(4), fault.NoQuorum)
	if !d.hopeless(4) || d.hopeless(13) {
		t.Error("the draw 4 never comes, 13 may")
	}
}

// DR-4: once it is closed a draw is made of those of K members, and never of fewer; who
// withheld is on record.
func TestDrawWithoutSome(t *testing.T) {
	d := newDice(t)
	d.AdvanceTo(10)
	for _, i := range []int{0, 3} {
		d.want("element", d.Publish(d.chains[i], 10), fault.OK)
	}
	few := d.clone()
	few.AdvanceTo(12)
	few.want("K - 1, open", few.draw(10), fault.NotDue)
	few.AdvanceTo(13)
	few.want("K - 1, closed", few.draw(10), fault.NoQuorum)
	few.want("an element after that", few.Publish(few.chains[1], 10), fault.Closed)
	if !few.hopeless(10) || few.drawn(10) != nil {
		t.Error("a draw of K - 1 is not hopeless")
	}

	d.want("element", d.Publish(d.chains[1], 10), fault.OK)
	d.AdvanceTo(12)
	d.want("K, open", d.draw(10), fault.NotDue)
	d.AdvanceTo(13)
	if d.hopeless(10) {
		t.Error("a draw of K is hopeless")
	}
	d.want("K, closed", d.draw(10), fault.OK)
	made := d.drawn(10)
	if made.Seed != d.seed(10, 0, 1, 3) || !made.Withheld("Org3MSP") || made.Withheld("Org4MSP") {
		t.Errorf("%+v", made)
	}
}

// DR-5: a chain that is registered again reaches no draw for which a round waits or may
// wait by the time that it is in force, whenever it was proposed.
func TestChainReachesNoWaitingDraw(t *testing.T) {
	d := newDice(t)
	liar := d.Members[3]
	for from := uint64(10); from <= 12; from++ {
		request := d.Request("chain/"+liar.MSP, d.JSON(d.NewChain(liar, from, 8, "another").Value()))
		_, err := d.Invoke(liar.Admin(), "govern:Propose", request)
		d.want(fmt.Sprint("from ", from), err, fault.InvalidValue)
	}
	next := d.NewChain(liar, 13, 8, "another")
	slow := d.clone()
	ref := slow.Propose(liar, slow.Request("chain/"+liar.MSP, slow.JSON(next.Value())))
	for _, m := range slow.Members[:2] {
		slow.Must(m.Admin(), "govern:Approve", govern.Approve{Proposal: ref})
	}
	enact := govern.Enact{Proposal: ref, Approvals: []string{"Org1MSP", "Org2MSP", "Org4MSP"}}
	endorsed := slow.EndorseCall(liar.Caller(), "govern:Enact", enact)
	slow.AdvanceTo(10)
	_, err := slow.Invoke(liar.Caller(), "govern:Enact", enact)
	slow.want("enacted a checkpoint too late", err, fault.InvalidValue)
	if slow.Order(endorsed) {
		t.Error("an enactment that was endorsed a checkpoint before is valid")
	}

	d.Register(next)
	d.AdvanceTo(10)
	d.want("element of the chain before", d.Publish(d.chains[3], 10), fault.OK)
	d.AdvanceTo(12)
	d.Await(13)
	d.AdvanceTo(13)
	d.want("element of the chain that was replaced", d.Publish(d.chains[3], 13), fault.BadProof)
	d.want("element of the new chain", d.Publish(next, 13), fault.OK)
}

// DR-6: f members who choose what to publish, and when, reach 2^f seeds at most.
func TestSeedsThatLiarsReach(t *testing.T) {
	for _, c := range []struct{ members, k, liars int }{{4, 3, 1}, {7, 5, 2}} {
		t.Run(fmt.Sprint(c.members, " members"), func(t *testing.T) {
			d := &dice{World: opstest.New(t), t: t}
			d.Checkpoint(1, d.Now)
			if c.members > 4 {
				next := append([]opstest.Member{}, d.Members...)
				for i := 5; i <= c.members; i++ {
					next = append(next, opstest.NewMember(i))
				}
				d.Rotate(c.k, next...)
				d.AdvanceTo(2)
			}
			d.chains = d.RegisterAll(16)
			d.AdvanceTo(9)
			d.Await(10)
			d.AdvanceTo(10)
			seeds := map[[32]byte]bool{}
			const never = 5
			for schedule := range pow(never+1, c.liars) {
				seeds[d.play(c.liars, schedule, never)] = true
			}
			if len(seeds) != 1<<c.liars {
				t.Errorf("%d seeds, want %d", len(seeds), 1<<c.liars)
			}
		})
	}
}

func pow(base, exponent int) int {
	p := 1
	for range exponent {
		p *= base
	}
	return p
}

// play has each liar publish at its own moment: before the honest, after them, or at
// later checkpoints, the last of which is too late; or never. Before its own element it
// tries another one, of a draw to come, which differs from moment to moment. Somebody asks for the draw
// whenever it could be there.
func (d *dice) play(liars, schedule, never int) [32]byte {
	w := d.clone()
	moment := make([]int, liars)
	for i := range moment {
		moment[i], schedule = schedule%(never+1), schedule/(never+1)
	}
	for now := range never {
		switch {
		case now == 1:
			for _, c := range w.chains[liars:] {
				w.want("an honest element", w.Publish(c, 10), fault.OK)
			}
		case now > 1:
			w.AdvanceTo(10 + uint64(now) - 1)
		}
		for i, at := range moment {
			if at == now {
				w.lie(i, 11+uint64(at))
				_ = w.Publish(w.chains[i], 10) // refused when it is too late
			}
		}
		_ = w.draw(10) // refused until it is due
	}
	made := w.drawn(10)
	if made == nil {
		w.t.Fatal("silent liars hold the draw up")
	}
	return made.Seed
}

// lie has a liar publish the element of another draw for this one.
func (d *dice) lie(liar int, of uint64) {
	d.t.Helper()
	e := d.chains[liar].Element(of)
	_, err := d.Invoke(d.chains[liar].By.Caller(), "checkpoint:Element", checkpoint.Publish{Draw: 10, Element: canon.Hex(e[:])})
	if err == nil {
		d.t.Error("the element of another draw was taken")
	}
}

package reward_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// mint is a ledger with an emission programme of 1,000 a day, a half less every two days,
// for six days.
type mint struct {
	*opstest.World
	t         *testing.T
	verifiers []*opstest.User
	residue   *opstest.User
	policy    govern.Emission
	time      uint64
	calls     int
}

func newMint(t *testing.T) *mint {
	m := &mint{World: opstest.New(t), t: t, residue: opstest.NewUser("residue"), time: opstest.Start}
	m.Create(m.residue)
	for i := range 3 {
		m.verifiers = append(m.verifiers, opstest.NewUser(fmt.Sprint("verifier ", i)))
		m.Create(m.verifiers[i])
	}
	m.policy = govern.Emission{
		Asset: "usd", Start: opstest.Start, Days: 6, Pool: 1000, Unit: 1, DecayBasisPoints: 5000, PeriodDays: 2, Residue: m.residue.DID,
	}
	m.Decide("emission", m.JSON(m.policy))
	return m
}

// endow funds the account of the programme.
func (m *mint) endow(amount reward.Amount) {
	m.t.Helper()
	m.calls++
	m.Must(m.Members[0].Caller(), "reward:Fund", reward.Fund{
		ID: canon.Hex(opstest.Seed(fmt.Sprint("endow ", m.calls))), Asset: "usd", To: did.String(m.Name, reward.EmissionAccount(m.Name)), Amount: amount,
	})
}

func (m *mint) judge(right ...int) func(*ledger.Tx, *govern.Network) error {
	var merits []reward.Merit
	for _, i := range right {
		merits = append(merits, reward.Merit{Verifier: m.verifiers[i].ID, Payee: m.verifiers[i].ID})
	}
	return func(tx *ledger.Tx, _ *govern.Network) error { return reward.Judged(tx, merits) }
}

// vote has ballots of verifiers found right, each in a transaction of its own.
func (m *mint) vote(right ...int) {
	m.t.Helper()
	for _, i := range right {
		if err := m.Run(m.judge(i)); err != nil {
			m.t.Fatal(err)
		}
	}
}

// day sets the checkpoints' clock into a day.
func (m *mint) day(number uint64) { m.time = m.policy.Start + (number-1)*86_400 + 7 }

func (m *mint) emitting(done *reward.Emitted) func(*ledger.Tx, *govern.Network) error {
	return func(tx *ledger.Tx, n *govern.Network) error {
		e, err := reward.Emit(tx, n, reward.Clock{First: opstest.Start, Now: m.time})
		if err == nil {
			*done = *e
		}
		return err
	}
}

// emit takes one step, which must be this one.
func (m *mint) emit(step string, day uint64) {
	m.t.Helper()
	var got reward.Emitted
	err := m.Run(m.emitting(&got))
	if want := (reward.Emitted{Step: step, Day: day}); err != nil || got != want {
		m.t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	m.Audit()
}

func (m *mint) refused(code fault.Code) {
	m.t.Helper()
	var got reward.Emitted
	if err := m.Run(m.emitting(&got)); fault.Of(err) != code {
		m.t.Errorf("%+v, %v, want %v", got, err, code)
	}
	m.Audit()
}

// earned compares what the verifiers, and the residue account, were credited.
func (m *mint) earned(want ...uint64) {
	m.t.Helper()
	for i, u := range append(m.verifiers[:len(m.verifiers):len(m.verifiers)], m.residue) {
		var v reward.BalanceView
		m.Read("reward:Balance", reward.BalanceQuery{DID: u.DID, Asset: "usd"}, &v)
		if v.Pending != (reward.Sum{Lo: want[i]}) {
			m.t.Errorf("%d has earned %s, want %d", i, v.Pending, want[i])
		}
	}
}

func (m *mint) left() reward.Amount {
	m.t.Helper()
	var v reward.EmissionView
	m.Read("reward:Emission", reward.EmissionQuery{}, &v)
	return v.Balance
}

// RW-18 to RW-20: a day's pool is shared among the right ballots of that day and nobody
// else, once, out of an account that no key can act for.
func TestEmission(t *testing.T) {
	m := newMint(t)
	m.vote(0) // before anybody began it
	m.emit("begun", 1)
	m.refused(fault.NotDue)
	m.endow(10_000)
	m.vote(0, 0, 1)
	m.refused(fault.NotDue) // the day is not over
	m.day(2)
	m.emit("ended", 1)
	m.vote(2) // of day 2
	m.emit("shared", 1)
	m.earned(666, 333, 0, 1) // the last one did nothing that day, however long it was there
	m.refused(fault.NotDue)  // once
	m.earned(666, 333, 0, 1)
	m.day(3)
	m.emit("ended", 2)
	m.emit("shared", 2)
	m.earned(666, 333, 1000, 1)
	m.day(4)
	m.emit("ended", 3)
	m.emit("shared", 3) // nobody was right: its pool stays in the account
	m.earned(666, 333, 1000, 1)
	if got := m.left(); got != 8000 {
		t.Errorf("%d are left", got)
	}
	m.vote(1)
	m.day(9) // nobody asked for days: those that are over share their pools
	m.emit("ended", 4)
	m.vote(0) // after the last day
	m.emit("shared", 4)
	m.refused(fault.NotDue)
	m.earned(666, 333+500+250+250, 1000, 1)
	var v reward.EmissionView
	m.Read("reward:Emission", reward.EmissionQuery{Day: 4}, &v)
	if s := v.Span; s.Next != 7 || s.Pool != 1000 || s.Paid != 1000 || s.Ballots != 1 || s.Policy != 1 || v.Open != 0 || v.Due != 7 || v.Waiting {
		t.Errorf("%+v, %+v", v, v.Span)
	}
	// Two more days, decided later: those in which there was no programme have no pool.
	m.policy.Days = 12
	m.Decide("emission", m.JSON(m.policy))
	m.emit("begun", 9)
	m.emit("shared", 7)
	m.vote(2)
	m.day(10)
	m.emit("ended", 9)
	m.emit("shared", 9)
	m.earned(666, 1333, 1000+62, 1)
	m.policy.Days = 1
	m.Decide("emission", m.JSON(m.policy))
	m.vote(2)
	m.emit("ended", 10)
	m.refused(fault.NotDue)
	m.earned(666, 1333, 1062, 1)
}

// RW-18: a day for which there is no money is refused, changes nothing, holds up no later
// day's ballots, and is paid in full once there is.
func TestEmissionUnfunded(t *testing.T) {
	m := newMint(t)
	m.emit("begun", 1)
	m.endow(999)
	m.vote(0)
	m.day(2)
	m.emit("ended", 1)
	for range 3 {
		m.refused(fault.InsufficientFunds)
	}
	m.earned(0, 0, 0, 0)
	m.vote(1)
	m.day(3)
	m.emit("ended", 2)
	m.refused(fault.InsufficientFunds)
	m.endow(1)
	m.emit("shared", 1)
	m.refused(fault.InsufficientFunds)
	m.earned(1000, 0, 0, 0)
	m.endow(2000)
	m.emit("shared", 2)
	m.earned(1000, 1000, 0, 0)
	if got := m.left(); got != 1000 {
		t.Errorf("%d are left", got)
	}
}

// RW-18: nobody takes from the account or fills it but the treasury.
func TestEmissionAccountIsNobodys(t *testing.T) {
	m := newMint(t)
	m.endow(10)
	account := did.String(m.Name, reward.EmissionAccount(m.Name))
	m.Fund(m.residue, 10)
	item, _ := m.Sign(m.residue, &ops.RewardPay{Asset: "usd", Lines: []reward.Line{{To: account, Amount: 1}}}, "")
	if got := m.Batch(item); fault.Code(got[0]) != fault.NotFound {
		t.Errorf("a payment to it: %v", fault.Code(got[0]))
	}
	thief := *m.residue
	thief.DID, thief.ID = account, reward.EmissionAccount(m.Name)
	item, _ = m.Sign(&thief, &ops.RewardWithdraw{Asset: "usd", Amount: 1}, "")
	if got := m.Batch(item); got[0] == 0 {
		t.Error("somebody withdrew from it")
	}
	if _, err := m.Invoke(m.Members[1].Caller(), "reward:Fund", reward.Fund{ID: canon.Hex(opstest.Seed("x")), Asset: "usd", To: account, Amount: 1}); fault.Of(err) != fault.NotMember {
		t.Errorf("funded by another than the treasury: %v", err)
	}
	if got := m.left(); got != 10 {
		t.Errorf("%d are left", got)
	}
	m.Audit()
}

// RW-20: who may not earn the asset is passed over for the residue account, and that one
// for nobody.
func TestEmissionToTheBound(t *testing.T) {
	m := newMint(t)
	m.endow(5000)
	m.emit("begun", 1)
	m.vote(0, 1)
	m.Decide("bound", `["usd"]`)
	m.day(2)
	m.emit("ended", 1)
	m.emit("shared", 1)
	m.earned(0, 0, 0, 0)
	if got := m.left(); got != 5000 {
		t.Errorf("%d are left", got)
	}
	m.Decide("bound", `[]`)
	m.vote(0, 1)
	m.day(3)
	m.emit("ended", 2)
	m.emit("shared", 2)
	m.earned(500, 500, 0, 0)
}

// RW-20: what is shared out has stood still: a ballot that is counted in the same block is
// void or counts for the next day, and counting voids no sharing; of two who share a day
// one does.
func TestEmissionInOneBlock(t *testing.T) {
	m := newMint(t)
	m.endow(5000)
	m.emit("begun", 1)
	m.vote(0)
	m.day(2)
	late := m.EndorseRun(m.judge(1))
	m.emit("ended", 1)
	if m.Order(late) {
		t.Error("a ballot reached a day that is over")
	}
	var e reward.Emitted
	first, second := m.EndorseRun(m.emitting(&e)), m.EndorseRun(m.emitting(&e))
	if !m.Order(m.EndorseRun(m.judge(1))) || !m.Order(first) || m.Order(second) {
		t.Error("not exactly one of two shared the day while ballots were counted")
	}
	m.earned(1000, 0, 0, 0)
	before := m.EndorseRun(m.judge(2))
	m.vote(1)
	if !m.Order(before) {
		t.Error("counting one verifier's ballot has voided another's")
	}
	m.Audit()
}

// RW-18: the programme of four years emits 249,998,940, to the unit, with ballots on every
// day, in whatever order steps are asked for.
func TestEmissionOfFourYears(t *testing.T) {
	m := newMint(t)
	m.policy = govern.Emission{
		Asset: "usd", Start: opstest.Start, Days: 1440, Pool: 385_850, Unit: 1, DecayBasisPoints: 2500, PeriodDays: 180, Residue: m.residue.DID,
	}
	m.Decide("emission", m.JSON(m.policy))
	const total = 249_998_940
	m.endow(total)
	random := rand.New(rand.NewPCG(6, 6))
	m.emit("begun", 1)
	for day := uint64(1); day <= 1440; {
		for range 1 + random.IntN(5) {
			m.vote(random.IntN(3))
		}
		day += 1 + random.Uint64N(3)
		m.day(day)
		for range random.IntN(4) {
			var e reward.Emitted
			if err := m.Run(m.emitting(&e)); err != nil && fault.Of(err) != fault.NotDue {
				t.Fatal(err)
			}
		}
	}
	m.day(1500)
	var e reward.Emitted
	for m.Run(m.emitting(&e)) == nil {
	}
	m.Audit()
	if got := m.left(); got != 0 {
		t.Errorf("%d of %d are left", got, total)
	}
	sum := reward.Sum{}
	for _, u := range append(m.verifiers, m.residue) {
		var v reward.BalanceView
		m.Read("reward:Balance", reward.BalanceQuery{DID: u.DID, Asset: "usd"}, &v)
		sum = sum.Add(v.Pending)
	}
	if sum != (reward.Sum{Lo: total}) {
		t.Errorf("%s are credited, want %d", sum, total)
	}
}

// RW-18 to RW-20: the audit sees money that left the account without a day, a day that was
// left out, a pool that nobody decided on, and ballots that nobody cast.
func TestAuditOfEmission(t *testing.T) {
	m := newMint(t)
	m.endow(5000)
	m.emit("begun", 1)
	m.vote(0, 1)
	m.day(2)
	m.emit("ended", 1)
	m.vote(0)
	m.day(3)
	m.emit("ended", 2)
	m.emit("shared", 1)
	merit := reward.Merit{Verifier: m.verifiers[0].ID, Payee: m.verifiers[0].ID}
	for name, c := range map[string]struct {
		key, from, to, want string
	}{
		"a pool":                 {reward.SpanKey(1), `"pool":"1000"`, `"pool":"1001"`, "RW-19"},
		"paid":                   {reward.SpanKey(1), `"paid":"1000"`, `"paid":"999"`, "RW-18"},
		"ballots":                {reward.SpanKey(1), `"ballots":2`, `"ballots":3`, "RW-20"},
		"a day that is left out": {reward.SpanKey(2), `"first":2`, `"first":3`, "RW-19"},
		"paid before":            {reward.SpanKey(2), `"epoch":0`, `"epoch":1`, "RW-19"},
		"another open day":       {reward.EmissionKey, `"day":3`, `"day":4`, "RW-19"},
		"another's count":        {reward.MeritKey(1, merit), "\x00\x01", "\x00\x02", "RW-20"},
	} {
		t.Run(name, func(t *testing.T) {
			w := m.Clone(t)
			value, err := w.Store.Get(c.key)
			if err != nil || !strings.Contains(string(value), c.from) {
				t.Fatalf("%s: %q, %v", c.key, value, err)
			}
			at := strings.LastIndex(string(value), c.from)
			changed := string(value[:at]) + c.to + string(value[at+len(c.from):])
			if err := w.Store.Put(c.key, []byte(changed)); err != nil {
				t.Fatal(err)
			}
			if err := w.AuditOf(w.Store); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

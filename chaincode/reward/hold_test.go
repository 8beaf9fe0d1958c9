package reward_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// safe is a ledger on which alice has 100 and bob nothing.
type safe struct {
	*opstest.World
	t          *testing.T
	alice, bob *opstest.User
}

func newSafe(t *testing.T) *safe {
	s := &safe{World: opstest.New(t), t: t, alice: opstest.NewUser("alice"), bob: opstest.NewUser("bob")}
	s.Create(s.alice)
	s.Create(s.bob)
	s.Fund(s.alice, 100)
	return s
}

// hold has alice set an amount aside.
func (s *safe) hold(amount reward.Amount) ledger.Reference {
	s.t.Helper()
	call := s.Call(s.alice)
	s.want(s.Run(func(tx *ledger.Tx, n *govern.Network) error { return reward.Spend(tx, call, n, "usd", amount) }), fault.OK)
	return call.Ref
}

func (s *safe) release(hold ledger.Reference, lines ...reward.Credit) error {
	call := s.Call(s.bob)
	return s.Run(func(tx *ledger.Tx, n *govern.Network) error {
		_, err := reward.Release(tx, call, n, hold, lines, 0)
		return err
	})
}

func (s *safe) giveBack(hold ledger.Reference) error {
	_, err := s.Invoke(s.Members[3].Caller(), "reward:Return", reward.HoldQuery{Hold: hold.String()})
	return err
}

func (s *safe) want(err error, code fault.Code) {
	s.t.Helper()
	if fault.Of(err) != code {
		s.t.Errorf("%v, want %v", err, code)
	}
	s.Audit()
}

// has compares what a user has: balance and what is credited.
func (s *safe) has(u *opstest.User, balance reward.Amount, pending uint64) {
	s.t.Helper()
	var v reward.BalanceView
	s.Read("reward:Balance", reward.BalanceQuery{DID: u.DID, Asset: "usd"}, &v)
	if v.Balance != balance || v.Pending != (reward.Sum{Lo: pending}) {
		s.t.Errorf("%d and %s, want %d and %d", v.Balance, v.Pending, balance, pending)
	}
}

// RW-14: two who want the last funds: one has them, and the other is refused, or void.
func TestLastFunds(t *testing.T) {
	spend := func(s *safe) func(tx *ledger.Tx, n *govern.Network) error {
		call := s.Call(s.alice)
		return func(tx *ledger.Tx, n *govern.Network) error { return reward.Spend(tx, call, n, "usd", 60) }
	}
	t.Run("holds in one transaction", func(t *testing.T) {
		s := newSafe(t)
		var codes []fault.Code
		s.want(s.Run(func(tx *ledger.Tx, n *govern.Network) error {
			for range 3 { // as a batch runs operations, each in a savepoint
				mark := tx.Mark()
				err := spend(s)(tx, n)
				if err != nil {
					tx.Rollback(mark)
				}
				codes = append(codes, fault.Of(err))
			}
			return nil
		}), fault.OK)
		if diff := cmp.Diff([]fault.Code{fault.OK, fault.InsufficientFunds, fault.InsufficientFunds}, codes); diff != "" {
			t.Error(diff)
		}
		s.has(s.alice, 40, 0)
	})
	t.Run("holds in two transactions", func(t *testing.T) {
		s := newSafe(t)
		first, second := s.EndorseRun(spend(s)), s.EndorseRun(spend(s))
		if !s.Order(second) || s.Order(first) {
			t.Error("not exactly the first that was ordered is valid")
		}
		s.want(s.Run(spend(s)), fault.InsufficientFunds) // sent again
		s.has(s.alice, 40, 0)
	})
	withdraw := func(s *safe) ops.Item {
		item, _ := s.Sign(s.alice, &ops.RewardWithdraw{Asset: "usd", Amount: 60}, "")
		return item
	}
	t.Run("withdrawals in one batch", func(t *testing.T) {
		s := newSafe(t)
		if got := s.Batch(withdraw(s), withdraw(s)); got[0] != 0 || fault.Code(got[1]) != fault.InsufficientFunds {
			t.Error(got)
		}
		s.has(s.alice, 40, 60)
	})
	t.Run("a withdrawal and a payment in two transactions", func(t *testing.T) {
		s := newSafe(t)
		pay, _ := s.Sign(s.alice, opstest.Pay("usd", s.bob, 60), "")
		first, second := s.Endorse(withdraw(s)), s.Endorse(pay)
		if !s.Order(first) || s.Order(second) {
			t.Error("not exactly the first that was ordered is valid")
		}
		if got := s.Batch(pay); fault.Code(got[0]) != fault.InsufficientFunds {
			t.Error(got)
		}
		s.has(s.alice, 40, 60)
		s.has(s.bob, 0, 0)
	})
}

// What is set aside, paid, returned and withdrawn beyond what is there, too early or
// twice, is refused and moves nothing. (RW-13)
func TestHoldRefuses(t *testing.T) {
	s := newSafe(t)
	spend := func(asset string, amount reward.Amount) error {
		call := s.Call(s.alice)
		return s.Run(func(tx *ledger.Tx, n *govern.Network) error { return reward.Spend(tx, call, n, asset, amount) })
	}
	s.want(spend("usd", 0), fault.InvalidValue)
	s.want(spend("usd", -1), fault.InvalidValue)
	s.want(spend("usd", 101), fault.InsufficientFunds)
	s.want(spend("pts", 1), fault.InsufficientFunds)
	s.want(spend("eur", 1), fault.AssetUnknown)
	hold := s.hold(100)
	to := func(amount reward.Amount) reward.Credit { return reward.Credit{Payee: s.bob.ID, Amount: amount} }
	unknown := s.Call(s.alice).Ref
	s.want(s.release(unknown, to(1)), fault.NotFound)
	s.want(s.giveBack(unknown), fault.NotFound)
	s.want(s.giveBack(hold), fault.NotDue)
	// A settlement that is wrong about its hold is a fault of the program.
	s.want(s.release(hold, to(101)), fault.Internal)
	s.want(s.release(hold, to(60), to(41)), fault.Internal)
	s.want(s.release(hold, to(1<<63-1), to(1<<63-1)), fault.Internal)
	s.want(s.release(hold, to(50), to(0)), fault.Internal)
	s.want(s.release(hold, to(50), to(-1)), fault.Internal)
	s.has(s.alice, 0, 0)
	s.has(s.bob, 0, 0)

	s.want(s.release(hold, to(60), to(1)), fault.OK)
	s.want(s.release(hold, to(1)), fault.AlreadyDone)
	s.want(s.release(hold), fault.AlreadyDone)
	s.has(s.bob, 0, 61)
	s.want(s.giveBack(hold), fault.OK)
	s.want(s.giveBack(hold), fault.AlreadyDone)
	s.want(s.release(hold, to(1)), fault.AlreadyDone)
	s.has(s.alice, 39, 0)
	var v reward.HoldView
	s.Read("reward:Hold", reward.HoldQuery{Hold: hold.String()}, &v)
	want := reward.HoldView{Hold: hold.String(), Owner: s.alice.DID, Asset: "usd", Amount: 100, Paid: 61, Returned: 39, Status: "returned"}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Error(diff)
	}
	all := s.hold(39)
	s.want(s.release(all), fault.OK) // nobody is paid: all of it is the owner's
	s.want(s.giveBack(all), fault.OK)
	s.has(s.alice, 39, 0)
	empty := s.hold(39)
	s.want(s.release(empty, to(39)), fault.OK)
	s.want(s.giveBack(empty), fault.OK) // nothing is left of it
	s.want(s.giveBack(empty), fault.AlreadyDone)
	for _, name := range []string{"reward:Hold", "reward:Return"} {
		for arg, code := range map[string]fault.Code{`{"hold":"x"}`: fault.InvalidValue, `{}`: fault.MissingField} {
			if _, err := s.Invoke(s.Members[0].Caller(), name, arg); fault.Of(err) != code {
				t.Errorf("%s %s: %v, want %v", name, arg, err, code)
			}
		}
	}
}

// RW-13: what a hold has left goes back no sooner than it is due, by the checkpoints' clock,
// and until it has gone back it can be forfeited, once.
func TestHoldIsDue(t *testing.T) {
	s := newSafe(t)
	s.Checkpoint(1, opstest.Start)
	settle := func(amount reward.Amount, due uint64, lines ...reward.Credit) ledger.Reference {
		t.Helper()
		hold, call := s.hold(amount), s.Call(s.bob)
		s.want(s.Run(func(tx *ledger.Tx, n *govern.Network) error {
			_, err := reward.Release(tx, call, n, hold, lines, due)
			return err
		}), fault.OK)
		return hold
	}
	forfeit := func(hold ledger.Reference) (taken reward.Amount, err error) {
		call := s.Call(s.bob)
		err = s.Run(func(tx *ledger.Tx, n *govern.Network) (err error) {
			taken, _, err = reward.Forfeit(tx, call, n, hold, s.bob.ID)
			return err
		})
		return taken, err
	}
	kept, lost := settle(40, 60), settle(50, 60, reward.Credit{Payee: s.bob.ID, Amount: 20})
	s.want(s.giveBack(kept), fault.NotDue)
	if taken, err := forfeit(lost); taken != 30 || err != nil {
		t.Errorf("%d are taken: %v", taken, err)
	}
	_, err := forfeit(lost)
	s.want(err, fault.AlreadyDone)
	s.has(s.bob, 0, 50)
	s.Checkpoint(2, opstest.Start+59)
	s.want(s.giveBack(kept), fault.NotDue)
	s.want(s.giveBack(lost), fault.NotDue)
	s.has(s.alice, 10, 0)
	s.Checkpoint(3, opstest.Start+60)
	s.want(s.giveBack(kept), fault.OK)
	s.want(s.giveBack(lost), fault.OK) // nothing is left of it
	s.has(s.alice, 50, 0)
	for _, hold := range []ledger.Reference{kept, lost} {
		_, err = forfeit(hold)
		s.want(err, fault.AlreadyDone)
	}
	_, err = forfeit(s.hold(5))
	s.want(err, fault.NotDue)
	s.has(s.bob, 0, 50)
}

// A balance that cannot take what comes back leaves it in the hold, for later.
func TestReturnToAFullBalance(t *testing.T) {
	s := newSafe(t)
	hold := s.hold(100)
	s.want(s.release(hold), fault.OK)
	s.Fund(s.alice, 1<<63-1)
	s.want(s.giveBack(hold), fault.Overflow)
	s.Do(s.alice, &ops.RewardWithdraw{Asset: "usd", Amount: 100}, "")
	s.want(s.giveBack(hold), fault.OK)
	s.has(s.alice, 1<<63-1, 100)
}

// What is withdrawn is credited as what is earned, and leaves a posting in the result.
func TestWithdraw(t *testing.T) {
	s := newSafe(t)
	for amount, code := range map[reward.Amount]fault.Code{0: fault.InvalidValue, 101: fault.InsufficientFunds, 1<<63 - 1: fault.InsufficientFunds} {
		item, _ := s.Sign(s.alice, &ops.RewardWithdraw{Asset: "usd", Amount: amount}, "")
		if got := s.Batch(item); fault.Code(got[0]) != code {
			t.Errorf("%d: %v, want %v", amount, fault.Code(got[0]), code)
		}
	}
	for asset, code := range map[string]fault.Code{"eur": fault.AssetUnknown, "a/b": fault.InvalidValue, "pts": fault.InsufficientFunds} {
		item, _ := s.Sign(s.alice, &ops.RewardWithdraw{Asset: asset, Amount: 1}, "")
		if got := s.Batch(item); fault.Code(got[0]) != code {
			t.Errorf("%s: %v, want %v", asset, fault.Code(got[0]), code)
		}
	}
	ref := s.Do(s.alice, &ops.RewardWithdraw{Asset: "usd", Amount: 70, For: "not needed"}, "")
	s.has(s.alice, 30, 70)
	var v ops.ResultView
	s.Read("ops:Operation", ref.String(), &v)
	if v.Op != "reward.withdraw" || v.Asset != "usd" || v.Epoch != 1 || len(v.Lines) != 1 || v.Lines[0] != (ops.LineView{To: s.alice.DID, Amount: 70}) {
		t.Errorf("%+v", v)
	}
	// In an asset that is for persons only, nobody else gets money out.
	s.Decide("bound", `["usd"]`)
	item, _ := s.Sign(s.alice, &ops.RewardWithdraw{Asset: "usd", Amount: 1}, "")
	if got := s.Batch(item); fault.Code(got[0]) != fault.NotBound {
		t.Errorf("without a person: %v", fault.Code(got[0]))
	}
	s.has(s.alice, 30, 70)
	s.Audit()
}

// RW-15: a settlement is valid whatever the payer and the payees do with their balances
// at the same moment, and a payee who may not earn is known before.
func TestReleaseReadsNoBalance(t *testing.T) {
	s := newSafe(t)
	hold := s.hold(50)
	call := s.Call(s.bob)
	settlement := s.EndorseRun(func(tx *ledger.Tx, n *govern.Network) error {
		_, err := reward.Release(tx, call, n, hold, []reward.Credit{{Payee: s.bob.ID, Amount: 20}}, 0)
		return err
	})
	for key := range settlement.Reads {
		if strings.HasPrefix(key, "balance/") || strings.HasPrefix(key, "actor/") {
			t.Errorf("a settlement reads %s", key)
		}
	}
	for i := range 5 { // the payer moves its money all the time
		s.Do(s.alice, opstest.Pay("usd", s.bob, 1+i), "")
		s.Fund(s.bob, 3)
	}
	if !s.Order(settlement) {
		t.Error("the settlement is void")
	}
	s.Audit()
	s.want(s.giveBack(hold), fault.OK)
	s.has(s.alice, 100-15-20, 0)

	// Two settlements of one hold: one is valid.
	other := s.hold(10)
	settle := func(to *opstest.User) *opstest.Endorsed {
		call := s.Call(s.bob)
		return s.EndorseRun(func(tx *ledger.Tx, n *govern.Network) error {
			_, err := reward.Release(tx, call, n, other, []reward.Credit{{Payee: to.ID, Amount: 10}}, 0)
			return err
		})
	}
	first, second := settle(s.bob), settle(s.alice)
	if !s.Order(first) || s.Order(second) {
		t.Error("not exactly one settlement is valid")
	}
	s.Audit()

	last := s.hold(10)
	s.Decide("bound", `["usd"]`)
	s.want(s.release(last, reward.Credit{Payee: s.bob.ID, Amount: 4}), fault.NotBound)
	s.want(s.Run(func(tx *ledger.Tx, n *govern.Network) error { return n.CheckPayee(tx, s.bob.ID, "usd") }), fault.NotBound)
	s.want(s.release(last), fault.OK)
	s.want(s.giveBack(last), fault.OK)
}

// RW-16: one operation that credits more than a posting holds, or more than an amount,
// loses nothing.
func TestPostingsOfOneOperation(t *testing.T) {
	s := newSafe(t)
	s.Fund(s.alice, 1<<40)
	payees := neighbours(t, s.World, 600)
	hold := s.hold(1 << 30)
	var lines []reward.Credit
	for range 2 {
		for _, u := range payees {
			lines = append(lines, reward.Credit{Payee: u.ID, Amount: 7})
		}
	}
	s.want(s.release(hold, lines...), fault.OK)
	if keys := postings(s.World); len(keys) < 3 {
		t.Errorf("1,200 lines to 600 payees of a shard are in %d postings", len(keys))
	}
	for _, u := range []*opstest.User{payees[0], payees[299], payees[599]} {
		s.has(u, 0, 14)
	}
	// Two holds in one operation, together more than an amount can be.
	const most = 1<<63 - 1
	var holds []ledger.Reference
	for i := range 3 {
		rich := opstest.NewUser(fmt.Sprint("rich ", i))
		s.Create(rich)
		s.Fund(rich, most)
		call := s.Call(rich)
		s.want(s.Run(func(tx *ledger.Tx, n *govern.Network) error { return reward.Spend(tx, call, n, "usd", most) }), fault.OK)
		holds = append(holds, call.Ref)
	}
	call := s.Call(s.alice)
	s.want(s.Run(func(tx *ledger.Tx, n *govern.Network) error {
		for _, h := range holds {
			if _, err := reward.Release(tx, call, n, h, []reward.Credit{{Payee: s.bob.ID, Amount: most}}, 0); err != nil {
				return err
			}
		}
		return nil
	}), fault.OK)
	var v reward.BalanceView
	s.Read("reward:Balance", reward.BalanceQuery{DID: s.bob.DID, Asset: "usd"}, &v)
	if want := (reward.Sum{}).Plus(most).Plus(most).Plus(most); v.Pending != want {
		t.Errorf("%s are pending, want %s", v.Pending, want)
	}
}

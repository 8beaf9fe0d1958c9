package reward_test

import (
	"fmt"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// modelHold is money that was set aside: how much is left, and whether it was settled.
type modelHold struct {
	ref     ledger.Reference
	owner   string
	left    int64
	due     uint64 // of the checkpoints' clock
	settled bool
	back    bool
}

// withdraw moves money from a balance to the credits of the same user.
func (g *game) withdraw() {
	u := g.users[g.random.IntN(len(g.users))]
	a := 1 + g.random.Int64N(1<<g.random.IntN(20))
	item, _ := g.World.Sign(u, &ops.RewardWithdraw{Asset: "usd", Amount: reward.Amount(a)}, "")
	want := byte(0)
	if id := u.ID.String(); !g.model.pay(id, []string{id}, []int64{a}) {
		want = byte(fault.InsufficientFunds)
	}
	if got := g.Batch(item); got[0] != want {
		g.t.Fatalf("withdraw: %v, want %v", fault.Code(got[0]), fault.Code(want))
	}
}

func (g *game) want(what string, err error, code fault.Code) {
	g.t.Helper()
	if fault.Of(err) != code {
		g.t.Fatalf("%s: %v, want %v", what, err, code)
	}
}

// spend sets money aside.
func (g *game) spend() {
	u := g.users[g.random.IntN(len(g.users))]
	a := 1 + g.random.Int64N(1<<g.random.IntN(20))
	h := &modelHold{ref: g.Call(u).Ref, owner: u.ID.String(), left: a}
	call := ledger.Call{Network: opstest.Network, Actor: u.ID, Ref: h.ref}
	err := g.Run(func(tx *ledger.Tx, n *govern.Network) error {
		return reward.Spend(tx, call, n, "usd", reward.Amount(a))
	})
	if g.model.balance[h.owner] < a {
		g.want("spend", err, fault.InsufficientFunds)
		return
	}
	g.want("spend", err, fault.OK)
	g.model.balance[h.owner] -= a
	g.model.holds = append(g.model.holds, h)
}

// settle pays part of a hold, or gives back what it has left, whichever may be.
func (g *game) settle() {
	if len(g.model.holds) == 0 {
		return
	}
	h := g.model.holds[g.random.IntN(len(g.model.holds))]
	switch g.random.IntN(5) {
	case 0, 1:
		g.giveBack(h)
		return
	case 2:
		g.forfeit(h)
		return
	}
	var lines []reward.Credit
	var to []string
	var amounts []int64
	sum := int64(0)
	for range g.random.IntN(4) { // a payee may come twice
		a := 1 + g.random.Int64N(h.left/3+1)
		if sum += a; sum > h.left {
			break
		}
		u := g.users[g.random.IntN(len(g.users))]
		lines = append(lines, reward.Credit{Payee: u.ID, Amount: reward.Amount(a)})
		to, amounts = append(to, u.ID.String()), append(amounts, a)
	}
	var due uint64
	if g.random.IntN(2) == 0 {
		due = g.Head().Elapsed + g.random.Uint64N(200)
	}
	call := g.Call(g.users[0])
	err := g.Run(func(tx *ledger.Tx, n *govern.Network) error {
		_, err := reward.Release(tx, call, n, h.ref, lines, due)
		return err
	})
	if h.settled {
		g.want("release again", err, fault.AlreadyDone)
		return
	}
	g.want("release", err, fault.OK)
	h.settled, h.due = true, due
	for i := range to {
		g.earn(h, to[i], amounts[i])
	}
}

// earn credits what a hold gives away.
func (g *game) earn(h *modelHold, to string, amount int64) {
	if g.model.credit[g.model.epoch] == nil {
		g.model.credit[g.model.epoch] = map[string]int64{}
	}
	g.model.credit[g.model.epoch][to] += amount
	h.left -= amount
}

// forfeit takes all that a hold has left.
func (g *game) forfeit(h *modelHold) {
	u := g.users[g.random.IntN(len(g.users))]
	call := g.Call(g.users[0])
	err := g.Run(func(tx *ledger.Tx, n *govern.Network) error {
		taken, _, err := reward.Forfeit(tx, call, n, h.ref, u.ID)
		if err == nil && int64(taken) != h.left {
			g.t.Errorf("%d are taken of a hold that has %d left", taken, h.left)
		}
		return err
	})
	switch {
	case !h.settled:
		g.want("forfeit too early", err, fault.NotDue)
	case h.left == 0:
		g.want("forfeit nothing", err, fault.AlreadyDone)
	default:
		g.want("forfeit", err, fault.OK)
		g.earn(h, u.ID.String(), h.left)
	}
}

func (g *game) giveBack(h *modelHold) {
	_, err := g.Invoke(g.Members[1].Caller(), "reward:Return", reward.HoldQuery{Hold: h.ref.String()})
	switch {
	case !h.settled:
		g.want("return too early", err, fault.NotDue)
	case h.back:
		g.want("return again", err, fault.AlreadyDone)
	case g.Head().Elapsed < h.due:
		g.want("return before it is due", err, fault.NotDue)
	default:
		g.want("return", err, fault.OK)
		g.model.balance[h.owner] += h.left
		h.left, h.back = 0, true
	}
}

// compareHolds checks every hold against the model.
func (g *game) compareHolds() {
	g.t.Helper()
	for _, h := range g.model.holds {
		var v reward.HoldView
		g.Read("reward:Hold", reward.HoldQuery{Hold: h.ref.String()}, &v)
		status := map[bool]string{false: "open", true: "released"}[h.settled]
		if h.back {
			status = "returned"
		}
		got, want := fmt.Sprint(v.Amount-v.Paid-v.Returned, v.Status), fmt.Sprint(h.left, status)
		if got != want {
			g.t.Fatalf("hold %s: %s, want %s", h.ref, got, want)
		}
	}
}

package story

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/killick-ledger/killick/gateway/client"
)

// statement is what `killick statement --json` prints.
type statement struct {
	Lines []struct {
		Kind   string `json:"kind"`
		From   string `json:"from"`
		To     string `json:"to"`
		Amount string `json:"amount"`
		Fate   string `json:"fate"`
	} `json:"lines"`
	Totals map[string]string `json:"totals"`
}

// places are where an account's money can be, in the order of a statement.
var places = []string{"balance", "held", "pending", "due", "assigned"}

// account is one of the story's parties and what it had from the treasury.
type account struct {
	name string
	who  *client.Identity
}

func (w *World) accounts() []account {
	all := []account{{"partner", w.partner}, {"alice", w.alice}, {"bob", w.bob}, {"treasury", w.treasurer}}
	for _, p := range append(w.operators[:len(w.operators):len(w.operators)], w.verifiers...) {
		all = append(all, account{p.name, p.who})
	}
	return all
}

// statements shows what moved every party's money since it was there, adds each statement
// up, and all of them: between the parties nothing came to be and nothing was lost.
func (w *World) statements(ctx context.Context) error {
	if err := w.returned(ctx); err != nil {
		return err
	}
	w.say("%-10s %5s %12s %12s %12s %12s %12s   %12s", "", "lines", "+ funded", "+ received", "+ earned", "- paid", "- charged", "= has")
	var funded, kept uint64
	for _, a := range w.accounts() {
		f, k, err := w.statement(ctx, a)
		if err != nil {
			return fmt.Errorf("statement of %s: %w", a.name, err)
		}
		funded, kept = funded+f, kept+k
	}
	if funded != kept {
		return fmt.Errorf("treasuries brought %d micro-units, the parties have %d", funded, kept)
	}
	w.say("all of it together: %s usd came from the treasury, %s usd are there", usd(funded), usd(kept))
	out, err := w.killick(ctx, "audit", "ledger")
	if err != nil {
		return err
	}
	var audit struct {
		Broken []string `json:"broken"`
	}
	if err := json.Unmarshal([]byte(out), &audit); err != nil {
		return err
	}
	if len(audit.Broken) > 0 {
		return fmt.Errorf("killick audit ledger: %v", audit.Broken)
	}
	w.say("killick audit ledger adds everything up again from the ledger's postings and agrees")
	return nil
}

// statement prints one party's line and returns what treasuries brought it and what it has.
func (w *World) statement(ctx context.Context, a account) (funded, kept uint64, err error) {
	out, err := w.killick(ctx, "statement", w.on(a.who).DID())
	if err != nil {
		return 0, 0, err
	}
	var s statement
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return 0, 0, err
	}
	in := map[string]int64{}
	sums := map[string]uint64{}
	for _, l := range s.Lines {
		amount, err := strconv.ParseUint(l.Amount, 10, 63)
		if err != nil {
			return 0, 0, err
		}
		in[l.From] -= int64(amount)
		in[l.To] += int64(amount)
		sums[l.Kind] += amount
	}
	var has []string
	for _, p := range places {
		if s.Totals[p] != strconv.FormatInt(in[p], 10) {
			return 0, 0, fmt.Errorf("its lines leave %d micro-units in %s, its total is %s", in[p], p, s.Totals[p])
		}
		kept += uint64(in[p])
		if in[p] != 0 {
			has = append(has, p+" "+usd(uint64(in[p])))
		}
	}
	w.say("%-10s %5d %12s %12s %12s %12s %12s   %12s: %s", a.name, len(s.Lines), usd(sums["funded"]), usd(sums["received"]), usd(sums["job"]), usd(sums["paid"]),
		usd(sums["charged"]), usd(kept), strings.Join(has, ", "))
	if got := sums["funded"] + sums["received"] + sums["job"] - sums["paid"] - sums["charged"]; got != kept {
		return 0, 0, fmt.Errorf("its lines come to %d micro-units, it has %d", got, kept)
	}
	return sums["funded"], kept, nil
}

// returned waits until what was held and not charged is back with whom it belongs to.
func (w *World) returned(ctx context.Context) error {
	return await(ctx, time.Minute, "what was held for jobs and not charged is returned", func() (bool, error) {
		if err := w.keepBusy(ctx); err != nil {
			return false, err
		}
		for _, a := range w.accounts() {
			s, err := w.Client.Statement(ctx, &client.GetStatement{Did: w.on(a.who).DID(), Asset: "usd", PageSize: 1})
			if err != nil {
				return false, err
			}
			if s.GetTotals().GetHeld() != "0" {
				return false, fmt.Errorf("%s micro-units of %s are held", s.GetTotals().GetHeld(), a.name)
			}
		}
		return true, nil
	})
}

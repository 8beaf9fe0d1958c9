package campaign_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/send"
)

// loner is a driver that keeps to itself that one endpoint answered alone.
type loner struct {
	send.Chain
	final bool // and believes it
}

func (l loner) Look(ctx context.Context, a send.Attempt) (send.Outcome, error) {
	o, err := l.Chain.Look(ctx, a)
	if !errors.Is(err, send.ErrAlone) {
		return o, err
	}
	o.Final = l.final && o.State == send.StateMined
	return o, nil
}

// TestOneKnowsNoTransactions: one of two endpoints has answers about the contract and none
// about transactions, as one that is too slow for several questions, or keeps no receipts.
// The intent is done, and its transaction stays open with an alarm until that endpoint is
// well. Drivers that hide it are found.
func TestOneKnowsNoTransactions(t *testing.T) {
	t.Parallel()
	g := newEVM(t, 2)
	for n, tt := range []struct {
		name   string
		mutate func(send.Chain) send.Chain
		want   string // what is wrong
	}{
		{"our driver", func(c send.Chain) send.Chain { return c }, ""},
		{"a driver that is silent", func(c send.Chain) send.Chain { return loner{c, false} }, "no alarm"},
		{"a driver that believes one endpoint", func(c send.Chain) send.Chain { return loner{c, true} }, "ended on the word of one endpoint"},
	} {
		p := newPlay(t, g)
		p.mutate = tt.mutate
		p.reopen()
		in := payment(g, n)
		p.plan(in)
		g.wires[n%2].set(on(refused, "eth_getTransactionReceipt"))
		p.rounds(evmFinality + 8)
		st := p.status(in)
		alarms, err := p.s.Alarms(t.Context())
		var wrong []string
		if !st.Phase.Done() || len(st.Tries) != 1 || err != nil {
			wrong = append(wrong, fmt.Sprintf("%s after %s: %v", st.Phase, tries(st), err))
		}
		if st.Tries[0].Ended() {
			wrong = append(wrong, "ended on the word of one endpoint")
		} else if !slices.ContainsFunc(alarms, func(a string) bool { return strings.Contains(a, send.ErrAlone.Error()) }) {
			wrong = append(wrong, "no alarm")
		}
		wrong = append(wrong, p.finish()...)
		if found := strings.Join(wrong, "; "); found != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, found, tt.want)
		}
		g.ledger().turn(g.landed())
	}
}

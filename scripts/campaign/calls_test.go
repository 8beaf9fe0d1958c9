package campaign_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
)

// names of the faults, as the list has them.
var names = map[fault]string{
	none: "answers", refused: "failed, not done", lost: "failed, done", hangBefore: "hangs, not done", hangAfter: "hangs, done",
	stale: "says what was so before", empty: "knows nothing", orphan: "receipt of a block that was left",
	success: "forged success", failure: "forged failure", ahead: "nonce ahead", behind: "nonce behind", wrong: "another value", yes: "it has happened",
}

// TestEachCall lets each method that the drivers use fail in each way for some rounds,
// at the beginning and once the transaction is under way.
func TestEachCall(t *testing.T) {
	t.Parallel()
	for name, g := range map[string]ground{"evm": newEVM(t, 1), "tron": newTron(t, false)} {
		methods := map[string]bool{}
		p := newPlay(t, g)
		p.rule(func(_ int, method string) fault { methods[method] = true; return none })
		p.plan(payment(g, 1))
		p.rounds(8)
		p.sound()
		g.ledger().turn(g.landed())
		var all []scene
		for _, method := range slices.Sorted(maps.Keys(methods)) {
			for _, kind := range []fault{refused, lost, stale, empty, hangBefore, hangAfter} {
				all = append(all, scene{fmt.Sprintf("%s %s %s", name, method, names[kind]), 0, func(p *play, _ send.Intent) {
					rounds := 3
					if kind == hangBefore || kind == hangAfter {
						p.timeout, rounds = 50*time.Millisecond, 1
						p.reopen()
					}
					for range 2 {
						p.rule(on(kind, method))
						p.rounds(rounds)
						p.rule(healthy)
						p.round()
					}
				}})
			}
		}
		if len(methods) < 7 {
			t.Errorf("%s: only %d methods are used", name, len(methods))
		}
		var some []scene
		for i := 0; i < len(all); i += *every {
			some = append(some, all[i])
		}
		scenes(t, g, some)
	}
}

// TestLies has one of two endpoints lie about everything, for as long as it likes; what
// could have something taken for done, also while the other one is away. It cannot have
// anything sent twice, nor taken for done; in the end the truth is told.
func TestLies(t *testing.T) {
	t.Parallel()
	g := newEVM(t, 2)
	var all []scene
	for _, liar := range []int{0, 1} {
		lie := func(kind, other fault) {
			all = append(all, scene{fmt.Sprintf("endpoint %d: %s, the other: %s", liar, names[kind], names[other]), 0, func(p *play, _ send.Intent) {
				g.wires[liar].set(func(int, string) fault { return kind })
				g.wires[1-liar].set(func(int, string) fault { return other })
				for range 8 { // nothing has happened yet that could be told
					p.step()
					g.block(false)
				}
				p.rounds(15)
			}})
		}
		lie(yes, refused)
		for _, kind := range lies {
			lie(kind, none)
		}
		lie(success, refused)
		lie(failure, refused)
	}
	scenes(t, g, all)
}

// TestOneHangs: one of two endpoints takes questions and never answers. What is planned
// is sent all the same, and nothing is final before it is back.
func TestOneHangs(t *testing.T) {
	t.Parallel()
	g := newEVM(t, 2)
	for hung := range g.wires {
		p := newPlay(t, g)
		p.timeout = 100 * time.Millisecond
		p.reopen()
		in := payment(g, hung)
		p.plan(in)
		g.wires[hung].set(func(int, string) fault { return hangBefore })
		for rounds := 0; p.status(in).Phase != send.PhaseMined; rounds++ {
			if rounds == 12 {
				t.Fatalf("endpoint %d hangs: %s, %s", hung, p.status(in).Phase, tries(p.status(in)))
			}
			if rounds%2 == 1 { // the machine may be too slow
				p.timeout *= 2
				p.reopen()
			}
			p.round()
		}
		for range evmFinality + 3 {
			g.block(true)
		}
		if p.step(); p.status(in).Phase != send.PhaseMined {
			t.Errorf("%s on the word of one endpoint", p.status(in).Phase)
		}
		p.sound()
		g.ledger().turn(g.landed())
	}
}

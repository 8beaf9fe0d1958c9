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
	refused: "failed, not done", lost: "failed, done", hangBefore: "hangs, not done", hangAfter: "hangs, done",
	stale: "says what was so before", empty: "knows nothing", orphan: "receipt of a block that was left",
	success: "forged success", failure: "forged failure", ahead: "nonce ahead", behind: "nonce behind", wrong: "another value",
}

// TestEachCall lets each method that the drivers use fail in each way for some rounds,
// at the beginning and once the transaction is under way.
func TestEachCall(t *testing.T) {
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

// TestLies has one of two endpoints lie about everything, for as long as it likes. It
// cannot have anything sent twice, nor taken for done; in the end the truth is told.
func TestLies(t *testing.T) {
	g := newEVM(t, 2)
	var all []scene
	for _, liar := range []int{0, 1} {
		for _, kind := range lies {
			all = append(all, scene{fmt.Sprintf("endpoint %d: %s", liar, names[kind]), 0, func(p *play, in send.Intent) {
				g.wires[liar].set(func(int, string) fault { return kind })
				for range 30 {
					p.round()
					if st := p.status(in); st.Phase.Done() && !g.isMoot(in) {
						t.Errorf("done on the word of a liar")
					}
				}
			}})
		}
	}
	scenes(t, g, all)
}

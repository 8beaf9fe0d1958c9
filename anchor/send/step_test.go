package send_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/anchor/send"
)

func TestNext(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	is := func(s send.State, final bool) send.Outcome { return send.Outcome{State: s, Final: final} }
	armed := send.Try{}
	fresh := send.Try{First: ago(time.Second), Last: ago(time.Second)}
	old := send.Try{First: ago(time.Hour), Last: ago(time.Second), Outcome: is(send.StatePending, false)}
	lost := send.Try{First: ago(30 * time.Second), Last: ago(30 * time.Second)}
	// The clock was ahead by a day when it was sent.
	ahead := send.Try{First: ago(-24 * time.Hour), Last: ago(-24 * time.Hour)}
	minute := old
	minute.First = ago(100 * time.Second)
	pooled := fresh
	pooled.Outcome = is(send.StatePending, false)
	waiting := ahead
	waiting.Outcome = is(send.StatePending, false)
	expiring := old
	expiring.Expires = now.Add(time.Minute)
	dead := send.Try{First: ago(time.Hour), Outcome: is(send.StateDead, false)}
	mined := send.Try{First: ago(time.Minute), Outcome: is(send.StateMined, false)}
	reverting := send.Try{First: ago(time.Minute), Outcome: is(send.StateReverted, false)}
	reverted := send.Try{First: ago(time.Minute), Outcome: is(send.StateReverted, true)}
	settled := send.Try{Outcome: is(send.StateMined, true), Settled: ago(time.Second)}
	denied := send.Try{Outcome: is(send.StateMined, true), Settled: ago(time.Hour)}
	tries := func(t ...send.Try) []send.Try { return t }

	for _, c := range []struct {
		name string
		view send.View
		want send.Decision
	}{
		{"new", send.View{}, send.Decision{Move: send.Arm, Phase: send.PhasePlanned}},
		{"new, another one on its way", send.View{Blocked: true}, send.Decision{Phase: send.PhasePlanned}},
		{"new, halted", send.View{Halted: true}, send.Decision{Phase: send.PhasePlanned}},
		{"armed", send.View{Tries: tries(armed)}, send.Decision{Move: send.Broadcast, Phase: send.PhaseSent}},
		{"armed, halted", send.View{Halted: true, Tries: tries(armed)}, send.Decision{Phase: send.PhaseArmed}},
		{"armed, delivered by another", send.View{HeldLatest: true, Tries: tries(armed)}, send.Decision{Phase: send.PhaseMined}},
		{"just sent", send.View{Tries: tries(fresh)}, send.Decision{Phase: send.PhaseSent}},
		{"no node knows it", send.View{Tries: tries(lost)}, send.Decision{Move: send.Broadcast, Phase: send.PhaseSent}},
		{"no node knows it, clock set back", send.View{Tries: tries(ahead)}, send.Decision{Move: send.Broadcast, Phase: send.PhaseSent}},
		{"pending, clock set back", send.View{Tries: tries(waiting)}, send.Decision{Move: send.Arm, Phase: send.PhaseSent}},
		{"no node knows it, halted", send.View{Halted: true, Tries: tries(lost)}, send.Decision{Phase: send.PhaseSent}},
		{"pending for long", send.View{Tries: tries(old)}, send.Decision{Move: send.Arm, Phase: send.PhaseSent}},
		{"pending for long, expires", send.View{Tries: tries(expiring)}, send.Decision{Phase: send.PhaseSent}},
		{"bumped, not sent yet", send.View{Tries: tries(old, armed)}, send.Decision{Move: send.Broadcast, Phase: send.PhaseSent, Try: 1}},
		{"bumped often", send.View{Tries: tries(old, old, minute)}, send.Decision{Phase: send.PhaseSent}},
		{"bumped often, long ago", send.View{Tries: tries(old, old, old)}, send.Decision{Move: send.Arm, Phase: send.PhaseSent}},
		{"dead", send.View{Tries: tries(dead)}, send.Decision{Move: send.Arm, Phase: send.PhasePlanned}},
		{"dead, another one on its way", send.View{Blocked: true, Tries: tries(dead)}, send.Decision{Phase: send.PhasePlanned}},
		{"mined", send.View{HeldLatest: true, Tries: tries(mined)}, send.Decision{Phase: send.PhaseMined}},
		{"mined, contract read elsewhere", send.View{Tries: tries(mined)}, send.Decision{Phase: send.PhaseMined}},
		{"an earlier one mined", send.View{HeldLatest: true, Tries: tries(mined, old)}, send.Decision{Phase: send.PhaseMined}},
		{"delivered by another", send.View{HeldLatest: true, Tries: tries(old)}, send.Decision{Phase: send.PhaseMined}},
		{"final", send.View{HeldFinal: true, Tries: tries(settled)}, send.Decision{Move: send.Finish, Phase: send.PhaseFinal}},
		{"final by another", send.View{HeldFinal: true, Tries: tries(old)}, send.Decision{Move: send.Finish, Phase: send.PhaseFinal}},
		{"final by another although stopped", send.View{HeldFinal: true, Phase: send.PhaseStopped}, send.Decision{Move: send.Finish, Phase: send.PhaseFinal}},
		{"stopped", send.View{Phase: send.PhaseStopped}, send.Decision{Phase: send.PhaseStopped}},
		{"delivered by another, in front of a nonce", send.View{HeldLatest: true, Gap: true, Tries: tries(lost)},
			send.Decision{Move: send.Broadcast, Phase: send.PhaseMined}},
		{"delivered by another, in the pool in front of a nonce", send.View{HeldLatest: true, Gap: true, Tries: tries(pooled)},
			send.Decision{Phase: send.PhaseMined}},
		{"the same for long", send.View{HeldLatest: true, Gap: true, Tries: tries(old)},
			send.Decision{Move: send.Arm, Phase: send.PhaseMined}},
		{"the same, bumped, not sent yet", send.View{HeldFinal: true, Gap: true, Phase: send.PhaseRecorded, Tries: tries(old, armed)},
			send.Decision{Move: send.Broadcast, Phase: send.PhaseRecorded, Try: 1}},
		{"the same, bumped often", send.View{HeldFinal: true, Gap: true, Phase: send.PhaseRecorded, Tries: tries(old, old, minute)},
			send.Decision{Phase: send.PhaseRecorded}},
		{"recorded, in front of a nonce", send.View{HeldFinal: true, Gap: true, Phase: send.PhaseRecorded, Tries: tries(lost)},
			send.Decision{Move: send.Broadcast, Phase: send.PhaseRecorded}},
		{"recorded", send.View{HeldFinal: true, Phase: send.PhaseRecorded, Tries: tries(lost)},
			send.Decision{Phase: send.PhaseRecorded}},
		{"new, late in a block", send.View{LateLatest: true}, send.Decision{Phase: send.PhasePlanned}},
		{"pending for long, late in a block", send.View{LateLatest: true, Phase: send.PhaseSent, Tries: tries(old)},
			send.Decision{Phase: send.PhaseSent}},
		{"no node knows it, late in a block", send.View{LateLatest: true, Phase: send.PhaseSent, Tries: tries(lost)},
			send.Decision{Phase: send.PhaseSent}},
		{"made by what is late for it", send.View{LateLatest: true, HeldLatest: true, Tries: tries(mined)},
			send.Decision{Phase: send.PhaseMined}},
		{"failed, late in a block", send.View{LateLatest: true, Tries: tries(reverting)}, send.Decision{Phase: send.PhaseMined}},
		{"late for good", send.View{LateFinal: true, LateLatest: true, Tries: tries(old)},
			send.Decision{Move: send.Leave, Phase: send.PhaseOvertaken}},
		{"late for good, stopped", send.View{LateFinal: true, Phase: send.PhaseStopped, Tries: tries(reverted, reverted)},
			send.Decision{Move: send.Leave, Phase: send.PhaseOvertaken}},
		{"late for good, since it happened", send.View{LateFinal: true, HeldFinal: true, Tries: tries(settled)},
			send.Decision{Move: send.Finish, Phase: send.PhaseFinal}},
		{"given up", send.View{LateFinal: true, Phase: send.PhaseOvertaken, Tries: tries(old)},
			send.Decision{Phase: send.PhaseOvertaken}},
		{"given up, in front of a nonce", send.View{LateFinal: true, Gap: true, Phase: send.PhaseOvertaken, Tries: tries(lost)},
			send.Decision{Move: send.Broadcast, Phase: send.PhaseOvertaken}},
		{"late in a block, in front of a nonce for long", send.View{LateLatest: true, Gap: true, Tries: tries(old)},
			send.Decision{Move: send.Arm, Phase: send.PhaseMined}},
		{"failed, block may be dropped", send.View{Tries: tries(reverting)}, send.Decision{Phase: send.PhaseMined}},
		{"failed for good", send.View{Tries: tries(reverted)}, send.Decision{Move: send.Arm, Phase: send.PhasePlanned}},
		{"failed too often", send.View{Tries: tries(reverted, reverted)}, send.Decision{
			Move: send.Stop, Phase: send.PhaseStopped, Why: "2 transactions failed in final blocks"}},
		{"final, contract read from a slower node", send.View{Tries: tries(settled)}, send.Decision{Phase: send.PhaseMined}},
		{"final, contract denies it", send.View{Tries: tries(denied)}, send.Decision{
			Move: send.Stop, Phase: send.PhaseStopped,
			Why: "transaction  succeeded in final block 0 and the contract does not show it"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.view.Now = now
			got := send.Next(c.view, send.Policy{Bumps: 3, Reverts: 2})
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("Next (-want +got):\n%s", d)
			}
		})
	}
}

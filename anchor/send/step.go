package send

import (
	"fmt"
	"time"
)

// View is what is known of an intent at one moment: what the contract says and
// what became of each attempt.
type View struct {
	Now        time.Time
	HeldFinal  bool // the change has happened at the final head
	HeldLatest bool // the change has happened in a block that may be dropped
	LateFinal  bool // at the final head it is too late for the calldata
	LateLatest bool // so it is in a block that may be dropped
	Blocked    bool // another intent of the chain is on its way into a block
	Halted     bool // nothing is to be sent to this chain
	Gap        bool // an attempt of another intent waits behind the nonce of ours
	Phase      Phase
	Tries      []Try
}

// Move is what the sender does next for an intent.
type Move uint8

// The moves.
const (
	Wait      Move = iota // nothing to do now
	Arm                   // sign an attempt and put it on disk
	Broadcast             // send the bytes of attempt Decision.Try, for the first time or again
	Finish                // the intent is final
	Stop                  // give up and raise an alarm
	Leave                 // give up: the calldata can do nothing any more
)

// Decision is the outcome of Next.
type Decision struct {
	Move  Move
	Phase Phase // the phase to write down, before any other move
	Try   int   // index of the attempt to broadcast
	Why   string
}

// Next decides what happens to an intent. It is a function of what the chain
// says and of the journal's attempts alone, so a restart goes on where the last
// process was, by the same code.
func Next(v View, p Policy) Decision {
	p = p.orDefaults()
	live, inBlock := sortTries(v.Tries)
	last := len(live) - 1
	if d, ok := fillsGap(v, live, p); ok {
		return d
	}
	switch {
	case v.Phase.Done() || v.Phase == PhaseOvertaken:
		return Decision{Move: Wait, Phase: v.Phase}
	case v.HeldFinal:
		return Decision{Move: Finish, Phase: PhaseFinal}
	case v.LateFinal:
		return Decision{Move: Leave, Phase: PhaseOvertaken}
	case v.Phase == PhaseStopped:
		return Decision{Move: Wait, Phase: PhaseStopped}
	}
	if why := contradiction(v, p); why != "" {
		return Decision{Move: Stop, Phase: PhaseStopped, Why: why}
	}
	switch {
	case v.HeldLatest, inBlock:
		// Somebody's delivery is in a block, ours or another's. Paying more would
		// be waste; if the block is dropped, the next view says so. A reverted
		// attempt counts too: its block may be dropped and it may land after all.
		return Decision{Move: Wait, Phase: PhaseMined}
	case v.LateLatest:
		// Another change came first. Ours would fail and its fee be lost; it works
		// again if the other's block is dropped.
		return Decision{Move: Wait, Phase: max(v.Phase, PhasePlanned)}
	case len(live) == 0 && (v.Blocked || v.Halted):
		return Decision{Move: Wait, Phase: PhasePlanned}
	case len(live) == 0:
		return Decision{Move: Arm, Phase: PhasePlanned}
	}
	newest, send := v.Tries[live[last]], Decision{Move: Broadcast, Phase: PhaseSent, Try: live[last]}
	switch {
	case v.Halted && newest.First.IsZero():
		return Decision{Move: Wait, Phase: PhaseArmed}
	case v.Halted:
		return Decision{Move: Wait, Phase: PhaseSent}
	case newest.Outcome.State == StateUnknown && away(v.Now, newest.Last) >= p.Resend:
		return send // also for the first time, when Last is zero
	case mayBump(newest, len(live), v.Now, p):
		return Decision{Move: Arm, Phase: PhaseSent}
	}
	return Decision{Move: Wait, Phase: PhaseSent}
}

// sortTries returns the indexes of the attempts that may still land and are in
// no block, and whether one is in a block that may still be dropped.
func sortTries(tries []Try) (live []int, inBlock bool) {
	for i, t := range tries {
		switch {
		case t.Outcome.State == StateMined:
			inBlock = true
		case t.Ended():
		case t.Outcome.State == StateReverted:
			inBlock = true
		default:
			live = append(live, i)
		}
	}
	return live, inBlock
}

// settled reports whether nothing that ours could still do is wanted: somebody made
// the change, or made it impossible.
func (v View) settled() bool { return v.HeldFinal || v.HeldLatest || v.LateFinal || v.LateLatest }

// fillsGap: somebody else made the change or made it impossible, and another intent
// was signed for the next nonce and can only land when ours does, at the price of one
// fee. Ours was in a block that was dropped and no node kept it, or its fee has become
// too low.
func fillsGap(v View, live []int, p Policy) (Decision, bool) {
	if !v.Gap || v.Halted || len(live) == 0 || !v.settled() {
		return Decision{}, false
	}
	d := Decision{Move: Broadcast, Phase: PhaseMined, Try: live[len(live)-1]}
	switch {
	case v.Phase.Done():
		d.Phase = v.Phase
	case v.LateFinal && !v.HeldFinal:
		d.Phase = PhaseOvertaken
	}
	t := v.Tries[d.Try]
	if mayBump(t, len(live), v.Now, p) && t.Outcome.State == StatePending && !t.First.IsZero() {
		return Decision{Move: Arm, Phase: d.Phase}, true
	}
	// An attempt that is on disk and never left is the bump of a moment ago.
	out := len(live) > 1 && t.First.IsZero()
	return d, out || !t.First.IsZero() && t.Outcome.State == StateUnknown && away(v.Now, t.Last) >= p.Resend
}

// away is how far a moment in the journal is from now. One that lies ahead was
// written before the clock was set back, and must not be waited for.
func away(now, then time.Time) time.Duration { return now.Sub(then).Abs() }

// mayBump: a transaction that expires has no nonce to share, so a second one
// could land beside it; it is waited for instead. After a number of attempts each
// further one waits twice as long: fees may rise for days.
func mayBump(newest Try, live int, now time.Time, p Policy) bool {
	wait := p.Bump << min(max(live-p.Bumps+1, 0), 16)
	return newest.Expires.IsZero() && away(now, newest.First) >= wait
}

// contradiction returns why the intent must not go on, or "".
func contradiction(v View, p Policy) string {
	reverted := 0
	for _, t := range v.Tries {
		if !t.Outcome.Final {
			continue
		}
		switch t.Outcome.State {
		case StateReverted:
			reverted++
		case StateMined:
			// Two nodes may differ for a moment about where the final head is.
			if !v.HeldLatest && !t.Settled.IsZero() && v.Now.Sub(t.Settled) >= p.Doubt {
				return fmt.Sprintf("transaction %x succeeded in final block %d and the contract does not show it",
					t.ID, t.Outcome.Block)
			}
		}
	}
	if reverted >= p.Reverts {
		return fmt.Sprintf("%d transactions failed in final blocks", reverted)
	}
	return ""
}

// Package send brings intents to public chains exactly once. An intent is a
// change of a contract together with a view call that says whether it has
// happened; the sender signs, keeps, broadcasts and follows transactions until
// that call answers yes at the chain's final head.
//
// The contract is the truth about what has happened. The journal holds what must
// not be forgotten between signing and finality: intents and the signed bytes of
// every attempt, on disk before they leave. Losing it costs at most one fee,
// never a second effect, as the contracts ignore what they hold already.
//
// The package knows no key, no contract and no chain; drivers implement Chain.
// For each chain one intent at a time is on its way into a block, so that one
// attempt that is stuck never leaves a gap in front of others.
package send

import (
	"errors"
	"fmt"
	"time"
)

// Errors of this package that callers branch on.
var (
	// ErrDifferent is returned by Plan for an id that is taken by other bytes.
	ErrDifferent = errors.New("an intent of this id has other content")
	// ErrUnknown is returned for an id or a chain that the journal does not know.
	ErrUnknown = errors.New("unknown")
	// ErrNotFinal is returned by Record for an intent that is not final.
	ErrNotFinal = errors.New("the intent is not final")
	// ErrBudget is why nothing more is sent on a day.
	ErrBudget = errors.New("the day's budget is spent")
	// ErrAlone is returned by Holds at the final head, and by Look beside an outcome, when
	// several nodes are configured and fewer than two of them answer.
	ErrAlone = errors.New("fewer than two of the endpoints answer, and one alone is not believed about what is final")
	// ErrTaken is returned by Open when another sender has the journal.
	ErrTaken = errors.New("another process has the journal")
)

// Phase is how far an intent has come.
type Phase uint8

// The phases of an intent. An intent goes back from PhaseMined to PhaseSent when its
// block is dropped, and from PhaseSent to PhasePlanned when its attempts have died.
const (
	PhasePlanned   Phase = 1 + iota // known, nothing is signed that may still land
	PhaseArmed                      // signed bytes on disk, not broadcast yet
	PhaseSent                       // broadcast at least once
	PhaseMined                      // in a block that may still be dropped, by whomever
	PhaseFinal                      // the contract says so at the final head
	PhaseRecorded                   // final, and the caller has taken note
	PhaseStopped                    // given up with an alarm; a person has to look
	PhaseOvertaken                  // given up: at the final head it is too late for its calldata
)

// String returns the name of a phase as used in logs and status pages.
func (p Phase) String() string {
	names := [...]string{"", "planned", "armed", "sent", "mined", "final", "recorded", "stopped", "overtaken"}
	if p == 0 || int(p) >= len(names) {
		return fmt.Sprintf("phase %d", uint8(p))
	}
	return names[p]
}

// Done reports whether the change has happened for good.
func (p Phase) Done() bool { return p == PhaseFinal || p == PhaseRecorded }

// Policy says how patient the sender is. Every zero value is replaced by the
// default named here.
type Policy struct {
	Resend  time.Duration // broadcast the same bytes again when no node knows them; 10 s
	Bump    time.Duration // sign anew with a higher fee when not in a block; 60 s
	Bumps   int           // attempts of one nonce, after which the pause doubles each time; 10
	Reverts int           // failed and paid for, at most, before the intent is stopped; 3
	Doubt   time.Duration // how long a final success may be missing in the contract; 5 min
	Long    time.Duration // how long an intent may stay planned, or in a block that is not final, before that is an alarm; 30 min
	Sure    time.Duration // how long nodes must go on saying that a change is final, an attempt has ended, or an intent come too late; 30 s
}

func (p Policy) orDefaults() Policy {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&p.Resend, 10*time.Second)
	set(&p.Bump, time.Minute)
	set(&p.Doubt, 5*time.Minute)
	set(&p.Sure, 30*time.Second)
	set(&p.Long, 30*time.Minute)
	if p.Bumps == 0 {
		p.Bumps = 10
	}
	if p.Reverts == 0 {
		p.Reverts = 3
	}
	return p
}

// Try is an attempt with its history: when it was broadcast, and what the chain
// said of it last.
type Try struct {
	Attempt
	First   time.Time // first broadcast; zero while it has never left
	Last    time.Time // last broadcast
	Outcome Outcome
	Settled time.Time // since when it is known to be in a final block; zero before
}

// Ended reports whether the attempt can change nothing any more.
func (t Try) Ended() bool {
	switch t.Outcome.State {
	case StateDead:
		return true
	case StateMined, StateReverted:
		return t.Outcome.Final
	}
	return false
}

// Status is an intent and all that is known of it.
type Status struct {
	Intent
	Chain string
	Phase Phase
	Tries []Try  // oldest first
	Why   string // why it was stopped
}

// Landed returns the attempt of ours that made the change, and false when it was
// somebody else's or none has.
func (s Status) Landed() (Try, bool) {
	for _, t := range s.Tries {
		if t.Outcome.State == StateMined {
			return t, true
		}
	}
	return Try{}, false
}

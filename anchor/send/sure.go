package send

import (
	"fmt"
	"time"
)

// claim is something of which nodes cannot be believed once: that a change is final, that
// an attempt has ended without its change, or that an intent has come too late. The first
// ends all care for the intent; the others let it, or the one after it, be signed anew.
// One endpoint is often many nodes, and the one that is asked for a receipt may be behind
// the one that was asked for the final block, or not have the receipt yet; so nodes have
// to go on saying it.
type claim struct {
	what   string
	since  time.Time
	rounds int
}

// sureRounds is how often a claim must be heard, whatever the clock says.
const sureRounds = 3

// sure reports whether nodes have said the same of something in each round for long
// enough. An empty claim takes back what they said before. A restart begins anew. What
// is sure stays so until it is taken back or forgotten: the round that is told may fail
// before it has written it down.
func (s *Sender) sure(of, what string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if what == "" {
		delete(s.heard, of)
		return false
	}
	c := s.heard[of]
	if c.what != what {
		c = claim{what: what, since: now}
	}
	c.rounds++
	s.heard[of] = c
	return c.rounds >= sureRounds && away(now, c.since) >= s.cfg.Policy.orDefaults().Sure
}

// forget is for what is on disk now, and not asked for any more.
func (s *Sender) forget(of string) { s.sure(of, "", time.Time{}) }

// believed is what is to be made of an outcome. held says that the contract shows the
// change at the final head, which a success in a final block needs no proof beside.
func (s *Sender) believed(t *Try, o Outcome, held bool, now time.Time) Outcome {
	what := ""
	if (Try{Outcome: o}).Ended() && !(held && o.State == StateMined) {
		what = fmt.Sprintf("%d %x", o.State, o.BlockHash)
	}
	if s.sure(string(t.ID), what, now) || what == "" {
		return o
	}
	if o.State == StateDead {
		return t.Outcome
	}
	o.Final = false
	return o
}

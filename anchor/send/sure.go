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
	rounds int           // in which it was heard
	round  int           // the last of them
	last   time.Time     // when that was
	lasted time.Duration // between rounds that follow each other
}

// sureRounds is how often a claim must be heard, whatever the clock says.
const sureRounds = 3

// sure reports whether nodes have said the same of something for long enough, and nothing
// else since. An empty claim takes back what they said before. A round in which it was not
// heard, since too few answered, takes nothing back, and the time around it counts for
// nothing: nobody vouched for it then. A restart begins anew. What is sure stays so until
// it is taken back or forgotten: the round that is told may fail before it has written it
// down.
func (r *round) sure(of, what string, now time.Time) bool {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	c := r.s.heard[of]
	switch {
	case what == "":
		delete(r.s.heard, of)
		return false
	case c.what != what:
		c = claim{what: what}
	case c.round == r.n-1:
		c.lasted += away(now, c.last)
	}
	c.rounds, c.round, c.last = c.rounds+1, r.n, now
	r.s.heard[of] = c
	return c.rounds >= sureRounds && c.lasted >= r.s.cfg.Policy.orDefaults().Sure
}

// forget is for what is on disk now, and not asked for any more.
func (r *round) forget(of string) { r.sure(of, "", time.Time{}) }

// believed is what is to be made of an outcome. held says that the contract shows the
// change at the final head, which a success in a final block needs no proof beside.
func (r *round) believed(t *Try, o Outcome, held bool, now time.Time) Outcome {
	what := ""
	if (Try{Outcome: o}).Ended() && !(held && o.State == StateMined) {
		what = fmt.Sprintf("%d %x", o.State, o.BlockHash)
	}
	if r.sure(string(t.ID), what, now) || what == "" {
		return o
	}
	return t.stays(o)
}

// stays is what counts of an outcome while it ends nothing.
func (t *Try) stays(o Outcome) Outcome {
	if o.State == StateDead {
		return t.Outcome
	}
	o.Final = false
	return o
}

package send

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// chainError is an error of a chain: expected, kept for Alarms, tried again.
type chainError struct{ error }

func (e chainError) Unwrap() error { return e.error }

// round is one pass over the unfinished intents of a chain.
type round struct {
	s      *Sender
	n      int // counts the chain's rounds of this process
	chain  Chain
	halted bool
	all    []Status
	views  []View // of all, by index; the zero View where asking failed
	failed error  // the first chain error
}

// stepChain does one round on a chain.
func (s *Sender) stepChain(ctx context.Context, id string) error {
	turn := s.stepping[id]
	turn.Lock()
	defer turn.Unlock()
	turn.rounds++
	why, err := s.db.halted(ctx, id)
	if err != nil {
		return err
	}
	all, err := s.db.list(ctx, open, id)
	if err != nil {
		return err
	}
	r := &round{s: s, n: turn.rounds, chain: s.chains[id], halted: why != "", all: all, views: make([]View, len(all))}
	// All are asked before one is moved: which nonces are in use, and whether one
	// is on its way, is known only then.
	known := make([]bool, len(all))
	for i := range all {
		known[i], err = r.keep(r.look(ctx, i))
		if err != nil {
			return err
		}
	}
	for i := range all {
		if !known[i] {
			continue
		}
		if _, err := r.keep(r.move(ctx, i)); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range all {
		switch {
		case st.Phase.Done() || st.Phase == PhaseOvertaken || st.Phase == PhaseStopped:
			delete(s.stays, st.ID)
		case s.stays[st.ID].phase != st.Phase:
			s.stays[st.ID] = stay{phase: st.Phase, since: s.cfg.Now()}
		}
	}
	if r.failed != nil && s.errors[id] == nil {
		s.cfg.Log.Warn("chain call failed", "chain", id, "error", r.failed)
	}
	s.errors[id] = r.failed
	return nil
}

// keep puts a chain's error aside and returns any other; ok says there was none.
func (r *round) keep(err error) (ok bool, _ error) {
	if e, is := err.(chainError); is {
		if r.failed == nil {
			r.failed = e.error
		}
		return false, nil
	}
	return err == nil, err
}

// call bounds one call to a chain and marks its error.
func (r *round) call(ctx context.Context, what string, do func(ctx context.Context) error) error {
	bound, cancel := context.WithTimeout(ctx, r.s.cfg.Timeout)
	defer cancel()
	if err := do(bound); err != nil {
		if ctx.Err() != nil {
			return ctx.Err() // we are stopping: not the chain's fault
		}
		return chainError{fmt.Errorf("%s: %w", what, err)}
	}
	return nil
}

// look makes the view of an intent and writes down what is new about its
// attempts. The contract is asked first: an attempt that caused what it shows
// cannot be younger than the answer.
func (r *round) look(ctx context.Context, i int) error {
	st := &r.all[i]
	v := View{Now: r.s.cfg.Now(), Halted: r.halted, Phase: st.Phase, HeldFinal: st.Phase.Done(), LateFinal: st.Phase == PhaseOvertaken}
	if err := r.ask(ctx, st, &v); err != nil {
		return err
	}
	for k := range st.Tries {
		if err := r.lookAt(ctx, st.ID, &st.Tries[k], v); err != nil {
			return err
		}
	}
	v.Tries = st.Tries
	r.views[i] = v
	return nil
}

// ask asks the contract. Whether it is too late is asked before whether the change
// has happened: what made it late may be the change itself. While one node answers of
// several, what it says of the final head is neither believed nor held against what they
// said before, and sending goes on.
func (r *round) ask(ctx context.Context, st *Status, v *View) error {
	if v.HeldFinal || v.LateFinal {
		return nil
	}
	var alone error
	err := r.call(ctx, "ask for "+st.ID, func(ctx context.Context) error {
		for _, q := range []struct {
			in  Intent
			at  Head
			yes *bool
		}{
			{st.late(), Final, &v.LateFinal}, {st.Intent, Final, &v.HeldFinal},
			{st.late(), Latest, &v.LateLatest}, {st.Intent, Latest, &v.HeldLatest},
		} {
			if len(q.in.Check) == 0 || v.HeldFinal {
				continue
			}
			var err error
			if *q.yes, err = r.chain.Holds(ctx, q.in, q.at); errors.Is(err, ErrAlone) {
				*q.yes, alone = false, chainError{fmt.Errorf("ask for %s: %w", st.ID, err)}
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if alone != nil {
		v.LateLatest, v.HeldLatest = v.LateLatest || v.LateFinal, v.HeldLatest || v.HeldFinal
		v.LateFinal, v.HeldFinal = false, false
		_, err := r.keep(alone)
		return err
	}
	what := ""
	switch {
	case v.HeldFinal:
		what = "held"
	case v.LateFinal:
		what = "late"
	}
	if !r.sure(st.ID, what, v.Now) { // not for good yet
		v.LateLatest, v.HeldLatest = v.LateLatest || v.LateFinal, v.HeldLatest || v.HeldFinal
		v.LateFinal, v.HeldFinal = false, false
	}
	return nil
}

// lookAt asks what became of an attempt. While one node answers of several, none ends.
func (r *round) lookAt(ctx context.Context, id string, t *Try, v View) error {
	if t.Ended() {
		return nil
	}
	var o Outcome
	err := r.call(ctx, "look for "+id, func(ctx context.Context) (err error) {
		o, err = r.chain.Look(ctx, t.Attempt)
		return err
	})
	switch {
	case errors.Is(err, ErrAlone):
		if _, err := r.keep(err); err != nil {
			return err
		}
		o = t.stays(o)
	case err != nil:
		return err
	default:
		o = r.believed(t, o, v.HeldFinal, v.Now)
	}
	before := t.Outcome
	t.Outcome = o
	if t.Ended() && t.Settled.IsZero() {
		t.Settled = v.Now
	}
	if before.State == o.State && before.Final == o.Final && string(before.BlockHash) == string(o.BlockHash) {
		return nil
	}
	r.s.cfg.Log.Debug("attempt changed", "intent", id, "tx", fmt.Sprintf("%x", t.ID),
		"state", int(o.State), "final", o.Final, "block", o.Block)
	if err := r.s.db.settle(ctx, id, *t); err != nil {
		return err
	}
	if t.Ended() {
		r.forget(string(t.ID))
	}
	return nil
}

// move decides about an intent and does it. Whatever a move does to the world is
// on disk before, so stopping at any point leaves what the next round, of this
// or of a later process, goes on from.
func (r *round) move(ctx context.Context, i int) error {
	st := &r.all[i]
	r.views[i].Blocked, r.views[i].Gap = r.blocked(i), r.gap(i)
	d := Next(r.views[i], r.s.cfg.Policy)
	if d.Phase != st.Phase && d.Move != Broadcast {
		if err := r.s.db.setPhase(ctx, st.ID, d.Phase, d.Why); err != nil {
			return err
		}
		if st.Phase = d.Phase; st.Phase.Done() || st.Phase == PhaseOvertaken {
			r.forget(st.ID)
		}
		r.s.cfg.Log.Info("intent moved", "intent", st.ID, "phase", d.Phase.String(), "why", d.Why)
	}
	switch d.Move {
	case Arm:
		return r.arm(ctx, i, d.Phase)
	case Broadcast:
		return r.broadcast(ctx, st, d.Try, d.Phase)
	case Wait, Finish, Stop, Leave:
	}
	return nil
}

// arm signs an attempt, writes it down and broadcasts it. An intent whose change
// has happened stays in its phase: the attempt is for the sake of another one.
func (r *round) arm(ctx context.Context, i int, p Phase) error {
	st, now := &r.all[i], r.s.cfg.Now()
	if err := r.s.tooEarly(st.ID, now); err != nil {
		return chainError{err}
	}
	earlier := alive(st.Tries)
	var a Attempt
	err := r.call(ctx, "arm "+st.ID, func(ctx context.Context) (err error) {
		a, err = r.chain.Arm(ctx, st.Intent, earlier, r.inUse(i))
		return err
	})
	if err == nil {
		err = r.affords(ctx, i, a, now)
	}
	if err == nil && slices.ContainsFunc(st.Tries, func(t Try) bool { return bytes.Equal(t.ID, a.ID) }) {
		// A node that is behind offers the nonce of one that has ended.
		err = chainError{fmt.Errorf("arm %s: transaction %x has ended before", st.ID, a.ID)}
	}
	r.s.armed(st.ID, now, err)
	if err != nil {
		return err // nothing has left; a later round arms again
	}
	phase, sent := PhaseArmed, PhaseSent
	switch {
	case p.Done() || p == PhaseMined || p == PhaseOvertaken:
		phase, sent = p, p
	case len(earlier) > 0:
		phase = PhaseSent // an earlier attempt is out already
	}
	if err := r.s.db.arm(ctx, st.ID, a, phase); err != nil {
		return err // the bytes are forgotten, and have never left
	}
	st.Phase = phase
	st.Tries = append(st.Tries, Try{Attempt: a})
	r.views[i].Tries = st.Tries
	return r.broadcast(ctx, st, len(st.Tries)-1, sent)
}

// broadcast sends an attempt's bytes. That they may be out is on disk first; an
// error of the node leaves open what became of them, and the next round looks.
func (r *round) broadcast(ctx context.Context, st *Status, k int, p Phase) error {
	now := r.s.cfg.Now()
	if err := r.s.db.leave(ctx, st.ID, st.Tries[k].ID, now, p); err != nil {
		return err
	}
	st.Phase = p
	st.Tries[k].Last = now
	if st.Tries[k].First.IsZero() {
		st.Tries[k].First = now
		r.s.cfg.Log.Info("broadcasting", "intent", st.ID, "tx", fmt.Sprintf("%x", st.Tries[k].ID),
			"nonce", st.Tries[k].Nonce)
	}
	return r.call(ctx, "broadcast "+st.ID, func(ctx context.Context) error {
		return r.chain.Send(ctx, st.Tries[k].Attempt)
	})
}

// blocked reports whether an intent other than i is on its way into a block. One
// whose change is in a block already is not in the way, ours or not, nor is one that
// has come too late.
func (r *round) blocked(i int) bool {
	for k := range r.all {
		if k != i && !r.views[k].settled() && r.pending(k) {
			return true
		}
	}
	return false
}

// pending reports whether an intent still has to get into a block.
func (r *round) pending(k int) bool {
	live, inBlock := sortTries(r.all[k].Tries)
	return len(live) > 0 && !inBlock && !r.all[k].Phase.Done() && r.all[k].Phase != PhaseOvertaken
}

// gap reports whether another intent can land only after an attempt of i.
func (r *round) gap(i int) bool {
	own := alive(r.all[i].Tries)
	for k, st := range r.all {
		others := alive(st.Tries)
		if k != i && len(own) > 0 && r.pending(k) && others[len(others)-1].Nonce > own[len(own)-1].Nonce {
			return true
		}
	}
	return false
}

// inUse returns the nonces that intents other than i may still need: a block may
// be dropped, and its transactions go back to the pool. Those of an intent that
// somebody else delivered, or that is too late, may be taken over: whichever of the
// two transactions lands does no harm, and no gap can open.
func (r *round) inUse(i int) []uint64 {
	var nonces []uint64
	for k, st := range r.all {
		if k == i {
			continue
		}
		_, inBlock := sortTries(st.Tries)
		v := r.views[k]
		if v.HeldFinal || v.settled() && !inBlock {
			continue
		}
		for _, a := range alive(st.Tries) {
			nonces = append(nonces, a.Nonce)
		}
	}
	return nonces
}

// alive returns the attempts that may still land, oldest first.
func alive(tries []Try) []Attempt {
	var as []Attempt
	for _, t := range tries {
		if !t.Ended() {
			as = append(as, t.Attempt)
		}
	}
	return as
}

// tooEarly returns the error of a refused Arm while its pause lasts.
func (s *Sender) tooEarly(id string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.armAt[id]; now.Before(b.next) {
		return b.err
	}
	return nil
}

func (s *Sender) armed(id string, now time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.armAt, id)
		return
	}
	wait := min(max(2*s.armAt[id].wait, s.cfg.Interval), maxBackoff)
	s.armAt[id] = backoff{next: now.Add(wait), wait: wait, err: err}
}

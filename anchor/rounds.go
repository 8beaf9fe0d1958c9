package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// roundTurn is how long each member waits for the one before it to do what anyone may.
const roundTurn = 2 * time.Second

// rounds does for jobs what no user has to: it publishes the organisation's elements of
// draws, has draws made, takes jobs from phase to phase, closes them, and returns what is
// left of their money. All but the first anyone may do, and state decides what comes of
// it; so one member that does it is enough, and none can bend it. Its fields are memory
// only: what is to be done, the ledger says.
type rounds struct {
	*anchor
	due   map[string]time.Time // since when something has been due, by what it is
	asked map[string]attempt
	clock uint64 // what the checkpoints' clock had counted when it was last asked
	at    uint64 // number of the checkpoint that said so
}

func newRounds(a *anchor) *rounds {
	return &rounds{anchor: a, due: map[string]time.Time{}, asked: map[string]attempt{}}
}

// step does whatever is due for jobs.
func (r *rounds) step(ctx context.Context) error {
	m := r.members()
	if !m.member() {
		return nil
	}
	seen := map[string]bool{}
	err := errors.Join(r.draws(ctx, m, seen), r.jobs(ctx, m, seen), r.returns(ctx, m, seen))
	for what := range r.due {
		if !seen[what] {
			delete(r.due, what)
			delete(r.asked, what)
		}
	}
	return err
}

// ask sends a transaction that is due, when it is this member's turn: at once when rank
// is 0, else after the members before it. What has no effect is tried again after a while,
// and its error is an alarm until then.
func (r *rounds) ask(ctx context.Context, seen map[string]bool, what string, rank time.Duration, function string, request any) error {
	seen[what] = true
	now := r.now()
	since, known := r.due[what]
	if !known {
		since = now
		r.due[what] = now
	}
	if now.Before(since.Add(rank * roundTurn)) {
		return nil
	}
	if last, did := r.asked[what]; did && now.Sub(last.at) < again {
		return last.err
	}
	// Evaluated, it says whether it is still due: an index that is made anew passes through
	// all that was open once, and nobody else is asked for that.
	var said json.RawMessage
	err := r.query(ctx, function, request, &said)
	if err == nil {
		err = r.submit(ctx, function, request)
	}
	if code := refusal(err); code == fault.AlreadyDone || code == fault.Closed || code == fault.WrongPhase {
		err = nil // somebody was faster, and the blocks will say so
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", what, err)
	}
	r.asked[what] = attempt{now, err}
	return err
}

// draws publishes the own elements of draws for which rounds wait, and has those made that
// have all they will get.
func (r *rounds) draws(ctx context.Context, m *roster, seen map[string]bool) error {
	waiting, err := r.index.states(ctx, "draw/wait/")
	if err != nil || len(waiting) == 0 {
		return err
	}
	open, err := r.openDraws(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range open {
		given, own := 0, false
		for _, e := range d.Elements {
			if e.Element != "" {
				given++
			} else if e.MSP == r.cfg.Organisation {
				own = true
			}
		}
		switch {
		case !d.Accepted:
		case own && !d.Closed:
			errs = append(errs, r.publish(ctx, seen, d.Draw))
		case given == len(d.Elements) || d.Closed && given >= d.K:
			errs = append(errs, r.ask(ctx, seen, fmt.Sprintf("draw %d", d.Draw), m.rank(d.Draw), "checkpoint:Draw", checkpoint.Draw{Draw: d.Draw}))
		}
	}
	return errors.Join(errs...)
}

// openDraws asks for the draws for which rounds wait.
func (r *rounds) openDraws(ctx context.Context) ([]checkpoint.DrawView, error) {
	var all []checkpoint.DrawView
	for after := uint64(0); ; {
		var page []checkpoint.DrawView
		if err := r.query(ctx, "checkpoint:Draws", checkpoint.DrawsQuery{After: after}, &page); err != nil {
			return nil, err
		}
		if len(page) == 0 {
			return all, nil
		}
		all = append(all, page...)
		after = page[len(page)-1].Draw
	}
}

// publish gives the own element of a draw. Who has no chain for it has none to give.
func (r *rounds) publish(ctx context.Context, seen map[string]bool, draw uint64) error {
	c, ok, err := r.chainOf(ctx, draw)
	if err != nil || !ok {
		return err
	}
	if r.dice == nil {
		return fmt.Errorf("a round waits for the element of draw %d, and no file is named by keys.draws", draw)
	}
	e, err := r.dice.element(c, draw)
	if err != nil {
		return err
	}
	return r.ask(ctx, seen, fmt.Sprintf("element %d", draw), 0, "checkpoint:Element", checkpoint.Publish{Draw: draw, Element: canon.Hex(e[:])})
}

// chainOf returns the organisation's registered chain that has the element of a draw.
func (r *rounds) chainOf(ctx context.Context, draw uint64) (c govern.Chain, ok bool, err error) {
	value, ok, err := r.index.state(ctx, govern.ChainKey(r.cfg.Organisation))
	if err != nil || !ok {
		return c, false, err
	}
	var list struct{ Chains []govern.Chain }
	if err := json.Unmarshal(value, &list); err != nil {
		return c, false, fmt.Errorf("chains on the ledger: %w", err)
	}
	for _, c := range slices.Backward(list.Chains) {
		if c.From <= draw {
			return c, draw-c.From < c.Length, nil
		}
	}
	return c, false, nil
}

// query asks the own peer.
func (a *anchor) query(ctx context.Context, function string, request, into any) error {
	var args [][]byte
	if request != nil {
		arg, err := canon.Marshal(request)
		if err != nil {
			return err
		}
		args = append(args, arg)
	}
	answer, err := a.ledger.Evaluate(ctx, a.cfg.Organisation, function, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", function, err)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("answer of %s: %w", function, err)
	}
	return nil
}

// jobs takes open jobs a phase on when that is due, and closes them.
func (r *rounds) jobs(ctx context.Context, m *roster, seen map[string]bool) error {
	open, err := r.index.openJobs(ctx)
	if err != nil || len(open) == 0 {
		return err
	}
	var head *checkpoint.Checkpoint
	if err := r.query(ctx, "checkpoint:Head", nil, &head); err != nil {
		if refusal(err) == fault.NotFound {
			return nil // there is no checkpoint yet
		}
		return err
	}
	var errs []error
	for _, j := range open {
		what, function, err := r.next(ctx, j, head)
		if err != nil || function == "" {
			errs = append(errs, err)
			continue
		}
		request := any(attest.Step{Job: j.ref, Checkpoint: head.Number})
		if function == "attest:Close" {
			request = attest.Close{Job: j.ref}
		}
		errs = append(errs, r.ask(ctx, seen, what+" of job "+j.ref, m.rank(j.turn()), function, request))
	}
	return errors.Join(errs...)
}

// next says what is due for a job, if anything is: which function, and what it ends.
func (r *rounds) next(ctx context.Context, j openJob, head *checkpoint.Checkpoint) (what, function string, err error) {
	const step, end = "attest:Step", "attest:Close"
	due := func(yes bool, function string) (string, string, error) {
		if !yes {
			function = ""
		}
		return "the phase " + j.round.Phase.String(), function, nil
	}
	switch j.round.Phase {
	case attest.Opened:
		return due(head.Time > j.expires, step)
	case attest.Lapsed, attest.Overdue, attest.Counting:
		return due(true, end)
	case attest.Accepted, attest.Committing:
		return due(head.Elapsed >= j.round.Ends, step)
	case attest.Drawing:
		var d checkpoint.DrawView
		if head.Number < j.round.Draw {
			return due(false, step)
		}
		if err := r.query(ctx, "checkpoint:DrawAt", checkpoint.DrawQuery{Draw: j.round.Draw}, &d); err != nil {
			return "", "", err
		}
		given := 0
		for _, e := range d.Elements {
			if e.Element != "" {
				given++
			}
		}
		if d.Seed == "" && d.Closed && given < d.K {
			return due(true, end) // it never comes
		}
		return due(d.Seed != "", step)
	case attest.Revealing:
		if head.Elapsed >= j.round.Ends {
			return due(true, step)
		}
		// Evaluated, a close says whether all ballots are open.
		var closed json.RawMessage
		err := r.query(ctx, end, attest.Close{Job: j.ref}, &closed)
		if refusal(err) == fault.NotDue {
			return due(false, end)
		}
		if err != nil {
			return "", "", err
		}
		return due(true, end)
	}
	return due(false, step)
}

// returns gives back what is left of money that was set aside and settled, once it is due.
func (r *rounds) returns(ctx context.Context, m *roster, seen map[string]bool) error {
	owed, next, err := r.index.owed(ctx, r.clock)
	if err != nil {
		return err
	}
	newest, err := r.index.head(ctx)
	if err != nil {
		return err
	}
	var errs []error
	if next > 0 && newest.Number != r.at { // the clock stands still between checkpoints
		var head *checkpoint.Checkpoint
		if err := r.query(ctx, "checkpoint:Head", nil, &head); err != nil {
			errs = append(errs, err) // what is known to be due is asked for all the same
		} else if r.clock, r.at = head.Elapsed, head.Number; next <= r.clock {
			if owed, _, err = r.index.owed(ctx, r.clock); err != nil {
				return err
			}
		}
	}
	for _, hold := range owed {
		turn := openJob{ref: hold}.turn()
		errs = append(errs, r.ask(ctx, seen, "the rest of hold "+hold, m.rank(turn), "reward:Return", reward.HoldQuery{Hold: hold}))
	}
	return errors.Join(errs...)
}

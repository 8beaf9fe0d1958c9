package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
)

// final says that a refusal stays one, however often the operation is sent.
func final(e *client.Error) bool { return e.Fault.Code != fault.OK && e.Fault.Code < fault.Internal }

// advance takes a job one or more steps on. An error leaves it where it is, for the next
// pass.
func (o *Operator) advance(ctx context.Context, w *work) error {
	w.mu.Lock()
	idle := w.accept == nil || w.end != nil
	w.mu.Unlock()
	if idle {
		return o.clear(w)
	}
	r, err := o.cfg.Gateway.Round(ctx, w.job, false)
	if err != nil {
		return err
	}
	if err := o.accepted(ctx, w, r); err != nil {
		return err
	}
	switch {
	case w.assigned == nil, w.end != nil:
		return nil
	case r.GetEvidence() != nil || w.proven:
		return o.prove(ctx, w, r)
	case r.GetPhase() == "overdue" || r.GetPhase() == "closed":
		return o.finish(w, "failed", "the time for the evidence ended before it came")
	}
	if w.output == nil {
		if r.GetPhase() != "accepted" { // read before the acceptance was sent
			o.poke()
			return nil
		}
		if err := o.run(w, r); w.output == nil || err != nil {
			return err
		}
	}
	return o.prove(ctx, w, r)
}

// clear drops a job that ended long ago.
func (o *Operator) clear(w *work) error {
	if w.end == nil || time.Since(time.Unix(int64(w.end.Time), 0)) < o.cfg.Keep {
		return nil
	}
	if err := o.journal.drop(w.job); err != nil {
		return err
	}
	o.mu.Lock()
	delete(o.works, w.job)
	o.mu.Unlock()
	o.log.Info("job dropped", "job", w.job, "state", w.end.State)
	return nil
}

// accepted finds out whether the acceptance is on the ledger and sends it if nobody knows.
// What is on the ledger is looked at first: after a long outage the operation itself is
// known there no more, but what it did is.
func (o *Operator) accepted(ctx context.Context, w *work, r *client.Round) error {
	if w.assigned != nil {
		return nil
	}
	switch {
	case r.GetAccepted() == w.accept.Reference:
		return o.assign(ctx, w)
	case r.GetPhase() != "open":
		// A job opens once, so what this gateway shows it has come to holds, however far
		// behind the gateway is. An acceptance that is still on its way is void.
		return o.finish(w, "lost", "the job is "+r.GetPhase()+", not by this operator's acceptance")
	case gone(w.accept):
		return o.lookUp(ctx, w)
	}
	_, err := o.cfg.Gateway.Submit(ctx, w.accept.JWS)
	if fault.Of(err) == fault.Expired {
		return o.lookUp(ctx, w)
	}
	if why, refused := forGood(err); refused {
		return o.finish(w, "declined", why)
	}
	if err != nil {
		return fmt.Errorf("accept: %w", err) // unknown: looked up by the next pass
	}
	return o.assign(ctx, w)
}

// lookUp finds out what became of an acceptance that has expired. That this gateway shows
// the job open and does not know the operation says nothing: it may be behind the ledger.
// Nor does it help that the operation is done before the round is there that it made.
// The answer that decides is a later one: no acceptance expires after its job, and a job
// that nobody has accepted lapses once the checkpoints' time is past its own.
func (o *Operator) lookUp(ctx context.Context, w *work) error {
	v, err := o.cfg.Gateway.Operation(ctx, w.accept.Reference)
	switch {
	case fault.Of(err) == fault.NotFound:
	case err != nil:
		return fmt.Errorf("look up the acceptance: %w", err)
	case v.GetReference() != w.accept.Reference:
		return errors.New("the gateway answers with another operation than the acceptance")
	case v.GetState() == "refused":
		code, known := fault.ByName(v.GetCode())
		if why, refused := forGood(&client.Error{Fault: fault.Error{Code: code, Text: v.GetText()}}); known && refused && code != fault.Expired {
			return o.finish(w, "declined", why)
		}
	}
	return fault.New(fault.Unknown, "the acceptance has expired, and the gateway does not show yet what became of it")
}

// clockSpread is how far the clocks of endorsers may be from ours.
const clockSpread = 5 * time.Minute

// gone says that no endorser executes an operation any more. Whether one did is another
// question.
func gone(s *sent) bool {
	return time.Now().After(time.Unix(int64(s.Expires), 0).Add(clockSpread))
}

// assign reads the accepted job and the records that were brought before a restart.
func (o *Operator) assign(ctx context.Context, w *work) error {
	a, err := o.cfg.Gateway.Assigned(ctx, o.cfg.Network, w.job)
	if err != nil {
		return err
	}
	if a.Task.Accepted.String() != w.accept.Reference || a.Task.Operator != o.id {
		return errors.New("the gateway names another acceptance than before")
	}
	records := make([][]byte, len(a.Job.Lines))
	for i := range records {
		if records[i], err = o.journal.read(w.job, recordFile(i)); err != nil {
			return err
		}
	}
	w.mu.Lock()
	w.assigned, w.records = a, records
	w.mu.Unlock()
	o.log.Info("job accepted", "job", w.job, "operation", a.Job.Operation, "records", len(records))
	return nil
}

// run has the enclave do the job, once all records are there or the time for the evidence
// ends soon.
func (o *Operator) run(w *work, r *client.Round) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := uint64(0)
	if r.GetEnds() > r.GetClock() {
		left = r.GetEnds() - r.GetClock()
	}
	if w.brought() < len(w.records) && left > o.patience(w, left) {
		return nil
	}
	out, err := o.enclave.Run(w.assignment(), w.order, w.records)
	if err != nil {
		return o.finishLocked(w, "failed", "the enclave refuses: "+fault.Text(err))
	}
	made := &output{ciphertext: out.Ciphertext, quote: out.Quote, used: make([][32]byte, len(w.records))}
	for i, record := range w.records {
		if record != nil {
			made.used[i] = sumOf(record)
		}
	}
	// Before anybody sees it: another output of the same job, made after a crash, would be
	// evidence against us. If we stop before this, nobody has seen the one that is lost; nor
	// has anybody when the write fails, done or not, and the next pass makes another.
	if err := o.journal.write(w.job, "output", made.encode()); err != nil {
		return err
	}
	w.output = made
	o.log.Info("job run", "job", w.job, "records", w.brought(), "of", len(w.records), "bytes", len(made.ciphertext))
	for i := range w.records {
		if err := o.journal.remove(w.job, recordFile(i)); err != nil {
			return err
		}
	}
	return nil
}

// patience is how many seconds before the end a job is run with what was brought: at most
// half of what there was when the operator first looked.
func (o *Operator) patience(w *work, left uint64) uint64 {
	if w.window == 0 {
		w.window = left
	}
	return min(o.cfg.Patience, w.window/2)
}

// prove brings the evidence onto the ledger and sees to what becomes of it.
func (o *Operator) prove(ctx context.Context, w *work, r *client.Round) error {
	if e := r.GetEvidence(); e != nil {
		return o.proven(ctx, w, r)
	}
	if w.evidence != nil && gone(w.evidence) {
		w.evidence = nil // if it ran, the next one is refused: it has the same output
	}
	if w.evidence == nil {
		if err := o.signEvidence(w); w.evidence == nil || err != nil {
			return err
		}
	}
	_, err := o.cfg.Gateway.Submit(ctx, w.evidence.JWS)
	if err == nil {
		o.log.Info("evidence is on the ledger", "job", w.job, "by", w.evidence.Reference)
		w.mu.Lock()
		w.proven = true
		w.mu.Unlock()
		return nil
	}
	why, refused := forGood(err)
	if !refused {
		return fmt.Errorf("evidence: %w", err) // unknown: looked up by the next pass
	}
	return o.refusedEvidence(ctx, w, why, fault.Of(err))
}

// refusedEvidence brings what is missing for another try, or gives up. A refused
// operation has changed nothing.
func (o *Operator) refusedEvidence(ctx context.Context, w *work, why string, code fault.Code) error {
	switch code {
	case fault.CollateralMissing:
		jws, _, err := o.signer.Operation(&ops.AttestCollateral{Collateral: canon.B64(o.collateral)}, "")
		if err != nil {
			return err
		}
		if _, err := o.cfg.Gateway.Submit(ctx, jws); err != nil {
			return fmt.Errorf("collateral: %w", err)
		}
		o.log.Info("collateral of the platform is on the ledger", "job", w.job)
		o.poke()
	case fault.NotDue, fault.Expired:
	default:
		// What the ledger says of the job decides, not the answer to one operation.
		r, err := o.cfg.Gateway.Round(ctx, w.job, false)
		if err != nil {
			return err
		}
		if r.GetEvidence() != nil {
			return o.proven(ctx, w, r)
		}
		if r.GetPhase() == "accepted" && (code == fault.WrongPhase || code == fault.AlreadyDone) {
			return fmt.Errorf("evidence: %s: the gateway shows the job as it was before", why)
		}
		return o.finish(w, "failed", "the ledger refuses the evidence: "+why)
	}
	if err := o.journal.remove(w.job, "evidence"); err != nil {
		return err
	}
	w.evidence, w.refused = nil, w.evidence.Reference
	return nil
}

func (o *Operator) signEvidence(w *work) error {
	sum := sumOf(w.output.ciphertext)
	body := &ops.AttestEvidence{Job: w.job, Platform: o.kind, Output: canon.Hex(sum[:]), Quote: canon.B64(w.output.quote)}
	jws, ref, err := o.signer.Operation(body, "")
	if ref == w.refused || err != nil {
		return err // signed in the second of the refused one it is the same: the next pass
	}
	s, err := sentOf(jws, ref)
	if err != nil {
		return err
	}
	// Before it leaves, so that it is looked up and not made again.
	if err := o.journal.save(w.job, "evidence", s); err != nil {
		return err
	}
	w.evidence = s
	return nil
}

// proven follows a job whose evidence is on the ledger to its end.
func (o *Operator) proven(ctx context.Context, w *work, r *client.Round) error {
	if w.output == nil {
		return o.finish(w, "failed", "the ledger has evidence of this job that this journal does not know")
	}
	if sum := sumOf(w.output.ciphertext); r.GetEvidence().GetOutput() != canon.Hex(sum[:]) {
		return o.finish(w, "failed", "the ledger has evidence for another output than the journal")
	}
	w.mu.Lock()
	w.proven = true
	w.mu.Unlock()
	if r.GetPhase() != "closed" {
		return nil
	}
	s, err := o.cfg.Gateway.Settlement(ctx, w.job)
	if err != nil {
		return err
	}
	return o.finish(w, "settled", s.GetVerdict()+", "+s.GetReason())
}

func (o *Operator) finish(w *work, state, reason string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return o.finishLocked(w, state, reason)
}

func (o *Operator) finishLocked(w *work, state, reason string) error {
	e := &end{state, reason, uint64(time.Now().Unix())}
	if err := o.journal.save(w.job, "end", e); err != nil {
		return err
	}
	w.end = e
	o.log.Info("job ended", "job", w.job, "state", state, "reason", reason)
	return nil
}

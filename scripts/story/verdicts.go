package story

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/gateway/client"
)

// work lets each owner release data to enclaves that deserve it, and waits until every
// job is closed.
func (w *World) work(ctx context.Context) error {
	begun := time.Now()
	released, withheld := map[string]bool{}, map[string]bool{}
	phases, told := "", begun
	err := await(ctx, 6*time.Minute, "all jobs are closed", func() (bool, error) {
		if err := w.keepBusy(ctx); err != nil {
			return false, err
		}
		at := map[string]int{}
		for _, t := range w.tasks {
			r, err := w.Client.Round(ctx, t.ref, false)
			if fault.Of(err) == fault.NotFound {
				at["open"]++
				continue
			}
			if err != nil {
				return false, err
			}
			at[r.GetPhase()]++
			if r.GetPhase() != "accepted" || t.to == nil || released[t.ref] || withheld[t.ref] {
				continue
			}
			var refused *tee.Refusal
			switch err := w.release(ctx, t); {
			case errors.As(err, &refused):
				withheld[t.ref] = true
			case fault.Of(err) == fault.NotFound, fault.Of(err) == fault.WrongPhase: // the operator has not seen its own acceptance, or went on
			case err != nil:
				return false, err
			default:
				released[t.ref] = true
			}
		}
		if now := counts(at); now != phases && time.Since(told) > 4*time.Second {
			phases, told = now, time.Now()
			w.say("after %4.1f s: %s", time.Since(begun).Seconds(), now)
		}
		return at["closed"] == len(w.tasks), nil
	})
	if err != nil {
		return err
	}
	w.facts.jobs = time.Since(begun)
	w.say("owners let their data into %d enclaves, and into none of the %d whose quotes did not pass", len(released), len(withheld))
	if len(released) != 14 || len(withheld) != 5 {
		return fmt.Errorf("data was released to %d enclaves and withheld from %d, want 14 and 5", len(released), len(withheld))
	}
	return w.judged(ctx)
}

// counts renders how many jobs are in which phase, in the order of phases.
func counts(at map[string]int) string {
	var parts []string
	for _, phase := range []string{"open", "lapsed", "accepted", "overdue", "drawing", "commit", "reveal", "counting", "closed"} {
		if n := at[phase]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, phase))
		}
	}
	return strings.Join(parts, ", ")
}

// keepBusy does something on the ledger, so that there is a checkpoint soon.
func (w *World) keepBusy(ctx context.Context) error {
	if time.Since(w.busied) < time.Second {
		return nil
	}
	w.busied = time.Now()
	_, err := w.submit(ctx, w.treasurer, &ops.RecordSubmit{
		Schema: "heartbeat", Commitment: strings.Repeat("00", 32), Size: 1, Location: fmt.Sprint("urn:heartbeat:", w.busied.UnixNano()),
	}, "")
	return err
}

// release seals the records of a job's owners to the enclave that does it, as their own
// programs would: nothing leaves before its quote was appraised.
func (w *World) release(ctx context.Context, t *task) error {
	a, err := w.Client.Assigned(ctx, w.Network.GetNetwork(), t.ref)
	if err != nil {
		return err
	}
	at, err := w.Client.EnclaveURL(ctx, a.Operator)
	if err != nil {
		return err
	}
	enclave, err := client.DialEnclave(at, w.edge.client())
	if err != nil {
		return err
	}
	for _, m := range w.metrics {
		if _, err := w.Client.Release(ctx, w.on(m.owner), a, client.Release{
			Enclave: enclave, Trust: w.trust,
			Content: func(context.Context, *attest.Line) ([32]byte, []byte, error) { return m.salt, m.content, nil },
		}); err != nil {
			return err
		}
	}
	return nil
}

// judged compares every settlement with what was to come, and shows the partner's outputs.
func (w *World) judged(ctx context.Context) error {
	tally := map[string]int{}
	shown := map[string]bool{}
	for _, t := range w.tasks {
		s, err := w.Client.Settlement(ctx, t.ref)
		if err != nil {
			return err
		}
		if s.GetVerdict() != t.want || s.GetReason() != t.reason {
			return fmt.Errorf("job %s (%s) is %s: %s, want %s: %s", t.ref, t.operation, s.GetVerdict(), s.GetReason(), t.want, t.reason)
		}
		tally[t.want+" ("+t.reason+")"]++
		w.facts.paid[w.alice] += recordPrice
		w.facts.paid[w.bob] += recordPrice
		if t.want != "valid" || shown[t.operation] {
			continue
		}
		shown[t.operation] = true
		if err := w.output(ctx, t); err != nil {
			return fmt.Errorf("output of job %s: %w", t.ref, err)
		}
	}
	for verdict, n := range tally {
		w.say("%2d jobs are %s", n, verdict)
	}
	return nil
}

// output fetches and opens the output of a job for the consumer.
func (w *World) output(ctx context.Context, t *task) error {
	a, err := w.Client.Assigned(ctx, w.Network.GetNetwork(), t.ref)
	if err != nil {
		return err
	}
	data, err := t.to.dial.Output(ctx, t.ref)
	if err != nil {
		return err
	}
	if err := a.CheckOutput(data); err != nil {
		return err
	}
	plain, err := w.on(w.partner).OpenOutput(a.Task, data)
	if err != nil {
		return err
	}
	var document struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(plain, &document); err != nil {
		return err
	}
	w.say("%s: %.180s", t.operation, document.Result)
	return nil
}

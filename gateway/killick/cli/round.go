package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/committee"
	"github.com/spf13/cobra"
)

// notChecked is the exit code of a check that could not be made in full.
const notChecked = exitCode(3)

func (a *app) roundCommand() *cobra.Command {
	var explain bool
	c := &cobra.Command{
		Use: "round JOB", Short: "Show how far a job is, and draw its committee again", Args: cobra.ExactArgs(1),
		Long: `Show how far a job is: its phase and when that ends by the checkpoints' clock, its evidence and
what chaincode found, its committee and their ballots.

The committee is drawn again here, from the seed, the job's id and the licences, and compared
with what the gateway says: exit code 1 when it is another one, and 3 when licences or standings
have changed since, so that only the seats themselves could be checked. --explain shows the
digests that decided, computed again as well, and who holds a licence and could not be drawn.`,
		RunE: func(c *cobra.Command, args []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				network, err := gateway.Network(ctx)
				if err != nil {
					return err
				}
				r, err := gateway.Round(ctx, args[0], true)
				if err != nil {
					return err
				}
				return a.showRound(network.GetNetwork(), r, explain)
			})
		},
	}
	c.Flags().BoolVar(&explain, "explain", false, "show the digests by which the committee was drawn")
	return c
}

func (a *app) showRound(network string, r *client.Round, explain bool) error {
	v := roundView(r)
	var check *committee.Check
	if r.GetCommittee() != nil {
		draw := committee.Redraw
		if explain {
			draw = committee.Explained
		}
		var err error
		if check, err = draw(network, r); err != nil {
			return fmt.Errorf("the committee cannot be read: %w", err)
		}
		v["committee"], v["drawnAgain"] = committeeView(r, explain), check
	}
	if err := a.show(v, func(w io.Writer) {
		printRound(w, r)
		if check != nil {
			printCommittee(w, r, explain)
			printCheck(w, check)
		}
	}); err != nil || check == nil {
		return err
	}
	switch check.Result {
	case committee.Differs:
		return fmt.Errorf("THE COMMITTEE IS NOT THE ONE THAT THE SEED DRAWS: %s", strings.Join(check.Problems, "; "))
	case committee.Changed:
		return notChecked
	}
	return nil
}

// roundView is a round as it is printed.
func roundView(r *client.Round) map[string]any {
	v := map[string]any{"job": r.GetId(), "phase": r.GetPhase(), "checkpoint": r.GetCheckpoint(), "clock": r.GetClock(), "deposit": r.GetDeposit()}
	if r.GetEnds() > 0 {
		v["ends"] = r.GetEnds()
	}
	if r.GetOperator() != "" {
		v["operator"], v["accepted"] = r.GetOperator(), r.GetAccepted()
	}
	if r.GetDraw() > 0 {
		v["draw"], v["epoch"] = r.GetDraw(), r.GetEpoch()
	}
	if r.GetJudged() > 0 {
		v["judged"] = r.GetJudged()
	}
	if f := r.GetFinding(); f != nil {
		v["finding"] = map[string]any{"verdict": f.GetVerdict(), "reason": f.GetReason()}
	}
	if e := r.GetEvidence(); e != nil {
		v["evidence"] = evidenceView(e)
	}
	if e := r.GetRival(); e != nil {
		v["rival"] = evidenceView(e)
	}
	if r.GetDue() > 0 {
		v["due"] = r.GetDue()
	}
	if l := r.GetLate(); l != nil {
		v["late"] = lateView(l)
	}
	return v
}

func evidenceView(e *client.Evidence) map[string]any {
	return map[string]any{"platform": e.GetPlatform(), "output": e.GetOutput(), "digest": e.GetDigest(), "operation": e.GetOperation(), "quote": e.GetQuote()}
}

func committeeView(r *client.Round, explain bool) map[string]any {
	c := r.GetCommittee()
	benches := []map[string]any{}
	for _, b := range c.GetBenches() {
		taken, order := []map[string]any{}, []map[string]any{}
		for _, s := range b.GetTaken() {
			taken = append(taken, map[string]any{
				"verifier": s.GetVerifier(), "payee": s.GetPayee(), "digest": s.GetDigest(), "commitment": s.GetCommitment(), "ballot": s.GetBallot(), "salt": s.GetSalt(),
			})
		}
		for _, o := range b.GetOrder() {
			order = append(order, map[string]any{"verifier": o.GetVerifier(), "digest": o.GetDigest(), "drawn": o.GetDrawn(), "why": o.GetWhy()})
		}
		bench := map[string]any{"organisation": b.GetOrganisation(), "withheld": b.GetWithheld(), "seats": b.GetSeats(), "taken": taken}
		if explain {
			bench["order"] = order
		}
		benches = append(benches, bench)
	}
	return map[string]any{
		"seed": c.GetSeed(), "checkpoint": c.GetCheckpoint(), "candidates": c.GetCandidates(), "seats": c.GetSeats(), "k": c.GetK(), "benches": benches,
	}
}

func lateView(l *client.Late) map[string]any {
	return map[string]any{"payee": l.GetPayee(), "amount": l.GetAmount(), "epoch": l.GetEpoch(), "evidence": evidenceView(l.GetEvidence())}
}

// printLate says what a second quote took after the settlement, if one has.
func printLate(w io.Writer, l *client.Late) {
	if l == nil {
		return
	}
	e := l.GetEvidence()
	fmt.Fprintf(w, "late         %s quote %s of output %s, after the settlement: %s of the deposit go to %s\n", e.GetPlatform(), e.GetDigest(), e.GetOutput(), l.GetAmount(), l.GetPayee())
}

func printRound(w io.Writer, r *client.Round) {
	fmt.Fprintf(w, "job          %s\nphase        %s\n", r.GetId(), r.GetPhase())
	switch ends, clock := r.GetEnds(), r.GetClock(); {
	case ends > clock:
		fmt.Fprintf(w, "ends         at %d, in %d s by the checkpoints' clock (%d at checkpoint %d)\n", ends, ends-clock, clock, r.GetCheckpoint())
	case ends > 0:
		fmt.Fprintf(w, "ends         at %d, which is past by the checkpoints' clock (%d at checkpoint %d): a step is due\n", ends, clock, r.GetCheckpoint())
	}
	if r.GetOperator() != "" {
		fmt.Fprintf(w, "operator     %s, deposit %s\n", r.GetOperator(), r.GetDeposit())
	}
	if due, clock := r.GetDue(), r.GetClock(); due > clock && r.GetLate() == nil {
		fmt.Fprintf(w, "deposit      what is left of it, if anything, is given back at %d, in %d s by the checkpoints' clock\n", due, due-clock)
	}
	if e := r.GetEvidence(); e != nil {
		fmt.Fprintf(w, "evidence     %s quote %s of output %s\n", e.GetPlatform(), e.GetDigest(), e.GetOutput())
	}
	if e := r.GetRival(); e != nil {
		fmt.Fprintf(w, "rival        %s quote %s of output %s\n", e.GetPlatform(), e.GetDigest(), e.GetOutput())
	}
	printLate(w, r.GetLate())
	if r.GetDraw() > 0 {
		fmt.Fprintf(w, "draw         %d, licences from before epoch %d\n", r.GetDraw(), r.GetEpoch())
	}
	if f := r.GetFinding(); f != nil {
		fmt.Fprintf(w, "chaincode    %s (%s), judged at checkpoint %d\n", f.GetVerdict(), f.GetReason(), r.GetJudged())
	}
}

func printCommittee(w io.Writer, r *client.Round, explain bool) {
	c := r.GetCommittee()
	fmt.Fprintf(w, "seed         %s, drawn at checkpoint %d\ncommittee    %d seats, %d organisations have to agree\n", c.GetSeed(), c.GetCheckpoint(), c.GetSeats(), c.GetK())
	for _, b := range c.GetBenches() {
		fmt.Fprintf(w, "%s: %d of %d seats are taken", b.GetOrganisation(), len(b.GetTaken()), b.GetSeats())
		if b.GetWithheld() {
			fmt.Fprint(w, ": it withheld its element of the draw")
		}
		fmt.Fprintln(w)
		for _, s := range b.GetTaken() {
			state := "has not committed"
			switch {
			case s.GetBallot() != "":
				state = "voted " + s.GetBallot()
			case s.GetCommitment() != "":
				state = "has committed"
			}
			fmt.Fprintf(w, "  %s %s\n", s.GetVerifier(), state)
		}
		for _, o := range b.GetOrder() {
			if !explain {
				break
			}
			why := "not drawn"
			switch {
			case o.GetDrawn():
				why = "drawn"
			case o.GetWhy() != "":
				why = "could not be drawn: " + o.GetWhy()
			}
			fmt.Fprintf(w, "    %s %s %s\n", o.GetDigest(), o.GetVerifier(), why)
		}
	}
}

func printCheck(w io.Writer, check *committee.Check) {
	switch check.Result {
	case committee.Same:
		fmt.Fprintln(w, "drawn again  it is the same committee")
	case committee.Changed:
		fmt.Fprintln(w, "drawn again  NOT CHECKED IN FULL: licences or standings have changed since; the digests of the taken seats are right and in order")
	default:
		fmt.Fprintln(w, "drawn again  IT IS ANOTHER COMMITTEE: somebody lies, or this program is of another version than the ledger")
		for _, p := range check.Problems {
			fmt.Fprintf(w, "  %s\n", p)
		}
	}
}

package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

func (a *app) settlementCommand() *cobra.Command {
	return &cobra.Command{
		Use: "settlement JOB", Short: "Show what became of a job, and where its money went", Args: cobra.ExactArgs(1),
		Long: `Show what became of a job: the verdict and why, the ballots, and every line of money that was
moved, with who got it for what. What was set aside by the consumer and by the operator is added
up here against what was paid and what they get back: exit code 1 when it is not the same.`,
		RunE: func(c *cobra.Command, args []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				s, err := gateway.Settlement(ctx, args[0])
				if err != nil {
					return err
				}
				j, err := gateway.Job(ctx, args[0])
				if err != nil {
					return err
				}
				r, err := gateway.Round(ctx, args[0], false)
				if err != nil {
					return err
				}
				sums, err := addUp(j, r, s)
				if err != nil {
					return fmt.Errorf("the money of the job cannot be read: %w", err)
				}
				return a.showSettlement(s, sums, r.GetLate())
			})
		},
	}
}

// balanceSheet is one of the two sources of a settlement.
type balanceSheet struct {
	From     string        `json:"from"`
	SetAside reward.Amount `json:"setAside"`
	Paid     reward.Amount `json:"paid"`
	Back     reward.Amount `json:"back"`
	Even     bool          `json:"even"` // set aside = paid + back
}

// addUp compares what was set aside with what became of it.
func addUp(j *client.Job, r *client.Round, s *client.Settlement) ([]balanceSheet, error) {
	aside := []string{j.GetTeeFee(), j.GetVerificationFee()}
	for _, l := range j.GetLines() {
		aside = append(aside, l.GetPrice())
	}
	paid := map[string][]string{}
	for _, l := range s.GetLines() {
		if l.GetFrom() != "hold" && l.GetFrom() != "deposit" {
			return nil, fmt.Errorf("a line is from %q", l.GetFrom())
		}
		paid[l.GetFrom()] = append(paid[l.GetFrom()], l.GetAmount())
	}
	var sheets []balanceSheet
	for _, source := range []struct {
		from, back string
		aside      []string
	}{{"hold", s.GetRefund(), aside}, {"deposit", s.GetReturned(), []string{r.GetDeposit()}}} {
		b := balanceSheet{From: source.from}
		var err error
		for _, part := range []struct {
			into    *reward.Amount
			amounts []string
		}{{&b.SetAside, source.aside}, {&b.Paid, paid[source.from]}, {&b.Back, []string{source.back}}} {
			if *part.into, err = total(part.amounts); err != nil {
				return nil, err
			}
		}
		spent, err := b.Paid.Add(b.Back)
		b.Even = err == nil && spent == b.SetAside
		sheets = append(sheets, b)
	}
	return sheets, nil
}

func total(amounts []string) (sum reward.Amount, err error) {
	for _, text := range amounts {
		var one reward.Amount
		if err := one.UnmarshalText([]byte(text)); err != nil {
			return 0, err
		}
		if sum, err = sum.Add(one); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

func (a *app) showSettlement(s *client.Settlement, sums []balanceSheet, late *client.Late) error {
	lines := []map[string]any{}
	for _, l := range s.GetLines() {
		v := map[string]any{"role": l.GetRole(), "from": l.GetFrom(), "who": l.GetWho(), "amount": l.GetAmount(), "why": why(l)}
		if l.GetFate() != "" {
			v["fate"] = l.GetFate()
		}
		if l.GetPayee() != "" {
			v["payee"] = l.GetPayee()
		}
		lines = append(lines, v)
	}
	f, votes := s.GetFinding(), s.GetVotes()
	v := map[string]any{
		"job": s.GetId(), "verdict": s.GetVerdict(), "reason": s.GetReason(), "finding": map[string]any{"verdict": f.GetVerdict(), "reason": f.GetReason()},
		"policy": s.GetPolicy(), "judged": s.GetJudged(), "epoch": s.GetEpoch(), "asset": s.GetAsset(), "seats": s.GetSeats(), "k": s.GetK(),
		"votes":  map[string]any{"valid": votes.GetValid(), "invalid": votes.GetInvalid(), "malicious": votes.GetMalicious(), "unrevealed": votes.GetUnrevealed()},
		"refund": s.GetRefund(), "returned": s.GetReturned(), "lines": lines, "sums": sums,
	}
	if late != nil {
		v["late"] = lateView(late)
	}
	err := a.show(v, func(w io.Writer) {
		printSettlement(w, s, sums)
		printLate(w, late)
	})
	if err != nil {
		return err
	}
	var uneven []string
	for _, b := range sums {
		if !b.Even {
			uneven = append(uneven, fmt.Sprintf("%s: %d set aside, %d paid and %d back", b.From, b.SetAside, b.Paid, b.Back))
		}
	}
	if len(uneven) > 0 {
		return fmt.Errorf("THE MONEY DOES NOT ADD UP: %s", strings.Join(uneven, "; "))
	}
	return nil
}

func printSettlement(w io.Writer, s *client.Settlement, sums []balanceSheet) {
	votes := s.GetVotes()
	fmt.Fprintf(w, "job          %s\nverdict      %s (%s)\nchaincode    %s (%s)\n", s.GetId(), s.GetVerdict(), s.GetReason(), s.GetFinding().GetVerdict(), s.GetFinding().GetReason())
	fmt.Fprintf(w, "ballots      %d valid, %d invalid, %d malicious, %d not revealed, of %d seats; %d organisations had to agree\n",
		votes.GetValid(), votes.GetInvalid(), votes.GetMalicious(), votes.GetUnrevealed(), s.GetSeats(), s.GetK())
	if s.GetEpoch() > 0 {
		fmt.Fprintf(w, "credited     in epoch %d\n", s.GetEpoch())
	}
	for _, l := range s.GetLines() {
		to := l.GetWho()
		switch l.GetPayee() {
		case "":
		case "none":
			to += " (nobody could be paid)"
		default:
			to += " (paid to " + l.GetPayee() + ")"
		}
		fmt.Fprintf(w, "%12s %s from the %s to %s: %s\n", l.GetAmount(), s.GetAsset(), l.GetFrom(), to, why(l))
	}
	for _, b := range sums {
		sign := "="
		if !b.Even {
			sign = "IS NOT"
		}
		fmt.Fprintf(w, "%-12s %d set aside %s %d paid + %d back\n", b.From, b.SetAside, sign, b.Paid, b.Back)
	}
}

// reasons say for what a role is paid.
var reasons = map[string]string{
	"owner": "price of a grant", "operator": "fee for the job, less the treasury's part", "treasury": "part of the fee for the job",
	"residue": "what is left of the fee for verification", "forfeit": "deposit that the operator lost",
}

var fates = map[string]string{
	"right": "its ballot was right", "wrong": "its ballot was wrong", "voted": "it voted where no ballot was right", "unrevealed": "it did not reveal its ballot",
	"missed": "it did not vote",
}

func why(l *client.SettlementLine) string {
	if l.GetRole() == "verifier" {
		return "seat of the committee: " + fates[l.GetFate()]
	}
	return reasons[l.GetRole()]
}

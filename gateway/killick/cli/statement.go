package cli

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

func (a *app) statementCommand() *cobra.Command {
	q := new(client.GetStatement)
	var asCSV bool
	var from, to string
	c := &cobra.Command{
		Use: "statement DID", Short: "Show what moved a DID's money, and why", Args: cobra.ExactArgs(1),
		Long: `Show what moved a DID's money of an asset, in the order of the ledger, with what it had after each
line in each place: balance (can be spent), held (set aside for jobs), pending (credited in epochs
that are not closed), due (not assigned to a vault), assigned (to an account on a public chain).
A line of a job says the role, the verdict and the version of the policy, an owner's also the grant
and the record. Amounts are micro-units. DID may be a key file. Times are RFC 3339, or dates.`,
		Example: "  killick statement alice.keys\n  killick statement alice.keys --csv --from 2026-10-01 --to 2026-11-01",
		RunE: func(c *cobra.Command, args []string) error {
			if asCSV && a.json {
				return fmt.Errorf("give --csv or --json")
			}
			return a.connected(c, func(ctx context.Context, gateway *client.Client) (err error) {
				if q.Did, err = a.didOf(ctx, gateway, args[0]); err != nil {
					return err
				}
				if q.Since, err = moment(from); err != nil {
					return err
				}
				if q.Until, err = moment(to); err != nil {
					return err
				}
				s, err := wholeStatement(ctx, gateway, q)
				if err != nil {
					return err
				}
				if asCSV {
					return writeCSV(a.out, s)
				}
				return a.show(s, func(w io.Writer) { printStatement(w, s) })
			})
		},
	}
	c.Flags().StringVar(&q.Asset, "asset", defaultAsset, "`name` of the asset")
	c.Flags().BoolVar(&asCSV, "csv", false, "print comma-separated values, a line for each line")
	c.Flags().StringVar(&from, "from", "", "lines from this `time` on")
	c.Flags().StringVar(&to, "to", "", "lines before this `time`")
	return c
}

// moment reads a time or a date in UTC; empty is 0.
func moment(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && t.Unix() > 0 {
			return uint64(t.Unix()), nil
		}
	}
	return 0, fmt.Errorf("%q is neither a time (2026-10-01T12:00:00Z) nor a date (2026-10-01)", text)
}

// statement is an account's statement as --json prints it.
type statement struct {
	DID    string          `json:"did"`
	Asset  string          `json:"asset"`
	Lines  []statementLine `json:"lines"`
	Totals totals          `json:"totals"`
	Block  uint64          `json:"block"`
}

// totals are micro-units in each place.
type totals struct {
	Balance  string `json:"balance"`
	Held     string `json:"held"`
	Pending  string `json:"pending"`
	Due      string `json:"due"`
	Assigned string `json:"assigned"`
}

func totalsOf(t *client.StatementTotals) totals {
	return totals{t.GetBalance(), t.GetHeld(), t.GetPending(), t.GetDue(), t.GetAssigned()}
}

type statementLine struct {
	Time        string `json:"time"`
	Block       uint64 `json:"block"`
	Transaction string `json:"transaction"`
	Kind        string `json:"kind"`
	From        string `json:"from"`
	To          string `json:"to"`
	Amount      string `json:"amount"`
	After       totals `json:"after"`
	Operation   string `json:"operation,omitempty"`
	Other       string `json:"other,omitempty"`
	Epoch       uint64 `json:"epoch,omitempty"`
	Job         string `json:"job,omitempty"`
	Role        string `json:"role,omitempty"`
	Fate        string `json:"fate,omitempty"`
	Source      string `json:"source,omitempty"`
	Verdict     string `json:"verdict,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Policy      uint64 `json:"policy,omitempty"`
	Grant       string `json:"grant,omitempty"`
	Record      string `json:"record,omitempty"`
	Version     uint64 `json:"version,omitempty"`
}

// wholeStatement reads all pages. Pages after the first may be of later blocks; the totals are
// those of the last.
func wholeStatement(ctx context.Context, gateway *client.Client, q *client.GetStatement) (*statement, error) {
	s := &statement{DID: q.GetDid(), Asset: q.GetAsset(), Lines: []statementLine{}}
	for q.PageSize = 1000; ; {
		page, err := gateway.Statement(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, l := range page.GetLines() {
			s.Lines = append(s.Lines, statementLine{
				instant(l.GetTime()), l.GetBlock(), l.GetTransaction(), l.GetKind(), l.GetFrom(), l.GetTo(), l.GetAmount(), totalsOf(l.GetAfter()), l.GetOperation(),
				l.GetOther(), l.GetEpoch(), l.GetJob(), l.GetRole(), l.GetFate(), l.GetSource(), l.GetVerdict(), l.GetReason(), l.GetPolicy(), l.GetGrant(), l.GetRecord(), l.GetVersion(),
			})
		}
		s.Totals, s.Block = totalsOf(page.GetTotals()), page.GetBlock()
		if q.PageToken = page.GetNextPageToken(); q.PageToken == "" {
			return s, nil
		}
	}
}

var statementColumns = []string{
	"time", "block", "transaction", "kind", "from", "to", "amount", "balance", "held", "pending", "due", "assigned", "operation", "other", "epoch", "job", "role",
	"fate", "source", "verdict", "reason", "policy", "grant", "record", "version",
}

func writeCSV(w io.Writer, s *statement) error {
	number := func(n uint64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatUint(n, 10)
	}
	out := csv.NewWriter(w)
	rows := [][]string{statementColumns}
	for i := range s.Lines {
		l := &s.Lines[i]
		rows = append(rows, []string{
			l.Time, strconv.FormatUint(l.Block, 10), l.Transaction, l.Kind, l.From, l.To, l.Amount, l.After.Balance, l.After.Held, l.After.Pending, l.After.Due, l.After.Assigned,
			l.Operation, l.Other, number(l.Epoch), l.Job, l.Role, l.Fate, l.Source, l.Verdict, l.Reason, number(l.Policy), l.Grant, l.Record, number(l.Version),
		})
	}
	return out.WriteAll(rows) // which flushes
}

func printStatement(w io.Writer, s *statement) {
	for i := range s.Lines {
		l := &s.Lines[i]
		fmt.Fprintf(w, "%s  %12s %s  %-10s %s -> %s%s\n", l.Time, l.Amount, s.Asset, l.Kind, l.From, l.To, l.story())
		fmt.Fprintf(w, "%22sbalance %s  held %s  pending %s  due %s  assigned %s\n", "", l.After.Balance, l.After.Held, l.After.Pending, l.After.Due, l.After.Assigned)
	}
	t := s.Totals
	fmt.Fprintf(w, "did          %s\nas of block  %d\nbalance      %s\nheld         %s\npending      %s\ndue          %s\nassigned     %s\n",
		s.DID, s.Block, t.Balance, t.Held, t.Pending, t.Due, t.Assigned)
}

// story says in words why a line is there.
func (l *statementLine) story() string {
	var s strings.Builder
	if l.Role != "" {
		fmt.Fprintf(&s, ": %s", why(&client.SettlementLine{Role: l.Role, Fate: l.Fate}))
	}
	if l.Verdict != "" {
		fmt.Fprintf(&s, ", job ended %s (%s) under policy %d", l.Verdict, l.Reason, l.Policy)
	}
	for _, part := range []struct{ name, value string }{
		{"job", l.Job}, {"grant", l.Grant}, {"record", l.Record}, {"with", l.Other}, {"by", l.Operation},
	} {
		if part.value != "" && (part.name != "by" || l.Job == "") {
			fmt.Fprintf(&s, ", %s %s", part.name, part.value)
		}
	}
	return s.String()
}

package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

func (a *app) jobList() *cobra.Command {
	q := new(client.ListJobs)
	c := &cobra.Command{
		Use: "list", Short: "List jobs by consumer, operator or phase", Args: cobra.NoArgs,
		Long: "List jobs by consumer, operator or phase, at least one of which is named, in the order in which the\nledger created them. Operators find with --phase open what they can accept.",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				for _, did := range []*string{&q.Consumer, &q.Operator} {
					var err error
					if *did, err = a.oneDID(ctx, gateway, *did); err != nil {
						return err
					}
				}
				page, err := gateway.Jobs(ctx, q)
				if err != nil {
					return err
				}
				return a.showJobs(page)
			})
		},
	}
	didFlag(c, &q.Consumer, "consumer", "who pays")
	didFlag(c, &q.Operator, "operator", "who accepted them")
	c.Flags().StringVar(&q.Phase, "phase", "", "`phase` in which they are: open, lapsed, accepted, overdue, drawing, commit, reveal, counting or closed")
	pages(c, &q.PageSize, &q.PageToken)
	return c
}

func (a *app) showJobs(page *client.JobPage) error {
	l := list{Next: page.GetNextPageToken(), Block: page.GetBlock()}
	for _, j := range page.GetJobs() {
		v := map[string]any{
			"job": j.GetId(), "phase": j.GetPhase(), "consumer": j.GetConsumer(), "operation": j.GetOperation(), "asset": j.GetAsset(), "grants": j.GetGrants(),
			"teeFee": j.GetTeeFee(), "verificationFee": j.GetVerificationFee(), "atStake": j.GetAtStake(), "expires": j.GetExpires(), "time": j.GetTime(),
		}
		if j.GetOperator() != "" {
			v["operator"] = j.GetOperator()
		}
		l.Items = append(l.Items, v)
	}
	return a.showPage(l, func(w io.Writer, i int) {
		j := page.GetJobs()[i]
		fmt.Fprintf(w, "%s  %s  %s for %s %s and a deposit of %s, to be accepted until %s\n", j.GetId(), j.GetPhase(), j.GetOperation(), j.GetTeeFee(), j.GetAsset(), j.GetAtStake(), instant(j.GetExpires()))
	})
}

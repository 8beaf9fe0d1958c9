package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

func (a *app) voteStanding() *cobra.Command {
	return &cobra.Command{
		Use: "standing DID", Short: "Show how a verifier has done", Args: cobra.ExactArgs(1),
		Long: "Show how a verifier has done: its score, its ballots, and until when by the checkpoints' clock it is\noff duty. Of one that was never drawn all is zero. DID may be a key file.",
		RunE: func(c *cobra.Command, args []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				did, err := a.didOf(ctx, gateway, args[0])
				if err != nil {
					return err
				}
				s, err := gateway.Standing(ctx, did)
				if err != nil {
					return err
				}
				return a.show(map[string]any{
					"did": s.GetDid(), "score": s.GetScore(), "right": s.GetRight(), "wrong": s.GetWrong(), "unrevealed": s.GetUnrevealed(),
					"missed": s.GetMissed(), "row": s.GetRow(), "offUntil": s.GetOffUntil(),
				}, func(w io.Writer) {
					fmt.Fprintf(w, "did          %s\nscore        %d\nballots      %d right, %d wrong, %d not revealed\nmissed       %d seats, %d without a ballot in a row\n",
						s.GetDid(), s.GetScore(), s.GetRight(), s.GetWrong(), s.GetUnrevealed(), s.GetMissed(), s.GetRow())
					if s.GetOffUntil() > 0 {
						fmt.Fprintf(w, "off duty     until the checkpoints' clock has counted %d s\n", s.GetOffUntil())
					}
				})
			})
		},
	}
}

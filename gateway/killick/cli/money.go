package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

const defaultAsset = "usd"

func (a *app) payCommand() *cobra.Command {
	var asset string
	c := a.signing(&cobra.Command{
		Use: "pay DID=AMOUNT...", Short: "Pay up to 16 DIDs at once", Args: cobra.RangeArgs(1, 16),
		Long:    "Pay up to 16 DIDs at once from the balance of the key file's DID: all of them, or none.\nAmounts are micro-units: 2500000 is 2.5 units of the asset.",
		Example: "  killick pay --keys alice.keys did:killick:main-0011223344556677:3yZe7d...=2500000",
		RunE: func(c *cobra.Command, args []string) error {
			body := &ops.RewardPay{Asset: asset}
			for _, arg := range args {
				to, text, ok := strings.Cut(arg, "=")
				amount, err := strconv.ParseInt(text, 10, 64)
				if !ok || err != nil || amount < 1 {
					return fmt.Errorf("%q is not DID=AMOUNT with an amount in micro-units", arg)
				}
				body.Lines = append(body.Lines, reward.Line{To: to, Amount: reward.Amount(amount)})
			}
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				return a.create(ctx, gateway, signer, "payment", body)
			})
		},
	})
	c.Flags().StringVar(&asset, "asset", defaultAsset, "`name` of the asset")
	return c
}

func (a *app) withdrawCommand() *cobra.Command {
	var asset, what string
	c := a.signing(&cobra.Command{
		Use: "withdraw AMOUNT", Short: "Take unused money out of a balance", Args: cobra.ExactArgs(1),
		Long:    "Take money that is not needed out of the balance of the key file's DID: it is credited to the DID\nitself, as if it had earned it, and paid out with the epoch. AMOUNT is micro-units: 2500000 is 2.5\nunits of the asset.",
		Example: "  killick withdraw --keys alice.keys 2500000",
		RunE: func(c *cobra.Command, args []string) error {
			amount, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || amount < 1 {
				return fmt.Errorf("%q is not an amount in micro-units", args[0])
			}
			body := &ops.RewardWithdraw{Asset: asset, Amount: reward.Amount(amount), For: what}
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				return a.create(ctx, gateway, signer, "withdrawal", body)
			})
		},
	})
	c.Flags().StringVar(&asset, "asset", defaultAsset, "`name` of the asset")
	c.Flags().StringVar(&what, "for", "", "`words` that set this withdrawal apart from one that is otherwise equal")
	return c
}

func (a *app) balanceCommand() *cobra.Command {
	var asset string
	c := &cobra.Command{
		Use: "balance DID", Short: "Show what a DID owns of an asset", Args: cobra.ExactArgs(1),
		Long: "Show what a DID owns of an asset, in micro-units: its balance, what was credited in epochs that\nare not closed, and what is due and not assigned. What was assigned to an account on a public\nchain for it to claim, killick claim shows.\nDID may be a key file.",
		RunE: func(c *cobra.Command, args []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				did, err := a.didOf(ctx, gateway, args[0])
				if err != nil {
					return err
				}
				b, err := gateway.Balance(ctx, did, asset)
				if err != nil {
					return err
				}
				return a.show(map[string]any{
					"did": b.GetDid(), "asset": b.GetAsset(), "balance": b.GetBalance(), "pending": b.GetPending(), "due": b.GetDue(),
				}, func(w io.Writer) {
					fmt.Fprintf(w, "did          %s\nasset        %s\nbalance      %s\npending      %s (of epochs that are not closed)\ndue          %s (not assigned to a vault)\n",
						b.GetDid(), b.GetAsset(), b.GetBalance(), b.GetPending(), b.GetDue())
				})
			})
		},
	}
	c.Flags().StringVar(&asset, "asset", defaultAsset, "`name` of the asset")
	return c
}

// didOf takes a DID, or the name of a key file.
func (a *app) didOf(ctx context.Context, gateway *client.Client, text string) (string, error) {
	if strings.HasPrefix(text, "did:") {
		return text, nil
	}
	if _, err := os.Stat(text); err != nil {
		return "", fmt.Errorf("%s is neither a DID nor a key file: %w", text, err)
	}
	network, err := gateway.Network(ctx)
	if err != nil {
		return "", err
	}
	did, _, err := client.LoadPublic(text, network.GetNetwork())
	return did, err
}

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

func (a *app) proofCommand() *cobra.Command {
	var s client.Subject
	var out, disclosure string
	c := &cobra.Command{
		Use: "proof (OPERATION | --key KEY | --transaction ID | --chain JOB) --out FILE.anchorproof", Short: "Save a proof bundle", Args: cobra.MaximumNArgs(1),
		Long: `Save the bundle that proves one thing from a public chain down to one write on the
ledger. Whoever has it checks it with killick-verify and public RPC endpoints alone.
Before the checkpoint is final on a public chain there is no bundle: not_anchored.

OPERATION is an id, a reference, or a record's receipt file.

With --chain the file is a trail: the settlement of a job with all that leads to it under one
checkpoint, the verdict, every ballot, the committee and its draw, the evidence, the grants and the
records. With --disclosure, of an account that a line of the job paid (killick did disclose), it
begins at that account's payout on the public chain. killick-verify computes all of it again.`,
		Example: "  killick proof invoice.pdf.record --out invoice.anchorproof\n  killick proof --chain JOB --disclosure account.disclosure --out job.anchorproof",
		PreRunE: func(_ *cobra.Command, args []string) error {
			if (len(args) == 1) == (s.Key != "" || s.Transaction != "" || s.Job != "") {
				return errors.New("name one of OPERATION, --key, --transaction and --chain")
			}
			if disclosure != "" && s.Job == "" {
				return errors.New("--disclosure goes with --chain")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				s.Operation = args[0]
				if e, err := readEvidence(args[0]); err == nil {
					s.Operation = e.Operation
				}
			}
			if disclosure != "" {
				data, err := os.ReadFile(disclosure)
				if err != nil {
					return fmt.Errorf("read disclosure: %w", err)
				}
				s.Disclosure = bytes.TrimSpace(data)
			}
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				data, err := gateway.Proof(ctx, s)
				if err != nil {
					return err
				}
				if err := os.WriteFile(out, data, 0o644); err != nil {
					return fmt.Errorf("write bundle: %w", err)
				}
				return a.show(map[string]any{"bundle": out, "bytes": len(data)}, func(w io.Writer) {
					fmt.Fprintf(w, "bundle       %s (%d bytes)\n", out, len(data))
				})
			})
		},
	}
	c.Flags().StringVar(&s.Key, "key", "", "`key` on the ledger, for example record/<reference>")
	c.Flags().StringVar(&s.Transaction, "transaction", "", "`id` of a Fabric transaction")
	c.Flags().StringVar(&out, "out", "", "`file` to write (required)")
	c.Flags().StringVar(&s.Job, "chain", "", "`reference` of a settled job")
	c.Flags().StringVar(&disclosure, "disclosure", "", "with --chain: `file` that shows whose account is paid")
	c.MarkFlagsMutuallyExclusive("key", "transaction", "chain")
	if err := c.MarkFlagRequired("out"); err != nil {
		panic(err) // the flag was added above
	}
	return c
}

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

func (a *app) credentialCommand() *cobra.Command {
	return group("credential", "Issue, revoke and look up credentials", a.credentialSchema(), a.credentialIssue(), a.credentialRevoke(), a.credentialShow())
}

func digest(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read document: %w", err)
	}
	sum := canon.Sum(data)
	return canon.Hex(sum[:]), nil
}

func (a *app) credentialSchema() *cobra.Command {
	var name string
	c := a.signing(&cobra.Command{
		Use: "schema FILE", Short: "Register the schema of credentials", Args: cobra.ExactArgs(1),
		Long: "Register the schema of credentials: its name and the digest of the schema document FILE.\nOnly DIDs that the consortium has accredited may issue.",
		RunE: func(c *cobra.Command, args []string) error {
			sum, err := digest(args[0])
			if err != nil {
				return err
			}
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				return a.create(ctx, gateway, signer, "schema", &ops.CredentialSchema{Name: name, Digest: sum})
			})
		},
	})
	c.Flags().StringVar(&name, "name", "", "`name` of the schema (required)")
	if err := c.MarkFlagRequired("name"); err != nil {
		panic(err) // the flag was added above
	}
	return c
}

// create submits an operation that creates something under its reference.
func (a *app) create(ctx context.Context, gateway *client.Client, signer client.Signer, kind string, body ops.Body) error {
	jws, ref, err := signer.Operation(body, "")
	if err != nil {
		return err
	}
	o, err := gateway.Submit(ctx, jws)
	if err != nil {
		return err
	}
	return a.done(o, kind, ref)
}

func (a *app) credentialIssue() *cobra.Command {
	var schema, evidence, from string
	var days uint
	c := a.signing(&cobra.Command{
		Use: "issue FILE", Short: "Issue a credential", Args: cobra.ExactArgs(1),
		Long: "Issue a credential: the digest of the credential document FILE, which its holder keeps, its\nschema, how long it is valid, and on what evidence it rests.",
		RunE: func(c *cobra.Command, args []string) error {
			sum, err := digest(args[0])
			if err != nil {
				return err
			}
			start := time.Now().UTC()
			if from != "" {
				if start, err = time.Parse(time.RFC3339, from); err != nil {
					return fmt.Errorf("valid-from: %w", err)
				}
			}
			body := &ops.CredentialIssue{
				Schema: schema, Digest: sum, Evidence: evidence,
				ValidFrom: uint64(max(start.Unix(), 0)), ValidUntil: uint64(max(start.AddDate(0, 0, int(days)).Unix(), 0)),
			}
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				return a.create(ctx, gateway, signer, "credential", body)
			})
		},
	})
	c.Flags().StringVar(&schema, "schema", "", "`reference` of the schema (required)")
	c.Flags().StringVar(&evidence, "evidence", "provider", "what it rests on: oracle, provider, third-party, on-chain or zero-knowledge")
	c.Flags().StringVar(&from, "valid-from", "", "`time` from which it is valid, as 2026-01-31T00:00:00Z (default: now)")
	c.Flags().UintVar(&days, "days", 365, "how long it is valid")
	if err := c.MarkFlagRequired("schema"); err != nil {
		panic(err) // the flag was added above
	}
	return c
}

func (a *app) credentialRevoke() *cobra.Command {
	return a.signing(&cobra.Command{
		Use: "revoke CREDENTIAL", Short: "Revoke a credential for good", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				current, err := gateway.Credential(ctx, args[0])
				if err != nil {
					return err
				}
				jws, _, err := signer.Operation(&ops.CredentialRevoke{Credential: args[0]}, current.GetHash())
				if err != nil {
					return err
				}
				o, err := gateway.Submit(ctx, jws)
				if err != nil {
					return err
				}
				return a.done(o, "credential", args[0])
			})
		},
	})
}

func (a *app) credentialShow() *cobra.Command {
	return &cobra.Command{
		Use: "show CREDENTIAL", Short: "Show a credential's status", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				v, err := gateway.Credential(ctx, args[0])
				if err != nil {
					return err
				}
				return a.show(map[string]any{
					"credential": v.GetId(), "issuer": v.GetIssuer(), "status": v.GetStatus(), "schema": v.GetSchema(), "digest": v.GetDigest(),
					"validFrom": v.GetValidFrom(), "validUntil": v.GetValidUntil(), "evidence": v.GetEvidence(), "version": v.GetVersion(),
					"operation": v.GetOperation(), "hash": v.GetHash(),
				}, func(w io.Writer) {
					day := func(t uint64) string { return time.Unix(int64(t), 0).UTC().Format(time.RFC3339) }
					fmt.Fprintf(w, "credential   %s\nissuer       %s\nstatus       %s\nschema       %s\ndigest       %s\nvalid        %s to %s\nevidence     %s\n",
						v.GetId(), v.GetIssuer(), v.GetStatus(), v.GetSchema(), v.GetDigest(), day(v.GetValidFrom()), day(v.GetValidUntil()), v.GetEvidence())
				})
			})
		},
	}
}

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
	return group("credential", "Issue, change, present and verify credentials", a.credentialSchema(), a.credentialIssue(),
		a.credentialChange("suspend", "Suspend a credential until it is reinstated", func(ref string) ops.Body { return &ops.CredentialSuspend{Credential: ref} }),
		a.credentialChange("reinstate", "Reinstate a suspended credential", func(ref string) ops.Body { return &ops.CredentialReinstate{Credential: ref} }),
		a.credentialChange("revoke", "Revoke a credential for good", func(ref string) ops.Body { return &ops.CredentialRevoke{Credential: ref} }),
		a.credentialShow(), a.credentialStatus(), a.credentialVerify(), a.credentialPresent(), a.credentialCertify())
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

func (a *app) credentialShow() *cobra.Command {
	return &cobra.Command{
		Use: "show CREDENTIAL", Short: "Show what the ledger holds of a credential", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				v, err := gateway.Credential(ctx, args[0])
				if err != nil {
					return err
				}
				return a.showCredential(v)
			})
		},
	}
}

// showCredential shows what the ledger holds of a credential.
func (a *app) showCredential(v *client.Credential) error {
	return a.show(map[string]any{
		"credential": v.GetId(), "issuer": v.GetIssuer(), "status": v.GetStatus(), "schema": v.GetSchema(), "digest": v.GetDigest(),
		"validFrom": v.GetValidFrom(), "validUntil": v.GetValidUntil(), "evidence": v.GetEvidence(), "endorser": v.GetEndorser(),
		"list": v.GetList(), "index": v.GetIndex(), "version": v.GetVersion(), "operation": v.GetOperation(), "hash": v.GetHash(),
	}, func(w io.Writer) {
		day := func(t uint64) string { return time.Unix(int64(t), 0).UTC().Format(time.RFC3339) }
		fmt.Fprintf(w, "credential   %s\nissuer       %s\nstatus       %s\nschema       %s\ndigest       %s\nvalid        %s to %s\nevidence     %s by %s\nentry        %d of list %d\n",
			v.GetId(), v.GetIssuer(), v.GetStatus(), v.GetSchema(), v.GetDigest(), day(v.GetValidFrom()), day(v.GetValidUntil()), v.GetEvidence(), v.GetEndorser(), v.GetIndex(), v.GetList())
	})
}

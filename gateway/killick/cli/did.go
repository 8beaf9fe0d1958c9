package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
)

func (a *app) didCommand() *cobra.Command {
	var links []string
	var payout string
	create := a.signing(&cobra.Command{
		Use: "create", Short: "Create the DID of a key file", Args: cobra.NoArgs,
		Long: `Create the DID that a key file makes. With --link, accounts of its chain key are
linked to it; with --payout, rewards are paid out to the linked account there.`,
		Example: "  killick did create --keys alice.keys --link eip155:1337 --link tron:0x2b6653dc --payout tron:0x2b6653dc",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				jws, err := signer.Create(links, payout)
				if err != nil {
					return err
				}
				if err := a.preferring(ctx, gateway, payout); err != nil {
					return err
				}
				o, err := gateway.Submit(ctx, jws)
				if err != nil {
					return err
				}
				return a.done(o, "did", signer.DID())
			})
		},
	})
	create.Flags().StringArrayVar(&links, "link", nil, "`chain` (CAIP-2 id) on which the chain key's account is linked; may be repeated")
	create.Flags().StringVar(&payout, "payout", "", "`chain` of the links on which rewards are paid out")
	return group("did", "Create, change, end and resolve DIDs",
		create, a.didUpdate(), a.didRecover(), a.didDeactivate(), a.didComplete(), a.didResolve(),
		a.didLink(), a.didUnlink(), a.didPrefer(), a.didIdentity(), a.didDisclose(), a.didVerifyLink(), a.didBind())
}

func (a *app) didResolve() *cobra.Command {
	var version uint32
	var at string
	c := &cobra.Command{
		Use: "resolve DID", Short: "Show a DID's document, now or in an earlier version", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				r, err := resolve(ctx, gateway, args[0], version, at)
				if err != nil {
					return err
				}
				data, err := protojson.Marshal(r)
				if err != nil {
					return err
				}
				var text bytes.Buffer // the document is JSON in both forms of output
				if a.json {
					err = json.Compact(&text, data)
				} else {
					err = json.Indent(&text, data, "", "  ")
				}
				if err == nil {
					_, err = fmt.Fprintln(a.out, text.String())
				}
				return err
			})
		},
	}
	c.Flags().Uint32Var(&version, "version", 0, "`number` of a version, from 1")
	c.Flags().StringVar(&at, "at", "", "`time` at which the version was in force, for example 2026-11-21T15:00:00Z")
	c.MarkFlagsMutuallyExclusive("version", "at")
	return c
}

func resolve(ctx context.Context, gateway *client.Client, did string, version uint32, at string) (*client.Resolution, error) {
	switch {
	case version != 0:
		return gateway.ResolveVersion(ctx, did, version)
	case at != "":
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return nil, fmt.Errorf("%q is no time: write it as 2026-11-21T15:00:00Z", at)
		}
		return gateway.ResolveAt(ctx, did, t)
	}
	return gateway.Resolve(ctx, did)
}

// done prints what was done and its receipt: as JSON {kind: name, "operation": receipt},
// with a "warning" where there is one.
func (a *app) done(o *client.Operation, kind, name string) error {
	r := receiptOf(o)
	v := map[string]any{kind: name, "operation": r}
	if a.warning != "" {
		v["warning"] = a.warning
	}
	return a.show(v, func(w io.Writer) {
		fmt.Fprintf(w, "%-12s %s\n", kind, name)
		r.print(w)
		if a.warning != "" {
			fmt.Fprintf(a.err, "warning: %s\n", a.warning)
		}
	})
}

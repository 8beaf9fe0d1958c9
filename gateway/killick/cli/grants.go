package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

// terms holds the flags of a grant.
type terms struct {
	operation, asset, price, until string
	paths                          []string
	days                           uint
	uses                           uint32
}

func (t *terms) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&t.operation, "operation", "read", "`name` of what is allowed; names that begin with job. are for jobs in a TEE")
	f.StringArrayVar(&t.paths, "path", []string{record.Whole}, "`path` within the content that is allowed (may be repeated, up to 8)")
	f.StringVar(&t.asset, "asset", defaultAsset, "`name` of the asset of the price")
	f.StringVar(&t.price, "price", "0", "`micro-units` of each use")
	f.UintVar(&t.days, "days", 30, "how long it lasts")
	f.StringVar(&t.until, "until", "", "`time` until which it lasts, as 2026-01-31T00:00:00Z, in place of --days")
	f.Uint32Var(&t.uses, "uses", 0, "how many uses there may be (default: any number)")
}

func (t *terms) body(name, to string) (*ops.RecordAllow, error) {
	end := time.Now().AddDate(0, 0, int(t.days))
	if t.until != "" {
		var err error
		if end, err = time.Parse(time.RFC3339, t.until); err != nil {
			return nil, fmt.Errorf("until: %w", err)
		}
	}
	body := &ops.RecordAllow{
		Record: name, Client: to, Operation: t.operation, Scope: t.paths, Asset: t.asset, Expires: uint64(max(end.Unix(), 0)),
	}
	if err := body.Price.UnmarshalText([]byte(t.price)); err != nil {
		return nil, err
	}
	if t.uses > 0 {
		uses := uint64(t.uses)
		body.Uses = &uses
	}
	return body, nil
}

func (a *app) recordAllow() *cobra.Command {
	var t terms
	c := a.signing(&cobra.Command{
		Use: "allow RECORD DID", Short: "Let one DID use a record", Args: cobra.ExactArgs(2),
		Long: `Let one DID use a record: what it may do, with which part of the content, for how much, how
long and how often. The DID pays for each use; its receipt is on the ledger. RECORD is a
reference or a receipt file. Paths are public, so let them name nobody.`,
		Example: "  killick record allow --keys alice.keys --price 250000 --path /lab/2026 --uses 3 visit.pdf.record did:killick:main-0011223344556677:3yZe7d...",
		RunE:    func(c *cobra.Command, args []string) error { return a.allow(c, &t, args[0], args[1]) },
	})
	t.flags(c)
	return c
}

func (a *app) recordOffer() *cobra.Command {
	var t terms
	c := a.signing(&cobra.Command{
		Use: "offer RECORD", Short: "Offer a record to anyone, in the catalogue", Args: cobra.ExactArgs(1),
		Long: `Offer a record to anyone who pays: a grant to nobody in particular. The catalogue shows its
price and the record's schema until it is withdrawn or over, used up, or the record is deleted.
Who reads the ledger can find out whose record it is.`,
		Example: "  killick record offer --keys alice.keys --price 250000 --days 90 visit.pdf.record",
		RunE:    func(c *cobra.Command, args []string) error { return a.allow(c, &t, args[0], record.Anyone) },
	})
	t.flags(c)
	return c
}

func (a *app) allow(c *cobra.Command, t *terms, of, to string) error {
	name, err := recordName(of)
	if err != nil {
		return err
	}
	body, err := t.body(name, to)
	if err != nil {
		return err
	}
	return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
		return a.create(ctx, gateway, signer, "grant", body)
	})
}

func (a *app) recordWithdraw() *cobra.Command {
	return a.signing(&cobra.Command{
		Use: "withdraw GRANT", Short: "End a grant or an offer for good", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				jws, _, err := signer.Operation(&ops.RecordWithdraw{Grant: args[0]}, "")
				if err != nil {
					return err
				}
				o, err := gateway.Submit(ctx, jws)
				if err != nil {
					return err
				}
				return a.done(o, "grant", args[0])
			})
		},
	})
}

func (a *app) recordUse() *cobra.Command {
	var path, purpose, most string
	var version uint32
	c := a.signing(&cobra.Command{
		Use: "use GRANT", Short: "Use a grant or an offer, and pay for it", Args: cobra.ExactArgs(1),
		Long: `Use a grant or an offer once, and pay its price from the balance of the key file's DID. The
receipt is on the ledger for good, under the reference that is printed: show it to whoever
keeps the content. What it is used for is public. What is paid is what the gateway says that
it costs, if the ledger agrees: name with --most what you have seen before.`,
		RunE: func(c *cobra.Command, args []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				g, err := gateway.Grant(ctx, args[0])
				if err != nil {
					return err
				}
				if err := affordable(g, most); err != nil {
					return err
				}
				of := version
				if of == 0 {
					r, err := gateway.Record(ctx, g.GetRecord())
					if err != nil {
						return err
					}
					of = r.GetVersion()
				}
				jws, ref, err := signer.Use(g, of, path, purpose)
				if err != nil {
					return err
				}
				o, err := gateway.Submit(ctx, jws)
				if err != nil {
					return err
				}
				return a.done(o, "use", ref)
			})
		},
	})
	c.Flags().StringVar(&path, "path", record.Whole, "`path` within the content, in the grant's scope")
	c.Flags().StringVar(&purpose, "for", "", "what it is used for; sets apart uses that are otherwise equal")
	c.Flags().Uint32Var(&version, "version", 0, "version of the record (default: the newest)")
	c.Flags().StringVar(&most, "most", "", "`micro-units` that it may cost at most (default: any price)")
	return c
}

// affordable refuses a grant that costs more than was named.
func affordable(g *client.Grant, most string) error {
	if most == "" {
		return nil
	}
	var limit, price record.Price
	if err := errors.Join(limit.UnmarshalText([]byte(most)), price.UnmarshalText([]byte(g.GetPrice()))); err != nil {
		return err
	}
	if price > limit {
		return fmt.Errorf("it costs %d micro-units of %s, more than --most", price, g.GetAsset())
	}
	return nil
}

// grantView is a grant as it is printed.
func grantView(g *client.Grant) map[string]any {
	v := map[string]any{
		"grant": g.GetId(), "status": g.GetStatus(), "record": g.GetRecord(), "owner": g.GetOwner(), "client": g.GetClient(),
		"operation": g.GetOperation(), "scope": g.GetScope(), "asset": g.GetAsset(), "price": g.GetPrice(), "expires": g.GetExpires(),
	}
	if g.GetUses() > 0 {
		v["uses"], v["used"] = g.GetUses(), g.GetUsed()
	}
	if g.GetWithdrawn() != "" {
		v["withdrawn"] = g.GetWithdrawn()
	}
	return v
}

func instant(seconds uint64) string { return time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339) }

func (a *app) recordGrant() *cobra.Command {
	return &cobra.Command{
		Use: "grant GRANT", Short: "Show a grant or an offer", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				g, err := gateway.Grant(ctx, args[0])
				if err != nil {
					return err
				}
				return a.show(grantView(g), func(w io.Writer) {
					uses := "any number"
					if g.GetUses() > 0 {
						uses = fmt.Sprintf("%d of %d are taken", g.GetUsed(), g.GetUses())
					}
					fmt.Fprintf(w, "grant        %s\nstatus       %s\nrecord       %s\nowner        %s\nclient       %s\noperation    %s\nscope        %s\nprice        %s %s\nexpires      %s\nuses         %s\n",
						g.GetId(), g.GetStatus(), g.GetRecord(), g.GetOwner(), g.GetClient(), g.GetOperation(), strings.Join(g.GetScope(), " "),
						g.GetPrice(), g.GetAsset(), instant(g.GetExpires()), uses)
				})
			})
		},
	}
}

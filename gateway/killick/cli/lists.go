package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

// didFlag adds a flag that names a DID, or a key file.
func didFlag(c *cobra.Command, into *string, name, what string) {
	c.Flags().StringVar(into, name, "", "`DID` or key file of "+what)
}

// oneDID reads such a flag.
func (a *app) oneDID(ctx context.Context, gateway *client.Client, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	return a.didOf(ctx, gateway, text)
}

// pages adds the flags that choose a page.
func pages(c *cobra.Command, size *uint32, token *string) {
	c.Flags().Uint32Var(size, "limit", 100, "how many at most, up to 1000")
	c.Flags().StringVar(token, "page", "", "`token` of the page, as the page before printed it")
}

// list is a page as it is printed.
type list struct {
	Items []map[string]any `json:"items"`
	Next  string           `json:"next,omitempty"`
	Block uint64           `json:"block,omitempty"`
}

// showPage prints a page: a line for each item, then where it goes on.
func (a *app) showPage(l list, line func(w io.Writer, i int)) error {
	if l.Items == nil {
		l.Items = []map[string]any{}
	}
	return a.show(l, func(w io.Writer) {
		for i := range l.Items {
			line(w, i)
		}
		if l.Block > 0 {
			fmt.Fprintf(w, "as of block %d\n", l.Block)
		}
		if l.Next != "" {
			fmt.Fprintf(w, "more with --page %s\n", l.Next)
		}
	})
}

func (a *app) recordGrants() *cobra.Command {
	q := new(client.ListGrants)
	c := &cobra.Command{
		Use: "grants", Short: "List grants and offers by owner, client or record", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) (err error) {
				if q.Owner, err = a.oneDID(ctx, gateway, q.GetOwner()); err != nil {
					return err
				}
				if q.Client, err = a.oneDID(ctx, gateway, q.GetClient()); err != nil {
					return err
				}
				page, err := gateway.Grants(ctx, q)
				if err != nil {
					return err
				}
				l := list{Next: page.GetNextPageToken(), Block: page.GetBlock()}
				for _, g := range page.GetGrants() {
					v := grantView(g)
					v["time"] = g.GetTime()
					l.Items = append(l.Items, v)
				}
				return a.showPage(l, func(w io.Writer, i int) {
					g := page.GetGrants()[i]
					fmt.Fprintf(w, "%s  %-9s  %s %s for %s %s to %s\n", g.GetId(), g.GetStatus(), g.GetOperation(), strings.Join(g.GetScope(), " "), g.GetPrice(), g.GetAsset(), g.GetClient())
				})
			})
		},
	}
	didFlag(c, &q.Owner, "owner", "who gave them")
	didFlag(c, &q.Client, "client", "whom they are given to")
	c.Flags().StringVar(&q.Record, "record", "", "`reference` of the record")
	c.Flags().StringVar(&q.Status, "status", "", "live or withdrawn")
	pages(c, &q.PageSize, &q.PageToken)
	return c
}

func (a *app) recordUses() *cobra.Command {
	q := new(client.ListUses)
	c := &cobra.Command{
		Use: "uses", Short: "List who used which grants", Args: cobra.NoArgs,
		Long: "List the receipts of uses by the records' owner, by client or by grant: every access that was\npaid for, with its version, path and price.",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) (err error) {
				if q.Owner, err = a.oneDID(ctx, gateway, q.GetOwner()); err != nil {
					return err
				}
				if q.Client, err = a.oneDID(ctx, gateway, q.GetClient()); err != nil {
					return err
				}
				page, err := gateway.Uses(ctx, q)
				if err != nil {
					return err
				}
				l := list{Next: page.GetNextPageToken(), Block: page.GetBlock()}
				for _, u := range page.GetUses() {
					v := map[string]any{
						"use": u.GetId(), "grant": u.GetGrant(), "record": u.GetRecord(), "version": u.GetVersion(), "commitment": u.GetCommitment(), "client": u.GetClient(),
						"owner": u.GetOwner(), "operation": u.GetOperation(), "path": u.GetPath(), "asset": u.GetAsset(), "price": u.GetPrice(), "epoch": u.GetEpoch(), "time": u.GetTime(),
					}
					if u.Left != nil {
						v["left"] = u.GetLeft()
					}
					l.Items = append(l.Items, v)
				}
				return a.showPage(l, func(w io.Writer, i int) {
					u := page.GetUses()[i]
					fmt.Fprintf(w, "%s  %s  %s %s of record %s version %d for %s %s by %s\n",
						instant(u.GetTime()), u.GetId(), u.GetOperation(), u.GetPath(), u.GetRecord(), u.GetVersion(), u.GetPrice(), u.GetAsset(), u.GetClient())
				})
			})
		},
	}
	didFlag(c, &q.Owner, "owner", "the records' owner")
	didFlag(c, &q.Client, "client", "who used them")
	c.Flags().StringVar(&q.Grant, "grant", "", "`reference` of the grant")
	pages(c, &q.PageSize, &q.PageToken)
	return c
}

func (a *app) recordCatalogue() *cobra.Command {
	q := new(client.ListOffers)
	c := &cobra.Command{
		Use: "catalogue", Short: "Browse what owners offer", Args: cobra.NoArgs,
		Long: "Browse what owners offer to anyone: schema and price, and the reference to use or look at it with.",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				page, err := gateway.Offers(ctx, q)
				if err != nil {
					return err
				}
				l := list{Next: page.GetNextPageToken(), Block: page.GetBlock()}
				for _, o := range page.GetOffers() {
					l.Items = append(l.Items, map[string]any{"offer": o.GetId(), "schema": o.GetSchema(), "asset": o.GetAsset(), "price": o.GetPrice()})
				}
				return a.showPage(l, func(w io.Writer, i int) {
					o := page.GetOffers()[i]
					fmt.Fprintf(w, "%s  %s  %s %s\n", o.GetId(), o.GetSchema(), o.GetPrice(), o.GetAsset())
				})
			})
		},
	}
	c.Flags().StringVar(&q.Schema, "schema", "", "only of this `name`")
	c.Flags().StringVar(&q.Asset, "asset", "", "only with a price in this asset")
	pages(c, &q.PageSize, &q.PageToken)
	return c
}

func (a *app) recordList() *cobra.Command {
	q := new(client.ListRecords)
	var since, until string
	c := &cobra.Command{
		Use: "list", Short: "List records by owner, schema, status and time", Args: cobra.NoArgs,
		Long: "List records in the order in which the ledger created them. What comes or changes between two\npages neither repeats nor hides any.",
		RunE: func(c *cobra.Command, _ []string) (err error) {
			for text, into := range map[*string]*uint64{&since: &q.Since, &until: &q.Until} {
				if *text == "" {
					continue
				}
				at, err := time.Parse(time.RFC3339, *text)
				if err != nil {
					return fmt.Errorf("since, until: %w", err)
				}
				*into = uint64(max(at.Unix(), 0))
			}
			return a.connected(c, func(ctx context.Context, gateway *client.Client) (err error) {
				if q.Owner, err = a.oneDID(ctx, gateway, q.GetOwner()); err != nil {
					return err
				}
				page, err := gateway.Records(ctx, q)
				if err != nil {
					return err
				}
				l := list{Next: page.GetNextPageToken(), Block: page.GetBlock()}
				for _, r := range page.GetRecords() {
					v := recordView(r.GetRecord())
					v["time"] = r.GetTime()
					l.Items = append(l.Items, v)
				}
				return a.showPage(l, func(w io.Writer, i int) {
					r, at := page.GetRecords()[i].GetRecord(), page.GetRecords()[i].GetTime()
					fmt.Fprintf(w, "%s  %s  %s  %s, version %d\n", instant(at), r.GetId(), r.GetStatus(), r.GetSchema(), r.GetVersion())
				})
			})
		},
	}
	didFlag(c, &q.Owner, "owner", "their owner")
	f := c.Flags()
	f.StringVar(&q.Schema, "schema", "", "only of this `name`; deleted records have none")
	f.StringVar(&q.Status, "status", "", "live or deleted")
	f.StringVar(&since, "since", "", "only created at this `time` or later, as 2026-01-31T00:00:00Z")
	f.StringVar(&until, "until", "", "only created before this `time`")
	pages(c, &q.PageSize, &q.PageToken)
	return c
}

func (a *app) recordHistory() *cobra.Command {
	var token string
	c := &cobra.Command{
		Use: "history RECORD", Short: "Show every version of a record", Args: cobra.ExactArgs(1),
		Long: "Show the versions of a record, oldest first, 100 at a time. RECORD is a reference or a receipt file.",
		RunE: func(c *cobra.Command, args []string) error {
			name, err := recordName(args[0])
			if err != nil {
				return err
			}
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				h, err := gateway.History(ctx, name, token)
				if err != nil {
					return err
				}
				l := list{Next: h.GetNextPageToken()}
				for _, r := range h.GetVersions() {
					l.Items = append(l.Items, recordView(r))
				}
				return a.showPage(l, func(w io.Writer, i int) {
					r := h.GetVersions()[i]
					fmt.Fprintf(w, "version %d  %s  %s  %s  by %s\n", r.GetVersion(), r.GetStatus(), r.GetSchema(), r.GetCommitment(), r.GetOperation())
				})
			})
		},
	}
	c.Flags().StringVar(&token, "page", "", "`token` of the page, as the page before printed it")
	return c
}

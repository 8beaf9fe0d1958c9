package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

func (a *app) dataCommand() *cobra.Command {
	var out string
	export := a.signing(&cobra.Command{
		Use: "export --out FOLDER", Short: "Export everything that the ledger has of a DID", Args: cobra.NoArgs,
		Long: `Export everything that the ledger has of the DID of a key file into a new folder, as JSON:
every version of its document, what is linked to it, the operations that it signed, its
records as they are, the grants that it gave and was given and their uses, its jobs as consumer
and operator with what became of them, the credentials that it issued, the payments that it made and received, its balances, and in the folder
contents the private contents of its records, opened. Receipt files,
credentials that others issued and contents that others encrypted to this DID are with
their holders and not listed on the ledger.`,
		Example: "  killick data export --keys alice.keys --out alice-data",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				e := &export{gateway: gateway, signer: signer, dir: out}
				if err := e.run(ctx); err != nil {
					return err
				}
				return a.show(map[string]any{"did": signer.DID(), "folder": out, "operations": e.operations, "records": e.records, "contents": e.contents}, func(w io.Writer) {
					fmt.Fprintf(w, "did          %s\nfolder       %s\noperations   %d\nrecords      %d, of which %d with a private content\n", signer.DID(), out, e.operations, e.records, e.contents)
				})
			})
		},
	})
	export.Flags().StringVar(&out, "out", "", "`folder` to make (required)")
	require(export, "out")
	return group("data", "Export what the ledger has of a DID", export)
}

// pageSize is how much is asked for at a time.
const pageSize = 1000

// export is one export under way.
type export struct {
	gateway *client.Client
	signer  client.Signer
	dir     string

	operations, records, contents int
	closed                        []error // contents that could not be opened
}

func (e *export) run(ctx context.Context) error {
	network, err := e.gateway.Network(ctx)
	if err != nil {
		return err
	}
	for _, dir := range []string{e.dir, filepath.Join(e.dir, "contents")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	if err := e.document(ctx); err != nil {
		return err
	}
	if err := e.balances(ctx, network.GetAssets()); err != nil {
		return err
	}
	var signed, received []*client.Event
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		signed, err = e.events(gctx, network.GetHeight(), &client.EventsRequest{Actor: []string{e.signer.DID()}}, func(*client.Event) bool { return true })
		return err
	})
	g.Go(func() (err error) {
		received, err = e.events(gctx, network.GetHeight(), &client.EventsRequest{Operation: []string{"reward.pay"}}, e.paidTo)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	e.operations = len(signed)
	if err := errors.Join(save(e, "operations.json", signed), save(e, "payments-received.json", received)); err != nil {
		return err
	}
	if err := e.created(ctx, signed); err != nil {
		return err
	}
	if err := e.shared(ctx, network.GetHeight()-1); err != nil {
		return err
	}
	if err := errors.Join(e.closed...); err != nil {
		return fmt.Errorf("%s has everything but %d contents, which could not be opened: %w", e.dir, len(e.closed), err)
	}
	return nil
}

// document saves every version of the DID, and what is linked to it.
func (e *export) document(ctx context.Context) error {
	var versions []*client.Resolution
	for number := uint32(1); ; number++ {
		r, err := e.gateway.ResolveVersion(ctx, e.signer.DID(), number)
		if number > 1 && fault.Of(err) == fault.NotFound {
			break
		}
		if err != nil {
			return err
		}
		versions = append(versions, r)
	}
	linked, err := e.gateway.Identity(ctx, e.signer.DID())
	if err != nil {
		return err
	}
	return errors.Join(save(e, "did.json", versions), save(e, "identity.json", []*client.Linked{linked}))
}

func (e *export) balances(ctx context.Context, assets []string) error {
	var balances []*client.Balance
	for _, asset := range assets {
		b, err := e.gateway.Balance(ctx, e.signer.DID(), asset)
		if err != nil {
			return err
		}
		balances = append(balances, b)
	}
	return save(e, "balances.json", balances)
}

// events collects those events of blocks below height that are wanted.
func (e *export) events(ctx context.Context, height uint64, request *client.EventsRequest, wanted func(*client.Event) bool) ([]*client.Event, error) {
	var events []*client.Event
	for event, err := range e.gateway.Events(ctx, request) {
		switch {
		case err != nil:
			return nil, err
		case event.GetBlock() >= height:
			return events, nil
		case event.GetId() != "" && wanted(event):
			events = append(events, event)
		}
	}
	return events, nil
}

func (e *export) paidTo(event *client.Event) bool {
	for _, line := range event.GetPayment().GetLines() {
		if line.GetTo() == e.signer.DID() {
			return true
		}
	}
	return false
}

// created saves what the operations created, as it is now.
func (e *export) created(ctx context.Context, signed []*client.Event) error {
	var records []*client.Record
	var credentials []*client.Credential
	for _, event := range signed {
		if event.GetCode() != fault.OK.String() {
			continue
		}
		if _, err := ops.ParseReference(event.GetReference()); err != nil { // files have these names
			return fmt.Errorf("event %.80q: %w", event.GetCursor(), err)
		}
		switch event.GetOperation() {
		case "record.submit":
			r, err := e.gateway.Record(ctx, event.GetReference())
			if err != nil {
				return err
			}
			records = append(records, r)
			if err := e.content(ctx, r); err != nil {
				e.closed = append(e.closed, fmt.Errorf("content of record %s: %w", r.GetId(), err))
			}
		case "credential.issue":
			c, err := e.gateway.Credential(ctx, event.GetReference())
			if err != nil {
				return err
			}
			credentials = append(credentials, c)
		}
	}
	e.records = len(records)
	return errors.Join(save(e, "records.json", records), save(e, "credentials-issued.json", credentials))
}

// shared saves the grants that the DID gave and was given, and the receipts of their
// uses, as of a block or later.
func (e *export) shared(ctx context.Context, block uint64) error {
	var grants []*client.Grant
	var uses []*client.Use
	did := e.signer.DID()
	for _, as := range []struct{ owner, client string }{{owner: did}, {client: did}} {
		q := &client.ListGrants{Owner: as.owner, Client: as.client, PageSize: pageSize, MinBlock: block}
		for more := true; more; more = q.PageToken != "" {
			page, err := e.gateway.Grants(ctx, q)
			if err != nil {
				return err
			}
			grants, q.PageToken = append(grants, page.GetGrants()...), page.GetNextPageToken()
		}
		u := &client.ListUses{Owner: as.owner, Client: as.client, PageSize: pageSize, MinBlock: block}
		for more := true; more; more = u.PageToken != "" {
			page, err := e.gateway.Uses(ctx, u)
			if err != nil {
				return err
			}
			uses, u.PageToken = append(uses, page.GetUses()...), page.GetNextPageToken()
		}
	}
	return errors.Join(save(e, "grants.json", grants), save(e, "uses.json", uses), e.jobs(ctx, block))
}

// jobs saves the jobs that the DID paid for and those that it ran, and their settlements.
func (e *export) jobs(ctx context.Context, block uint64) error {
	var jobs []*client.Job
	var settlements []*client.Settlement
	did := e.signer.DID()
	for _, as := range []struct{ consumer, operator string }{{consumer: did}, {operator: did}} {
		q := &client.ListJobs{Consumer: as.consumer, Operator: as.operator, PageSize: pageSize, MinBlock: block}
		for more := true; more; more = q.PageToken != "" {
			page, err := e.gateway.Jobs(ctx, q)
			if err != nil {
				return err
			}
			for _, listed := range page.GetJobs() {
				j, err := e.gateway.Job(ctx, listed.GetId())
				if err != nil {
					return err
				}
				jobs = append(jobs, j)
				if j.GetPhase() != attest.Closed.String() {
					continue
				}
				s, err := e.gateway.Settlement(ctx, listed.GetId())
				if err != nil {
					return err
				}
				settlements = append(settlements, s)
			}
			q.PageToken = page.GetNextPageToken()
		}
	}
	return errors.Join(save(e, "jobs.json", jobs), save(e, "settlements.json", settlements))
}

// content saves a record's private content, if it has one. One that does not open, such
// as was encrypted to keys from before a recovery, is saved as it is.
func (e *export) content(ctx context.Context, r *client.Record) error {
	if r.GetPrivate() == "" {
		return nil
	}
	sealed, err := e.gateway.Content(ctx, e.signer, r.GetId())
	if err != nil {
		return err
	}
	_, data, err := e.signer.Open(sealed)
	if err != nil {
		return errors.Join(err, writeBytes(filepath.Join(e.dir, "contents", r.GetId()+".jwe"), []byte(sealed.GetContent())))
	}
	e.contents++
	return writeBytes(filepath.Join(e.dir, "contents", r.GetId()), data)
}

// save writes messages as a JSON list.
func save[M proto.Message](e *export, name string, messages []M) error {
	list := make([]json.RawMessage, 0, len(messages))
	for _, m := range messages {
		text, err := protojson.Marshal(m)
		if err != nil {
			return err
		}
		list = append(list, text)
	}
	return writeNew(filepath.Join(e.dir, name), list)
}

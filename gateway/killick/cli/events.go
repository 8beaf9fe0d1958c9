package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
)

func (a *app) eventsCommand() *cobra.Command {
	request := &client.EventsRequest{}
	var block uint64
	c := &cobra.Command{
		Use: "events", Short: "Follow operations and their results", Args: cobra.NoArgs,
		Long: `Follow operations and their results in the order of the ledger, from its beginning or from
where a flag says, until interrupted. With --json each line is one event. The last column, or
"cursor", is what --after takes to go on behind that event.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("block") {
				request.Block = &block
			}
			gateway, err := client.Dial(a.gateway)
			if err != nil {
				return err
			}
			return errors.Join(a.follow(c.Context(), gateway, request), gateway.Close())
		},
	}
	f := c.Flags()
	f.StringVar(&request.Cursor, "after", "", "begin after this `cursor`")
	f.Uint64Var(&block, "block", 0, "begin with this block")
	f.BoolVar(&request.Now, "now", false, "begin with what comes from now on")
	f.StringArrayVar(&request.Actor, "actor", nil, "only operations of this `DID` (may be repeated)")
	f.StringArrayVar(&request.Operation, "op", nil, "only operations of this `name` (may be repeated)")
	c.MarkFlagsMutuallyExclusive("after", "block", "now")
	return c
}

// follow prints events until it is interrupted, which is no failure.
func (a *app) follow(ctx context.Context, gateway *client.Client, request *client.EventsRequest) error {
	for e, err := range gateway.Events(ctx, request) {
		if err != nil && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if e.GetId() == "" {
			continue
		}
		if err := a.printEvent(a.out, e); err != nil {
			return fmt.Errorf("print event: %w", err)
		}
	}
	return nil
}

func (a *app) printEvent(w io.Writer, e *client.Event) error {
	if a.json {
		data, err := protojson.Marshal(e)
		if err == nil {
			_, err = fmt.Fprintln(w, string(data))
		}
		return err
	}
	text := fmt.Sprintf("%d  %-18s %s  %s  %s", e.GetBlock(), e.GetOperation(), e.GetCode(), e.GetReference(), e.GetActor())
	var lines []string
	for _, l := range e.GetPayment().GetLines() {
		lines = append(lines, fmt.Sprintf("%s %s to %s", l.GetAmount(), e.GetPayment().GetAsset(), l.GetTo()))
	}
	if len(lines) > 0 {
		text += "  " + strings.Join(lines, ", ")
	}
	if r := e.GetRecord(); r != nil {
		text += fmt.Sprintf("  version %d of %s", r.GetVersion(), r.GetId())
	}
	_, err := fmt.Fprintf(w, "%s  %s\n", text, e.GetCursor())
	return err
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/scripts/observe"
	"github.com/killick-ledger/killick/scripts/reconcile"
)

// door is one gateway.
type door struct {
	name    string // of its process
	journal string
	grpc    *client.Client
	url     string
}

func openDoors(c *cluster.Cluster) ([]*door, error) {
	var doors []*door
	for _, o := range c.Orgs() {
		if !o.HasGateway {
			continue
		}
		g, err := client.Dial(o.GatewayGRPC())
		if err != nil {
			closeDoors(doors)
			return nil, err
		}
		doors = append(doors, &door{
			name: o.GatewayName(), grpc: g, url: "http://" + o.GatewayHTTP(), journal: filepath.Join(c.Dir, "data", o.GatewayName(), "journal.db"),
		})
	}
	return doors, nil
}

func closeDoors(doors []*door) {
	for _, d := range doors {
		_ = d.grpc.Close() // nothing is under way any more
	}
}

// errNotYet says that there is no receipt, and that the same bytes may be sent again.
var errNotYet = errors.New("no receipt yet")

// final makes a receipt of an answer; ok is false when it is none.
func (d *door) final(o *client.Operation) (t reconcile.Told, ok bool) {
	if o.GetState() != "done" && o.GetState() != "refused" || o.GetId() == "" {
		return t, false
	}
	code, known := fault.ByName(o.GetCode())
	if !known {
		code = 255
	}
	return reconcile.Told{Gateway: d.name, State: o.GetState(), Result: observe.Result{Code: code, Tx: o.GetTransaction(), Block: o.GetBlock()}}, true
}

// submit sends an operation over gRPC and waits for its receipt. It returns
// errNotYet when there is none, and another error when the gateway's answer makes no
// sense for a good operation.
func (d *door) submit(ctx context.Context, op *operation) (reconcile.Told, error) {
	o, err := d.grpc.Submit(ctx, op.jws)
	var refused *client.Error
	if errors.As(err, &refused) {
		if t, ok := d.final(refused.Receipt); ok {
			return t, nil
		}
		return reconcile.Told{}, d.refusal(refused.Fault.Code, refused.Fault.Text)
	}
	if err != nil {
		return reconcile.Told{}, fmt.Errorf("%s: %w", d.name, err)
	}
	t, ok := d.final(o)
	if !ok {
		return t, fmt.Errorf("%s answered %v", d.name, o)
	}
	return t, nil
}

// refusal sorts a refusal without a receipt.
func (d *door) refusal(code fault.Code, text string) error {
	switch code {
	case fault.Unknown, fault.Unavailable, fault.Overloaded:
		return errNotYet
	}
	return fmt.Errorf("%s: %w", d.name, &fault.Error{Code: code, Text: text})
}

// lookUp asks over gRPC what became of an operation. found is false when the gateway
// does not know it.
func (d *door) lookUp(ctx context.Context, id string) (t reconcile.Told, found bool, err error) {
	o, err := d.grpc.Operation(ctx, id)
	if errors.Is(err, &fault.Error{Code: fault.NotFound}) {
		return t, false, nil
	}
	if err != nil {
		return t, false, fmt.Errorf("%s: look up %s: %w", d.name, id, err)
	}
	t, ok := d.final(o)
	if !ok {
		return t, false, fmt.Errorf("%s: look up %s: state %q", d.name, id, o.GetState())
	}
	return t, true, nil
}

// answer is what REST says about an operation: the operation, or a problem that
// holds it.
type answer struct {
	ID, State, Code, Transaction, Block string
	Detail                              string
	Operation                           *struct{ ID, State, Transaction, Block string }
}

// rest sends one request. taken says that the gateway has the operation, with the
// receipt if it is final.
func (d *door) rest(ctx context.Context, method, path string, body []byte) (t reconcile.Told, taken bool, err error) {
	request, err := http.NewRequestWithContext(ctx, method, d.url+path, bytes.NewReader(body))
	if err != nil {
		return t, false, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return t, false, errNotYet
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return t, false, errNotYet
	}
	var a answer
	if err := json.Unmarshal(data, &a); err != nil {
		return t, false, fmt.Errorf("%s: %s %s: %s: %s", d.name, method, path, response.Status, data)
	}
	if a.Operation != nil {
		a.ID, a.State, a.Transaction, a.Block = a.Operation.ID, a.Operation.State, a.Operation.Transaction, a.Operation.Block
	}
	o := &client.Operation{Id: a.ID, State: a.State, Code: a.Code, Transaction: a.Transaction}
	if a.Block != "" {
		if o.Block, err = strconv.ParseUint(a.Block, 10, 64); err != nil {
			return t, false, fmt.Errorf("%s: block %q", d.name, a.Block)
		}
	}
	if t, ok := d.final(o); ok {
		return t, true, nil
	}
	if a.State == "pending" {
		return t, true, errNotYet
	}
	code, _ := fault.ByName(a.Code)
	return t, false, d.refusal(code, a.Detail)
}

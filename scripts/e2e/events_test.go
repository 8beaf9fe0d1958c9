//go:build e2e

package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/network/topology"
	"github.com/killick-ledger/killick/scripts/observe"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// events follows the stream of events in both of its forms while operations arrive
// and gateways and a peer are killed and started anew. Afterwards both have seen
// what the blocks say, in order and exactly once. (EV-1, EV-2)
func (n *network) events(t *testing.T) {
	from := n.height(t)
	ctx, stop := context.WithCancel(t.Context())
	var following sync.WaitGroup
	defer following.Wait()
	defer stop()
	grpc, sse := new(follower), new(follower)
	following.Go(func() { n.followGRPC(ctx, grpc, from) })
	following.Go(func() { n.followSSE(ctx, sse, from) })

	payers := []*person{n.newPerson(t), n.newPerson(t), n.newPerson(t)}
	payee := n.newPerson(t)
	n.create(t, append(payers, payee)...)
	for _, p := range payers {
		n.fund(t, p, 1_000_000)
	}
	l := n.beginLoad(t, payers, payee)
	defer l.stop()
	more := func(what string) {
		t.Helper()
		for name, f := range map[string]*follower{"gRPC": grpc, "server-sent events": sse} {
			f.more(t, what+" over "+name)
		}
	}
	kill := func(victim string) {
		t.Helper()
		if err := n.Cluster.Kill(victim); err != nil {
			t.Fatal(err)
		}
		more("events while " + victim + " is away")
	}
	ensure := func() {
		t.Helper()
		if err := n.Cluster.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	more("events at first")
	tx := n.amendedAtOnce(t, payee, payers[0])
	kill("gateway.org1") // both streams come from it
	kill("peer.org2")    // now from the gateway whose peer this is
	ensure()
	more("events afterwards")
	kill("gateway.org2")
	ensure()
	all := l.drain(t)
	want := n.wantEvents(t, from)
	at := map[string]int{}
	var changed []string
	for _, e := range want {
		at[e.GetId()]++
		if e.GetTransaction() == tx {
			changed = append(changed, e.GetOperation()+" "+e.GetCode())
		}
	}
	for _, s := range all {
		if at[s.id] != 1 {
			t.Errorf("the blocks have %d events of %s", at[s.id], s.ref)
		}
	}
	if !slices.Equal(changed, []string{"record.submit ok", "record.amend ok", "reward.pay insufficient_funds"}) {
		t.Errorf("the batch of its own has the events %q", changed)
	}
	grpc.saw(t, "gRPC", want)
	sse.saw(t, "server-sent events", want)
	if sse.breaks == 0 {
		t.Error("no stream of server-sent events broke")
	}
	t.Logf("%d events in blocks %d to %d; server-sent events were taken up again %d times", len(want), from, want[len(want)-1].GetBlock(), sse.breaks)
}

// amendedAtOnce has a member run a batch in which a record is submitted and amended,
// a payment is refused and an item comes again, and returns the transaction.
func (n *network) amendedAtOnce(t *testing.T, p, other *person) string {
	t.Helper()
	body := note("amended at once")
	submit, ref := p.refer(t, body, "")
	owner, err := did.ParseOn(n.name, p.did)
	if err != nil {
		t.Fatal(err)
	}
	commitment, err := canon.UnHex32(body.Commitment)
	if err != nil {
		t.Fatal(err)
	}
	first := record.Value{
		Status: record.Live, Version: 1, Owner: owner, Commitment: commitment, Size: body.Size, Schema: body.Schema, Location: body.Location,
	}
	prior := canon.Sum(first.Encode())
	amend := p.sign(t, &ops.RecordAmend{Record: ref.String(), Schema: body.Schema, Commitment: body.Commitment, Size: body.Size}, canon.Hex(prior[:]))
	poor := p.sign(t, payment(other, 1_000_000, "more than there is"), "")
	frame, err := ops.EncodeFrame([]ops.Item{submit, amend, poor, submit})
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := n.members[2].Execute(t.Context(), "ops:Batch", frame)
	if want := []byte{0, 0, byte(fault.InsufficientFunds), ops.Replayed}; err != nil || !slices.Equal(receipt.Payload, want) {
		t.Fatalf("%#x, %v, want %#x", receipt.Payload, err, want)
	}
	return receipt.TxID
}

// wantEvents reads from the blocks which events there are.
func (n *network) wantEvents(t *testing.T, from uint64) (want []*killickv1.Event) {
	t.Helper()
	height := n.settled(t)
	for number := from; number < height; number++ {
		b := n.block(t, n.own[0], number)
		for _, tx := range b.Txs {
			if observe.OfOperations(tx) {
				want = append(want, n.eventsOf(t, b.Number, tx)...)
			}
		}
	}
	return want
}

// eventsOf is what docs/formats/events.md calls the events of a transaction.
func (n *network) eventsOf(t *testing.T, number uint64, tx block.Tx) (found []*killickv1.Event) {
	t.Helper()
	items, err := ops.DecodeFrame(tx.Args[1])
	if err != nil || len(items) != len(tx.Response) {
		t.Fatalf("transaction %s: %d items, %d bytes of response, %v", tx.ID, len(items), len(tx.Response), err)
	}
	written := map[string]*ops.Result{}
	for _, w := range tx.Writes {
		if w.Namespace != topology.Chaincode || w.Delete != block.Put {
			continue
		}
		// A record that was changed at once is written as its second version, which
		// tells what created it all the same.
		r, _, err := ops.DecodeResult(string(w.Key), w.Value)
		if err != nil {
			t.Fatalf("transaction %s, key %s: %v", tx.ID, w.Key, err)
		}
		if r != nil {
			written[canon.Hex(r.Reference.ID[:])] = r
		}
	}
	tag := canon.Sum([]byte(n.name))
	for i, item := range items {
		r := written[idOf(item)]
		if tx.Response[i]&ops.Replayed != 0 || r == nil || byte(r.Code) != tx.Response[i] {
			continue
		}
		e := &killickv1.Event{
			Cursor: fmt.Sprintf("%x-%d-%d-%d", tag[:4], number, tx.Index, i+1), Block: number, Transaction: tx.ID, Id: idOf(item),
			Reference: r.Reference.String(), Operation: r.Op, Actor: did.String(n.name, r.Actor), Code: r.Code.String(), Created: r.Created, Simulated: true,
		}
		if p := r.Postings; p != nil {
			e.Payment = &killickv1.Payment{Asset: p.Asset, Epoch: p.Epoch}
			for _, line := range p.Lines {
				e.Payment.Lines = append(e.Payment.Lines, &killickv1.PaymentLine{To: did.String(n.name, line.Payee), Amount: strconv.FormatInt(int64(line.Amount), 10)})
			}
		}
		if v := r.Record; v != nil {
			e.Record = &killickv1.RecordVersion{Id: v.Record.String(), Version: v.Version}
		}
		found = append(found, e)
	}
	return found
}

// follower keeps the events that a client saw.
type follower struct {
	mu     sync.Mutex
	seen   []*killickv1.Event
	breaks int   // how often a broken stream was taken up again
	err    error // of the last stream that broke
}

// take notes an event; marks are not kept.
func (f *follower) take(e *killickv1.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.GetId() != "" {
		f.seen = append(f.seen, e)
	}
}

func (f *follower) broke(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.breaks, f.err = f.breaks+1, err
}

func (f *follower) count() (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.seen), f.err
}

// more waits until enough events came from now on.
func (f *follower) more(t *testing.T, what string) {
	t.Helper()
	before, _ := f.count()
	until(t, 2*time.Minute, what, func() error {
		if now, err := f.count(); now < before+enough {
			return fmt.Errorf("%d events came; the stream broke with: %v", now-before, err)
		}
		return nil
	})
}

// saw compares what was seen with what the blocks say.
func (f *follower) saw(t *testing.T, how string, want []*killickv1.Event) {
	t.Helper()
	until(t, 2*time.Minute, "the last events over "+how, func() error {
		if now, err := f.count(); now < len(want) {
			return fmt.Errorf("%d of %d came; the stream broke with: %v", now, len(want), err)
		}
		return nil
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, e := range f.seen {
		switch {
		case i >= len(want):
			t.Fatalf("%s: %d events too many, first %v", how, len(f.seen)-i, e)
		case !proto.Equal(e, want[i]):
			t.Fatalf("%s: event %d is\n%v, the ledger has\n%v", how, i, e, want[i])
		}
	}
}

// followGRPC follows as the Go client does, until the context ends.
func (n *network) followGRPC(ctx context.Context, f *follower, from uint64) {
	c, err := client.Dial(n.Cluster.GatewayAddresses()[0], n.Cluster.GatewayAddresses()[1:]...)
	if err != nil {
		f.broke(err)
		return
	}
	defer c.Close()
	for e, err := range c.Events(ctx, &client.EventsRequest{Block: &from}) {
		if err != nil {
			f.broke(err)
			return
		}
		f.take(e)
	}
}

// followSSE follows as a browser does that knows two gateways, until the context
// ends: what it has of the stream is the id of the last message.
func (n *network) followSSE(ctx context.Context, f *follower, from uint64) {
	urls := n.Cluster.GatewayURLs()
	last := ""
	for i := 0; ; i++ {
		err := streamSSE(ctx, urls[i%len(urls)]+"/v1/events?block="+strconv.FormatUint(from, 10), &last, f.take)
		if ctx.Err() != nil {
			return
		}
		f.broke(err)
		select {
		case <-time.After(tryAgain):
		case <-ctx.Done():
			return
		}
	}
}

// streamSSE passes the messages of one stream on until it breaks.
func streamSSE(ctx context.Context, url string, last *string, take func(*killickv1.Event)) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	if *last != "" {
		request.Header.Set("Last-Event-ID", *last)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	var id, kind, data string
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			data = value
		case "": // the end of a message, or a comment
			if data == "" {
				continue
			}
			if kind == "problem" {
				return errors.New(data)
			}
			e := new(killickv1.Event)
			if err := protojson.Unmarshal([]byte(data), e); err != nil {
				return fmt.Errorf("message %s: %w", data, err)
			}
			if e.GetCursor() != id || (kind == "progress") != (e.GetId() == "") {
				return fmt.Errorf("message of the type %q with the id %q: %s", kind, id, data)
			}
			*last = id
			take(e)
			id, kind, data = "", "", ""
		}
	}
	return errors.Join(errors.New("the stream ended"), lines.Err())
}

package client_test

import (
	"fmt"
	"iter"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/events"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// door is a gateway that can be killed and started again at its address.
type door struct {
	t       *testing.T
	ledger  *submittest.Ledger
	journal string
	address string

	server    *grpc.Server
	submitter *submit.Submitter
	stop      func()
}

func (d *door) start() {
	d.t.Helper()
	log := slog.New(slog.DiscardHandler)
	stream := events.New(events.Config{Ledger: d.ledger, Network: submittest.Network, Log: log})
	s, err := submit.Open(submit.Config{Journal: d.journal, Network: submittest.Network, Ledger: stream.Watch(d.ledger), Log: log, Hold: time.Millisecond})
	if err != nil {
		d.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", d.address)
	if err != nil {
		d.t.Fatal(err)
	}
	d.address = listener.Addr().String()
	d.submitter = s
	d.server = api.New(api.Config{Submitter: s, Ledger: d.ledger, Events: stream, Network: submittest.Network, Log: log}).GRPC()
	go func() { _ = d.server.Serve(listener) }() // ends with Stop
	d.stop = sync.OnceFunc(func() {
		d.server.Stop() // connections break, as in a kill
		stream.Close()
		if err := s.Close(); err != nil {
			d.t.Error(err)
		}
	})
	d.t.Cleanup(d.stop)
}

// EV-2: gateways are killed and started again while a client follows; each event
// comes once, in order.
func TestEventsResume(t *testing.T) {
	ledger := submittest.New()
	alice := submittest.NewPerson("alice")
	if err := ledger.Found(alice); err != nil {
		t.Fatal(err)
	}
	doors := make([]*door, 2)
	for i := range doors {
		doors[i] = &door{t: t, ledger: ledger, journal: filepath.Join(t.TempDir(), "journal.db"), address: "127.0.0.1:0"}
		doors[i].start()
	}
	c, err := client.Dial(doors[0].address, doors[1].address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var want []string
	submitOne := func(d *door, jws string) {
		t.Helper()
		r := d.submitter.Submit(jws)[0].Wait(t.Context())
		if r.State != submit.Done {
			t.Fatalf("receipt %+v", r)
		}
		want = append(want, fmt.Sprintf("%x", r.ID))
	}
	const rounds, each = 4, 5
	submitOne(doors[0], alice.Create())
	next, stop := iter.Pull2(c.Events(t.Context(), &client.EventsRequest{}))
	defer stop()
	var got []string
	come := func(n int) {
		t.Helper()
		for len(got) < n {
			e, err, ok := next()
			if err != nil || !ok {
				t.Fatalf("after %d of %d events: %v", len(got), n, err)
			}
			if e.GetId() != "" {
				got = append(got, e.GetId())
			}
		}
	}
	come(1)
	for round := range rounds {
		victim, other := doors[round%2], doors[1-round%2]
		victim.stop()
		for i := range each {
			jws, _ := alice.Record(fmt.Sprint(round, i))
			submitOne(other, jws)
		}
		victim.start()
		come(1 + each*(round+1))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

package client_test

import (
	"errors"
	"fmt"
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

	server *grpc.Server
	stop   func()
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
	var want, got []string
	var ids sync.Mutex
	submitOne := func(jws string) {
		t.Helper()
		for range 200 {
			r, err := c.Submit(t.Context(), jws)
			if err == nil {
				ids.Lock()
				want = append(want, r.GetId())
				ids.Unlock()
				return
			}
			<-time.After(20 * time.Millisecond) // between a kill and the next connection
		}
		t.Fatal("no gateway takes operations")
	}
	const rounds, each = 4, 5
	submitOne(alice.Create())
	come := make(chan struct{}, 1000)
	var all sync.WaitGroup
	var failure error
	all.Go(func() {
		for e, err := range c.Events(t.Context(), &client.EventsRequest{}) {
			if failure = err; err != nil {
				return
			}
			if e.GetId() != "" {
				got = append(got, e.GetId())
				come <- struct{}{}
			}
			if len(got) == 1+rounds*each {
				return
			}
		}
		failure = errors.New("the stream ended")
	})
	<-come
	for round := range rounds {
		victim := doors[round%2]
		victim.stop()
		for i := range each {
			jws, _ := alice.Record(fmt.Sprint(round, i))
			submitOne(jws)
		}
		victim.start()
		for range each {
			<-come
		}
	}
	all.Wait()
	if diff := cmp.Diff(want, got); failure != nil || diff != "" {
		t.Errorf("%v\n%s", failure, diff)
	}
}

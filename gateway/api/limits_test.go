package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/events"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// still is a gateway for events alone, without a socket or a file, so that time can
// be that of synctest.
type still struct {
	t      *testing.T
	ledger *submittest.Ledger
	events *events.Stream
	alice  *submittest.Person
	server *api.Server
	grpc   *bufconn.Listener
}

func newStill(t *testing.T) *still {
	t.Helper()
	s := &still{t: t, ledger: submittest.New(), alice: submittest.NewPerson("alice"), grpc: bufconn.Listen(1 << 16)}
	if err := s.ledger.Found(s.alice); err != nil {
		t.Fatal(err)
	}
	s.apply(s.alice.Create())
	log := slog.New(slog.DiscardHandler)
	s.events = events.New(events.Config{Ledger: s.ledger, Network: submittest.Network, Log: log})
	s.server = api.New(api.Config{Ledger: s.ledger, Events: s.events, Network: submittest.Network, Log: log})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for _, err := range s.events.Watch(s.ledger).Blocks(ctx, 0) {
			if err != nil {
				return
			}
		}
	})
	rpc := s.server.GRPC()
	running.Go(func() { _ = rpc.Serve(s.grpc) }) // ends with Stop
	t.Cleanup(func() { s.events.Close(); rpc.Stop(); cancel(); running.Wait() })
	return s
}

func (s *still) apply(jws string) {
	s.t.Helper()
	if _, err := s.ledger.Invoke("ops:Apply", []byte(jws)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *still) dial(context.Context, string) (net.Conn, error) { return s.grpc.Dial() }

// connect returns a connection with the smallest windows for what was not read.
func (s *still) connect() *grpc.ClientConn {
	s.t.Helper()
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(s.dial),
		grpc.WithInitialWindowSize(1<<16), grpc.WithInitialConnWindowSize(1<<16))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// follow begins to follow over gRPC.
func (s *still) follow(request *killickv1.EventsRequest) grpc.ServerStreamingClient[killickv1.Event] {
	s.t.Helper()
	stream, err := killickv1.NewKillickClient(s.connect()).Events(s.t.Context(), request)
	if err != nil {
		s.t.Fatal(err)
	}
	return stream
}

// pipes is a listener in memory whose connections have deadlines.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	p.conns <- far
	return near, nil
}

// The server's limits on the time of a request do not end a stream, and a gateway
// that stops says so.
func TestEventsOutliveLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStill(t)
		rest, err := s.server.REST()
		if err != nil {
			t.Fatal(err)
		}
		listener := newPipes()
		web := &http.Server{Handler: rest, ReadTimeout: time.Second, WriteTimeout: time.Second}
		go func() { _ = web.Serve(listener) }() // ends with Close
		defer web.Close()
		transport := &http.Transport{DialContext: listener.dial}
		defer transport.CloseIdleConnections()
		synctest.Wait()
		stream := s.follow(&killickv1.EventsRequest{Now: true})
		if e, err := stream.Recv(); err != nil || e.GetId() != "" || e.GetCursor() == "" {
			t.Fatalf("first %v %v", e, err)
		}
		response, err := (&http.Client{Transport: transport}).Get("http://x/v1/events?now=true")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		if got, ok := readSSE(lines); !ok || got.kind != "progress" || got.id == "" {
			t.Fatalf("first: %+v", got)
		}
		time.Sleep(9 * time.Second) // marks come every 10
		jws, _ := s.alice.Record("later")
		s.apply(jws)
		if got, ok := readSSE(lines); !ok || got.kind != "" || !strings.Contains(got.data, "record.submit") {
			t.Errorf("later: %+v %v", got, ok)
		}
		if e, err := stream.Recv(); err != nil || e.GetOperation() != "record.submit" {
			t.Errorf("later: %v %v", e, err)
		}
		s.events.Close()
		if got, ok := readSSE(lines); !ok || got.kind != "problem" || !strings.Contains(got.data, `"unavailable"`) {
			t.Errorf("at the end: %+v %v", got, ok)
		}
		if _, err := stream.Recv(); err == nil || !strings.Contains(err.Error(), "unavailable") {
			t.Errorf("at the end: %v", err)
		}
	})
}

// EV-4: a client that stops reading events and keeps its connection alive loses its
// place after 30 seconds; one that reads keeps it.
func TestEventsEndForClientsThatDoNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStill(t)
		for i := range 600 { // more than the windows of both sides hold
			jws, _ := s.alice.Record(fmt.Sprint(i))
			s.apply(jws)
		}
		synctest.Wait()
		stuck := s.follow(&killickv1.EventsRequest{})
		if _, err := stuck.Recv(); err != nil {
			t.Fatal(err)
		}
		reading := s.follow(&killickv1.EventsRequest{Now: true})
		var all sync.WaitGroup
		all.Go(func() {
			for {
				if _, err := reading.Recv(); err != nil {
					return
				}
			}
		})
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if n := s.events.Followers(); n != 2 {
			t.Fatalf("%d follow after 29 seconds: the server is not held up by who does not read", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := s.events.Followers(); n != 1 {
			t.Errorf("%d follow after 31 seconds, want the one that reads", n)
		}
		s.events.Close()
		all.Wait()
	})
}

// unwhole posts the first bytes of a gRPC message of 8 MB and returns when the call
// ends.
func unwhole(ctx context.Context, client *http.Client, url string, bytesSent int) error {
	head := make([]byte, 5)
	binary.BigEndian.PutUint32(head[1:], 8<<20)
	hang, _ := io.Pipe() // the rest never comes
	body := struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), io.LimitReader(zero{}, int64(bytesSent)), hang), hang}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/killick.v1.Killick/SubmitBatch", body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("Te", "trailers")
	response, err := client.Do(request)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	return err
}

type zero struct{}

func (zero) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func overHTTP2(t *testing.T, dial func(context.Context, string, string) (net.Conn, error)) *http.Client {
	transport := &http.Transport{Protocols: new(http.Protocols), DialContext: dial}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// What gRPC clients send and do not complete takes no more memory than there is for
// requests: connections that hold more end, and then there is room again.
func TestUnwholeMessagesTakeBoundedMemory(t *testing.T) {
	h := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := overHTTP2(t, nil)
	ended := make(chan error)
	const calls = 20
	for range calls {
		go func() { ended <- unwhole(ctx, client, "http://"+h.grpc, 7<<20) }()
	}
	if err := <-ended; ctx.Err() != nil {
		t.Fatalf("140 MB of messages that are not whole, and %v", err)
	}
	cancel()
	for range calls - 1 {
		<-ended
	}
	jws, _ := h.alice.Record("honest")
	var err error
	h.until("room again", func() bool { // calls end at the server a moment after they end here
		_, err = h.client.Submit(t.Context(), jws)
		return fault.Of(err) != fault.Overloaded
	})
	if err != nil {
		t.Error(err)
	}
}

// A message that is not whole after 30 seconds ends its connection; of one with a few
// bytes the call ends alone, after two minutes.
func TestUnwholeMessagesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStill(t)
		client := overHTTP2(t, func(ctx context.Context, _, _ string) (net.Conn, error) { return s.dial(ctx, "") })
		begun := time.Now()
		if err := unwhole(t.Context(), client, "http://x", 20<<10); err == nil || time.Since(begun) != 30*time.Second {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
		begun = time.Now()
		if _ = unwhole(t.Context(), client, "http://x", 10); time.Since(begun) != 2*time.Minute {
			t.Errorf("a small one ends after %s", time.Since(begun))
		}
	})
}

// A call that ended before its message was whole costs the connection nothing: what
// else runs on it goes on.
func TestRefusedMessageLeavesTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStill(t)
		conn := s.connect()
		stream, err := killickv1.NewKillickClient(conn).Events(t.Context(), &killickv1.EventsRequest{Now: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		big := &killickv1.SubmitRequest{Operation: strings.Repeat("x", 40<<20)}
		if _, err := killickv1.NewKillickClient(conn).Submit(t.Context(), big); status.Code(err) != codes.ResourceExhausted {
			t.Fatalf("40 MB: %v", err)
		}
		time.Sleep(time.Minute)
		jws, _ := s.alice.Record("afterwards")
		s.apply(jws)
		for {
			e, err := stream.Recv()
			if err != nil {
				t.Fatalf("the stream beside it: %v", err)
			}
			if e.GetId() != "" {
				return
			}
		}
	})
}

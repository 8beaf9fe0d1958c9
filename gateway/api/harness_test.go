package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/sqlite/sqlitetest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/events"
	"github.com/killick-ledger/killick/gateway/index"
	"github.com/killick-ledger/killick/gateway/killick/cli"
	"github.com/killick-ledger/killick/gateway/status"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

func TestMain(m *testing.M) {
	sqlitetest.InMemory()
	os.Exit(m.Run())
}

// harness is a whole gateway before a ledger in memory, and its three doors.
type harness struct {
	t      *testing.T
	ledger *submittest.Ledger
	s      *submit.Submitter
	events *events.Stream
	status *status.Index
	url    string
	grpc   string
	client *client.Client
	alice  *submittest.Person // an accredited issuer with money
	bob    *submittest.Person
}

func start(t *testing.T, configs ...func(*api.Config)) *harness {
	t.Helper()
	return startWith(t, func(*submit.Config) {}, configs...)
}

func startWith(t *testing.T, configure func(*submit.Config), configs ...func(*api.Config)) *harness {
	t.Helper()
	return startFor(t, submittest.NewPerson("alice"), configure, configs...)
}

// startFor starts with another alice.
func startFor(t *testing.T, alice *submittest.Person, configure func(*submit.Config), configs ...func(*api.Config)) *harness {
	t.Helper()
	h := &harness{t: t, ledger: submittest.New(), alice: alice, bob: submittest.NewPerson("bob")}
	if err := h.ledger.Found(h.alice); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	var err error
	h.events = events.New(events.Config{Ledger: h.ledger, Network: submittest.Network, Log: log})
	dir := t.TempDir()
	if h.status, err = status.Open(filepath.Join(dir, "status.db"), submittest.Network); err != nil {
		t.Fatal(err)
	}
	submitting := submit.Config{
		Journal: filepath.Join(dir, "journal.db"), Network: submittest.Network, Ledger: h.events.Watch(h.status.Watch(h.ledger)), Log: log, Hold: 4 * time.Millisecond,
	}
	configure(&submitting)
	h.s, err = submit.Open(submitting)
	if err != nil {
		t.Fatal(err)
	}
	x, err := index.Open(index.Config{File: filepath.Join(t.TempDir(), "index"), Network: submittest.Network, Ledger: h.events, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	cfg := api.Config{Submitter: h.s, Ledger: h.ledger, Events: h.events, Index: x, Network: submittest.Network, Log: log}
	cfg.Credentials.Statuses = h.status
	for _, f := range configs {
		f(&cfg)
	}
	server := api.New(cfg)
	rest, err := server.REST()
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(rest)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rpc := server.GRPC()
	go func() { _ = rpc.Serve(listener) }() // ends with Stop
	h.url, h.grpc = web.URL, listener.Addr().String()
	if h.client, err = client.Dial(h.grpc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.events.Close()
		_ = h.client.Close()
		rpc.Stop()
		web.Close()
		if err := errors.Join(x.Close(), h.s.Close(), h.status.Close()); err != nil {
			t.Error(err)
		}
	})
	for _, p := range []*submittest.Person{h.alice, h.bob} {
		create := p.Create()
		_, err := h.client.Submit(t.Context(), create)
		for fault.Of(err) == fault.Unknown { // a test may have set a short wait
			_, err = h.client.Submit(t.Context(), create)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := h.ledger.Fund("alice", h.alice, 1000); err != nil {
		t.Fatal(err)
	}
	return h
}

// until waits for a condition.
func (h *harness) until(what string, ok func() bool) {
	h.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			h.t.Fatalf("%s: not within a minute", what)
		}
	}
}

// answer is what one of the doors said.
type answer struct {
	Code, Text, Advice string
	Status             int // of HTTP
}

// post sends a body to the REST door and reads the problem, if it is one.
func (h *harness) post(path string, body io.Reader) (int, []byte, answer) {
	h.t.Helper()
	response, err := http.Post(h.url+path, "application/json", body)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.read(response)
}

func (h *harness) get(path string) (int, []byte, answer) {
	h.t.Helper()
	response, err := http.Get(h.url + path)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.read(response)
}

func (h *harness) read(response *http.Response) (int, []byte, answer) {
	h.t.Helper()
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if response.Header.Get("Content-Type") != "application/problem+json" {
		return response.StatusCode, data, answer{Code: "ok", Status: response.StatusCode}
	}
	var p api.Problem
	if err := json.Unmarshal(data, &p); err != nil {
		h.t.Fatalf("problem %s: %v", data, err)
	}
	if p.Status != response.StatusCode || !strings.HasPrefix(p.Instance, "urn:killick:answer:") || p.Type != "urn:killick:problem:"+p.Code || p.Title == "" {
		h.t.Errorf("problem %+v with status %d", p, response.StatusCode)
	}
	return response.StatusCode, data, answer{Code: p.Code, Text: p.Detail, Advice: p.Advice, Status: p.Status}
}

// doors submits an operation through REST, gRPC and the command line.
func (h *harness) doors(jws string) map[string]answer {
	h.t.Helper()
	body, err := json.Marshal(map[string]string{"operation": jws})
	if err != nil {
		h.t.Fatal(err)
	}
	_, _, rest := h.post("/v1/operations", bytes.NewReader(body))
	_, err = h.client.Submit(context.Background(), jws)
	rpc := answer{Code: fault.Of(err).String(), Status: fault.Of(err).HTTP(), Text: fault.Text(err), Advice: fault.Of(err).Advice()}
	if err == nil {
		rpc.Text, rpc.Advice = "", ""
	}
	path := filepath.Join(h.t.TempDir(), "op.jws")
	if err := os.WriteFile(path, []byte(jws), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return map[string]answer{"REST": rest, "gRPC": rpc, "command line": h.command("operation", "submit", path)}
}

// command runs killick with --json and reads its error.
func (h *harness) command(args ...string) answer {
	h.t.Helper()
	var out, errOut bytes.Buffer
	exit := cli.Run(context.Background(), append([]string{"--gateway", h.grpc, "--json"}, args...), strings.NewReader(""), &out, &errOut)
	if exit == 0 {
		return answer{Code: "ok", Status: 200}
	}
	var v struct {
		Error struct{ Code, Text, Advice string }
	}
	if err := json.Unmarshal(errOut.Bytes(), &v); err != nil || exit != 1 {
		h.t.Fatalf("killick %v: exit %d, %s", args, exit, errOut.String())
	}
	code, _ := fault.ByName(v.Error.Code)
	return answer{Code: v.Error.Code, Text: v.Error.Text, Advice: v.Error.Advice, Status: code.HTTP()}
}

package fabric_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/killick-ledger/killick/network/fabric"
)

type run = func(context.Context) (*peer.ProposalResponse, error)

func peers(runs ...run) []*fakePeer {
	var out []*fakePeer
	for _, r := range runs {
		if r == nil {
			out = append(out, nil)
			continue
		}
		out = append(out, &fakePeer{run: r})
	}
	return out
}

func yes(int) *orderer.BroadcastResponse {
	return &orderer.BroadcastResponse{Status: common.Status_SUCCESS}
}

func no(status common.Status, info string) func(int) *orderer.BroadcastResponse {
	return func(int) *orderer.BroadcastResponse { return &orderer.BroadcastResponse{Status: status, Info: info} }
}

func silence(int) *orderer.BroadcastResponse { return nil }

func orderers(answers ...func(int) *orderer.BroadcastResponse) []*fakeOrderer {
	var out []*fakeOrderer
	for _, a := range answers {
		if a == nil {
			out = append(out, nil)
			continue
		}
		out = append(out, &fakeOrderer{answer: a})
	}
	return out
}

var allTake = []func(int) *orderer.BroadcastResponse{yes, yes, yes, yes}

func TestEndorse(t *testing.T) {
	t.Parallel()
	a, b := result("a"), result("b")
	spoilt := &peer.Endorsement{Signature: []byte("x")}
	foreign := &peer.Endorsement{Endorser: []byte{0x0a, 1, 'X'}} // of an MSP called X
	broken := refuse("error in simulation: failed to execute transaction: could not launch chaincode")
	for _, tc := range []struct {
		name    string
		peers   []run
		payload string
		want    string // in the error
	}{
		{"all agree", []run{a, a, a, a}, "a", ""},
		{"own peer down", []run{nil, a, a, a}, "a", ""},
		{"two down", []run{nil, a, nil, a}, "a", ""},
		{"own peer lies", []run{b, a, a, a}, "a", ""},
		{"own peer refuses alone", []run{refuse("code: text"), a, a, a}, "a", ""},
		{"one cannot say why another refuses", []run{refuse("bad_signature: made up"), refuse("clock_skew: by 6 minutes"), a, a}, "a", ""},
		{"two refuse for one reason", []run{refuse("clock_skew: by 6 minutes"), refuse("clock_skew: by 7 minutes"), refuse("clock_skew: x"), nil}, "", "clock_skew"},
		{"two refuse for two reasons", []run{refuse("bad_signature: made up"), refuse("clock_skew: by 6 minutes"), nil, nil}, "", "differ"},
		{"one has much to say", []run{refuse(strings.Repeat("x", 10_000)), nil, nil, nil}, "", "xxx...;"},
		{"chaincode of the own peer down", []run{broken, a, a, a}, "a", ""},
		{"own peer hangs", []run{hang, a, a, a}, "a", ""},
		{"two and two", []run{a, a, b, b}, "ab", ""},
		{"own peer signs wrongly", []run{forged("a", spoilt), a, a, a}, "a", ""},
		{"own peer signs for another", []run{forged("a", foreign), a, a, a}, "a", ""},
		{"three sign wrongly", []run{forged("a", spoilt), a, forged("a", foreign), forged("a", spoilt)}, "", "1 of 2 needed"},
		{"all differ", []run{a, b, result("c"), result("d")}, "", "differ"},
		{"all refuse", []run{refuse("code: text"), refuse("code: text"), refuse("code: text"), refuse("code: text")}, "", "chaincode refused: code: text"},
		{"one answers", []run{a, nil, nil, nil}, "", "1 of 2 needed"},
		{"none answers", []run{nil, nil, nil, nil}, "", "0 of 2 needed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := client(t, peers(tc.peers...), orderers(allTake...))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			tx, err := c.Prepare("f", []byte("x"))
			if err != nil {
				t.Fatal(err)
			}
			err = tx.Endorse(ctx)
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Fatalf("error = %v; want %q in it", err, tc.want)
				}
				if err := tx.Submit(ctx); err == nil {
					t.Error("what is not endorsed was submitted")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := string(tx.Payload()); !strings.Contains(tc.payload, got) || got == "" {
				t.Errorf("payload = %q; want one of %q", got, tc.payload)
			}
		})
	}
}

// TestEndorseAgain has peers that differ at first, as they do while one is a block
// behind, and agree later.
func TestEndorseAgain(t *testing.T) {
	var mu sync.Mutex
	calls := map[string]int{}
	late := func(name string) run {
		return func(ctx context.Context) (*peer.ProposalResponse, error) {
			mu.Lock()
			calls[name]++
			n := calls[name]
			mu.Unlock()
			if n == 1 {
				return result(name)(ctx)
			}
			return result("same")(ctx)
		}
	}
	c := client(t, peers(late("1"), late("2"), late("3"), late("4")), orderers(allTake...))
	tx, err := c.Prepare("f")
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Endorse(t.Context()); err != nil || string(tx.Payload()) != "same" {
		t.Errorf("payload = %q, %v", tx.Payload(), err)
	}
}

func TestDivergedNamesOrganisations(t *testing.T) {
	c := client(t, peers(result("a"), result("b"), refuse("x: y"), nil), orderers(allTake...))
	_, err := c.Execute(t.Context(), "f")
	var d *fabric.Diverged
	if !errors.As(err, &d) {
		t.Fatalf("error = %v", err)
	}
	for _, org := range organisations {
		if d.Results[org] == "" {
			t.Errorf("%s is not named in %v", org, d)
		}
	}
	if d.Results["Org1MSP"] == d.Results["Org2MSP"] || d.Results["Org3MSP"] != "refused: x: y" {
		t.Errorf("results = %v", d.Results)
	}
}

func TestSubmit(t *testing.T) {
	unavailable := no(common.Status_SERVICE_UNAVAILABLE, "no leader")
	first := func(i int) *orderer.BroadcastResponse { // breaks the first stream
		if i == 0 {
			return nil
		}
		return yes(i)
	}
	for _, tc := range []struct {
		name    string
		answers []func(int) *orderer.BroadcastResponse
		ok      bool
	}{
		{"all take", allTake, true},
		{"two down", []func(int) *orderer.BroadcastResponse{nil, yes, nil, yes}, true},
		{"one takes", []func(int) *orderer.BroadcastResponse{nil, yes, unavailable, nil}, false},
		{"they have it", []func(int) *orderer.BroadcastResponse{
			no(common.Status_SERVICE_UNAVAILABLE, "failed to submit request: request already exists"), yes, nil, nil}, true},
		{"streams break and come back", []func(int) *orderer.BroadcastResponse{first, first, first, first}, true},
		{"streams break always", []func(int) *orderer.BroadcastResponse{silence, silence, silence, silence}, false},
		{"none", []func(int) *orderer.BroadcastResponse{nil, nil, nil, nil}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a := result("a")
			c := client(t, peers(a, a, a, a), orderers(tc.answers...))
			tx, err := c.Prepare("f")
			if err == nil {
				err = tx.Endorse(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			err = tx.Submit(t.Context())
			var unknown *fabric.Unknown
			if tc.ok && err != nil || !tc.ok && (!errors.As(err, &unknown) || unknown.TxID != tx.ID()) {
				t.Errorf("submit = %v", err)
			}
		})
	}
}

// TestSubmitMany sends many transactions at once over streams that break now and
// then; each is answered, and none is lost.
func TestSubmitMany(t *testing.T) {
	flaky := func(i int) *orderer.BroadcastResponse {
		if i%50 == 7 {
			return nil
		}
		return yes(i)
	}
	os := orderers(yes, yes, flaky, flaky)
	a := result("a")
	c := client(t, peers(a, a, a, a), os)
	fabric.Wait(c) // 300 at once shake hands late on a slow machine
	var all sync.WaitGroup
	errs := make(chan error, 300)
	for range 300 {
		all.Go(func() {
			tx, err := c.Prepare("f")
			if err == nil {
				err = tx.Endorse(t.Context())
			}
			if err == nil {
				err = tx.Submit(t.Context())
			}
			errs <- err
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := os[0].seen(); n > 300 {
		t.Errorf("an orderer got %d envelopes for 300 transactions", n)
	}
}

func TestSubmitToHungOrderers(t *testing.T) {
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	wait := func(i int) *orderer.BroadcastResponse { <-stuck; return yes(i) }
	a := result("a")
	c := client(t, peers(a, a, a, a), orderers(yes, wait, wait, wait))
	tx, err := c.Prepare("f")
	if err == nil {
		err = tx.Endorse(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := tx.Submit(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("submit = %v; want the context's error, with the outcome unknown", err)
	}
}

func TestEvaluate(t *testing.T) {
	for _, tc := range []struct {
		name  string
		peers []run
		want  string
		err   string
	}{
		{"own peer", []run{result("own"), result("other"), result("other"), result("other")}, "own", ""},
		{"own peer down", []run{nil, result("other"), result("other"), result("other")}, "other", ""},
		{"refused", []run{refuse("not_found: none"), result("other"), result("other"), result("other")}, "", "chaincode refused: not_found: none"},
		{"all down", []run{nil, nil, nil, nil}, "", "0 of 1 needed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := client(t, peers(tc.peers...), orderers(allTake...))
			got, err := c.Evaluate(t.Context(), "f")
			if string(got) != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("got %q, %v", got, err)
			}
			if _, err := c.EvaluateAt(t.Context(), "Org9MSP", "f"); err == nil {
				t.Error("an organisation without a peer was asked")
			}
		})
	}
}

func TestConfigMistakes(t *testing.T) {
	if _, err := fabric.Connect(fabric.Config{}); err == nil || len(strings.Split(err.Error(), "\n")) != 3 {
		t.Errorf("error = %v; want three mistakes", err)
	}
	p := fabric.Endpoint{MSPID: "A"}
	conf := fabric.Config{Channel: "c", Chaincode: "k", MSPID: "A", Peers: []fabric.Endpoint{p, p}, Orderers: []fabric.Endpoint{p}, Endorsements: 1}
	if _, err := fabric.Connect(conf); err == nil || !strings.Contains(err.Error(), "more than one of A") {
		t.Errorf("error = %v", err)
	}
}

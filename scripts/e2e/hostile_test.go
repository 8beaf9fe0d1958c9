//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
)

const (
	hostileAccounts = 4
	honestClients   = 6 // at each gateway
	honestBatch     = 40
	phase           = 3 * time.Second
	phases          = 8 // half of them with the hostile user
)

// hostileUser lets somebody send the same accounts' operations through two
// gateways at once, in every second phase of a few seconds, while honest people
// use both. They keep four fifths of their operations a second; the test of
// gateway/submit wants exactly that, and here a tenth is left to the noise of a
// machine that others use too.
func (n *network) hostileUser(t *testing.T) {
	addresses := n.Cluster.GatewayAddresses()
	if len(addresses) < 2 {
		t.Fatal("the consortium has one gateway, the hostile user needs two")
	}
	var gateways []*client.Client
	for _, a := range addresses[:2] {
		c, err := client.Dial(a)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		gateways = append(gateways, c)
	}
	payee := n.newPerson(t)
	people := []*person{payee}
	var honest [2][]*person
	for g := range honest {
		for range honestClients {
			honest[g] = append(honest[g], n.newPerson(t))
		}
		people = append(people, honest[g]...)
	}
	var hostile []*person
	for range hostileAccounts {
		hostile = append(hostile, n.newPerson(t))
	}
	n.create(t, append(people, hostile...)...)
	for _, p := range hostile {
		n.fund(t, p, 1_000_000)
	}
	before := n.voids(t)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	var done [2]atomic.Int64 // of honest people, without and with the hostile user
	var with, attempts atomic.Int64
	for g, people := range honest {
		for i, p := range people {
			all.Go(func() {
				for round := 0; ctx.Err() == nil; round++ {
					n.honestRound(t, ctx, gateways[g], p, fmt.Sprint(g, " ", i, " ", round), &with, &done)
				}
			})
		}
	}
	for _, p := range hostile {
		all.Go(func() {
			for round := 1; ctx.Err() == nil; round++ {
				if with.Load() == 0 {
					select {
					case <-time.After(20 * time.Millisecond):
					case <-ctx.Done():
					}
					continue
				}
				attempts.Add(1)
				conflict(ctx, gateways, p, payee, round)
			}
		})
	}
	var took [2]time.Duration
	for i := range phases {
		with.Store(int64(i % 2))
		began := time.Now()
		select {
		case <-time.After(phase):
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
		took[i%2] += time.Since(began)
	}
	rates := [2]float64{float64(done[0].Load()) / took[0].Seconds(), float64(done[1].Load()) / took[1].Seconds()}
	stop()
	all.Wait()
	void := n.voids(t) - before
	t.Logf("honest operations a second: %.0f without, %.0f with the hostile user (%.2f), who tried %d times and caused %v void transactions",
		rates[0], rates[1], rates[1]/rates[0], attempts.Load(), void)
	if rates[0] == 0 || rates[1] < 0.7*rates[0] {
		t.Errorf("honest people keep %.2f of their operations a second", rates[1]/rates[0])
	}
	if void == 0 {
		t.Error("no transaction was void: the hostile user did nothing")
	}
}

// honestRound submits records and counts them for the phase in which they end.
func (n *network) honestRound(t *testing.T, ctx context.Context, gateway *client.Client, p *person, tag string, with *atomic.Int64, done *[2]atomic.Int64) {
	var jws []string
	for item := range honestBatch {
		signed, _, err := p.operation(note(fmt.Sprint("honest ", tag, " ", item)), "")
		if err != nil {
			t.Error(err)
			return
		}
		jws = append(jws, signed.Compact())
	}
	receipts, err := gateway.SubmitAll(ctx, jws...)
	if err != nil {
		if ctx.Err() == nil && !retry(err) {
			t.Error(err)
		}
		return
	}
	for _, r := range receipts {
		if r.GetState() == "done" {
			done[with.Load()].Add(1)
		}
	}
}

// conflict sends two payments of one account, and one of them to both gateways, so
// that transactions of both read what the other changes.
func conflict(ctx context.Context, gateways []*client.Client, p, payee *person, round int) {
	var sides [2][]string
	for side := range sides {
		for _, words := range []string{"both", fmt.Sprint("side ", side)} {
			var body ops.Body = payment(payee, 1, fmt.Sprint("hostile ", words, " ", round))
			signed, _, err := p.operation(body, "")
			if err != nil {
				return
			}
			sides[side] = append(sides[side], signed.Compact())
		}
	}
	sides[1][0] = sides[0][0] // the same bytes
	var both sync.WaitGroup
	for side, jws := range sides {
		both.Go(func() { _, _ = gateways[side].SubmitAll(ctx, jws...) }) // what becomes of them is no matter
	}
	both.Wait()
}

// voids is how many transactions of both gateways were void.
func (n *network) voids(t *testing.T) (total uint64) {
	t.Helper()
	for _, url := range n.Cluster.GatewayURLs()[:2] {
		response, err := http.Get(url + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		const name = "\nkillick_batches_void_total "
		_, rest, found := strings.Cut(string(text), name)
		value, _, _ := strings.Cut(rest, "\n")
		count, err := strconv.ParseUint(value, 10, 64)
		if !found || err != nil {
			t.Fatalf("metrics of %s have no%s: %v", url, name, err)
		}
		total += count
	}
	return total
}

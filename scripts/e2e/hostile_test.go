//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
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
	settling        = time.Second // for what was under way when the hostile user began or paused
	window          = 2 * time.Second
	fewestPairs     = 5
	mostPairs       = 15
	fourFifths      = 0.8 // of what honest people get alone, at least
)

// hostileUser lets somebody send the same accounts' operations through two
// gateways at once, in every second window of a few seconds, while honest people
// use both. They keep four fifths of their operations a second. Each window with
// the hostile user is compared with those right before and after it, and the median
// of these shares counts, so that a machine that others use as well changes little;
// while it does not suffice there are more windows. (GW-8)
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
	var done, attempts atomic.Int64 // of honest people; of the hostile user
	var with atomic.Bool
	for g, people := range honest {
		for i, p := range people {
			all.Go(func() {
				for round := 0; ctx.Err() == nil; round++ {
					done.Add(n.honestRound(t, ctx, gateways[g], p, fmt.Sprint(g, " ", i, " ", round)))
				}
			})
		}
	}
	for _, p := range hostile {
		all.Go(func() {
			for round := 1; ctx.Err() == nil; round++ {
				if !with.Load() {
					pass(ctx, 20*time.Millisecond)
					continue
				}
				attempts.Add(1)
				conflict(ctx, gateways, p, payee, round)
			}
		})
	}
	rate := func(hostile bool) float64 {
		with.Store(hostile)
		pass(ctx, settling)
		before, began := done.Load(), time.Now()
		pass(ctx, window)
		return float64(done.Load()-before) / time.Since(began).Seconds()
	}
	var shares []float64
	alone := rate(false)
	for range mostPairs {
		together, after := rate(true), rate(false)
		t.Logf("honest operations a second: %.0f, %.0f with the hostile user, %.0f", alone, together, after)
		if alone+after > 0 {
			shares = append(shares, together/((alone+after)/2))
		}
		alone = after
		if len(shares) >= fewestPairs && median(shares) >= fourFifths {
			break
		}
	}
	stop()
	all.Wait()
	void := n.voids(t) - before
	t.Logf("the hostile user tried %d times and caused %v void transactions", attempts.Load(), void)
	if len(shares) < fewestPairs || median(shares) < fourFifths {
		t.Errorf("honest people keep %.2f of their operations a second (median), want %.2f", shares, fourFifths)
	}
	if void == 0 {
		t.Error("no transaction was void: the hostile user did nothing")
	}
}

// pass lets time pass until the context ends.
func pass(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// honestRound submits records, and counts those that are done.
func (n *network) honestRound(t *testing.T, ctx context.Context, gateway *client.Client, p *person, tag string) (done int64) {
	var jws []string
	for item := range honestBatch {
		signed, _, err := p.operation(note(fmt.Sprint("honest ", tag, " ", item)), "")
		if err != nil {
			t.Error(err)
			return 0
		}
		jws = append(jws, signed.Compact())
	}
	receipts, err := gateway.SubmitAll(ctx, jws...)
	if err != nil {
		if ctx.Err() == nil && !retry(err) {
			t.Error(err)
		}
		return 0
	}
	for _, r := range receipts {
		if r.GetState() == "done" {
			done++
		}
	}
	return done
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

//go:build e2e

package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/scripts/observe"
)

// recovery is how long after a kill operations may take to commit again, unless the
// machine is so loaded that bringing the consortium up took more than half of it.
const recovery = 15 * time.Second

// enough is how many operations end before a process is killed, and again before
// it is started anew.
const enough = 60

// faults kills one process after the other while operations arrive.
func (n *network) faults(t *testing.T) {
	payers := make([]*person, 6)
	for i := range payers {
		payers[i] = n.newPerson(t)
	}
	// An actor's operations reach the ledger in their order, so an operation of an
	// actor who has sent nothing else shows soonest that the ledger moves again.
	fresh := make([]*person, 200)
	for i := range fresh {
		fresh[i] = n.newPerson(t)
	}
	payee := n.newPerson(t)
	n.create(t, slices.Concat(payers, fresh, []*person{payee})...)
	const funds = 1_000_000
	for _, p := range payers {
		n.fund(t, p, funds)
	}
	height := n.height(t)
	l := n.beginLoad(t, payers, payee)
	defer l.stop()
	for _, v := range []struct {
		name   string
		victim func(*testing.T) string
	}{
		{"a peer", func(*testing.T) string { return "peer.org2" }}, // the gateway asks it next after its own
		{"the gateway's own peer", func(*testing.T) string { return "peer.org1" }},
		// BUG(orderers): the next leader is not killed as well. Four orderers bear one
		// failure, and what one that has just come back says does not count in a change of
		// leaders while it is two blocks behind, which under a heavy load can last for 30 s
		// (docs/operations.md).
		{"the leader of the orderers", n.leader},
		{"a chaincode service", func(*testing.T) string { return "chaincode.org1" }},
		{"an anchor", func(*testing.T) string { return "anchor.org1" }},
		{"the gateway", func(*testing.T) string { return "gateway.org1" }},
		{"the gateway that took over", func(*testing.T) string { return "gateway.org2" }},
	} {
		if !t.Run(v.name, func(t *testing.T) { fresh = n.fault(t, l, v.victim(t), fresh) }) {
			break // what follows would only show the same again
		}
	}
	all := l.drain(t)
	n.exactlyOnce(t, all, height)
	paid, received := map[*person]int{}, 0
	for _, s := range all {
		if s.payer != nil {
			paid[s.payer] += s.amount
			received += s.amount
		}
	}
	for _, p := range payers {
		if balance, _ := n.money(t, p); balance != funds-paid[p] {
			t.Errorf("%s has %d, want %d", p.did, balance, funds-paid[p])
		}
	}
	if _, got := n.money(t, payee); got != received {
		t.Errorf("the payee received %d, want %d", got, received)
	}
	n.samePeers(t)
	n.stillProven(t, all)
}

// fault kills a process, wants operations to commit again in time, and starts it
// anew. It returns the fresh actors that are left.
func (n *network) fault(t *testing.T, l *load, victim string, fresh []*person) []*person {
	ended, _ := l.finished(time.Time{})
	more := func(what string) {
		t.Helper()
		ended, _ = l.finished(time.Time{})
		until(t, 2*time.Minute, what, func() error {
			if now, _ := l.finished(time.Time{}); now < ended+enough {
				return fmt.Errorf("%d operations ended", now-ended)
			}
			return nil
		})
	}
	more("operations before")
	if err := n.Cluster.Kill(victim); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	fresh = n.recovered(t, l, victim, killed, fresh)
	more("operations while " + victim + " is away")
	begun := time.Now()
	if err := n.Cluster.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.caughtUp(t)
	t.Logf("all are at the same height %.1f s after the start of %s", time.Since(begun).Seconds(), victim)
	more("operations afterwards")
	return fresh
}

// recovered has fresh actors send operations until the first of those that were
// signed after the kill has its receipt.
func (n *network) recovered(t *testing.T, l *load, victim string, killed time.Time, fresh []*person) []*person {
	t.Helper()
	limit := max(recovery, 2*n.Up)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, first := l.finished(killed); !first.IsZero() {
			took := first.Sub(killed)
			t.Logf("operations commit again %.1f s after %s was killed", took.Seconds(), victim)
			if took > limit {
				t.Errorf("that is more than %s", limit)
			}
			return fresh
		}
		if time.Since(killed) > 3*limit {
			t.Fatalf("no operation committed within %s after %s was killed", 3*limit, victim)
		}
		if len(fresh) > 0 {
			p := fresh[0]
			fresh = fresh[1:]
			l.all.Go(func() {
				s, err := l.sign(p, 1, 0) // a record: nobody funded the actor
				if err == nil {
					err = l.deliver(l.until, s)
				}
				if err != nil {
					l.fail(err)
				}
			})
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// exactlyOnce wants each operation to be done, with one result in one block, which
// is the one that its receipt names.
func (n *network) exactlyOnce(t *testing.T, all []*sent, from uint64) {
	t.Helper()
	h := n.history(t, from)
	again, wrong := 0, 0
	for _, s := range all {
		results := h.results[s.id]
		if s.tries > 1 {
			again++
		}
		r := s.receipt
		if len(results) == 1 && r.GetState() == "done" && results[0].code == fault.OK &&
			r.GetTransaction() == results[0].tx && r.GetBlock() == results[0].block {
			continue
		}
		if wrong++; wrong <= 10 {
			t.Errorf("operation %s, sent %d times: receipt %v, results on the ledger %v", s.ref, s.tries, r, results)
		}
	}
	t.Logf("%d operations, %d of them sent more than once, %d blocks, %d wrong", len(all), again, n.height(t)-from, wrong)
	for _, url := range n.Cluster.GatewayURLs() {
		until(t, 2*time.Minute, "an empty queue", func() error {
			pending, err := observe.Pending(t.Context(), url)
			if err == nil && pending > 0 {
				err = fmt.Errorf("%d operations are pending at %s", pending, url)
			}
			return err
		})
	}
}

// stillProven wants what was done last to be anchored on both chains and to pass
// the auditor's program.
func (n *network) stillProven(t *testing.T, all []*sent) {
	t.Helper()
	n.proven(t, client.Subject{Operation: all[len(all)-1].ref})
}

// samePeers compares the peers' chains: the newest block that all have, by its
// hash, and by the hash of all that was committed up to it.
func (n *network) samePeers(t *testing.T) {
	t.Helper()
	n.caughtUp(t)
	all := observe.Network{Cluster: n.Cluster, Own: n.own}
	newest, err := all.SameChains(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("four peers have block %d with commit hash %x", newest.Number, newest.CommitHash)
}

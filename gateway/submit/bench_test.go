package submit_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// bench opens a gateway before a ledger in memory and signs operations of a
// hundred people.
func bench(b testing.TB, operations int) (*submittest.Ledger, *submit.Submitter, []string) {
	b.Helper()
	ledger := submittest.New()
	if err := ledger.Found(); err != nil {
		b.Fatal(err)
	}
	s, err := submit.Open(submit.Config{
		Journal: filepath.Join(b.TempDir(), "journal.db"), Network: submittest.Network, Ledger: ledger, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	var people []*submittest.Person
	var create []string
	for i := range 100 {
		p := submittest.NewPerson(fmt.Sprint(i))
		people, create = append(people, p), append(create, p.Create())
	}
	for _, ticket := range s.Submit(create...) {
		if r := ticket.Wait(context.Background()); r.State != submit.Done {
			b.Fatal(r)
		}
	}
	jws := make([]string, operations)
	for i := range jws {
		jws[i], _ = people[i%len(people)].Record(fmt.Sprint(i))
	}
	return ledger, s, jws
}

// hundreds submits all, a hundred in a call.
func hundreds(b testing.TB, s *submit.Submitter, jws []string) (tickets []*submit.Ticket) {
	b.Helper()
	for at := 0; at < len(jws); at += 100 {
		tickets = append(tickets, s.Submit(jws[at:min(at+100, len(jws))]...)...)
	}
	for _, t := range tickets {
		if t.Err() != nil {
			b.Fatal(t.Err())
		}
	}
	return tickets
}

// What taking an operation costs: decoding, the journal, the queue.
func BenchmarkAccept(b *testing.B) {
	ledger, s, jws := bench(b, min(b.N, 90_000))
	ledger.SetDown(true)
	b.ReportAllocs()
	b.ResetTimer()
	hundreds(b, s, jws)
}

// What the results of operations cost: batches, blocks, the journal, receipts, and
// in it the ledger's own work, which a profile tells apart.
func BenchmarkResults(b *testing.B) {
	ledger, s, jws := bench(b, min(b.N, 90_000))
	ledger.SetDown(true)
	tickets := hundreds(b, s, jws)
	b.ReportAllocs()
	b.ResetTimer()
	ledger.SetDown(false)
	for _, t := range tickets {
		if r := t.Wait(context.Background()); r.State != submit.Done {
			b.Fatal(r)
		}
	}
}

// The queue is full and the ledger does not answer: what is kept of 100,000
// operations.
func TestMemoryOfAFullQueue(t *testing.T) {
	const operations = 10_000 // a tenth, so that the test takes seconds
	ledger, s, jws := bench(t, operations)
	ledger.SetDown(true)
	before := heap()
	tickets := hundreds(t, s, jws)
	clear(tickets)
	kept := (heap() - before) / operations
	t.Logf("%d bytes for each queued operation of %d bytes", kept, len(jws[0]))
	// 100,000 of them, twice as much until the collector runs, and 100 MB for the rest
	// of the process stay below 512 MB.
	if kept > 2000 {
		t.Errorf("%d bytes are kept for an operation", kept)
	}
	if n := s.Status().Pending; n != operations {
		t.Errorf("%d are pending", n)
	}
	runtime.KeepAlive(jws)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// The whole way of a record through a gateway, before a ledger in memory: what it
// costs beside the ledger's own work, which a profile tells apart.
//
//	go test ./gateway/submit -run xxx -bench . -cpuprofile cpu.out
func BenchmarkSubmit(b *testing.B) {
	_, s, jws := bench(b, b.N)
	b.ResetTimer()
	var wait sync.WaitGroup
	for at := 0; at < len(jws); at += 1000 {
		part := jws[at:min(at+1000, len(jws))]
		wait.Go(func() {
			for _, t := range s.Submit(part...) {
				if r := t.Wait(context.Background()); r.State != submit.Done {
					b.Error(r)
				}
			}
		})
	}
	wait.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "operations/s")
}

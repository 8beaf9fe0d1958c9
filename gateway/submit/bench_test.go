package submit_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// The whole way of a record through a gateway, before a ledger in memory: what it
// costs beside the ledger's own work, which a profile tells apart.
//
//	go test ./gateway/submit -run xxx -bench . -cpuprofile cpu.out
func BenchmarkSubmit(b *testing.B) {
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
	defer s.Close()
	var people []*submittest.Person
	for i := range 100 {
		p := submittest.NewPerson(fmt.Sprint(i))
		if r := s.Submit(p.Create())[0].Wait(context.Background()); r.State != submit.Done {
			b.Fatal(r)
		}
		people = append(people, p)
	}
	jws := make([]string, b.N)
	for i := range jws {
		jws[i], _ = people[i%len(people)].Record(fmt.Sprint(i))
	}
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

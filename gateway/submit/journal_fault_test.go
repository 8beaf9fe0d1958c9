package submit_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/anchor/sqlite/sqlitetest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/submit"
)

// The journal's commits fail at random, as not done and as done although they failed, and
// then the power does. What a gateway did not say that it took is asked for again; no
// batch leaves that is not on the disk, and everything is done once. (GW-1)
func TestJournalFails(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := start(t, func(c *submit.Config) { c.Batch = 5 })
				if err := h.s.Close(); err != nil {
					t.Fatal(err)
				}
				disk := sqlitetest.On(t, h.path)
				h.open()
				var mu sync.Mutex
				r := rand.New(rand.NewPCG(seed, 1))
				failed, unkept, left := 0, 0, 0
				disk.Set(func() sqlitetest.Fault {
					mu.Lock()
					defer mu.Unlock()
					f := []sqlitetest.Fault{sqlitetest.None, sqlitetest.None, sqlitetest.NotDone, sqlitetest.Done}[r.IntN(4)]
					if f != sqlitetest.None {
						failed++
					}
					return f
				})
				h.ledger.SetHook(func(stored bool) {
					if left++; !stored && open(t, disk.Image()) == 0 {
						t.Error("a batch leaves that is not on the disk")
					}
				})
				var jws []string
				for i := range 15 {
					text, _ := h.alice.Record(fmt.Sprint(i))
					jws = append(jws, text, h.bob.Pay(int64(1+i), h.alice))
				}
				submitted := func(h *harness, text string) *submit.Ticket {
					for {
						ticket := h.s.Submit(text)[0]
						if ticket.Err() == nil {
							return ticket
						}
						if fault.Of(ticket.Err()) != fault.Unavailable {
							t.Fatal(ticket.Err())
						}
						unkept++
					}
				}
				var tickets []*submit.Ticket
				for i, text := range jws {
					tickets = append(tickets, submitted(h, text))
					if i%8 == 7 {
						time.Sleep(time.Second)
					}
				}
				// To the process after the power failure this one is another gateway.
				h.ledger.SetHook(nil)
				next := *h
				next.path = filepath.Join(t.TempDir(), "journal.db")
				if err := disk.Image().Restore(next.path); err != nil {
					t.Fatal(err)
				}
				next.open()
				var receipts []submit.Receipt
				for i, text := range jws {
					first, after := h.wait(tickets[i]), next.wait(submitted(&next, text))
					if first.State != submit.Done || after.State != submit.Done || after.Transaction != first.Transaction {
						t.Errorf("operation %d: %+v, after the power failure %+v", i, first, after)
					}
					receipts = append(receipts, first)
				}
				next.check(receipts)
				if failed < 5 || unkept == 0 || left == 0 {
					t.Errorf("%d commits failed, %d operations were not taken, %d batches left", failed, unkept, left)
				}
				disk.Set(func() sqlitetest.Fault { return sqlitetest.None })
			})
		})
	}
}

// Who submits what somebody else submits at that moment is told that it was taken when it
// is on the disk, not before; and that it was not, when it is not. (GW-1)
func TestSameWhileKept(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]sqlitetest.Fault{"kept": sqlitetest.None, "not kept": sqlitetest.NotDone, "kept although it failed": sqlitetest.Done} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				if err := h.s.Close(); err != nil {
					t.Fatal(err)
				}
				disk := sqlitetest.On(t, h.path)
				h.open()
				come, first := make(chan struct{}), true
				disk.Set(func() sqlitetest.Fault {
					if !first {
						return sqlitetest.None
					}
					first = false
					<-come
					return f
				})
				jws, _ := h.alice.Record("twice at a time")
				tickets := make(chan *submit.Ticket, 2)
				for range 2 {
					go func() { tickets <- h.s.Submit(jws)[0] }()
					synctest.Wait()
				}
				if n := len(tickets); n > 0 {
					t.Errorf("%d of 2 were told while it was not on the disk", n)
				}
				close(come)
				want := fault.OK
				if f != sqlitetest.None {
					want = fault.Unavailable
				}
				for range 2 {
					if err := (<-tickets).Err(); fault.Of(err) != want {
						t.Errorf("%v, want %v", err, want)
					}
				}
				h.check([]submit.Receipt{h.want(jws, submit.Done, fault.OK)})
			})
		})
	}
}

// open is how many batches a journal holds as an image has it.
func open(t *testing.T, image sqlitetest.Image) (n int) {
	path := filepath.Join(t.TempDir(), "image.db")
	if err := image.Restore(path); err != nil {
		t.Error(err)
		return 0
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer db.Close()
	if err := db.QueryRow(`SELECT count(*) FROM batches`).Scan(&n); err != nil {
		t.Error(err)
	}
	return n
}

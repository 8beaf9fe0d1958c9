package submit_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// A gateway is killed at the moment when a transaction is handed over: before that
// it is nowhere, after that it is stored, and the journal knows as much in both
// cases. Another process goes on from the journal as it was then. (GW-1)
func TestKilledWhileHandingOver(t *testing.T) {
	for _, stored := range []bool{false, true} {
		t.Run(fmt.Sprintf("stored=%v", stored), func(t *testing.T) {
			h := start(t)
			dir := t.TempDir()
			killed := make(chan error, 1)
			h.ledger.SetHook(func(is bool) {
				if is == stored {
					select {
					case killed <- copyJournal(h.path, dir):
					default: // only the first counts
					}
				}
			})
			var jws []string
			for i := range 20 {
				text, _ := h.alice.Record(fmt.Sprint(i))
				jws = append(jws, text, h.bob.Pay(int64(1+i), h.alice))
			}
			tickets := h.submit(jws...)
			if err := <-killed; err != nil {
				t.Fatal(err)
			}
			h.ledger.SetHook(nil)
			// The first process lives on here; to the second one it is another gateway.
			next := *h
			next.path = filepath.Join(dir, "journal.db")
			next.open()
			var receipts []submit.Receipt
			for i, ticket := range next.submit(jws...) {
				r := next.wait(ticket)
				if first := h.wait(tickets[i]); r.State != submit.Done || r.Transaction != first.Transaction {
					t.Errorf("operation %d: %+v, before %+v", i, r, first)
				}
				receipts = append(receipts, r)
			}
			next.check(receipts)
			if s := next.s.Status(); s.Batches != 0 {
				t.Errorf("%d transactions were sent for operations that were in one already", s.Batches)
			}
		})
	}
}

func copyJournal(from, dir string) error {
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(from + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "journal.db"+suffix), data, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Transactions that were lost leave nothing behind; nor does an entry in the journal
// of a batch whose items have gone in another one, which holds nobody up. (GW-1)
func TestLostBatchesAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(c *submit.Config) { c.Lost = 20 * time.Millisecond })
		h.ledger.Inject(submittest.SilentLost, submittest.UnknownLost, submittest.SilentLost)
		jws, _ := h.alice.Record("lost")
		r := h.want(jws, submit.Done, fault.OK)
		h.check([]submit.Receipt{r})
		if s := h.s.Status(); s.Lost != 3 || s.InFlight != 0 {
			t.Errorf("status %+v", s)
		}
		if err := h.s.Close(); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", h.path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		batches := func() (n int) {
			t.Helper()
			if err := db.QueryRow(`SELECT count(*) FROM batches`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := batches(); n != 0 {
			t.Errorf("the journal holds %d batches", n)
		}
		if _, err := db.Exec(`INSERT INTO batches(tx, items, sent) SELECT 'ff', x'0000000000000001', ?`, time.Now().UnixMilli()); err != nil {
			t.Fatal(err)
		}
		h.open()
		if s := h.s.Status(); s.InFlight != 0 || batches() != 0 {
			t.Errorf("after a restart: %+v, and %d batches in the journal", s, batches())
		}
	})
}

// What the journal does not take, a full disk's say, is promised to nobody and never
// sent; sent again later it is done as if it had come for the first time. (GW-1)
func TestJournalThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		if err := h.s.Close(); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", h.path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		change := func(statement string) {
			t.Helper()
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
		change(`CREATE TRIGGER full BEFORE INSERT ON submissions BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END`)
		h.open()
		jws, _ := h.alice.Record("kept nowhere")
		for range 2 {
			if err := h.s.Submit(jws)[0].Err(); fault.Of(err) != fault.Unavailable {
				t.Errorf("submit: %v", err)
			}
		}
		time.Sleep(time.Minute)
		if s := h.s.Status(); s.Pending != 0 || s.Accepted != 0 || s.InFlight != 0 {
			t.Errorf("status %+v", s)
		}
		change(`DROP TRIGGER full`)
		r := h.want(jws, submit.Done, fault.OK)
		if r.Repeated {
			t.Error("it had been executed")
		}
		h.check([]submit.Receipt{r})
	})
}

// Once the ledger has refused a signature, bad ones cost neither a place in a
// batch nor their supposed actor's place in the queue; who is new is let through,
// and what was queued before is refused without a transaction.
func TestForgedAtTheDoor(t *testing.T) {
	h := start(t, func(c *submit.Config) { c.Queue = 40 })
	forge := func(jws string) string {
		item, err := ops.ParseCompact(jws)
		if err != nil {
			t.Fatal(err)
		}
		item.Signature = bytes.Clone(item.Signature)
		item.Signature[5] ^= 1
		return item.Compact()
	}
	record := func(p *submittest.Person, text string) string {
		jws, _ := p.Record(text)
		return jws
	}
	h.want(forge(record(h.alice, "first")), submit.Refused, fault.BadSignature)
	if err := h.s.Submit(forge(record(h.alice, "second")))[0].Err(); fault.Of(err) != fault.BadSignature {
		t.Errorf("at the door: %v", err)
	}
	h.want(record(h.alice, "honest"), submit.Done, fault.OK)
	carol := submittest.NewPerson("carol")
	h.want(carol.Create(), submit.Done, fault.OK)
	h.want(record(carol, "new"), submit.Done, fault.OK)
	if err := h.s.Submit(forge(record(carol, "known by now")))[0].Err(); fault.Of(err) != fault.BadSignature {
		t.Errorf("a DID of a block that was taken in: %v", err)
	}
	// Another gateway has not seen one yet: the queue takes them, and its first one
	// that the ledger refuses spares the ledger the others.
	other := *h
	other.path = filepath.Join(t.TempDir(), "other.db")
	batch := func(c *submit.Config) { c.Batch, c.InFlight, c.Queue = 1, 1, 40 }
	other.configs = batch
	other.open()
	other.until("the blocks", func() bool { return other.s.Status().Next >= h.s.Status().Next })
	other.ledger.SetDown(true)
	var jws []string
	for i := range 10 {
		jws = append(jws, forge(record(h.bob, fmt.Sprint(i))))
	}
	tickets := other.submit(append(jws, record(h.bob, "honest"))...)
	other.ledger.SetDown(false)
	for i, ticket := range tickets {
		if r := other.wait(ticket); i < 10 && r.Code != fault.BadSignature || i == 10 && r.State != submit.Done {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if s := other.s.Status(); s.Batches > 3 || s.Forged < 8 {
		t.Errorf("status %+v", s)
	}
}

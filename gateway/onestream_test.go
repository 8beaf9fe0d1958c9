package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/events"
	"github.com/killick-ledger/killick/gateway/index"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// counted counts the block streams of a gateway.
type counted struct {
	*submittest.Ledger
	open, opened atomic.Int32
}

func (c *counted) Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		c.open.Add(1)
		c.opened.Add(1)
		defer c.open.Add(-1)
		c.Ledger.Blocks(ctx, from)(yield)
	}
}

// EV-5: a gateway reads one block stream, for results, status lists, events and its
// index; a second one lasts until who reads old blocks has caught up. An index that
// cannot write holds no result up.
func TestOneStream(t *testing.T) {
	l := &counted{Ledger: submittest.New()}
	alice := submittest.NewPerson("alice")
	if err := l.Found(alice); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Journal: filepath.Join(t.TempDir(), "journal.db"), Network: submittest.Network}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	records := 0
	start := func() *service {
		t.Helper()
		s := new(service)
		t.Cleanup(func() { s.events.Close() })
		if err := s.read(cfg, l, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err, s.close())
		}
		return s
	}
	submitted := func(s *service, jws string) {
		t.Helper()
		if r := s.submitter.Submit(jws)[0].Wait(ctx); r.State != submit.Done || r.Code != fault.OK {
			t.Fatalf("%+v", r)
		}
	}
	record := func(s *service) {
		t.Helper()
		jws, _ := alice.Record(fmt.Sprint("record ", records))
		submitted(s, jws)
		records++
	}
	check := func(when string, s *service, opened int32) {
		t.Helper()
		if err := s.index.Reach(ctx, uint64(len(l.Chain()))); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		page, err := s.index.Records(ctx, index.Records{Paging: index.Paging{Size: 100}})
		if err != nil || len(page.Items) != records {
			t.Errorf("%s: %d records of %d, %v", when, len(page.Items), records, err)
		}
		for l.open.Load() != 1 { // a stream that is done may yet be ending
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				t.Fatalf("%s: %d streams", when, l.open.Load())
			}
		}
		if n := l.opened.Swap(0); n != opened && when != "first start" { // whose index may open after the first blocks have come
			t.Errorf("%s: %d streams were opened, want %d", when, n, opened)
		}
	}
	s := start()
	submitted(s, alice.Create())
	record(s)
	check("first start", s, 1)
	record(s)
	check("steady", s, 0)

	// A lock on its file holds the index up.
	db, err := sql.Open("sqlite", "file:"+cfg.Journal+".index?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	before := s.index.Next()
	for range 3 {
		record(s)
	}
	if s.index.Next() != before {
		t.Error("the index was not held up")
	}
	if err := errors.Join(lock.Rollback(), db.Close()); err != nil {
		t.Fatal(err)
	}
	check("slow index", s, 0)
	if err := s.close(); err != nil || l.open.Load() != 0 {
		t.Fatalf("%v, %d streams after the end", err, l.open.Load())
	}

	s = start()
	record(s)
	check("restart", s, 1)
	if err := errors.Join(s.close(), os.Remove(cfg.Journal+".index")); err != nil {
		t.Fatal(err)
	}
	s = start()
	check("lost index", s, 2)
	record(s)
	check("lost index, then new blocks", s, 0)
	seen := 0
	for page, err := range s.events.Follow(ctx, events.Request{Operations: []string{"record.submit"}}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen += len(page.Events); seen == 7 { // the old ones
			record(s)
		} else if seen == records {
			break
		}
	}
	check("events from the beginning", s, 1)
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

package node_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/gateway/api/killickv1"
)

// A running node hears of evidence by the event stream, long before it looks at the lists
// again, keeps the cursor, and goes on there after a restart.
func TestFollows(t *testing.T) {
	w := begin(t, 2)
	w.config.Poll, w.config.Patience = 20*time.Millisecond, 20*time.Second
	w.gateways[0].list = func(p *killickv1.JobPage) { p.Jobs = nil } // that one tells of nothing
	asked, arrived := make(chan string, 100), make(chan string, 100)
	for _, g := range w.gateways {
		g.follows = func(cursor string) { asked <- cursor }
		g.submit = func(jws string, forward func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
			o, err := forward()
			arrived <- jws
			return o, err
		}
	}
	start := func() (stop func()) {
		n := w.node()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		return func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	stop := start()
	for range w.gateways {
		if cursor := next(t, w, asked); cursor != "" {
			t.Errorf("the first stream begins at %q", cursor)
		}
	}
	job := w.toCommit("one")
	next(t, w, arrived)
	if w.seat(job).Commitment == "" {
		t.Errorf("no commitment: %s", w.logged)
	}
	stop()
	kept, err := os.ReadFile(filepath.Join(w.config.Dir, "cursors"))
	if err != nil {
		t.Fatal(err)
	}
	w.toReveal(job)
	stop = start()
	for range w.gateways {
		if cursor := next(t, w, asked); cursor == "" || !strings.Contains(string(kept), `"cursor":"`+cursor+`"`) {
			t.Errorf("goes on at %q, kept %s", cursor, kept)
		}
	}
	next(t, w, arrived)
	if w.seat(job).Ballot != "valid" {
		t.Errorf("not revealed: %s", w.logged)
	}
	stop()
}

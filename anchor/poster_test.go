package main

import (
	"testing"
	"time"
)

// What is not to be sent any more is forgotten after a while, and what is waited for is not.
func TestPosterForgets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	p := newPoster(w.members[0].anchor)
	p.due("gone", 0)
	p.receipts["gone"] = w.now
	for range 90 {
		w.now = w.now.Add(time.Minute)
		p.due("wanted", 0)
		if err := p.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, since := p.since["gone"]
	_, sent := p.receipts["gone"]
	if since || sent || !p.due("wanted", 89*time.Minute) {
		t.Errorf("%v, %v", p.since, p.receipts)
	}
}

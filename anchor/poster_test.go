package main

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
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

// Under load blocks are in the log a moment before they are in the index, at most times that
// anybody looks: nothing that is to be sent waits for that.
func TestPosterUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	m, ch := w.members[0], w.chains[0]
	ch.full, m.asleep = true, true
	w.cutRecord()
	w.tickFor(70 * time.Second) // there is something to anchor
	if err := errors.Join(m.catchUp(t.Context()), (&watch{anchor: m.anchor, chain: m.chains[ch.id]}).look(t.Context())); err != nil {
		t.Fatal(err)
	}
	p := newPoster(m.anchor)
	w.cutRecord()
	if err := m.log.Append(w.blocks[m.log.Size():]...); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.step(t.Context()); err != nil {
			t.Error(err)
		}
		w.now = w.now.Add(time.Minute)
	}
	open, err := m.sender.Unrecorded(t.Context())
	if err != nil || !slices.ContainsFunc(open, func(st send.Status) bool { return st.Chain == ch.id && st.Phase == send.PhasePlanned }) {
		t.Errorf("planned is %+v, %v", open, err)
	}
}

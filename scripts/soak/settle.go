package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/killick-ledger/killick/scripts/observe"
	"github.com/killick-ledger/killick/scripts/reconcile"
)

// settle brings the network back, reads every side and compares them. It returns
// errDifferent, or what kept it from comparing.
func (w *world) settle(ctx context.Context) error {
	w.say("the load has ended; all processes are started and come to rest")
	target, err := w.rest(ctx)
	if err != nil {
		return err
	}
	w.say("looking up what clients left behind")
	if err := w.lookUpLeft(ctx); err != nil {
		return err
	}
	w.say("reading %d blocks of each of %d peers", target, len(w.Own))
	chain, err := w.readChains(ctx, target)
	if err != nil {
		return err
	}
	money, err := w.money(ctx, chain)
	if err != nil {
		return err
	}
	w.say("stopping, and reading the journals")
	if err := w.Cluster.Stop(); err != nil {
		return err
	}
	var journals []*observe.Journal
	for _, d := range w.doors {
		j, err := observe.ReadJournal(d.name, d.journal)
		if err != nil {
			return err
		}
		journals = append(journals, j)
	}
	counts, found := reconcile.Compare(w.book.ops, chain.results, journals)
	for _, what := range append(append(chain.wrong, money...), w.book.findings...) {
		found = append(found, reconcile.Difference{What: what})
	}
	w.report(counts, chain, found)
	if len(found) > 0 {
		return fmt.Errorf("%d differences: %w", len(found), errDifferent)
	}
	return nil
}

// rest waits until all processes run, have caught up, and hold nothing open. It
// returns a height that all have.
func (w *world) rest(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, restored)
	defer cancel()
	if err := w.faults.restore(ctx, w.Network); err != nil {
		return 0, fmt.Errorf("the network does not come back: %w", err)
	}
	for {
		var errs []error
		for _, d := range w.doors {
			pending, err := observe.Pending(ctx, d.url)
			if err == nil && pending > 0 {
				err = fmt.Errorf("%d operations are pending at %s", pending, d.name)
			}
			errs = append(errs, err)
		}
		err := errors.Join(errs...)
		if err == nil {
			break
		}
		if !pause(ctx, 100*time.Millisecond) {
			return 0, fmt.Errorf("the gateways do not come to rest: %w", err)
		}
	}
	target := w.Furthest(ctx)
	for {
		err := w.Behind(ctx, target)
		if err == nil {
			return target, nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			return 0, fmt.Errorf("not all have %d blocks: %w", target, err)
		}
	}
}

// lookUpLeft asks each gateway for the operations that no client has a receipt of.
func (w *world) lookUpLeft(ctx context.Context) error {
	for _, op := range w.book.ops {
		if len(op.Told) > 0 {
			continue
		}
		for _, d := range w.doors {
			t, found, err := d.lookUp(ctx, op.ID)
			if err != nil {
				return err
			}
			if found {
				op.Looked = append(op.Looked, t)
			}
		}
	}
	return nil
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// chainEvents reads the contracts' events in final blocks, of which one endpoint alone is
// not believed where there are several.
type chainEvents interface {
	final(ctx context.Context) (heads, error)
	read(ctx context.Context, from, to uint64, of []canon.Account) (shown, error)
}

// overlap is how many blocks are read again with new ones: behind one URL there may
// be several nodes, and one that lags knows no events where another is final.
const overlap = 100

// maxRanges bounds how many ranges of blocks one look reads: the final head is an
// endpoint's word, and may be no block that there will ever be.
const maxRanges = 100

// scan reads the events of new final blocks, up to the least final head that an endpoint
// names. What was scanned moves on only together with the events, and not past a block of
// which endpoints show different ones.
func (w *watch) scan(ctx context.Context) (err error) {
	at, err := w.chain.events.final(ctx)
	if err != nil {
		return err
	}
	w.chain.mu.Lock()
	w.chain.final = at.least
	w.chain.mu.Unlock()
	w.alarms.set("final head of "+w.chain.cfg.ID, w.together(at))
	done, err := w.index.scanned(ctx, w.chain.cfg.ID)
	if err != nil {
		return err
	}
	switch {
	case done-min(done, overlap) > at.most:
		// More than endpoints that lag: a final head was invented, and nobody knows up to
		// where there was something to read. The newest event was read.
		if done, err = w.index.lastEvent(ctx, w.chain.cfg.ID, at.least); err != nil {
			return err
		}
		slog.Warn("the final head went back: events are read again", "chain", w.chain.cfg.ID, "final", at.least, "from", done)
	case done > at.least:
		return nil
	}
	var doubt error
	defer func() {
		if doubt != nil || err == nil { // what was not read does not end the alarm
			w.alarms.set("events of "+w.chain.cfg.ID, doubt)
		}
	}()
	ours := append([]canon.Account{w.chain.anchorLog}, w.chain.vaults...)
	next := max(done-min(done, overlap), w.chain.cfg.FromBlock)
	for n := 0; next <= at.least; n++ {
		if n == maxRanges {
			return fmt.Errorf("events are read up to block %d, the final head is %d", next-1, at.least)
		}
		to := min(at.least, next+maxRange-1)
		got, err := w.chain.events.read(ctx, next, to, ours)
		if err != nil {
			return err
		}
		believed, invented, err := w.believe(ctx, got.events)
		doubt = errors.Join(doubt, invented, got.differ)
		if errors.Is(err, errBehind) {
			return nil
		}
		if err != nil {
			return err
		}
		// Whoever differs about a block that was read before does not take the scan back.
		next, done = got.next, max(done, got.next)
		if err := w.index.addEvents(ctx, w.chain.cfg.ID, believed, done); err != nil || got.differ != nil {
			return err
		}
	}
	return nil
}

// together returns an error when the final heads of endpoints have been far from each other
// for a while: one lags, which holds up the scan, or one invents blocks.
func (w *watch) together(at heads) error {
	if at.most-at.least <= overlap {
		w.apart = time.Time{}
		return nil
	}
	if w.apart.IsZero() {
		w.apart = w.now()
	}
	if w.now().Sub(w.apart) < aheadWithin {
		return nil
	}
	return fmt.Errorf("%s says that block %d is final, %s that block %d is: one lags or the other one invents blocks, and events are read up to the lesser",
		at.slow, at.least, at.fast, at.most)
}

// errBehind says that an event can be compared with the own log later.
var errBehind = errors.New("the own peer is behind")

// believe returns those of the events that the contracts confirm, and as an error of its
// own which an endpoint invented.
func (w *watch) believe(ctx context.Context, events []event) (believed []event, invented, err error) {
	for _, e := range events {
		ok, err := true, error(nil)
		switch {
		case e.Contract == w.chain.anchorLog && e.Number > w.log.Size():
			there, err := w.anchors(ctx, e.Number)
			if err != nil || there {
				return nil, invented, cmp.Or(err, errBehind)
			}
			ok, invented = false, errors.Join(invented, fmt.Errorf("an endpoint shows a checkpoint of size %d, which AnchorLog does not have", e.Number))
		case e.Contract == w.chain.anchorLog:
			err = w.holds(ctx, e)
		default:
			ok, err = w.reached(ctx, e)
		}
		if err != nil {
			return nil, invented, err
		}
		if ok {
			believed = append(believed, e)
		}
	}
	return believed, invented, nil
}

// holds compares an event with the own log. An event is one endpoint's word; what
// stops all sending is the contract's.
func (w *watch) holds(ctx context.Context, e event) error {
	own, err := w.log.Root(e.Number)
	if err != nil || own == e.Root {
		return err
	}
	answer, err := w.chain.driver.Call(ctx, w.chain.anchorLog.Address, contracts.PackRootAt(e.Number), send.Final)
	if err != nil {
		return err
	}
	root, err := contracts.UnpackWord(answer)
	if err != nil {
		return err
	}
	if root != e.Root {
		return fmt.Errorf("an endpoint shows root %x for size %d, AnchorLog holds %x", e.Root, e.Number, root)
	}
	return w.compare(ctx, e.Number, root)
}

// reached asks the vault whether it has the epoch that an event shows, when it is newer
// than all that are known: for an epoch that is believed to be active nothing is sent.
// One that a lagging node does not have yet is read again by the next looks.
func (w *watch) reached(ctx context.Context, e event) (bool, error) {
	newest, ok, err := w.index.newestEvent(ctx, e.Contract.String())
	if err != nil || ok && e.Number <= newest.Number {
		return err == nil, err
	}
	answer, err := w.chain.driver.Call(ctx, e.Contract.Address, contracts.PackEpochReached(e.Number), send.Final)
	if err != nil {
		return false, err
	}
	if ok = bytes.Equal(answer, contracts.True()); !ok {
		slog.Warn("an endpoint shows an epoch that the vault has not reached", "vault", e.Contract.String(), "epoch", e.Number)
	}
	return ok, nil
}

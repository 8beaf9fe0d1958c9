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
	if done > at.least {
		return w.unshown(ctx)
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
	return w.unshown(ctx)
}

// unshown raises an alarm when a contract has had something for a while whose event nobody
// shows, and has the blocks since its newest event read again: the endpoints left it out,
// or invented a final head and it came where it was not looked for.
func (w *watch) unshown(ctx context.Context) error {
	topic := "no event of " + w.chain.cfg.ID
	missing, after, err := w.missing(ctx)
	switch {
	case err != nil:
		return err
	case missing == nil:
		w.hidden = time.Time{}
		w.alarms.set(topic, nil)
		return nil
	case w.hidden.IsZero():
		w.hidden = w.now()
	}
	if w.now().Sub(w.hidden) < aheadWithin {
		return nil
	}
	w.hidden = w.now()
	w.alarms.set(topic, missing)
	return w.index.addEvents(ctx, w.chain.cfg.ID, nil, after)
}

// missing returns what a contract has that events do not show, as an error, and the block of
// that contract's newest event.
func (w *watch) missing(ctx context.Context) (missing error, after uint64, err error) {
	_, head := w.chain.seen() // at the last look: its event must have been read by now
	newest, _, err := w.index.newestEvent(ctx, w.chain.anchorLog.String())
	if err != nil {
		return nil, 0, err
	}
	if head.Size > newest.Number {
		return fmt.Errorf("AnchorLog has a checkpoint of size %d, and no endpoint shows its event: the blocks from %d on are read again", head.Size, newest.Block), newest.Block, nil
	}
	for _, vault := range w.chain.vaults {
		r, _, err := w.index.newestRoot(ctx, vault.String(), 1<<62)
		if err != nil {
			return nil, 0, err
		}
		active, _, err := w.index.newestEvent(ctx, vault.String())
		if err != nil {
			return nil, 0, err
		}
		if r.Epoch <= active.Number { // of a vault without any both are 0
			continue
		}
		answer, err := w.chain.driver.Call(ctx, vault.Address, contracts.PackEpochReached(r.Epoch), send.Final)
		if err != nil {
			return nil, 0, err
		}
		if bytes.Equal(answer, contracts.True()) {
			return fmt.Errorf("the vault %s has epoch %d, and no endpoint shows its event: the blocks from %d on are read again", vault, r.Epoch, active.Block), active.Block, nil
		}
	}
	return nil, 0, nil
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

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// publicChain is a chain with the contracts on it, and what was last seen there.
type publicChain struct {
	cfg       chainConfig
	driver    chainDriver
	events    chainEvents
	anchorLog canon.Account
	vaults    []canon.Account
	shut      []func()

	mu     sync.Mutex
	final  uint64 // number of the final head
	head   contracts.Checkpoint
	newest contracts.Newest // member set
	funds  *big.Int         // of the own account; nil before the first look
}

// chainDriver is a driver as the anchor's loops use it.
type chainDriver interface {
	send.Chain
	send.Reader
	// funds returns what the account that pays holds, in wei or sun.
	funds(ctx context.Context) (*big.Int, error)
}

// chainEvents reads the contracts' events in final blocks.
type chainEvents interface {
	final(ctx context.Context) (uint64, error)
	read(ctx context.Context, from, to uint64, of []canon.Account) ([]event, error)
}

// chainTimeout bounds one question to a node, which may take a connection and never
// answer. Nothing else bounds those of the loops.
const chainTimeout = 10 * time.Second

func newPublicChain(c chainConfig, key *signer.Key) *publicChain {
	d := &chain{cfg: c, key: key, timeout: chainTimeout}
	e := &eventReader{chain: c.ID, urls: c.RPC, timeout: chainTimeout}
	p := &publicChain{cfg: c, driver: d, events: e, shut: []func(){d.close, e.close}}
	p.parse()
	return p
}

// parse reads the accounts, which the configuration's check has looked at.
func (p *publicChain) parse() {
	p.anchorLog, _ = canon.ParseAccount(p.cfg.AnchorLog)
	for _, v := range p.cfg.Vaults {
		a, _ := canon.ParseAccount(v)
		p.vaults = append(p.vaults, a)
	}
}

func (p *publicChain) close() {
	for _, f := range p.shut {
		f()
	}
}

// anchored returns the newest checkpoint in AnchorLog at the final head.
func (p *publicChain) anchored(ctx context.Context) (contracts.Checkpoint, error) {
	answer, err := p.driver.Call(ctx, p.anchorLog.Address, contracts.PackHead(), send.Final)
	if err != nil {
		return contracts.Checkpoint{}, err
	}
	head, err := contracts.UnpackHead(answer)
	if err != nil {
		return head, fmt.Errorf("AnchorLog %s at the final head (is it the right address, and final?): %w", p.anchorLog, err)
	}
	return head, nil
}

// members returns the newest member set in AnchorLog at the final head.
func (p *publicChain) members(ctx context.Context) (contracts.Newest, error) {
	answer, err := p.driver.Call(ctx, p.anchorLog.Address, contracts.PackNewest(), send.Final)
	if err != nil {
		return contracts.Newest{}, err
	}
	return contracts.UnpackNewest(answer)
}

// set returns the newest member set as the last look at the chain showed it.
func (p *publicChain) set() contracts.Newest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.newest
}

// seen returns what the last look at the chain showed.
func (p *publicChain) seen() (final uint64, head contracts.Checkpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.final, p.head
}

// watch follows the contracts of one chain: it compares what is anchored with
// the own log, notes where events are, and reports reserves.
type watch struct {
	*anchor
	chain *publicChain
	ahead time.Time // since when the contract has what the own log does not reach; zero when it has not
}

// step looks at the chain once.
func (w *watch) step(ctx context.Context) error {
	return errors.Join(w.look(ctx), w.funds(ctx))
}

func (w *watch) look(ctx context.Context) error {
	final, err := w.chain.events.final(ctx)
	if err == nil {
		err = w.scan(ctx, final)
	}
	// Whatever is wrong with events, the contract is compared: that they are not served, or
	// never end, must not hide a fork.
	head, newest, unlike := w.contract(ctx)
	if err = errors.Join(err, unlike); err != nil {
		return err
	}
	w.chain.mu.Lock()
	w.chain.final, w.chain.head, w.chain.newest = final, head, newest
	w.chain.mu.Unlock()
	return errors.Join(w.reaches(head.Size), w.reserves(ctx))
}

// contract compares what AnchorLog has at the final head with the own log, and returns it.
func (w *watch) contract(ctx context.Context) (head contracts.Checkpoint, newest contracts.Newest, err error) {
	if head, err = w.chain.anchored(ctx); err != nil {
		return head, newest, err
	}
	if err = w.compare(ctx, head.Size, head.Root); err != nil {
		return head, newest, err
	}
	if newest, err = w.chain.members(ctx); err != nil {
		return head, newest, err
	}
	return head, newest, w.sameMembers(ctx, newest)
}

// pause is short while something is expected to show on the chain.
func (w *watch) pause() time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	expected, err := w.expected(ctx)
	if err != nil || expected {
		return time.Second
	}
	return 10 * time.Second
}

// expected reports whether a checkpoint or an epoch is on its way to the chain,
// by whichever member.
func (w *watch) expected(ctx context.Context) (bool, error) {
	_, head := w.chain.seen()
	if m := w.members(); m != nil && m.set().Version > w.chain.set().Version {
		return true, nil // a member set is brought there
	}
	post, ok, err := w.index.toPost(ctx)
	if err != nil || ok && post.Size > head.Size {
		return true, err
	}
	if !ok {
		return true, nil // the ledger has just begun
	}
	for _, vault := range w.chain.cfg.Vaults {
		r, ok, err := w.index.newestRoot(ctx, vault, 1<<62)
		if err != nil {
			return false, err
		}
		active, _, err := w.index.newestEvent(ctx, vault)
		if err != nil || ok && r.Epoch > active.Number {
			return true, err
		}
	}
	return false, nil
}

// overlap is how many blocks are read again with new ones: behind one URL there may
// be several nodes, and one that lags knows no events where another is final.
const overlap = 100

// maxRanges bounds how many ranges of blocks one look reads: the final head is an
// endpoint's word, and may be no block that there will ever be.
const maxRanges = 100

// scan reads the events of new final blocks. What was scanned moves on only
// together with the events.
func (w *watch) scan(ctx context.Context, final uint64) (err error) {
	next, err := w.index.scanned(ctx, w.chain.cfg.ID)
	if err != nil {
		return err
	}
	switch {
	case next-min(next, overlap) > final:
		// More than an endpoint that lags: one invented a final head, and nobody knows up to
		// where there was something to read. The newest event was read.
		if next, err = w.index.lastEvent(ctx, w.chain.cfg.ID, final); err != nil {
			return err
		}
		slog.Warn("the final head went back: events are read again", "chain", w.chain.cfg.ID, "final", final, "from", next)
	case next > final:
		return nil
	}
	next = max(next-min(next, overlap), w.chain.cfg.FromBlock)
	var invented error
	defer func() {
		if invented != nil || err == nil { // what was not read does not end the alarm
			w.alarms.set("events of "+w.chain.cfg.ID, invented)
		}
	}()
	ours := append([]canon.Account{w.chain.anchorLog}, w.chain.vaults...)
	for n := 0; next <= final; n++ {
		if n == maxRanges {
			return fmt.Errorf("events are read up to block %d, the final head is %d", next-1, final)
		}
		to := min(final, next+maxRange-1)
		events, err := w.chain.events.read(ctx, next, to, ours)
		if err != nil {
			return err
		}
		var believed []event
		for _, e := range events {
			ok, err := slices.Contains(ours, e.Contract), error(nil)
			switch {
			case e.Contract == w.chain.anchorLog && e.Number > w.log.Size():
				if there, err := w.anchors(ctx, e.Number); err != nil || there {
					return err // the own peer is behind: read again when it can be compared
				}
				ok, invented = false, errors.Join(invented, fmt.Errorf("an endpoint shows a checkpoint of size %d, which AnchorLog does not have", e.Number))
			case e.Contract == w.chain.anchorLog:
				err = w.holds(ctx, e)
			case ok:
				ok, err = w.reached(ctx, e)
			}
			if err != nil {
				return err
			}
			if ok {
				believed = append(believed, e)
			}
		}
		if err := w.index.addEvents(ctx, w.chain.cfg.ID, believed, to+1); err != nil {
			return err
		}
		next = to + 1
	}
	return nil
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

// compare stops all sending to the chain when the contract holds another root
// than the own peer's blocks give: somebody signed a fork.
func (w *watch) compare(ctx context.Context, size uint64, root [32]byte) error {
	if size == 0 || size > w.log.Size() {
		return nil // none yet, or the own peer is behind (reaches); the next look compares it
	}
	own, err := w.log.Root(size)
	if err != nil || own == root {
		return err
	}
	return w.halt(ctx, fmt.Sprintf("fork: AnchorLog holds root %x for size %d, the own peer's blocks give %x", root, size, own))
}

// sameMembers stops all sending to the chain when the contract is frozen, or has handed
// over to members that the own peer's blocks do not have: K members signed two histories.
// A set whose version the blocks do not have is an alarm alone, since the own peer may be
// behind.
func (w *watch) sameMembers(ctx context.Context, newest contracts.Newest) error {
	m := w.members()
	if newest.Frozen {
		return w.halt(ctx, "frozen: AnchorLog was shown two histories that its members signed; it takes nothing any more")
	}
	if m == nil {
		return nil
	}
	sets := m.sets
	if m.next != nil { // whoever has K signatures can be faster than the ledger
		sets = append(slices.Clone(sets), m.next)
	}
	if newest.Version > uint64(len(sets)) {
		return fmt.Errorf("AnchorLog has member set %d, the own peer's blocks have none after set %d: the peer is behind, or members handed over without the ledger",
			newest.Version, len(sets))
	}
	own := sets[newest.Version-1]
	if hash := own.Hash(); newest.Hash != hash || newest.From != own.From {
		return w.halt(ctx, fmt.Sprintf("fork: AnchorLog has member set %d, %x from size %d on, the own peer's blocks give %x from size %d on",
			newest.Version, newest.Hash, newest.From, hash, own.From))
	}
	return nil
}

// halt stops all sending to the chain, until a person has looked, and returns why.
func (w *watch) halt(ctx context.Context, why string) error {
	return errors.Join(errors.New(why), w.sender.Halt(ctx, w.chain.cfg.ID, why))
}

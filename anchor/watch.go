package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	newest contracts.Newest // member set; of version 0 before the first look
	agrees bool             // the last look found head and member set to be the own log's
	funds  *big.Int         // of the own account; nil before the first look
}

// chainDriver is a driver as the anchor's loops use it.
type chainDriver interface {
	send.Chain
	send.Reader
	// funds returns what the account that pays holds, in wei or sun.
	funds(ctx context.Context) (*big.Int, error)
	// silent names, as an error, endpoints that did not answer a moment ago where enough
	// others did.
	silent() error
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

// recall takes what was anchored when the index last read the chain's events for what is
// there, until the first look.
func (p *publicChain) recall(ctx context.Context, x *index) error {
	e, ok, err := x.newestEvent(ctx, p.anchorLog.String())
	if err != nil || !ok {
		return err
	}
	at, _, err := x.point(ctx, `WHERE size = ?`, int64(e.Number))
	if err != nil {
		return err
	}
	next, err := x.scanned(ctx, p.cfg.ID)
	p.final, p.head = next-min(next, 1), contracts.Checkpoint{Size: e.Number, Root: e.Root, Time: at.Time}
	return err
}

// inOrder returns the chains by their ids.
func (a *anchor) inOrder() (all []*publicChain) {
	for _, id := range slices.Sorted(maps.Keys(a.chains)) {
		all = append(all, a.chains[id])
	}
	return all
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

// agreed reports whether the last look found AnchorLog to be of the own log and open: for
// another one nothing is planned.
func (p *publicChain) agreed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.agrees
}

// watch follows the contracts of one chain: it compares what is anchored with
// the own log, notes where events are, and reports reserves.
type watch struct {
	*anchor
	chain *publicChain
	ahead time.Time // since when the contract has what the own log does not reach; zero when it has not
	apart time.Time // since when the endpoints' final heads are far from each other; zero when they are not
	// hidden is since when no endpoint shows an event that there is, or when the blocks were
	// last read again for it; zero when all are shown.
	hidden time.Time
}

// step looks at the chain once.
func (w *watch) step(ctx context.Context) error {
	return errors.Join(w.look(ctx), w.funds(ctx))
}

func (w *watch) look(ctx context.Context) error {
	err := w.scan(ctx)
	// Whatever is wrong with events, the contract is compared: that they are not served, or
	// never end, must not hide a fork.
	size, unlike := w.contract(ctx)
	w.alarms.set("endpoints of "+w.chain.cfg.ID, w.chain.driver.silent())
	if unlike != nil {
		return errors.Join(err, unlike)
	}
	return errors.Join(err, w.reaches(size), w.reserves(ctx))
}

// contract reads what AnchorLog has at the final head, compares it with the own log, and
// returns its size. What it has is shown, whatever the own log is.
func (w *watch) contract(ctx context.Context) (size uint64, err error) {
	head, err := w.chain.anchored(ctx)
	if err != nil {
		return 0, err
	}
	unlike := w.compare(ctx, head.Size, head.Root)
	w.chain.mu.Lock()
	w.chain.head, w.chain.agrees = head, w.chain.agrees && unlike == nil
	w.chain.mu.Unlock()
	newest, err := w.chain.members(ctx)
	if err != nil {
		return head.Size, errors.Join(unlike, err)
	}
	if unlike == nil { // what was seen first stays why the chain is halted
		unlike = w.sameMembers(ctx, newest)
	}
	w.chain.mu.Lock()
	w.chain.newest, w.chain.agrees = newest, unlike == nil
	w.chain.mu.Unlock()
	return head.Size, unlike
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

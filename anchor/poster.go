package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/payout"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// takeover is how long each member waits for the one before it to pay for a
// transaction that one of them has to send.
const takeover = 15 * time.Second

// patience is how long a head that is not final keeps us from going on from it,
// longer than chains take to make one final. Whoever anchors a little more before
// the last is final would otherwise keep everybody back for ever.
const patience = 20 * time.Minute

// poster takes checkpoints to public chains and puts receipts on the ledger. Its
// fields are memory only.
type poster struct {
	*anchor
	since    map[string]wanted    // what is to be sent
	receipts map[string]time.Time // when a receipt was last sent
	received map[string]uint64    // by chain: up to this size the ledger has all receipts
	logged   uint64               // size of the log at the start; under load the index is often behind the present one
}

// wanted is when something was first seen to be needed, and last.
type wanted struct{ first, last time.Time }

// unwanted is how long something is remembered that is not needed any more.
const unwanted = time.Hour

func newPoster(a *anchor) *poster {
	return &poster{anchor: a, since: map[string]wanted{}, receipts: map[string]time.Time{}, received: map[string]uint64{}, logged: a.log.Size()}
}

// step does whatever is due on public chains.
func (p *poster) step(ctx context.Context) error {
	open, err := p.sender.Unrecorded(ctx)
	if err != nil {
		return err
	}
	alarms, err := p.sender.Alarms(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range alarms {
		errs = append(errs, errors.New(a))
	}
	indexed, err := p.index.next(ctx)
	if err != nil {
		return err
	}
	// While the index is made anew it has events whose receipts it has yet to come to.
	if m := p.members(); m.member() && indexed >= p.logged {
		for _, id := range slices.Sorted(maps.Keys(p.chains)) {
			c := p.chains[id]
			errs = append(errs, p.rotate(ctx, m, c), p.post(ctx, m, c, open), p.receipt(ctx, m, c))
			for _, v := range c.cfg.Vaults {
				errs = append(errs, p.activate(ctx, m, c, v))
			}
		}
	}
	errs = append(errs, p.record(ctx, open))
	past := p.now().Add(-unwanted)
	maps.DeleteFunc(p.since, func(_ string, w wanted) bool { return w.last.Before(past) })
	maps.DeleteFunc(p.receipts, func(_ string, sent time.Time) bool { return sent.Before(past) })
	return errors.Join(errs...)
}

// due reports whether something was first seen to be needed a delay ago.
func (p *poster) due(what string, delay time.Duration) bool {
	w, ok := p.since[what]
	if w.last = p.now(); !ok {
		w.first = w.last
	}
	p.since[what] = w
	return !w.last.Before(w.first.Add(delay))
}

// anchorIntent names the intent to anchor a size with a proof from the contract's
// head: when that moves on, it is another intent.
func anchorIntent(chain string, size, head uint64) string {
	return fmt.Sprintf("anchor/%s/%d/%d", chain, size, head)
}

// payoutIntent names the intent to activate a payout root under a member set: each set
// signs it anew.
func payoutIntent(vault string, epoch uint64, attempt uint32, set uint64) string {
	return fmt.Sprintf("payout/%s/%d/%d/%d", vault, epoch, attempt, set)
}

// choose returns the checkpoint for a chain: the newest that another chain has and
// this one has not, since a bundle needs one checkpoint on all of them and somebody
// may be in front of us on one; else the newest that is to be anchored. A set whose
// successor waits is brought to its end first.
func (p *poster) choose(ctx context.Context, m *roster, c *publicChain, held uint64) (point, bool, error) {
	if _, next, ok := c.waiting(m); ok {
		if held >= next.From-1 {
			return point{}, false, nil // rotate comes
		}
		at, ok, err := p.index.point(ctx, `WHERE size = ?`, int64(next.From-1))
		if err == nil && !ok { // a set begins right above a checkpoint
			err = fmt.Errorf("chain %s waits for member set %d, and no checkpoint of size %d is known", c.cfg.ID, next.Version, next.From-1)
		}
		return at, ok, err
	}
	newest := held
	for _, other := range p.chains {
		e, ok, err := p.index.newestEvent(ctx, other.cfg.AnchorLog)
		if err != nil {
			return point{}, false, err
		}
		if ok && other != c {
			newest = max(newest, e.Number)
		}
	}
	if newest > held {
		at, ok, err := p.index.point(ctx, `WHERE size = ?`, int64(newest))
		if err != nil || ok {
			return at, ok, err
		}
	}
	return p.index.toPost(ctx)
}

// sizesOf returns what an anchorIntent anchors and the head that it is made for.
func sizesOf(id string) (size, base uint64) {
	parts := strings.Split(id, "/") // we made it
	size, _ = strconv.ParseUint(parts[len(parts)-2], 10, 64)
	base, _ = strconv.ParseUint(parts[len(parts)-1], 10, 64)
	return size, base
}

// post plans the newest checkpoint that is to be anchored, unless it is there or
// an earlier one is still on its way. Its calldata proves growth from the contract's
// head; if another's checkpoint comes first, the sender gives the intent up once that
// is final (Intent.Late), and what is still to be anchored is planned for the new
// head. The contract takes a size once, so none of this can anchor anything twice.
func (p *poster) post(ctx context.Context, m *roster, c *publicChain, open []send.Status) error {
	_, head := c.seen()
	at, ok, err := p.choose(ctx, m, c, head.Size)
	if err != nil || !ok || !c.agreed() {
		return err
	}
	if head.Size >= at.Size {
		delete(p.since, crowded(c))
		return nil
	}
	set := m.sets.At(at.Size)
	loose := false // an intent goes on from a head that was not final
	for _, st := range open {
		if st.Chain != c.cfg.ID || !strings.HasPrefix(st.ID, "anchor/") || st.Phase.Done() || st.Phase == send.PhaseStopped {
			continue
		}
		switch size, base := sizesOf(st.ID); {
		case size <= head.Size: // it is there, and the sender makes sure of it
		case base <= head.Size:
			return nil
		default:
			loose = true
		}
	}
	base, ok, err := p.base(ctx, c, head, at.Size)
	if err != nil || !ok || loose && base != head {
		return err
	}
	// A loose intent that is still here has lost its head: that is final, and below it.
	id := anchorIntent(c.cfg.ID, at.Size, base.Size)
	if !p.due(id, m.rank(at.Number)*takeover) {
		return nil
	}
	if _, err := p.sender.Status(ctx, id); !errors.Is(err, send.ErrUnknown) {
		return err // planned already; which signatures it carries must not change
	}
	return p.plan(ctx, c, id, set, base, at)
}

// plan plans the intent to anchor a checkpoint on top of a head.
func (p *poster) plan(ctx context.Context, c *publicChain, id string, set *log.Set, head contracts.Checkpoint, at point) error {
	cosignatures, err := p.cosignatures(ctx, set, at)
	if err != nil {
		return err
	}
	by := map[string][65]byte{}
	for _, s := range cosignatures {
		by[s.MSP] = s.Secp256k1
	}
	signed := log.Checkpoint{Network: p.cfg.Network, LogID: p.policy.LogID(), Size: at.Size, Root: at.Root, Time: at.Time}
	signatures, err := collect(set, set.Digest(signed), by)
	if err != nil {
		return fmt.Errorf("anchor size %d: %w", at.Size, err)
	}
	growth, err := p.growth(head, at)
	if err != nil {
		return fmt.Errorf("anchor size %d: %w", at.Size, err)
	}
	checkpoint := contracts.Checkpoint{Size: at.Size, Root: at.Root, Time: at.Time}
	return p.sender.Plan(ctx, c.cfg.ID, send.Intent{
		ID: id, To: c.anchorLog.Address,
		Data:  contracts.PackSubmit(checkpoint, growth, signatures),
		Check: contracts.PackSizeReached(at.Size), Want: contracts.True(),
		Late: contracts.PackSizeReached(head.Size + 1),
	})
}

// base returns the head to go on from: the final one when it is the newest too. A
// newer one is waited for, since a block that is dropped takes the use of our calldata
// with it, but not longer than patience, and not at all when it has what we want.
func (p *poster) base(ctx context.Context, c *publicChain, final contracts.Checkpoint, want uint64) (contracts.Checkpoint, bool, error) {
	answer, err := c.driver.Call(ctx, c.anchorLog.Address, contracts.PackHead(), send.Latest)
	if err != nil {
		return contracts.Checkpoint{}, false, err
	}
	head, err := contracts.UnpackHead(answer)
	switch {
	case err != nil:
		return head, false, err
	case head == final:
		delete(p.since, crowded(c))
		return head, true, nil
	}
	return head, head.Size > final.Size && head.Size < want && p.due(crowded(c), patience), nil
}

// crowded names the wait for a head that is not final.
func crowded(c *publicChain) string { return "crowded/" + c.cfg.ID }

// growth returns the proof that a checkpoint extends the contract's head, none for
// the first one. A proof that the contract would refuse is an error: it is not paid
// for.
func (p *poster) growth(head contracts.Checkpoint, at point) ([][32]byte, error) {
	if head.Size == 0 {
		return nil, nil
	}
	proof, err := p.log.ProveGrowth(at.Size, head.Size)
	if err != nil {
		return nil, err
	}
	return proof, log.CheckGrowth(head.Size, head.Root, at.Size, at.Root, proof)
}

// collect brings K signatures of a set's members over a digest into the form that
// contracts want. It leaves out what the contract would refuse, whoever put it on the
// ledger: what is planned once keeps its signatures.
func collect(of *log.Set, digest [32]byte, by map[string][65]byte) (contracts.Signatures, error) {
	set, msps := onContracts(of)
	s := contracts.Signatures{Set: set, Signers: new(big.Int)}
	count := uint64(0)
	for i, msp := range msps {
		if count == of.K { // more would only cost
			break
		}
		sig := by[msp]
		if signer, err := canon.Recover(digest, sig[:]); err != nil || signer != set.Members[i] {
			continue
		}
		s.Signers.SetBit(s.Signers, i, 1)
		s.Bytes = append(s.Bytes, sig[:]...)
		count++
	}
	if count < of.K {
		return s, fmt.Errorf("%d good signatures of member set %d, want %d", count, of.Version, of.K)
	}
	return s, nil
}

// record closes the intents that are final: the change is there for good, and
// the chain's events say where.
func (p *poster) record(ctx context.Context, open []send.Status) error {
	var errs []error
	for _, st := range open {
		if st.Phase != send.PhaseFinal {
			continue
		}
		if try, ours := st.Landed(); ours {
			slog.Info("final", "intent", st.ID, "tx", hex.EncodeToString(try.ID), "block", try.Outcome.Block,
				"cost", try.Outcome.Cost, "bandwidth", try.Outcome.Bandwidth, "fee", try.Outcome.Fee)
		} else {
			slog.Info("final, by another member", "intent", st.ID)
		}
		errs = append(errs, p.sender.Record(ctx, st.ID))
	}
	return errors.Join(errs...)
}

// receipt tells the ledger which checkpoints are final on a chain, each once for
// all members: the one whose transaction it was does so at once, the others if it
// does not.
func (p *poster) receipt(ctx context.Context, m *roster, c *publicChain) error {
	events, err := p.index.eventsAfter(ctx, c.cfg.AnchorLog, p.received[c.cfg.ID])
	if err != nil {
		return err
	}
	complete := true // up to here
	for _, e := range events {
		had, err := p.index.states(ctx, fmt.Sprintf("anchored/%s/%016x/", c.cfg.ID, e.Number))
		if err != nil {
			return err
		}
		if complete = complete && len(had) > 0; complete {
			p.received[c.cfg.ID] = e.Number
		}
		if len(had) > 0 {
			continue
		}
		if err := p.receiptOf(ctx, m, c, e); err != nil {
			return err
		}
	}
	return nil
}

func (p *poster) receiptOf(ctx context.Context, m *roster, c *publicChain, e event) error {
	id := fmt.Sprintf("receipt/%s/%d", c.cfg.ID, e.Number)
	delay := (1 + m.rank(e.Number)) * takeover
	ours, err := p.sender.Ours(ctx, e.Tx[:])
	if err != nil {
		return err
	}
	if ours {
		delay = 0
	}
	if !p.due(id, delay) {
		return nil
	}
	if p.now().Sub(p.receipts[id]) < again {
		return nil
	}
	p.receipts[id] = p.now()
	return p.submit(ctx, "checkpoint:Receipt", struct {
		Chain     string `json:"chain"`
		Size      uint64 `json:"size"`
		Tx        string `json:"tx"`
		Block     uint64 `json:"block"`
		BlockHash string `json:"blockHash"`
	}{c.cfg.ID, e.Number, canon.Hex(e.Tx[:]), e.Block, canon.Hex(e.BlockHash[:])})
}

// activate plans the newest payout root of a vault that K members of the set in force
// have signed, unless the vault has it. The vault takes signatures of the chain's newest
// set alone: an intent of a set before is given up once a newer one is final there.
func (p *poster) activate(ctx context.Context, m *roster, c *publicChain, vault string) error {
	r, ok, err := p.index.newestRoot(ctx, vault, 1<<62)
	if err != nil || !ok {
		return err
	}
	if active, ok, err := p.index.newestEvent(ctx, vault); err != nil || ok && active.Number >= r.Epoch {
		return err
	}
	set := m.set()
	if c.set().Version != set.Version || !c.agreed() {
		return nil
	}
	signatures, err := p.payoutSignatures(ctx, vault, r, set)
	if err != nil || len(signatures) < m.k() {
		return err
	}
	id := payoutIntent(vault, r.Epoch, r.Attempt, set.Version)
	if !p.due(id, m.rank(r.Epoch)*takeover) {
		return nil
	}
	if _, err := p.sender.Status(ctx, id); !errors.Is(err, send.ErrUnknown) {
		return err
	}
	digest, err := payout.Digest(payout.Vault{ID: vault, LogID: p.policy.LogID()}, set.Version, set.Hash(), r.Root)
	if err != nil {
		return err
	}
	s, err := collect(set, digest, signatures)
	if err != nil {
		return fmt.Errorf("vault %s: epoch %d: %w", vault, r.Epoch, err)
	}
	account, err := canon.ParseAccount(vault)
	if err != nil {
		return err
	}
	epoch := contracts.Epoch{Number: r.Epoch, Root: r.Root.Root, Total: r.Total.Big()}
	return p.sender.Plan(ctx, c.cfg.ID, send.Intent{
		ID: id, To: account.Address, Data: contracts.PackActivate(epoch, s),
		Check: contracts.PackEpochReached(r.Epoch), Want: contracts.True(),
		Late: contracts.PackLate(set.Version),
	})
}

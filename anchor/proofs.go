package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/payout"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// errNotYet is returned for what will be provable later.
var errNotYet = errors.New("not yet anchored")

// errNoClaim is returned for what no bundle can be about.
var errNoClaim = errors.New("no proof can be made of it")

// errNone is returned for what is not on the ledger.
var errNone = errors.New("not on the ledger")

// note returns the signed note of an accepted checkpoint.
func (a *anchor) note(ctx context.Context, p point) ([]byte, error) {
	m := a.members()
	if m == nil {
		return nil, errNone
	}
	set := m.sets.At(p.Size)
	cosignatures, err := a.cosignatures(ctx, set, p)
	if err != nil {
		return nil, err
	}
	c := log.Checkpoint{Network: a.cfg.Network, LogID: a.policy.LogID(), Size: p.Size, Root: p.Root, Time: p.Time}
	return set.Note(c, cosignatures)
}

// cosignatures returns those of an accepted checkpoint. The index keeps them for
// checkpoints that go to the chains by themselves; others can take any there.
func (a *anchor) cosignatures(ctx context.Context, set *log.Set, p point) ([]log.Cosignature, error) {
	found, err := a.index.cosignatures(ctx, p)
	if err == nil && len(found) < int(set.K) {
		found, err = a.storedCosignatures(ctx, p)
	}
	return found, err
}

// storedCosignatures asks the own peer for the cosignatures of a checkpoint.
func (a *anchor) storedCosignatures(ctx context.Context, p point) ([]log.Cosignature, error) {
	arg, err := canon.Marshal(struct {
		Size uint64 `json:"size"`
		Root string `json:"root"`
		Time uint64 `json:"time"`
	}{p.Size, canon.Hex(p.Root[:]), p.Time})
	if err != nil {
		return nil, err
	}
	answer, err := a.ledger.Evaluate(ctx, a.cfg.Organisation, "checkpoint:Cosignatures", arg)
	if err != nil {
		return nil, fmt.Errorf("ask for cosignatures of size %d: %w", p.Size, err)
	}
	var found []struct {
		MSP       string `json:"msp"`
		Ed25519   []byte `json:"ed25519"`
		Secp256k1 []byte `json:"secp256k1"`
	}
	if err := json.Unmarshal(answer, &found); err != nil {
		return nil, fmt.Errorf("cosignatures of size %d: %w", p.Size, err)
	}
	var all []log.Cosignature
	for _, f := range found {
		s := log.Cosignature{MSP: f.MSP}
		if copy(s.Ed25519[:], f.Ed25519) == len(s.Ed25519) && copy(s.Secp256k1[:], f.Secp256k1) == len(s.Secp256k1) {
			all = append(all, s)
		}
	}
	return all, nil
}

// anchorsOf returns the smallest checkpoint that covers a block and is final on
// all chains, with where it is. With partial, one chain is enough.
func (a *anchor) anchorsOf(ctx context.Context, number uint64, partial bool) (point, []log.Anchor, error) {
	bySize := map[uint64][]log.Anchor{}
	var sizes []uint64
	for _, c := range a.chains {
		events, err := a.index.eventsAfter(ctx, c.cfg.AnchorLog, number)
		if err != nil {
			return point{}, nil, err
		}
		for _, e := range events {
			had, err := a.index.states(ctx, fmt.Sprintf("anchored/%s/%016x/", c.cfg.ID, e.Number))
			if err != nil {
				return point{}, nil, err
			}
			if len(had) == 0 {
				continue // no receipt on the ledger yet
			}
			if len(bySize[e.Number]) == 0 {
				sizes = append(sizes, e.Number)
			}
			bySize[e.Number] = append(bySize[e.Number], log.Anchor{Contract: e.Contract, Size: e.Number, Landing: e.Landing})
		}
	}
	slices.Sort(sizes)
	for _, size := range sizes {
		anchors := bySize[size]
		if len(anchors) < len(a.chains) && !partial {
			continue
		}
		p, ok, err := a.index.point(ctx, `WHERE size = ?`, int64(size))
		if err != nil {
			return point{}, nil, err
		}
		// The root was compared with the own log when the event was read.
		if ok {
			return p, anchors, nil
		}
	}
	return point{}, nil, errNotYet
}

// bundle returns the proof of what is at a place.
func (a *anchor) bundle(ctx context.Context, at place, partial bool, proof *log.PayoutProof) ([]byte, error) {
	e, err := a.evidence(ctx, at.block, partial)
	if err != nil {
		return nil, err
	}
	b, err := a.past(ctx, at.block)
	if err != nil {
		return nil, err
	}
	e.Payout = proof
	built, err := a.log.Build(b, at.tx, at.n, e)
	if err != nil {
		return nil, err
	}
	if _, err := built.Claim(); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoClaim, err)
	}
	return built.Marshal()
}

// evidence returns the checkpoint that covers a block, with who signed it and where it is.
func (a *anchor) evidence(ctx context.Context, block uint64, partial bool) (e log.Evidence, err error) {
	p, anchors, err := a.anchorsOf(ctx, block, partial)
	if err != nil {
		return e, err
	}
	note, err := a.note(ctx, p)
	if err != nil {
		return e, err
	}
	m := a.members()
	version := m.sets.At(p.Size).Version
	return log.Evidence{SetVersion: version, Rotations: m.rotations[:version-1], Note: note, Anchors: anchors}, nil
}

// find returns where the newest write of a key is, or a transaction, or with
// both the transaction's write of the key. When the newest write is not anchored
// yet, an older one would prove what is no longer so.
func (a *anchor) find(ctx context.Context, key string, tx []byte) (place, error) {
	size, err := a.size(ctx)
	if err != nil {
		return place{}, err
	}
	var at place
	ok := true
	if tx != nil {
		at, ok, err = a.index.findTx(ctx, tx)
	}
	switch {
	case err != nil || !ok:
	case key != "" && tx != nil:
		at, ok, err = a.index.findWriteAt(ctx, key, at)
	case key != "":
		at, ok, err = a.index.findWrite(ctx, key, size)
	}
	if err == nil && !ok {
		err = errNone
	}
	return at, err
}

// claimable is what a payee can claim now.
type claimable struct {
	Vault  payout.Vault
	Root   root
	Claim  payout.Claim
	Active event
}

// claim returns the payee's claim under the newest epoch that is active in a
// vault of its chain at the final head, or errNone.
func (a *anchor) claim(ctx context.Context, payee canon.Account) ([]claimable, error) {
	network, ok, err := a.index.state(ctx, "network")
	if err != nil || !ok {
		return nil, errors.Join(err, errNone)
	}
	vaults, err := a.vaults(network)
	if err != nil {
		return nil, err
	}
	var all []claimable
	for _, v := range vaults {
		account, err := canon.ParseAccount(v.ID)
		if err != nil || account.Chain != payee.Chain {
			continue
		}
		active, ok, err := a.index.newestEvent(ctx, v.ID)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		r, ok, err := a.index.newestRoot(ctx, v.ID, active.Number)
		if err != nil || !ok || r.Epoch != active.Number || r.Root.Root != active.Root {
			return nil, errors.Join(err, fmt.Errorf("vault %s: the active epoch %d is not the ledger's", v.ID, active.Number))
		}
		tree, err := a.trees.of(ctx, a, v, r)
		if err != nil {
			return nil, err
		}
		c, err := tree.Claim(payee.Address)
		if errors.Is(err, payout.ErrNoLeaf) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, claimable{v, r, c, active})
	}
	if len(all) == 0 {
		return nil, errNone
	}
	return all, nil
}

// trees keeps the tree that claims are made from for each vault: with many payees
// it takes a second to build.
type trees struct {
	mu sync.Mutex
	by map[string]cachedTree
}

type cachedTree struct {
	root payout.Root
	tree *payout.Tree
}

func (t *trees) of(ctx context.Context, a *anchor, v payout.Vault, r root) (*payout.Tree, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if had, ok := t.by[v.ID]; ok && had.root == r.Root {
		return had.tree, nil
	}
	tree, err := a.tree(ctx, v, r)
	if err != nil {
		return nil, err
	}
	if err := tree.Matches(r.Root); err != nil {
		return nil, err
	}
	if t.by == nil {
		t.by = map[string]cachedTree{}
	}
	t.by[v.ID] = cachedTree{r.Root, tree}
	return tree, nil
}

// payoutBundle proves a claim down from the public chain.
func (a *anchor) payoutBundle(ctx context.Context, payee canon.Account, c claimable, partial bool) ([]byte, error) {
	at, proof, err := a.payoutProof(ctx, payee, c)
	if err != nil {
		return nil, err
	}
	return a.bundle(ctx, at, partial, proof)
}

// payoutProof returns where the root of a claim was written, and the payee's way to it.
func (a *anchor) payoutProof(ctx context.Context, payee canon.Account, c claimable) (place, *log.PayoutProof, error) {
	key := fmt.Sprintf("epoch/%s/%016x/%08x", c.Vault.ID, c.Root.Epoch, c.Root.Attempt)
	at, ok, err := a.index.findWrite(ctx, key, 1<<62)
	if err != nil || !ok {
		return at, nil, errors.Join(err, errNone)
	}
	var left []bool
	var sums [][16]byte
	var hashes [][32]byte
	for i, levels := 0, c.Claim.Levels; len(levels) > 0; i, levels = i+1, levels[contracts.LevelSize:] {
		left = append(left, c.Claim.Sides.Bit(i) == 1)
		sums = append(sums, [16]byte(levels))
		hashes = append(hashes, [32]byte(levels[16:contracts.LevelSize]))
	}
	proof, err := log.ProvePayee(payee, uint64(c.Claim.Cumulative), left, sums, hashes, c.Active.Landing)
	return at, proof, err
}

// calldata returns what the payee, or anyone, sends to the vault.
func (c claimable) calldata() []byte {
	return contracts.PackClaim(contracts.Claim{
		Payee: c.Claim.Payee, Cumulative: big.NewInt(int64(c.Claim.Cumulative)), Sides: c.Claim.Sides, Levels: c.Claim.Levels,
	})
}

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/payout"
)

// foldTurn is how long each member waits for the one before it to fold a page.
const foldTurn = 5 * time.Second

// epochs cuts and folds epochs when they are due, and signs the roots of payouts
// that it recomputed. Its fields are memory only.
type epochs struct {
	*anchor
	dueSince time.Time // when the current epoch was first seen to be due
	due      uint64    // its number
	folding  string    // fold state when it last moved
	foldedAt time.Time // when that was
	cut      error     // of the last attempt to cut it
	emission attempt   // the last one to take the emission programme on; before it, when that was first due
	asked    map[string]attempt
}

// attempt is when a transaction was last sent, and what came of it: its alarm lasts
// while the next one is waited for.
type attempt struct {
	at  time.Time
	err error
}

func newEpochs(a *anchor) *epochs { return &epochs{anchor: a, asked: map[string]attempt{}} }

// step does whatever is due for epochs.
func (e *epochs) step(ctx context.Context) error {
	m := e.members()
	if !m.member() {
		return nil
	}
	value, ok, err := e.index.state(ctx, "network")
	if err != nil || !ok {
		return err
	}
	err = e.cutAndFold(ctx, m)
	if m.keys == nil {
		return err // what that means, the checkpoints' alarm says
	}
	return errors.Join(err, e.sign(ctx, m, value))
}

// epochView is what an anchor reads of the answer of reward:Epoch.
type epochView struct {
	Number uint64 `json:"number"`
	Due    bool   `json:"due"`
	Fold   struct {
		Epoch   uint64 `json:"epoch"`
		Stage   string `json:"stage"`
		Waiting bool   `json:"waiting"`
	} `json:"fold"`
	Emission bool `json:"emission"`
}

func (e *epochs) cutAndFold(ctx context.Context, m *roster) error {
	answer, err := e.ledger.Evaluate(ctx, e.cfg.Organisation, "reward:Epoch")
	if err != nil {
		return fmt.Errorf("ask for the epoch: %w", err)
	}
	var v epochView
	if err := json.Unmarshal(answer, &v); err != nil {
		return fmt.Errorf("read the epoch: %w", err)
	}
	now := e.now()
	emitted := e.emit(ctx, m.rank(v.Number), v.Emission)
	return errors.Join(emitted, e.cutOrFold(ctx, m, &v, now))
}

// emit takes the emission programme a step on when one is due.
func (e *epochs) emit(ctx context.Context, rank time.Duration, due bool) error {
	now := e.now()
	switch {
	case !due:
		e.emission = attempt{}
		return nil
	case e.emission.at.IsZero():
		e.emission.at = now.Add(rank * turn)
	}
	if !now.Before(e.emission.at) {
		e.emission = attempt{now.Add(again), e.submit(ctx, "reward:Emit", nil)}
	}
	return e.emission.err
}

func (e *epochs) cutOrFold(ctx context.Context, m *roster, v *epochView, now time.Time) error {
	if v.Due {
		if e.due != v.Number {
			e.due, e.dueSince, e.cut = v.Number, now, nil
		}
		if !now.Before(e.dueSince.Add(m.rank(v.Number) * turn)) {
			e.dueSince = now.Add(again) // if it has no effect, again after a while
			e.cut = e.submit(ctx, "reward:Cut", nil)
		}
		return e.cut
	}
	if !v.Fold.Waiting {
		return nil
	}
	// Pages are small and fold state shows each of them, so that whoever folds is
	// left alone as long as it gets on.
	state, _, err := e.index.state(ctx, "fold/state")
	if err != nil {
		return err
	}
	if at := fmt.Sprintf("%d %s", v.Fold.Epoch, state); at != e.folding {
		e.folding, e.foldedAt = at, now
	}
	if now.Before(e.foldedAt.Add(m.rank(v.Fold.Epoch) * foldTurn)) {
		return nil
	}
	return e.fold(ctx)
}

// fold folds page after page until the epoch is done.
func (e *epochs) fold(ctx context.Context) error {
	for {
		answer, err := e.execute(ctx, "reward:Fold", nil)
		if overtaken(err) {
			return nil // somebody else folds, or has ended it
		}
		if err != nil {
			return err
		}
		var page struct {
			Done bool `json:"done"`
		}
		if err := json.Unmarshal(answer, &page); err != nil {
			return fmt.Errorf("answer of reward:Fold: %w", err)
		}
		if page.Done {
			return nil
		}
	}
}

// sign signs the newest root of each vault after recomputing it from the own
// peer's blocks.
func (e *epochs) sign(ctx context.Context, m *roster, network []byte) error {
	vaults, err := e.vaults(network)
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range vaults {
		errs = append(errs, e.signVault(ctx, m, v))
	}
	return errors.Join(errs...)
}

// vaults returns the ledger's vaults.
func (a *anchor) vaults(network []byte) ([]payout.Vault, error) {
	var n struct {
		Vaults []struct {
			ID    string `json:"id"`
			Token string `json:"token"`
		} `json:"vaults"`
	}
	if err := json.Unmarshal(network, &n); err != nil {
		return nil, fmt.Errorf("network on the ledger: %w", err)
	}
	var all []payout.Vault
	for _, v := range n.Vaults {
		all = append(all, payout.Vault{ID: v.ID, Token: v.Token, LogID: a.policy.LogID()})
	}
	return all, nil
}

// payoutSignaturePrefix begins the keys of the signatures that members of a set have
// given for a root. Each set signs anew.
func payoutSignaturePrefix(vault string, r root, set *log.Set) string {
	return fmt.Sprintf("payoutsig/%s/%016x/%08x/%016x/", vault, r.Epoch, r.Attempt, set.Version)
}

func (e *epochs) signVault(ctx context.Context, m *roster, v payout.Vault) error {
	r, ok, err := e.index.newestRoot(ctx, v.ID, 1<<62)
	if err != nil || !ok {
		return err
	}
	key := payoutSignaturePrefix(v.ID, r, m.set()) + e.cfg.Organisation
	if _, done, err := e.index.state(ctx, key); err != nil || done {
		return err
	}
	if last := e.asked[key]; e.now().Sub(last.at) < again {
		return last.err
	}
	if address, fell, err := e.index.shrunk(ctx, v.ID); err != nil {
		return err
	} else if fell {
		return fmt.Errorf("vault %s: the total of %x has fallen", v.ID, address)
	}
	tree, err := e.tree(ctx, v, r)
	if err != nil {
		return fmt.Errorf("vault %s: %w", v.ID, err)
	}
	if err := tree.Matches(r.Root); err != nil {
		return fmt.Errorf("vault %s: %w", v.ID, err)
	}
	digest, err := payout.Digest(v, m.set().Version, m.set().Hash(), r.Root)
	if err != nil {
		return err
	}
	// On disk before it leaves: a payout that shrinks must not be signed even if
	// the ledger's history is replaced.
	if err := e.signed.payout(v.ID, r.Root); err != nil {
		return fmt.Errorf("vault %s: %w", v.ID, err)
	}
	signature, err := m.keys.attest.Sign(ctx, digest)
	e.alarms.set(signerTopic, err)
	if err != nil {
		e.asked[key] = attempt{e.now(), err}
		return err
	}
	err = e.submit(ctx, "reward:Sign", struct {
		Vault     string `json:"vault"`
		Epoch     uint64 `json:"epoch"`
		Attempt   uint32 `json:"attempt"`
		Signature string `json:"signature"`
	}{v.ID, r.Epoch, r.Attempt, base64.StdEncoding.EncodeToString(signature[:])})
	e.asked[key] = attempt{e.now(), err}
	return err
}

// tree recomputes the tree of a root from the totals in the own peer's blocks.
func (a *anchor) tree(ctx context.Context, v payout.Vault, r root) (*payout.Tree, error) {
	payees, err := a.index.payees(ctx, v.ID, r.at)
	if err != nil {
		return nil, err
	}
	return payout.Build(v, payees)
}

// payoutSignatures returns the signatures of a set's members over a root, by
// organisation.
func (p *poster) payoutSignatures(ctx context.Context, vault string, r root, set *log.Set) (map[string][65]byte, error) {
	stored, err := p.index.states(ctx, payoutSignaturePrefix(vault, r, set))
	if err != nil {
		return nil, err
	}
	by := map[string][65]byte{}
	for msp, text := range stored {
		raw, err := base64.StdEncoding.DecodeString(string(text))
		if err != nil || len(raw) != 65 {
			return nil, fmt.Errorf("payout signature of %s on the ledger: not base64 of 65 bytes", msp)
		}
		by[msp] = [65]byte(raw)
	}
	return by, nil
}

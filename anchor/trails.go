package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/trail"
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	state "github.com/killick-ledger/killick/chaincode/ledger"
)

// Newest implements trail.Source.
func (a *anchor) Newest(ctx context.Context, key string, before uint64) (trail.Place, bool, error) {
	size, err := a.size(ctx)
	if err != nil {
		return trail.Place{}, false, err
	}
	at, ok, err := a.index.findWrite(ctx, key, min(before, size))
	return trail.Place{Block: at.block, Tx: at.tx, Write: at.n}, ok, err
}

// Block implements trail.Source.
func (a *anchor) Block(ctx context.Context, number uint64) (*block.Block, error) {
	return a.past(ctx, number)
}

// trail returns all that leads to a job's settlement under one checkpoint. With a
// disclosure it begins at the payout of the account that this shows.
func (a *anchor) trail(ctx context.Context, job state.Reference, disclosure []byte, partial bool) ([]byte, error) {
	payee := ""
	var shown *did.Disclosure
	if disclosure != nil {
		var err error
		if shown, err = did.DecodeDisclosure(disclosure); err != nil {
			return nil, err
		}
		payee = shown.DID
	}
	plan, err := trail.Gather(ctx, a, job, payee)
	if errors.Is(err, trail.ErrNone) {
		err = errNone
	}
	if err != nil {
		return nil, err
	}
	var payout *trail.Payout
	last := plan.Last()
	if shown != nil {
		if payout, err = a.paid(ctx, plan, shown); err != nil {
			return nil, err
		}
		last = max(last, payout.Root.Block)
	}
	e, err := a.evidence(ctx, last, partial)
	if err != nil {
		return nil, err
	}
	made, err := plan.Build(ctx, a, a.log, e, payout)
	if err != nil {
		return nil, err
	}
	return made.Marshal()
}

// paid finds the newest active root in which the account that is shown has a leaf, in a
// vault of the settlement's asset, of the epoch of its lines or a later one.
func (a *anchor) paid(ctx context.Context, plan *trail.Plan, shown *did.Disclosure) (*trail.Payout, error) {
	disclosure, err := canon.Marshal(shown)
	if err != nil {
		return nil, err
	}
	account, err := canon.ParseAccount(shown.Identity)
	if err != nil {
		return nil, err
	}
	settled, err := a.past(ctx, plan.Places[0].Block)
	if err != nil {
		return nil, err
	}
	s, err := attest.DecodeSettlement(settled.Txs[plan.Places[0].Tx].Writes[plan.Places[0].Write].Value)
	if err != nil {
		return nil, err
	}
	claims, err := a.claim(ctx, account)
	if err != nil {
		return nil, err
	}
	for _, c := range claims {
		asset, err := a.assetOf(ctx, c.Vault.ID)
		if err != nil {
			return nil, err
		}
		if asset != s.Asset || c.Root.Epoch < s.Epoch {
			continue
		}
		at, proof, err := a.payoutProof(ctx, account, c)
		if err != nil {
			return nil, err
		}
		return &trail.Payout{Root: trail.Place{Block: at.block, Tx: at.tx, Write: at.n}, Proof: proof, Disclosure: disclosure}, nil
	}
	return nil, errNotYet
}

// assetOf is the ledger's name for what a vault pays; empty when the ledger has no such
// vault.
func (a *anchor) assetOf(ctx context.Context, vault string) (string, error) {
	network, _, err := a.index.state(ctx, "network")
	if err != nil {
		return "", err
	}
	var n struct {
		Vaults []struct {
			ID    string `json:"id"`
			Asset string `json:"asset"`
		} `json:"vaults"`
	}
	if err := json.Unmarshal(network, &n); err != nil {
		return "", fmt.Errorf("network on the ledger: %w", err)
	}
	for _, v := range n.Vaults {
		if v.ID == vault {
			return v.Asset, nil
		}
	}
	return "", nil
}

// serveTrail answers with the trail of a job: job, its reference; disclosure, base64url of
// one, for a trail that begins with a payout; partial=1 as for bundles.
func (a *anchor) serveTrail(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	ref, err := state.ParseReference(q.Get("job"))
	if err != nil {
		problem(w, fault.InvalidValue, "job must be the reference of a job")
		return
	}
	var disclosure []byte
	if text := q.Get("disclosure"); text != "" {
		if disclosure, err = canon.UnB64(text); err == nil {
			_, err = did.DecodeDisclosure(disclosure)
		}
		if err != nil {
			problem(w, fault.InvalidValue, "disclosure: "+fault.Text(err))
			return
		}
	}
	data, err := a.trail(r.Context(), ref, disclosure, q.Get("partial") == "1")
	if err != nil {
		a.fail(w, r, fmt.Sprintf("the trail of job %s", ref), err)
		return
	}
	text(w, data)
}

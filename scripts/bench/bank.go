package main

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
	"golang.org/x/sync/errgroup"
)

// bank is the accounts of one network, by signature algorithm.
type bank struct {
	network  string
	accounts map[string][]*account
	issuers  []*account
	schema   string        // reference of the schema of the issuers' credentials
	serial   atomic.Uint64 // sets operations apart that are otherwise equal
}

const (
	// issuers is how many issuers share the credentials of the mixed load.
	issuers = 200
	// funded is what each account has, lavish what an operation pays that is to be
	// refused for want of money.
	funded = 1_000_000_000_000_000
	lavish = 9_000_000_000_000_000_000
	// chunk is how many accounts are made in one transaction.
	chunk = 500
)

// openBank founds the ledger and makes the accounts for the algorithms.
func openBank(ctx context.Context, n *network, algorithms []string, accounts int) (*bank, error) {
	begun := time.Now()
	b := &bank{network: n.Network, accounts: map[string][]*account{}}
	var names []string
	for range issuers {
		a, err := newAccount(b.network, edDSA)
		if err != nil {
			return nil, err
		}
		b.issuers = append(b.issuers, a)
		names = append(names, a.did)
	}
	if err := n.found(ctx, names); err != nil {
		return nil, fmt.Errorf("found the ledger: %w", err)
	}
	if err := b.create(ctx, n, b.issuers); err != nil {
		return nil, err
	}
	digest := canon.Sum([]byte("schema"))
	item, ref, err := b.issuers[0].signed(&ops.CredentialSchema{Name: "bench", Digest: canon.Hex(digest[:])})
	if err != nil {
		return nil, err
	}
	if err := apply(ctx, n, []ops.Item{item}); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	b.schema = ref.String()
	for _, algorithm := range algorithms {
		if err := b.open(ctx, n, algorithm, accounts); err != nil {
			return nil, fmt.Errorf("accounts with %s: %w", algorithm, err)
		}
	}
	progress("ledger founded, %d accounts in %.0f s", len(algorithms)*accounts, time.Since(begun).Seconds())
	return b, nil
}

// open makes the accounts of one algorithm.
func (b *bank) open(ctx context.Context, n *network, algorithm string, accounts int) error {
	made := make([]*account, accounts)
	b.accounts[algorithm] = made
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for first := 0; first < accounts; first += chunk {
		g.Go(func() error {
			part := made[first:min(first+chunk, accounts)]
			for i := range part {
				var err error
				if part[i], err = newAccount(b.network, algorithm); err != nil {
					return err
				}
			}
			return b.create(ctx, n, part)
		})
	}
	return g.Wait()
}

// create makes the accounts' DIDs and funds them.
func (b *bank) create(ctx context.Context, n *network, accounts []*account) error {
	var items []ops.Item
	var lines []reward.Line
	for _, a := range accounts {
		items = append(items, a.create)
		lines = append(lines, reward.Line{To: a.did, Amount: funded})
	}
	if err := apply(ctx, n, items); err != nil {
		return fmt.Errorf("create accounts: %w", err)
	}
	id := canon.Sum([]byte(accounts[0].did))
	fund, err := canon.Marshal(reward.Fund{ID: canon.Hex(id[:]), Asset: asset, Lines: lines})
	if err != nil {
		return err
	}
	if _, err := n.client.Execute(ctx, "reward:Fund", fund); err != nil {
		return fmt.Errorf("fund accounts: %w", err)
	}
	return nil
}

// apply runs a batch of which every operation must take effect.
func apply(ctx context.Context, n *network, items []ops.Item) error {
	frame, err := ops.EncodeFrame(items)
	if err != nil {
		return err
	}
	receipt, err := n.client.Execute(ctx, "ops:Batch", frame)
	if err != nil {
		return err
	}
	for i, code := range receipt.Payload {
		if code != 0 {
			return fmt.Errorf("operation %d has the result %d", i, code)
		}
	}
	return nil
}

// parallel runs f for 0 to n-1 on all cores.
func parallel(n int, f func(i int) error) error {
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for i := range n {
		g.Go(func() error { return f(i) })
	}
	return g.Wait()
}

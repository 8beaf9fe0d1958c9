package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/anchor/tron"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/network/configuration"
)

// deployments is deployments.json. Accounts are CAIP-10 ids.
type deployments struct {
	Chains []deployed `json:"chains"`
}

// deployed is the contracts on one chain.
type deployed struct {
	ID        string   `json:"id"`
	AnchorLog string   `json:"anchor_log"`
	Token     string   `json:"token"`
	Vaults    []string `json:"vaults"`
}

func readDeployConfig(path string) (*deployConfig, error) {
	c := &deployConfig{Asset: "usd", Supply: 1_000_000_000_000_000}
	if err := configuration.Unchecked(path, c); err != nil {
		return nil, err
	}
	var errs []error
	if c.Sender == "" || c.Out == "" || c.Policy == "" || len(c.Chains) == 0 {
		errs = append(errs, errors.New("sender, out, policy and chains are needed"))
	}
	for i, ch := range c.Chains {
		errs = append(errs, ch.check(i)...)
	}
	errs = append(errs, membersPolicy(c.Network, c.LogID, c.K, c.Members).Check())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

// deploy puts a test token, an AnchorLog and a RewardVault that holds the
// token's whole supply on each chain, and writes where they are. Contracts that
// an earlier run wrote down and that are still there are kept.
func deploy(ctx context.Context, c *deployConfig) error {
	key, err := signer.Open(c.Sender)
	if err != nil {
		return err
	}
	had, err := readDeployments(c.Out)
	if err != nil {
		return err
	}
	now := deployments{Chains: make([]deployed, len(c.Chains))}
	var mu sync.Mutex
	done := had
	g, ctx := errgroup.WithContext(ctx)
	for i, ch := range c.Chains {
		g.Go(func() error {
			on, err := deployOn(ctx, c, ch, key, had)
			if err != nil {
				return fmt.Errorf("deploy on %s: %w", ch.ID, err)
			}
			now.Chains[i] = on
			mu.Lock()
			defer mu.Unlock()
			// At once: if another chain fails, this one is not deployed twice.
			done = deployments{Chains: []deployed{on}}.with(done)
			return writeJSON(c.Out, done)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := writeJSON(c.Out, now.with(had)); err != nil {
		return err
	}
	p := membersPolicy(c.Network, c.LogID, c.K, c.Members)
	for _, on := range now.Chains {
		pc := log.Chain{ID: on.ID, AnchorLog: on.AnchorLog}
		for _, v := range on.Vaults {
			pc.Vaults = append(pc.Vaults, log.Vault{ID: v, Token: on.Token, Asset: c.Asset})
		}
		p.Chains = append(p.Chains, pc)
	}
	if err := p.Check(); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	data, err := p.Marshal()
	if err != nil {
		return err
	}
	return writePublic(c.Policy, data)
}

// with adds what is known of chains that d does not name.
func (d deployments) with(had deployments) deployments {
	for _, h := range had.Chains {
		if _, ok := d.on(h.ID); !ok {
			d.Chains = append(d.Chains, h)
		}
	}
	return d
}

func (d deployments) on(chain string) (deployed, bool) {
	for _, c := range d.Chains {
		if c.ID == chain {
			return c, true
		}
	}
	return deployed{}, false
}

func deployOn(ctx context.Context, c *deployConfig, ch chainConfig, key *signer.Key, had deployments) (deployed, error) {
	logID, err := canon.UnHex32(c.LogID)
	if err != nil {
		return deployed{}, err
	}
	d, err := dial(ctx, ch, key)
	if err != nil {
		return deployed{}, err
	}
	defer d.Close()
	if on, ok := had.on(d.ID()); ok {
		there, err := onChain(ctx, d, on, logID)
		if err != nil {
			return deployed{}, err
		}
		if there {
			slog.Info("contracts are there", "chain", d.ID(), "anchorLog", on.AnchorLog)
			return on, nil
		}
		slog.Warn("the contracts written down are not on this chain; deploying anew", "chain", d.ID())
	}
	return deployAnew(ctx, c, d, logID)
}

func deployAnew(ctx context.Context, c *deployConfig, d driver, logID [32]byte) (deployed, error) {
	number, err := canon.ChainNumber(d.ID())
	if err != nil {
		return deployed{}, err
	}
	members, err := ascending(c.Members)
	if err != nil {
		return deployed{}, err
	}
	supply := new(big.Int).SetUint64(c.Supply)
	token, err := d.Deploy(ctx, contracts.NewTestToken(supply))
	if err != nil {
		return deployed{}, fmt.Errorf("token: %w", err)
	}
	founding := contracts.Set{Version: 1, K: uint(c.K), Members: members}
	anchorLog, err := d.Deploy(ctx, contracts.NewAnchorLog(logID, founding))
	if err != nil {
		return deployed{}, fmt.Errorf("anchor log: %w", err)
	}
	vault, err := d.Deploy(ctx, contracts.NewRewardVault(token, new(big.Int).SetUint64(number), anchorLog))
	if err != nil {
		return deployed{}, fmt.Errorf("vault: %w", err)
	}
	if _, err := d.Transact(ctx, token, contracts.PackTransfer(vault, supply)); err != nil {
		return deployed{}, fmt.Errorf("fund the vault: %w", err)
	}
	account := func(a send.Address) string { return canon.Account{Chain: d.ID(), Address: a}.String() }
	on := deployed{ID: d.ID(), AnchorLog: account(anchorLog), Token: account(token), Vaults: []string{account(vault)}}
	slog.Info("deployed", "chain", on.ID, "anchorLog", on.AnchorLog, "token", on.Token, "vault", on.Vaults[0])
	return on, nil
}

// onChain reports whether the contracts are there and answer for this log. A
// chain that does not answer is an error: it must not be taken for an empty one.
func onChain(ctx context.Context, d driver, on deployed, logID [32]byte) (bool, error) {
	for _, id := range append([]string{on.AnchorLog}, on.Vaults...) {
		a, err := canon.ParseAccount(id)
		if err != nil {
			return false, err
		}
		answer, err := d.Call(ctx, a.Address, contracts.PackLogID(), send.Latest)
		if errors.Is(err, tron.ErrFails) {
			return false, nil // how Tron answers where there is no contract
		}
		if err != nil {
			return false, err
		}
		if word, err := contracts.UnpackWord(answer); err != nil || word != logID {
			return false, nil //nolint:nilerr // an EVM answers with nothing where there is no contract
		}
	}
	return true, nil
}

func readDeployments(path string) (deployments, error) {
	var d deployments
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &d)
	}
	if err != nil {
		return d, fmt.Errorf("read deployments %s: %w", path, err)
	}
	return d, nil
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return writePublic(path, append(data, '\n'))
}

func writePublic(path string, data []byte) error {
	if err := replaceFile(path, data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Chmod(path, 0o644)
}

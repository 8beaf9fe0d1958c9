//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/evm"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	feekey "github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/anchor/tron"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/scripts/observe"
)

const (
	kills     = 12 // how often anchors are killed at least
	busyKills = 3  // of these fall on transactions that are under way, at least
	mostKills = 60
)

// payee is somebody who is paid out on a chain.
type payee struct {
	*person
	chain   log.Chain
	account canon.Account
	paid    uint64 // micro-units
}

// anchorsKilled kills the anchors' processes at random moments while payments arrive,
// checkpoints go to the chains and payouts are activated, one after the other and
// sometimes two at once, and starts them anew. Afterwards each checkpoint and each epoch
// is on each chain once, each payee gets exactly what was paid, and the anchors' journals
// say what the chains' blocks do.
func (n *network) anchorsKilled(t *testing.T) {
	payees := n.newPayees(t)
	payer := n.newPerson(t)
	n.create(t, payer)
	n.fund(t, payer, 1_000_000)
	begin := map[string]uint64{}
	for _, p := range payees {
		begin[p.chain.ID] = n.last(t, p.chain.ID)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var paying sync.WaitGroup
	paying.Go(func() {
		for round := 0; ctx.Err() == nil; round++ {
			p := payees[round%len(payees)]
			amount := 1 + round%7
			signed, _, err := payer.operation(payment(p.person, amount, fmt.Sprint("killed ", round)), "")
			if err == nil {
				err = again(t.Context(), "a payment", func(ctx context.Context) error {
					_, err := n.Client.Submit(ctx, signed.Compact())
					return err
				})
			}
			if err != nil {
				t.Error(err)
				return
			}
			p.paid += uint64(amount)
			pass(ctx, 100*time.Millisecond)
		}
	})
	defer paying.Wait()
	defer stop()

	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	orgs := n.Cluster.Orgs()
	busy, killed := 0, 0
	for ; killed < kills || busy < busyKills && killed < mostKills; killed++ {
		pass(ctx, time.Duration(random.IntN(3000))*time.Millisecond)
		first, count := random.IntN(len(orgs)), 1+random.IntN(4)/3
		under := false
		for i := range count {
			o := orgs[(first+i)%len(orgs)]
			under = len(n.underWay(t, (first+i)%len(orgs))) > 0 || under
			if err := n.Cluster.Kill(o.AnchorName()); err != nil {
				t.Fatal(err)
			}
		}
		if under {
			busy++
		}
		pass(ctx, time.Duration(random.IntN(1500))*time.Millisecond)
		if err := n.Cluster.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	paying.Wait()
	t.Logf("%d of %d kills fell on transactions that were under way", busy, killed)
	if busy < busyKills {
		t.Errorf("too few, want %d", busyKills)
	}
	for _, p := range payees {
		n.paidOnce(t, p)
	}
	until(t, 3*time.Minute, "one head on both chains", func() error {
		heads := n.anchored(t)
		if a, b := heads[payees[0].chain.ID], heads[payees[1].chain.ID]; a != b || a.Size == 0 {
			return fmt.Errorf("%+v and %+v", a, b)
		}
		return nil
	})
	s := span{from: begin, to: map[string]uint64{}}
	for _, p := range payees {
		s.to[p.chain.ID] = n.last(t, p.chain.ID)
	}
	for i := range orgs { // epochs go on, so something is always under way
		open := n.underWay(t, i)
		until(t, 3*time.Minute, "the end of what was under way", func() error {
			now := n.underWay(t, i)
			if left := slices.DeleteFunc(slices.Clone(open), func(id string) bool { return !slices.Contains(now, id) }); len(left) > 0 {
				return fmt.Errorf("anchor %d: %q", i, left)
			}
			if alarms := n.alarms(t, i); len(alarms) > 0 {
				return fmt.Errorf("anchor %d: %q", i, alarms)
			}
			return nil
		})
	}
	journals := n.journals(t)
	for _, p := range payees {
		n.happenedOnce(t, p.chain, s, journals)
	}
}

// span is blocks of each chain: those after from, up to to.
type span struct{ from, to map[string]uint64 }

// newPayees makes somebody with an account on each chain.
func (n *network) newPayees(t *testing.T) (all []*payee) {
	t.Helper()
	for _, chain := range n.policy(t).Chains {
		identity, _, err := client.Generate("EdDSA", true)
		if err != nil {
			t.Fatal(err)
		}
		p := &payee{person: &person{did: identity.DID(n.name)}, chain: chain}
		if p.account, err = identity.Account(chain.ID); err != nil {
			t.Fatal(err)
		}
		jws, err := identity.On(n.name).Create([]string{chain.ID}, chain.ID)
		if err == nil {
			_, err = n.Client.Submit(t.Context(), jws)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// underWay names an anchor's intents that are not at their end.
func (n *network) underWay(t *testing.T, org int) (ids []string) {
	t.Helper()
	var status struct{ Intents []struct{ ID, Phase string } }
	if err := observe.JSON(t.Context(), n.Cluster.AnchorURL(org)+"/status", &status); err != nil {
		t.Fatal(err)
	}
	for _, in := range status.Intents {
		if in.Phase != send.PhaseRecorded.String() && in.Phase != send.PhaseOvertaken.String() {
			ids = append(ids, in.ID)
		}
	}
	return ids
}

// paidOnce claims what a payee can claim, twice: once it is exactly what was paid.
func (n *network) paidOnce(t *testing.T, p *payee) {
	t.Helper()
	var payout *client.Payout
	until(t, 5*time.Minute, "the payout of all that was paid", func() error {
		all, err := n.Client.Payouts(t.Context(), p.account.String())
		if err != nil {
			return err
		}
		if len(all) != 1 || all[0].GetBundle() == "" || all[0].GetCumulative() != strconv.FormatUint(p.paid, 10) {
			return fmt.Errorf("want %d: %v", p.paid, all)
		}
		payout = all[0]
		return nil
	})
	if exit, out := n.verify(t, save(t, "payout.anchorproof", []byte(payout.GetBundle())), n.Cluster.Policy()); exit != 0 {
		t.Errorf("the payout's bundle: exit %d\n%s", exit, out)
	}
	vault, err := canon.ParseAccount(payout.GetVault())
	if err != nil {
		t.Fatal(err)
	}
	data, err := hex.DecodeString(payout.GetCalldata())
	if err != nil {
		t.Fatal(err)
	}
	if err := n.transact(t, p.chain.ID, vault, data); err != nil {
		t.Errorf("claim: %v", err)
	}
	if err := n.transact(t, p.chain.ID, vault, data); err == nil {
		t.Error("a second claim succeeds")
	}
	balance := new(big.Int).SetBytes(n.call(t, p.chain.Vaults[0].Token, contracts.PackBalanceOf(p.account.Address)))
	if !balance.IsUint64() || balance.Uint64() != p.paid {
		t.Errorf("%s got %s, was paid %d", p.account, balance, p.paid)
	}
	t.Logf("%s was paid %d micro-units", p.account, p.paid)
}

// transact sends a transaction by the account that belongs to no member.
func (n *network) transact(t *testing.T, chain string, to canon.Account, data []byte) error {
	t.Helper()
	key, err := feekey.Open(n.feeKey)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if e := n.Cluster.Tron(); isTron(chain) {
		c, err := tron.Dial(ctx, tron.Config{Chain: chain, GRPC: e.GRPC, Solidity: e.Solidity, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = c.Transact(ctx, to.Address, data)
		return err
	}
	c, err := evm.Dial(ctx, evm.Config{Chain: chain, URLs: n.Cluster.EVM().RPC, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Transact(ctx, to.Address, data)
	return err
}

// journals are those of all anchors, read while these are dead, by organisation.
func (n *network) journals(t *testing.T) map[string][]send.Status {
	t.Helper()
	orgs := n.Cluster.Orgs()
	dir := t.TempDir()
	for _, o := range orgs {
		if err := n.Cluster.Kill(o.AnchorName()); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range orgs {
		for _, suffix := range []string{"", "-wal"} {
			data, err := os.ReadFile(filepath.Join(n.Cluster.Dir, "data", o.AnchorName(), "send.db"+suffix))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, o.Name+suffix), data, 0o600)
			}
			if err != nil && !(suffix != "" && errors.Is(err, os.ErrNotExist)) {
				t.Fatal(err)
			}
		}
	}
	if err := n.Cluster.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := map[string][]send.Status{}
	for _, o := range orgs {
		s, err := send.Open(filepath.Join(dir, o.Name), nil, send.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if all[o.Name], err = s.Recent(t.Context(), 1<<30); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	return all
}

// happenedOnce compares a chain's blocks with the anchors' journals.
func (n *network) happenedOnce(t *testing.T, chain log.Chain, in span, journals map[string][]send.Status) {
	t.Helper()
	of := map[string]string{} // organisations by the account that pays
	for _, o := range n.Cluster.Orgs() {
		key, err := feekey.Open(n.key(o, "sender.key"))
		if err != nil {
			t.Fatal(err)
		}
		of[fmt.Sprintf("0x%x", key.Address())] = o.Name
	}
	after, last := in.from[chain.ID], in.to[chain.ID]
	landed := n.landed(t, chain.ID, after, last, of)
	known := map[string]string{} // organisations by transaction
	for org, all := range journals {
		for _, intent := range all {
			if intent.Chain != chain.ID {
				continue
			}
			worked := 0
			for _, try := range intent.Tries {
				id, o := hex.EncodeToString(try.ID), try.Outcome
				known[id] = org
				inBlock := o.State == send.StateMined || o.State == send.StateReverted
				if o.State == send.StateMined {
					worked++
				}
				l, there := landed[id]
				if !there && (!inBlock || o.Block <= after || o.Block > last) {
					continue
				}
				// That a transaction failed for good is believed after 30 seconds.
				if !there || l.ok != (o.State == send.StateMined) || l.block != o.Block || !bytes.Equal(l.hash, o.BlockHash) || l.ok && !o.Final {
					t.Errorf("%s: %s: the journal has %+v of %s, the chain %+v, %v", org, intent.ID, o, id, l, there)
				}
				if l.ok && intent.Phase != send.PhaseRecorded {
					t.Errorf("%s: %s is %s (%s)", org, intent.ID, intent.Phase, intent.Why)
				}
			}
			if worked > 1 || intent.Phase == send.PhaseStopped {
				t.Errorf("%s: %s is %s (%s) and was done %d times", org, intent.ID, intent.Phase, intent.Why, worked)
			}
		}
	}
	failed := 0
	for id, l := range landed {
		if known[id] != l.org {
			t.Errorf("transaction %s of %s in block %d is in the journal of %q", id, l.org, l.block, known[id])
		}
		if !l.ok {
			failed++
		}
	}
	checkpoints := n.ascending(t, chain.ID, chain.AnchorLog, contracts.AnchoredTopic, after)
	epochs := n.ascending(t, chain.ID, chain.Vaults[0].ID, contracts.ActivatedTopic, after)
	if checkpoints == 0 || epochs == 0 {
		t.Errorf("%s: %d checkpoints and %d epochs", chain.ID, checkpoints, epochs)
	}
	t.Logf("%s: %d checkpoints and %d epochs, by %d transactions, of which %d came too late", chain.ID, checkpoints, epochs, len(landed), failed)
}

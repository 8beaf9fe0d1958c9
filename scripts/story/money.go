package story

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// price of one record, in micro-units: 0.05 usd.
const price = 50_000

// pay has a treasury fund the partner, which then pays for each record that is
// not deleted: one operation for each.
func (w *World) pay(ctx context.Context) error {
	const funds = 1_000_000_000
	if err := w.fund(ctx, w.partner, funds); err != nil {
		return fmt.Errorf("fund the partner: %w", err)
	}
	var batch []string
	for i, r := range w.facts.records {
		if i == 1 {
			continue // deleted
		}
		jws, ref, err := w.on(w.partner).Operation(&ops.RewardPay{Asset: "usd", Lines: []reward.Line{{To: w.on(r.owner).DID(), Amount: price}}, For: r.ref}, "")
		if err != nil {
			return err
		}
		batch = append(batch, jws)
		w.facts.payment = ref
		w.facts.paid[r.owner] += price
	}
	if err := w.submitAll(ctx, batch); err != nil {
		return err
	}
	balance, err := w.Client.Balance(ctx, w.on(w.partner).DID(), "usd")
	if err != nil {
		return err
	}
	want := funds - price*uint64(len(batch))
	if balance.GetBalance() != strconv.FormatUint(want, 10) {
		return fmt.Errorf("the partner has %s micro-units left, want %d", balance.GetBalance(), want)
	}
	w.say("the partner had %s usd, paid %s to alice and %s to bob, has %s left", usd(funds), usd(w.facts.paid[w.alice]), usd(w.facts.paid[w.bob]), usd(want))
	return nil
}

// fund has the treasury put money into an account.
func (w *World) fund(ctx context.Context, who *client.Identity, amount uint64) error {
	treasury, err := fabric.Connect(w.Cluster.Client(0, topology.Admin))
	if err != nil {
		return err
	}
	defer treasury.Close()
	var id [32]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	argument, err := canon.Marshal(reward.Fund{ID: canon.Hex(id[:]), Asset: "usd", To: w.on(who).DID(), Amount: reward.Amount(amount)})
	if err != nil {
		return err
	}
	_, err = treasury.Execute(ctx, "reward:Fund", argument)
	return err
}

func usd(microUnits uint64) string {
	return fmt.Sprintf("%d.%06d", microUnits/1_000_000, microUnits%1_000_000)
}

// conflict submits two payments of one account that were endorsed on the same
// state: Fabric voids the second.
func (w *World) conflict(ctx context.Context) error {
	direct, err := fabric.Connect(w.Cluster.Client(0, topology.GatewayUser))
	if err != nil {
		return err
	}
	defer direct.Close()
	var pair [2]*fabric.Transaction
	for i := range pair {
		jws, _, err := w.on(w.partner).Operation(&ops.RewardPay{Asset: "usd", Lines: []reward.Line{{To: w.on(w.alice).DID(), Amount: reward.Amount(1 + i)}}}, "")
		if err != nil {
			return err
		}
		if pair[i], err = direct.Prepare("ops:Apply", []byte(jws)); err != nil {
			return err
		}
		if err := pair[i].Endorse(ctx); err != nil {
			return err
		}
	}
	w.facts.operations += 2
	if _, err := pair[0].Commit(ctx); err != nil {
		return fmt.Errorf("the first of the two: %w", err)
	}
	w.facts.paid[w.alice]++
	_, err = pair[1].Commit(ctx)
	var invalid *fabric.Invalid
	if !errors.As(err, &invalid) {
		return fmt.Errorf("the second of two conflicting transactions ended with %v, want it voided", err)
	}
	w.facts.voided = invalid.TxID
	w.say("transaction %s... is in block %d, marked invalid (code %d)", invalid.TxID[:16], invalid.Block, invalid.Code)
	return nil
}

// claimed is what `killick claim --json` prints.
type claimed struct {
	Before    string `json:"before"`
	After     string `json:"after"`
	Block     uint64 `json:"block"`
	Cost      uint64 `json:"cost"`
	Unit      string `json:"unit"` // of Cost: gas or energy
	Bandwidth uint64 `json:"bandwidth"`
	Fee       string `json:"fee"` // wei, or sun on Tron
}

// claim waits until the payouts are active in the vaults, and has each owner
// claim with the command line. A second claim is refused.
func (w *World) claim(ctx context.Context) error {
	begun := time.Now()
	for _, o := range w.owners() {
		want := w.facts.paid[o.who]
		err := await(ctx, 5*time.Minute, o.name+"'s payout is active", func() (bool, error) {
			payout, err := w.payout(ctx, o)
			if err != nil {
				return false, err
			}
			got := payout.GetCumulative()
			if got != strconv.FormatUint(want, 10) || payout.GetBundle() == "" {
				return false, fmt.Errorf("%s of %d micro-units are claimable", got, want)
			}
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	w.facts.anchorLatency = time.Since(begun)
	w.say("epoch folded, checkpoint anchored and payout roots active on both chains after %.1f s", w.facts.anchorLatency.Seconds())
	for _, o := range w.owners() {
		if err := w.claimOne(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	return nil
}

// owner is a data owner with the chain that rewards go to.
type owner struct {
	who        *client.Identity
	name, kind string
}

func (w *World) owners() []owner {
	return []owner{{w.alice, "alice", "tron"}, {w.bob, "bob", "eip155"}}
}

// payout is what a vault holds for an owner, in the one payout that there is.
func (w *World) payout(ctx context.Context, o owner) (*client.Payout, error) {
	chain, err := w.chain(o.kind)
	if err != nil {
		return nil, err
	}
	account, err := o.who.Account(chain)
	if err != nil {
		return nil, err
	}
	payouts, err := w.Client.Payouts(ctx, account.String())
	if err != nil {
		return nil, err
	}
	if len(payouts) != 1 {
		return nil, fmt.Errorf("%d payouts for %s, want 1", len(payouts), account)
	}
	return payouts[0], nil
}

func (w *World) claimOne(ctx context.Context, o owner) error {
	chain, err := w.chain(o.kind)
	if err != nil {
		return err
	}
	args := append([]string{"claim", "--keys", w.keyFile(o.name), "--passphrase-file", w.passphrase, "--chain", chain}, w.chainFlags(o.kind)...)
	out, err := w.killick(ctx, args...)
	if err != nil {
		return err
	}
	var c claimed
	if err := json.Unmarshal([]byte(out), &c); err != nil {
		return fmt.Errorf("killick claim printed %q: %w", out, err)
	}
	before, err := strconv.ParseUint(c.Before, 10, 64)
	if err != nil {
		return err
	}
	after, err := strconv.ParseUint(c.After, 10, 64)
	if err != nil {
		return err
	}
	if after-before != w.facts.paid[o.who] {
		return fmt.Errorf("the claim paid %d micro-units, want %d", after-before, w.facts.paid[o.who])
	}
	coin := "wei"
	if o.kind == "tron" {
		c.Unit, coin = fmt.Sprintf("%s and %d bytes of bandwidth", c.Unit, c.Bandwidth), "sun"
	}
	w.facts.claims[o.kind] = fmt.Sprintf("%d %s, fee %s %s", c.Cost, c.Unit, c.Fee, coin)
	w.say("%s on %s: %s tokens before, %s after, in block %d (%d %s)", o.name, chain, usd(before), usd(after), c.Block, c.Cost, c.Unit)
	args = append(args, "--gateway", w.Cluster.GatewayAddress(), "--json")
	_, stderr, code, err := w.program(ctx, "killick", args...)
	if err != nil {
		return err
	}
	if code != 1 {
		return fmt.Errorf("a second claim ended with exit code %d: %s", code, stderr)
	}
	w.say("a second claim is refused: %s", firstLine(stderr))
	return w.vaultRefuses(ctx, o)
}

// vaultRefuses calls the vault with the same claim again, past the command line,
// which asks before it spends a fee.
func (w *World) vaultRefuses(ctx context.Context, o owner) error {
	payout, err := w.payout(ctx, o)
	if err != nil {
		return err
	}
	vault, err := canon.ParseAccount(payout.GetVault())
	if err != nil {
		return err
	}
	url := w.Cluster.EVM().RPC[0]
	if o.kind == "tron" {
		url = w.Cluster.Tron().RPC[0]
	}
	call := fmt.Sprintf(`[{"to":"0x%s","data":"0x%s"},"latest"]`, canon.Hex(vault.Address[:]), payout.GetCalldata())
	var result string
	err = rpc(ctx, url, "eth_call", call, &result)
	var refused *rpcError
	if !errors.As(err, &refused) {
		return fmt.Errorf("the vault answers %q, %v to a second claim, want it refused", result, err)
	}
	w.say("so does the vault itself: %s", refused.Message)
	return nil
}

// chainFlags name the endpoints of a chain for the command line.
func (w *World) chainFlags(kind string) []string {
	if kind == "tron" {
		t := w.Cluster.Tron()
		return []string{"--tron", t.GRPC, "--tron-solidity", t.Solidity}
	}
	return []string{"--evm", w.Cluster.EVM().RPC[0]}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

func (w *World) file(name string) string { return filepath.Join(w.opts.Dir, name) }

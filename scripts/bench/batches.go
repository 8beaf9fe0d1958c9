package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// account is a user of the load: one Ed25519 key, one DID.
type account struct {
	did string
	kid string
	key ed25519.PrivateKey
}

// KeyID implements ops.Signer.
func (a *account) KeyID() string { return a.kid }

// Sign implements ops.Signer.
func (a *account) Sign(message []byte) ([]byte, error) { return ed25519.Sign(a.key, message), nil }

// bank is the accounts and the ledger they are on.
type bank struct {
	network  string
	accounts []*account
}

// measureBatches measures signed transfers in batches. Everything is signed
// before a row is measured.
func measureBatches(ctx context.Context, c *cluster.Cluster, s settings) ([]row, error) {
	client, err := fabric.Connect(c.Client(0, topology.Admin))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	b := &bank{network: c.Network}
	if err := found(ctx, client, b); err != nil {
		return nil, err
	}
	if err := b.open(ctx, client, s.accounts); err != nil {
		return nil, err
	}
	var rows []row
	for _, shape := range []struct{ batch, inFlight int }{{1, 64}, {100, 8}, {100, 16}, {500, 4}, {500, 8}} {
		// Twice what the fastest row so far would use, so that none runs dry.
		transactions := int(s.window.Seconds())*12_000/shape.batch + shape.inFlight
		if shape.batch == 1 {
			transactions = int(s.window.Seconds()) * 1000
		}
		queue, err := b.transfers(transactions, shape.batch, shape.inFlight)
		if err != nil {
			return rows, err
		}
		r, err := load(ctx, c, client, "signed transfers", shape.batch, shape.inFlight, s.window, func() (request, bool) {
			if len(queue) == 0 {
				return request{}, false
			}
			q := queue[0]
			queue = queue[1:]
			return q, true
		})
		if err != nil {
			return rows, err
		}
		if len(queue) == 0 {
			return rows, fmt.Errorf("batch %d: the load ran dry before the window ended", shape.batch)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// found initialises the ledger with members of its own making: nothing is
// anchored here, so their keys are never used.
func found(ctx context.Context, client *fabric.Client, b *bank) error {
	type member struct {
		MSP     string `json:"msp"`
		Cosign  string `json:"cosign"`
		Address string `json:"address"`
	}
	var members []member
	var treasuries []string
	for i := 1; i <= 4; i++ {
		msp := fmt.Sprintf("Org%dMSP", i)
		public, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			return err
		}
		key, err := secp256k1.GeneratePrivateKey()
		if err != nil {
			return err
		}
		address := canon.KeyAddress(key.PubKey())
		members = append(members, member{msp, log.CosignerKey(msp, b.network, public), "0x" + canon.Hex(address[:])})
		treasuries = append(treasuries, msp)
	}
	argument, err := json.Marshal(map[string]any{
		"network": b.network, "log": canon.Hex(make([]byte, 32)), "rules": 1, "members": members, "k": 3,
		"vaults": []string{}, "issuers": []string{}, "treasuries": treasuries, "assets": []string{"usd"},
		"epochSeconds": 86400, "heartbeatSeconds": 60,
	})
	if err != nil {
		return err
	}
	_, err = client.Execute(ctx, "ops:Init", argument)
	return err
}

// open creates the accounts' DIDs and funds them.
func (b *bank) open(ctx context.Context, client *fabric.Client, n int) error {
	const step = 500
	for first := 0; first < n; first += step {
		var items []ops.Item
		var lines []reward.Line
		for range min(step, n-first) {
			a, item, err := b.newAccount()
			if err != nil {
				return err
			}
			b.accounts = append(b.accounts, a)
			items = append(items, item)
			lines = append(lines, reward.Line{To: a.did, Amount: 1_000_000})
		}
		frame, err := ops.EncodeFrame(items)
		if err != nil {
			return err
		}
		if _, err := client.Execute(ctx, "ops:Batch", frame); err != nil {
			return fmt.Errorf("create accounts: %w", err)
		}
		id := canon.Sum([]byte(fmt.Sprint("fund ", first)))
		fund, err := canon.Marshal(reward.Fund{ID: canon.Hex(id[:]), Asset: "usd", Lines: lines})
		if err != nil {
			return err
		}
		if _, err := client.Execute(ctx, "reward:Fund", fund); err != nil {
			return fmt.Errorf("fund accounts: %w", err)
		}
	}
	return nil
}

func (b *bank) newAccount() (*account, ops.Item, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, ops.Item{}, err
	}
	commitment := canon.Sum(did.KeyBytes([32]byte(public)))
	document, err := canon.Marshal(did.Document{
		VerificationMethod:   []did.Method{{ID: "#key-1", Type: "Multikey", PublicKeyMultibase: did.FormatKey([32]byte(public))}},
		CapabilityInvocation: []string{"#key-1"},
		Recovery:             canon.B64(commitment[:]),
	})
	if err != nil {
		return nil, ops.Item{}, err
	}
	name, _, err := ops.NewDID(b.network, document)
	if err != nil {
		return nil, ops.Item{}, err
	}
	a := &account{did: name, kid: name + "#key-1", key: private}
	item, err := b.sign(a, &ops.DIDCreate{Document: document})
	return a, item, err
}

func (b *bank) sign(a *account, body ops.Body) (ops.Item, error) {
	now := uint64(time.Now().Unix())
	item, _, err := ops.SignRequest(ops.Request{Network: b.network, IssuedAt: now, Expires: now + 3600, Body: body}, a)
	return item, err
}

// transfers signs the operations of a row. Payers are drawn without replacement
// among those of as many batches as are in flight together, as the gateway's
// lanes would arrange it: no two batches in flight debit the same account.
// Payees are any other account.
func (b *bank) transfers(count, batch, inFlight int) ([]request, error) {
	var queue []request
	order := rand.Perm(len(b.accounts))
	at := 0
	payer := func() int {
		if at == len(order) {
			// The end of one round and the beginning of the next may be in flight
			// together: the new order keeps the places of those apart.
			tail := min(len(order)/2, batch*inFlight)
			head := order[:len(order)-tail]
			rand.Shuffle(len(head), func(i, j int) { head[i], head[j] = head[j], head[i] })
			at = 0
		}
		at++
		return order[at-1]
	}
	n := 0 // sets payments of one payer apart: equal ones are one operation
	for range count {
		items := make([]ops.Item, batch)
		for i := range items {
			n++
			from := payer()
			to := (from + 1 + rand.IntN(len(b.accounts)-1)) % len(b.accounts)
			item, err := b.sign(b.accounts[from], &ops.RewardPay{Asset: "usd", Lines: []reward.Line{{To: b.accounts[to].did, Amount: reward.Amount(1 + n%97)}}})
			if err != nil {
				return nil, err
			}
			items[i] = item
		}
		frame, err := ops.EncodeFrame(items)
		if err != nil {
			return nil, err
		}
		queue = append(queue, request{"ops:Batch", [][]byte{frame}, batch})
	}
	return queue, nil
}

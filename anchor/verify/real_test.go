package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/payout"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// real is a log of two blocks that is anchored on the EVM node and on the Tron node,
// where a vault paid from it.
type real struct {
	*scene
	members members
	pinned  *log.Policy
	log     *log.Log
	blocks  []*block.Block
	tree    *payout.Tree
	payee   canon.Account

	evidence, paid log.Evidence
	write, epoch   int // of block 1's first transaction

	operation, payout string // bundles
}

func realNodes(t *testing.T) *real {
	m := membersOf(1, 0, 1, 2, 3)
	logID := canon.Sum([]byte("genesis"))
	chains := []public{startEVM(t), startTron(t)}
	for i := range chains {
		chains[i].deploy(t, m, logID)
	}
	r := &real{scene: &scene{t: t, evm: chains[0].url, tron: chains[1].url}, members: m, pinned: m.policy(logID, chains)}
	if err := r.pinned.Check(); err != nil {
		t.Fatal(err)
	}
	onTron := &chains[1]
	vault := onTron.account(onTron.vault)
	r.payee = canon.Account{Chain: onTron.ID(), Address: [20]byte{9}}
	var err error
	r.tree, err = payout.Build(payout.Vault{ID: vault.String(), Token: onTron.account(onTron.token).String(), LogID: logID},
		[]payout.Payee{{Address: r.payee.Address, Cumulative: 12_500_000}})
	if err != nil {
		t.Fatal(err)
	}
	r.blocks = twoBlocks(vault, r.tree.Root())
	if r.log, err = log.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.log.Close() })
	if err := r.log.Append(r.blocks...); err != nil {
		t.Fatal(err)
	}
	cp := r.checkpoint(2)
	r.evidence = log.Evidence{SetVersion: 1, Note: m.note(t, r.pinned, cp)}
	for i := range chains {
		c := &chains[i]
		o := c.transact(t, c.anchorLog, contracts.PackSubmit(contracts.Checkpoint{Size: 2, Root: cp.Root, Time: cp.Time}, nil, m.sign(r.pinned.Set().Digest(cp))))
		r.evidence.Anchors = append(r.evidence.Anchors, log.Anchor{
			Contract: c.account(c.anchorLog), Size: 2, Landing: c.landed(t, c.anchorLog, "Anchored(uint64,bytes32,uint64)", 2, o),
		})
	}
	text, err := r.pinned.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r.policy = r.scene.write("policy.json", text)
	r.write = log.FindWrite(&r.blocks[1].Txs[0], "op/00078f3a/"+strings.Repeat("11", 32))
	r.operation = r.build(r.log, r.blocks[1], r.write, r.evidence)
	r.pay(onTron, vault)
	return r
}

// pay activates the epoch in the vault.
func (r *real) pay(onTron *public, vault canon.Account) {
	epoch := contracts.Epoch{Number: 1, Root: r.tree.Root().Hash, Total: r.tree.Root().Sum.Big()}
	number, err := canon.ChainNumber(vault.Chain)
	if err != nil {
		r.t.Fatal(err)
	}
	digest := canon.PayoutDigest(number, vault.Address, r.pinned.LogID(), 1, r.pinned.Set().Hash(), 1, epoch.Root, 12_500_000)
	o := onTron.transact(r.t, onTron.vault, contracts.PackActivate(epoch, r.members.sign(digest)))
	r.paid = r.evidence
	r.paid.Payout = proveTo(r.t, r.tree, r.payee, onTron.landed(r.t, onTron.vault, "Activated(uint64,bytes32,uint128)", 1, o))
	r.epoch = log.FindWrite(&r.blocks[1].Txs[0], "epoch/"+vault.String()+"/0000000000000001/00000001")
	r.payout = r.build(r.log, r.blocks[1], r.epoch, r.paid)
}

func (r *real) checkpoint(size uint64) log.Checkpoint {
	root, err := r.log.Root(size)
	if err != nil {
		r.t.Fatal(err)
	}
	return log.Checkpoint{Network: net1, LogID: r.pinned.LogID(), Size: size, Root: root, Time: 1_790_000_000}
}

// TestRealNodes verifies bundles against real nodes of both chains.
func TestRealNodes(t *testing.T) {
	t.Parallel()
	r := realNodes(t)
	r.want(t, exitVerified, "", r.operation)
	r.want(t, exitVerified, "RewardVault", r.payout)

	at := r.paid.Payout.Activated
	wrong := r.paid
	wrong.Payout = proveTo(t, r.tree, r.payee, log.Landing{Tx: at.Tx, Block: at.Block - 1, BlockHash: at.BlockHash})
	r.want(t, exitInvalid, "activated no epoch 1", r.build(r.log, r.blocks[1], r.epoch, wrong))
	wrong = r.paid
	wrong.Anchors = slices.Clone(r.evidence.Anchors)
	wrong.Anchors[0].Landing = r.evidence.Anchors[1].Landing
	wrong.Anchors[0].Block = r.evidence.Anchors[0].Block
	r.want(t, exitInvalid, "recorded nothing", r.build(r.log, r.blocks[1], r.epoch, wrong))
	wrong = log.Evidence{SetVersion: 1, Note: r.members.note(t, r.pinned, r.checkpoint(1)), Anchors: slices.Clone(r.evidence.Anchors)}
	for i := range wrong.Anchors {
		wrong.Anchors[i].Size = 1
	}
	r.want(t, exitInvalid, "no checkpoint of size 1", r.build(r.log, r.blocks[0], log.NoWrite, wrong))
}

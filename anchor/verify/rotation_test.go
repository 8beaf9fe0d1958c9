package main

import (
	"testing"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// ledger is a log whose checkpoints go to both chains.
type ledger struct {
	*scene
	log    *log.Log
	blocks []*block.Block
	chains []public
}

func newLedger(t *testing.T, m members) *ledger {
	l := &ledger{scene: &scene{t: t}, chains: []public{startEVM(t), startTron(t)}}
	l.evm, l.tron = l.chains[0].url, l.chains[1].url
	for i := range l.chains {
		l.chains[i].deploy(t, m, canon.Sum([]byte("genesis")))
	}
	l.blocks = twoBlocks(canon.Account{}, reward.Node{})
	last := &block.Block{Number: 2, PrevHash: l.blocks[1].HeaderHash[:], HeaderHash: canon.Sum([]byte("two")), Filter: []byte{0},
		Txs: []block.Tx{{Type: block.TypeConfig}}}
	l.blocks = append(l.blocks, last)
	var err error
	if l.log, err = log.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.log.Close() })
	if err := l.log.Append(l.blocks...); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *ledger) checkpoint(size uint64) log.Checkpoint {
	root, err := l.log.Root(size)
	if err != nil {
		l.t.Fatal(err)
	}
	id, _ := l.log.ID()
	return log.Checkpoint{Network: net1, LogID: id, Size: size, Root: root, Time: 1_790_000_000 + size}
}

// anchor has members anchor a size that follows another one on all chains.
func (l *ledger) anchor(m members, p *log.Policy, size, after uint64) log.Evidence {
	cp := l.checkpoint(size)
	var proof [][32]byte
	if after > 0 {
		var err error
		if proof, err = l.log.ProveGrowth(size, after); err != nil {
			l.t.Fatal(err)
		}
	}
	e := log.Evidence{SetVersion: p.SetVersion, Note: m.note(l.t, p, cp)}
	data := contracts.PackSubmit(contracts.Checkpoint{Size: size, Root: cp.Root, Time: cp.Time}, proof, m.sign(p.Set().Digest(cp)))
	for i := range l.chains {
		c := &l.chains[i]
		o := c.transact(l.t, c.anchorLog, data)
		e.Anchors = append(e.Anchors, log.Anchor{
			Contract: c.account(c.anchorLog), Size: size, Landing: c.landed(l.t, c.anchorLog, "Anchored(uint64,bytes32,uint64)", size, o),
		})
	}
	return e
}

// everywhere has a transaction done on all chains, and waits until it is final.
func (l *ledger) everywhere(data []byte) {
	for i := range l.chains {
		c := &l.chains[i]
		c.final(l.t, c.transact(l.t, c.anchorLog, data))
	}
}

// handOver is the rotation from the members, who are the policy's.
func (m members) handOver(t *testing.T, p *log.Policy, next *log.Set) log.Rotation {
	t.Helper()
	signatures := map[string][65]byte{}
	for i, member := range p.Members {
		signatures[member.MSP] = canon.SignDigest(m.secp[i], p.Set().RotationDigest(next))
	}
	r, err := p.Set().HandOver(next, signatures)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRotationOnRealNodes hands over to other members on the EVM node and on the Tron
// node: the policy of before verifies what was signed before and after, until both
// contracts are frozen.
func TestRotationOnRealNodes(t *testing.T) {
	t.Parallel()
	first, second := membersOf(1, 0, 1, 2, 3), membersOf(2, 0, 1, 2, 4)
	l := newLedger(t, first)
	id, _ := l.log.ID()
	p, later := first.policy(id, l.chains), second.policy(id, l.chains)
	for _, policy := range []*log.Policy{p, later} {
		if err := policy.Check(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	l.policy = l.write("policy.json", text)
	before := l.anchor(first, p, 2, 0)
	l.want(t, exitVerified, "", l.build(l.log, l.blocks[1], log.NoWrite, before))

	next, err := log.NewSet(net1, id, 2, 3, 3, later.Members)
	if err != nil {
		t.Fatal(err)
	}
	digest := p.Set().RotationDigest(next)
	rotation := first.handOver(t, p, next)
	l.everywhere(contracts.PackRotate(second.set(), next.From, next.ListHash(), first.sign(digest)))
	after := l.anchor(second, later, 3, 2)
	after.Rotations = []log.Rotation{rotation}
	l.want(t, exitVerified, "", l.build(l.log, l.blocks[1], log.NoWrite, before))
	l.want(t, exitVerified, "handed over from set 1", l.build(l.log, l.blocks[1], log.NoWrite, after))

	forged := after
	forged.SetVersion, forged.Rotations, forged.Note = 1, nil, first.note(t, p, l.checkpoint(3))
	l.want(t, exitInvalid, "handed over from size 3 on", l.build(l.log, l.blocks[1], log.NoWrite, forged))
	other := membersOf(2, 0, 1, 2, 5)
	otherPolicy := other.policy(id, l.chains)
	if err := otherPolicy.Check(); err != nil {
		t.Fatal(err)
	}
	set, err := log.NewSet(net1, id, 2, 3, 3, otherPolicy.Members)
	if err != nil {
		t.Fatal(err)
	}
	forged = after
	forged.Rotations, forged.Note = []log.Rotation{first.handOver(t, p, set)}, other.note(t, otherPolicy, l.checkpoint(3))
	l.want(t, exitInvalid, "no such member set 2", l.build(l.log, l.blocks[1], log.NoWrite, forged))

	// The later members sign another history.
	cp := l.checkpoint(3)
	cp.Root[0]++
	cp.Time++
	a := contracts.Statement{Checkpoint: contracts.Checkpoint{Size: 3, Root: l.checkpoint(3).Root}}
	b := contracts.Statement{Checkpoint: contracts.Checkpoint{Size: 3, Root: cp.Root, Time: cp.Time}, Signatures: second.sign(later.Set().Digest(cp))}
	l.everywhere(contracts.PackReport(a, b, cp.Root, nil))
	l.want(t, exitPartly, "the contract is frozen", l.build(l.log, l.blocks[1], log.NoWrite, after))
}

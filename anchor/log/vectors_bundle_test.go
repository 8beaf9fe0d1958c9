package log_test

import (
	"bytes"
	"slices"
	"strconv"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// vectorChain is what a node of a chain answers, for verifiers that read one.
type vectorChain struct {
	ID       string            `json:"id"`
	ChainID  string            `json:"chainId"`
	Final    uint64            `json:"final"`
	Contract string            `json:"contract"` // 0x and 40 hex digits
	LogID    string            `json:"logId"`
	Sets     []vectorSet       `json:"sets"`
	Frozen   bool              `json:"frozen"`
	Roots    map[string]string `json:"roots"` // by size
	Events   []vectorEvent     `json:"events"`
}

// vectorSet is what AnchorLog knows of a member set.
type vectorSet struct {
	Version uint64 `json:"version"`
	From    uint64 `json:"from"`
	Hash    string `json:"hash"`
}

type vectorEvent struct {
	Address   string   `json:"address"`
	Topics    []string `json:"topics"`
	Data      string   `json:"data"`
	Block     uint64   `json:"block"`
	BlockHash string   `json:"blockHash"`
	Tx        string   `json:"tx"`
}

type vectorBundle struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"` // with both chains read
	Failed  string `json:"failed"`  // first check that fails
	Bundle  string `json:"bundle"`
}

func event(address [20]byte, signature string, topic uint64, data []byte, at log.Landing) vectorEvent {
	name := canon.Keccak([]byte(signature))
	first := canon.NewRecord(0).Fixed(make([]byte, 24)).U64(topic).Bytes()[2:]
	return vectorEvent{
		Address: "0x" + canon.Hex(address[:]), Topics: []string{"0x" + canon.Hex(name[:]), "0x" + canon.Hex(first)},
		Data: "0x" + canon.Hex(data), Block: at.Block, BlockHash: "0x" + canon.Hex(at.BlockHash[:]), Tx: "0x" + canon.Hex(at.Tx[:]),
	}
}

func (l *fixture) chains() []vectorChain {
	var out []vectorChain
	for _, c := range l.Chains {
		r := l.reading(c.ID, 5, 1)
		contract, _ := l.AnchorLog(c.ID)
		number := canon.NewRecord(0).U32(uint32(r.ChainNumber)).Bytes()[2:]
		v := vectorChain{
			ID: c.ID, ChainID: "0x" + string(bytes.TrimLeft([]byte(canon.Hex(number)), "0")), Final: r.Final,
			Contract: "0x" + canon.Hex(contract.Address[:]), LogID: "0x" + canon.Hex(r.LogID[:]),
			Roots: map[string]string{},
		}
		for version := uint64(1); version <= 2; version++ {
			s := l.reading(c.ID, 5, version)
			v.Sets = append(v.Sets, vectorSet{version, s.From, "0x" + canon.Hex(s.SetHash[:])})
		}
		for _, size := range []uint64{5, 7} {
			taken := l.reading(c.ID, size, 1)
			v.Roots[strconv.FormatUint(size, 10)] = "0x" + canon.Hex(taken.Root[:])
			time := canon.NewRecord(0).Fixed(taken.Root[:]).Fixed(make([]byte, 24)).U64(1_790_000_000).Bytes()[2:]
			v.Events = append(v.Events, event(contract.Address, "Anchored(uint64,bytes32,uint64)", size, time, taken.Anchored[1].Landing))
		}
		if c.ID == tron {
			a := r.Activated[0]
			data := canon.NewRecord(0).Fixed(a.Root[:]).Fixed(make([]byte, 24)).U64(a.Total.Lo).Bytes()[2:]
			v.Events = append(v.Events, event(l.payout.vault.Address, "Activated(uint64,bytes32,uint128)", 3, data, a.Landing))
		}
		out = append(out, v)
	}
	return out
}

func TestVectorsBundle(t *testing.T) {
	l := newFixture(t)
	var list []vectorBundle
	add := func(name, verdict, failed string, data []byte) {
		list = append(list, vectorBundle{Name: name, Verdict: verdict, Failed: failed, Bundle: string(data)})
	}
	for i, name := range []string{"record", "deleted record", "payment", "refused operation", "revoked credential", "schema", "did", "payout"} {
		add(name, "verified", "", marshal(t, l.bundle(t, 2, 1, i)))
	}
	add("transaction", "verified", "", marshal(t, l.bundle(t, 2, 1, log.NoWrite)))
	add("withdrawn grant", "verified", "", marshal(t, l.bundle(t, 2, 1, 9)))
	add("use of a grant", "verified", "", marshal(t, l.bundle(t, 2, 1, 10)))
	add("invalid transaction", "invalid", "validation", marshal(t, l.bundle(t, 3, 3, log.NoWrite)))
	record := marshal(t, l.bundle(t, 2, 1, 0))
	add("changed claim", "invalid", "form", bytes.Replace(record, []byte("version 2"), []byte("version 3"), 1))
	few := l.bundle(t, 2, 1, 0)
	few.Note.Lines = few.Note.Lines[:2]
	add("two signatures", "invalid", "cosignatures", marshal(t, few))
	add("checkpoint that is not on chain", "invalid", "chain "+evm, l.unanchored(t))
	one := l.bundle(t, 2, 1, 0)
	one.Anchors = one.Anchors[:1]
	add("anchored on one chain", "not fully checked", "", marshal(t, one))
	add("after a rotation", "verified", "", marshal(t, l.rotated(t, 0)))
	simulated := marshal(t, l.simulated(t))
	add("of a test ledger", "invalid", "log", simulated)
	add("of a test ledger that does not say so", "invalid", "form", bytes.Replace(simulated, []byte("ledger SIMULATED\n"), nil, 1))
	for _, f := range forgeries() {
		add(f.name, "invalid", f.failed, marshal(t, f.bundle(t, l)))
	}
	golden(t, "bundle.json", map[string]any{"about": about, "policy": l.Policy, "chains": l.chains(), "bundles": list})
	for _, v := range list {
		status := map[string]log.Status{"verified": log.Passed, "invalid": log.Failed, "not fully checked": log.Unchecked}[v.Verdict]
		if v.Name != "checkpoint that is not on chain" && l.judge([]byte(v.Bundle)) != status {
			t.Errorf("%s: %v", v.Name, l.judge([]byte(v.Bundle)))
		}
	}
}

// simulated is a bundle whose note is of a test ledger.
func (l *fixture) simulated(t testing.TB) *log.Bundle {
	c := l.checkpoint(5)
	c.Network = "test-0011223344556677"
	signers := consortiumOn(t, c.Network, l.id, 1, 3, 0, 1, 2, 3)
	b := l.bundle(t, 2, 1, 0)
	out, err := l.Build(l.blocks[2], 1, 0, log.Evidence{SetVersion: 1, Note: signers.note(t, c, 0, 1, 2), Anchors: b.Anchors})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// unanchored is a bundle whose checkpoint K members signed, but no chain has.
func (l *fixture) unanchored(t testing.TB) []byte {
	b := l.bundle(t, 2, 1, 0)
	root, _ := l.Root(4)
	note := l.consortium.note(t, log.Checkpoint{Network: network, LogID: l.id, Size: 4, Root: root, Time: 1_790_000_001}, 0, 1, 2)
	e := log.Evidence{SetVersion: 1, Note: note, Anchors: slices.Clone(b.Anchors)}
	for i := range e.Anchors {
		e.Anchors[i].Size = 4
	}
	out, err := l.Build(l.blocks[2], 1, 0, e)
	if err != nil {
		t.Fatal(err)
	}
	return marshal(t, out)
}

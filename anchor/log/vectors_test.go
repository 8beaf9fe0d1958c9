package log_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
)

const vectors = "../../docs/formats/vectors"

// golden compares v with the vector file.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	canontest.Golden(t, filepath.Join(vectors, name), out.Bytes())
}

const about = "Rewritten by: go test ./anchor/log -run Vectors -update. Keys are for tests only."

// All bytes are hex; paths go from leaf to root.
type vectorWrite struct {
	Namespace  string `json:"namespace"`
	Private    bool   `json:"private"`
	Collection string `json:"collection"`
	Key        string `json:"key"`
	Delete     uint8  `json:"delete"`
	Value      string `json:"value"`
	ValueHash  string `json:"valueHash"`
	Salt       string `json:"salt"`
	Record     string `json:"record"`

	Path []string `json:"path"`
}

type vectorTx struct {
	ID         string        `json:"id"`
	Code       uint8         `json:"code"`
	Type       int32         `json:"type"`
	Envelope   string        `json:"envelope"`
	Nonce      string        `json:"nonce"`
	Writes     []vectorWrite `json:"writes"`
	WritesRoot string        `json:"writesRoot"`
	Record     string        `json:"record"`
	Path       []string      `json:"path"`
}

type vectorBlock struct {
	Number       uint64     `json:"number"`
	HeaderHash   string     `json:"headerHash"`
	DataHash     string     `json:"dataHash"`
	Filter       string     `json:"filter"`
	CommitHash   string     `json:"commitHash"`
	Transactions []vectorTx `json:"transactions"`
	Record       string     `json:"record"`
	LeafHash     string     `json:"leafHash"`
}

func TestVectorsLog(t *testing.T) {
	blocks := chain(7)
	// Block 5's first transaction has one write of each kind.
	hash := canon.Sum([]byte("a"))
	blocks[5].Txs[0].Writes = []block.Write{
		{Namespace: "killick", Key: []byte("a"), Value: []byte("one"), ValueHash: canon.Sum([]byte("one"))},
		{Namespace: "killick", Key: []byte{}, Delete: block.Remove},
		{Namespace: "killick", Collection: "small", Private: true, Key: hash[:], ValueHash: hash},
		{Namespace: "killick", Collection: "small", Private: true, Key: hash[:], Delete: block.Remove},
		{Namespace: "killick", Collection: "small", Private: true, Key: hash[:], Delete: block.Purge},
	}
	blocks[5].CommitHash = nil
	l := open(t, t.TempDir())
	if err := l.Append(blocks...); err != nil {
		t.Fatal(err)
	}
	list, roots, paths := []vectorBlock{}, map[string]string{}, map[string][]string{}
	for _, b := range blocks {
		list = append(list, describe(t, l, b))
	}
	for size := range uint64(8) {
		root, err := l.Root(size)
		if err != nil {
			t.Fatal(err)
		}
		roots[strconv.FormatUint(size, 10)] = canon.Hex(root[:])
		for i := range size {
			path, err := l.Prove(size, i)
			if err != nil {
				t.Fatal(err)
			}
			paths[fmt.Sprintf("%d in %d", i, size)] = hexes(path)
		}
	}
	golden(t, "log.json", map[string]any{
		"about": about, "logId": canon.Hex(blocks[0].HeaderHash[:]), "blocks": list, "roots": roots, "paths": paths,
	})
}

func hexes(path [][32]byte) []string {
	out := []string{}
	for _, h := range path {
		out = append(out, hex.EncodeToString(h[:]))
	}
	return out
}

// describe takes records and paths from bundles, the way they leave the package.
func describe(t *testing.T, l *log.Log, b *block.Block) vectorBlock {
	leaf, err := l.Leaf(b.Number)
	if err != nil {
		t.Fatal(err)
	}
	leafHash := leaf.Hash()
	v := vectorBlock{
		Number: b.Number, HeaderHash: canon.Hex(b.HeaderHash[:]), DataHash: canon.Hex(b.DataHash[:]),
		CommitHash: canon.Hex(b.CommitHash), Filter: canon.Hex(b.Filter), Record: canon.Hex(leaf.Bytes()), LeafHash: canon.Hex(leafHash[:]),
	}
	root, _ := l.Root(l.Size())
	id, _ := l.ID()
	c := newConsortium(t, id, 4, 3)
	note := c.note(t, log.Checkpoint{Network: network, LogID: id, Size: l.Size(), Root: root, Time: 1}, 0, 1, 2)
	for _, tx := range b.Txs {
		whole, err := l.Build(b, tx.Index, log.NoWrite, log.Evidence{Note: note})
		if err != nil {
			t.Fatal(err)
		}
		vt := vectorTx{
			ID: tx.ID, Code: tx.Code, Type: tx.Type, Envelope: canon.Hex(tx.Envelope), Nonce: canon.Hex(tx.Nonce),
			WritesRoot: canon.Hex(whole.Tx.WritesRoot[:]), Record: canon.Hex(whole.Tx.Bytes()), Path: hexes(whole.TxPath), Writes: []vectorWrite{},
		}
		for i, w := range tx.Writes {
			one, err := l.Build(b, tx.Index, i, log.Evidence{Note: note})
			if err != nil {
				t.Fatal(err)
			}
			vt.Writes = append(vt.Writes, vectorWrite{
				Namespace: w.Namespace, Collection: w.Collection, Key: canon.Hex(w.Key), Value: canon.Hex(w.Value),
				ValueHash: canon.Hex(w.ValueHash[:]), Private: w.Private, Delete: uint8(w.Delete),
				Salt: canon.Hex(one.Write.Record.Salt[:]), Record: canon.Hex(one.Write.Record.Bytes()),
				Path: hexes(one.Write.Path),
			})
		}
		v.Transactions = append(v.Transactions, vt)
	}
	return v
}

func TestVectorsCheckpoint(t *testing.T) {
	l := newFixture(t)
	n, err := log.ParseNote(l.note)
	if err != nil {
		t.Fatal(err)
	}
	digest, set := l.Set().Digest(n.Checkpoint), l.Set().Hash()
	seeds := []string{}
	for _, k := range l.ed {
		seeds = append(seeds, canon.Hex(k.Seed()))
	}
	golden(t, "checkpoint.json", map[string]any{
		"about": about, "privateKeys": seeds, "policy": l.Policy, "time": n.Time, "text": string(n.Text()),
		"cosignedMessage": string(n.CosignedMessage()), "memberSetHash": canon.Hex(set[:]), "digest": canon.Hex(digest[:]),
		"note": string(l.note),
	})
}

// vectorChain is what a node of a chain answers, for verifiers that read one.
type vectorChain struct {
	ID          string            `json:"id"`
	ChainID     string            `json:"chainId"`
	Final       uint64            `json:"final"`
	Contract    string            `json:"contract"` // 0x and 40 hex digits
	LogID       string            `json:"logId"`
	MembersHash string            `json:"membersHash"`
	Roots       map[string]string `json:"roots"` // by size
	Events      []vectorEvent     `json:"events"`
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
		r := l.reading(c.ID)
		contract, _ := l.AnchorLog(c.ID)
		number := canon.NewRecord(0).U32(uint32(r.ChainNumber)).Bytes()[2:]
		v := vectorChain{
			ID: c.ID, ChainID: "0x" + string(bytes.TrimLeft([]byte(canon.Hex(number)), "0")), Final: r.Final,
			Contract: "0x" + canon.Hex(contract.Address[:]), LogID: "0x" + canon.Hex(r.LogID[:]),
			MembersHash: "0x" + canon.Hex(r.SetHash[:]), Roots: map[string]string{"5": "0x" + canon.Hex(r.Root[:])},
		}
		time := canon.NewRecord(0).Fixed(r.Root[:]).Fixed(make([]byte, 24)).U64(1_790_000_000).Bytes()[2:]
		v.Events = append(v.Events, event(contract.Address, "Anchored(uint64,bytes32,uint64)", 5, time, r.Anchored[1].Landing))
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
	golden(t, "bundle.json", map[string]any{"about": about, "policy": l.Policy, "chains": l.chains(), "bundles": list})
	for _, v := range list {
		status := map[string]log.Status{"verified": log.Passed, "invalid": log.Failed, "not fully checked": log.Unchecked}[v.Verdict]
		if v.Name != "checkpoint that is not on chain" && l.judge([]byte(v.Bundle)) != status {
			t.Errorf("%s: %v", v.Name, l.judge([]byte(v.Bundle)))
		}
	}
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

// Records of real blocks, from the bytes that a peer delivers.
func TestVectorsBlocks(t *testing.T) {
	const dir = "anchor/block/testdata"
	files, err := filepath.Glob("../../" + dir + "/*.block")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded blocks: %v", err)
	}
	type vector struct {
		File         string   `json:"file"` // protobuf common.Block, in the repository
		Record       string   `json:"record"`
		Transactions []string `json:"transactions"` // their records
	}
	var id [32]byte
	list := []vector{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b, err := block.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := log.Leaf(id, b)
		if err != nil {
			t.Fatal(err)
		}
		id = leaf.LogID
		records, err := log.TxRecords(b)
		if err != nil {
			t.Fatal(err)
		}
		v := vector{File: dir + "/" + filepath.Base(file), Record: canon.Hex(leaf.Bytes()), Transactions: []string{}}
		for _, r := range records {
			v.Transactions = append(v.Transactions, canon.Hex(r.Bytes()))
		}
		list = append(list, v)
	}
	golden(t, "blocks.json", map[string]any{"about": about, "logId": canon.Hex(id[:]), "blocks": list})
}

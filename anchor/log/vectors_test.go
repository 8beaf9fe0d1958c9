package log_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

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

// All bytes are hex; paths go from leaf to root. Key and value of a private write are what
// stands in the block.
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
	// Block 5's first transaction has one write of each kind; the last ones are of a member
	// that wrote no hashes where they belong.
	hash := canon.Sum([]byte("a"))
	blocks[5].Txs[0].Writes = []block.Write{
		{Namespace: "killick", Key: []byte("a"), Value: []byte("one"), ValueHash: canon.Sum([]byte("one"))},
		{Namespace: "killick", Key: []byte{}, Delete: block.Remove},
		{Namespace: "killick", Collection: "small", Private: true, Key: hash[:], Value: hash[:], ValueHash: hash},
		{Namespace: "killick", Collection: "small", Private: true, Key: hash[:], Delete: block.Remove},
		{Namespace: "killick", Collection: "small", Private: true, Key: hash[:], Delete: block.Purge},
		{Namespace: "other", Collection: "own", Private: true, Key: []byte("a"), Value: []byte("one"), ValueHash: canon.Sum([]byte("one"))},
		{Namespace: "other", Collection: "own", Private: true, Key: []byte{}, Delete: block.Remove},
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
	golden(t, "checkpoint.json", map[string]any{
		"about": about, "privateKeys": l.seeds(), "policy": l.Policy, "time": n.Time, "text": string(n.Text()),
		"cosignedMessage": string(n.CosignedMessage()), "memberSetHash": canon.Hex(set[:]), "digest": canon.Hex(digest[:]),
		"note": string(l.note), "rotation": l.vectorRotation(t),
	})
}

func (c consortium) seeds() []string {
	seeds := []string{}
	for _, k := range c.ed {
		seeds = append(seeds, canon.Hex(k.Seed()))
	}
	return seeds
}

// vectorRotation is a rotation to the members of a later policy, of whom the last joins.
type vectorRotation struct {
	PrivateKeys   []string       `json:"privateKeys"` // of the later members
	Policy        *log.Policy    `json:"policy"`      // that pins them
	From          uint64         `json:"from"`
	MemberSetHash string         `json:"memberSetHash"`
	List          string         `json:"list"`
	ListHash      string         `json:"listHash"`
	Digest        string         `json:"digest"`
	Signatures    []vectorSigned `json:"signatures"` // of members before
	Joins         vectorJoins    `json:"joins"`
	Note          string         `json:"note"` // of a size that the later members sign
	NoteDigest    string         `json:"noteDigest"`
}

type vectorSigned struct {
	MSP       string `json:"msp"`
	Signature string `json:"signature"`
}

// vectorJoins is how a joining member shows that it has its keys.
type vectorJoins struct {
	Text      string `json:"text"`
	Ed25519   string `json:"ed25519"`
	Secp256k1 string `json:"secp256k1"`
}

func (l *fixture) vectorRotation(t *testing.T) vectorRotation {
	set, err := log.NewSet(network, l.id, 2, l.rotation.From, l.next.K, l.next.Members)
	if err != nil {
		t.Fatal(err)
	}
	hash, list, digest := set.Hash(), set.ListHash(), l.Set().RotationDigest(set)
	lines := []string{}
	for _, m := range set.Members {
		lines = append(lines, canon.MemberLine(m.MSP, m.Cosign, m.Address))
	}
	joins := canon.PossessionText(l.id, lines[3])
	secp := canon.SignDigest(l.next.secp[3], canon.Keccak(joins))
	noteDigest := set.Digest(l.checkpoint(7))
	v := vectorRotation{
		PrivateKeys: l.next.seeds(), Policy: l.next.Policy, From: set.From, MemberSetHash: canon.Hex(hash[:]),
		List: strings.Join(lines, ""), ListHash: canon.Hex(list[:]), Digest: canon.Hex(digest[:]),
		Joins: vectorJoins{string(joins), canon.Hex(ed25519.Sign(l.next.ed[3], joins)), canon.Hex(secp[:])},
		Note:  string(l.later), NoteDigest: canon.Hex(noteDigest[:]),
	}
	for i, at := range []int{0, 1, 3} {
		v.Signatures = append(v.Signatures, vectorSigned{l.Members[at].MSP, canon.Hex(l.rotation.Signatures[i][:])})
	}
	return v
}

// Records of real blocks, from the bytes that a peer delivers: of one network, and of four
// more in folders of their own. The largest one is made of their bytes.
func TestVectorsBlocks(t *testing.T) {
	const dir = "anchor/block/testdata"
	type vector struct {
		File         string   `json:"file"` // protobuf common.Block, in the repository
		LogID        string   `json:"logId"`
		Record       string   `json:"record"`
		Transactions []string `json:"transactions"` // their records
	}
	list := []vector{}
	for _, folder := range []string{"", "/raft", "/soak", "/private", "/configuration"} {
		files, err := filepath.Glob("../../" + dir + folder + "/*.block")
		if err != nil || len(files) == 0 {
			t.Fatalf("no recorded blocks: %v", err)
		}
		var id [32]byte // block 0 is the first
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
			v := vector{File: dir + folder + "/" + filepath.Base(file), LogID: canon.Hex(id[:]), Record: canon.Hex(leaf.Bytes()), Transactions: []string{}}
			for _, r := range records {
				v.Transactions = append(v.Transactions, canon.Hex(r.Bytes()))
			}
			list = append(list, v)
		}
	}
	golden(t, "blocks.json", map[string]any{"about": about, "blocks": list, "largest": largest(t)})
}

// vectorLargest is a block that is too large for the repository: how it is made, and its
// record.
type vectorLargest struct {
	Of           string `json:"of"`           // whose envelopes it repeats
	Transactions int    `json:"transactions"` // all valid
	Bytes        int    `json:"bytes"`        // of its envelopes
	Record       string `json:"record"`
	LeafHash     string `json:"leafHash"`
	TxRecords    string `json:"txRecords"` // SHA-256 of its transactions' records one after the other
}

// largest makes the block that follows a recorded one and repeats its envelopes up to the
// size that our networks allow (AbsoluteMaxBytes). All of them
// are valid, and it has no commit hash.
func largest(t *testing.T) vectorLargest {
	const of, most = "anchor/block/testdata/12.block", 10 << 20
	raw, err := os.ReadFile("../../" + of)
	if err != nil {
		t.Fatal(err)
	}
	var b common.Block
	if err := proto.Unmarshal(raw, &b); err != nil {
		t.Fatal(err)
	}
	last, err := block.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	envelopes, data, size := b.Data.Data, [][]byte{}, 0
	for i := 0; size+len(envelopes[i%len(envelopes)]) <= most; i++ {
		data = append(data, envelopes[i%len(envelopes)])
		size += len(data[i])
	}
	sum := sha256.Sum256(bytes.Join(data, nil))
	b.Header = &common.BlockHeader{Number: last.Number + 1, PreviousHash: last.HeaderHash[:], DataHash: sum[:]}
	b.Data.Data = data
	b.Metadata.Metadata[2], b.Metadata.Metadata[4] = make([]byte, len(data)), nil
	if raw, err = proto.Marshal(&b); err != nil {
		t.Fatal(err)
	}
	made, err := block.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	genesis, err := os.ReadFile("../../anchor/block/testdata/0.block")
	if err != nil {
		t.Fatal(err)
	}
	first, err := block.Decode(genesis)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := log.Leaf(first.HeaderHash, made)
	if err != nil {
		t.Fatal(err)
	}
	records, err := log.TxRecords(made)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	for _, r := range records {
		h.Write(r.Bytes())
	}
	hash := leaf.Hash()
	return vectorLargest{of, len(data), size, canon.Hex(leaf.Bytes()), canon.Hex(hash[:]), canon.Hex(h.Sum(nil))}
}

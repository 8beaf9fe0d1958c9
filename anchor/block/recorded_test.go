package block_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Blocks in testdata come from a peer of a real network that ran the demo: the
// genesis block, one of lifecycle transactions with private data, the largest one (batches
// and a checkpoint), one whose transaction is invalid, one with deletions. The numbers
// differ from run to run.
//
//	go run ./network up --dir /tmp/k --ports auto
//	go test ./anchor/block -run Recorded -record \
//	  /tmp/k/data/peer.org1/ledgersData/chains/chains/main/blockfile_000000 -numbers 0,1,12,23,40
//
// Those in testdata/raft come from a network with three Raft orderers on which one
// transaction was handed over three times: -into raft, with block 0, a block signed by
// each orderer that this peer had blocks from, and the one with that transaction. Those
// in testdata/soak come from a soak: -into soak, with block 0 and one that has, beside an
// invalid batch, a valid one without any write: all its operations were refused. Those in
// testdata/private: block 0, a private record's submission and its deletion, which purges.
// Those in testdata/configuration come from the end-to-end test that changes the channel's
// configuration: block 0, the one that changes it, and one that was ordered under it.
var (
	record  = flag.String("record", "", "block file of a peer to take testdata from")
	folder  = flag.String("into", ".", "folder of testdata that they go to")
	numbers = flag.String("numbers", "0", "blocks to take")
	update  = flag.Bool("update", false, "rewrite testdata/blocks.json")
)

// stored reads a peer's block file: for each block its length and its parts, all
// as protobuf's varints and length-delimited bytes.
func stored(t *testing.T, file string) []*common.Block {
	t.Helper()
	rest, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	number := func(b *[]byte) uint64 {
		v, n := protowire.ConsumeVarint(*b)
		*b = (*b)[n:]
		return v
	}
	data := func(b *[]byte) []byte {
		v, n := protowire.ConsumeBytes(*b)
		*b = (*b)[n:]
		return v
	}
	var out []*common.Block
	for len(rest) > 0 {
		part := data(&rest)
		b := &common.Block{Header: &common.BlockHeader{}, Data: &common.BlockData{}, Metadata: &common.BlockMetadata{}}
		b.Header.Number, b.Header.DataHash, b.Header.PreviousHash = number(&part), data(&part), data(&part)
		for n := number(&part); n > 0; n-- {
			b.Data.Data = append(b.Data.Data, data(&part))
		}
		for n := number(&part); n > 0; n-- {
			b.Metadata.Metadata = append(b.Metadata.Metadata, data(&part))
		}
		out = append(out, b)
	}
	return out
}

// summary is what testdata/blocks.json says of a recorded block.
type summary struct {
	File       string   `json:"file"`
	Number     uint64   `json:"number"`
	HeaderHash string   `json:"headerHash"`
	CommitHash string   `json:"commitHash"`
	Signatures int      `json:"signatures"`
	Txs        []string `json:"transactions"`
}

func summarise(file string, b *block.Block) summary {
	s := summary{
		File: file, Number: b.Number, HeaderHash: canon.Hex(b.HeaderHash[:]), CommitHash: canon.Hex(b.CommitHash),
		Signatures: len(b.Orderers.Signatures), Txs: []string{},
	}
	for _, tx := range b.Txs {
		function := ""
		if len(tx.Args) > 0 {
			function = tx.Chaincode + "." + string(tx.Args[0])
		}
		private, deletes := 0, 0
		for _, w := range tx.Writes {
			if w.Private {
				private++
			}
			if w.Delete != block.Put {
				deletes++
			}
		}
		s.Txs = append(s.Txs, fmt.Sprintf("%s type %d code %d %s: %d writes, %d private, %d deletes",
			tx.ID, tx.Type, tx.Code, function, len(tx.Writes), private, deletes))
	}
	return s
}

func TestRecorded(t *testing.T) {
	if *record != "" {
		for _, b := range stored(t, *record) {
			name := fmt.Sprintf("%d.block", b.Header.Number)
			if !slices.Contains(strings.Split(*numbers, ","), fmt.Sprint(b.Header.Number)) {
				continue
			}
			if err := os.WriteFile(filepath.Join("testdata", *folder, name), blocktest.Wire(b), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := []summary{}
	for _, pattern := range []string{"*.block", "raft/*.block", "soak/*.block", "private/*.block", "configuration/*.block"} {
		files, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no recorded blocks %s: %v", pattern, err)
		}
		for _, file := range files {
			name := strings.TrimPrefix(filepath.ToSlash(file), "testdata/")
			got = append(got, summarise(name, recorded(t, name)))
		}
	}
	text, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update || *record != "" {
		if err := os.WriteFile("testdata/blocks.json", text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/blocks.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("recorded blocks decode as\n%s\nwant\n%s", text, want)
	}
}

func recorded(t testing.TB, name string) *block.Block {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	b, err := block.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The orderers of block 0's configuration signed the recorded blocks, and any
// change of what they signed, or one signature too few, is noticed.
func TestOrdererSignatures(t *testing.T) {
	signers, ok, err := recorded(t, "0.block").Signers()
	orderers, _ := signers.(block.Consenters)
	if err != nil || !ok || len(orderers) != 4 || orderers.Quorum() != 3 {
		t.Fatalf("%d orderers, quorum %d, %v %v", len(orderers), orderers.Quorum(), ok, err)
	}
	if _, ok, _ := recorded(t, "1.block").Signers(); ok {
		t.Error("block 1 is taken for a configuration block")
	}
	if _, ok := recorded(t, "0.block").LastConfig(); ok {
		t.Error("block 0 names a configuration block")
	}
	if number, ok := recorded(t, "40.block").LastConfig(); !ok || number != 0 {
		t.Errorf("last configuration block %d, %v; want 0", number, ok)
	}
	raw, err := os.ReadFile("testdata/1.block")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		good bool
		edit func(b *common.Block, m *common.Metadata)
	}{
		{"as recorded", true, func(*common.Block, *common.Metadata) {}},
		{"validation codes are not signed", true, func(b *common.Block, _ *common.Metadata) { b.Metadata.Metadata[2][0] = 11 }},
		{"two envelopes as one", false, func(b *common.Block, _ *common.Metadata) {
			d := b.Data.Data
			b.Data.Data = append([][]byte{slices.Concat(d[0], d[1])}, d[2:]...)
			b.Metadata.Metadata[2] = b.Metadata.Metadata[2][1:]
		}},
		{"one envelope as two", false, func(b *common.Block, _ *common.Metadata) {
			var e common.Envelope
			if proto.Unmarshal(b.Data.Data[0], &e) != nil {
				t.Fatal("envelope")
			}
			payload := len(b.Data.Data[0]) - protowire.SizeTag(2) - protowire.SizeBytes(len(e.Signature))
			b.Data.Data = append([][]byte{b.Data.Data[0][:payload], b.Data.Data[0][payload:]}, b.Data.Data[1:]...)
			b.Metadata.Metadata[2] = append([]byte{2, 2}, b.Metadata.Metadata[2][1:]...)
		}},
		{"another previous block", false, func(b *common.Block, _ *common.Metadata) { b.Header.PreviousHash[0]++ }},
		{"another number", false, func(b *common.Block, _ *common.Metadata) { b.Header.Number++ }},
		{"another value", false, func(_ *common.Block, m *common.Metadata) { m.Value[0]++ }},
		{"a signature less", false, func(_ *common.Block, m *common.Metadata) { m.Signatures = m.Signatures[:2] }},
		{"one twice", false, func(_ *common.Block, m *common.Metadata) { m.Signatures[2] = m.Signatures[1] }},
		{"none", false, func(_ *common.Block, m *common.Metadata) { m.Signatures = nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b common.Block
			var m common.Metadata
			if proto.Unmarshal(raw, &b) != nil || proto.Unmarshal(b.Metadata.Metadata[0], &m) != nil {
				t.Fatal("testdata/1.block")
			}
			tt.edit(&b, &m)
			b.Metadata.Metadata[0] = blocktest.Wire(&m)
			d, err := block.Decode(blocktest.Wire(&b))
			if err != nil {
				t.Fatal(err)
			}
			if err := orderers.Check(d); (err == nil) != tt.good {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A configuration block is signed by the orderers that the one before names, and names
// itself as the newest one; those after it name it.
func TestConfigurationChanged(t *testing.T) {
	first, second, later := recorded(t, "configuration/0.block"), recorded(t, "configuration/6.block"), recorded(t, "configuration/8.block")
	before, ok, err := first.Signers()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := before.Check(second); err != nil {
		t.Error(err)
	}
	after, ok, err := second.Signers()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := after.Check(later); err != nil {
		t.Error(err)
	}
	if members, err := second.Members(); err != nil || len(members.Peers) != 4 {
		t.Errorf("%d members, %v", len(members.Peers), err)
	}
	for _, b := range []*block.Block{second, later} {
		if number, ok := b.LastConfig(); !ok || number != second.Number {
			t.Errorf("block %d names configuration block %d, %v", b.Number, number, ok)
		}
	}
}

func TestQuorum(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 2, 3: 2, 4: 3, 5: 4, 6: 4, 7: 5, 10: 7} {
		if got := make(block.Consenters, n).Quorum(); got != want {
			t.Errorf("quorum of %d is %d, want %d", n, got, want)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	raw, err := os.ReadFile("testdata/1.block")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := block.Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}

package block_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// asStored writes a delivered block as a peer stores it.
func asStored(t testing.TB, raw []byte) []byte {
	var b common.Block
	if err := proto.Unmarshal(raw, &b); err != nil {
		t.Fatal(err)
	}
	out := protowire.AppendVarint(nil, b.Header.Number)
	out = protowire.AppendBytes(protowire.AppendBytes(out, b.Header.DataHash), b.Header.PreviousHash)
	for _, list := range [][][]byte{b.Data.Data, b.Metadata.Metadata} {
		out = protowire.AppendVarint(out, uint64(len(list)))
		for _, item := range list {
			out = protowire.AppendBytes(out, item)
		}
	}
	return out
}

// files are the recorded blocks with a kind of content each.
func files(t testing.TB) []string {
	all, err := filepath.Glob("testdata/*/*.block")
	top, e := filepath.Glob("testdata/*.block")
	if err != nil || e != nil || len(all) == 0 || len(top) == 0 {
		t.Fatal("no recorded blocks")
	}
	return append(all, top...)
}

// What a peer stores and what it delivers are the same block, signatures included.
func TestDecodeStored(t *testing.T) {
	for _, name := range files(t) {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := block.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		stored := asStored(t, raw)
		got, err := block.DecodeStored(stored)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want.PrevHash == nil {
			want.PrevHash = []byte{} // in block 0; the stored form has it with length 0
		}
		if !reflect.DeepEqual(want, got) { // cmp takes seconds for large ones
			t.Errorf("%s: delivered and stored, it is not the same", name)
		}
		for _, bad := range [][]byte{nil, stored[:len(stored)-1], append(stored[:len(stored):len(stored)], 0), stored[1:]} {
			if _, err := block.DecodeStored(bad); err == nil {
				t.Errorf("%s: %d of %d bytes are taken", name, len(bad), len(stored))
			}
		}
	}
}

// The members of real configurations signed the real transactions after them.
func TestMembers(t *testing.T) {
	for dir, numbers := range map[string][]string{".": {"1", "12", "23", "40"}, "raft": {"1", "2", "3"}, "soak": {"12"}, "private": {"18", "19"}} {
		members, err := recorded(t, filepath.Join(dir, "0.block")).Members()
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range numbers {
			b := recorded(t, filepath.Join(dir, n+".block"))
			if _, err := b.Members(); err == nil {
				t.Errorf("%s/%s is taken for a configuration block", dir, n)
			}
			for i := range b.Txs {
				if err := members.Check(&b.Txs[i], 1); err != nil {
					t.Errorf("%s/%s, transaction %d: %v", dir, n, i, err)
				}
			}
		}
	}
}

// The recorded blocks, which are the vectors' source, hold every kind of content.
func TestRecordedKinds(t *testing.T) {
	kinds := map[string]int{}
	count := func(kind string, is bool) {
		if is {
			kinds[kind]++
		}
	}
	for _, name := range files(t) {
		b := recorded(t, name[len("testdata/"):])
		for _, tx := range b.Txs {
			endorsed := tx.Type == block.TypeEndorser && tx.Code == block.CodeValid
			count("configuration", tx.Type == block.TypeConfig)
			count("invalid", tx.Code != block.CodeValid)
			count("without writes", endorsed && len(tx.Writes) == 0)
			count("many writes", len(tx.Writes) >= 500)
			for _, w := range tx.Writes {
				count("private", w.Private && w.Delete == block.Put)
				count("purge", w.Delete == block.Purge)
				count("delete", !w.Private && w.Delete == block.Remove)
			}
		}
	}
	for _, kind := range []string{"configuration", "invalid", "without writes", "many writes", "private", "purge", "delete"} {
		if kinds[kind] == 0 {
			t.Errorf("no recorded block has: %s", kind)
		}
	}
}

// No stored block, however malformed, makes the decoder panic, and what it takes has one
// code for each transaction.
func FuzzDecodeStored(f *testing.F) {
	good := endorsed(results())
	f.Add(asStored(f, blocktest.Wire(build(5, []byte{0}, good))))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if b, err := block.DecodeStored(raw); err == nil && len(b.Txs) != len(b.Filter) {
			t.Errorf("%d transactions, %d codes", len(b.Txs), len(b.Filter))
		}
	})
}

// An orderer can put metadata behind Fabric's, which nobody signs and peers store: it stops
// no reader.
func TestFurtherSlots(t *testing.T) {
	b := build(5, []byte{0}, endorsed(results()))
	want := blocktest.Must(block.Decode(blocktest.Wire(b)))
	for range 100 {
		b.Metadata.Metadata = append(b.Metadata.Metadata, []byte("further"))
	}
	raw := blocktest.Wire(b)
	for name, decode := range map[string]func() (*block.Block, error){
		"delivered": func() (*block.Block, error) { return block.Decode(raw) },
		"stored":    func() (*block.Block, error) { return block.DecodeStored(asStored(t, raw)) },
		"written": func() (*block.Block, error) {
			stored, _ := protowire.ConsumeBytes(blocktest.Must(block.AppendStored(nil, raw)))
			return block.DecodeStored(stored)
		},
	} {
		if got, err := decode(); err != nil || got.HeaderHash != want.HeaderHash || got.Txs[0].ID != want.Txs[0].ID {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is made of an envelope takes far more room than an empty one: a list of nothing but
// those is refused, and so is one of slots.
func TestNothingButEmpty(t *testing.T) {
	const many = 1 << 16
	header := protowire.AppendVarint([]byte{5}, 32)
	header = protowire.AppendBytes(append(header, make([]byte, 32)...), make([]byte, 32))
	stored := append(protowire.AppendVarint(header, many), make([]byte, many)...)
	slots := append(protowire.AppendVarint(append(header, 0), many), make([]byte, many)...)
	var list []byte
	for range many {
		list = protowire.AppendBytes(protowire.AppendTag(list, 1, protowire.BytesType), nil)
	}
	delivered := func(field protowire.Number) []byte {
		h, err := proto.Marshal(&common.BlockHeader{Number: 5, DataHash: make([]byte, 32), PreviousHash: make([]byte, 32)})
		if err != nil {
			t.Fatal(err)
		}
		raw := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), h)
		return protowire.AppendBytes(protowire.AppendTag(raw, field, protowire.BytesType), list)
	}
	for name, decode := range map[string]func() error{
		"stored":          func() error { _, err := block.DecodeStored(append(stored, 0)); return err },
		"stored slots":    func() error { _, err := block.DecodeStored(slots); return err },
		"delivered":       func() error { _, err := block.Decode(delivered(2)); return err },
		"delivered slots": func() error { _, err := block.Decode(delivered(3)); return err },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := decode()
		runtime.ReadMemStats(&after)
		size := after.TotalAlloc - before.TotalAlloc
		if err == nil || size > 64*many {
			t.Errorf("%s: %v, %d bytes", name, err, size)
		}
	}
}

// What is made of the smallest reads and writes, of which a member can fill a transaction,
// takes a bounded room, and nothing is allotted for them but that.
func TestNothingButSmall(t *testing.T) {
	const size = 1 << 16
	for name, field := range map[string]byte{"reads": 1, "ranges": 2, "writes": 3, "metadata": 4} {
		set := bytes.Repeat([]byte{field<<3 | 2, 0}, size/2)
		m := blocktest.NewMember("Org1MSP")
		c := &blocktest.Call{Chaincode: "other", Sets: []*rwset.NsReadWriteSet{
			{Namespace: "other", Rwset: set},
			{Namespace: "more", CollectionHashedRwset: []*rwset.CollectionHashedReadWriteSet{{CollectionName: "c", HashedRwset: set}}},
		}}
		raw := blocktest.Wire(blocktest.Block(nil, []byte{0}, nil, c.Envelope(m.Client, m)))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		b, err := block.Decode(raw)
		if err == nil {
			_, err = b.Txs[0].Effects()
		}
		runtime.ReadMemStats(&after)
		if made := (after.TotalAlloc - before.TotalAlloc) / uint64(len(raw)); err != nil || made > 160 {
			t.Errorf("%s: %v, %d bytes for one", name, err, made)
		}
	}
}

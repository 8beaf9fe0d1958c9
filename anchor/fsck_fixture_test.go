package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/network/fabric"
)

// archive is what an organisation has on disk of a network that never ran: block files
// as a peer writes them, made and signed here by four organisations, and the anchor's
// log over them.
type archive struct {
	t       testing.TB
	files   string // of blocks
	cfg     *config
	members []*blocktest.Member
	blocks  []*block.Block
	stored  [][]byte // the blocks as they stand in the files
}

func newArchive(t testing.TB) *archive {
	a := &archive{t: t, files: t.TempDir(), members: blocktest.Members(4)}
	a.add([]byte{0}, blocktest.Config(a.members, nil, "V3_0"))
	id := a.blocks[0].HeaderHash
	a.cfg = &config{
		Organisation: "Org1MSP", Dir: t.TempDir(), LogID: canon.Hex(id[:]),
		Fabric: fabric.Config{MSPID: "Org1MSP", Chaincode: "killick", Endorsements: 2},
	}
	return a
}

// tx is a transaction with its arguments, created by the first organisation and endorsed
// by the first two.
func (a *archive) tx(args []byte, writes ...*kvrwset.KVWrite) []byte {
	return a.called("killick", args, &rwset.NsReadWriteSet{Namespace: "killick", Rwset: blocktest.Wire(&kvrwset.KVRWSet{Writes: writes})}, a.members[:2]...)
}

// called is a call of a chaincode with what came out of it.
func (a *archive) called(chaincode string, args []byte, set *rwset.NsReadWriteSet, endorsers ...*blocktest.Member) []byte {
	call := &blocktest.Call{Chaincode: chaincode, Args: [][]byte{[]byte("ops:Batch"), args}, Sets: []*rwset.NsReadWriteSet{set}}
	return call.Envelope(a.members[0].Client, endorsers...)
}

// add makes the next block, signed by three orderers.
func (a *archive) add(filter []byte, envelopes ...[]byte) {
	var last *block.Block
	if n := len(a.blocks); n > 0 {
		last = a.blocks[n-1]
	}
	b := blocktest.Block(last, filter, a.members[:3], envelopes...)
	commit := sha256.Sum256(fmt.Appendf(nil, "commit %d", len(a.blocks)))
	b.Metadata.Metadata[4] = blocktest.Wire(&common.Metadata{Value: commit[:]})
	stored, _ := protowire.ConsumeBytes(blocktest.Must(block.AppendStored(nil, blocktest.Wire(b))))
	a.stored = append(a.stored, stored)
	a.blocks = append(a.blocks, blocktest.Must(block.DecodeStored(stored)))
}

func put(key, value string) *kvrwset.KVWrite { return &kvrwset.KVWrite{Key: key, Value: []byte(value)} }

// grow makes blocks up to a number, with a checkpoint over all before in every fourth.
func (a *archive) grow(to int) {
	for n := len(a.blocks); n < to; n++ {
		writes := []*kvrwset.KVWrite{put(fmt.Sprint("record/", n), "value"), {Key: "gone", IsDelete: true}}
		if n%4 == 0 {
			root := a.root(n)
			writes = append(writes, put(fmt.Sprintf("checkpoint/%016x", n/4), fmt.Sprintf(`{"number":%d,"size":%d,"root":%q}`, n/4, n, root)),
				put(fmt.Sprintf("cosig/%016x/%s/%016x/%016x/Org1MSP", n, root, n, 1), "{}"))
		}
		a.add([]byte{0, 11}, a.tx([]byte("frame"), writes...), a.tx([]byte("late"), put("a", "b")))
	}
}

// root is that of the log over the first blocks.
func (a *archive) root(size int) string {
	l := blocktest.Must(log.Open(a.t.TempDir()))
	defer l.Close() //nolint:errcheck // of a test
	if err := l.Append(a.blocks[:size]...); err != nil {
		a.t.Fatal(err)
	}
	root := blocktest.Must(l.Root(uint64(size)))
	return canon.Hex(root[:])
}

// write writes block files of so many blocks each from a block on, the log over the first
// size blocks, and what was signed last.
func (a *archive) write(from, each, size int) {
	for i := from; i < len(a.stored); i += each {
		var out []byte
		for _, b := range a.stored[i:min(i+each, len(a.stored))] {
			out = protowire.AppendBytes(out, b)
		}
		a.save(filepath.Join(a.files, fmt.Sprintf("blockfile_%06d", (i-from)/each)), out)
	}
	l := blocktest.Must(log.Open(filepath.Join(a.cfg.Dir, "log")))
	for i := 0; i < size; i += maxBatch {
		if err := l.Append(a.blocks[i:min(i+maxBatch, size)]...); err != nil {
			a.t.Fatal(err)
		}
	}
	root := blocktest.Must(l.Root(uint64(size)))
	if err := l.Close(); err != nil {
		a.t.Fatal(err)
	}
	a.save(filepath.Join(a.cfg.Dir, "signed.json"), blocktest.Must(json.Marshal(signedFile{Size: uint64(size), Root: canon.Hex(root[:]), Time: 1})))
}

func (a *archive) save(path string, data []byte) {
	if err := os.WriteFile(path, data, 0o644); err != nil {
		a.t.Fatal(err)
	}
}

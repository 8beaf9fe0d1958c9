package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
	"github.com/killick-ledger/killick/anchor/log"
)

// fsck runs the command on the archive's block files.
func (a *archive) fsck(o fsckOptions) (*fsckReport, error) {
	a.t.Helper()
	o.files, o.json = a.files, true
	var out bytes.Buffer
	err := fsck(context.Background(), a.cfg, o, &out, io.Discard)
	r := &fsckReport{}
	if e := json.Unmarshal(out.Bytes(), r); e != nil {
		a.t.Fatal(e)
	}
	return r, err
}

func (a *archive) edit(path string, f func([]byte) []byte) {
	data, err := os.ReadFile(path)
	if err != nil {
		a.t.Fatal(err)
	}
	a.save(path, f(data))
}

func (a *archive) logFile(name string) string   { return filepath.Join(a.cfg.Dir, "log", name) }
func (a *archive) blockFile(name string) string { return filepath.Join(a.files, name) }

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte { b[at] ^= 1; return b }
}

// change replaces the first occurrence of a text that must be there.
func change(old, by string) func([]byte) []byte {
	return func(b []byte) []byte {
		if !bytes.Contains(b, []byte(old)) {
			panic("no " + old)
		}
		return bytes.Replace(b, []byte(old), []byte(by), 1)
	}
}

func TestFsckSame(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	a.grow(13)
	a.write(0, 5, 13)
	before := a.everything()
	for _, o := range []fsckOptions{{}, {noSignatures: true}} {
		r, err := a.fsck(o)
		if err != nil || r.Result != "same" || r.Blocks != 13 || r.LogSize != 13 || r.Txs != 25 || r.Checkpoints != 3 || r.Cosigned != 3 ||
			r.SignedSize != 13 || r.Signatures == o.noSignatures || len(r.Unchecked)+len(r.Notes) > 0 {
			t.Errorf("%+v: %v, %+v", o, err, r)
		}
	}
	if after := a.everything(); after != before {
		t.Error("fsck has changed files")
	}
	var out bytes.Buffer
	if err := fsck(t.Context(), a.cfg, fsckOptions{files: a.files}, &out, io.Discard); err != nil || !strings.Contains(out.String(), "\nsame\n") {
		t.Errorf("%v: %s", err, out.String())
	}
}

// everything is the content of all files that fsck reads, and their names.
func (a *archive) everything() string {
	var all strings.Builder
	for _, dir := range []string{a.files, a.cfg.Dir} {
		err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
			if err == nil && !info.IsDir() {
				var data []byte
				data, err = os.ReadFile(path)
				fmt.Fprintf(&all, "%s %x\n", path, data)
			}
			return err
		})
		if err != nil {
			a.t.Fatal(err)
		}
	}
	return all.String()
}

// What cannot be read is nothing that differs: the disk is at fault, or rights are.
func TestFsckUnread(t *testing.T) {
	a := newArchive(t)
	a.grow(13)
	a.write(0, 5, 13)
	signed := filepath.Join(a.cfg.Dir, "signed.json")
	a.remove(signed)
	if err := os.Mkdir(signed, 0o700); err != nil {
		t.Fatal(err)
	}
	if r, err := a.fsck(fsckOptions{}); err == nil || r.Difference != nil || r.Result != "failed" {
		t.Errorf("%v, %+v", err, r)
	}
}

func (a *archive) remove(name string) {
	if err := os.Remove(name); err != nil {
		a.t.Fatal(err)
	}
}

// A changed byte in any field of any file is found, and named with its block.
func TestFsckNamesWhatWasChanged(t *testing.T) {
	t.Parallel()
	const leaf = 7 * 207
	type differs struct {
		where, field string
		block        uint64
	}
	tests := []struct {
		name string
		edit func(a *archive)
		want differs
	}{
		{"node", func(a *archive) { a.edit(a.logFile("hashes"), flip(3*32)) }, differs{"hashes", "node 2 of level 0", 2}},
		{"inner node", func(a *archive) { a.edit(a.logFile("hashes"), flip(2*32+31)) }, differs{"hashes", "node 0 of level 1", 1}},
		{"root of head", func(a *archive) { a.edit(a.logFile("head"), flip(70)) }, differs{"head", "root", 12}},
		{"log id of head", func(a *archive) { a.edit(a.logFile("head"), flip(5)) }, differs{"head", "log id", 0}},
		{"size of head", func(a *archive) { a.edit(a.logFile("head"), change("\n13\n", "\n12\n")) }, differs{"head", "root", 11}},
		{"larger size in head", func(a *archive) { a.edit(a.logFile("head"), change("\n13\n", "\n14\n")) }, differs{"head", "size", 13}},
		{"lines of head", func(a *archive) { a.edit(a.logFile("head"), change("\n13\n", "\n13")) }, differs{"head", "file", 0}},
		{"no size in head", func(a *archive) { a.edit(a.logFile("head"), change("\n13\n", "\nxx\n")) }, differs{"head", "size", 0}},
		{"no leaves", func(a *archive) { a.remove(a.logFile("leaves")) }, differs{"leaves", "file", 0}},
		{"no hashes", func(a *archive) { a.remove(a.logFile("hashes")) }, differs{"hashes", "file", 0}},
		{"leaves end early", func(a *archive) { a.edit(a.logFile("leaves"), func(b []byte) []byte { return b[:leaf+9] }) }, differs{"leaves", "length", 7}},
		{"hashes end early", func(a *archive) { a.edit(a.logFile("hashes"), func(b []byte) []byte { return b[:32*3+1] }) }, differs{"hashes", "length", 2}},
		{"signed root", func(a *archive) {
			a.edit(filepath.Join(a.cfg.Dir, "signed.json"), change(`"root":"`+a.root(13)[:1], `"root":"x`))
		},
			differs{"signed.json", "root signed for size 13", 12}},
		{"signed size", func(a *archive) { a.edit(filepath.Join(a.cfg.Dir, "signed.json"), change(`"size":13`, `"size":99`)) },
			differs{"signed.json", "root signed for size 99", 98}},
		{"signed.json", func(a *archive) { a.edit(filepath.Join(a.cfg.Dir, "signed.json"), change(`{`, ``)) }, differs{"signed.json", "file", 0}},
		{"block file ends early", func(a *archive) {
			a.edit(a.blockFile("blockfile_000002"), func(b []byte) []byte { return b[:len(b)-7] })
		},
			differs{"blockfile_000002 at byte", "stored bytes", 12}},
		{"block file ends in a length", func(a *archive) {
			a.edit(a.blockFile("blockfile_000002"), func(b []byte) []byte { return append(b, 0x80) })
		}, differs{"blockfile_000002 at byte", "stored bytes", 13}},
		{"block file asks for too much", func(a *archive) {
			a.edit(a.blockFile("blockfile_000002"), func(b []byte) []byte { return append(b, 0xff, 0xff, 0xff, 0xff, 0x7f) })
		}, differs{"blockfile_000002 at byte", "stored bytes", 13}},
		{"a block less", func(a *archive) { a.stored = append(a.stored[:6:6], a.stored[7:]...); a.rewrite() }, differs{"blockfile_000001 at byte", "number", 6}},
		{"the last block less", func(a *archive) { a.stored = a.stored[:12]; a.rewrite() }, differs{"head", "size", 12}},
		{"block file in the middle missing", func(a *archive) { a.remove(a.blockFile("blockfile_000001")) }, differs{"head", "size", 5}},
	}
	begin := 0
	for _, f := range []struct {
		field string
		end   int
	}{{"version", 1}, {"type", 2}, {"log id", 34}, {"block number", 42}, {"header hash", 74}, {"data hash", 106}, {"hash of the validation codes", 138},
		{"commit flag", 139}, {"commit hash", 171}, {"number of transactions", 175}, {"transactions root", 207}} {
		for _, at := range []int{leaf + begin, leaf + f.end - 1} {
			tests = append(tests, struct {
				name string
				edit func(a *archive)
				want differs
			}{fmt.Sprintf("leaf, byte %d", at-leaf), func(a *archive) { a.edit(a.logFile("leaves"), flip(at)) }, differs{"leaves", f.field, 7}})
		}
		begin = f.end
	}
	whole := newArchive(t)
	whole.grow(13)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := whole.copy(t)
			a.write(0, 5, 13)
			tt.edit(a)
			r, err := a.fsck(fsckOptions{})
			d := r.Difference
			if d == nil || exitCode(err) != exitDifference || r.Result != "different" {
				t.Fatalf("got %v, %+v", err, r)
			}
			if !strings.HasPrefix(d.Where, tt.want.where) || d.Field != tt.want.field || d.Block != tt.want.block || d.Found == d.Want {
				t.Errorf("got %+v, want %+v", d, tt.want)
			}
		})
	}
}

func (a *archive) copy(t testing.TB) *archive {
	c := *a
	cfg := *a.cfg
	c.t, c.files, c.cfg = t, t.TempDir(), &cfg
	cfg.Dir = t.TempDir()
	return &c
}

// rewrite writes the block files again, and leaves the log.
func (a *archive) rewrite() {
	c := *a
	cfg := *a.cfg
	cfg.Dir = a.t.TempDir()
	c.cfg = &cfg
	c.write(0, 5, 1)
}

// A byte changed anywhere in the block files never passes.
func TestFsckEveryByteOfABlock(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	a.grow(4)
	a.write(0, 9, 4)
	path := a.blockFile("blockfile_000000")
	data := blocktest.Must(os.ReadFile(path))
	begin := bytes.Index(data, a.stored[2])
	for at := begin; at < begin+len(a.stored[2]); at += 23 {
		a.save(path, flip(at)(bytes.Clone(data)))
		r, err := a.fsck(fsckOptions{})
		if exitCode(err) != exitDifference || r.Difference == nil || r.Difference.Block != 2 {
			t.Fatalf("byte %d of block 2: %v, %+v", at-begin, err, r.Difference)
		}
	}
}

// Checkpoints and own cosignatures on the ledger that are not of this log are named.
func TestFsckLedgerSaysAnotherRoot(t *testing.T) {
	t.Parallel()
	wrong := strings.Repeat("ab", 32)
	for name, tt := range map[string]struct{ key, value, field string }{
		"checkpoint":        {"checkpoint/0000000000000001", `{"number":1,"size":3,"root":"` + wrong + `"}`, "root of checkpoint 1, size 3"},
		"of blocks to come": {"checkpoint/head", `{"number":1,"size":30,"root":"` + wrong + `"}`, "root of checkpoint 1, size 30"},
		"no checkpoint":     {"checkpoint/head", `{`, "checkpoint/head"},
		"own cosignature":   {"cosig/0000000000000003/" + wrong + "/01/01/Org1MSP", "{}", "root that Org1MSP cosigned for size 3"},
		"of another member": {"cosig/0000000000000003/" + wrong + "/01/01/Org2MSP", "{}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t)
			a.grow(4)
			a.add([]byte{0}, a.tx(nil, put(tt.key, tt.value)))
			a.write(0, 9, 5)
			r, err := a.fsck(fsckOptions{})
			switch {
			case tt.field == "":
				if err != nil {
					t.Error(err)
				}
			case r.Difference == nil || r.Difference.Field != tt.field || r.Difference.Block != 4 || !strings.HasPrefix(r.Difference.Where, "ledger"):
				t.Errorf("%v, %+v", err, r.Difference)
			}
		})
	}
}

// Blocks that are whole in themselves, of a peer that marks as valid what is not.
func TestFsckSignatures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		orderer bool // who is spoilt: an orderer, or whoever makes the transaction
		spoil   func(all []*blocktest.Member)
		want    string
	}{
		"orderer":                {true, func(all []*blocktest.Member) { all[2].Peer = all[3].Peer }, "2 of 4 orderers signed, want 3"},
		"endorser":               {false, func(all []*blocktest.Member) { all[1].Peer = all[3].Peer.As(all[1].Peer) }, "the endorsement of Org2MSP does not match"},
		"endorser of no member":  {false, func(all []*blocktest.Member) { all[1] = blocktest.NewMember("Org2MSP") }, "certificate signed by unknown authority"},
		"endorser of no channel": {false, func(all []*blocktest.Member) { all[1] = blocktest.NewMember("Org8MSP") }, `"Org8MSP" is no organisation`},
		"endorser is no peer":    {false, func(all []*blocktest.Member) { all[1].Peer = all[1].Client }, "certificate of Org2MSP is no peer's"},
		"creator":                {false, func(all []*blocktest.Member) { all[0].Client = all[0].Client.As(all[3].Client) }, "the creator's signature does not match"},
		"one endorser twice":     {false, func(all []*blocktest.Member) { all[1] = all[0] }, "endorsed by 1 organisations, want 2"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t)
			a.grow(4)
			b := a.copy(t)
			b.members = nil
			for _, m := range a.members {
				one := *m
				b.members = append(b.members, &one)
			}
			tt.spoil(b.members)
			if tt.orderer {
				a.members, b.members = b.members, a.members
			}
			a.add([]byte{0}, b.tx(nil, put("a", "b")))
			a.write(0, 9, 5)
			r, err := a.fsck(fsckOptions{})
			if r.Difference == nil || r.Difference.Block != 4 || !strings.Contains(r.Difference.Found, tt.want) {
				t.Errorf("%v, %+v", err, r.Difference)
			}
			if r, err := a.fsck(fsckOptions{noSignatures: true}); err != nil || r.Signatures {
				t.Errorf("without signatures: %v", err)
			}
		})
	}
}

// A log that is behind its peer is sound; one that is not there has nothing wrong with it.
func TestFsckBehind(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	a.grow(13)
	a.write(0, 5, 6)
	r, err := a.fsck(fsckOptions{})
	if err != nil || r.Result != "same" || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "7 blocks behind") {
		t.Errorf("%v, %+v", err, r)
	}
	if err := os.RemoveAll(a.cfg.Dir); err != nil {
		t.Fatal(err)
	}
	if r, err := a.fsck(fsckOptions{}); err != nil || r.LogSize != 0 || r.Checkpoints != 3 {
		t.Errorf("no log: %v, %+v", err, r)
	}
}

// A peer that joined from a snapshot has no early blocks: what follows is compared all
// the same, and what could not be is said.
func TestFsckSnapshot(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	a.grow(13)
	a.write(6, 5, 13)
	r, err := a.fsck(fsckOptions{})
	if !errors.Is(err, errIncomplete) || exitCode(err) != exitIncomplete || r.First != 6 || r.Blocks != 7 || r.Result != "incomplete" ||
		len(r.Unchecked) != 2 || !strings.Contains(r.Unchecked[0], "blocks 0 to 5") || !strings.Contains(r.Unchecked[1], "signatures of 7 blocks") {
		t.Errorf("%v, %+v", err, r)
	}
	for name, tt := range map[string]struct {
		at    int
		field string
		block uint64
	}{
		"early leaf: its node":      {3*207 + 60, "node 3 of level 0", 3},
		"early leaf: its number":    {3*207 + 41, "block number", 3},
		"early leaf: not a record":  {3 * 207, "record", 3},
		"leaf of a block there":     {8*207 + 60, "header hash", 8},
		"last leaf before them all": {5*207 + 60, "node 5 of level 0", 5},
	} {
		b := a.copy(t)
		b.write(6, 5, 13)
		b.edit(b.logFile("leaves"), flip(tt.at))
		if r, err := b.fsck(fsckOptions{}); r.Difference == nil || r.Difference.Field != tt.field || r.Difference.Block != tt.block {
			t.Errorf("%s: %v, %+v", name, err, r.Difference)
		}
	}
	b := a.copy(t)
	b.write(6, 5, 4)
	if r, err := b.fsck(fsckOptions{}); !errors.Is(err, errIncomplete) || !strings.Contains(r.Unchecked[0], "it has 4 blocks") {
		t.Errorf("log that ends before: %v, %+v", err, r)
	}
	for text, want := range map[string]uint64{
		"cannot serve block [0]. The ledger is bootstrapped from a snapshot. First available block = [42]": 42, "connection refused": 0,
	} {
		if first, ok := afterSnapshot(errors.New(text)); first != want || ok != (want > 0) {
			t.Errorf("%s: %d %v", text, first, ok)
		}
	}
}

// A peer whose stream ends early is no difference and no success.
func TestFsckPeerStops(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	a.grow(9)
	a.write(0, 9, 9)
	for name, last := range map[string]error{"with an error": errors.New("connection lost"), "without": nil} {
		s := &blockSource{name: "peer", height: 9, blocks: func(context.Context) iter.Seq2[piece, error] {
			return func(yield func(piece, error) bool) {
				for _, b := range a.blocks[:5] {
					if !yield(piece{1, "peer", func() (*block.Block, error) { return b, nil }}, nil) {
						return
					}
				}
				if last != nil {
					yield(piece{}, last)
				}
			}
		}}
		audit, err := log.NewAudit(filepath.Join(a.cfg.Dir, "log"))
		if err != nil {
			t.Fatal(err)
		}
		r := &fsckReport{Signatures: true}
		if err := r.against(t.Context(), a.cfg, audit, s, io.Discard); err == nil || exitCode(err) != 1 {
			t.Errorf("%s: got %v", name, err)
		}
		if err := audit.Close(); err != nil {
			t.Error(err)
		}
	}
}

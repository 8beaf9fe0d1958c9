package status_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/gateway/status"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/vc"
)

const network = "main-0011223344556677"

// chain is a ledger of blocks that are there already; after them comes an error.
type chain struct {
	submit.Ledger
	blocks []submit.Block
	reads  []uint64 // from where somebody read
}

var errEnd = errors.New("end of the chain")

func (c *chain) Blocks(_ context.Context, from uint64) iter.Seq2[submit.Block, error] {
	c.reads = append(c.reads, from)
	return func(yield func(submit.Block, error) bool) {
		for _, b := range c.blocks[min(from, uint64(len(c.blocks))):] {
			if !yield(b, nil) {
				return
			}
		}
		yield(submit.Block{}, errEnd)
	}
}

func (c *chain) block(writes ...submit.Write) {
	c.blocks = append(c.blocks, submit.Block{Number: uint64(len(c.blocks)), Transactions: []submit.Committed{
		{ID: "void", Writes: []submit.Write{{Key: "credential/never", Value: []byte("{")}}}, {ID: "valid", Valid: true, Writes: writes},
	}})
}

// state is what a credential's write says.
func state(t testing.TB, issuer ledger.ID, list, index uint32, status string) submit.Write {
	t.Helper()
	value, err := json.Marshal(credential.Credential{Issuer: did.String(network, issuer), List: list, Index: index, Status: status})
	if err != nil {
		t.Fatal(err)
	}
	return submit.Write{Key: fmt.Sprintf("credential/%d-%d", list, index), Value: value}
}

func issue(t testing.TB, issuer ledger.ID, list, index uint32) []submit.Write {
	return []submit.Write{state(t, issuer, list, index, credential.Active), {Key: credential.EntryKey(issuer, list, index), Value: []byte("ref")}}
}

// follow reads the chain from a block on, as a submitter that has taken in those before.
func follow(t testing.TB, i *status.Index, c *chain, from uint64) {
	t.Helper()
	for _, err := range i.Watch(c).Blocks(t.Context(), from) {
		if err != nil && !errors.Is(err, errEnd) {
			t.Fatal(err)
		}
	}
}

func open(t testing.TB, path string) *status.Index {
	t.Helper()
	i, err := status.Open(path, network)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func has(t testing.TB, i *status.Index, l status.List, purpose vc.StatusPurpose, index int) bool {
	t.Helper()
	bits, _, err := i.Bits(l, purpose)
	if err != nil {
		t.Fatal(err)
	}
	set, err := bits.Has(index)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// ST-1: the bits are what the blocks say, whatever was missed, read twice, or lost with
// the file; a random history agrees with one that is kept naively.
func TestBitsFollowBlocks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "status.db")
	issuers := []ledger.ID{{1}, {2}}
	c := &chain{}
	c.block()
	type entry struct {
		status.List
		index uint32
	}
	want, changed := map[entry]string{}, map[string]uint64{}
	var all []entry
	i := open(t, path)
	for range 60 {
		number := uint64(len(c.blocks))
		var writes []submit.Write
		for range random.IntN(4) {
			e := entry{status.List{Issuer: issuers[random.IntN(2)], Number: random.Uint32N(2)}, random.Uint32N(credential.ListEntries)}
			if _, ok := want[e]; ok {
				continue
			}
			for _, p := range []vc.StatusPurpose{vc.Suspension, vc.Revocation} {
				if _, ok := changed[fmt.Sprint(e.List, p)]; !ok {
					changed[fmt.Sprint(e.List, p)] = number
				}
			}
			writes = append(writes, issue(t, e.Issuer, e.Number, e.index)...)
			want[e], all = credential.Active, append(all, e)
		}
		before := map[entry]string{}
		for range random.IntN(4) {
			if len(all) == 0 {
				break
			}
			e := all[random.IntN(len(all))]
			if _, ok := before[e]; ok {
				continue
			}
			before[e] = want[e]
			want[e] = []string{credential.Active, credential.Suspended, credential.Revoked}[random.IntN(3)]
			writes = append(writes, state(t, e.Issuer, e.Number, e.index, want[e]))
			if (before[e] == credential.Suspended) != (want[e] == credential.Suspended) {
				changed[fmt.Sprint(e.List, vc.Suspension)] = number
			}
			if (before[e] == credential.Revoked) != (want[e] == credential.Revoked) {
				changed[fmt.Sprint(e.List, vc.Revocation)] = number
			}
		}
		c.block(writes...)
		switch random.IntN(6) {
		case 0: // a stop
			if err := i.Close(); err != nil {
				t.Fatal(err)
			}
			i = open(t, path)
		case 1: // the file is lost
			if err := i.Close(); err != nil {
				t.Fatal(err)
			}
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			}
			i = open(t, path)
		}
		// The submitter may be anywhere: before, at, or behind what the index has.
		follow(t, i, c, random.Uint64N(uint64(len(c.blocks))+1))
		if i.Next() != uint64(len(c.blocks)) {
			follow(t, i, c, uint64(len(c.blocks)))
		}
		for e, s := range want {
			if has(t, i, e.List, vc.Suspension, int(e.index)) != (s == credential.Suspended) || has(t, i, e.List, vc.Revocation, int(e.index)) != (s == credential.Revoked) {
				t.Fatalf("block %d: %v is not %s", number, e, s)
			}
			for _, p := range []vc.StatusPurpose{vc.Suspension, vc.Revocation} {
				if got, err := i.Changed(e.List, p); err != nil || got != changed[fmt.Sprint(e.List, p)] {
					t.Fatalf("block %d: %v, %s changed at %d (%v), want %d", number, e.List, p, got, err, changed[fmt.Sprint(e.List, p)])
				}
			}
		}
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
}

// ST-2: a block is in the index before whoever reads it has it.
func TestIndexIsAhead(t *testing.T) {
	c, issuer := &chain{}, ledger.ID{7}
	l := status.List{Issuer: issuer}
	c.block(issue(t, issuer, 0, 5)...)
	c.block(state(t, issuer, 0, 5, credential.Revoked))
	i := open(t, filepath.Join(t.TempDir(), "status.db"))
	defer i.Close()
	if _, err := i.Changed(l, vc.Revocation); fault.Of(err) != fault.Unavailable {
		t.Errorf("before any block: %v", err)
	}
	for block, err := range i.Watch(c).Blocks(t.Context(), 0) {
		if err == nil && has(t, i, l, vc.Revocation, 5) != (block.Number == 1) {
			t.Errorf("block %d", block.Number)
		}
	}
	if _, err := i.Changed(status.List{Issuer: issuer, Number: 1}, vc.Revocation); fault.Of(err) != fault.NotFound {
		t.Errorf("another list: %v", err)
	}
	if n, err := i.Free(issuer); err != nil || n != 0 {
		t.Errorf("free is %d, %v", n, err)
	}
}

// An issuer gets a new list when half of one is given.
func TestFree(t *testing.T) {
	c, issuer := &chain{}, ledger.ID{7}
	var writes []submit.Write
	for n := range uint32(credential.ListEntries/2 + 1) {
		writes = append(writes, submit.Write{Key: credential.EntryKey(issuer, 0, n), Value: []byte("ref")})
	}
	c.block(writes[:credential.ListEntries/2]...)
	i := open(t, filepath.Join(t.TempDir(), "status.db"))
	defer i.Close()
	follow(t, i, c, 0)
	if n, err := i.Free(issuer); err != nil || n != 0 {
		t.Errorf("half full: %d, %v", n, err)
	}
	c.block(writes[credential.ListEntries/2])
	follow(t, i, c, 1)
	if n, err := i.Free(issuer); err != nil || n != 1 {
		t.Errorf("one more: %d, %v", n, err)
	}
}

// TestFewAndMany: bits are the same however many there are, before and after a restart.
func TestFewAndMany(t *testing.T) {
	c, issuer, path := &chain{}, ledger.ID{7}, filepath.Join(t.TempDir(), "status.db")
	l := status.List{Issuer: issuer}
	i := open(t, path)
	want := map[uint32]bool{}
	step := func(name string, count int, status string) {
		t.Helper()
		var writes []submit.Write
		for n := range uint32(count) {
			writes = append(writes, state(t, issuer, 0, 7*n, status))
			want[7*n] = status == credential.Revoked
		}
		c.block(writes...)
		follow(t, i, c, uint64(len(c.blocks)-1))
		for n := range uint32(2000) {
			if has(t, i, l, vc.Revocation, int(n)) != want[n] {
				t.Fatalf("%s: entry %d is not %v", name, n, want[n])
			}
		}
	}
	c.block(issue(t, issuer, 0, 1)...)
	follow(t, i, c, 0)
	step("few", 256, credential.Revoked)
	step("fewer", 3, credential.Active)
	step("many", 258, credential.Revoked)
	step("few again", 100, credential.Active)
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	i = open(t, path)
	defer i.Close()
	step("after a restart", 1, credential.Revoked)
}

// TestManyLists: an issuer that begins a list with each credential makes nobody hold
// 131,072 entries for each.
func TestManyLists(t *testing.T) {
	const lists = 4000
	c, issuer := &chain{}, ledger.ID{7}
	var given, revoked []submit.Write
	for n := range uint32(lists) {
		given = append(given, submit.Write{Key: credential.EntryKey(issuer, n, 0), Value: []byte("ref")})
		revoked = append(revoked, state(t, issuer, n, 0, credential.Revoked))
	}
	c.block(given...)
	c.block(revoked...)
	i := open(t, filepath.Join(t.TempDir(), "status.db"))
	defer i.Close()
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := held()
	follow(t, i, c, 0)
	if after := held(); after > before+lists*2048 {
		t.Errorf("%d bytes for each list", (after-before)/lists)
	}
	if !has(t, i, status.List{Issuer: issuer, Number: lists - 1}, vc.Revocation, 0) {
		t.Error("the last is not revoked")
	}
}

// ST-3: an index that has missed much catches up beside the submitter, which waits for
// nothing; until then it says nothing, and from then on all.
func TestCatchUpBeside(t *testing.T) {
	const blocks = 3000
	c, issuer := &slow{let: make(chan struct{})}, ledger.ID{7}
	l := status.List{Issuer: issuer}
	c.block(issue(t, issuer, 0, 5)...)
	for range blocks {
		c.block()
	}
	c.block(state(t, issuer, 0, 5, credential.Revoked))
	i := open(t, filepath.Join(t.TempDir(), "status.db"))
	defer i.Close()
	from := uint64(blocks - 1)
	for block, err := range i.Watch(c).Blocks(t.Context(), from) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.Changed(l, vc.Revocation); block.Number < uint64(len(c.blocks))-1 && fault.Of(err) != fault.Unavailable {
			t.Fatalf("block %d: %v", block.Number, err)
		}
		if block.Number < uint64(len(c.blocks))-1 {
			continue
		}
		// The submitter has everything. Only now does who catches up get its blocks.
		close(c.let)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(time.Minute); ; <-tick.C {
			if _, err := i.Changed(l, vc.Revocation); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("not within a minute")
			}
		}
		break
	}
	if !has(t, i, l, vc.Revocation, 5) || i.Next() != uint64(len(c.blocks)) {
		t.Errorf("next is %d", i.Next())
	}
}

// slow is a chain that gives its first blocks when it is let.
type slow struct {
	chain
	let chan struct{}
}

func (s *slow) Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		if from == 0 {
			<-s.let
		}
		for _, b := range s.blocks[from:] {
			if !yield(b, nil) {
				return
			}
		}
		<-ctx.Done()
	}
}

package index_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/gateway/index"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// IX-1: whatever narrows a list, in pages of whatever size, it holds what the ledger
// holds, each once, in the order in which the ledger created it.
func TestRecords(t *testing.T) {
	w := begin(t)
	w.life(rand.New(rand.NewPCG(1, 2)), 60)
	x, m := w.index(), w.model()
	for _, owner := range []string{"", w.people[0].DID, w.people[2].DID} {
		for _, schema := range []string{"", "lab", "none"} {
			for _, status := range []string{"", "live", "deleted"} {
				for _, size := range []int{1, 7, 1000} {
					q := index.Records{Owner: owner, Schema: schema, Status: status}
					if diff := cmp.Diff(m.choose(q), records(t, x, size, q)); diff != "" {
						t.Errorf("%+v: %s", q, diff)
					}
				}
			}
		}
	}
	page, err := x.Records(t.Context(), index.Records{Status: "live", Paging: index.Paging{Size: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if v := m.now[page.Items[0].Reference]; page.Block != uint64(len(w.Chain())-1) || page.Items[0].Version != v.Version || page.Items[0].Commitment != canon.Hex(v.Commitment[:]) {
		t.Errorf("%+v of block %d", page.Items[0], page.Block)
	}
}

// IX-2: what is submitted, amended and deleted between two pages neither repeats nor
// hides anything else, and a token is good at every gateway and after a restart.
func TestPagesUnderWrites(t *testing.T) {
	w := begin(t)
	random := rand.New(rand.NewPCG(3, 4))
	w.life(random, 25)
	files := []string{filepath.Join(t.TempDir(), "here"), filepath.Join(t.TempDir(), "there")}
	q := index.Records{Owner: w.people[1].DID}
	turn := 0
	var got []string
	for p := (index.Paging{Size: 2}); ; {
		x := w.open(files[turn%2], w.Ledger)
		q.Paging = p
		page, err := x.Records(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Items {
			got = append(got, r.Reference)
		}
		if p.Token = page.Next; p.Token == "" {
			break
		}
		if turn++; turn < 12 { // or the end would run away
			w.life(random, 2)
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// Everything is listed once, what came meanwhile too, and nothing twice.
	if diff := cmp.Diff(w.model().choose(index.Records{Owner: w.people[1].DID}), got); turn < 12 || diff != "" {
		t.Errorf("after %d pages: %s", turn, diff)
	}
}

// IX-3: a stream that breaks off, a restart, a lost file and one of another form leave
// the same answers; a restart reads no block again.
func TestRebuilds(t *testing.T) {
	w := begin(t)
	w.life(rand.New(rand.NewPCG(5, 6)), 20)
	want := w.model().choose(index.Records{})
	same := func(what string, x *index.Index) {
		t.Helper()
		if diff := cmp.Diff(want, records(t, x, 3, index.Records{})); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	file := filepath.Join(t.TempDir(), "index")
	stream := &broken{Ledger: w.Ledger}
	x := w.open(file, stream)
	same("broken stream", x)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	again := &broken{Ledger: w.Ledger}
	x = w.open(file, again)
	same("restart", x)
	if again.reads != 0 {
		t.Errorf("%d blocks are read again", again.reads)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func() error{
		"lost":         func() error { return os.Remove(file) },
		"other tables": func() error { return os.WriteFile(file, []byte(strings.Repeat("no SQLite file ", 100)), 0o600) },
		"other ledger": func() error {
			x, err := index.Open(index.Config{File: file, Network: "other", Ledger: submittest.New(), Log: slog.New(slog.DiscardHandler)})
			if err == nil {
				err = x.Close()
			}
			return err
		},
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		x := w.open(file, w.Ledger)
		same(name, x)
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A commit that is reported as failed and is in the file all the same is not made
// again; a stream with a gap is not believed.
func TestCommitsInDoubt(t *testing.T) {
	w := begin(t)
	w.life(rand.New(rand.NewPCG(11, 12)), 5)
	before := uint64(len(w.Chain()))
	gate := &gated{w.Ledger, before, make(chan struct{})}
	x := w.open(filepath.Join(t.TempDir(), "gated"), gate)
	w.life(rand.New(rand.NewPCG(13, 14)), 5)
	chain := w.Chain()
	if err := x.TakeUnnoticed(slices.Clone(chain[before : before+2])...); err != nil {
		t.Fatal(err)
	}
	gate.release()
	w.reach(x)
	if diff := cmp.Diff(w.model().choose(index.Records{}), records(t, x, 100, index.Records{})); diff != "" {
		t.Error(diff)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	z, err := index.Open(index.Config{File: filepath.Join(t.TempDir(), "gap"), Network: submittest.Network, Ledger: fixed(chain[1:]), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = z.Close() })
	if err := z.Reach(ctx, 1); fault.Of(err) != fault.Unavailable {
		t.Errorf("a stream that begins with block 1 was believed: %v", err)
	}
}

// A span of time is a span of places: the times of records never fall.
func TestTimes(t *testing.T) {
	claimed := []uint64{100, 100, 90, 105, 105, 101, 110}
	var blocks []submit.Block
	for i, at := range claimed {
		v := record.Value{Status: record.Live, Version: 1, Schema: "s", Size: uint64(i)}
		ref := ledger.Reference{Expiry: 1, ID: [32]byte{byte(len(claimed) - i)}}
		blocks = append(blocks, submit.Block{Number: uint64(i), Transactions: []submit.Committed{
			{Valid: true, Time: at, Writes: []submit.Write{{Key: record.Key(ref.String()), Value: v.Encode()}}},
			{Time: 10_000, Writes: []submit.Write{{Key: "record/void", Value: []byte("?")}}},
		}})
	}
	x, err := index.Open(index.Config{File: filepath.Join(t.TempDir(), "index"), Network: submittest.Network, Ledger: fixed(blocks), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	if err := x.Reach(t.Context(), uint64(len(blocks))); err != nil {
		t.Fatal(err)
	}
	all, err := x.Records(t.Context(), index.Records{})
	if err != nil {
		t.Fatal(err)
	}
	var times []uint64
	for _, r := range all.Items {
		times = append(times, r.Time)
	}
	if want := []uint64{100, 100, 100, 105, 105, 105, 110}; !slices.Equal(times, want) {
		t.Fatalf("times %v, want %v", times, want)
	}
	for _, tt := range []struct {
		since, until uint64
		n            int
	}{{0, 0, 7}, {100, 0, 7}, {101, 0, 4}, {0, 105, 3}, {100, 105, 3}, {105, 106, 3}, {106, 110, 0}, {110, 111, 1}, {111, 0, 0}, {0, 100, 0}, {1 << 63, 0, 0}} {
		if got := records(t, x, 2, index.Records{Since: tt.since, Until: tt.until}); len(got) != tt.n {
			t.Errorf("from %d to %d: %d, want %d", tt.since, tt.until, len(got), tt.n)
		}
	}
}

// A page looks at so many rows and no more: it may be empty, and go on all the same.
func TestScanLimit(t *testing.T) {
	blocks := benchBlocks(0, 25)
	x, err := index.Open(index.Config{File: filepath.Join(t.TempDir(), "index"), Network: submittest.Network, Ledger: fixed(blocks), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	if err := x.Reach(t.Context(), uint64(len(blocks))); err != nil {
		t.Fatal(err)
	}
	page, err := x.Records(t.Context(), index.Records{Status: "deleted"})
	if err != nil || len(page.Items) != 0 || page.Next == "" {
		t.Fatalf("the first page: %+v %v", page, err)
	}
	page, err = x.Records(t.Context(), index.Records{Status: "deleted", Paging: index.Paging{Token: page.Next}})
	if err != nil || len(page.Items) != 0 || page.Next != "" {
		t.Errorf("the second page: %+v %v", page, err)
	}
	if all := records(t, x, 1000, index.Records{Status: "live"}); len(all) != 12_500 {
		t.Errorf("%d records", len(all))
	}
}

func TestRefusals(t *testing.T) {
	w := begin(t)
	w.life(rand.New(rand.NewPCG(7, 8)), 3)
	x := w.index()
	first, err := x.Records(t.Context(), index.Records{Paging: index.Paging{Size: 1}})
	if err != nil || first.Next == "" {
		t.Fatal(first, err)
	}
	foreign := strings.Replace(w.people[0].DID, submittest.Network, "main-ffffffffffffffff", 1)
	for name, tt := range map[string]struct {
		q    index.Records
		code fault.Code
	}{
		"owner":            {index.Records{Owner: "alice"}, fault.InvalidValue},
		"owner elsewhere":  {index.Records{Owner: foreign}, fault.WrongNetwork},
		"schema":           {index.Records{Schema: "a/b"}, fault.InvalidValue},
		"status":           {index.Records{Status: "Live"}, fault.InvalidValue},
		"size":             {index.Records{Paging: index.Paging{Size: 1001}}, fault.InvalidValue},
		"token":            {index.Records{Paging: index.Paging{Token: "x"}}, fault.InvalidValue},
		"another question": {index.Records{Status: "live", Paging: index.Paging{Token: first.Next}}, fault.InvalidValue},
	} {
		if _, err := x.Records(t.Context(), tt.q); fault.Of(err) != tt.code {
			t.Errorf("%s: %v, want %v", name, err, tt.code)
		}
	}
	if _, err := x.Grants(t.Context(), index.Grants{}); fault.Of(err) != fault.MissingField {
		t.Error(err)
	}
	if _, err := x.Uses(t.Context(), index.Uses{}); fault.Of(err) != fault.MissingField {
		t.Error(err)
	}
	if _, err := x.Offers(t.Context(), index.Offers{Asset: "a/b"}); fault.Of(err) != fault.InvalidValue {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := x.Reach(ctx, 1<<40); fault.Of(err) != fault.Unavailable {
		t.Error(err)
	}
}

func FuzzToken(f *testing.F) {
	w := begin(f)
	w.life(rand.New(rand.NewPCG(9, 10)), 3)
	x := w.index()
	page, err := x.Records(f.Context(), index.Records{Paging: index.Paging{Size: 1}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(page.Next)
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		_, err := x.Records(context.Background(), index.Records{Paging: index.Paging{Token: token}})
		if code := fault.Of(err); code != fault.OK && code != fault.InvalidValue {
			t.Errorf("%q: %v", token, err)
		}
	})
}

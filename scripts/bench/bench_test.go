package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/network/topology"
)

func TestPercentile(t *testing.T) {
	hundred := row{}
	for i := range 100 {
		hundred.latencies = append(hundred.latencies, time.Duration(100-i)*time.Millisecond)
	}
	hundred.finish()
	for _, tt := range []struct {
		name string
		row  row
		p    float64
		want time.Duration
	}{
		{"none", row{}, .99, 0},
		{"one", row{latencies: []time.Duration{7}}, .5, 7},
		{"median of two is the lower", row{latencies: []time.Duration{1, 2}}, .5, 1},
		{"p99 of a hundred", hundred, .99, 99 * time.Millisecond},
		{"p50 of a hundred", hundred, .5, 50 * time.Millisecond},
		{"p99 of few is the largest", row{latencies: []time.Duration{1, 2, 3}}, .99, 3},
		{"the largest", hundred, 1, 100 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.row.percentile(tt.p); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// No two draws of one account are closer together than what is in flight, and all
// accounts are drawn equally often.
func TestDeckKeepsAccountsApart(t *testing.T) {
	for _, tt := range []struct{ accounts, apart, want int }{{1000, 100, 100}, {1000, 500, 500}, {100, 5000, 75}, {2, 0, 0}} {
		d := newDeck(rand.New(rand.NewPCG(1, 2)), tt.accounts, tt.apart, 0)
		last, times := map[int]int{}, map[int]int{}
		for i := range 20 * tt.accounts {
			op := d.next()
			if before, ok := last[op.actor]; ok && i-before < tt.want {
				t.Fatalf("%d accounts: account %d is drawn again after %d others, want %d", tt.accounts, op.actor, i-before, tt.want)
			}
			if op.other == op.actor || op.other < 0 || op.other >= tt.accounts {
				t.Fatalf("account %d pays %d", op.actor, op.other)
			}
			last[op.actor] = i
			times[op.actor]++
		}
		for a, n := range times {
			if n != 20 {
				t.Fatalf("account %d was drawn %d times, want 20", a, n)
			}
		}
	}
}

func TestDeckDealsBadOnesInTurn(t *testing.T) {
	d := newDeck(rand.New(rand.NewPCG(1, 2)), 50, 10, 100, badSignature, noFunds, replay)
	var got []fate
	for range 600 {
		if op := d.next(); op.fate != good {
			got = append(got, op.fate)
		}
	}
	if want := []fate{badSignature, noFunds, replay, badSignature, noFunds, replay}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestMixedLoadHasEqualParts(t *testing.T) {
	for _, skew := range []bool{false, true} {
		s, parts := spec{load: mixed, skew: skew}, map[string]int{}
		for i := range 400 {
			if skew {
				parts[s.kind(i/2, i%2 == 0)]++
			} else {
				parts[s.kind(i, false)]++
			}
		}
		for _, kind := range []string{dids, records, credentials, transfers} {
			if parts[kind] != 100 {
				t.Errorf("skewed %t: %d %s of 400, want 100", skew, parts[kind], kind)
			}
		}
	}
}

func batchTx(t *testing.T, code uint8, results ...byte) block.Tx {
	t.Helper()
	frame, err := ops.EncodeFrame(make([]ops.Item, len(results)))
	if err != nil {
		t.Fatal(err)
	}
	return block.Tx{
		Type: block.TypeEndorser, Code: code, Chaincode: topology.Chaincode, Args: [][]byte{[]byte("ops:Batch"), frame}, Response: results,
		Writes: []block.Write{{Key: []byte("key"), Value: []byte("value")}},
	}
}

func TestTally(t *testing.T) {
	plain := block.Tx{Type: block.TypeEndorser, Chaincode: topology.Chaincode, Args: [][]byte{[]byte("Transfer")}}
	b := &block.Block{Txs: []block.Tx{
		batchTx(t, block.CodeValid, 0, 0, 7, ops.Replayed), batchTx(t, 11, 0, 0), plain, {Type: block.TypeConfig},
	}}
	got, err := tally(b, 1000)
	want := count{valid: 3, refused: 2, void: 1, writes: 1, writeBytes: 8, blockBytes: 1000}
	if err != nil || got != want {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
	short := batchTx(t, block.CodeValid, 0, 0)
	short.Response = short.Response[:1]
	if _, err := tally(&block.Block{Txs: []block.Tx{short}}, 1); err == nil {
		t.Error("a batch with a result too few was counted")
	}
}

// What is measured lies between two blocks: the first after the warm-up is not in
// it, the first after the window is the last, unless there are few.
func TestMeterMeasuresBetweenBlocks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		blocks []time.Duration // ms from the start; the window is from 1,000 to 3,000
		valid  int
		window time.Duration
		over   bool
	}{
		{"many", []time.Duration{500, 1200, 1400, 1700, 2200, 2900, 3400, 3600}, 10, 2200, true},
		{"few", []time.Duration{500, 1200, 3400, 3600, 3700, 3800, 3900, 4000}, 10, 2700, true},
		{"few for long", []time.Duration{1200, 3400, 8100, 8200}, 4, 6900, true},
		{"dry", []time.Duration{1200, 1400}, 2, 200, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMeter(nil, time.Second, 2*time.Second)
			start := m.begin.Add(-time.Second)
			for _, at := range tt.blocks {
				b := &block.Block{Txs: []block.Tx{batchTx(t, block.CodeValid, 0, 0)}}
				if err := m.take(b, 10, start.Add(at*time.Millisecond)); err != nil {
					t.Fatal(err)
				}
			}
			var r row
			if err := m.result(&r); err != nil {
				t.Fatal(err)
			}
			if r.valid != tt.valid || r.window != tt.window*time.Millisecond || m.over() != tt.over {
				t.Errorf("%d operations in %s, over %t; want %d in %d ms, %t", r.valid, r.window, m.over(), tt.valid, tt.window, tt.over)
			}
		})
	}
	if err := newMeter(nil, 0, 0).result(new(row)); err == nil {
		t.Error("a row without blocks has a result")
	}
}

// The streams of a skewed load stay side by side, and all end with the first.
func TestBalance(t *testing.T) {
	b := newBalance(2)
	for range ahead {
		if !b.wait(0) {
			t.Fatal("the first requests wait")
		}
	}
	if b.mayBegin(0) || !b.mayBegin(1) {
		t.Error("a stream gets ahead of the other")
	}
	b.wait(1)
	if !b.mayBegin(0) {
		t.Error("a stream waits although the other follows")
	}
	b.end()
	if b.wait(0) || b.wait(1) {
		t.Error("a stream goes on after the end")
	}
}

func TestRowCheck(t *testing.T) {
	const asked = 7 * time.Second
	for _, tt := range []struct {
		name string
		row  row
		ok   bool
	}{
		{"good", row{count: count{valid: 99, refused: 1}}, true},
		{"nothing took effect", row{count: count{refused: 5}}, false},
		{"much is refused", row{count: count{valid: 90, refused: 10}}, false},
		{"one in 100 is refused", row{spec: spec{bad: 100}, count: count{valid: 990, refused: 10}}, true},
		{"the bad ones are not refused", row{spec: spec{bad: 100}, count: count{valid: 1000, refused: 1}}, false},
		{"it ran dry", row{count: count{valid: 99}, window: 2 * time.Second}, false},
	} {
		if tt.row.window == 0 {
			tt.row.window = asked
		}
		if err := tt.row.check(asked); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestProcFiles(t *testing.T) {
	stat := "17 (a (strange) name) S 1 17 17 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 8 0 100 0 0"
	if d, err := cpuTime(stat); err != nil || d != 3*time.Second {
		t.Errorf("%s %v, want 3s", d, err)
	}
	if _, err := cpuTime("17 (x) S 1"); err == nil {
		t.Error("a short line was read")
	}
	status := "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n"
	if peak, now, none := statusField(status, "VmHWM:"), statusField(status, "VmRSS:"), statusField(status, "VmSwap:"); peak != 2<<20 || now != 1<<20 || none != 0 {
		t.Errorf("%d %d %d", peak, now, none)
	}
}

func TestNamesAreUnique(t *testing.T) {
	networks := []consortium{{smartBFT, 4, 2, 0}, {raft, 4, 2, 0}}
	seen := map[string]bool{}
	quick, hundred := 0, 0
	for _, r := range plan(networks, []string{edDSA, es256, es256K}, 10_000) {
		if seen[r.name()] {
			t.Errorf("%s is there twice", r.name())
		}
		seen[r.name()] = true
		if r.quick {
			quick++
		}
		if r.load == transfers && r.batch == 100 && r.bad == 0 {
			hundred++
		}
	}
	if quick == 0 || quick*2 > len(seen) || hundred != len(networks) {
		t.Errorf("%d of %d rows are quick, %d of valid transfers in batches of 100", quick, len(seen), hundred)
	}
}

// Networks that differ in their blocks only are networks of their own, and a paced row
// comes after those whose rate it takes.
func TestLatencyPlan(t *testing.T) {
	seen, measured := map[string]bool{}, map[string]bool{}
	for _, r := range latencyPlan([]consortium{{smartBFT, 4, 2, 0}, {raft, 4, 2, 0}}, 10_000) {
		of := r.String() + r.load
		if seen[r.name()] || r.pace > 0 && !measured[of] {
			t.Errorf("%s is there twice, or before those it takes its rate from", r.name())
		}
		seen[r.name()], measured[of] = true, true
		d, err := r.describe()
		want := 100 * time.Millisecond
		if r.interval > 0 {
			want = r.interval
		}
		if err != nil || d.Block.Interval != want || d.Block.Messages != 500 {
			t.Errorf("%s: blocks %+v, %v", r.name(), d.Block, err)
		}
	}
	if len(seen) != 28 {
		t.Errorf("%d rows, want 28", len(seen))
	}
}

func TestFlatMemory(t *testing.T) {
	for _, tt := range []struct {
		name   string
		series []uint64
		want   string
	}{
		{"short", []uint64{1, 100}, "too short to tell"},
		{"level", []uint64{1, 5, 10, 10, 11, 10, 10, 11, 10}, "flat"},
		{"grows", []uint64{1, 5, 10, 12, 14, 16, 18, 20, 22}, grows},
	} {
		var long []uint64
		for _, v := range tt.series {
			long = append(long, slices.Repeat([]uint64{v}, enough/9+1)...)
		}
		if got := verdict(long); got != tt.want {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

// What is in flight is shared by all channels, at least one transaction for each.
func TestNumberOfChannels(t *testing.T) {
	for n, ok := range map[int]bool{-1: false, 0: true, 1: true, 2: true, 3: false, 4: true, 7: false, 8: true, 9: false, 16: false} {
		if err := (settings{channels: n}).checkChannels(); (err == nil) != ok {
			t.Errorf("-channels %d: %v", n, err)
		}
	}
	s := settings{channels: 9, ordering: smartBFT, orgs: "4", endorse: "0", bin: t.TempDir()}
	if err := run(t.Context(), s); err == nil || !strings.Contains(err.Error(), "-channels 9: the limit is 8") {
		t.Errorf("run: %v", err)
	}
}

// A skewed load's signed size and a run's flags.
func TestSettings(t *testing.T) {
	s := settings{ordering: smartBFT, orgs: "4,7", endorse: "0", window: time.Second}
	networks, err := s.networks()
	if want := []consortium{{smartBFT, 4, 2, 0}, {smartBFT, 7, 3, 0}}; err != nil || !slices.Equal(networks, want) {
		t.Errorf("%v %v, want %v", networks, err, want)
	}
	for _, bad := range []settings{{ordering: "x", orgs: "4", endorse: "0"}, {ordering: smartBFT, orgs: "four", endorse: "0"}, {ordering: smartBFT, orgs: "4", endorse: "9"}} {
		if _, err := bad.networks(); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	rows := plan(networks, algorithms, 100)
	s.only = "7: records.*batch 10,"
	if kept, err := s.selected(rows); err != nil || len(kept) != len(algorithms) {
		t.Errorf("%d rows %v", len(kept), err)
	}
	s.only = "nothing like it"
	if _, err := s.selected(rows); err == nil {
		t.Error("a run without rows begins")
	}
	if (settings{quick: true, window: 7 * time.Second, ordering: smartBFT + "," + raft, orgs: "4", endorse: "0"}).complete() {
		t.Error("a quick run counts as complete")
	}
}

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func known() prices {
	p := prices{
		p256Sign: 24 * time.Microsecond, p256Verify: 48 * time.Microsecond, es256: 48 * time.Microsecond, es256K: 100 * time.Microsecond,
		ed25519: map[int]time.Duration{}, hashByte: .57, tlsByte: 1.2, levelPut: refLevelPut,
	}
	for _, n := range ed25519Sizes {
		p.ed25519[n] = 20 * time.Microsecond
	}
	return p
}

// The model's own example: four peers, four SmartBFT orderers, one operation for
// each transaction.
func TestCeiling(t *testing.T) {
	c := consortium{smartBFT, 4, 2, 0}
	one := row{spec: spec{consortium: c, plain: plainTransfer, batch: 1}, count: count{valid: 100}}
	// 2*24 + 2*(96+24) + 2*4*48 + 4*3*48 + 4*37 = 1396 us
	if got := known().ceiling(one, 2); got < 1432 || got > 1433 {
		t.Errorf("%.1f, want 2e6/1396", got)
	}
	many := one
	many.plain, many.batch, many.algorithm = "", 500, edDSA
	many.writes, many.blockBytes = 100, 60_000
	half := many
	half.refused = 100
	half.writes, half.blockBytes = 200, 120_000
	raftOne := many
	raftOne.ordering = raft
	got, gotHalf, gotRaft := known().ceiling(many, 2), known().ceiling(half, 2), known().ceiling(raftOne, 2)
	if got < 10_000 || got > 30_000 || gotHalf*2 < got*.999 || gotHalf*2 > got*1.001 || gotRaft <= got {
		t.Errorf("batched %.0f, half of it bad %.0f, Raft %.0f", got, gotHalf, gotRaft)
	}
	slow := many
	slow.algorithm = es256K
	if known().ceiling(slow, 2) >= got {
		t.Error("secp256k1 costs nothing")
	}
}

// What is said of other networks grows with them.
func TestModelTable(t *testing.T) {
	p := known()
	small, op := p.floor(shape{consortium: consortium{smartBFT, 4, 2, 0}, signed: true, algorithm: edDSA, batch: 500, keys: 1, bytes: recordBytes})
	large, opLarge := p.floor(shape{consortium: consortium{smartBFT, 13, 5, 0}, signed: true, algorithm: edDSA, batch: 500, keys: 1, bytes: recordBytes})
	if large <= 3*small || opLarge <= 2*op {
		t.Errorf("4 organisations %.6f and %.6f s, 13 organisations %.6f and %.6f s", small, op, large, opLarge)
	}
	if lines := strings.Count(p.modelTable(), "\n| "); lines != 11 {
		t.Errorf("%d lines of the table, want 11", lines)
	}
}

func resultRows() []row {
	c := consortium{smartBFT, 4, 2, 0}
	of := func(s spec, valid int, latency time.Duration) row {
		s.consortium = c
		return row{spec: s, count: count{valid: valid}, window: time.Second, latencies: []time.Duration{latency}, cpu: usage{"peer": time.Second}}
	}
	ours := spec{load: transfers, algorithm: edDSA, batch: 500, inFlight: 8}
	four, through, skewed := ours, ours, ours
	four.inFlight, through.gateway = 4, true
	skewed.gateway, skewed.skew = true, true
	return []row{
		of(spec{load: plainTransfer, plain: plainTransfer, accounts: 10_000, batch: 1}, 200, time.Second),
		of(ours, 3600, time.Second), of(four, 3000, 400*time.Millisecond), of(through, 3000, time.Second), of(skewed, 2000, time.Second),
		{spec: spec{consortium: c, load: records, algorithm: edDSA, batch: 500, inFlight: 8}, err: errors.New("a | b")},
		{spec: spec{consortium: c, load: fullQueue}, memory: map[string]uint64{"gateway.org1": 600 << 20, "peer.org1": 20 << 20, "peer.org2": 30 << 20}},
		{spec: spec{consortium: c, load: fullQueue, gateway: true}, err: errors.New("it holds too little")},
	}
}

func TestTargets(t *testing.T) {
	r := &results{rows: resultRows(), prices: known()}
	verdicts := map[string]string{}
	for _, target := range r.targets() {
		verdict := "unknown"
		if target.known {
			verdict = map[bool]string{true: "met", false: "missed"}[target.met]
		}
		verdicts[target.about] = verdict
	}
	for about, want := range map[string]string{
		"smartbft: transfers, batches of 500":                             "met",
		"smartbft: records, batches of 500":                               "unknown",
		"smartbft: transfers against plain transfers":                     "met",
		"smartbft: transfers, p99 with 4 batches in flight":               "met",
		"smartbft: transfers, p99 at 70 % of the highest rate":            "unknown",
		"smartbft: transfers skewed against uniform, through the gateway": "missed",
		"smartbft: gateway with 100000 operations queued":                 "missed",
	} {
		if verdicts[about] != want {
			t.Errorf("%s: %q, want %s", about, verdicts[about], want)
		}
	}
}

// A failed row says so in the table and does not hide the others.
func TestRender(t *testing.T) {
	r := &results{rows: resultRows(), prices: known(), settings: settings{window: time.Second, accounts: 10_000}}
	r.tuning = map[string]string{"peer.org1": "GOGC=400", "peer.org2": ""}
	text := r.render()
	for _, want := range []string{
		"| gateway.org1 | peer.org1 | peer.org2 |", " | 600 | 20 | 30 |", "GOGC=400 in peer.org1; otherwise", "Killick ", "batches of at most 500, held for at most 20ms, 4 in flight",
		"FAILED: a / b |", "FAILED: it holds too little |", "| transfers, EdDSA | 500 | 8 | 3600 | 1000 |", "MISSED", "18.0 times", "600 MB"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text + r.renderLatency()) {
		if strings.HasPrefix(line, "|") && !strings.HasSuffix(line, "|\n") {
			t.Errorf("a row that does not end: %q", line)
		}
	}
}

func TestReplaceTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.md")
	if err := os.WriteFile(path, []byte("before\n"+tableMarks.begin+"old\n"+tableMarks.end+latencyMarks.begin+latencyMarks.end+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, between := range map[string]marks{"new\n": tableMarks, "latencies\n": latencyMarks} {
		if err := replaceTable(path, between, text); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if want := "before\n" + tableMarks.begin + "new\n" + tableMarks.end + latencyMarks.begin + "latencies\n" + latencyMarks.end + "after\n"; err != nil || string(got) != want {
		t.Errorf("%q %v", got, err)
	}
	if err := os.WriteFile(path, []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceTable(path, tableMarks, "new\n"); err == nil {
		t.Error("a file without marks was written")
	}
}

// The page has the places that complete runs write to.
func TestPageHasMarks(t *testing.T) {
	text, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []marks{tableMarks, latencyMarks} {
		if strings.Count(string(text), m.begin) != 1 || strings.Count(string(text), m.end) != 1 {
			t.Errorf("%q and %q are not there once each", m.begin, m.end)
		}
	}
}

func TestCollector(t *testing.T) {
	if got := collector("PATH=/bin\x00GOMEMLIMIT=1GiB\x00NOGOGC=1\x00GOGC=50\x00"); got != "GOGC=50 GOMEMLIMIT=1GiB" {
		t.Errorf("%q", got)
	}
	if got := tuned(map[string]string{"a": "", "b": ""}); !strings.Contains(got, "set in no program") {
		t.Errorf("%q", got)
	}
}

package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// networksOfPage are those that the page's table has.
var networksOfPage = []consortium{{smartBFT, 4, 2, 0}, {raft, 4, 2, 0}}

// wantedRows are the labels, with sizes of batches, that the table must not lose: what the
// comparison with plain transactions, each algorithm and size, and the mixed and skewed
// loads are read from.
func wantedRows() (want []string) {
	add := func(batch int, label string, args ...any) {
		want = append(want, fmt.Sprintf(label, args...)+" | "+fmt.Sprint(batch))
	}
	for _, accounts := range []int{10_000, 100} {
		add(1, "plain create, %d accounts", accounts)
		add(1, "plain transfer, %d accounts", accounts)
	}
	for _, algorithm := range []string{"EdDSA", "ES256", "ES256K"} {
		for _, load := range []string{"records", "transfers"} {
			for _, batch := range []int{1, 10, 100, 500, 1000} {
				add(batch, "%s, %s, 1 in 100 bad", load, algorithm)
			}
		}
	}
	for _, load := range []string{"records", "transfers"} {
		add(500, "%s, EdDSA", load)
		add(500, "%s, EdDSA, at 70 %%", load)
		add(500, "%s, EdDSA, gateway", load)
	}
	add(500, "transfers, EdDSA, skewed")
	for _, through := range []string{"", ", gateway"} {
		add(500, "mixed, EdDSA%s", through)
		add(500, "mixed, EdDSA, skewed%s", through)
	}
	add(500, "full queue, EdDSA, gateway")
	return want
}

func TestPlanHasWhatIsWanted(t *testing.T) {
	for _, n := range networksOfPage {
		planned := map[string]bool{}
		for _, s := range plan([]consortium{n}, algorithms, 10_000) {
			planned[s.label()+" | "+fmt.Sprint(s.batch)] = true
		}
		for _, want := range wantedRows() {
			if !planned[want] {
				t.Errorf("%s: no row %q", n, want)
			}
		}
	}
}

// The page's table has each row that is wanted, measured, with all of its columns.
func TestPageHasTheRows(t *testing.T) {
	data, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), tableMarks.begin)
	table, _, _ := strings.Cut(rest, tableMarks.end)
	const header = "| load | batch | in flight | valid/s | p50 ms | p95 ms | p99 ms | refused | void | failed | CPU ms/op | block bytes/op | of ceiling |\n"
	for _, n := range networksOfPage {
		_, part, ok := strings.Cut(table, "### "+n.ordering+":")
		if !ok {
			t.Fatalf("no part of %s", n.ordering)
		}
		part, _, _ = strings.Cut(part, "\n### ")
		_, rates, _ := strings.Cut(part, header)
		rates, memory, _ := strings.Cut(rates, "\nWhere it goes")
		_, memory, _ = strings.Cut(memory, "\nMemory (")
		for _, want := range wantedRows() {
			if !strings.Contains(memory, "\n| "+want+" |") {
				t.Errorf("%s: the memory of %q is not there", n.ordering, want)
			}
			if strings.HasPrefix(want, fullQueue) {
				continue // it has no rate
			}
			_, line, found := strings.Cut("\n"+rates, "\n| "+want+" | ")
			line, _, _ = strings.Cut(line, "\n")
			if !found || strings.Contains(line, "FAILED") || strings.Count(line, "|") != 11 {
				t.Errorf("%s: of %q the table says %q", n.ordering, want, line)
			}
		}
	}
}

// A target is met at what is wanted and missed just below.
func TestEachTarget(t *testing.T) {
	c := func(ordering string) consortium { return consortium{ordering, 4, 2, 0} }
	for _, tt := range []struct {
		about string
		spec  spec
		met   int // operations in ten seconds
		beats int // plain transfers in ten seconds beside them
	}{
		{"raft: records, batches of 500", spec{consortium: c(raft), load: records}, 55_000, 0},
		{"raft: transfers, batches of 500", spec{consortium: c(raft), load: transfers}, 40_000, 0},
		{"smartbft: records, batches of 500", spec{consortium: c(smartBFT), load: records}, 45_000, 0},
		{"smartbft: transfers, batches of 500", spec{consortium: c(smartBFT), load: transfers}, 35_000, 0},
		{"raft: transfers against plain transfers", spec{consortium: c(raft), load: transfers}, 12_000, 1000},
	} {
		for below, want := range []bool{true, false} {
			ours := row{spec: tt.spec, count: count{valid: tt.met - below}, window: 10 * time.Second}
			ours.algorithm, ours.batch, ours.inFlight = edDSA, 500, 8
			rows := []row{ours}
			if tt.beats > 0 {
				plain := row{spec: spec{consortium: tt.spec.consortium, load: plainTransfer, plain: plainTransfer, accounts: 10_000, batch: 1}, window: 10 * time.Second}
				plain.valid = tt.beats
				rows = append(rows, plain)
			}
			judged(t, rows, tt.about, want)
		}
	}
	for _, tt := range []struct {
		about string
		pace  float64
		limit time.Duration
	}{
		{"smartbft: records, p99 at 70 % of the highest rate", .7, time.Second},
		{"smartbft: records, p99 with 4 batches in flight", 0, 500 * time.Millisecond},
	} {
		for _, latency := range []time.Duration{tt.limit - time.Millisecond, tt.limit} {
			r := row{spec: spec{consortium: c(smartBFT), load: records, algorithm: edDSA, batch: 500, inFlight: 4, pace: tt.pace}, count: count{valid: 1}, window: time.Second}
			r.latencies = []time.Duration{latency}
			judged(t, []row{r}, tt.about, latency < tt.limit)
		}
	}
	for memory, want := range map[uint64]bool{512 << 20: true, 512<<20 + 1: false} {
		r := row{spec: spec{consortium: c(raft), load: fullQueue, gateway: true}, memory: map[string]uint64{"gateway.org1": memory}}
		judged(t, []row{r}, "raft: gateway with 100000 operations queued", want)
	}
}

func judged(t *testing.T, rows []row, about string, met bool) {
	t.Helper()
	for _, target := range (&results{rows: rows}).targets() {
		if target.about == about {
			if !target.known || target.met != met {
				t.Errorf("%s: measured %.1f, wanted %s, met %v, want %v", about, target.measured, target.want, target.met, met)
			}
			return
		}
	}
	t.Errorf("no target %q", about)
}

// The rate is of operations that took effect, and each percentile is its own.
func TestRates(t *testing.T) {
	r := row{spec: spec{consortium: networksOfPage[0], load: records, algorithm: edDSA, batch: 500, inFlight: 4}, window: 2 * time.Second}
	r.count = count{valid: 2000, refused: 500, void: 3, blockBytes: 1_400_000}
	r.failed, r.cpu = 7, usage{"peer": time.Second, "orderer": time.Second}
	for i := range 100 {
		r.latencies = append(r.latencies, time.Duration(i+1)*time.Millisecond)
	}
	if got, want := (&results{}).rates([]row{r}), "\n| records, EdDSA | 500 | 4 | 1000 | 50 | 95 | 99 | 500 | 3 | 7 | 1.000 | 700 | "; !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
}

// command finds what a page says to run: the arguments, in quotes or not, may be missing.
var command = regexp.MustCompile("`make bench(?: ARGS=(?:\"([^\"]*)\"|([^`\"]*)))?`")

// words splits a command line as a shell does that has single quotes alone.
func words(line string) (out []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

// Whatever the pages say was measured with can be run again: its flags are taken and it
// has rows.
func TestCommandsOfThePages(t *testing.T) {
	for page, least := range map[string]int{"benchmarks.md": 10, "scaling.md": 6} {
		data, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		found := command.FindAllStringSubmatch(string(data), -1)
		if len(found) < least {
			t.Errorf("%s has %d commands, want %d", page, len(found), least)
		}
		if n := strings.Count(string(data), "`make bench"); n != len(found) {
			t.Errorf("%s has %d commands of %d in a form that can be read", page, len(found), n)
		}
		for _, f := range found {
			s, err := parse(words(f[1] + f[2]))
			var networks []consortium
			if err == nil {
				networks, err = s.networks()
			}
			if err == nil {
				err = s.checkChannels()
			}
			if err == nil {
				rows := plan(networks, algorithms, s.accounts)
				if s.latency {
					rows = latencyPlan(networks, s.accounts)
				}
				_, err = s.selected(rows)
			}
			if err != nil {
				t.Errorf("%s: %s: %v", page, f[0], err)
			}
		}
	}
	if s, err := parse(words("-soak 30m -rate 400 -only 'a b|c'")); err != nil || s.soak != 30*time.Minute || s.rate != 400 || s.only != "a b|c" || s.window != 7*time.Second {
		t.Errorf("%+v, %v", s, err)
	}
	if !slices.Equal(algorithms, []string{edDSA, es256, es256K}) {
		t.Errorf("the table is of %q", algorithms)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// marks are those between which a run puts its table.
type marks struct{ begin, end string }

var (
	tableMarks   = marks{"<!-- table: made by make bench -->\n", "<!-- end of table -->\n"}
	latencyMarks = marks{"<!-- latency: made by make bench ARGS=-latency -->\n", "<!-- end of latency -->\n"}
)

// publish prints the table and, after a complete run, puts it into the file
// between its marks. The error says which rows failed.
func (r *results) publish(ctx context.Context) error {
	text, between := r.render(), tableMarks
	if r.latency {
		text, between = r.renderLatency(), latencyMarks
	}
	fmt.Print(text)
	if ctx.Err() != nil {
		return errors.New("interrupted; nothing was written")
	}
	var errs []error
	for _, row := range r.rows {
		if row.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", row.name(), row.err))
		}
	}
	if r.complete() || r.write {
		errs = append(errs, replaceTable(r.out, between, text))
	}
	return errors.Join(errs...)
}

func replaceTable(path string, between marks, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(old), between.begin)
	_, after, ok2 := strings.Cut(rest, between.end)
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks the marks of the table", path)
	}
	return os.WriteFile(path, []byte(before+between.begin+text+between.end+after), 0o644)
}

func (r *results) render() string {
	var b strings.Builder
	b.WriteString(r.conditions())
	for _, rows := range byConsortium(r.rows) {
		fmt.Fprintf(&b, "\n### %s: %d organisations with a peer and an orderer each, endorsement by %d\n\n", rows[0].ordering, rows[0].organisations, rows[0].endorsements)
		if setup := r.setups[rows[0].consortium]; setup != "" {
			fmt.Fprintf(&b, "%s.\n\n", setup)
		}
		b.WriteString(r.rates(rows))
		fmt.Fprintf(&b, "\nWhere it goes (%s): CPU time in microseconds for each valid operation, keys and bytes written to state for each operation.\n\n", rows[0].ordering)
		b.WriteString(shares(rows))
		fmt.Fprintf(&b, "\nMemory (%s): the largest resident memory of each program in the row, MB.\n\n", rows[0].ordering)
		b.WriteString(memoryTable(rows))
	}
	if list := r.targets(); len(list) > 0 {
		b.WriteString("\n### Targets\n\n" + targetTable(list, r.prices))
	}
	return b.String()
}

func byConsortium(rows []row) [][]row {
	var parts [][]row
	for i, r := range rows {
		if i == 0 || r.consortium != rows[i-1].consortium {
			parts = append(parts, nil)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], r)
	}
	return parts
}

// label is what a row is called inside the tables of its consortium.
func (s spec) label() string {
	text := s.load
	if s.plain != "" {
		text += fmt.Sprintf(", %d accounts", s.accounts)
	} else {
		text += ", " + s.algorithm
	}
	if s.bad > 0 {
		text += fmt.Sprintf(", 1 in %d bad", s.bad)
	}
	if s.skew {
		text += ", skewed"
	}
	if s.gateway {
		text += ", gateway"
	}
	if s.pace > 0 {
		text += fmt.Sprintf(", at %.0f %%", s.pace*100)
	}
	return text
}

// sent is how many are in flight, or the rate of a paced row.
func (r row) sent() string {
	if r.pace > 0 {
		return fmt.Sprintf("paced, %.0f/s", r.offered)
	}
	return strconv.Itoa(r.inFlight)
}

func (r *results) rates(rows []row) string {
	var b strings.Builder
	b.WriteString("| load | batch | in flight | valid/s | p50 ms | p95 ms | p99 ms | refused | void | failed | CPU ms/op | block bytes/op | of ceiling |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, row := range rows {
		if row.load == fullQueue && row.err == nil {
			continue
		}
		fmt.Fprintf(&b, "| %s | %d | %s | ", row.label(), row.batch, row.sent())
		if row.err != nil {
			fmt.Fprintf(&b, "FAILED: %s |\n", oneLine(row.err))
			continue
		}
		ms := func(p float64) int64 { return row.percentile(p).Milliseconds() }
		share := "-"
		if top := r.prices.ceiling(row, runtime.NumCPU()); top > 0 {
			share = fmt.Sprintf("%.0f %%", 100*row.perSecond()/top)
		}
		fmt.Fprintf(&b, "%.0f | %d | %d | %d | %d | %d | %d | %.3f | %d | %s |\n", row.perSecond(), ms(.5), ms(.95), ms(.99), row.refused, row.void, row.failed,
			float64(row.cpuPerOp().Microseconds())/1000, row.blockBytes/row.valid, share)
	}
	return b.String()
}

func oneLine(err error) string {
	return strings.NewReplacer("\n", "; ", "|", "/").Replace(err.Error())
}

// named returns the names that are in any of the rows, each once, sorted.
func named(rows []row, of func(row) iter.Seq[string]) []string {
	all := map[string]bool{}
	for _, r := range rows {
		for name := range of(r) {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// shares says which kinds of programs the CPU time of each row went to.
func shares(rows []row) string {
	columns := named(rows, func(r row) iter.Seq[string] { return maps.Keys(r.cpu) })
	var b strings.Builder
	b.WriteString("| load | batch | in flight | " + strings.Join(columns, " | ") + " | keys | bytes |\n|---|---|---|---|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, r := range rows {
		if r.err != nil || r.valid == 0 {
			continue
		}
		fmt.Fprintf(&b, "| %s | %d | %s |", r.label(), r.batch, r.sent())
		for _, kind := range columns {
			if d, ok := r.cpu[kind]; ok {
				fmt.Fprintf(&b, " %d |", d.Microseconds()/int64(r.valid))
			} else {
				b.WriteString(" - |")
			}
		}
		each := func(n int) float64 { return float64(n) / float64(r.valid+r.refused) }
		fmt.Fprintf(&b, " %.1f | %.1f |\n", each(r.writes), each(r.writeBytes))
	}
	return b.String()
}

// memoryTable says how large each program was in each row.
func memoryTable(rows []row) string {
	columns := named(rows, func(r row) iter.Seq[string] { return maps.Keys(r.memory) })
	var b strings.Builder
	b.WriteString("| load | batch | in flight | " + strings.Join(columns, " | ") + " |\n|---|---|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, r := range rows {
		if r.err != nil {
			continue
		}
		fmt.Fprintf(&b, "| %s | %d | %s |", r.label(), r.batch, r.sent())
		for _, name := range columns {
			if size, ok := r.memory[name]; ok {
				fmt.Fprintf(&b, " %d |", size>>20)
			} else {
				b.WriteString(" - |")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// String renders the prices in microseconds and nanoseconds.
func (p prices) String() string {
	if p.err != nil {
		return "not measured: " + oneLine(p.err)
	}
	us := func(d time.Duration) string { return fmt.Sprintf("%.1f us", float64(d.Nanoseconds())/1000) }
	var batches []string
	for _, n := range ed25519Sizes {
		batches = append(batches, us(p.ed25519[n]))
	}
	return fmt.Sprintf("P-256 sign %s, verify %s; a user's signature in chaincode: ES256 %s, ES256K %s, EdDSA in batches of %v %s; SHA-256 %.2f ns a byte; TLS on loopback, both ends, %.2f ns a byte; LevelDB %s a key in synced batches of 500",
		us(p.p256Sign), us(p.p256Verify), us(p.es256), us(p.es256K), ed25519Sizes, strings.Join(batches, ", "), p.hashByte, p.tlsByte, us(p.levelPut))
}

package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	tableBegins = "<!-- table: made by make bench -->\n"
	tableEnds   = "<!-- end of table -->\n"
)

// report prints the table and puts it into the file, between its two marks.
func report(rows []row, s settings) error {
	text := table(rows, s)
	fmt.Print(text)
	if s.out == "" {
		return nil
	}
	old, err := os.ReadFile(s.out)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(old), tableBegins)
	_, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks the marks of the table", s.out)
	}
	return os.WriteFile(s.out, []byte(before+tableBegins+text+tableEnds+after), 0o644)
}

func table(rows []row, s settings) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Run of %s on %s. %d accounts, %s for each row, 4 organisations, 4 SmartBFT orderers, endorsement by 2 of 4, blocks of 100 ms; CPU is that of all processes together, the load generator's included.\n\n",
		time.Now().UTC().Format("2006-01-02"), machine(), s.accounts, s.window)
	b.WriteString("| load | batch | in flight | valid/s | p50 ms | p95 ms | p99 ms | invalid | CPU ms/op | block bytes/op |\n|---|---|---|---|---|---|---|---|---|---|\n")
	best := map[string]row{}
	for _, r := range rows {
		ms := func(p float64) int64 { return r.percentile(p).Milliseconds() }
		cpu, bytes := "-", "-"
		if r.valid > 0 {
			cpu = fmt.Sprintf("%.2f", r.cpuPerOp())
			bytes = fmt.Sprint(r.blockBytes / r.valid)
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %.0f | %d | %d | %d | %d | %s | %s |\n",
			r.name, r.batch, r.inFlight, r.perSecond(), ms(.5), ms(.95), ms(.99), r.invalid, cpu, bytes)
		key := fmt.Sprintf("%s, batch %d", r.name, r.batch)
		if old, ok := best[key]; !ok || r.perSecond() > old.perSecond() {
			best[key] = r
		}
	}
	plain := best["plain transfer, batch 1"]
	b.WriteString("\nBest of each, against the best plain transfer:\n\n| load | valid/s | times plain | CPU of plain / CPU |\n|---|---|---|---|\n")
	for _, key := range slices.Sorted(maps.Keys(best)) {
		r := best[key]
		if plain.valid == 0 || r.valid == 0 {
			continue
		}
		fmt.Fprintf(&b, "| %s | %.0f | %.1f | %.1f |\n", key, r.perSecond(), r.perSecond()/plain.perSecond(),
			plain.cpuPerOp()/r.cpuPerOp())
	}
	b.WriteString(whereItGoes(best))
	if last := rows[len(rows)-1]; len(last.memory) > 0 {
		b.WriteString("\nResident memory after the last row: ")
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(last.memory)) {
			parts = append(parts, fmt.Sprintf("%s %d MB", name, last.memory[name]>>20))
		}
		b.WriteString(strings.Join(parts, ", ") + ".\n")
	}
	return b.String()
}

// whereItGoes says which programs the CPU time of the best rows went to, in
// microseconds for each valid operation.
func whereItGoes(best map[string]row) string {
	var b strings.Builder
	kinds := map[string]bool{}
	for _, r := range best {
		for kind := range r.cpu {
			kinds[kind] = true
		}
	}
	columns := slices.Sorted(maps.Keys(kinds))
	b.WriteString("\nWhere the CPU time goes, microseconds for each valid operation:\n\n| load | " + strings.Join(columns, " | ") + " |\n|---" + strings.Repeat("|---", len(columns)) + "|\n")
	for _, key := range slices.Sorted(maps.Keys(best)) {
		r := best[key]
		fmt.Fprintf(&b, "| %s", key)
		for _, kind := range columns {
			fmt.Fprintf(&b, " | %d", r.cpu[kind].Microseconds()/int64(max(r.valid, 1)))
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

package contracts_test

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon/canontest"
)

// snapshot compares a table of costs with the one that is kept: a figure that rises by
// more than 1 % is an error, with -update too. Whoever means it takes the row out of
// the file first. A figure that falls by as much is to be kept, with -update.
func snapshot(t *testing.T, path, table string, figures int) {
	t.Helper()
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	was, is := rows(t, string(kept), figures), rows(t, table, figures)
	worse := rises(was, is)
	for _, row := range worse {
		t.Errorf("%s: %s: from %v to %v, more than 1 %%", path, row, was[row], is[row])
	}
	if len(worse) > 0 {
		return
	}
	if flag.Lookup("update").Value.String() == "true" {
		canontest.Golden(t, path, []byte(table))
		return
	}
	if better := rises(is, was); len(better) > 0 || !slices.Equal(slices.Sorted(maps.Keys(was)), slices.Sorted(maps.Keys(is))) {
		t.Errorf("%s: other rows, or cheaper ones (%q): run with -update to keep them", path, better)
	}
}

// rises names the rows of which a figure is above the one before by more than 1 %.
func rises(before, now map[string][]uint64) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(now)) {
		for i, n := range now[name] {
			if old, ok := before[name]; ok && n*100 > old[i]*101 {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// rows reads a table whose last columns are figures.
func rows(t *testing.T, table string, figures int) map[string][]uint64 {
	t.Helper()
	out := map[string][]uint64{}
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if strings.HasPrefix(line, "#") || len(fields) <= figures {
			continue
		}
		name := strings.Join(fields[:len(fields)-figures], " ")
		for _, f := range fields[len(fields)-figures:] {
			n, err := strconv.ParseUint(f, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			out[name] = append(out[name], n)
		}
	}
	return out
}

func TestSnapshotFindsRises(t *testing.T) {
	was := rows(t, "# a table\na thing 1000 50\nanother 200 200\n", 2)
	for _, tt := range []struct {
		name, table, want string
	}{
		{"same", "a thing 1000 50\nanother 200 200\n", ""},
		{"within a hundredth", "a thing 1010 50\nanother 202 200\n", ""},
		{"more", "a thing 1011 50\nanother 200 200\n", "a thing"},
		{"the other figure", "a thing 900 51\nanother 200 200\n", "a thing"},
		{"less", "a thing 10 5\nanother 2 2\n", ""},
		{"a new row", "a thing 1000 50\na third 9 9\n", ""},
	} {
		if got := strings.Join(rises(was, rows(t, tt.table, 2)), ","); got != tt.want {
			t.Errorf("%s: %q rise, want %q", tt.name, got, tt.want)
		}
	}
}

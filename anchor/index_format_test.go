package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/sqlite"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// rows are all rows of the member's index, by table.
func (m *fakeMember) rows() map[string][]string {
	m.w.t.Helper()
	all := map[string][]string{}
	for _, table := range []string{"height", "block", "tx", "write", "cosig", "point", "config", "total", "root", "state", "job", "event", "scanned"} {
		rows, err := m.index.db.Query(`SELECT * FROM ` + table)
		if err != nil {
			m.w.t.Fatal(err)
		}
		columns, err := rows.Columns()
		for err == nil && rows.Next() {
			row := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range row {
				into[i] = &row[i]
			}
			err = rows.Scan(into...)
			all[table] = append(all[table], fmt.Sprint(row...))
		}
		if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
			m.w.t.Fatal(err)
		}
		slices.Sort(all[table])
	}
	return all
}

// spoil runs statements on the index of a member that is stopped.
func (m *fakeMember) spoil(statements string) {
	m.w.t.Helper()
	db, err := sql.Open("sqlite", m.path("index.db"))
	if err == nil {
		_, err = db.Exec(statements)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		m.w.t.Fatal(err)
	}
}

// MO-12: an index that another program wrote is made anew from the blocks, also when the own
// peer does not have the first ones any more, and keeps what no endpoint shows any more.
func TestIndexOfAnotherFormat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil string
		first uint64 // of the own peer
	}{
		"no number":              {`DROP TABLE job; DELETE FROM state; DELETE FROM write; PRAGMA user_version = 0`, 0},
		"older":                  {`DROP TABLE tx; CREATE TABLE tx (id BLOB); PRAGMA user_version = 1`, 0},
		"newer":                  {`CREATE TABLE more (n); ALTER TABLE point ADD COLUMN n INTEGER; PRAGMA user_version = 99`, 0},
		"a peer from a snapshot": {`DELETE FROM state; PRAGMA user_version = 0`, 5},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
			w.tickFor(3 * time.Second)
			m := w.members[0]
			before := m.rows()
			for _, table := range []string{"write", "state", "event", "scanned"} {
				if len(before[table]) == 0 {
					t.Fatalf("nothing in %s to lose", table)
				}
			}
			m.stop()
			m.spoil(c.spoil)
			m.first = c.first
			m.start()
			if next, err := m.index.next(t.Context()); err != nil || next != 0 {
				t.Errorf("next block %d, %v", next, err)
			}
			if err := m.catchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := m.rows(); !slices.Equal(got["event"], before["event"]) || !slices.Equal(got["scanned"], before["scanned"]) {
				t.Errorf("events %q, %q; had %q, %q", got["event"], got["scanned"], before["event"], before["scanned"])
			} else if fmt.Sprint(got) != fmt.Sprint(before) {
				t.Errorf("made anew it is\n%q\nhad\n%q", got, before)
			}
			w.tickFor(7 * time.Second)
			if a := m.alarms.list(); len(a) > 0 {
				t.Errorf("alarms %q", a)
			}
		})
	}
}

// asked is a ledger that notes what is executed on it.
type asked struct {
	ledger
	functions []string
}

func (l *asked) Execute(ctx context.Context, function string, args ...[]byte) ([]byte, error) {
	l.functions = append(l.functions, function)
	return l.ledger.Execute(ctx, function, args...)
}

// While an index is made anew nothing is sent that the blocks to come have already.
func TestIndexMadeAnewSendsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	w.tickFor(3 * time.Second)
	m := w.members[0]
	m.stop()
	m.spoil(`PRAGMA user_version = 99`)
	m.start()
	l := &asked{ledger: m}
	m.anchor.ledger = l
	poster := newPoster(m.anchor)
	for n := range m.log.Size() {
		if err := m.extend(t.Context(), w.blocks[n:n+1]); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			w.now = w.now.Add(time.Duration(len(w.members)+1) * takeover)
			if err := poster.step(t.Context()); err != nil {
				t.Errorf("at block %d: %v", n, err)
			}
		}
	}
	if len(l.functions) > 0 {
		t.Errorf("executed %q", l.functions)
	}
}

// Events in a form that this program does not know are not thrown away.
func TestIndexKeepsEventsOfAnotherFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	db, err := sqlite.Open(path)
	if err == nil {
		_, err = db.Exec(`CREATE TABLE event (contract TEXT, more TEXT); INSERT INTO event VALUES ('a', 'b'); PRAGMA user_version = 99`)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := openIndex(path, "killick", 600)
		if err == nil || !strings.Contains(err.Error(), "table event, which is to be kept") || !strings.Contains(err.Error(), "it can be removed") {
			t.Fatalf("opened: %v", err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	x, err := openIndex(path, "killick", 600)
	if err != nil {
		t.Fatal(err)
	}
	x.close()
}

// The format's number goes with the tables and with the keys that are kept: when this fails
// raise indexFormat, or every index that there is stays without what is new. The digest has
// to be changed with it, and also when the indexer makes other rows of the same blocks.
func TestIndexFormatIsRaised(t *testing.T) {
	text := canon.Sum([]byte(indexSchema + strings.Join(kept, " ")))
	const want = "2 901d90294bf38786"
	if got := fmt.Sprint(indexFormat, " ", canon.Hex(text[:8])); got != want {
		t.Errorf("format and digest %q, want %q", got, want)
	}
}

package sqlitetest_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/sqlite"
	"github.com/killick-ledger/killick/anchor/sqlite/sqlitetest"
)

// What each fault of a commit leaves: to its caller, to the process that goes on, and to
// the one after a power failure.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name          string
		fault         sqlitetest.Fault
		synchronous   string
		err           bool
		before, after int // rows
	}{
		{"none", sqlitetest.None, "FULL", false, 2, 2},
		{"not done", sqlitetest.NotDone, "FULL", true, 1, 1},
		{"done although it failed", sqlitetest.Done, "FULL", true, 1, 2},
		{"errors that nobody heeds", sqlitetest.Lie, "FULL", false, 3, 1},
		{"commits that are not synced", sqlitetest.NotDone, "NORMAL", false, 2, 0},
	} {
		for _, locking := range []string{"EXCLUSIVE", "NORMAL"} {
			t.Run(tt.name+", "+locking, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "a.db")
				var disk *sqlitetest.Disk
				open := func() *sqlite.DB {
					disk = sqlitetest.On(t, path)
					db, err := sqlite.Open(path, "locking_mode("+locking+")", "journal_mode(WAL)", "synchronous("+tt.synchronous+")")
					if err != nil {
						t.Fatal(err)
					}
					db.SetMaxOpenConns(1)
					if _, err := db.Exec(`CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)`); err != nil {
						t.Fatal(err)
					}
					return db
				}
				count := func(db *sqlite.DB) (n int) {
					if err := db.QueryRow(`SELECT count(*) FROM t`).Scan(&n); err != nil {
						t.Fatal(err)
					}
					return n
				}
				db := open()
				if _, err := db.Exec(`INSERT INTO t VALUES (1)`); err != nil {
					t.Fatal(err)
				}
				disk.Set(func() sqlitetest.Fault { return tt.fault })
				_, err := db.Exec(`INSERT INTO t VALUES (2)`)
				if (err != nil) != tt.err || err != nil && !strings.Contains(err.Error(), "I/O error") {
					t.Error(err)
				}
				if tt.fault == sqlitetest.Lie {
					disk.Set(func() sqlitetest.Fault { return sqlitetest.None })
					if _, err := db.Exec(`INSERT INTO t VALUES (3)`); err != nil {
						t.Fatal(err)
					}
				}
				if n := count(db); n != tt.before {
					t.Errorf("%d rows in the process that goes on, want %d", n, tt.before)
				}
				image := disk.Image()
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				if err := image.Restore(path); err != nil {
					t.Fatal(err)
				}
				db = open()
				defer db.Close()
				if n := count(db); n != tt.after {
					t.Errorf("%d rows after a power failure, want %d", n, tt.after)
				}
			})
		}
	}
}

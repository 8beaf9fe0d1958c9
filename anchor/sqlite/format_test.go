package sqlite_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/sqlite"
)

const schema = `
CREATE TABLE IF NOT EXISTS made (n INTEGER PRIMARY KEY) STRICT;
CREATE INDEX IF NOT EXISTS made_n ON made (n) WHERE n > 0;
CREATE TABLE IF NOT EXISTS told (text TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;`

// on runs a test on the database at a path, opened anew.
func on(t *testing.T, path string, do func(db *sqlite.DB)) {
	t.Helper()
	db, err := sqlite.Open(path, "journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	do(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// A program goes on with tables of its own format and with no others: what it does not
// know, or what has no rows yet for what it knows, it must not take for its own.
func TestFormat(t *testing.T) {
	for name, c := range map[string]struct {
		before string
		format int
		want   string // part of the error
	}{
		"new":                              {``, 3, ``},
		"the same":                         {schema + `PRAGMA user_version = 3`, 3, ``},
		"older":                            {schema + `PRAGMA user_version = 2`, 3, "have format 2, those of this program format 3"},
		"newer":                            {schema + `PRAGMA user_version = 4`, 3, "have format 4, those of this program format 3"},
		"without a number":                 {schema, 3, "no format number, those of this program have format 3"},
		"a number and no tables":           {`PRAGMA user_version = 2`, 3, "have format 2"},
		"from before numbers, the first":   {schema, 1, ``},
		"from before numbers, another one": {`CREATE TABLE made (m INTEGER PRIMARY KEY)`, 1, "no format number"},
		"from before numbers, one is missing": {
			`CREATE TABLE told (text TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`, 1, "no format number"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			on(t, path, func(db *sqlite.DB) {
				if _, err := db.Exec(c.before); err != nil {
					t.Fatal(err)
				}
			})
			for range 2 {
				on(t, path, func(db *sqlite.DB) {
					err := db.Make(schema, c.format)
					var other *sqlite.OtherFormat
					if (err == nil) != (c.want == "") || err != nil && (!errors.As(err, &other) || !strings.Contains(err.Error(), c.want)) {
						t.Fatalf("%v, want %q", err, c.want)
					}
					var is int
					if err := db.QueryRow(`PRAGMA user_version`).Scan(&is); err != nil || (is == c.format) != (c.want == "") {
						t.Errorf("format %d, %v", is, err)
					}
				})
			}
		})
	}
}

// What is remade has the rows of the tables that are kept, and nothing else; when it cannot
// be remade all is as before.
func TestRemake(t *testing.T) {
	for name, c := range map[string]struct {
		before, want string
		made, told   int // rows
	}{
		"older": {`CREATE TABLE made (m); CREATE INDEX other ON made (m); CREATE TABLE gone (n);
			CREATE TABLE told (text TEXT PRIMARY KEY) STRICT, WITHOUT ROWID; INSERT INTO told VALUES ('a'), ('b');
			INSERT INTO made VALUES (1)`, ``, 0, 2},
		"nothing kept": {`CREATE TABLE made (m); INSERT INTO made VALUES (1)`, ``, 0, 0},
		"what is kept is of another form": {`CREATE TABLE made (m); CREATE TABLE told (text TEXT, more TEXT);
			INSERT INTO told VALUES ('a', 'b'); INSERT INTO made VALUES (1)`, "told, which is to be kept", 1, 1},
		"it stops in the middle": {`CREATE TABLE made (m); INSERT INTO made VALUES (1);
			CREATE TABLE told (text TEXT PRIMARY KEY) STRICT, WITHOUT ROWID; INSERT INTO told VALUES ('a');
			PRAGMA max_page_count = 3`, "full", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			on(t, path, func(db *sqlite.DB) {
				db.SetMaxOpenConns(1)
				if _, err := db.Exec(c.before + `; PRAGMA user_version = 2`); err != nil {
					t.Fatal(err)
				}
				if err := db.Remake(schema, 3, "told"); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
			})
			on(t, path, func(db *sqlite.DB) {
				if c.want == "" {
					if err := db.Make(schema, 3); err != nil {
						t.Error(err)
					}
				} else if err := db.Make(schema, 3); err == nil || !strings.Contains(err.Error(), "have format 2") {
					t.Errorf("remade in part: %v", err)
				}
				var made, told, others int
				err := db.QueryRow(`SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM told),
					(SELECT count(*) FROM sqlite_schema WHERE name IN ('gone', 'other'))`).Scan(&made, &told, &others)
				if err != nil || made != c.made || told != c.told || others != 0 {
					t.Errorf("%d made, %d told, %d others, %v", made, told, others, err)
				}
			})
		})
	}
}

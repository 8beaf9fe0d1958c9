package sqlite_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/killick-ledger/killick/anchor/sqlite"
)

func open(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "50% of what?"), "journal_mode(WAL)", "busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.Exec(`CREATE TABLE number (n INTEGER PRIMARY KEY); CREATE TABLE other (n INTEGER)`); err != nil {
		t.Fatal(err)
	}
	return db
}

// Many ask the same at once, on connections of their own, while a transaction writes.
func TestSideBySide(t *testing.T) {
	db := open(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 20 {
				if _, err := db.ExecContext(t.Context(), `INSERT INTO number VALUES (NULL)`); err != nil {
					t.Error(err)
				}
				var count, above int
				if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM number WHERE n > ?`, 0).Scan(&count); err != nil || count == 0 {
					t.Errorf("%d numbers, %v", count, err)
				}
				if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM number WHERE n > ?`, 1000).Scan(&above); err != nil || above != 0 {
					t.Errorf("with another argument %d, %v", above, err)
				}
			}
		})
	}
	wait.Wait()
	var count int
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM number`).Scan(&count); err != nil || count != 160 {
		t.Errorf("%d numbers, %v", count, err)
	}
}

// A statement of a transaction sees what that wrote, and is of use to the next one.
func TestInTransactions(t *testing.T) {
	db := open(t)
	const insert, count = `INSERT INTO number VALUES (?)`, `SELECT count(*) FROM number`
	for _, undo := range []bool{true, false} {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := db.In(t.Context(), tx, insert)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Exec(7); err != nil {
			t.Fatal(err)
		}
		if s, err = db.In(t.Context(), tx, count); err != nil {
			t.Fatal(err)
		}
		var within, outside int
		if err := s.QueryRow().Scan(&within); err != nil || within != 1 {
			t.Errorf("%d within, %v", within, err)
		}
		if err := db.QueryRowContext(t.Context(), count).Scan(&outside); err != nil || outside != 0 {
			t.Errorf("%d outside, %v", outside, err)
		}
		end := tx.Commit
		if undo {
			end = tx.Rollback
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := db.QueryContext(t.Context(), `SELECT n FROM number`)
	if err != nil || !rows.Next() || rows.Next() || rows.Err() != nil {
		t.Errorf("not one number: %v", err)
	}
}

func TestErrors(t *testing.T) {
	db := open(t)
	_, asked := db.QueryContext(t.Context(), `SELECT nothing`)
	_, changed := db.ExecContext(t.Context(), `DELETE nothing`)
	row := db.QueryRowContext(t.Context(), `SELECT nothing`).Scan(new(int))
	for what, err := range map[string]error{"rows": asked, "change": changed, "row": row} {
		if err == nil || !strings.Contains(err.Error(), "nothing") {
			t.Errorf("%s: %v", what, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.ExecContext(ctx, `INSERT INTO other VALUES (1)`); err == nil {
		t.Error("no error after the end")
	}
	if _, err := db.ExecContext(t.Context(), `INSERT INTO other VALUES (1)`); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

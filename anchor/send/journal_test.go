package send_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/send"
)

// A journal from before there were numbers is gone on with when its tables are the same; one
// of another format is refused, and stays as it is.
func TestJournalOfAnotherFormat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ change, want string }{
		"no number":                  {`PRAGMA user_version = 0`, ""},
		"no number and other tables": {`PRAGMA user_version = 0; ALTER TABLE attempt DROP COLUMN settled`, "no format number"},
		"newer":                      {`PRAGMA user_version = 2`, "have format 2, those of this program format 1: let the program that wrote it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, newFake(0))
			h.plan("a")
			if err := h.s.Close(); err != nil {
				t.Fatal(err)
			}
			h.alone(func(db *sql.DB) error { _, err := db.Exec(c.change); return err })
			if c.want == "" {
				h.open()
				if st, err := h.s.Status(t.Context(), "a"); err != nil || st.Phase != send.PhasePlanned {
					t.Errorf("%+v, %v", st, err)
				}
				return
			}
			for range 2 {
				_, err := send.Open(h.path, map[string]send.Chain{h.f.ID(): h.f}, send.Config{})
				if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, send.ErrTaken) {
					t.Errorf("opened: %v", err)
				}
			}
			var planned int
			h.alone(func(db *sql.DB) error { return db.QueryRow(`SELECT count(*) FROM intent`).Scan(&planned) })
			if planned != 1 {
				t.Errorf("%d intents are left", planned)
			}
		})
	}
}

// alone does something with the journal's file while no sender has it.
func (h *harness) alone(do func(*sql.DB) error) {
	h.t.Helper()
	db, err := sql.Open("sqlite", h.path)
	if err == nil {
		err = errors.Join(do(db), db.Close())
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

package send

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/killick-ledger/killick/anchor/sqlite"
)

// A journal keeps intents and attempts. Each method is one transaction that is
// on disk when it returns. Times are Unix nanoseconds, 0 for none.
type journal struct{ db *sqlite.DB }

// format changes with the tables and with what their values mean. Nothing of a journal can be
// made again, so one of another format is refused.
const format = 1

const schema = `
CREATE TABLE IF NOT EXISTS intent (
	n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, chain TEXT NOT NULL,
	target BLOB NOT NULL, data BLOB NOT NULL, checking BLOB NOT NULL, want BLOB NOT NULL, late BLOB NOT NULL,
	phase INTEGER NOT NULL, why TEXT NOT NULL DEFAULT '') STRICT;
CREATE TABLE IF NOT EXISTS attempt (
	n INTEGER PRIMARY KEY, intent TEXT NOT NULL REFERENCES intent (id),
	id BLOB NOT NULL, raw BLOB NOT NULL, nonce INTEGER NOT NULL, expires INTEGER NOT NULL,
	most TEXT NOT NULL, made INTEGER NOT NULL, first INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL DEFAULT 0,
	state INTEGER NOT NULL DEFAULT 0, final INTEGER NOT NULL DEFAULT 0,
	block INTEGER NOT NULL DEFAULT 0, hash BLOB, cost INTEGER NOT NULL DEFAULT 0,
	bandwidth INTEGER NOT NULL DEFAULT 0, fee TEXT NOT NULL DEFAULT '',
	settled INTEGER NOT NULL DEFAULT 0,
	UNIQUE (intent, id)) STRICT;
CREATE INDEX IF NOT EXISTS attempts ON attempt (id);
CREATE INDEX IF NOT EXISTS loose ON attempt (intent) WHERE first > 0 AND state <> 4 AND final = 0;
CREATE TABLE IF NOT EXISTS halt (chain TEXT PRIMARY KEY, why TEXT NOT NULL) STRICT;`

// openJournal opens or creates a journal and holds it until Close: a second
// process, or a second sender, is refused, as is a journal of another format.
func openJournal(path string) (*journal, error) {
	db, err := sqlite.Open(path, "locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(FULL)",
		"foreign_keys(ON)", "busy_timeout(200)")
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	db.SetMaxOpenConns(1)
	if err := db.Make(schema, format); err != nil {
		if other := (*sqlite.OtherFormat)(nil); errors.As(err, &other) {
			err = fmt.Errorf("%w: let the program that wrote it bring to an end what it has under way, then move the file away, and a new one is made", err)
		} else if strings.Contains(err.Error(), "SQLITE_BUSY") {
			err = fmt.Errorf("%w: %w", ErrTaken, err)
		}
		return nil, errors.Join(fmt.Errorf("open journal %s: %w", path, err), db.Close())
	}
	return &journal{db: db}, nil
}

func (j *journal) write(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := j.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin in journal: %w", err)
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit to journal: %w", err)
	}
	return nil
}

// plan adds an intent, or checks that the one of this id is the same.
func (j *journal) plan(ctx context.Context, chain string, in Intent) error {
	return j.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO intent (id, chain, target, data, checking, want, late, phase)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			in.ID, chain, in.To[:], in.Data, in.Check, in.Want, append([]byte{}, in.Late...), PhasePlanned)
		if err != nil {
			return fmt.Errorf("plan %s: %w", in.ID, err)
		}
		had, err := readIntent(tx.QueryRowContext(ctx, intentColumns+` WHERE id = ?`, in.ID))
		if err != nil {
			return fmt.Errorf("plan %s: %w", in.ID, err)
		}
		if had.Chain != chain || had.To != in.To || !bytes.Equal(had.Data, in.Data) ||
			!bytes.Equal(had.Check, in.Check) || !bytes.Equal(had.Want, in.Want) || !bytes.Equal(had.Late, in.Late) {
			return fmt.Errorf("plan %s: %w", in.ID, ErrDifferent)
		}
		return nil
	})
}

// setPhase writes an intent's phase; it never leaves PhaseRecorded.
func (j *journal) setPhase(ctx context.Context, id string, p Phase, why string) error {
	_, err := j.db.ExecContext(ctx, `UPDATE intent SET phase = ?, why = ? WHERE id = ? AND phase <> ?`,
		p, why, id, PhaseRecorded)
	if err != nil {
		return fmt.Errorf("write phase of %s: %w", id, err)
	}
	return nil
}

// arm adds a signed attempt. It has not been broadcast.
func (j *journal) arm(ctx context.Context, id string, a Attempt, p Phase) error {
	return j.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO attempt (intent, id, raw, nonce, expires, most, made)
			VALUES (?, ?, ?, ?, ?, ?, ?)`, id, a.ID, a.Raw, int64(a.Nonce), nanos(a.Expires), a.Most, nanos(a.Made))
		if err != nil {
			return fmt.Errorf("write attempt for %s: %w", id, err)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE intent SET phase = ? WHERE id = ?`, p, id); err != nil {
			return fmt.Errorf("write phase of %s: %w", id, err)
		}
		return nil
	})
}

// leave writes that an attempt is being broadcast, before it is.
func (j *journal) leave(ctx context.Context, id string, attempt []byte, now time.Time, p Phase) error {
	return j.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE attempt SET last = ?1, first = CASE first WHEN 0 THEN ?1 ELSE first END
			WHERE intent = ?2 AND id = ?3`, nanos(now), id, attempt)
		if err != nil {
			return fmt.Errorf("write broadcast of %s: %w", id, err)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE intent SET phase = ? WHERE id = ?`, p, id); err != nil {
			return fmt.Errorf("write phase of %s: %w", id, err)
		}
		return nil
	})
}

// settle writes what the chain says of an attempt.
func (j *journal) settle(ctx context.Context, id string, t Try) error {
	o := t.Outcome
	_, err := j.db.ExecContext(ctx, `UPDATE attempt SET state = ?, final = ?, block = ?, hash = ?, cost = ?,
		bandwidth = ?, fee = ?, settled = ? WHERE intent = ? AND id = ?`,
		o.State, o.Final, int64(o.Block), o.BlockHash, int64(o.Cost), int64(o.Bandwidth), o.Fee,
		nanos(t.Settled), id, t.ID)
	if err != nil {
		return fmt.Errorf("write outcome for %s: %w", id, err)
	}
	return nil
}

// open selects the intents of a chain that are neither final nor overtaken, and those whose
// attempts may still land: a nonce is in use until its block is final.
const open = `WHERE chain = ? AND (phase NOT IN (5, 6, 8) OR EXISTS (SELECT 1 FROM attempt
	WHERE attempt.intent = intent.id AND first > 0 AND state <> 4 AND final = 0))`

const intentColumns = `SELECT id, chain, target, data, checking, want, late, phase, why FROM intent`

type scanner interface{ Scan(dest ...any) error }

func readIntent(row scanner) (Status, error) {
	var s Status
	var to []byte
	err := row.Scan(&s.ID, &s.Chain, &to, &s.Data, &s.Check, &s.Want, &s.Late, &s.Phase, &s.Why)
	if err == nil && copy(s.To[:], to) != len(s.To) {
		err = errors.New("address is not 20 bytes")
	}
	return s, err
}

// list returns the intents that a condition selects, oldest first, with their
// attempts.
func (j *journal) list(ctx context.Context, where string, args ...any) ([]Status, error) {
	rows, err := j.db.QueryContext(ctx, intentColumns+" "+where+" ORDER BY n", args...)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err below says what went wrong
	var all []Status
	for rows.Next() {
		s, err := readIntent(rows)
		if err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	for i := range all {
		if all[i].Tries, err = j.tries(ctx, all[i].ID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// charged returns the attempts of a chain whose fee is gone for good since a moment.
func (j *journal) charged(ctx context.Context, chain string, since time.Time) ([]Try, error) {
	return j.readTries(ctx, `JOIN intent ON intent.id = attempt.intent WHERE intent.chain = ? AND final = 1
		AND state IN (?, ?) AND settled >= ?`, chain, StateMined, StateReverted, nanos(since))
}

func (j *journal) tries(ctx context.Context, id string) ([]Try, error) {
	return j.readTries(ctx, `WHERE attempt.intent = ?`, id)
}

func (j *journal) readTries(ctx context.Context, where string, args ...any) ([]Try, error) {
	rows, err := j.db.QueryContext(ctx, `SELECT attempt.id, raw, nonce, expires, most, made, first, last, state, final,
		block, hash, cost, bandwidth, fee, settled FROM attempt `+where+` ORDER BY attempt.n`, args...)
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err below says what went wrong
	var all []Try
	for rows.Next() {
		var t Try
		var nonce, block, cost, bandwidth, expires, made, first, last, settled int64
		o := &t.Outcome
		if err := rows.Scan(&t.ID, &t.Raw, &nonce, &expires, &t.Most, &made, &first, &last, &o.State, &o.Final,
			&block, &o.BlockHash, &cost, &bandwidth, &o.Fee, &settled); err != nil {
			return nil, fmt.Errorf("read attempts: %w", err)
		}
		t.Nonce, o.Block, o.Cost, o.Bandwidth = uint64(nonce), uint64(block), uint64(cost), uint64(bandwidth)
		t.Expires, t.Made, t.First, t.Last, t.Settled = moment(expires), moment(made), moment(first), moment(last), moment(settled)
		all = append(all, t)
	}
	return all, rows.Err()
}

// halt stops a chain for good; an empty reason lifts it.
func (j *journal) halt(ctx context.Context, chain, why string) error {
	_, err := j.db.ExecContext(ctx, `INSERT INTO halt (chain, why) VALUES (?, ?)
		ON CONFLICT (chain) DO UPDATE SET why = excluded.why`, chain, why)
	if err != nil {
		return fmt.Errorf("write halt of %s: %w", chain, err)
	}
	return nil
}

func (j *journal) halted(ctx context.Context, chain string) (string, error) {
	var why string
	err := j.db.QueryRowContext(ctx, `SELECT why FROM halt WHERE chain = ?`, chain).Scan(&why)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read halt of %s: %w", chain, err)
	}
	return why, nil
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

package status

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/gateway/vc"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// The file's tables.
//
//	lists    one row for each list that has an entry: how many, and the last block that
//	         changed each purpose.
//	changed  entries whose credential is suspended or revoked.
//	meta     format, network, next (number of the block to be taken in next).
const schema = `
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lists(issuer BLOB NOT NULL, number INTEGER NOT NULL, entries INTEGER NOT NULL,
	suspension INTEGER NOT NULL, revocation INTEGER NOT NULL, PRIMARY KEY(issuer, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changed(issuer BLOB NOT NULL, number INTEGER NOT NULL, entry INTEGER NOT NULL,
	status TEXT NOT NULL, PRIMARY KEY(issuer, number, entry)) WITHOUT ROWID;
`

const format = "1"

// store is the index's file. A power failure may take its last changes: blocks have
// them.
type store struct{ db *sql.DB }

func openStore(path, network string) (*store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	s := &store{db}
	if err := s.prepare(network); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func (s *store) prepare(network string) error {
	if _, err := s.db.Exec(schema); err != nil {
		return err
	}
	for key, want := range map[string]string{"format": format, "network": network} {
		if _, err := s.db.Exec(`INSERT OR IGNORE INTO meta(key, value) VALUES(?, ?)`, key, want); err != nil {
			return err
		}
		var got string
		if err := s.db.QueryRow(`SELECT value FROM meta WHERE key = ?`, key).Scan(&got); err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("it is of %s %q, not %q; remove the file, and it is made anew", key, got, want)
		}
	}
	return nil
}

func (s *store) close() error { return s.db.Close() }

// load reads everything.
func (s *store) load() (next uint64, lists map[List]*bits, err error) {
	lists = map[List]*bits{}
	var text string
	switch err := s.db.QueryRow(`SELECT value FROM meta WHERE key = 'next'`).Scan(&text); {
	case errors.Is(err, sql.ErrNoRows):
		return 0, lists, nil
	case err != nil:
		return 0, nil, err
	}
	if next, err = strconv.ParseUint(text, 10, 64); err != nil {
		return 0, nil, fmt.Errorf("next: %w", err)
	}
	rows, err := s.db.Query(`SELECT issuer, number, entries, suspension, revocation FROM lists`)
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var issuer []byte
		var l List
		var suspension, revocation uint64
		b := newBits(0)
		if err := rows.Scan(&issuer, &l.Number, &b.entries, &suspension, &revocation); err != nil {
			return 0, nil, err
		}
		copy(l.Issuer[:], issuer)
		b.purpose(vc.Suspension).changed, b.purpose(vc.Revocation).changed = suspension, revocation
		lists[l] = b
	}
	if err := rows.Err(); err != nil {
		return 0, nil, err
	}
	return next, lists, s.loadChanged(lists)
}

func (s *store) loadChanged(lists map[List]*bits) error {
	rows, err := s.db.Query(`SELECT issuer, number, entry, status FROM changed`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var issuer []byte
		var p place
		var status string
		if err := rows.Scan(&issuer, &p.Number, &p.index, &status); err != nil {
			return err
		}
		copy(p.Issuer[:], issuer)
		b := lists[p.List]
		if b == nil {
			return fmt.Errorf("list %d has a changed entry and no row", p.Number)
		}
		for _, purpose := range purposes {
			of := b.purpose(purpose)
			if err := of.put(p.index, means(purpose, status), of.changed); err != nil {
				return err
			}
		}
	}
	return rows.Err()
}

// save writes what a block changed, and which is next, together.
func (s *store) save(next uint64, changes map[place]string, issued map[List]int) (err error) {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	block := next - 1
	for l, n := range issued {
		if _, err := tx.Exec(`INSERT INTO lists(issuer, number, entries, suspension, revocation) VALUES(?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET entries = entries + excluded.entries`, l.Issuer[:], l.Number, n, block, block); err != nil {
			return err
		}
	}
	for p, status := range changes {
		if err := saveEntry(tx, p, status, block); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(`INSERT INTO meta(key, value) VALUES('next', ?) ON CONFLICT DO UPDATE SET value = excluded.value`, strconv.FormatUint(next, 10)); err != nil {
		return err
	}
	return tx.Commit()
}

func saveEntry(tx *sql.Tx, p place, status string, block uint64) error {
	id := ledger.ID(p.Issuer)
	var before string
	err := tx.QueryRow(`SELECT status FROM changed WHERE issuer = ? AND number = ? AND entry = ?`, id[:], p.Number, p.index).Scan(&before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if status == credential.Active {
		_, err = tx.Exec(`DELETE FROM changed WHERE issuer = ? AND number = ? AND entry = ?`, id[:], p.Number, p.index)
	} else {
		_, err = tx.Exec(`INSERT OR REPLACE INTO changed(issuer, number, entry, status) VALUES(?, ?, ?, ?)`, id[:], p.Number, p.index, status)
	}
	if err != nil {
		return err
	}
	for _, purpose := range purposes {
		if means(purpose, before) != means(purpose, status) {
			// The purpose is one of ours, and names the column.
			if _, err := tx.Exec(`UPDATE lists SET `+string(purpose)+` = ? WHERE issuer = ? AND number = ?`, block, id[:], p.Number); err != nil {
				return err
			}
		}
	}
	return nil
}

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/payout"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// point is an accepted checkpoint.
type point struct {
	Number  uint64
	Size    uint64
	Root    [32]byte
	Time    uint64
	Signers []string
}

// place is where a write or a transaction is.
type place struct {
	block uint64
	tx, n int
}

const pointColumns = `SELECT number, size, root, time, signers FROM point `

// point returns the accepted checkpoint that a condition selects; ok is false
// when there is none.
func (x *index) point(ctx context.Context, where string, args ...any) (p point, ok bool, err error) {
	var root []byte
	var signers string
	err = x.db.QueryRowContext(ctx, pointColumns+where, args...).Scan(&p.Number, &p.Size, &root, &p.Time, &signers)
	if errors.Is(err, sql.ErrNoRows) {
		return p, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("read checkpoint: %w", err)
	}
	copy(p.Root[:], root)
	p.Signers = strings.Fields(signers)
	return p, true, nil
}

// head returns the newest accepted checkpoint, zero before the first.
func (x *index) head(ctx context.Context) (point, error) {
	p, _, err := x.point(ctx, `ORDER BY number DESC LIMIT 1`)
	return p, err
}

// toPost returns the newest checkpoint that is to be anchored.
func (x *index) toPost(ctx context.Context) (point, bool, error) {
	return x.point(ctx, `WHERE post = 1 ORDER BY number DESC LIMIT 1`)
}

// candidate is a checkpoint that at least one member has cosigned, with the
// signatures in the order in which they came.
type candidate struct {
	Size uint64
	Root [32]byte
	Time uint64
	By   []log.Cosignature
}

func (c candidate) signedBy(msp string) bool {
	for _, s := range c.By {
		if s.MSP == msp {
			return true
		}
	}
	return false
}

// candidates returns what is cosigned of sizes above after and up to a log's size,
// smallest first: of many the largest. What lies beyond the log may be there to
// waste time.
func (x *index) candidates(ctx context.Context, after, size uint64) ([]candidate, error) {
	return x.cosigned(ctx, `WHERE size <= ?2 AND size > ?1 AND size >= (SELECT coalesce(min(size), 0) FROM
		(SELECT DISTINCT size FROM cosig WHERE size > ?1 AND size <= ?2 ORDER BY size DESC LIMIT 64))`, int64(after), int64(size))
}

// cosignatures returns those of an accepted checkpoint.
func (x *index) cosignatures(ctx context.Context, p point) ([]log.Cosignature, error) {
	all, err := x.cosigned(ctx, `WHERE size = ? AND root = ? AND time = ?`, int64(p.Size), p.Root[:], int64(p.Time))
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0].By, nil
}

func (x *index) cosigned(ctx context.Context, where string, args ...any) ([]candidate, error) {
	rows, err := x.db.QueryContext(ctx, `SELECT size, root, time, msp, ed, secp FROM cosig `+where+
		` ORDER BY size, time, root, n, msp`, args...)
	if err != nil {
		return nil, fmt.Errorf("read cosignatures: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err below says what went wrong
	var all []candidate
	for rows.Next() {
		var c candidate
		var s log.Cosignature
		var root, ed, secp []byte
		if err := rows.Scan(&c.Size, &root, &c.Time, &s.MSP, &ed, &secp); err != nil {
			return nil, fmt.Errorf("read cosignatures: %w", err)
		}
		copy(c.Root[:], root)
		copy(s.Ed25519[:], ed)
		copy(s.Secp256k1[:], secp)
		if n := len(all); n == 0 || all[n-1].Size != c.Size || all[n-1].Root != c.Root || all[n-1].Time != c.Time {
			all = append(all, c)
		}
		all[len(all)-1].By = append(all[len(all)-1].By, s)
	}
	return all, rows.Err()
}

// busySince reports whether something other than the anchors' own transactions
// is in the log from a size on.
func (x *index) busySince(ctx context.Context, size uint64) (bool, error) {
	var now, then int64
	err := x.db.QueryRowContext(ctx, `SELECT coalesce((SELECT busy FROM block ORDER BY number DESC LIMIT 1), 0),
		coalesce((SELECT busy FROM block WHERE number = ?), 0)`, int64(size)-1).Scan(&now, &then)
	if err != nil {
		return false, fmt.Errorf("read index: %w", err)
	}
	return now > then, nil
}

// lastConfig returns the number of the last configuration block below a number.
func (x *index) lastConfig(ctx context.Context, before uint64) (number uint64, err error) {
	err = x.db.QueryRowContext(ctx, `SELECT number FROM config WHERE number < ? ORDER BY number DESC LIMIT 1`,
		int64(before)).Scan(&number)
	if err != nil {
		return 0, fmt.Errorf("find the configuration in force at block %d: %w", before, err)
	}
	return number, nil
}

// findWrite returns the newest write of a key in the first size blocks.
func (x *index) findWrite(ctx context.Context, key string, size uint64) (p place, ok bool, err error) {
	err = x.db.QueryRowContext(ctx, `SELECT block, tx, n FROM write WHERE key = ? AND block < ?
		ORDER BY block DESC, tx DESC, n DESC LIMIT 1`, key, int64(size)).Scan(&p.block, &p.tx, &p.n)
	return found(p, err)
}

// findWriteAt returns a transaction's write of a key.
func (x *index) findWriteAt(ctx context.Context, key string, at place) (place, bool, error) {
	err := x.db.QueryRowContext(ctx, `SELECT n FROM write WHERE key = ? AND block = ? AND tx = ?`,
		key, int64(at.block), at.tx).Scan(&at.n)
	return found(at, err)
}

// findTx returns where a transaction is, valid or not.
func (x *index) findTx(ctx context.Context, id []byte) (p place, ok bool, err error) {
	p.n = log.NoWrite
	err = x.db.QueryRowContext(ctx, `SELECT block, n FROM tx WHERE id = ?`, id).Scan(&p.block, &p.tx)
	return found(p, err)
}

func found[T any](v T, err error) (T, bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return v, false, nil
	}
	return v, err == nil, err
}

// root is a payout root and where it was written.
type root struct {
	payout.Root
	at place
}

// newestRoot returns the newest payout root of a vault, not above an epoch.
func (x *index) newestRoot(ctx context.Context, vault string, upTo uint64) (root, bool, error) {
	var r root
	var value []byte
	err := x.db.QueryRowContext(ctx, `SELECT value, block, tx FROM root WHERE vault = ? AND epoch <= ?
		ORDER BY epoch DESC, attempt DESC LIMIT 1`, vault, int64(min(upTo, math.MaxInt64))).Scan(&value, &r.at.block, &r.at.tx)
	if err == nil {
		r.Root, err = payout.ParseRoot(value)
	}
	return found(r, err)
}

// payees returns the vault's cumulative totals as they were when a root was
// written: folding writes totals first and their root last.
func (x *index) payees(ctx context.Context, vault string, at place) ([]payout.Payee, error) {
	rows, err := x.db.QueryContext(ctx, `SELECT address, total, max(block << 20 | tx) FROM total
		WHERE vault = ? AND (block < ? OR block = ? AND tx <= ?) GROUP BY address`,
		vault, int64(at.block), int64(at.block), at.tx)
	if err != nil {
		return nil, fmt.Errorf("read totals: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err below says what went wrong
	var all []payout.Payee
	for rows.Next() {
		var p payout.Payee
		var address []byte
		var order int64
		if err := rows.Scan(&address, &p.Cumulative, &order); err != nil {
			return nil, fmt.Errorf("read totals: %w", err)
		}
		copy(p.Address[:], address)
		all = append(all, p)
	}
	return all, rows.Err()
}

// shrunk returns an address whose total in the vault has fallen, if there is one.
func (x *index) shrunk(ctx context.Context, vault string) (address []byte, ok bool, err error) {
	err = x.db.QueryRowContext(ctx, `SELECT address FROM (SELECT address, total,
		lag(total, 1, 0) OVER (PARTITION BY address ORDER BY block, tx) AS before FROM total WHERE vault = ?)
		WHERE total < before LIMIT 1`, vault).Scan(&address)
	return found(address, err)
}

// state returns the present value of a kept key.
func (x *index) state(ctx context.Context, key string) (value []byte, ok bool, err error) {
	err = x.db.QueryRowContext(ctx, `SELECT value FROM state WHERE key = ?`, key).Scan(&value)
	return found(value, err)
}

// states returns the present values of the kept keys with a prefix, by the rest
// of the key.
func (x *index) states(ctx context.Context, prefix string) (map[string][]byte, error) {
	found, err := x.values(ctx, `key >= ? AND key < ?`, prefix, prefix+"\U0010ffff")
	all := map[string][]byte{}
	for key, value := range found {
		all[strings.TrimPrefix(key, prefix)] = value
	}
	return all, err
}

// memberKeys returns what the ledger says of its member sets: the values of network and
// of the keys under rotation/, of one moment.
func (x *index) memberKeys(ctx context.Context) (map[string][]byte, error) {
	return x.values(ctx, `key = 'network' OR key >= 'rotation/' AND key < 'rotation0'`)
}

// values returns the present values of the kept keys that a condition selects.
func (x *index) values(ctx context.Context, where string, args ...any) (map[string][]byte, error) {
	rows, err := x.db.QueryContext(ctx, `SELECT key, value FROM state WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err below says what went wrong
	all := map[string][]byte{}
	for rows.Next() {
		var key string
		var value []byte
		if err := rows.Scan(&key, &value); err != nil {
			return nil, fmt.Errorf("read index: %w", err)
		}
		all[key] = value
	}
	return all, rows.Err()
}

// scanned returns the first block of a chain whose events have not been read.
func (x *index) scanned(ctx context.Context, chain string) (next uint64, err error) {
	err = x.db.QueryRowContext(ctx, `SELECT next FROM scanned WHERE chain = ?`, chain).Scan(&next)
	next, _, err = found(next, err)
	return next, err
}

// addEvents keeps the events of a chain's final blocks up to next, from which on they are
// read from now on.
func (x *index) addEvents(ctx context.Context, chain string, events []event, next uint64) error {
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("index events: %w", err)
	}
	exec := func(query string, args ...any) {
		var s *sql.Stmt
		if err == nil {
			s, err = x.db.In(ctx, tx, query)
		}
		if err == nil {
			_, err = s.ExecContext(ctx, args...)
		}
	}
	for _, e := range events {
		exec(`INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?, ?)`, e.Contract.String(),
			int64(e.Number), e.Root[:], e.Tx[:], int64(e.Block), e.BlockHash[:])
	}
	exec(`INSERT INTO scanned VALUES (?, ?) ON CONFLICT (chain) DO UPDATE SET next = excluded.next`, chain, int64(next))
	if err != nil {
		return errors.Join(fmt.Errorf("index events: %w", err), tx.Rollback())
	}
	return tx.Commit()
}

// newestEvent returns the contract's newest event.
func (x *index) newestEvent(ctx context.Context, contract string) (event, bool, error) {
	return x.oneEvent(ctx, `WHERE contract = ? ORDER BY number DESC LIMIT 1`, contract)
}

// eventsAfter returns the first events of a contract about numbers above n.
func (x *index) eventsAfter(ctx context.Context, contract string, n uint64) ([]event, error) {
	rows, err := x.db.QueryContext(ctx, eventColumns+`WHERE contract = ? AND number > ? ORDER BY number LIMIT 100`, contract, int64(n))
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err below says what went wrong
	var all []event
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

func (x *index) oneEvent(ctx context.Context, where string, args ...any) (event, bool, error) {
	return found(scanEvent(x.db.QueryRowContext(ctx, eventColumns+where, args...)))
}

const eventColumns = `SELECT contract, number, root, tx, block, hash FROM event `

func scanEvent(row interface{ Scan(dest ...any) error }) (event, error) {
	var e event
	var contract string
	var root, tx, hash []byte
	var block int64
	err := row.Scan(&contract, &e.Number, &root, &tx, &block, &hash)
	if err == nil {
		e.Contract, err = canon.ParseAccount(contract)
	}
	copy(e.Root[:], root)
	e.Landing = landing(tx, block, hash)
	return e, err
}

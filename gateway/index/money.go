package index

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"strings"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// emissionChanges begins the keys of all emission programmes that were in force.
const emissionChanges = "govern/change/emission/"

// money says whether a key is one that an audit of the ledger of money reads.
func money(key string) bool {
	switch prefix, _, _ := strings.Cut(key, "/"); prefix {
	case "network", "rotation", "balance", "fund", "hold", "post", "epoch", "fold", "due", "rest", "total", "subtrees", "reserve",
		"job", "round", "settlement", "late", "emission", "merit":
		return true
	}
	return strings.HasPrefix(key, emissionChanges) // by which pools are reckoned
}

// keep stores what an audit reads as it is, and returns what was there before.
func (t *taker) keep(key string, value []byte) (before []byte, err error) {
	if before, err = t.kept(key); err != nil {
		return nil, err
	}
	if value == nil {
		return before, t.exec(`DELETE FROM money WHERE key = ?`, key)
	}
	return before, t.exec(`INSERT INTO money(key, value) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value`, key, value)
}

func (t *taker) kept(key string) (value []byte, err error) {
	err = t.row(`SELECT value FROM money WHERE key = ?`, []any{&value}, key)
	return value, err
}

// row reads one row; where there is none nothing is read.
func (t *taker) row(query string, into []any, args ...any) error {
	s, err := t.statement(query)
	if err != nil {
		return err
	}
	err = s.QueryRow(args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// Money yields every key of the ledger of money with its value, in the order of keys, as
// of one block, however long the reader takes and whatever is committed meanwhile. The
// pair with an error is the last. Errors: fault.Unavailable.
func (x *Index) Money(ctx context.Context) (block uint64, entries iter.Seq2[ledger.Entry, error], end func(), err error) {
	tx, err := x.read.BeginTx(ctx, nil) // one snapshot
	if err != nil {
		return 0, nil, nil, unavailable(ctx, err)
	}
	end = func() { _ = tx.Rollback() } // nothing was written
	var next uint64
	err = tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'next'`).Scan(&next)
	if err != nil {
		end()
		return 0, nil, nil, unavailable(ctx, err)
	}
	if next == 0 {
		end()
		return 0, nil, nil, fault.New(fault.Unavailable, "the index has no block yet")
	}
	return next - 1, func(yield func(ledger.Entry, error) bool) {
		rows, err := tx.QueryContext(ctx, `SELECT key, value FROM money ORDER BY key`)
		if err != nil {
			yield(ledger.Entry{}, unavailable(ctx, err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var e ledger.Entry
			if err := rows.Scan(&e.Key, &e.Value); err != nil {
				yield(e, unavailable(ctx, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(ledger.Entry{}, unavailable(ctx, err))
		}
	}, end, nil
}

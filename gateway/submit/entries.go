package submit

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// next is the number of the block to be taken in next.
func (j *journal) next() (uint64, error) {
	var text string
	err := j.read.QueryRow(`SELECT value FROM meta WHERE key = 'next'`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	var n uint64
	if err == nil {
		_, err = fmt.Sscan(text, &n)
	}
	if err != nil {
		return 0, fmt.Errorf("journal: read cursor: %w", err)
	}
	return n, nil
}

// outcome is what the journal knows of an operation or a submission.
type outcome struct {
	code     fault.Code
	repeated bool
	standing bool // a write on the ledger holds it
	tx       string
	block    uint64
}

// insert adds submissions and sets their seqs. One that is there with a standing
// outcome gets it in known instead.
func (j *journal) insert(items []*item) (known map[*item]outcome, err error) {
	err = j.commit(func(w *writer) error {
		known = map[*item]outcome{}
		for _, it := range items {
			result, err := w.exec(`INSERT INTO submissions(digest) VALUES(?) ON CONFLICT(digest) DO NOTHING`, it.digest[:])
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			if n == 0 {
				o, final, err := reopen(w, it)
				if err != nil {
					return fmt.Errorf("read submission: %w", err)
				}
				if final {
					known[it] = o
				}
				continue
			}
			if it.seq, err = result.LastInsertId(); err != nil {
				return err
			}
			if _, err := w.exec(addOpen, it.seq, it.raw); err != nil {
				return err
			}
		}
		return nil
	})
	return known, err
}

const addOpen = `INSERT INTO open(seq, item) VALUES(?, ?) ON CONFLICT(seq) DO NOTHING`

// reopen finds a submission that the journal holds. One without an outcome is left
// from a commit that reported an error and was on disk all the same. A refusal
// that left nothing on the ledger does not stand: a DID that was unknown may be
// there by now. Both go on with the item.
func reopen(w *writer, it *item) (o outcome, final bool, err error) {
	var r row
	err = w.scan(`SELECT s.seq, s.code, s.standing, t.tx, t.block FROM submissions s LEFT JOIN transactions t ON t.id = s.tx WHERE s.digest = ?`,
		[]any{it.digest[:]}, r.into(&it.seq)...)
	if err != nil {
		return o, false, err
	}
	if o, open := r.outcome(); open || o.standing {
		return o, !open, nil
	}
	if _, err = w.exec(`UPDATE submissions SET code = NULL, repeated = 0, tx = 0 WHERE seq = ?`, it.seq); err != nil {
		return o, false, err
	}
	_, err = w.exec(addOpen, it.seq, it.raw)
	return o, false, err
}

// row is an outcome as it is stored.
type row struct {
	code     sql.NullInt64
	standing bool
	tx       sql.NullString
	block    sql.NullInt64
}

// into lists where to scan first..., code, standing, tx, block.
func (r *row) into(first ...any) []any {
	return append(first, &r.code, &r.standing, &r.tx, &r.block)
}

// outcome returns what the row says; open is true while nothing is known.
func (r *row) outcome() (o outcome, open bool) {
	return outcome{code: fault.Code(r.code.Int64), standing: r.standing, tx: r.tx.String, block: uint64(r.block.Int64)}, !r.code.Valid
}

// result returns the first result of an operation, its reference and, of a
// standing one, its key. found is false when none is known.
func (j *journal) result(op [32]byte) (o outcome, ref, at string, found bool, err error) {
	var kind string
	var hour uint32
	var r row
	err = j.read.QueryRow(`SELECT r.kind, r.hour, r.code, r.standing, t.tx, t.block FROM results r LEFT JOIN transactions t ON t.id = r.tx WHERE r.op = ?`,
		op[:]).Scan(r.into(&kind, &hour)...)
	if errors.Is(err, sql.ErrNoRows) {
		return o, "", "", false, nil
	}
	if err != nil {
		return o, "", "", false, fmt.Errorf("journal: read result: %w", err)
	}
	if o, _ = r.outcome(); o.standing {
		at = key(kind, hour, op)
	}
	return o, fmt.Sprintf("%08x-%x", hour, op), at, true, nil
}

// did returns a DID as the newest block taken in holds it, nil when it is not
// known.
func (j *journal) did(key string) (value []byte, err error) {
	err = j.read.QueryRow(`SELECT value FROM dids WHERE key = ?`, key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("journal: read DID: %w", err)
	}
	return value, nil
}

// holds says whether there is a submission with the digest.
func (j *journal) holds(digest [32]byte) (held bool, err error) {
	err = j.read.QueryRow(`SELECT EXISTS(SELECT 1 FROM submissions WHERE digest = ?)`, digest[:]).Scan(&held)
	return held, err
}

// openBatch is a batch whose outcome is not known.
type openBatch struct {
	tx    string
	items []int64
	sent  time.Time
}

// batch journals that a transaction is about to leave the process.
func (j *journal) batch(b openBatch) error {
	items := make([]byte, 0, 8*len(b.items))
	for _, seq := range b.items {
		items = binary.BigEndian.AppendUint64(items, uint64(seq))
	}
	return j.commit(func(w *writer) error {
		_, err := w.exec(`INSERT INTO batches(tx, items, sent) VALUES(?, ?, ?)`, b.tx, items, b.sent.UnixMilli())
		return err
	})
}

// drop forgets a batch: its items are sent again, or refused. The ledger lets only
// one of two transactions with an item take effect.
func (j *journal) drop(txID string) error {
	return j.commit(func(w *writer) error {
		_, err := w.exec(`DELETE FROM batches WHERE tx = ?`, txID)
		return err
	})
}

// recover returns what was open when the process ended.
func (j *journal) recover(ctx context.Context) (items []*item, batches []openBatch, err error) {
	rows, err := j.read.QueryContext(ctx, `SELECT o.seq, s.digest, o.item FROM open o JOIN submissions s ON s.seq = o.seq ORDER BY o.seq`)
	if err != nil {
		return nil, nil, fmt.Errorf("journal: read open submissions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		it := new(item)
		var digest []byte
		if err := rows.Scan(&it.seq, &digest, &it.raw); err != nil {
			return nil, nil, fmt.Errorf("journal: read open submissions: %w", err)
		}
		copy(it.digest[:], digest)
		items = append(items, it)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("journal: read open submissions: %w", err)
	}
	open, err := j.read.QueryContext(ctx, `SELECT tx, items, sent FROM batches ORDER BY id`)
	if err != nil {
		return nil, nil, fmt.Errorf("journal: read open batches: %w", err)
	}
	defer open.Close()
	for open.Next() {
		var b openBatch
		var seqs []byte
		var sent int64
		if err := open.Scan(&b.tx, &seqs, &sent); err != nil {
			return nil, nil, fmt.Errorf("journal: read open batches: %w", err)
		}
		for ; len(seqs) >= 8; seqs = seqs[8:] {
			b.items = append(b.items, int64(binary.BigEndian.Uint64(seqs)))
		}
		b.sent = time.UnixMilli(sent)
		batches = append(batches, b)
	}
	if err := open.Err(); err != nil {
		return nil, nil, fmt.Errorf("journal: read open batches: %w", err)
	}
	return items, batches, nil
}

package submit

import (
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// opResult is the result of an operation as a write of its transaction states it.
type opResult struct {
	op   [32]byte
	code fault.Code
	kind string // first part of the key
	hour uint32
}

// key returns the state key of a standing result.
func key(kind string, hour uint32, op [32]byte) string {
	separator := "-"
	if kind == "op" {
		separator = "/"
	}
	return fmt.Sprintf("%s/%08x%s%x", kind, hour, separator, op)
}

// resultsOf reads the results that a valid transaction wrote
// (docs/formats/operation.md section 3): result records, and the things that are
// stored under the reference of the operation that created them.
func resultsOf(tx Committed) []opResult {
	var found []opResult
	for _, w := range tx.Writes {
		kind, rest, ok := strings.Cut(w.Key, "/")
		if !ok || w.Delete || len(rest) != 73 {
			continue
		}
		r := opResult{kind: kind}
		separator := byte('-')
		switch kind {
		case "op":
			const version, result = 0x01, 0x10
			if len(w.Value) < 3 || w.Value[0] != version || w.Value[1] != result {
				continue
			}
			separator, r.code = '/', fault.Code(w.Value[2])
		case "record", "schema", "credential", "grant", "use":
		default:
			continue
		}
		hour, err := hex.DecodeString(rest[:8])
		if err != nil || rest[8] != separator {
			continue
		}
		if _, err := hex.Decode(r.op[:], []byte(rest[9:])); err != nil {
			continue
		}
		r.hour = binary.BigEndian.Uint32(hour)
		found = append(found, r)
	}
	return found
}

// didsOf returns the keys of DIDs that a transaction wrote.
func didsOf(tx Committed) []Write {
	var found []Write
	for _, w := range tx.Writes {
		if ops.IsActorKey(w.Key) && !w.Delete {
			found = append(found, w)
		}
	}
	return found
}

// settlement is what a block says of one of our batches.
type settlement struct {
	flight *flight
	valid  bool
	reason string
	// culprits are the actors whose items had read what was stale by then; explained
	// says that the reason why the batch is void is known.
	culprits  [][20]byte
	explained bool
	// outcomes are those of flight.seqs, in order; of valid batches only. apply
	// completes them.
	outcomes []outcome
}

// verdicts reads the response of a valid batch: one byte for each item, the code
// in the low 7 bits, the high bit for an operation that had been executed before.
func verdicts(response []byte, items int) ([]outcome, error) {
	if len(response) != items {
		return nil, fmt.Errorf("response has %d bytes for %d items", len(response), items)
	}
	out := make([]outcome, items)
	for i, b := range response {
		out[i] = outcome{code: fault.Code(b & 0x7f), repeated: b&0x80 != 0}
	}
	return out, nil
}

// taken is a block as it enters the journal.
type taken struct {
	number       uint64
	transactions []takenTx
}

type takenTx struct {
	id         string
	results    []opResult
	dids       []Write     // of DIDs
	settlement *settlement // nil for transactions of others
}

// take enters a block: results, outcomes and the cursor together, so that no
// block counts as taken in whose results are missing, and none twice.
func (j *journal) take(b taken) error {
	return j.commit(func(w *writer) error {
		for i := range b.transactions {
			if err := takeTransaction(w, b.number, &b.transactions[i]); err != nil {
				return fmt.Errorf("take block %d in: %w", b.number, err)
			}
		}
		_, err := w.exec(`INSERT INTO meta(key, value) VALUES('next', ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value`, fmt.Sprint(b.number+1))
		return err
	})
}

// addResult keeps the first result that stands on the ledger for good. One that
// left nothing there (a bad signature, an operation that came too late) is kept
// only until a standing one comes, for the same operation may still be done.
const addResult = `INSERT INTO results(op, code, standing, tx, kind, hour) VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT(op) DO UPDATE
	SET code = excluded.code, standing = excluded.standing, tx = excluded.tx, kind = excluded.kind, hour = excluded.hour
	WHERE results.standing = 0 AND excluded.standing = 1`

func takeTransaction(w *writer, block uint64, t *takenTx) error {
	valid := t.settlement == nil || t.settlement.valid
	if t.settlement != nil {
		if _, err := w.exec(`DELETE FROM batches WHERE tx = ?`, t.id); err != nil {
			return err
		}
	}
	if !valid {
		return nil
	}
	inserted, err := w.exec(`INSERT INTO transactions(tx, block) VALUES(?, ?)`, t.id, block)
	if err != nil {
		return err
	}
	row, err := inserted.LastInsertId()
	if err != nil {
		return err
	}
	for _, d := range t.dids {
		if _, err := w.exec(`INSERT INTO dids(key, value) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value`, d.Key, d.Value); err != nil {
			return err
		}
	}
	for _, r := range t.results {
		if _, err := w.exec(addResult, r.op[:], r.code, true, row, r.kind, r.hour); err != nil {
			return err
		}
	}
	if t.settlement == nil {
		return nil
	}
	return settle(w, block, row, t)
}

// A standing outcome replaces one that is not: a batch that was given up may still
// come after the operation was refused, for example as expired.
const (
	setOutcome = `UPDATE submissions SET code = ?, repeated = ?, standing = ?, tx = ? WHERE seq = ? AND (code IS NULL OR standing = 0 AND ?3 = 1)`
	closeItem  = `DELETE FROM open WHERE seq = ?`
)

// settle writes the outcomes of a valid batch of ours to its submissions.
func settle(w *writer, block uint64, row int64, t *takenTx) error {
	written := make(map[[32]byte]bool, len(t.results))
	for _, r := range t.results {
		written[r.op] = true
	}
	f := t.settlement.flight
	for i := range t.settlement.outcomes {
		o, it := &t.settlement.outcomes[i], f.items[i]
		o.tx, o.block = t.id, block
		at := row
		switch {
		case o.repeated, o.code == fault.Expired:
			// It was executed before: by another transaction of ours, or through another
			// gateway while it waited here. The receipt names the transaction that did it.
			first, of, found, err := firstResult(w, it.op)
			if err != nil {
				return err
			}
			if found {
				*o, at = first, of
				break
			}
			o.standing = o.repeated
			if !o.standing {
				if err := noResult(w, it, o.code, row); err != nil {
					return err
				}
			}
		case written[it.op]:
			o.standing = true
		default:
			if err := noResult(w, it, o.code, row); err != nil {
				return err
			}
		}
		if _, err := w.exec(setOutcome, o.code, o.repeated, o.standing, at, f.seqs[i]); err != nil {
			return err
		}
		if _, err := w.exec(closeItem, f.seqs[i]); err != nil {
			return err
		}
	}
	return nil
}

// noResult keeps a refusal that left nothing on the ledger, for look-ups.
func noResult(w *writer, it *item, code fault.Code, row int64) error {
	_, err := w.exec(addResult, it.op[:], code, false, row, "", it.hour)
	return err
}

// firstResult finds the result of an operation that stands on the ledger, and the
// row of the transaction that holds it.
func firstResult(w *writer, op [32]byte) (o outcome, row int64, found bool, err error) {
	o = outcome{repeated: true, standing: true}
	err = w.scan(`SELECT r.code, t.id, t.tx, t.block FROM results r JOIN transactions t ON t.id = r.tx WHERE r.op = ? AND r.standing = 1`,
		[]any{op[:]}, &o.code, &row, &o.tx, &o.block)
	if errors.Is(err, sql.ErrNoRows) {
		return o, 0, false, nil
	}
	if err != nil {
		return o, 0, false, fmt.Errorf("first result of %x: %w", op, err)
	}
	return o, row, true, nil
}

// refuse ends submissions that no transaction will carry, with the code or with
// the first result of those that have one by now.
func (j *journal) refuse(code fault.Code, items ...*item) (outcomes []outcome, err error) {
	err = j.commit(func(w *writer) error {
		outcomes = make([]outcome, len(items))
		for i, it := range items {
			if outcomes[i], err = refuse(w, code, it); err != nil {
				return err
			}
		}
		return nil
	})
	return outcomes, err
}

func refuse(w *writer, code fault.Code, it *item) (outcome, error) {
	o, row, found, err := firstResult(w, it.op)
	if err != nil {
		return o, err
	}
	// A forged copy of what was executed is refused all the same.
	if !found || code == fault.BadSignature {
		o, row = outcome{code: code}, 0
		if err := noResult(w, it, code, 0); err != nil {
			return o, err
		}
	}
	if _, err := w.exec(setOutcome, o.code, o.repeated, o.standing, row, it.seq); err != nil {
		return o, err
	}
	_, err = w.exec(closeItem, it.seq)
	return o, err
}

package observe

import (
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/killick-ledger/killick/chaincode/fault"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Journal is the content of a gateway's journal (gateway/submit), read past the
// gateway.
type Journal struct {
	Gateway     string
	Submissions map[[32]byte]Outcome // by SHA-256 of the JWS
	Results     map[string]Outcome   // by operation id, 64 hex digits
	Open        int                  // submissions that are to be executed yet
	UnderWay    []string             // transactions that may have left the gateway, were in no block and were not given up
}

// Outcome is what a journal says of a submission or of an operation.
type Outcome struct {
	Result
	Final    bool // it has an outcome
	Standing bool // a write on the ledger holds it
}

// journalFormat is the format of journals that this package reads.
const journalFormat = "3"

// ReadJournal reads a journal whose gateway has ended.
func ReadJournal(gateway, path string) (_ *Journal, err error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=query_only(1)")
	if err != nil {
		return nil, fmt.Errorf("journal of %s: %w", gateway, err)
	}
	defer func() {
		if err = errors.Join(err, db.Close()); err != nil {
			err = fmt.Errorf("journal of %s, %s: %w", gateway, path, err)
		}
	}()
	var format string
	if err := db.QueryRow(`SELECT value FROM meta WHERE key = 'format'`).Scan(&format); err != nil {
		return nil, err
	}
	if format != journalFormat {
		return nil, fmt.Errorf("format %q, this program reads %q", format, journalFormat)
	}
	j := &Journal{Gateway: gateway, Submissions: map[[32]byte]Outcome{}, Results: map[string]Outcome{}}
	transactions := map[int64]Result{}
	return j, errors.Join(
		rows(db, `SELECT id, tx, block FROM transactions`, func(r *sql.Rows) error {
			var id int64
			var t Result
			err := r.Scan(&id, &t.Tx, &t.Block)
			transactions[id] = t
			return err
		}),
		rows(db, `SELECT digest, code, standing, tx FROM submissions`, func(r *sql.Rows) error {
			digest, o, err := outcome(r, transactions)
			if err == nil && len(digest) != 32 {
				err = fmt.Errorf("digest of %d bytes", len(digest))
			}
			if err == nil {
				j.Submissions[[32]byte(digest)] = o
			}
			return err
		}),
		rows(db, `SELECT op, code, standing, tx FROM results`, func(r *sql.Rows) error {
			op, o, err := outcome(r, transactions)
			j.Results[hex.EncodeToString(op)] = o
			return err
		}),
		rows(db, `SELECT tx FROM batches`, func(r *sql.Rows) error {
			var tx string
			err := r.Scan(&tx)
			j.UnderWay = append(j.UnderWay, tx)
			return err
		}),
		db.QueryRow(`SELECT count(*) FROM open`).Scan(&j.Open),
	)
}

func rows(db *sql.DB, query string, use func(*sql.Rows) error) error {
	r, err := db.Query(query)
	if err != nil {
		return err
	}
	defer r.Close()
	for r.Next() {
		if err := use(r); err != nil {
			return err
		}
	}
	return r.Err()
}

func outcome(r *sql.Rows, transactions map[int64]Result) (name []byte, o Outcome, err error) {
	var code sql.NullInt64
	var tx int64
	if err := r.Scan(&name, &code, &o.Standing, &tx); err != nil {
		return nil, o, err
	}
	o.Result, o.Final = transactions[tx], code.Valid
	o.Code = fault.Code(code.Int64)
	return name, o, nil
}

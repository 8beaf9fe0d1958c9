package index

import (
	"context"
	"database/sql"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Statement asks for the lines of an account.
type Statement struct {
	DID, Asset string
	// Since and Until bound the time of the lines, in seconds since 1970: from the one to
	// before the other; 0 is open. Running totals are those of the whole account.
	Since, Until uint64
	Paging
}

// StatementPage is a part of a statement. Totals are the account's as of Block, whatever
// the page shows.
type StatementPage struct {
	Page[Line]
	Totals Totals
}

// Statement returns a page of an account's lines in the order of the ledger. Errors:
// fault.MissingField, fault.InvalidValue, fault.WrongNetwork, fault.Unavailable.
func (x *Index) Statement(ctx context.Context, q Statement) (*StatementPage, error) {
	id, err := x.parse("did", q.DID)
	switch {
	case err != nil:
		return nil, err
	case id == nil || q.Asset == "":
		return nil, fault.New(fault.MissingField, "a statement is of a DID and an asset")
	case !ledger.IsName(q.Asset, 16):
		return nil, fault.New(fault.InvalidValue, "asset: %.80q is no asset", q.Asset)
	}
	l := &list{
		kind: "statement", filter: []string{q.DID, q.Asset, strconv.FormatUint(q.Since, 10), strconv.FormatUint(q.Until, 10)},
		query: `SELECT t.seq, t.value FROM lines t INDEXED BY lines_account`,
		where: ` AND t.account = ? AND t.asset = ?`, args: []any{id, q.Asset},
	}
	if q.Since > 0 {
		l.where, l.args = l.where+` AND t.time >= ?`, append(l.args, int64(min(q.Since, 1<<62)))
	}
	if q.Until > 0 {
		l.where, l.args = l.where+` AND t.time < ?`, append(l.args, int64(min(q.Until, 1<<62)))
	}
	out := new(StatementPage)
	l.also = func(tx *sql.Tx) error {
		var stored []byte
		err := tx.QueryRowContext(ctx, `SELECT totals FROM accounts WHERE account = ? AND asset = ?`, id, q.Asset).Scan(&stored)
		if err == sql.ErrNoRows {
			return nil
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(stored, &out.Totals)
	}
	p, err := page(ctx, x, l, q.Paging, func(row scanner) (seq int64, line Line, ok bool, err error) {
		var value []byte
		if err := row.Scan(&seq, &value); err != nil {
			return 0, line, false, err
		}
		return seq, line, true, json.Unmarshal(value, &line, json.RejectUnknownMembers(true))
	})
	if err != nil {
		return nil, err
	}
	out.Page = *p
	return out, nil
}

package index

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Limits of a page.
const (
	DefaultSize = 100
	MaxSize     = 1000
	// maxScan is how many rows are looked at for a page. A page may therefore have fewer
	// things than were asked for, or none, and a token all the same.
	maxScan = 10_000
)

// Paging is where a page begins, and how large it is.
type Paging struct {
	Size  int    // 1 to MaxSize; 0 is DefaultSize
	Token string // Next of the page before; empty for the first
}

// Page is a part of an answer. Next is empty on the last one. Block is the number of
// the newest block that it takes account of.
type Page[T any] struct {
	Items []T
	Next  string
	Block uint64
}

// list is a question: rows of a table in the order of their places.
type list struct {
	kind   string                 // of the question
	filter []string               // all that narrows it: a token is good for the same again only
	query  string                 // "SELECT seq, ..." up to WHERE, with what may be looked up
	where  string                 // conditions that an index serves, besides that of seq
	args   []any                  // of where
	span   *span                  // of time, or nil
	also   func(tx *sql.Tx) error // reads what belongs to the same block, or nil
}

// span is from Since to before Until, in seconds; 0 is open.
type span struct{ since, until uint64 }

// token names the place after which a page begins.
func (x *Index) token(l *list, seq int64) string {
	return canon.B64(binary.BigEndian.AppendUint64(x.tag(l), uint64(seq)))
}

func (x *Index) tag(l *list) []byte {
	sum := canon.Sum([]byte("killick.page.v1\n" + x.cfg.Network + "\n" + l.kind + "\n" + strings.Join(l.filter, "\n")))
	return sum[:6]
}

func (x *Index) place(l *list, token string) (int64, error) {
	if token == "" {
		return 0, nil
	}
	tag := x.tag(l)
	b, err := canon.UnB64(token)
	if err != nil || len(b) != len(tag)+8 || b[len(tag)] > 0x7f {
		return 0, fault.New(fault.InvalidValue, "page token %.80q: give one back as it came with a page", token)
	}
	if string(b[:len(tag)]) != string(tag) {
		return 0, fault.New(fault.InvalidValue, "the page token came with another question; ask as for the page before")
	}
	return int64(binary.BigEndian.Uint64(b[len(tag):])), nil
}

// bounds narrows the places after one of them to the list's span of time: they are
// those between the two that it returns.
func (l *list) bounds(ctx context.Context, tx *sql.Tx, after int64) (from, to int64, err error) {
	from, to = after, math.MaxInt64
	if l.span == nil {
		return from, to, nil
	}
	// first is the first place at a time or later, beyond all others when there is none.
	first := func(at uint64) (seq int64, err error) {
		err = tx.QueryRowContext(ctx, `SELECT coalesce((SELECT seq FROM times WHERE time >= ? ORDER BY time LIMIT 1), ?)`,
			int64(min(at, math.MaxInt64)), int64(math.MaxInt64)).Scan(&seq)
		return seq, err
	}
	if l.span.since > 0 {
		seq, err := first(l.span.since)
		if err != nil {
			return 0, 0, err
		}
		from = max(from, seq-1)
	}
	if l.span.until > 0 {
		to, err = first(l.span.until)
	}
	return from, to, err
}

// scanner reads one row.
type scanner interface{ Scan(into ...any) error }

// page reads a page. take reads a row and says whether it belongs to the answer.
func page[T any](ctx context.Context, x *Index, l *list, p Paging, take func(scanner) (seq int64, item T, ok bool, err error)) (*Page[T], error) {
	if p.Size < 0 || p.Size > MaxSize {
		return nil, fault.New(fault.InvalidValue, "a page has 1 to %d things", MaxSize)
	}
	if p.Size == 0 {
		p.Size = DefaultSize
	}
	after, err := x.place(l, p.Token)
	if err != nil {
		return nil, err
	}
	// One snapshot, so that block and rows belong together.
	tx, err := x.read.BeginTx(ctx, nil)
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	out := &Page[T]{Items: []T{}}
	var next uint64
	if err := tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'next'`).Scan(&next); err != nil {
		return nil, unavailable(ctx, err)
	}
	if next == 0 {
		return nil, fault.New(fault.Unavailable, "the index has no block yet")
	}
	out.Block = next - 1
	if l.also != nil {
		if err := l.also(tx); err != nil {
			return nil, unavailable(ctx, err)
		}
	}
	after, until, err := l.bounds(ctx, tx, after)
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	query := l.query + ` WHERE t.seq > ? AND t.seq < ?` + l.where + fmt.Sprintf(` ORDER BY t.seq LIMIT %d`, maxScan)
	rows, err := tx.QueryContext(ctx, query, append([]any{after, until}, l.args...)...)
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	defer rows.Close()
	seen := 0
	for rows.Next() {
		if len(out.Items) == p.Size { // there is something after the last one
			out.Next = x.token(l, after)
			return out, nil
		}
		seq, item, ok, err := take(rows)
		if err != nil {
			return nil, unavailable(ctx, err)
		}
		if ok {
			out.Items = append(out.Items, item)
		}
		after = seq
		seen++
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable(ctx, err)
	}
	if seen == maxScan {
		out.Next = x.token(l, after)
	}
	return out, nil
}

// unavailable is the answer when the file cannot be read in time.
func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "the index did not answer in time")
	}
	return fmt.Errorf("read index: %w", err)
}

// parse reads the DID of a filter; empty is none.
func (x *Index) parse(name, text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	id, err := did.ParseOn(x.cfg.Network, text)
	if err != nil {
		return nil, fault.New(fault.Of(err), "%s: %s", name, fault.Text(err))
	}
	return id[:], nil
}

func parseReference(name, text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	ref, err := ledger.ParseReference(text)
	if err != nil {
		return nil, fault.New(fault.InvalidValue, "%s: %v", name, err)
	}
	return pack(ref), nil
}

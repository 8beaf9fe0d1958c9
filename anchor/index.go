package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/payout"
	"github.com/killick-ledger/killick/anchor/sqlite"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// index is what the blocks of the own peer say, made searchable: where each
// write and transaction is, the members' signatures, checkpoints and payouts. It
// is a function of the blocks and can be removed and recomputed, as can what it
// keeps of the public chains, as long as endpoints serve old logs.
//
// A row is written in the transaction that moves height past its block, so after
// a crash there is no block half indexed.
type index struct {
	db        *sqlite.DB
	chaincode string // namespace that counts
	post      uint64 // seconds between posted checkpoints
}

// indexFormat changes with the tables and with what blocks leave in them: rows that an older
// program did not write would be missing for ever. Indexes from before there was a number
// have all been of other formats.
const indexFormat = 2

const indexSchema = `
CREATE TABLE IF NOT EXISTS height (one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL) STRICT;
INSERT OR IGNORE INTO height VALUES (1, 0);
CREATE TABLE IF NOT EXISTS block (number INTEGER PRIMARY KEY,
	busy INTEGER NOT NULL, roots INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS tx (id BLOB PRIMARY KEY, block INTEGER NOT NULL, n INTEGER NOT NULL,
	code INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS write (key TEXT NOT NULL, block INTEGER NOT NULL, tx INTEGER NOT NULL, n INTEGER NOT NULL,
	PRIMARY KEY (key, block, tx, n)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cosig (size INTEGER NOT NULL, root BLOB NOT NULL, time INTEGER NOT NULL, msp TEXT NOT NULL,
	ed BLOB NOT NULL, secp BLOB NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (size, root, time, msp)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS point (number INTEGER PRIMARY KEY, size INTEGER NOT NULL UNIQUE, root BLOB NOT NULL,
	time INTEGER NOT NULL, signers TEXT NOT NULL, post INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS posted ON point (number) WHERE post = 1;
CREATE TABLE IF NOT EXISTS config (number INTEGER PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS total (vault TEXT NOT NULL, address BLOB NOT NULL, block INTEGER NOT NULL, tx INTEGER NOT NULL,
	total INTEGER NOT NULL, PRIMARY KEY (vault, address, block, tx)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS root (vault TEXT NOT NULL, epoch INTEGER NOT NULL, attempt INTEGER NOT NULL,
	value BLOB NOT NULL, block INTEGER NOT NULL, tx INTEGER NOT NULL, PRIMARY KEY (vault, epoch, attempt)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS job (ref TEXT PRIMARY KEY, expires INTEGER NOT NULL, round BLOB) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (contract TEXT NOT NULL, number INTEGER NOT NULL, root BLOB NOT NULL, tx BLOB NOT NULL,
	block INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (contract, number)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scanned (chain TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT, WITHOUT ROWID;`

// kept are the prefixes of keys whose present value is kept under state.
var kept = []string{"network", "payoutsig/", "anchored/", "reserve/", "fold/", "sweep/", "program/", "rotation/", "rotationsig/", "chain/", "draw/wait/"}

// openIndex opens or creates the index. post is the pause between anchors. One of another
// format begins anew with the first block. What it knows of the public chains stays:
// endpoints may not serve logs that old any more.
func openIndex(path, chaincode string, post uint64) (*index, error) {
	db, err := sqlite.Open(path, "journal_mode(WAL)", "synchronous(NORMAL)", "busy_timeout(5000)")
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	err = db.Make(indexSchema, indexFormat)
	if other := (*sqlite.OtherFormat)(nil); errors.As(err, &other) {
		slog.Warn("index is made anew", "file", path, "reason", other.Error())
		err = db.Remake(indexSchema, indexFormat, "event", "scanned")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open index %s (it can be removed and recomputed from the peer and the chains' logs): %w", path, err), db.Close())
	}
	return &index{db: db, chaincode: chaincode, post: post}, nil
}

func (x *index) close() error { return x.db.Close() }

// next returns the number of the first block that is not indexed.
func (x *index) next(ctx context.Context) (next uint64, err error) {
	err = x.db.QueryRowContext(ctx, `SELECT next FROM height`).Scan(&next)
	return next, err
}

// add indexes blocks that follow the last one.
func (x *index) add(ctx context.Context, blocks ...*block.Block) error {
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	in := map[string]*sql.Stmt{}
	for _, b := range blocks {
		w := &indexer{x: x, tx: tx, ctx: ctx, block: b, in: in}
		if err := w.run(); err != nil {
			return errors.Join(fmt.Errorf("index block %d: %w", b.Number, err), tx.Rollback())
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return nil
}

// indexer writes the rows of one block.
type indexer struct {
	x     *index
	tx    *sql.Tx
	ctx   context.Context
	block *block.Block
	busy  int64 // valid transactions that are not the anchors' own
	roots int64 // payout roots written

	in map[string]*sql.Stmt // the transaction's statements
}

func (w *indexer) statement(query string) (*sql.Stmt, error) {
	if s := w.in[query]; s != nil {
		return s, nil
	}
	s, err := w.x.db.In(w.ctx, w.tx, query)
	if err == nil {
		w.in[query] = s
	}
	return s, err
}

func (w *indexer) exec(query string, args ...any) error {
	s, err := w.statement(query)
	if err == nil {
		_, err = s.ExecContext(w.ctx, args...)
	}
	return err
}

// row reads the one row of a query into the variables.
func (w *indexer) row(query string, into []any, args ...any) error {
	s, err := w.statement(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(w.ctx, args...).Scan(into...)
}

func (w *indexer) run() error {
	var next uint64
	if err := w.row(`SELECT next FROM height`, []any{&next}); err != nil {
		return err
	}
	if next != w.block.Number {
		return fmt.Errorf("block %d belongs here", next)
	}
	var busy, roots int64
	err := w.row(`SELECT busy, roots FROM block WHERE number = ?`, []any{&busy, &roots}, int64(next)-1)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if len(w.block.Txs) == 1 && w.block.Txs[0].Type == block.TypeConfig && w.block.Txs[0].Code == block.CodeValid {
		if err := w.exec(`INSERT INTO config VALUES (?)`, int64(next)); err != nil {
			return err
		}
	}
	for _, t := range w.block.Txs {
		if err := w.transaction(t); err != nil {
			return fmt.Errorf("transaction %d: %w", t.Index, err)
		}
	}
	if err := w.exec(`INSERT INTO block VALUES (?, ?, ?)`, int64(next), busy+w.busy, roots+w.roots); err != nil {
		return err
	}
	return w.exec(`UPDATE height SET next = ?`, int64(next)+1)
}

// ours are the functions by which anchors speak to each other on the ledger.
// They alone cause no checkpoint: each would cause the next one, and a sweep once
// an hour for ever.
var ours = map[string]bool{
	"ops:Sweep":         true,
	"checkpoint:Cosign": true, "checkpoint:Accept": true, "checkpoint:Receipt": true,
	"reward:Sign": true, "reward:Reserve": true,
}

func (w *indexer) transaction(t block.Tx) error {
	if t.ID != "" {
		id, err := hex.DecodeString(t.ID)
		if err != nil {
			return err
		}
		// An id that is stated twice is valid at most once.
		if err := w.exec(`INSERT INTO tx VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
			block = excluded.block, n = excluded.n, code = excluded.code WHERE excluded.code = 0`,
			id, int64(w.block.Number), t.Index, t.Code); err != nil {
			return err
		}
	}
	if t.Code != block.CodeValid {
		return nil
	}
	if t.Type == block.TypeConfig || t.Chaincode != w.x.chaincode || len(t.Args) == 0 || !ours[string(t.Args[0])] {
		w.busy++
	}
	for n, wr := range t.Writes {
		if wr.Namespace != w.x.chaincode || wr.Private {
			continue
		}
		key := string(wr.Key)
		if wr.Delete != block.Put && strings.HasPrefix(key, "op/") {
			continue // swept: its proof is that of the write before
		}
		if err := w.exec(`INSERT INTO write VALUES (?, ?, ?, ?)`, key, int64(w.block.Number), t.Index, n); err != nil {
			return err
		}
		if err := w.write(t.Index, n, key, wr); err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
	}
	return nil
}

// write keeps what anchors need from the value of a key.
func (w *indexer) write(tx, n int, key string, wr block.Write) error {
	parts := strings.Split(key, "/")
	switch {
	case wr.Delete != block.Put:
		return w.exec(`DELETE FROM state WHERE key = ?`, key)
	case parts[0] == "cosig" && len(parts) == 6:
		return w.cosignature(parts, wr.Value, tx)
	case parts[0] == "checkpoint" && len(parts) == 2 && parts[1] != "head":
		return w.checkpoint(wr.Value)
	case parts[0] == "rotation" && len(parts) == 2 && parts[1] != "next":
		if err := w.rotation(wr.Value); err != nil {
			return err
		}
	case parts[0] == "total" && len(parts) == 4:
		return w.total(parts, wr.Value, tx)
	case parts[0] == "epoch" && len(parts) == 4:
		return w.root(parts[1], wr.Value, tx)
	case parts[0] == "job", parts[0] == "round", parts[0] == "hold":
		return w.job(parts[0], parts[1], wr.Value)
	}
	for _, p := range kept {
		if key == p || strings.HasSuffix(p, "/") && strings.HasPrefix(key, p) {
			return w.exec(`INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, wr.Value)
		}
	}
	return nil
}

func (w *indexer) cosignature(parts []string, value []byte, tx int) error {
	size, err := strconv.ParseUint(parts[1], 16, 62)
	if err != nil {
		return err
	}
	time, err := strconv.ParseUint(parts[3], 16, 62)
	if err != nil {
		return err
	}
	root, err := canon.UnHex32(parts[2])
	if err != nil {
		return err
	}
	var s struct {
		Ed25519   []byte `json:"ed25519"`
		Secp256k1 []byte `json:"secp256k1"`
	}
	if err := json.Unmarshal(value, &s); err != nil || len(s.Ed25519) != 64 || len(s.Secp256k1) != 65 {
		return fmt.Errorf("not a cosignature: %w", err)
	}
	// One that comes after a larger checkpoint was accepted can make no other.
	return w.exec(`INSERT OR IGNORE INTO cosig SELECT ?1, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS
		(SELECT 1 FROM point WHERE size > ?1)`, int64(size), root[:], int64(time), parts[5],
		s.Ed25519, s.Secp256k1, int64(w.block.Number)<<20|int64(tx))
}

// rotation forgets what members of the set before had cosigned of the sizes that are the
// new set's: it can make no checkpoint, and its members may cosign the same for the new
// one.
func (w *indexer) rotation(value []byte) error {
	var set struct{ Version, From uint64 }
	if err := json.Unmarshal(value, &set); err != nil {
		return err
	}
	if set.Version == 1 { // the founding set, written down later
		return nil
	}
	return w.exec(`DELETE FROM cosig WHERE size >= ?`, int64(set.From))
}

// checkpoint keeps an accepted checkpoint, decides whether it goes to public
// chains, and forgets cosignatures that can make no other.
func (w *indexer) checkpoint(value []byte) error {
	var c struct {
		Number, Size, Time uint64
		Root               string
		Signers            []string
	}
	if err := json.Unmarshal(value, &c); err != nil {
		return err
	}
	root, err := canon.UnHex32(c.Root)
	if err != nil {
		return err
	}
	post, err := w.posted(c.Size, c.Time)
	if err != nil {
		return err
	}
	err = w.exec(`INSERT INTO point VALUES (?, ?, ?, ?, ?, ?)`, int64(c.Number), int64(c.Size), root[:], int64(c.Time),
		strings.Join(c.Signers, " "), post)
	if err != nil {
		return err
	}
	// Those below the previous checkpoint were deleted when that was accepted.
	return w.exec(`DELETE FROM cosig WHERE size < ?1 AND size >= coalesce((SELECT max(size) FROM point WHERE size < ?1), 0)
		AND NOT EXISTS (SELECT 1 FROM point WHERE point.size = cosig.size AND point.time = cosig.time AND post = 1)`, int64(c.Size))
}

// busyPost is how many transactions are waited for at most before an anchor.
const busyPost = 1000

// posted decides, from blocks alone and so alike for every member, whether a
// checkpoint goes to public chains: when enough time has passed or enough has
// happened since the last one that does, or a payout root is to be covered.
func (w *indexer) posted(size, time uint64) (bool, error) {
	var last struct{ size, time int64 }
	err := w.row(`SELECT size, time FROM point WHERE post = 1 ORDER BY number DESC LIMIT 1`, []any{&last.size, &last.time})
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	var busy, roots int64
	err = w.row(`SELECT a.busy - b.busy, a.roots - b.roots FROM block a, block b
		WHERE a.number = ? AND b.number = ?`, []any{&busy, &roots}, int64(size)-1, last.size-1)
	if err != nil {
		return false, err
	}
	return busy >= busyPost || roots > 0 || busy > 0 && time-uint64(last.time) >= w.x.post, nil
}

func (w *indexer) total(parts []string, value []byte, tx int) error {
	address, err := canon.UnHex(parts[3], 20)
	if err != nil {
		return err
	}
	total, err := payout.ParseTotal(value)
	if err != nil {
		return err
	}
	return w.exec(`INSERT INTO total VALUES (?, ?, ?, ?, ?)`, parts[1], address, int64(w.block.Number), tx, int64(total))
}

func (w *indexer) root(vault string, value []byte, tx int) error {
	r, err := payout.ParseRoot(value)
	if err != nil {
		return err
	}
	w.roots++
	return w.exec(`INSERT INTO root VALUES (?, ?, ?, ?, ?, ?)`, vault, int64(r.Epoch), r.Attempt, value,
		int64(w.block.Number), tx)
}

// landing turns stored columns into a landing.
func landing(tx []byte, block int64, hash []byte) log.Landing {
	l := log.Landing{Block: uint64(block)}
	copy(l.Tx[:], tx)
	copy(l.BlockHash[:], hash)
	return l
}

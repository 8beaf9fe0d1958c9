package submit

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// The journal's tables.
//
//	submissions  one row for each distinct JWS. Key is SHA-256 of the whole JWS, not
//	             the operation's id: a forged signature over the same content must
//	             neither take the honest one's place nor block it. code is NULL
//	             while the outcome is open; jws is emptied when it is known.
//	batches      one row for each transaction of ours that may have left the
//	             process; items are the seqs of its submissions, in order.
//	transactions transactions that hold results, ours and others'.
//	results      the first result of every operation on the ledger, by operation id.
//	             standing is 0 for a refusal that left nothing on the ledger; else kind and
//	             hour make the key that holds it.
//	meta         format, network, next (number of the block to be taken in next).
const schema = `
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS submissions(
	seq INTEGER PRIMARY KEY,
	digest BLOB NOT NULL UNIQUE,
	jws BLOB NOT NULL,
	code INTEGER,
	repeated INTEGER NOT NULL DEFAULT 0,
	standing INTEGER NOT NULL DEFAULT 0,
	tx INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS submissions_open ON submissions(seq) WHERE code IS NULL;
CREATE TABLE IF NOT EXISTS batches(
	id INTEGER PRIMARY KEY,
	tx TEXT NOT NULL UNIQUE,
	items BLOB NOT NULL,
	sent INTEGER NOT NULL,
	state INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS batches_open ON batches(id) WHERE state IN (0, 3);
CREATE TABLE IF NOT EXISTS transactions(id INTEGER PRIMARY KEY, tx TEXT NOT NULL, block INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS results(op BLOB PRIMARY KEY, code INTEGER NOT NULL, standing INTEGER NOT NULL, tx INTEGER NOT NULL,
	kind TEXT NOT NULL, hour INTEGER NOT NULL) WITHOUT ROWID;
`

const journalFormat = "1"

// States of a batch in the journal.
const (
	batchOpen  = 0 // it may be in a block one day, and its items wait for that
	batchValid = 1 // in a block
	batchVoid  = 2 // in a block, but void: its items went back to the queue
	batchLost  = 3 // not found for so long that its items went back to the queue
)

// journal is the durable memory of a Submitter. Writes go through commit, which
// joins those that come at the same time into one SQLite transaction and one
// fsync; reads go past it.
type journal struct {
	lock   *os.File
	write  *sql.DB // one connection
	read   *sql.DB
	queue  chan *change
	ended  chan struct{}
	groups uint64 // commits so far; written by run only
}

// change is one writer's part of a group.
type change struct {
	apply func(*sql.Tx) error
	done  chan error
}

// openJournal opens or makes the journal file. A journal of another network is
// refused: its operations could not be told from lost ones.
func openJournal(path, network string) (*journal, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("open journal %s: is a directory", path)
	}
	open := func(mode string, connections int) (*sql.DB, error) {
		db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)"+
			"&_pragma=synchronous(FULL)&_pragma=temp_store(MEMORY)"+mode)
		if err == nil {
			db.SetMaxOpenConns(connections)
			db.SetMaxIdleConns(connections)
		}
		return db, err
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	write, err := open("&_pragma=cache_size(-32768)", 1)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open journal %s: %w", path, err), lock.Close())
	}
	read, err := open("&_pragma=cache_size(-4096)&_pragma=query_only(1)", 4)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open journal %s: %w", path, err), write.Close(), lock.Close())
	}
	j := &journal{lock: lock, write: write, read: read, queue: make(chan *change, 4096), ended: make(chan struct{})}
	if err := j.prepare(network); err != nil {
		return nil, errors.Join(fmt.Errorf("open journal %s: %w", path, err), write.Close(), read.Close(), lock.Close())
	}
	go j.run()
	return j, nil
}

// lockFile keeps a second process away until the file is closed or the process
// ends, however it ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another process uses it: %w", err), f.Close())
	}
	return f, nil
}

func (j *journal) prepare(network string) error {
	if _, err := j.write.Exec(schema); err != nil {
		return err
	}
	for key, want := range map[string]string{"format": journalFormat, "network": network} {
		if _, err := j.write.Exec(`INSERT OR IGNORE INTO meta(key, value) VALUES(?, ?)`, key, want); err != nil {
			return err
		}
		var got string
		if err := j.write.QueryRow(`SELECT value FROM meta WHERE key = ?`, key).Scan(&got); err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("it is of %s %q, not %q; every network and gateway has a journal of its own", key, got, want)
		}
	}
	return nil
}

// close ends the writer after what is queued. No commit may come afterwards.
func (j *journal) close() error {
	close(j.queue)
	<-j.ended
	return errors.Join(j.read.Close(), j.write.Close(), j.lock.Close())
}

// commit makes a change durable together with those of others. When it returns
// nil the change is on disk; when it returns an error nothing of the group is.
func (j *journal) commit(apply func(*sql.Tx) error) error {
	c := &change{apply: apply, done: make(chan error, 1)}
	j.queue <- c
	return <-c.done
}

// maxGroup bounds how many changes share a commit.
const maxGroup = 512

func (j *journal) run() {
	defer close(j.ended)
	for first := range j.queue {
		group := []*change{first}
	fill:
		for len(group) < maxGroup {
			select {
			case c, ok := <-j.queue:
				if !ok {
					break fill
				}
				group = append(group, c)
			default:
				break fill
			}
		}
		err := j.apply(group)
		for _, c := range group {
			c.done <- err
		}
	}
}

func (j *journal) apply(group []*change) error {
	tx, err := j.write.Begin()
	if err != nil {
		return fmt.Errorf("journal: begin: %w", err)
	}
	for _, c := range group {
		if err := c.apply(tx); err != nil {
			return errors.Join(fmt.Errorf("journal: %w", err), tx.Rollback())
		}
	}
	// The journal's one commit point: what is before it is lost together on a
	// crash, what is after it has its basis on disk.
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("journal: commit: %w", err)
	}
	j.groups++
	return nil
}

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
	err = j.commit(func(tx *sql.Tx) error {
		known = map[*item]outcome{}
		insert, err := tx.Prepare(`INSERT INTO submissions(digest, jws) VALUES(?, ?) ON CONFLICT(digest) DO NOTHING`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for _, it := range items {
			result, err := insert.Exec(it.digest[:], it.jws)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			if n == 0 {
				o, final, err := reopen(tx, it)
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
		}
		return nil
	})
	return known, err
}

// reopen finds a submission that the journal holds. One without an outcome is left
// from a commit that reported an error and was on disk all the same. A refusal
// that left nothing on the ledger does not stand: a DID that was unknown may be
// there by now. Both go on with the item.
func reopen(tx *sql.Tx, it *item) (o outcome, final bool, err error) {
	row := tx.QueryRow(`SELECT s.seq, s.code, s.standing, t.tx, t.block FROM submissions s LEFT JOIN transactions t ON t.id = s.tx WHERE s.digest = ?`, it.digest[:])
	err = o.scan(row, &it.seq)
	if errors.Is(err, errOpen) || err == nil && o.standing {
		return o, err == nil, nil
	}
	if err == nil {
		_, err = tx.Exec(`UPDATE submissions SET code = NULL, repeated = 0, tx = 0, jws = ? WHERE seq = ?`, it.jws, it.seq)
	}
	return o, false, err
}

var errOpen = errors.New("outcome is open")

// scan reads first..., code, standing, tx, block. It returns errOpen when code is
// NULL.
func (o *outcome) scan(row *sql.Row, first ...any) error {
	var code sql.NullInt64
	var tx sql.NullString
	var block sql.NullInt64
	if err := row.Scan(append(first, &code, &o.standing, &tx, &block)...); err != nil {
		return err
	}
	if !code.Valid {
		return errOpen
	}
	o.code, o.tx, o.block = fault.Code(code.Int64), tx.String, uint64(block.Int64)
	return nil
}

// result returns the first result of an operation, its reference and, of a
// standing one, its key. found is false when none is known.
func (j *journal) result(op [32]byte) (o outcome, ref, at string, found bool, err error) {
	var kind string
	var hour uint32
	row := j.read.QueryRow(`SELECT r.kind, r.hour, r.code, r.standing, t.tx, t.block FROM results r LEFT JOIN transactions t ON t.id = r.tx WHERE r.op = ?`, op[:])
	err = o.scan(row, &kind, &hour)
	if errors.Is(err, sql.ErrNoRows) {
		return o, "", "", false, nil
	}
	if err != nil {
		return o, "", "", false, fmt.Errorf("journal: read result: %w", err)
	}
	if o.standing {
		at = key(kind, hour, op)
	}
	return o, fmt.Sprintf("%08x-%x", hour, op), at, true, nil
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
	state int
}

// batch journals that a transaction is about to leave the process.
func (j *journal) batch(b openBatch) error {
	items := make([]byte, 0, 8*len(b.items))
	for _, seq := range b.items {
		items = binary.BigEndian.AppendUint64(items, uint64(seq))
	}
	return j.commit(func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO batches(tx, items, sent, state) VALUES(?, ?, ?, ?)`, b.tx, items, b.sent.UnixMilli(), batchOpen)
		return err
	})
}

// lose journals that a batch was given up. Its items may be sent again: the
// ledger lets only one of the two take effect.
func (j *journal) lose(txID string) error {
	return j.commit(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE batches SET state = ? WHERE tx = ? AND state = ?`, batchLost, txID, batchOpen)
		return err
	})
}

// recover returns what was open when the process ended.
func (j *journal) recover(ctx context.Context) (items []*item, batches []openBatch, err error) {
	rows, err := j.read.QueryContext(ctx, `SELECT seq, digest, jws FROM submissions WHERE code IS NULL ORDER BY seq`)
	if err != nil {
		return nil, nil, fmt.Errorf("journal: read open submissions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		it := &item{done: make(chan struct{})}
		var digest []byte
		if err := rows.Scan(&it.seq, &digest, &it.jws); err != nil {
			return nil, nil, fmt.Errorf("journal: read open submissions: %w", err)
		}
		copy(it.digest[:], digest)
		items = append(items, it)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("journal: read open submissions: %w", err)
	}
	open, err := j.read.QueryContext(ctx, `SELECT tx, items, sent, state FROM batches WHERE state IN (0, 3) ORDER BY id`)
	if err != nil {
		return nil, nil, fmt.Errorf("journal: read open batches: %w", err)
	}
	defer open.Close()
	for open.Next() {
		var b openBatch
		var seqs []byte
		var sent int64
		if err := open.Scan(&b.tx, &seqs, &sent, &b.state); err != nil {
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

package submit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"syscall"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// The journal's tables.
//
//	submissions  one row for each distinct JWS. Key is SHA-256 of the whole JWS, not
//	             the operation's id: a forged signature over the same content must
//	             neither take the honest one's place nor block it. code is NULL
//	             while the outcome is open.
//	open         submissions whose outcome is open, each as a frame of one item; its
//	             pages are used again, so the file grows by what is kept only.
//	batches      one row for each transaction of ours that may have left the process
//	             and was not seen in a block; items are the seqs of its submissions,
//	             in order. It goes when its block comes, or its items go again.
//	transactions transactions that hold results, ours and others'.
//	results      the first result of every operation on the ledger, by operation id.
//	             standing is 0 for a refusal that left nothing on the ledger; else kind and
//	             hour make the key that holds it.
//	dids         keys of DIDs as the newest block taken in holds them: state key and value.
//	meta         format, network, next (number of the block to be taken in next).
const schema = `
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS submissions(
	seq INTEGER PRIMARY KEY,
	digest BLOB NOT NULL UNIQUE,
	code INTEGER,
	repeated INTEGER NOT NULL DEFAULT 0,
	standing INTEGER NOT NULL DEFAULT 0,
	tx INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS open(seq INTEGER PRIMARY KEY, item BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS dids(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches(
	id INTEGER PRIMARY KEY,
	tx TEXT NOT NULL UNIQUE,
	items BLOB NOT NULL,
	sent INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS transactions(id INTEGER PRIMARY KEY, tx TEXT NOT NULL, block INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS results(op BLOB PRIMARY KEY, code INTEGER NOT NULL, standing INTEGER NOT NULL, tx INTEGER NOT NULL,
	kind TEXT NOT NULL, hour INTEGER NOT NULL) WITHOUT ROWID;
`

const journalFormat = "3"

// journal is the durable memory of a Submitter. Writes go through commit, which
// joins those that come at the same time into one SQLite transaction and one
// fsync: synchronous is FULL, for what was promised must survive a power failure.
// Reads go past it.
type journal struct {
	lock   *os.File
	write  *sql.DB // one connection, that of writer
	read   *sql.DB
	writer writer // used by run only
	queue  chan *change
	ended  chan struct{}
	groups uint64 // commits so far; written by run only
}

// change is one writer's part of a group.
type change struct {
	apply func(*writer) error
	done  chan error
}

// writer is the connection that writes, with its statements: preparing one takes
// longer than running it.
type writer struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
}

func (w *writer) statement(query string) (*sql.Stmt, error) {
	if s := w.prepared[query]; s != nil {
		return s, nil
	}
	s, err := w.conn.PrepareContext(context.Background(), query)
	if err == nil {
		w.prepared[query] = s
	}
	return s, err
}

func (w *writer) exec(query string, args ...any) (sql.Result, error) {
	s, err := w.statement(query)
	if err != nil {
		return nil, err
	}
	return s.Exec(args...)
}

// scan runs a query of one row.
func (w *writer) scan(query string, args []any, into ...any) error {
	s, err := w.statement(query)
	if err != nil {
		return err
	}
	return s.QueryRow(args...).Scan(into...)
}

func (w *writer) close() error {
	var errs []error
	for _, s := range w.prepared {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
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
	j := &journal{lock: lock, write: write, read: read, queue: make(chan *change, 4096), ended: make(chan struct{}), writer: writer{prepared: map[string]*sql.Stmt{}}}
	if err := j.prepare(network); err != nil {
		return nil, errors.Join(fmt.Errorf("open journal %s: %w", path, err), write.Close(), read.Close(), lock.Close())
	}
	if j.writer.conn, err = write.Conn(context.Background()); err != nil {
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
	return errors.Join(j.read.Close(), j.writer.close(), j.write.Close(), j.lock.Close())
}

// commit makes a change durable together with those of others. When it returns
// nil the change is on disk; when it returns an error nothing of the group is.
func (j *journal) commit(apply func(*writer) error) error {
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

func (j *journal) apply(group []*change) (err error) {
	if _, err := j.writer.exec(`BEGIN IMMEDIATE`); err != nil {
		return fmt.Errorf("journal: begin: %w", err)
	}
	for _, c := range group {
		if err := c.apply(&j.writer); err != nil {
			_, undone := j.writer.exec(`ROLLBACK`)
			return errors.Join(fmt.Errorf("journal: %w", err), undone)
		}
	}
	// The journal's one commit point: what is before it is lost together on a
	// crash, what is after it has its basis on disk.
	if _, err := j.writer.exec(`COMMIT`); err != nil {
		_, undone := j.writer.exec(`ROLLBACK`)
		return errors.Join(fmt.Errorf("journal: commit: %w", err), undone)
	}
	j.groups++
	return nil
}

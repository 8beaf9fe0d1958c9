package index

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/gateway/submit"
)

// The tables. A seq is a place; a ref is the 36 bytes of a reference, expiry and id; a
// value is what the ledger holds, as of the newest block taken in.
//
//	records  one row for each record; schema is that of its newest version, empty once
//	         it is deleted. time is that of its first version.
//	times    the first record of each second in which there are some.
//	grants   client is NULL for an offer. offered is 1 while an offer may be shown: it is
//	         not withdrawn, its record and its owner's DID live; expiry and uses are
//	         looked at when it is asked for.
//	uses     one row for each receipt.
//	jobs     one row for each job; operator is NULL before it is accepted.
//	money    keys and values of the ledger of money as they are: what an audit reads.
//	lines    one row for each movement of an account's money; value is a Line in JSON.
//	accounts what each account has come to, as the last of its lines says.
//	deposits the job on which an operator's hold is a deposit.
//	meta     format, network, next (number of the block to be taken in next), time.
//
// Time is the largest that a valid transaction up to then has claimed. So it never
// falls, a span of time is a span of places, and a transaction that was held back is
// not dated before what came earlier.
const schema = `
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records(seq INTEGER PRIMARY KEY, ref BLOB NOT NULL, owner BLOB NOT NULL, schema TEXT NOT NULL,
	status INTEGER NOT NULL, time INTEGER NOT NULL, value BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS records_ref ON records(ref);
CREATE INDEX IF NOT EXISTS records_owner ON records(owner);
CREATE INDEX IF NOT EXISTS records_schema ON records(schema);
CREATE TABLE IF NOT EXISTS times(time INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS grants(seq INTEGER PRIMARY KEY, ref BLOB NOT NULL, record BLOB NOT NULL, owner BLOB NOT NULL, client BLOB,
	offered INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0, time INTEGER NOT NULL, value BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS grants_ref ON grants(ref);
CREATE INDEX IF NOT EXISTS grants_record ON grants(record);
CREATE INDEX IF NOT EXISTS grants_owner ON grants(owner);
CREATE INDEX IF NOT EXISTS grants_client ON grants(client) WHERE client IS NOT NULL;
CREATE INDEX IF NOT EXISTS grants_offered ON grants(offered) WHERE offered = 1;
CREATE TABLE IF NOT EXISTS uses(seq INTEGER PRIMARY KEY, ref BLOB NOT NULL, given BLOB NOT NULL, owner BLOB NOT NULL, client BLOB NOT NULL,
	time INTEGER NOT NULL, value BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS uses_given ON uses(given);
CREATE INDEX IF NOT EXISTS uses_owner ON uses(owner);
CREATE INDEX IF NOT EXISTS uses_client ON uses(client);
CREATE TABLE IF NOT EXISTS jobs(seq INTEGER PRIMARY KEY, ref BLOB NOT NULL, consumer BLOB NOT NULL, operator BLOB, phase INTEGER NOT NULL,
	time INTEGER NOT NULL, value BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS jobs_ref ON jobs(ref);
CREATE INDEX IF NOT EXISTS jobs_consumer ON jobs(consumer);
CREATE INDEX IF NOT EXISTS jobs_operator ON jobs(operator) WHERE operator IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_phase ON jobs(phase);
CREATE TABLE IF NOT EXISTS money(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lines(seq INTEGER PRIMARY KEY, account BLOB NOT NULL, asset TEXT NOT NULL, time INTEGER NOT NULL, value BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS lines_account ON lines(account, asset);
CREATE TABLE IF NOT EXISTS accounts(account BLOB NOT NULL, asset TEXT NOT NULL, totals BLOB NOT NULL, PRIMARY KEY(account, asset)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deposits(hold TEXT PRIMARY KEY, job TEXT NOT NULL) WITHOUT ROWID;
`

// format 3 has the ledger of money: files from before are made anew.
const format = "3"

// open opens the file. A *stale error says that it has to be made anew.
func (x *Index) open() error {
	connect := func(mode string, connections int) (*sql.DB, error) {
		db, err := sql.Open("sqlite", "file:"+x.cfg.File+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)"+
			"&_pragma=synchronous(NORMAL)&_pragma=temp_store(MEMORY)"+mode)
		if err == nil {
			db.SetMaxOpenConns(connections)
			db.SetMaxIdleConns(connections)
		}
		return db, err
	}
	var err error
	if x.write, err = connect("&_txlock=immediate&_pragma=cache_size(-32768)", 1); err != nil {
		return err
	}
	if x.read, err = connect("&_pragma=cache_size(-4096)&_pragma=query_only(1)", 4); err != nil {
		return err
	}
	if _, err := x.write.Exec(schema); err != nil {
		return &stale{err.Error()} // no SQLite file, or tables of another form
	}
	for key, want := range map[string]any{"format": format, "network": x.cfg.Network, "next": 0, "time": 0} {
		if _, err := x.write.Exec(`INSERT OR IGNORE INTO meta(key, value) VALUES(?, ?)`, key, want); err != nil {
			return err
		}
	}
	var is, of string
	if err := x.meta("format", &is); err != nil {
		return err
	}
	if err := x.meta("network", &of); err != nil {
		return err
	}
	if is != format || of != x.cfg.Network {
		return &stale{fmt.Sprintf("it has format %s and is of %s", is, of)}
	}
	return x.meta("next", &x.next)
}

func (x *Index) meta(key string, into any) error {
	return x.write.QueryRow(`SELECT value FROM meta WHERE key = ?`, key).Scan(into)
}

// taker writes a group of blocks.
type taker struct {
	tx       *sql.Tx
	prepared map[string]*sql.Stmt
	time     uint64
	stamped  uint64 // the newest second in times
	accounts map[account]*Totals
	touched  map[account]bool // accounts that these blocks moved money of
}

// take enters blocks and the cursor together. If we stop before the commit they come
// again; a crash of the machine may lose some commits, whole, and they come again too.
func (x *Index) take(blocks []submit.Block) error {
	tx, err := x.write.BeginTx(context.Background(), nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // of what was not committed
	t := &taker{tx: tx, prepared: map[string]*sql.Stmt{}, accounts: map[account]*Totals{}, touched: map[account]bool{}}
	if err := tx.QueryRow(`SELECT value FROM meta WHERE key = 'time'`).Scan(&t.time); err != nil {
		return fmt.Errorf("read time: %w", err)
	}
	if err := tx.QueryRow(`SELECT coalesce(max(time), 0) FROM times`).Scan(&t.stamped); err != nil {
		return fmt.Errorf("read times: %w", err)
	}
	for i, b := range blocks {
		if b.Number != x.Next()+uint64(i) {
			return fmt.Errorf("block %d came where %d was to come", b.Number, x.Next()+uint64(i))
		}
		if err := t.block(x.cfg.Network, b); err != nil {
			return fmt.Errorf("take block %d in: %w", b.Number, err)
		}
	}
	if err := t.keepAccounts(); err != nil {
		return err
	}
	next := blocks[len(blocks)-1].Number + 1
	if err := t.exec(`UPDATE meta SET value = CASE key WHEN 'next' THEN ? ELSE ? END WHERE key IN ('next', 'time')`, int64(next), int64(t.time)); err != nil {
		return err
	}
	return tx.Commit() // which closes the statements
}

// statement prepares a query once; the transaction's end closes it.
func (t *taker) statement(query string) (*sql.Stmt, error) {
	if s := t.prepared[query]; s != nil {
		return s, nil
	}
	s, err := t.tx.Prepare(query)
	if err == nil {
		t.prepared[query] = s
	}
	return s, err
}

func (t *taker) run(query string, args ...any) (sql.Result, error) {
	s, err := t.statement(query)
	if err != nil {
		return nil, err
	}
	return s.Exec(args...)
}

func (t *taker) exec(query string, args ...any) error {
	_, err := t.run(query, args...)
	return err
}

func (t *taker) block(network string, b submit.Block) error {
	for i := range b.Transactions {
		tx := &b.Transactions[i]
		t.time = max(t.time, tx.Time)
		// A transaction's writes come in the order of their keys, by which a grant stands
		// before what ends it, but for its owner's DID: those are taken last.
		for _, last := range []bool{false, true} {
			for _, w := range tx.Writes {
				if w.Delete || ops.IsActorKey(w.Key) != last {
					continue
				}
				if err := t.put(w.Key, w.Value); err != nil {
					return fmt.Errorf("transaction %s, key %.100q: %w", tx.ID, w.Key, err)
				}
			}
		}
		if err := t.move(network, b.Number, tx); err != nil {
			return fmt.Errorf("money of transaction %s: %w", tx.ID, err)
		}
	}
	return nil
}

// wanted says whether the index needs the writes of a key.
func wanted(key string) bool {
	switch prefix, _, _ := strings.Cut(key, "/"); prefix {
	case "record", "grant", "use", "used", "job", "round", "op", did.SignerPrefix:
		return true
	}
	return money(key)
}

// put takes one write. An error means that this program does not know what the
// ledger's own chaincode wrote.
func (t *taker) put(key string, value []byte) error {
	prefix, rest, _ := strings.Cut(key, "/")
	switch prefix {
	case "record", "grant", "use", "used", "job", "round":
		ref, err := ledger.ParseReference(rest)
		if err != nil {
			return err
		}
		switch prefix {
		case "record":
			return t.record(ref, value)
		case "grant":
			return t.grant(ref, value)
		case "use":
			return t.use(ref, value)
		case "job":
			return t.job(ref, value)
		case "round":
			return t.round(ref, value)
		}
		times, err := record.DecodeUsed(value)
		if err != nil {
			return err
		}
		return t.exec(`UPDATE grants SET used = ? WHERE ref = ?`, times, pack(ref))
	case did.SignerPrefix:
		id, err := ledger.ParseID(rest)
		if err != nil {
			return err
		}
		signer, err := did.DecodeSigner(value)
		if err != nil {
			return err
		}
		if signer.Deactivated { // for good
			return t.exec(`UPDATE grants SET offered = 0 WHERE owner = ? AND offered = 1`, id[:])
		}
	}
	return nil
}

func (t *taker) record(ref ledger.Reference, value []byte) error {
	v, err := record.Decode(ref, value)
	if err != nil {
		return err
	}
	name := pack(ref)
	if v.Version > 1 {
		done, err := t.run(`UPDATE records SET schema = ?, status = ?, value = ? WHERE ref = ?`, v.Schema, v.Status, value, name)
		if err != nil {
			return err
		}
		if v.Status == record.Deleted {
			if err := t.exec(`UPDATE grants SET offered = 0 WHERE record = ? AND offered = 1`, name); err != nil {
				return err
			}
		}
		if n, err := done.RowsAffected(); n > 0 || err != nil {
			return err
		}
		// One transaction submitted and changed it: its first version was never written.
	}
	added, err := t.run(`INSERT INTO records(ref, owner, schema, status, time, value) VALUES(?, ?, ?, ?, ?, ?)`,
		name, v.Owner[:], v.Schema, v.Status, int64(t.time), value)
	if err != nil || t.time <= t.stamped {
		return err
	}
	seq, err := added.LastInsertId()
	if err != nil {
		return err
	}
	t.stamped = t.time
	return t.exec(`INSERT INTO times(time, seq) VALUES(?, ?)`, int64(t.time), seq)
}

func (t *taker) grant(ref ledger.Reference, value []byte) error {
	g, err := record.DecodeGrant(value)
	if err != nil {
		return err
	}
	if g.Status == record.Withdrawn {
		done, err := t.run(`UPDATE grants SET offered = 0, value = ? WHERE ref = ?`, value, pack(ref))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); n > 0 || err != nil {
			return err
		}
	}
	var client any // NULL
	if !g.Offer {
		client = g.Client[:]
	}
	return t.exec(`INSERT INTO grants(ref, record, owner, client, offered, time, value) VALUES(?, ?, ?, ?, ?, ?, ?)`,
		pack(ref), pack(g.Record), g.Owner[:], client, g.Offer && g.Status == record.Live, int64(t.time), value)
}

func (t *taker) use(ref ledger.Reference, value []byte) error {
	r, err := attest.DecodeReceipt(value)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO uses(ref, given, owner, client, time, value) VALUES(?, ?, ?, ?, ?, ?)`,
		pack(ref), pack(r.Grant), r.Owner[:], r.Client[:], int64(t.time), value)
}

// pack returns the bytes of a reference in their order: expiry, then id.
func pack(r ledger.Reference) []byte {
	e := r.Expiry
	return append([]byte{byte(e >> 24), byte(e >> 16), byte(e >> 8), byte(e)}, r.ID[:]...)
}

func unpack(b []byte) (r ledger.Reference, err error) {
	if len(b) != 4+len(r.ID) {
		return r, fmt.Errorf("a reference of %d bytes", len(b))
	}
	r.Expiry = uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	copy(r.ID[:], b[4:])
	return r, nil
}

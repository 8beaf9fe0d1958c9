// Package sqlite opens databases in files, for one process each, and parses every query
// once: that takes several times as long as to run one of those with which the anchor's
// loops ask a few times a second whether anything is due. A database says of which format
// its tables are.
package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"sync"

	_ "modernc.org/sqlite" // the driver
)

// DB is a database. What it asks and changes by the methods that are given a context,
// outside of transactions, is prepared; the texts must be few, their values arguments.
type DB struct {
	*sql.DB

	mu       sync.Mutex // guards prepared
	prepared map[string]*sql.Stmt
}

// Open opens or creates the database at a path, with pragmas for each connection. A
// transaction takes the lock for writing when it begins: one that first reads, and then
// finds another writing, could not wait for it.
func Open(path string, pragmas ...string) (*DB, error) {
	q := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &DB{DB: db, prepared: map[string]*sql.Stmt{}}, nil
}

// statement returns the prepared statement of a query. It is closed with the database.
func (d *DB) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	d.mu.Lock()
	s := d.prepared[query]
	d.mu.Unlock()
	if s != nil {
		return s, nil
	}
	// Without the lock, since it may wait for a connection.
	s, err := d.DB.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if other := d.prepared[query]; other != nil {
		return other, s.Close()
	}
	d.prepared[query] = s
	return s, nil
}

// In returns the statement of a query for use in a transaction, which closes it. A
// database of one connection has none left to prepare it.
func (d *DB) In(ctx context.Context, tx *sql.Tx, query string) (*sql.Stmt, error) {
	s, err := d.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return tx.StmtContext(ctx, s), nil
}

// QueryContext is that of sql.DB.
func (d *DB) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := d.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext is that of sql.DB.
func (d *DB) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := d.statement(ctx, query)
	if err != nil {
		return d.DB.QueryRowContext(ctx, query, args...) // the row says why not
	}
	return s.QueryRowContext(ctx, args...)
}

// ExecContext is that of sql.DB.
func (d *DB) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := d.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// OtherFormat says that a database has tables, and of another format than the one that was
// asked for.
type OtherFormat struct {
	Is   int // 0: they have no number
	Want int
}

func (e *OtherFormat) Error() string {
	if e.Is == 0 {
		return fmt.Sprintf("its tables have no format number, those of this program have format %d", e.Want)
	}
	return fmt.Sprintf("its tables have format %d, those of this program format %d", e.Is, e.Want)
}

// Make makes the tables of a schema in an empty database, and writes their format beside
// them (user_version, from 1 on) in the same transaction. Tables that are there stay as
// they are: of another format they are an *OtherFormat. What has no number and is defined
// as the schema says has format 1, for tables are older than numbers; that the rows are
// those of format 1, too, whoever has such a format must know.
func (d *DB) Make(schema string, format int) error {
	return d.transaction(func(tx *sql.Tx) error {
		var is int
		if err := tx.QueryRow(`PRAGMA user_version`).Scan(&is); err != nil {
			return err
		}
		had, err := definitions(tx)
		switch {
		case err != nil || is == format:
			return err
		case is == 0 && len(had) == 0:
			return create(tx, schema, format)
		case is > 0 || format > 1:
			return &OtherFormat{is, format}
		}
		want, err := defined(schema)
		if err == nil && !maps.Equal(had, want) {
			err = &OtherFormat{is, format}
		}
		if err != nil {
			return err
		}
		return create(tx, "", format)
	})
}

// Remake drops all tables but those to be kept, whose rows stay, and makes the rest of a
// schema anew, in one transaction. It refuses, and changes nothing, when a table to be kept
// is defined in another way than the schema says. The schema's statements must say IF NOT
// EXISTS.
func (d *DB) Remake(schema string, format int, keep ...string) error {
	return d.transaction(func(tx *sql.Tx) error {
		had, err := definitions(tx)
		if err != nil {
			return err
		}
		want, err := defined(schema)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(had)) {
			switch {
			case !slices.Contains(keep, name):
				if strings.HasPrefix(had[name], "CREATE TABLE ") { // its indexes go with it
					if _, err := tx.Exec(`DROP TABLE "` + name + `"`); err != nil {
						return err
					}
				}
			case had[name] != want[name]:
				return fmt.Errorf("table %s, which is to be kept, is defined in another way", name)
			}
		}
		return create(tx, schema, format)
	})
}

func (d *DB) transaction(do func(*sql.Tx) error) error {
	tx, err := d.Begin()
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// create runs the statements of a schema and writes its format, for which PRAGMA takes no
// argument.
func create(tx *sql.Tx, schema string, format int) error {
	_, err := tx.Exec(schema + fmt.Sprintf("\nPRAGMA user_version = %d", format))
	return err
}

// definitions returns the statements that made what a database has, by name.
func definitions(in interface {
	Query(query string, args ...any) (*sql.Rows, error)
}) (map[string]string, error) {
	rows, err := in.Query(`SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err below says what went wrong
	all := map[string]string{}
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return nil, err
		}
		all[name] = text
	}
	return all, rows.Err()
}

// defined returns the definitions that a schema leads to.
func defined(schema string) (all map[string]string, err error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1) // each connection has a database of its own
	if _, err := db.Exec(schema); err != nil {
		return nil, err
	}
	return definitions(db)
}

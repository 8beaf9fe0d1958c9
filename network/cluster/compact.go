package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// Compact rewrites every LevelDB store below a folder, so that nothing which was
// deleted or replaced stays in their files: LevelDB itself does so in its own time. The
// peer whose folder it is must be stopped. It returns the stores that it rewrote; after
// an error, or a crash, all of them are whole.
func Compact(dir string) (stores []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "CURRENT" {
			return err
		}
		store := filepath.Dir(path)
		if err := compactStore(store); err != nil {
			return fmt.Errorf("compact %s: %w", store, err)
		}
		stores = append(stores, store)
		return nil
	})
	if err == nil && len(stores) == 0 {
		err = fmt.Errorf("no store in %s", dir)
	}
	return stores, err
}

func compactStore(store string) error {
	// The filter is that of the peers (network/tools/goleveldb.patch): without it the
	// tables that are written here would have none.
	options := &opt.Options{ErrorIfMissing: true, Filter: filter.NewBloomFilter(10)}
	db, err := leveldb.OpenFile(store, options)
	if err != nil {
		return err
	}
	if err := errors.Join(db.CompactRange(util.Range{}), db.Close()); err != nil {
		return err
	}
	// Opening removes the files that the compaction has replaced.
	if db, err = leveldb.OpenFile(store, options); err != nil {
		return err
	}
	return db.Close()
}

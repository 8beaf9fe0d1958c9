package cluster_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/killick-ledger/killick/network/cluster"
	"github.com/syndtr/goleveldb/leveldb"
)

// PV-5: compaction leaves nothing of what was deleted in a store's files, and all of
// the rest.
func TestCompact(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "ledgersData", "pvtdataStore")
	db, err := leveldb.OpenFile(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	secret, kept := []byte("what a person wants to be forgotten"), []byte("what stays")
	for _, key := range []string{"secret", "again"} {
		if err := db.Put([]byte(key), secret, nil); err != nil {
			t.Fatal(err)
		}
	}
	filler := make([]byte, 1<<20)
	for i := range byte(8) { // several tables
		if _, err := rand.Read(filler); err != nil {
			t.Fatal(err)
		}
		if err := db.Put([]byte{i}, filler, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Put([]byte("kept"), kept, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Compact(dir); err == nil {
		t.Error("a store in use was compacted")
	}
	if err := db.Delete([]byte("secret"), nil); err != nil {
		t.Fatal(err)
	}
	if err := db.Put([]byte("again"), kept, nil); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	found := func() (n int) {
		files, err := filepath.Glob(filepath.Join(store, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(data, secret)
		}
		return n
	}
	if found() == 0 {
		t.Fatal("deleting alone removed it: the test shows nothing")
	}
	stores, err := cluster.Compact(dir)
	if err != nil || len(stores) != 1 || stores[0] != store {
		t.Fatalf("%q, %v", stores, err)
	}
	if n := found(); n > 0 {
		t.Errorf("it is there %d times", n)
	}
	if db, err = leveldb.OpenFile(store, nil); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if got, err := db.Get([]byte("again"), nil); err != nil || !bytes.Equal(got, kept) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := cluster.Compact(t.TempDir()); err == nil {
		t.Error("a folder without stores was compacted")
	}
}

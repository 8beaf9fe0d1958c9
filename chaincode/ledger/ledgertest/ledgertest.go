// Package ledgertest is the one test suite of ledger.Store and of transactions
// over it. Every implementation runs it.
package ledgertest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Backend is committed state under test. Begin gives the store of the next
// transaction; commit makes its writes durable.
type Backend interface {
	Begin() (store ledger.Store, commit func())
}

// Run runs the suite; open returns an empty backend.
func Run(t *testing.T, open func() Backend) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Backend)
	}{
		{"absent keys", absent}, {"many keys", many}, {"ranges", ranges}, {"deletes", deletes},
		{"own writes", ownWrites}, {"rollback", rollback}, {"merged ranges", merged}, {"prefixes", prefixes},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open()) })
	}
}

// put commits keys, each with "v-" and itself as its value.
func put(t *testing.T, b Backend, keys ...string) {
	t.Helper()
	store, commit := b.Begin()
	for _, key := range keys {
		if err := store.Put(key, []byte("v-"+key)); err != nil {
			t.Fatal(err)
		}
	}
	commit()
}

func absent(t *testing.T, b Backend) {
	store, _ := b.Begin()
	if v, err := store.Get("no/such"); v != nil || err != nil {
		t.Errorf("Get = %q, %v", v, err)
	}
	if entries, err := store.Range("a", "z", 10); len(entries) != 0 || err != nil {
		t.Errorf("Range = %v, %v", entries, err)
	}
	if values, err := store.GetMany([]string{"x", "y"}); len(values) != 2 || values[0] != nil || values[1] != nil || err != nil {
		t.Errorf("GetMany = %q, %v", values, err)
	}
}

func many(t *testing.T, b Backend) {
	var keys []string
	for i := range 2500 { // more than the shim puts into one message
		keys = append(keys, fmt.Sprintf("k/%05d", i))
	}
	put(t, b, keys...)
	store, _ := b.Begin()
	ask := append(slices.Clone(keys), "absent", keys[0])
	values, err := store.GetMany(ask)
	if err != nil || len(values) != len(ask) {
		t.Fatalf("GetMany: %d values, %v", len(values), err)
	}
	for i, key := range ask {
		want := "v-" + key
		if key == "absent" {
			want = ""
		}
		if string(values[i]) != want {
			t.Fatalf("value %d is %q, want %q", i, values[i], want)
		}
	}
}

func ranges(t *testing.T, b Backend) {
	put(t, b, "a/2", "a/1", "b/1", "a/10", "a0", "c/1")
	store, _ := b.Begin()
	for _, test := range []struct {
		from, to string
		limit    int
		want     []string
	}{
		{"a/", "a0", 10, []string{"a/1", "a/10", "a/2"}},
		{"a/", "a0", 2, []string{"a/1", "a/10"}},
		{"a/10", "c/1", 10, []string{"a/10", "a/2", "a0", "b/1"}},
		{"a/1\x00", "a0", 10, []string{"a/10", "a/2"}},
		{"x", "z", 10, nil},
		{"a/", "a0", 0, nil},
	} {
		entries, err := store.Range(test.from, test.to, test.limit)
		if got := keysOf(entries); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("Range(%q, %q, %d) = %q, %v, want %q", test.from, test.to, test.limit, got, err, test.want)
		}
		for _, e := range entries {
			if string(e.Value) != "v-"+e.Key {
				t.Errorf("%s has the value %q", e.Key, e.Value)
			}
		}
	}
}

func deletes(t *testing.T, b Backend) {
	put(t, b, "a/1", "a/2")
	store, commit := b.Begin()
	for _, key := range []string{"a/1", "never"} {
		if err := store.Delete(key); err != nil {
			t.Fatal(err)
		}
	}
	commit()
	store, _ = b.Begin()
	if v, err := store.Get("a/1"); v != nil || err != nil {
		t.Errorf("deleted key reads %q, %v", v, err)
	}
	if entries, err := store.Range("a/", "a0", 10); err != nil || !slices.Equal(keysOf(entries), []string{"a/2"}) {
		t.Errorf("Range = %v, %v", entries, err)
	}
}

func ownWrites(t *testing.T, b Backend) {
	put(t, b, "a", "b")
	store, commit := b.Begin()
	tx := ledger.Begin(store, 0, ledger.Caller{})
	tx.Put("a", []byte("1"))
	tx.Put("a", []byte("2"))
	tx.Delete("b")
	tx.Put("c", []byte("3"))
	for key, want := range map[string]string{"a": "2", "b": "", "c": "3"} {
		if got, err := tx.Get(key); string(got) != want || err != nil {
			t.Errorf("before flush %s is %q, %v, want %q", key, got, err, want)
		}
	}
	if err := tx.Flush(); err != nil {
		t.Fatal(err)
	}
	commit()
	store, _ = b.Begin()
	for key, want := range map[string]string{"a": "2", "b": "", "c": "3"} {
		if got, err := store.Get(key); string(got) != want || err != nil {
			t.Errorf("after flush %s is %q, %v, want %q", key, got, err, want)
		}
	}
}

func rollback(t *testing.T, b Backend) {
	put(t, b, "a", "b")
	store, _ := b.Begin()
	tx := ledger.Begin(store, 0, ledger.Caller{})
	tx.Put("a", []byte("kept"))
	tx.SetNote("n", "kept")
	mark := tx.Mark()
	tx.Put("a", []byte("gone"))
	tx.Delete("b")
	tx.Put("c", []byte("gone"))
	tx.SetNote("n", "gone")
	tx.SetNote("m", "gone")
	inner := tx.Mark()
	tx.Put("c", []byte("gone too"))
	tx.Rollback(inner)
	if v, _ := tx.Get("c"); string(v) != "gone" {
		t.Errorf("after the inner rollback c is %q", v)
	}
	tx.Rollback(mark)
	for key, want := range map[string]string{"a": "kept", "b": "v-b", "c": ""} {
		if got, err := tx.Get(key); string(got) != want || err != nil {
			t.Errorf("%s is %q, %v, want %q", key, got, err, want)
		}
	}
	if tx.Note("n") != "kept" || tx.Note("m") != "" {
		t.Errorf("notes are %q and %q", tx.Note("n"), tx.Note("m"))
	}
	if changes := tx.Changes(); len(changes) != 1 || changes[0].Key != "a" {
		t.Errorf("changes are %v", changes)
	}
}

func merged(t *testing.T, b Backend) {
	put(t, b, "a/1", "a/3", "a/5", "a/7")
	store, _ := b.Begin()
	tx := ledger.Begin(store, 0, ledger.Caller{})
	tx.Delete("a/1")
	tx.Delete("a/4") // was never there
	tx.Put("a/2", []byte("new"))
	tx.Put("a/3", []byte("changed"))
	tx.Put("b", []byte("outside"))
	for limit, want := range [][]string{{}, {"a/2"}, {"a/2", "a/3"}, {"a/2", "a/3", "a/5"}, {"a/2", "a/3", "a/5", "a/7"}, {"a/2", "a/3", "a/5", "a/7"}} {
		entries, err := tx.Range("a/", "a0", limit)
		if got := keysOf(entries); err != nil || !slices.Equal(got, want) {
			t.Errorf("limit %d: %q, %v, want %q", limit, got, err, want)
		}
		if len(entries) > 1 && string(entries[1].Value) != "changed" {
			t.Errorf("limit %d: a/3 is %q", limit, entries[1].Value)
		}
	}
}

func prefixes(t *testing.T, b Backend) {
	put(t, b, "p/1", "p/2", "p/2/x", "p0", "o")
	store, _ := b.Begin()
	tx := ledger.Begin(store, 0, ledger.Caller{})
	var got []string
	for after := ""; ; {
		entries, err := tx.Prefix("p/", after, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			break
		}
		after = entries[0].Key
		got = append(got, after)
	}
	if want := []string{"p/1", "p/2", "p/2/x"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func keysOf(entries []ledger.Entry) []string {
	var keys []string
	for _, e := range entries {
		keys = append(keys, e.Key)
	}
	return keys
}

package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ledger/ledgertest"
)

type memory struct{ store ledger.Memory }

func (m *memory) Begin() (ledger.Store, func()) { return &m.store, func() {} }

func TestMemory(t *testing.T) {
	ledgertest.Run(t, func() ledgertest.Backend { return new(memory) })
}

// counting notes every call to the store.
type counting struct {
	ledger.Memory
	calls []string
	err   error
}

func (c *counting) Get(key string) ([]byte, error) {
	c.calls = append(c.calls, "get "+key)
	v, _ := c.Memory.Get(key)
	return v, c.err
}

func (c *counting) GetMany(keys []string) ([][]byte, error) {
	c.calls = append(c.calls, "many "+strings.Join(keys, " "))
	v, _ := c.Memory.GetMany(keys)
	return v, c.err
}

func (c *counting) Put(key string, value []byte) error {
	c.calls = append(c.calls, "put "+key)
	return c.Memory.Put(key, value)
}

func (c *counting) Delete(key string) error {
	c.calls = append(c.calls, "delete "+key)
	return c.Memory.Delete(key)
}

func TestEachKeyIsReadOnceAndWrittenOnceInOrder(t *testing.T) {
	store := new(counting)
	tx := ledger.Begin(store, 7, ledger.Caller{MSP: "Org1MSP", Role: "client"})
	if tx.ClaimedTime() != 7 || tx.Caller().MSP != "Org1MSP" {
		t.Error("time or caller are lost")
	}
	tx.Put("w", []byte("0"))
	for range 2 {
		if err := tx.Prefetch([]string{"b", "a", "b", "w"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"a", "b", "c", "c", "w"} {
		if _, err := tx.Get(key); err != nil {
			t.Fatal(err)
		}
	}
	tx.Put("z", []byte("1"))
	tx.Put("a", []byte("2"))
	tx.Put("a", []byte("3"))
	tx.Delete("b")
	if err := tx.Flush(); err != nil {
		t.Fatal(err)
	}
	want := []string{"many b a", "get c", "put a", "delete b", "put w", "put z"}
	if !slices.Equal(store.calls, want) {
		t.Errorf("calls %q, want %q", store.calls, want)
	}
}

func TestReadErrorsAreNotRemembered(t *testing.T) {
	store := new(counting)
	if err := store.Memory.Put("a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	tx := ledger.Begin(store, 0, ledger.Caller{})
	store.err = errors.New("peer is gone")
	if err := tx.Prefetch([]string{"a"}); !errors.Is(err, store.err) {
		t.Errorf("Prefetch: %v", err)
	}
	if _, err := tx.Get("a"); !errors.Is(err, store.err) {
		t.Errorf("Get: %v", err)
	}
	store.err = nil
	if v, err := tx.Get("a"); string(v) != "1" || err != nil {
		t.Errorf("Get = %q, %v", v, err)
	}
}

func TestEmptyValuesNeverReachTheStore(t *testing.T) {
	store := new(counting)
	tx := ledger.Begin(store, 0, ledger.Caller{})
	tx.Put("a", []byte{})
	if err := tx.Flush(); err == nil {
		t.Error("an empty value was written")
	}
}

// Rolling back costs as much as what changed since the mark, not as much as the
// transaction.
func BenchmarkRollback(b *testing.B) {
	tx := ledger.Begin(new(ledger.Memory), 0, ledger.Caller{})
	for i := range 100000 {
		tx.Put(fmt.Sprint("key ", i), []byte("value"))
	}
	b.ResetTimer()
	for range b.N {
		mark := tx.Mark()
		tx.Put("key 1", []byte("other"))
		tx.Put("key x", []byte("new"))
		tx.Rollback(mark)
	}
}

func TestReference(t *testing.T) {
	r := ledger.Reference{Expiry: 0x78f3a, ID: [32]byte{0: 0xab, 31: 0xcd}}
	text := "00078f3a-ab000000000000000000000000000000000000000000000000000000000000cd"
	if r.String() != text {
		t.Errorf("String = %s", r)
	}
	if got, err := ledger.ParseReference(text); err != nil || got != r {
		t.Errorf("ParseReference = %v, %v", got, err)
	}
	for _, bad := range []string{
		"", text[:72], text + "0", strings.ToUpper(text), strings.Replace(text, "-", "/", 1),
		"+0078f3a" + text[8:], strings.Replace(text, "ab", "xy", 1),
	} {
		if _, err := ledger.ParseReference(bad); err == nil {
			t.Errorf("ParseReference(%q) took it", bad)
		}
	}
}

func TestID(t *testing.T) {
	for _, id := range []ledger.ID{{}, {19: 1}, {0: 0xff, 19: 0xff}} {
		if got, err := ledger.ParseID(id.String()); err != nil || got != id {
			t.Errorf("ParseID(%s) = %v, %v", id, got, err)
		}
	}
	for _, bad := range []string{"", "1", strings.Repeat("1", 21), strings.Repeat("1", 19) + "0", strings.Repeat("z", 29), strings.Repeat("z", 28)} {
		if _, err := ledger.ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) took it", bad)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	f.Add("00078f3a-ab000000000000000000000000000000000000000000000000000000000000cd")
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := ledger.ParseReference(text); err == nil && r.String() != text {
			t.Errorf("%q reads as %s", text, r)
		}
	})
}

func FuzzParseID(f *testing.F) {
	f.Add("4KZXuGpR4R28YfKeELEnVp4TLR2y")
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := ledger.ParseID(text); err == nil && id.String() != text {
			t.Errorf("%q reads as %s", text, id)
		}
	})
}

// Private changes are taken back like others, reach the private side after state, each
// once and in order, and nothing where there is no such side.
func TestPrivateChanges(t *testing.T) {
	var store ledger.Memory
	private := &ledger.MemoryPrivate{Contents: map[string][]byte{"c": []byte("content")}, Values: map[string][]byte{"old": []byte("1"), "kept": []byte("2")}}
	tx := ledger.Begin(&store, 0, ledger.Caller{}).With(private)
	content, assumed, err := tx.Content("c")
	if none, _, _ := tx.Content("d"); string(content) != "content" || assumed || err != nil || none != nil {
		t.Errorf("%q %v %v, %q", content, assumed, err, none)
	}
	tx.PutPrivate("new", []byte("a"))
	mark := tx.Mark()
	tx.PutPrivate("new", []byte("b"))
	tx.Purge("kept")
	tx.PutPrivate("other", []byte("c"))
	tx.Put("state", []byte("x"))
	if got := tx.Since(mark); len(got) != 1 || got[0].Key != "state" {
		t.Errorf("since the mark: %v", got)
	}
	tx.Rollback(mark)
	tx.Purge("old")
	want := []ledger.Entry{{Key: "new", Value: []byte("a")}, {Key: "old"}}
	if got := tx.PrivateChanges(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("changes %v, want %v", got, want)
	}
	if err := tx.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(private.Values); got != fmt.Sprint(map[string][]byte{"new": []byte("a"), "kept": []byte("2")}) {
		t.Errorf("kept %v", got)
	}
	bare := ledger.Begin(&store, 0, ledger.Caller{})
	bare.PutPrivate("new", []byte("a"))
	if _, assumed, _ := bare.Content("c"); assumed || bare.Flush() != nil {
		t.Error("a transaction without a private side")
	}
	bare.AssumeContents()
	if content, assumed, _ := bare.Content("c"); !assumed || content != nil {
		t.Error("contents are not assumed")
	}
	empty := ledger.Begin(&store, 0, ledger.Caller{}).With(private)
	empty.PutPrivate("x", []byte{})
	if empty.Flush() == nil {
		t.Error("an empty value was written")
	}
}

package openid

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/login"
)

const (
	// maxEntries and maxBytes bound what a table holds, and a share of them what it holds of
	// one partner: no app can shut the others out.
	maxEntries = 10_000
	maxBytes   = 64 << 20
	share      = 4
	// entryCost is what an entry takes beside its contents.
	entryCost = 1 << 10
)

// table keeps things in memory under names that cannot be guessed, each until a time.
type table[T any] struct {
	mu      sync.Mutex
	entries map[string]*entry[T]
	bytes   int
	swept   time.Time
	of      map[string]held // by owner, of those that hold anything
}

type held struct{ entries, bytes int }

type entry[T any] struct {
	value T
	owner string
	size  int
	until time.Time
}

func newTable[T any]() *table[T] {
	return &table[T]{entries: map[string]*entry[T]{}, of: map[string]held{}}
}

// newName returns 256 random bits.
func newName() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return canon.B64(b)
}

// add keeps a value of about size bytes of an owner. Errors: *login.Error when there is
// no room.
func (t *table[T]) add(name, owner string, value T, size int, until time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	size += entryCost
	if !t.room(owner, 1, size) {
		return login.Later("too many are open")
	}
	t.entries[name] = &entry[T]{value, owner, size, until}
	t.account(owner, 1, size)
	return nil
}

// room says that so many more entries and bytes of an owner may be kept.
func (t *table[T]) room(owner string, entries, bytes int) bool {
	fits := func() bool {
		of := t.of[owner]
		return len(t.entries)+entries <= maxEntries && t.bytes+bytes <= maxBytes &&
			of.entries+entries <= maxEntries/share && of.bytes+bytes <= maxBytes/share
	}
	now := time.Now()
	if now.Sub(t.swept) >= time.Minute || !fits() {
		t.sweep(now)
	}
	return fits()
}

func (t *table[T]) account(owner string, entries, bytes int) {
	of := t.of[owner]
	of.entries += entries
	of.bytes += bytes
	t.bytes += bytes
	if t.of[owner] = of; of.entries == 0 {
		delete(t.of, owner)
	}
}

// sweep removes what is past its time.
func (t *table[T]) sweep(now time.Time) {
	t.swept = now
	for name, e := range t.entries {
		if !now.Before(e.until) {
			t.drop(name, e)
		}
	}
}

func (t *table[T]) drop(name string, e *entry[T]) {
	delete(t.entries, name)
	t.account(e.owner, -1, -e.size)
}

// with runs f on a value, alone, and says whether there is one. f must not wait.
func (t *table[T]) with(name string, f func(*T)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[name]
	if e == nil {
		return false
	}
	if !time.Now().Before(e.until) {
		t.drop(name, e)
		return false
	}
	f(&e.value)
	return true
}

// remove forgets a value.
func (t *table[T]) remove(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.entries[name]; e != nil {
		t.drop(name, e)
	}
}

// keep lets a value live until a time at least.
func (t *table[T]) keep(name string, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.entries[name]; e != nil && until.After(e.until) {
		e.until = until
	}
}

// reserve accounts for more bytes of a value, fewer if it is negative. It says whether
// there is room, and the value.
func (t *table[T]) reserve(name string, more int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[name]
	if e == nil || more > 0 && !t.room(e.owner, 0, more) || t.entries[name] == nil { // room sweeps
		return false
	}
	e.size += more
	t.account(e.owner, 0, more)
	return true
}

package openid

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/login"
)

const (
	// maxEntries and maxBytes bound what a table holds.
	maxEntries = 10_000
	maxBytes   = 64 << 20
	// entryCost is what an entry takes beside its contents.
	entryCost = 1 << 10
)

// table keeps things in memory under names that cannot be guessed, each until a time.
type table[T any] struct {
	mu      sync.Mutex
	entries map[string]*entry[T]
	bytes   int
	swept   time.Time
}

type entry[T any] struct {
	value T
	size  int
	until time.Time
}

func newTable[T any]() *table[T] { return &table[T]{entries: map[string]*entry[T]{}} }

// newName returns 256 random bits.
func newName() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return canon.B64(b)
}

// add keeps a value of about size bytes. Errors: *login.Error when there is no room.
func (t *table[T]) add(name string, value T, size int, until time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	size += entryCost
	t.sweep(time.Now(), size)
	if len(t.entries) >= maxEntries || t.bytes+size > maxBytes {
		return login.Later("too many are open")
	}
	t.entries[name] = &entry[T]{value, size, until}
	t.bytes += size
	return nil
}

// sweep removes what is past its time, once a minute or when room is needed.
func (t *table[T]) sweep(now time.Time, need int) {
	if now.Sub(t.swept) < time.Minute && len(t.entries) < maxEntries && t.bytes+need <= maxBytes {
		return
	}
	t.swept = now
	for name, e := range t.entries {
		if !now.Before(e.until) {
			t.drop(name, e)
		}
	}
}

func (t *table[T]) drop(name string, e *entry[T]) {
	delete(t.entries, name)
	t.bytes -= e.size
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
	t.sweep(time.Now(), more)
	e := t.entries[name]
	if e == nil || t.bytes+more > maxBytes {
		return false
	}
	e.size += more
	t.bytes += more
	return true
}

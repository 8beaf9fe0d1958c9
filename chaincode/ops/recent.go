package ops

import "sync"

// generation is the number of entries of a recent in one generation; two are
// kept.
const generation = 8192

// recent remembers what was made of bytes, by these bytes, so that it can never
// be out of date: other bytes are another entry. It holds the last 8,192 entries
// at least and twice as many at most, and may be used by several goroutines at
// once. The zero value is empty.
type recent[V any] struct {
	mu       sync.Mutex
	new, old map[string]V
}

func (r *recent[V]) get(key []byte) (value V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if value, ok = r.new[string(key)]; !ok {
		value, ok = r.old[string(key)]
	}
	return value, ok
}

func (r *recent[V]) put(key []byte, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.new == nil || len(r.new) >= generation {
		r.old, r.new = r.new, make(map[string]V, generation)
	}
	r.new[string(key)] = value
}

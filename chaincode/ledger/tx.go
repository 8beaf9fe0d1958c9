package ledger

import (
	"fmt"
	"slices"
	"sort"
)

// Tx is one transaction over a Store. Create it with Begin.
type Tx struct {
	store   Store
	claimed uint64
	caller  Caller
	reads   map[string][]byte // committed values; nil is "absent"
	writes  map[string]write
	notes   map[string]string
	undo    []undo

	private  Private          // nil: there is none
	privates map[string]write // pending private changes; a nil value purges
	assumed  bool
	missing  []string // contents that do not count as given although others do
}

// write is a pending change of a key; a nil value deletes it.
type write struct{ value []byte }

// undo restores what one change replaced.
type undo struct {
	key     string
	kind    undoKind
	existed bool
	write   write
	text    string
}

// undoKind says what a change was of.
type undoKind uint8

const (
	undoState undoKind = iota
	undoNote
	undoPrivate
)

// Mark is a point to which a Tx can be rolled back.
type Mark int

// Begin starts a transaction at the time that its proposal claims, in seconds
// since 1970. The claimed time decides expiry of operations and nothing else.
func Begin(store Store, claimed uint64, caller Caller) *Tx {
	return &Tx{
		store: store, claimed: claimed, caller: caller,
		reads: map[string][]byte{}, writes: map[string]write{}, notes: map[string]string{},
	}
}

// ClaimedTime returns the time that the transaction claims, in seconds.
func (t *Tx) ClaimedTime() uint64 { return t.claimed }

// Caller returns who submitted the transaction.
func (t *Tx) Caller() Caller { return t.caller }

// Get returns the value of a key as this transaction sees it, nil when there
// is none. The value must not be changed.
func (t *Tx) Get(key string) ([]byte, error) {
	if w, ok := t.writes[key]; ok {
		return w.value, nil
	}
	if value, ok := t.reads[key]; ok {
		return value, nil
	}
	value, err := t.store.Get(key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	t.reads[key] = value
	return value, nil
}

// Has says whether a key has a value.
func (t *Tx) Has(key string) (bool, error) {
	value, err := t.Get(key)
	return value != nil, err
}

// Prefetch reads those of the keys that are not known yet in one call to the
// store, so that later Gets cost nothing.
func (t *Tx) Prefetch(keys []string) error {
	missing := make([]string, 0, len(keys))
	for _, key := range keys {
		if _, ok := t.reads[key]; ok {
			continue
		}
		if _, ok := t.writes[key]; ok {
			continue
		}
		t.reads[key] = nil // so that a key that is named twice is read once
		missing = append(missing, key)
	}
	if len(missing) == 0 {
		return nil
	}
	values, err := t.store.GetMany(missing)
	if err == nil && len(values) != len(missing) {
		err = fmt.Errorf("%d values", len(values))
	}
	if err != nil {
		for _, key := range missing {
			delete(t.reads, key)
		}
		return fmt.Errorf("read %d keys: %w", len(missing), err)
	}
	for i, key := range missing {
		if len(values[i]) > 0 {
			t.reads[key] = values[i]
		}
	}
	return nil
}

// Put sets a key in this transaction. The value is kept, not copied.
func (t *Tx) Put(key string, value []byte) {
	old, existed := t.writes[key]
	t.undo = append(t.undo, undo{key: key, existed: existed, write: old})
	t.writes[key] = write{value}
}

// Delete removes a key in this transaction.
func (t *Tx) Delete(key string) { t.Put(key, nil) }

// Note returns what SetNote last kept under the name, empty when nothing.
func (t *Tx) Note(name string) string { return t.notes[name] }

// SetNote keeps a text for the rest of the transaction. Notes are rolled back
// like writes and never reach the store: they let operations of one batch
// find what an earlier one did.
func (t *Tx) SetNote(name, text string) {
	old, existed := t.notes[name]
	t.undo = append(t.undo, undo{key: name, kind: undoNote, existed: existed, text: old})
	t.notes[name] = text
}

// Mark returns the present point of the transaction.
func (t *Tx) Mark() Mark { return Mark(len(t.undo)) }

// Rollback takes back every change since the mark. Reads stay known.
func (t *Tx) Rollback(mark Mark) {
	for i := len(t.undo) - 1; i >= int(mark); i-- {
		u := t.undo[i]
		switch {
		case u.kind == undoNote && u.existed:
			t.notes[u.key] = u.text
		case u.kind == undoNote:
			delete(t.notes, u.key)
		case u.kind == undoPrivate && u.existed:
			t.privates[u.key] = u.write
		case u.kind == undoPrivate:
			delete(t.privates, u.key)
		case u.existed:
			t.writes[u.key] = u.write
		default:
			delete(t.writes, u.key)
		}
	}
	t.undo = t.undo[:mark]
}

// Range returns at most limit entries with from <= key < to as this
// transaction sees them, ascending.
func (t *Tx) Range(from, to string, limit int) ([]Entry, error) {
	var own []string
	deleted := 0
	for key, w := range t.writes {
		if key >= from && key < to {
			own = append(own, key)
			if w.value == nil {
				deleted++
			}
		}
	}
	slices.Sort(own)
	// Each pending delete can hide at most one stored entry.
	stored, err := t.store.Range(from, to, limit+deleted)
	if err != nil {
		return nil, fmt.Errorf("read range from %s: %w", from, err)
	}
	merged := make([]Entry, 0, min(limit, len(stored)+len(own)))
	for len(merged) < limit && (len(stored) > 0 || len(own) > 0) {
		if len(own) == 0 || (len(stored) > 0 && stored[0].Key < own[0]) {
			merged = append(merged, stored[0])
			stored = stored[1:]
			continue
		}
		if len(stored) > 0 && stored[0].Key == own[0] {
			stored = stored[1:]
		}
		if w := t.writes[own[0]]; w.value != nil {
			merged = append(merged, Entry{own[0], w.value})
		}
		own = own[1:]
	}
	return merged, nil
}

// Prefix returns at most limit entries whose key begins with prefix and comes
// after the key after (empty: from the first), ascending.
func (t *Tx) Prefix(prefix, after string, limit int) ([]Entry, error) {
	from := prefix
	if after != "" {
		from = after + "\x00"
	}
	return t.Range(from, PrefixEnd(prefix), limit)
}

// PrefixEnd returns the smallest string above all strings with this prefix.
// The last byte of the prefix must be below 0x7f; keys of this ledger are
// printable ASCII.
func PrefixEnd(prefix string) string {
	last := len(prefix) - 1
	return prefix[:last] + string(prefix[last]+1)
}

// Changes returns the pending writes in the order of their keys; a nil value
// is a delete.
func (t *Tx) Changes() []Entry {
	changes := make([]Entry, 0, len(t.writes))
	for key, w := range t.writes {
		changes = append(changes, Entry{key, w.value})
	}
	sort.Slice(changes, func(i, j int) bool { return changes[i].Key < changes[j].Key })
	return changes
}

// Flush writes all changes to the store in the order of their keys, and then the
// private ones. The transaction must not be used afterwards.
func (t *Tx) Flush() error {
	for _, change := range t.Changes() {
		if change.Value == nil {
			if err := t.store.Delete(change.Key); err != nil {
				return fmt.Errorf("delete %s: %w", change.Key, err)
			}
			continue
		}
		if len(change.Value) == 0 || change.Key == "" {
			return fmt.Errorf("write %q: empty key or value", change.Key)
		}
		if err := t.store.Put(change.Key, change.Value); err != nil {
			return fmt.Errorf("write %s: %w", change.Key, err)
		}
	}
	return t.flushPrivate()
}

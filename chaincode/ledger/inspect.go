package ledger

import (
	"maps"
	"slices"
)

// Since returns what the keys that changed since the mark hold now, in the order
// of the keys; a nil value is a delete.
func (t *Tx) Since(mark Mark) []Entry {
	changed := map[string]bool{}
	for _, u := range t.undo[mark:] {
		if u.kind == undoState {
			changed[u.key] = true
		}
	}
	var entries []Entry
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		if w, ok := t.writes[key]; ok {
			entries = append(entries, Entry{key, w.value})
		}
	}
	return entries
}

// Seen returns every key that was read by its name with its committed value, nil
// where there is none, in the order of the keys.
func (t *Tx) Seen() []Entry {
	entries := make([]Entry, 0, len(t.reads))
	for _, key := range slices.Sorted(maps.Keys(t.reads)) {
		entries = append(entries, Entry{key, t.reads[key]})
	}
	return entries
}

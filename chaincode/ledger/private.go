package ledger

import (
	"fmt"
	"maps"
	"slices"
)

// Private is what a transaction has besides state: contents that came with its
// proposal and are in no block, and private values, which members keep and of which
// blocks hold hashes. An error gives the call up, as one of a Store does.
type Private interface {
	// Content returns what came with the proposal under the name, nil when nothing did.
	Content(name string) ([]byte, error)
	// GetPrivate returns a private value, nil when there is none. Fabric does not let
	// a transaction that writes do so. Errors: fault.Unavailable when there is one, and
	// not here.
	GetPrivate(key string) ([]byte, error)
	// PutPrivate sets a private value when the transaction commits.
	PutPrivate(key string, value []byte) error
	// PurgePrivate removes a private value with its history everywhere when the
	// transaction commits; an absent one is no error.
	PurgePrivate(key string) error
}

// With gives the transaction its private side. One that has none was given no
// content, and drops what it would write there: who runs a batch again has state only.
func (t *Tx) With(p Private) *Tx {
	t.private = p
	return t
}

// AssumeContents has every content but the missing ones count as given, unseen: whoever
// explains a batch or runs it again does not have them, and what a block says of them is
// their hash. That hash is the value which PutPrivate is then given.
func (t *Tx) AssumeContents(missing ...string) { t.assumed, t.missing = true, missing }

// Content returns the content that came with the transaction under the name, nil when
// none did. assumed says that there counts as one.
func (t *Tx) Content(name string) (content []byte, assumed bool, err error) {
	if t.assumed || t.private == nil {
		return nil, t.assumed && !slices.Contains(t.missing, name), nil
	}
	if content, err = t.private.Content(name); err != nil {
		return nil, false, fmt.Errorf("content %s: %w", name, err)
	}
	return content, false, nil
}

// Private returns a private value as it is committed, nil when there is none. Errors:
// fault.Unavailable.
func (t *Tx) Private(key string) ([]byte, error) {
	if t.private == nil {
		return nil, nil
	}
	value, err := t.private.GetPrivate(key)
	if err != nil {
		return nil, fmt.Errorf("private value %s: %w", key, err)
	}
	return value, nil
}

// PutPrivate sets a private value in this transaction. The value is kept, not copied.
func (t *Tx) PutPrivate(key string, value []byte) {
	if t.privates == nil {
		t.privates = map[string]write{}
	}
	old, existed := t.privates[key]
	t.undo = append(t.undo, undo{key: key, kind: undoPrivate, existed: existed, write: old})
	t.privates[key] = write{value}
}

// Purge removes a private value with its history in this transaction.
func (t *Tx) Purge(key string) { t.PutPrivate(key, nil) }

// PrivateChanges returns the pending private writes in the order of their keys; a nil
// value is a purge.
func (t *Tx) PrivateChanges() []Entry {
	var changes []Entry
	for _, key := range slices.Sorted(maps.Keys(t.privates)) {
		changes = append(changes, Entry{key, t.privates[key].value})
	}
	return changes
}

// flushPrivate writes private changes in the order of their keys.
func (t *Tx) flushPrivate() error {
	if t.private == nil {
		return nil
	}
	for _, change := range t.PrivateChanges() {
		if change.Value == nil {
			if err := t.private.PurgePrivate(change.Key); err != nil {
				return fmt.Errorf("purge %s: %w", change.Key, err)
			}
			continue
		}
		if len(change.Value) == 0 || change.Key == "" {
			return fmt.Errorf("write private %q: empty key or value", change.Key)
		}
		if err := t.private.PutPrivate(change.Key, change.Value); err != nil {
			return fmt.Errorf("write private %s: %w", change.Key, err)
		}
	}
	return nil
}

// MemoryPrivate is the private side in memory. The zero value is empty and ready.
type MemoryPrivate struct {
	Contents map[string][]byte // that came with the transaction to be run
	Values   map[string][]byte
}

// Content returns what is in Contents.
func (m *MemoryPrivate) Content(name string) ([]byte, error) { return m.Contents[name], nil }

// GetPrivate returns a value.
func (m *MemoryPrivate) GetPrivate(key string) ([]byte, error) { return m.Values[key], nil }

// PutPrivate sets a value at once.
func (m *MemoryPrivate) PutPrivate(key string, value []byte) error {
	if m.Values == nil {
		m.Values = map[string][]byte{}
	}
	m.Values[key] = slices.Clone(value)
	return nil
}

// PurgePrivate removes a value at once.
func (m *MemoryPrivate) PurgePrivate(key string) error {
	delete(m.Values, key)
	return nil
}

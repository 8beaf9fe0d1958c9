package ledger

import (
	"fmt"
	"slices"
	"sort"
)

// Memory is a Store in memory, for tests, for tools that rebuild state, and
// for auditors that run batches again. The zero value is empty and ready.
type Memory struct {
	values map[string][]byte
	keys   []string // sorted; valid when not stale
	stale  bool
}

// Get returns the value of a key.
func (m *Memory) Get(key string) ([]byte, error) { return m.values[key], nil }

// GetMany returns the values of many keys.
func (m *Memory) GetMany(keys []string) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i] = m.values[key]
	}
	return values, nil
}

// Put sets a key at once.
func (m *Memory) Put(key string, value []byte) error {
	if key == "" || len(value) == 0 {
		return fmt.Errorf("put %q: empty key or value", key)
	}
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	if _, exists := m.values[key]; !exists {
		m.stale = true
	}
	m.values[key] = slices.Clone(value)
	return nil
}

// Delete removes a key at once.
func (m *Memory) Delete(key string) error {
	if _, exists := m.values[key]; exists {
		delete(m.values, key)
		m.stale = true
	}
	return nil
}

// Range returns entries in the order of their keys.
func (m *Memory) Range(from, to string, limit int) ([]Entry, error) {
	m.sort()
	var entries []Entry
	for i := sort.SearchStrings(m.keys, from); i < len(m.keys) && len(entries) < limit; i++ {
		if m.keys[i] >= to {
			break
		}
		entries = append(entries, Entry{m.keys[i], m.values[m.keys[i]]})
	}
	return entries, nil
}

// Entries returns the whole state in the order of its keys.
func (m *Memory) Entries() []Entry {
	m.sort()
	entries := make([]Entry, len(m.keys))
	for i, key := range m.keys {
		entries[i] = Entry{key, m.values[key]}
	}
	return entries
}

// Clone returns a copy that shares nothing that changes.
func (m *Memory) Clone() *Memory {
	values := make(map[string][]byte, len(m.values))
	for key, value := range m.values {
		values[key] = value
	}
	return &Memory{values: values, stale: true}
}

func (m *Memory) sort() {
	if !m.stale {
		return
	}
	m.keys = m.keys[:0]
	for key := range m.values {
		m.keys = append(m.keys, key)
	}
	slices.Sort(m.keys)
	m.stale = false
}

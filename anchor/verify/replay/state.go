package replay

import (
	"fmt"
	"slices"
	"sort"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// space is where keys live: a namespace, or the hashes of a collection in one.
type space struct{ namespace, collection string }

// value is what a key holds. Of a private key it is the hash of its value.
type value struct {
	bytes []byte
	at    block.Height
}

// overhead is what an entry takes besides key and value, roughly.
const overhead = 160

// state is a peer's state, made again from blocks, in memory. It counts what it takes.
type state struct {
	spaces map[space]*keys
	size   int64
	// written are the keys that the block in hand has written so far; one without bytes is a delete.
	written map[space]map[string]value
}

func newState() *state { return &state{spaces: map[space]*keys{}} }

// keys are the values of a space and their keys in order, in pieces of at most maxPiece.
type keys struct {
	values map[string]value
	pieces [][]string
}

const maxPiece = 512

func (s *state) in(of space) *keys {
	k := s.spaces[of]
	if k == nil {
		k = &keys{values: map[string]value{}}
		s.spaces[of] = k
	}
	return k
}

// put sets a key, or deletes it when v has no bytes, and notes that the block did.
func (s *state) put(of space, key string, v value) {
	if s.written[of] == nil {
		s.written[of] = map[string]value{}
	}
	s.written[of][key] = v
	k := s.in(of)
	old, had := k.values[key]
	if had {
		s.size -= int64(len(key) + len(old.bytes) + overhead)
	}
	if v.bytes != nil {
		s.size += int64(len(key) + len(v.bytes) + overhead)
		k.values[key] = v
		if !had {
			k.insert(key)
		}
		return
	}
	if had {
		delete(k.values, key)
		k.remove(key)
	}
}

// piece returns the piece in which a key is, or belongs.
func (k *keys) piece(key string) int {
	i := sort.Search(len(k.pieces), func(i int) bool { return k.pieces[i][0] > key })
	return max(0, i-1)
}

func (k *keys) insert(key string) {
	if len(k.pieces) == 0 {
		k.pieces = [][]string{{key}}
		return
	}
	i := k.piece(key)
	at, _ := slices.BinarySearch(k.pieces[i], key)
	k.pieces[i] = slices.Insert(k.pieces[i], at, key)
	if p := k.pieces[i]; len(p) > maxPiece {
		half := slices.Clone(p[maxPiece/2:])
		k.pieces[i] = slices.Clip(p[:maxPiece/2])
		k.pieces = slices.Insert(k.pieces, i+1, half)
	}
}

func (k *keys) remove(key string) {
	i := k.piece(key)
	at, found := slices.BinarySearch(k.pieces[i], key)
	if !found {
		return
	}
	if k.pieces[i] = slices.Delete(k.pieces[i], at, at+1); len(k.pieces[i]) == 0 {
		k.pieces = slices.Delete(k.pieces, i, i+1)
	}
}

// between calls visit for the keys from start on and before end, end included if with;
// an empty end is none. It stops when visit says so.
func (k *keys) between(start, end string, with bool, visit func(string, value) bool) {
	if len(k.pieces) == 0 {
		return
	}
	first := k.piece(start)
	for i := first; i < len(k.pieces); i++ {
		at := 0
		if i == first {
			at, _ = slices.BinarySearch(k.pieces[i], start)
		}
		for _, key := range k.pieces[i][at:] {
			if end != "" && (key > end || key == end && !with) || !visit(key, k.values[key]) {
				return
			}
		}
	}
}

// view is the state of one namespace as the chaincode sees it: a ledger.Store that is
// only read.
type view struct{ keys *keys }

func (v view) Get(key string) ([]byte, error) { return v.keys.values[key].bytes, nil }

func (v view) GetMany(keys []string) ([][]byte, error) {
	out := make([][]byte, len(keys))
	for i, key := range keys {
		out[i] = v.keys.values[key].bytes
	}
	return out, nil
}

func (v view) Put(string, []byte) error { return fmt.Errorf("replayed state is only read") }
func (v view) Delete(string) error      { return fmt.Errorf("replayed state is only read") }

func (v view) Range(from, to string, limit int) (entries []ledger.Entry, err error) {
	v.keys.between(from, to, false, func(key string, value value) bool {
		if len(entries) == limit {
			return false
		}
		entries = append(entries, ledger.Entry{Key: key, Value: value.bytes})
		return true
	})
	return entries, nil
}

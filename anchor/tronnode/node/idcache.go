package node

import "github.com/ethereum/go-ethereum/common"

// Bounds of the id cache, as in java-tron.
const (
	maxSeen = 100_000
	seenFor = 60 * 60 * 1000 // ms
)

// idCache remembers transaction ids for an hour, at most the last 100,000. It is
// not in the block file: a restart empties it.
type idCache struct {
	at    map[common.Hash]int64
	order []common.Hash // oldest first
}

// add reports whether the id is new at a time in ms, and remembers it.
func (s *idCache) add(id common.Hash, now int64) bool {
	if s.at == nil {
		s.at = map[common.Hash]int64{}
	}
	for len(s.order) > 0 && (len(s.order) >= maxSeen || now-s.at[s.order[0]] >= seenFor) {
		delete(s.at, s.order[0])
		s.order = s.order[1:]
	}
	if _, ok := s.at[id]; ok {
		return false
	}
	s.at[id] = now
	s.order = append(s.order, id)
	return true
}

package replay

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"math/bits"
	"slices"
	"sort"

	"github.com/killick-ledger/killick/anchor/block"
	"google.golang.org/protobuf/encoding/protowire"
)

// commitHash is the hash that peers chain over blocks: SHA-256 of the validation codes
// behind their number, what the block has made of the keys, and the hash before. Peers
// compute it from the values that a block leaves, so it is computed here from those of
// the replayed state (Fabric's addBlockCommitHash and update_batch_bytes.go).
func (s *state) commitHash(codes, before []byte) []byte {
	h := sha256.New()
	h.Write(protowire.AppendVarint(nil, uint64(len(codes))))
	h.Write(codes)
	spaces := slices.Collect(maps.Keys(s.written))
	sort.Slice(spaces, func(i, j int) bool {
		a, b := spaces[i], spaces[j]
		return a.namespace < b.namespace || a.namespace == b.namespace && a.collection < b.collection
	})
	last := ""
	for _, of := range spaces {
		if of.namespace == "" {
			continue // the configuration, which is none of it
		}
		first := true
		for _, key := range slices.Sorted(maps.Keys(s.written[of])) {
			var w []byte
			if of.namespace != last {
				w = field(w, 1, []byte(of.namespace))
				last = of.namespace
			}
			if first && of.collection != "" {
				w = field(w, 2, []byte(of.collection))
			}
			first = false
			w = update(w, key, s.written[of][key])
			h.Write(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), w))
		}
	}
	h.Write(before)
	return h.Sum(nil)
}

// update appends the fields of a KVWrite.
func update(w []byte, key string, v value) []byte {
	w = field(w, 3, []byte(key))
	if v.bytes == nil {
		w = protowire.AppendVarint(protowire.AppendTag(w, 4, protowire.VarintType), 1)
	}
	w = field(w, 5, v.bytes)
	return field(w, 6, heightBytes(v.at))
}

func field(dst []byte, num protowire.Number, content []byte) []byte {
	if len(content) == 0 {
		return dst
	}
	return protowire.AppendBytes(protowire.AppendTag(dst, num, protowire.BytesType), content)
}

// heightBytes is Fabric's version.Height.ToBytes: each number behind its length, without
// leading zeros.
func heightBytes(h block.Height) (out []byte) {
	for _, n := range []uint64{h.Block, h.Tx} {
		size := (bits.Len64(n) + 7) / 8
		out = append(out, byte(size))
		out = append(out, binary.BigEndian.AppendUint64(nil, n)[8-size:]...)
	}
	return out
}

package replay

import (
	"slices"

	"github.com/killick-ledger/killick/anchor/block"
)

// change is what a transaction makes of one key. Fabric adds up what it writes to the key
// in a byte, and a key that is written twice, which no chaincode does and one member's
// endorsement can, comes out as the sum says (validation.txOps, prepareTxOps): so it does
// here, or the commit hashes of honest peers would be held against them.
type change struct {
	sum   uint8
	value []byte
}

// Summands.
const (
	upserts         = 1
	updatesMetadata = 2
	removesMetadata = 4
	deletes         = 8
)

// configKey is where peers keep the configuration, in no namespace, so that anybody can
// read it there and its version counts (Fabric's peer.ConfigTxProcessor). Its value is nothing
// that replays need.
const configKey = "CHANNEL_CONFIG_ENV_BYTES"

type place struct {
	space
	key string
}

// apply makes a valid transaction's writes.
func (s *state) apply(at block.Height, effects []block.Effects) {
	changes := map[place]change{}
	for _, e := range effects {
		add(changes, space{namespace: e.Namespace}, e.Writes, e.Metadata)
		for _, p := range e.Private {
			add(changes, space{e.Namespace, p.Collection}, p.Writes, p.Metadata)
		}
	}
	for of, c := range changes {
		var content []byte // deleted, unless
		switch metadata := c.sum&(updatesMetadata|removesMetadata) != 0; {
		case c.sum&deletes != 0:
		case c.sum&upserts != 0 && metadata || c.sum|upserts == upserts:
			if c.value == nil {
				continue // summands came to it that are none of a value: nothing is put
			}
			content = slices.Clone(c.value) // the original is a part of the whole block
		default: // a new version of what it holds, if anything
			v, ok := s.in(of.space).values[of.key]
			if !ok {
				continue
			}
			content = v.bytes
		}
		s.put(of.space, of.key, value{content, at})
	}
}

func add(to map[place]change, of space, writes []block.Write, metadata []block.Metadata) {
	for _, w := range writes {
		c := to[place{of, string(w.Key)}]
		if w.Delete == block.Put {
			c.sum, c.value = c.sum+upserts, w.Value
		} else {
			c.sum += deletes
		}
		to[place{of, string(w.Key)}] = c
	}
	for _, m := range metadata {
		c := to[place{of, m.Key}]
		if c.sum += updatesMetadata; m.Removes {
			c.sum += removesMetadata - updatesMetadata
		}
		to[place{of, m.Key}] = c
	}
}

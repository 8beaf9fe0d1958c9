package node

import (
	"net/http"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
)

// For tests of what has vectors elsewhere.
var (
	BlockID    = blockID
	MerkleRoot = merkleRoot
	Unmarshal  = proto.Unmarshal
)

// MaxSeen is how many ids the cache remembers.
const MaxSeen = maxSeen

// IDCache is the cache alone.
type IDCache struct{ idCache }

// Add reports whether the id is new.
func (s *IDCache) Add(id common.Hash, now int64) bool { return s.add(id, now) }

// BlockID returns the id of a block of the chain.
func (c *Chain) BlockID(number uint64) common.Hash { return c.blocks[number].id }

// Handler serves the chain's HTTP side.
func (c *Chain) Handler() http.Handler { return handler(reads{view{c, false}}, reads{view{c, true}}) }

// WalletPaths are those under /wallet.
func WalletPaths(c *Chain) []string {
	r := reads{view{c, false}}
	var out []string
	for _, m := range []map[string]answerer{r.answerers(), wallet{reads: r}.answerers()} {
		for name := range m {
			out = append(out, "/wallet/"+name)
		}
	}
	slices.Sort(out)
	return out
}

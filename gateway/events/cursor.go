package events

import (
	"math"
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// Position is a place between the events of a ledger: everything before item Item
// of transaction Tx of block Block has been seen, and nothing from there on. Tx is
// the transaction's place in the block and Item the operation's place in its
// batch, both from 0. The zero Position is the beginning.
type Position struct {
	Block    uint64
	Tx, Item uint32
}

// Cursor returns the position as text (docs/formats/events.md section 2).
func (p Position) Cursor(network string) string {
	return strings.Join([]string{
		tag(network), strconv.FormatUint(p.Block, 10), strconv.FormatUint(uint64(p.Tx), 10), strconv.FormatUint(uint64(p.Item), 10),
	}, "-")
}

// tag tells the cursors of one ledger from those of others.
func tag(network string) string {
	sum := canon.Sum([]byte(network))
	return canon.Hex(sum[:4])
}

// ParseCursor reads a cursor of the network. Each position has one cursor.
// Errors: fault.InvalidValue, fault.WrongNetwork.
func ParseCursor(network, text string) (Position, error) {
	var p Position
	parts := strings.Split(text, "-")
	if len(text) > 64 || len(parts) != 4 || len(parts[0]) != 8 || strings.Trim(parts[0], "0123456789abcdef") != "" {
		return p, malformed(text)
	}
	var numbers [3]uint64
	for i, limit := range []uint64{math.MaxUint64, math.MaxUint32, math.MaxUint32} {
		n, err := strconv.ParseUint(parts[1+i], 10, 64)
		if err != nil || n > limit || strconv.FormatUint(n, 10) != parts[1+i] {
			return p, malformed(text)
		}
		numbers[i] = n
	}
	if parts[0] != tag(network) {
		return p, fault.New(fault.WrongNetwork, "the cursor %s is of another ledger", text)
	}
	return Position{numbers[0], uint32(numbers[1]), uint32(numbers[2])}, nil
}

func malformed(text string) error {
	return fault.New(fault.InvalidValue, "%.80q is no cursor; give one back as it came with an event", text)
}

// before says whether p comes before q.
func (p Position) before(q Position) bool {
	if p.Block != q.Block {
		return p.Block < q.Block
	}
	if p.Tx != q.Tx {
		return p.Tx < q.Tx
	}
	return p.Item < q.Item
}

package reward

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// A posting holds what one transaction credits in one epoch, shard and asset:
// a line for each payee. It is written once, under the id of the operation that
// began it; an operation runs once, so transactions never meet on a posting and
// need not look whether it is there. One operation that fills it goes on in another,
// under the hash of the id before.
//
// 32 shards: a batch of 500 payments takes 32 keys in place of 500, and whoever
// asks for one payee of an epoch of a million payments reads 1 MB when they came
// in batches, and 3 MB in 31,000 keys when each came alone.
const (
	shards   = 32
	lineSize = 20 + 8 // payee and amount
	// maxPosted bounds the lines of a posting, so that a page of a fold can always
	// take whole postings, and that adding to a large one stays cheap.
	maxPosted = 256
)

// Credit is one credited amount.
type Credit struct {
	Payee  ledger.ID
	Amount Amount
}

func postPrefix(epoch uint64) string { return "post/" + ledger.Hex64(epoch) + "/" }

// shardPrefix begins the keys of the postings in which a payee's credits are.
func shardPrefix(epoch uint64, payee ledger.ID, asset string) string {
	return postPrefix(epoch) + canon.Hex([]byte{payee[0] % shards}) + "/" + asset + "/"
}

// credit adds a credit to the posting that this transaction has begun for the
// payee's shard and the asset, or begins one. Whatever a DID earns comes this way, so
// here the consortium's rule on who may earn is kept. Errors: fault.NotBound.
func credit(tx *ledger.Tx, n *govern.Network, call ledger.Call, epoch uint64, payee ledger.ID, asset string, amount Amount) error {
	if err := n.CheckPayee(tx, payee, asset); err != nil {
		return err
	}
	note := string([]byte{payee[0] % shards}) + asset
	key, by, _ := strings.Cut(tx.Note(note), " ")
	if key != "" {
		posting, err := tx.Get(key)
		if err != nil {
			return err
		}
		at, found := findLine(posting, payee)
		switch {
		case found:
			// A sum that no line can hold begins another posting: what else is in a batch
			// must refuse nobody's payment.
			sum, err := amountOf(posting[at : at+lineSize]).Add(amount)
			if err != nil {
				break
			}
			posting = slices.Clone(posting)
			binary.BigEndian.PutUint64(posting[at+20:], uint64(sum))
			tx.Put(key, posting)
			return nil
		case len(posting) < 2+maxPosted*lineSize:
			longer := append(make([]byte, 0, len(posting)+lineSize), posting[:at]...)
			tx.Put(key, append(appendLine(longer, payee, amount), posting[at:]...))
			return nil
		}
	}
	id := canon.Hex(call.Ref.ID[:])
	own := id
	if by == own {
		// This operation began the full one as well: a key is never written twice.
		next := canon.Sum([]byte(key[len(key)-len(own):]))
		id = canon.Hex(next[:])
	}
	key = shardPrefix(epoch, payee, asset) + id
	tx.SetNote(note, key+" "+own)
	tx.Put(key, appendLine(canon.NewRecord(postType).Bytes(), payee, amount))
	return nil
}

func appendLine(b []byte, payee ledger.ID, amount Amount) []byte {
	return binary.BigEndian.AppendUint64(append(b, payee[:]...), uint64(amount))
}

func amountOf(line []byte) Amount { return Amount(binary.BigEndian.Uint64(line[20:])) }

// findLine returns where a payee's line is in a posting, or where it belongs.
func findLine(posting []byte, payee ledger.ID) (at int, found bool) {
	low, high := 0, (len(posting)-2)/lineSize
	for low < high {
		middle := (low + high) / 2
		at := 2 + middle*lineSize
		switch bytes.Compare(posting[at:at+20], payee[:]) {
		case 0:
			return at, true
		case -1:
			low = middle + 1
		default:
			high = middle
		}
	}
	return 2 + low*lineSize, false
}

// decodePosting reads a stored posting: at least one line, payees ascending.
func decodePosting(value []byte) ([]Credit, error) {
	r := canon.OpenRecord(value, postType)
	count := (len(value) - 2) / lineSize
	if count < 1 {
		return nil, fault.New(fault.Malformed, "a posting without lines")
	}
	credits := make([]Credit, 0, count)
	for i := range count {
		c := Credit{Amount: 0}
		copy(c.Payee[:], r.Fixed(20))
		c.Amount = Amount(r.U64())
		if i > 0 && bytes.Compare(credits[i-1].Payee[:], c.Payee[:]) >= 0 || c.Amount < 1 {
			return nil, fault.New(fault.Malformed, "line %d of a posting is out of order, or not of 1 to 2^63-1", i)
		}
		credits = append(credits, c)
	}
	return credits, r.Done()
}

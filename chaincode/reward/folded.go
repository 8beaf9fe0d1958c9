package reward

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// FoldKey is the state key of how far folding is.
const FoldKey = foldKey

// FoldPlace is how far folding is. The zero value is no place.
type FoldPlace struct{ state foldState }

// DecodeFold reads how far folding is; an absent value is the beginning.
func DecodeFold(value []byte) (FoldPlace, error) {
	p := FoldPlace{foldState{Epoch: 1, Stage: stagePosts}}
	if value == nil {
		return p, nil
	}
	if err := json.Unmarshal(value, &p.state, json.RejectUnknownMembers(true)); err != nil {
		return p, fmt.Errorf("stored fold: %w", err)
	}
	return p, nil
}

// Epoch is the epoch that is folded next, or now.
func (p FoldPlace) Epoch() uint64 { return p.state.Epoch }

// Passed says that folding has added the credits of this posting to what is due.
func (p FoldPlace) Passed(postKey string) bool { return p.state.passed(postKey) }

// Postings returns the keys, from the one to before the other, between which all postings
// are that folding has passed here and had not passed at an earlier place.
func (p FoldPlace) Postings(earlier FoldPlace) (from, to string) {
	return postPrefix(earlier.state.Epoch), ledger.PrefixEnd(postPrefix(p.state.Epoch))
}

// Posting is a stored posting.
type Posting struct {
	Asset string
	Lines []Credit
}

// DecodePosting reads a stored posting from its key and value. Errors: fault.Malformed,
// fault.TrailingData.
func DecodePosting(key string, value []byte) (*Posting, error) {
	asset, err := postedAsset(key)
	if err != nil {
		return nil, err
	}
	lines, err := decodePosting(value)
	return &Posting{asset, lines}, err
}

// DecodeBalance reads a stored balance. Errors: fault.Malformed, fault.TrailingData.
func DecodeBalance(value []byte) (Amount, error) { return decodeAmount(balanceType, value) }

// DecodeDue reads what is due to a payee; an absent value is zero. Errors:
// fault.Malformed, fault.TrailingData.
func DecodeDue(value []byte) (Sum, error) {
	if value == nil {
		return Sum{}, nil
	}
	return decodeSum(dueType, value)
}

// DecodeFunding returns the asset and the lines of a stored funding. Errors:
// fault.Malformed, fault.TrailingData.
func DecodeFunding(value []byte) (asset string, lines []Credit, err error) {
	f, err := decodeFunding(value)
	if err != nil {
		return "", nil, err
	}
	return f.asset, f.lines, nil
}

// DecodeSpan reads a stored span of the emission programme.
func DecodeSpan(value []byte) (*Span, error) {
	s := new(Span)
	if err := json.Unmarshal(value, s, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("stored span: %w", err)
	}
	return s, nil
}

// Less subtracts a total that is not larger; the error says that it is.
func (s Sum) Less(t Sum) (Sum, error) {
	if s.Cmp(t) < 0 {
		return Sum{}, fmt.Errorf("%s less %s", s, t)
	}
	lo := s.Lo - t.Lo
	hi := s.Hi - t.Hi
	if s.Lo < t.Lo {
		hi--
	}
	return Sum{hi, lo}, nil
}

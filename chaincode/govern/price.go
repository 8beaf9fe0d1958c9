package govern

import (
	"strconv"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// Price is a number of micro-units, from 0 to 2^63-1: what somebody asks for something.
type Price int64

// MarshalText writes decimal digits.
func (p Price) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(p), 10), nil }

// UnmarshalText reads decimal digits in their one spelling: no sign, no leading zero.
// Errors: fault.InvalidValue.
func (p *Price) UnmarshalText(text []byte) error {
	v, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || v < 0 || strconv.FormatInt(v, 10) != string(text) {
		return fault.New(fault.InvalidValue, "price %.40q is not decimal digits from 0 to 2^63-1", text)
	}
	*p = Price(v)
	return nil
}

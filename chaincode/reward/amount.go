// Package reward keeps the money of the ledger in double entry: accounts that
// are funded and pay, holds of what is set aside until it is known who gets it,
// credits that are appended and settled by epoch, and the roots from which vaults
// on public chains pay out. Amounts are micro-units of
// a named asset; nothing converts between assets. Sums cannot overflow
// unnoticed, and every micro-unit that treasuries funded is at any time in
// exactly one place, which Audit checks. The package is pure.
//
// State (docs/formats/state.md): balance/, fund/, hold/, post/, due/, rest/, total/,
// subtrees/, epoch/, fold/state, reserve/, payoutsig/, emission/, merit/.
package reward

import (
	"encoding/binary"
	"math/big"
	"math/bits"
	"strconv"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// Amount is a number of micro-units, never negative at rest.
type Amount int64

// Add returns the sum. Errors: fault.Overflow.
func (a Amount) Add(b Amount) (Amount, error) {
	sum, carry := bits.Add64(uint64(a), uint64(b), 0)
	if a < 0 || b < 0 || carry != 0 || int64(sum) < 0 {
		return 0, fault.New(fault.Overflow, "%d and %d are more than 2^63-1", a, b)
	}
	return Amount(sum), nil
}

// Sub returns the difference. Errors: fault.InsufficientFunds.
func (a Amount) Sub(b Amount) (Amount, error) {
	if a < 0 || b < 0 || b > a {
		return 0, fault.New(fault.InsufficientFunds, "%d are there, %d are needed", a, b)
	}
	return a - b, nil
}

// MarshalText writes decimal digits.
func (a Amount) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(a), 10), nil }

// UnmarshalText reads decimal digits in their one spelling: no sign, no
// leading zero. Errors: fault.InvalidValue.
func (a *Amount) UnmarshalText(text []byte) error {
	v, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || v < 0 || strconv.FormatInt(v, 10) != string(text) {
		return fault.New(fault.InvalidValue, "amount %.40q is not decimal digits from 0 to 2^63-1", text)
	}
	*a = Amount(v)
	return nil
}

// Sum is a total of amounts, 128 bits wide, so that no number of credits can
// overflow it.
type Sum struct{ Hi, Lo uint64 }

// Plus adds an amount.
func (s Sum) Plus(a Amount) Sum { return s.Add(Sum{Lo: uint64(a)}) }

// Add adds two totals. There are fewer than 2^64 amounts below 2^63, so the sum
// fits.
func (s Sum) Add(t Sum) Sum {
	lo, carry := bits.Add64(s.Lo, t.Lo, 0)
	hi, _ := bits.Add64(s.Hi, t.Hi, carry)
	return Sum{hi, lo}
}

// Minus subtracts an amount that is not larger. Errors: fault.Internal.
func (s Sum) Minus(a Amount) (Sum, error) {
	lo, borrow := bits.Sub64(s.Lo, uint64(a), 0)
	hi, borrow := bits.Sub64(s.Hi, 0, borrow)
	if borrow != 0 {
		return Sum{}, fault.New(fault.Internal, "a sum would fall below zero")
	}
	return Sum{hi, lo}, nil
}

// Cmp returns -1, 0 or 1 as s is below, equal to or above t.
func (s Sum) Cmp(t Sum) int {
	switch {
	case s.Hi < t.Hi || s.Hi == t.Hi && s.Lo < t.Lo:
		return -1
	case s == t:
		return 0
	}
	return 1
}

// IsZero says whether nothing is in the sum.
func (s Sum) IsZero() bool { return s == Sum{} }

// Bytes returns 16 bytes, big-endian.
func (s Sum) Bytes() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16), s.Hi)
	return binary.BigEndian.AppendUint64(b, s.Lo)
}

// SumOf reads 16 bytes, big-endian.
func SumOf(b []byte) Sum {
	return Sum{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// Big returns the sum as a big integer.
func (s Sum) Big() *big.Int { return new(big.Int).SetBytes(s.Bytes()) }

// String returns decimal digits.
func (s Sum) String() string { return s.Big().String() }

// MarshalText writes decimal digits.
func (s Sum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads decimal digits. Errors: fault.InvalidValue.
func (s *Sum) UnmarshalText(text []byte) error {
	v, ok := new(big.Int).SetString(string(text), 10)
	if !ok || v.Sign() < 0 || v.BitLen() > 128 || v.String() != string(text) {
		return fault.New(fault.InvalidValue, "sum %.60q is not decimal digits below 2^128", text)
	}
	*s = SumOf(v.FillBytes(make([]byte, 16)))
	return nil
}

// share returns floor(due * available / want) and the remainder of that
// division, for available < want and due <= want.
func share(due Sum, available Amount, want Sum) (Amount, Sum) {
	product := new(big.Int).Mul(due.Big(), big.NewInt(int64(available)))
	quotient, remainder := new(big.Int).QuoRem(product, want.Big(), new(big.Int))
	return Amount(quotient.Int64()), SumOf(remainder.FillBytes(make([]byte, 16)))
}

const (
	balanceType = 0x31
	postType    = 0x30
	dueType     = 0x32
	fundType    = 0x33
	reserveType = 0x34
	holdType    = 0x35
	meritType   = 0x36
	epochType   = 0x40
	totalType   = 0x41
	treesType   = 0x42
)

func encodeAmount(typ byte, a Amount) []byte { return canon.NewRecord(typ).U64(uint64(a)).Bytes() }

func decodeAmount(typ byte, value []byte) (Amount, error) {
	r := canon.OpenRecord(value, typ)
	a := r.U64()
	if err := r.Done(); err != nil {
		return 0, err
	}
	if a > 1<<63-1 {
		return 0, fault.New(fault.Internal, "a stored amount is above 2^63-1")
	}
	return Amount(a), nil
}

func encodeSum(typ byte, s Sum) []byte { return canon.NewRecord(typ).Fixed(s.Bytes()).Bytes() }

func decodeSum(typ byte, value []byte) (Sum, error) {
	r := canon.OpenRecord(value, typ)
	b := r.Fixed(16)
	if err := r.Done(); err != nil {
		return Sum{}, err
	}
	return SumOf(b), nil
}

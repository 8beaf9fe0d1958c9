package analysis

import (
	"bytes"
	"math"
	"math/big"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/record"
)

// unit is how many units a number 1 has: values are integers of millionths.
const unit = 1_000_000

// maxValue bounds a number, either way, so that no sum of squares of differences leaves
// 128 bits.
const maxValue = 1_000_000_000_000

// rows returns the objects of a content: one, or those of an array. What is neither has
// none.
func rows(content []byte) []canon.Object {
	content = bytes.TrimSpace(content)
	if one, err := canon.ParseObject(content); err == nil {
		return []canon.Object{one}
	}
	list, err := canon.ParseArray(content)
	if err != nil {
		return nil
	}
	var all []canon.Object
	for _, v := range list {
		if o, ok := v.(canon.Object); ok {
			all = append(all, o)
		}
	}
	return all
}

// value returns the number at a path in millionths, ties to even.
func value(o canon.Object, path string) (int64, bool) {
	names := strings.Split(path[1:], "/")
	for i, name := range names {
		v, ok := o.Find(name)
		if !ok {
			return 0, false
		}
		if i < len(names)-1 {
			if o, ok = v.(canon.Object); !ok {
				return 0, false
			}
			continue
		}
		f, ok := v.(float64)
		if !ok || math.Abs(f) > maxValue {
			return 0, false
		}
		exact := new(big.Rat).SetFloat64(f)
		return rounded(exact.Mul(exact, big.NewRat(unit, 1))).Int64(), true
	}
	return 0, false
}

// rounded is the nearest integer, ties to even.
func rounded(r *big.Rat) *big.Int {
	return divide(r.Num(), r.Denom())
}

// divide is num / den to the nearest integer, ties to even; den is positive.
func divide(num, den *big.Int) *big.Int {
	q, m := new(big.Int).DivMod(num, den, new(big.Int)) // m from 0 to den-1
	switch m.Lsh(m, 1).Cmp(den) {
	case 1:
		q.Add(q, big.NewInt(1))
	case 0:
		q.Add(q, big.NewInt(int64(q.Bit(0))))
	}
	return q
}

// decimal renders millionths without zeros at the end: 1.5, -0.25, 3.
func decimal(v *big.Int) string {
	whole, part := new(big.Int).QuoRem(new(big.Int).Abs(v), big.NewInt(unit), new(big.Int))
	text := whole.String()
	if part.Sign() != 0 {
		digits := part.String()
		text += "." + strings.TrimRight(strings.Repeat("0", 6-len(digits))+digits, "0")
	}
	if v.Sign() < 0 {
		text = "-" + text
	}
	return text
}

// allowed says whether a grant's scope covers every one of the fields.
func allowed(scope, fields []string) bool {
	g := record.Grant{Scope: scope}
	for _, f := range fields {
		if !g.Covers(f) {
			return false
		}
	}
	return true
}

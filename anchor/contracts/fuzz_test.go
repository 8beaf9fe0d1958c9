package contracts_test

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/killick-ledger/killick/anchor/contracts"
)

// What an RPC endpoint answers is read in its exact encoding only, or refused.
func FuzzUnpack(f *testing.F) {
	f.Add(make([]byte, 32))
	f.Add(make([]byte, 96))
	f.Add(bytes.Repeat([]byte{0xff}, 96))
	f.Add(append(contracts.True(), contracts.True()...))
	f.Fuzz(func(t *testing.T, data []byte) {
		word := func(n uint64) []byte { return new(big.Int).SetUint64(n).FillBytes(make([]byte, 32)) }
		if c, err := contracts.UnpackHead(data); err == nil && !bytes.Equal(bytes.Join([][]byte{word(c.Size), c.Root[:], word(c.Time)}, nil), data) {
			t.Errorf("%x is read as %+v", data, c)
		}
		if e, err := contracts.UnpackActive(data); err == nil {
			if again := bytes.Join([][]byte{word(e.Number), e.Root[:], e.Total.FillBytes(make([]byte, 32))}, nil); !bytes.Equal(again, data) {
				t.Errorf("%x is read as %+v", data, e)
			}
		}
		if n, err := contracts.UnpackUint(data); err == nil && !bytes.Equal(n.FillBytes(make([]byte, 32)), data) {
			t.Errorf("%x is read as %v", data, n)
		}
		if len(data) >= 32 {
			first := [32]byte(data)
			if c, err := contracts.ParseAnchored([][32]byte{contracts.AnchoredTopic, first}, data[32:]); err == nil && !bytes.Equal(word(c.Size), first[:]) {
				t.Errorf("%x is read as %+v", data, c)
			}
			if c, err := contracts.ParseClaimed([][32]byte{contracts.ClaimedTopic, first}, data[32:]); err == nil &&
				!bytes.Equal(append(c.Amount.FillBytes(make([]byte, 32)), c.Cumulative.FillBytes(make([]byte, 32))...), data[32:]) {
				t.Errorf("%x is read as %+v", data, c)
			}
		}
		_ = contracts.Reason(data) // must not panic
	})
}

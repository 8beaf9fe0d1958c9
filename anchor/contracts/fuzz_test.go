package contracts_test

import (
	"bytes"
	"testing"

	"github.com/killick-ledger/killick/anchor/contracts"
)

// What an RPC endpoint answers is read in its exact encoding only, or refused.
func FuzzUnpack(f *testing.F) {
	f.Add(make([]byte, 32))
	f.Add(make([]byte, 96))
	f.Add(make([]byte, 128)) // no set has version 0
	f.Add(bytes.Repeat([]byte{0xff}, 96))
	f.Add(append(contracts.True(), contracts.True()...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := contracts.UnpackHead(data); err == nil && !bytes.Equal(bytes.Join([][]byte{word(c.Size), c.Root[:], word(c.Time)}, nil), data) {
			t.Errorf("%x is read as %+v", data, c)
		}
		if e, err := contracts.UnpackActive(data); err == nil {
			if again := bytes.Join([][]byte{word(e.Number), e.Root[:], e.Total.FillBytes(make([]byte, 32))}, nil); !bytes.Equal(again, data) {
				t.Errorf("%x is read as %+v", data, e)
			}
		}
		if n, err := contracts.UnpackNewest(data); err == nil {
			if n.Version == 0 {
				t.Errorf("%x is read as a set without a version", data)
			}
			frozen := word(0)
			if n.Frozen {
				frozen = word(1)
			}
			if again := bytes.Join([][]byte{word(n.Version), n.Hash[:], word(n.From), frozen}, nil); !bytes.Equal(again, data) {
				t.Errorf("%x is read as %+v", data, n)
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

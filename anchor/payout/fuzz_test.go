package payout_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/killick-ledger/killick/anchor/payout"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Amounts and roots of the ledger have one form each.
func FuzzParse(f *testing.F) {
	f.Add(append([]byte{1, 0x41}, 0, 0, 0, 0, 0, 0, 0, 5))
	f.Add(append([]byte{1, 0x34}, 0x80, 0, 0, 0, 0, 0, 0, 5))
	f.Add((&reward.PayoutRoot{Epoch: 1, Attempt: 1, Leaves: 1}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		for typ, parse := range map[byte]func([]byte) (reward.Amount, error){0x41: payout.ParseTotal, 0x34: payout.ParseReserve} {
			a, err := parse(data)
			if again := binary.BigEndian.AppendUint64([]byte{1, typ}, uint64(a)); err == nil && (a < 0 || !bytes.Equal(again, data)) {
				t.Errorf("%x is read as %d", data, a)
			}
		}
		if r, err := payout.ParseRoot(data); err == nil && !bytes.Equal(r.Encode(), data) {
			t.Errorf("%x is read as %+v", data, r)
		}
	})
}

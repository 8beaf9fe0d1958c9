package reward_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Audit finds money that was made, lost or moved, and trees that do not fit.
func TestAuditFinds(t *testing.T) {
	for prefix, id := range map[string]string{
		"balance/": "RW-1", "fund/": "RW-1", "hold/": "RW-13", "total/": "RW-6", "subtrees/": "RW-6", "epoch/eip155": "RW-6", "reserve/": "RW-4",
	} {
		w, bob, _ := epoch(t)
		w.Fund(bob, 8)
		if err := w.Run(func(tx *ledger.Tx, n *govern.Network) error { return reward.Spend(tx, w.Call(bob), n, "usd", 7) }); err != nil {
			t.Fatal(err)
		}
		for _, e := range w.Store.Entries() {
			if !strings.HasPrefix(e.Key, prefix) {
				continue
			}
			value := append([]byte{}, e.Value...)
			switch prefix {
			case "reserve/":
				value[len(value)-1], value[len(value)-2] = 0, 0
			case "epoch/eip155":
				value[20] ^= 1 // in the root
			default:
				value[len(value)-1] ^= 1
			}
			if err := w.Store.Put(e.Key, value); err != nil {
				t.Fatal(err)
			}
		}
		n := network(t, w)
		if err := reward.Audit(ledger.Begin(w.Store, w.Now, ledger.Caller{}), n); err == nil || !strings.Contains(err.Error(), id) {
			t.Errorf("%s changed: %v, want %s", prefix, err, id)
		}
	}
}

func FuzzDecodePostings(f *testing.F) {
	f.Add([]byte("\x03usd\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := reward.DecodePostings(b)
		if err != nil {
			return
		}
		again := append([]byte{byte(len(p.Asset))}, p.Asset...)
		again = binary.BigEndian.AppendUint32(again, uint32(p.Epoch))
		for _, l := range p.Lines {
			again = binary.BigEndian.AppendUint64(append(again, l.Payee[:]...), uint64(l.Amount))
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%x reads as %+v", b, p)
		}
	})
}

func FuzzDecodeHold(f *testing.F) {
	f.Add((&reward.Hold{Asset: "usd", Amount: 5, Paid: 2, Status: reward.HoldReleased}).Encode())
	f.Add([]byte{1, 0x35})
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := reward.DecodeHold(b); err == nil && !bytes.Equal(h.Encode(), b) {
			t.Errorf("%x reads as %+v", b, h)
		}
	})
}

func FuzzDecodeRoot(f *testing.F) {
	f.Add((&reward.PayoutRoot{Epoch: 1, Attempt: 1, Root: [32]byte{1}, Total: reward.SumOf(make([]byte, 16)), Leaves: 3}).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := reward.DecodeRoot(b); err == nil && !bytes.Equal(r.Encode(), b) {
			t.Errorf("%x reads as %+v", b, r)
		}
	})
}

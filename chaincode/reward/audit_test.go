package reward_test

import (
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Audit finds money that was made, lost or moved, and trees that do not fit.
func TestAuditFinds(t *testing.T) {
	for prefix, id := range map[string]string{
		"balance/": "RW-1", "fund/": "RW-1", "total/": "RW-6", "subtrees/": "RW-6", "epoch/eip155": "RW-6", "reserve/": "RW-4",
	} {
		w, _, _ := epoch(t)
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
		if err == nil && len(b) != 11+len(p.Asset)+28*len(p.Lines) {
			t.Errorf("%x reads as %+v", b, p)
		}
	})
}

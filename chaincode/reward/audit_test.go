package reward_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
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

// Audit finds each invariant broken by itself, and goes on to the others.
func TestAuditFindsEach(t *testing.T) {
	first := func(w *opstest.World, prefix string) ledger.Entry {
		for _, e := range w.Store.Entries() {
			if strings.HasPrefix(e.Key, prefix) {
				return e
			}
		}
		t.Fatalf("no %s", prefix)
		return ledger.Entry{}
	}
	change := func(prefix string, edit func(value []byte)) func(w *opstest.World) ledger.Entry {
		return func(w *opstest.World) ledger.Entry {
			e := first(w, prefix)
			e.Value = append([]byte{}, e.Value...)
			edit(e.Value)
			return e
		}
	}
	last := func(value []byte) { value[len(value)-1] ^= 1 }
	for what, c := range map[string]struct {
		id   string
		edit func(w *opstest.World) ledger.Entry
	}{
		"a balance of one more":        {"RW-1", change("balance/", last)},
		"a funding of one more":        {"RW-1", change("fund/", last)},
		"a credit of one more":         {"RW-1", change("post/0000000000000002/", last)},
		"a negative balance":           {"RW-3", change("balance/", func(v []byte) { v[2] ^= 0x80 })},
		"a credit of nothing":          {"RW-3", change("post/0000000000000002/", func(v []byte) { clear(v[len(v)-8:]) })},
		"a balance that is no balance": {"RW-3", change("balance/", func(v []byte) { v[1] ^= 1 })},
		"money in an asset of nobody": {"RW-2", func(w *opstest.World) ledger.Entry {
			e := first(w, "balance/")
			return ledger.Entry{Key: e.Key[:strings.LastIndex(e.Key, "/")] + "/euro", Value: e.Value}
		}},
		"a posting of an epoch to come": {"RW-5", func(w *opstest.World) ledger.Entry {
			e := first(w, "post/0000000000000002/")
			return ledger.Entry{Key: strings.Replace(e.Key, "0000000000000002", "0000000000000009", 1), Value: e.Value}
		}},
		"a remainder outside of folding": {"RW-7", func(w *opstest.World) ledger.Entry {
			return ledger.Entry{Key: "rest/" + opstest.EVMVault + "/00", Value: []byte{1}}
		}},
		"a hold that gives too early":             {"RW-13", change("hold/", func(v []byte) { v[len(v)-9] = byte(reward.HoldReleased); v[len(v)-10] = 1 })},
		"a hold that is due before it is settled": {"RW-13", change("hold/", last)},
	} {
		w, bob, _ := epoch(t)
		w.Fund(bob, 8)
		if err := w.Run(func(tx *ledger.Tx, n *govern.Network) error { return reward.Spend(tx, w.Call(bob), n, "usd", 7) }); err != nil {
			t.Fatal(err)
		}
		w.Do(bob, &ops.RewardWithdraw{Asset: "usd", Amount: 1}, "")
		e := c.edit(w)
		if err := w.Store.Put(e.Key, e.Value); err != nil {
			t.Fatal(err)
		}
		report := reward.Examine(ledger.Begin(w.Store, w.Now, ledger.Caller{}), network(t, w))
		if found := errors.Join(report.Broken...); found == nil || !strings.Contains(found.Error(), c.id) || len(report.Books) == 0 {
			t.Errorf("%s: %v, want %s", what, found, c.id)
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

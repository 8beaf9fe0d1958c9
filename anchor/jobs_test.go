package main

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// AR-1: of holds the index keeps those of which something is owed, tells those that are due
// from the others to the second, and forgets what is returned or taken.
func TestIndexOfHolds(t *testing.T) {
	x, err := openIndex(filepath.Join(t.TempDir(), "index.db"), "killick", 600)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	number := uint64(0)
	write := func(ref string, h reward.Hold) {
		t.Helper()
		h.Asset, h.Amount = "usd", 10
		tx := block.Tx{Type: block.TypeEndorser, Chaincode: "killick", Writes: []block.Write{{Namespace: "killick", Key: []byte("hold/" + ref), Value: h.Encode()}}}
		if err := x.add(t.Context(), &block.Block{Number: number, Txs: []block.Tx{tx}}); err != nil {
			t.Fatal(err)
		}
		number++
	}
	want := func(elapsed, next uint64, holds ...string) {
		t.Helper()
		got, at, err := x.owed(t.Context(), elapsed)
		slices.Sort(got)
		if err != nil || !slices.Equal(got, holds) || at != next {
			t.Errorf("at %d %v are due, and the next at %d, want %v and %d: %v", elapsed, got, at, holds, next, err)
		}
	}
	want(0, 0)
	for _, ref := range []string{"a", "b", "c", "d"} {
		write(ref, reward.Hold{Status: reward.HoldOpen})
	}
	want(1<<40, 0)
	write("a", reward.Hold{Status: reward.HoldReleased})
	write("b", reward.Hold{Status: reward.HoldReleased, Due: 9, Paid: 3})
	write("c", reward.Hold{Status: reward.HoldReleased, Due: 300})
	write("d", reward.Hold{Status: reward.HoldReleased, Due: 300, Paid: 10})
	want(0, 9, "a")
	want(8, 9, "a")
	want(9, 300, "a", "b")
	want(299, 300, "a", "b")
	want(300, 0, "a", "b", "c")
	want(1<<40, 0, "a", "b", "c")
	write("a", reward.Hold{Status: reward.HoldReturned, Returned: 10})
	write("b", reward.Hold{Status: reward.HoldReleased, Due: 9, Paid: 10})
	want(299, 300)
	write("c", reward.Hold{Status: reward.HoldReturned, Due: 300, Returned: 10})
	want(300, 0)
	if left, err := x.states(t.Context(), "hold/"); err != nil || len(left) != 0 {
		t.Errorf("%v are kept: %v", left, err)
	}
}

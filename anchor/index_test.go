package main

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// Blocks and events come at the same time, from different loops.
func TestIndexHasTwoWriters(t *testing.T) {
	x, err := openIndex(filepath.Join(t.TempDir(), "index.db"), "killick", 600)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	const n = 200
	contract := canon.Account{Chain: "eip155:1", Address: [20]byte{1}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range uint64(n) {
			id := canon.Sum(fmt.Append(nil, i))
			b := &block.Block{Number: i, Txs: []block.Tx{{ID: canon.Hex(id[:]), Type: block.TypeEndorser, Chaincode: "killick"}}}
			if err := x.add(t.Context(), b); err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Go(func() {
		for i := range uint64(n) {
			e := event{Contract: contract, Number: i, Landing: log.Landing{Block: i}}
			if err := x.addEvents(t.Context(), "eip155:1", []event{e}, i+1); err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Wait()
	next, err := x.next(t.Context())
	if err != nil || next != n {
		t.Errorf("next block %d, %v", next, err)
	}
	if e, ok, err := x.newestEvent(t.Context(), contract.String()); err != nil || !ok || e.Number != n-1 {
		t.Errorf("newest event %+v, %v, %v", e, ok, err)
	}
}

// An id that a later, void transaction states again still finds the valid one.
func TestIndexFindsTheValidTransaction(t *testing.T) {
	x, err := openIndex(filepath.Join(t.TempDir(), "index.db"), "killick", 600)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	id := canon.Sum([]byte("id"))
	for i, code := range []uint8{11, 0, 32} {
		tx := block.Tx{ID: canon.Hex(id[:]), Type: block.TypeEndorser, Chaincode: "killick", Code: code}
		if err := x.add(t.Context(), &block.Block{Number: uint64(i), Txs: []block.Tx{tx}}); err != nil {
			t.Fatal(err)
		}
	}
	if at, ok, err := x.findTx(t.Context(), id[:]); err != nil || !ok || at.block != 1 {
		t.Errorf("found %+v, %v, %v", at, ok, err)
	}
	if err := x.add(t.Context(), &block.Block{Number: 7}); err == nil {
		t.Error("a gap was indexed")
	}
}

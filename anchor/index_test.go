package main

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
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

// A rotation ends what the set before had cosigned of the next one's sizes, and a member
// of both counts with what it signed for the set in force; below, all stays.
func TestIndexOfTwoSets(t *testing.T) {
	x, err := openIndex(filepath.Join(t.TempDir(), "index.db"), "killick", 600)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	root := canon.Sum([]byte("root"))
	number := uint64(0)
	write := func(writes ...[2]string) {
		t.Helper()
		tx := block.Tx{Type: block.TypeEndorser, Chaincode: "killick"}
		for _, w := range writes {
			tx.Writes = append(tx.Writes, block.Write{Namespace: "killick", Key: []byte(w[0]), Value: []byte(w[1])})
		}
		if err := x.add(t.Context(), &block.Block{Number: number, Txs: []block.Tx{tx}}); err != nil {
			t.Fatal(err)
		}
		number++
	}
	cosig := func(size, set uint64, msp string, fill byte) [2]string {
		text := func(n int) string {
			return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(fill)), n)))
		}
		return [2]string{
			fmt.Sprintf("cosig/%016x/%s/%016x/%016x/%s", size, canon.Hex(root[:]), 5, set, msp),
			fmt.Sprintf(`{"ed25519":%q,"secp256k1":%q}`, text(64), text(65)),
		}
	}
	signed := func(size uint64) (all string) {
		t.Helper()
		by, err := x.cosignatures(t.Context(), point{Size: size, Root: root, Time: 5})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range by {
			all += s.MSP + string(s.Ed25519[:1]) + " "
		}
		return all
	}
	write(cosig(7, 1, "A", '1'), cosig(7, 1, "B", '1'), cosig(9, 1, "A", '1'), cosig(9, 1, "B", '1'))
	write([2]string{"rotation/next", `{"version":2,"from":8,"k":1,"members":[]}`})
	if got := signed(9); got != "A1 B1 " {
		t.Errorf("before the rotation: %s", got)
	}
	write([2]string{"rotation/0000000000000001", `{"version":1,"from":1,"k":1,"members":[],"signers":[]}`},
		[2]string{"rotation/0000000000000002", `{"version":2,"from":8,"k":1,"members":[],"signers":["A"]}`})
	if got := signed(9); got != "" {
		t.Errorf("after the rotation: %s", got)
	}
	write(cosig(9, 2, "B", '2'), cosig(9, 2, "C", '2'))
	if got, before := signed(9), signed(7); got != "B2 C2 " || before != "A1 B1 " {
		t.Errorf("by the next set: %s, below: %s", got, before)
	}
}

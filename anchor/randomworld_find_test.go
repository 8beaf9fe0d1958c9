package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// What would be wrong at the end of a random world is found: each case makes one thing wrong
// in a world in which nothing was.
func TestRandomWorldsAreChecked(t *testing.T) {
	rw := &randomWorld{r: rand.New(rand.NewPCG(3, 8)), orgs: map[string]*organisation{}}
	rw.found(t)
	rw.heal()
	rw.handOver()
	rw.goesOn()
	if wrong := rw.check(); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	ch, end := rw.chains[0], rw.blocks[len(rw.blocks)-1]
	of := rw.order[slices.IndexFunc(rw.order, func(o *organisation) bool { return o.bad == "" })]
	zero, first := fmt.Sprintf("%064x", 0), rw.root(1)
	write := func(key, value string) func() func() {
		return func() func() {
			was := end.Txs[0].Writes
			end.Txs[0].Writes = append(slices.Clone(was), block.Write{Namespace: "killick", Key: []byte(key), Value: []byte(value)})
			return func() { end.Txs[0].Writes = was }
		}
	}
	again := func(by string, times int) func() func() {
		return func() func() {
			b := &ch.blocks[len(ch.blocks)-1]
			was, had := b.calls, b.txs
			b.txs = maps.Clone(had)
			for _, other := range ch.blocks {
				for _, c := range other.calls {
					for range times {
						c.By, c.ID[0] = by, c.ID[0]+1
						b.calls = append(slices.Clone(b.calls), c)
						b.txs[c.ID] = true
					}
				}
			}
			return func() { b.calls, b.txs = was, had }
		}
	}
	for name, begin := range map[string]func() func(){
		"a signature that did not get there": func() func() {
			rw.tried = append(rw.tried, cosigned{of.msp, 3, zero, 0})
			return func() { rw.tried = rw.tried[:len(rw.tried)-1] }
		},
		"a signature after a larger one": func() func() {
			rw.tried = append(rw.tried, cosigned{of.msp, 1, canon.Hex(first[:]), 0})
			return func() { rw.tried = rw.tried[:len(rw.tried)-1] }
		},
		"a signature of another time": func() func() {
			was := rw.tried[0].off
			rw.tried[0].off = -31 * time.Second
			return func() { rw.tried[0].off = was }
		},
		"a signature":           write("cosig/"+fmt.Sprintf("%016x", 3)+"/"+zero+"/0/"+of.msp, ""),
		"a checkpoint":          write("checkpoint/9", `{"number":9,"size":3,"root":"`+zero+`","time":1,"signers":[]}`),
		"a set too much":        write("rotation/0000000000000009", ""),
		"a hand-over again":     write("rotationsig/0000000000000002/"+of.msp, ""),
		"paid for twice":        again(of.msp, 3+of.lost),
		"another root":          func() func() { return ch.change(func(b *chainBlock) { b.head.Root[0] ^= 1 }) },
		"another set":           func() func() { return ch.change(func(b *chainBlock) { b.sets = append(b.sets, b.sets[0]) }) },
		"frozen without reason": func() func() { return ch.change(func(b *chainBlock) { b.freeze() }) },
		"a call that fails": func() func() {
			b := &ch.blocks[len(ch.blocks)-1]
			was, had := b.calls, b.txs
			b.calls, b.txs = []chainTx{{By: of.msp, To: ch.anchorLog.Address, Raw: rw.unsigned(ch)}}, map[[32]byte]bool{{}: true}
			return func() { b.calls, b.txs = was, had }
		},
	} {
		end := begin()
		if len(rw.check()) == 0 {
			t.Errorf("%s: nothing is wrong", name)
		}
		end()
		if wrong := rw.check(); len(wrong) > 0 {
			t.Fatalf("after %s: %q", name, wrong)
		}
	}
	m := of.at[0]
	if _, err := m.index.db.Exec(`UPDATE cosig SET ed = zeroblob(64)`); err != nil {
		t.Fatal(err)
	}
	if len(rw.checkNotes(m)) == 0 {
		t.Error("notes are served with bad signatures")
	}
	rw.tickFor(time.Second)
}

// unsigned is a call to anchor what nobody has signed.
func (rw *randomWorld) unsigned(ch *fakeChain) []byte {
	all := rw.accepted()
	return rw.submit(ch, all[len(all)-1])
}

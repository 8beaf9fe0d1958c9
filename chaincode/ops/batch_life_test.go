package ops_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// life is a DID with all keys that ever acted for it and all its recovery keys, the
// newest last.
type life struct {
	*opstest.User
	acting   []opstest.Signer
	recovery []opstest.Key
}

// lives is a history in which keys are replaced, recovered and ended, and old ones go
// on signing.
type lives struct {
	world  *opstest.World // signs
	shadow *opstest.World // is ahead: has every item so far
	random *rand.Rand
	all    []*life
	items  []ops.Item
	done   map[string]int // by operation
}

func newLives(t *testing.T, w *opstest.World, random *rand.Rand) *lives {
	h := &lives{world: w, random: random, done: map[string]int{}}
	for i := range 8 {
		u := opstest.NewUser(fmt.Sprint("life ", i))
		h.all = append(h.all, &life{u, []opstest.Signer{u}, []opstest.Key{u.Recovery}})
		if i > 1 {
			w.Create(u, "eip155:1337")
		}
		if i > 3 {
			w.Do(u, &ops.DIDDeactivate{}, "")
		}
	}
	w.SetElapsed(did.Delay) // four can be completed
	h.shadow = w.Clone(t)
	return h
}

// newest picks mostly the last one.
func newest[V any](r *rand.Rand, list []V) V {
	if r.IntN(4) == 0 {
		return list[r.IntN(len(list))]
	}
	return list[len(list)-1]
}

// play adds an operation and says whether it is done.
func (h *lives) play(name string, by opstest.Signer, body ops.Body, prior string) bool {
	item, _ := h.world.Sign(by, body, prior)
	h.items = append(h.items, item)
	done := h.shadow.Batch(item)[0] == byte(fault.OK)
	if done {
		h.done[name]++
	}
	return done
}

func (h *lives) step() {
	l, r, n := h.all[h.random.IntN(len(h.all))], h.random, len(h.items)
	by, with := newest(r, l.acting), newest(r, l.recovery)
	fragment, alg := fmt.Sprint("k", n), did.Algorithms[n%3]
	key, spare := opstest.NewKey(fmt.Sprint("key ", n), alg), opstest.NewKey(fmt.Sprint("spare ", n), alg)
	switch r.IntN(16) {
	case 0, 1:
		stored, _ := h.shadow.Store.Get(did.Key(l.ID))
		if h.play("did.update", by, &ops.DIDUpdate{Document: opstest.Document(fragment, key)}, ledger.Version(stored)) {
			l.acting = append(l.acting, l.With(key, fragment))
		}
	case 2, 3:
		if r.IntN(2) == 0 {
			fragment, key = "k", opstest.NewKey(fmt.Sprint("key ", n), did.EdDSA) // #k names another key from then on
		}
		body := &ops.DIDRecover{Key: with.Multikey, Document: opstest.Recoverable(spare, fragment, key)}
		if h.play("did.recover", l.With(with, did.RecoveryFragment), body, "") {
			l.acting, l.recovery = append(l.acting, l.With(key, fragment)), append(l.recovery, spare)
		}
	case 4:
		h.play("did.deactivate", by, &ops.DIDDeactivate{}, "")
	case 5:
		if r.IntN(12) == 0 {
			h.play("did.deactivate", l.With(with, did.RecoveryFragment), &ops.DIDDeactivate{Key: with.Multikey}, "")
		}
	case 6:
		h.play("did.complete", by, &ops.DIDComplete{DID: h.all[r.IntN(len(h.all))].DID}, "")
	case 7:
		h.play("did.create", l, &ops.DIDCreate{Document: l.Doc, Links: []did.Link{l.Link("eip155:1337")}}, "")
	case 8, 9, 10:
		if n > 0 { // again
			h.items = append(h.items, h.items[r.IntN(n)])
			h.shadow.Batch(h.items[n])
		}
	default:
		h.play("record.submit", by, opstest.Submit(fmt.Sprint(n)), "")
	}
}

// OP-5: however a history of keys that come and go is split into batches, each
// operation finds the keys of its place in it.
func TestAnySplitOfLivesGivesTheSameState(t *testing.T) {
	done := map[string]int{}
	for seed := range uint64(6) {
		w := opstest.New(t)
		random := rand.New(rand.NewPCG(seed, 10))
		h := newLives(t, w, random)
		h.done = done
		for len(h.items) < 80 {
			h.step()
		}
		sameInAnySplit(t, w, random, h.items)
	}
	for _, name := range []string{"did.create", "did.update", "did.recover", "did.deactivate", "did.complete", "record.submit"} {
		if done[name] < 3 {
			t.Errorf("%s was done %d times: the histories try little", name, done[name])
		}
	}
}

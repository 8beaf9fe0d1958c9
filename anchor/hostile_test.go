package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// spammer makes the last member hostile and waits for the first checkpoint.
func spammer(t *testing.T) (*world, *fakeMember) {
	w := newWorld(t)
	w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
	w.members[3].asleep = true
	return w, w.members[3]
}

func TestSenselessCandidatesDelayNothing(t *testing.T) {
	for name, candidate := range map[string]func(w *world) (size uint64, root [32]byte, at time.Time){
		"beyond the log": func(w *world) (uint64, [32]byte, time.Time) { return 1 << 40, [32]byte{1}, w.now },
		"another root": func(w *world) (uint64, [32]byte, time.Time) {
			return w.head().Size + 1, canon.Sum([]byte(w.now.String())), w.now
		},
		"another time": func(w *world) (uint64, [32]byte, time.Time) {
			root, _ := w.members[0].log.Root(w.head().Size + 1)
			return w.head().Size + 1, root, w.now.Add(time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, hostile := spammer(t)
			w.cutRecord()
			from := w.head().Number
			for end := w.now.Add(40 * time.Second); w.now.Before(end) && w.head().Number == from; w.tick() {
				if w.now.Nanosecond() == 0 {
					size, root, at := candidate(w)
					if err := w.lie(hostile, size, root, at); err != nil {
						t.Fatal(err)
					}
				}
			}
			if w.head().Number == from {
				t.Error("no checkpoint while candidates that nobody can sign keep coming")
			}
		})
	}
}

// One step signs one candidate, the largest: a member that puts many cannot make
// the others sign them all.
func TestOneSignatureForManyCandidates(t *testing.T) {
	w, hostile := spammer(t)
	w.tick() // all have seen the head: what comes later may be left out
	ctx := context.Background()
	for range 12 {
		w.cut(block.Tx{Type: block.TypeEndorser, Code: 11})
	}
	for _, m := range w.members[:3] {
		if err := m.catchUp(ctx); err != nil {
			t.Fatal(err)
		}
	}
	head := w.head()
	for i := range uint64(10) {
		root, err := w.members[0].log.Root(head.Size + 1 + i)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.lie(hostile, head.Size+1+i, root, time.Unix(int64(head.Time+1+i), 0)); err != nil {
			t.Fatal(err)
		}
	}
	m := w.members[0]
	if err := m.catchUp(ctx); err != nil {
		t.Fatal(err)
	}
	before := len(w.blocks)
	m.step()
	signed := 0
	for _, b := range w.blocks[before:] {
		if string(b.Txs[0].Args[0]) == "checkpoint:Cosign" {
			signed++
		}
	}
	if signed != 1 {
		t.Errorf("%d cosignatures in one step, want 1", signed)
	}
}

// A checkpoint that was not chosen for the public chains, taken there by somebody,
// is proved from like any other.
func TestAnchoredByAStranger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	w.cutRecord()
	of := uint64(len(w.blocks))
	w.until("covered by a checkpoint", 20*time.Second, func() bool { return w.head().Size >= of })
	w.tick()
	m := w.members[0]
	p, err := m.index.head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, ch := range w.chains {
		data := w.submit(ch, p)
		ch.pool = append(ch.pool, chainTx{ID: canon.Sum([]byte(ch.id)), By: "stranger", To: send.Address(ch.anchorLog.Address), Raw: data})
	}
	w.until("anchored by the stranger", time.Minute, func() bool { return w.anchored(p.Size) })
	w.cutRecord()
	w.tickFor(90 * time.Second) // later checkpoints, receipts
	w.proves(of - 1)
}

// weak makes an Ed25519 signature that holds by ZIP-215 and not by RFC 8032 as
// Go's library and so every auditor reads it: R is a point of order two.
func weak(key ed25519.PrivateKey, message []byte) []byte {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	little := func(b []byte) *big.Int {
		b = slices.Clone(b)
		slices.Reverse(b)
		return new(big.Int).SetBytes(b)
	}
	h := sha512.Sum512(key.Seed())
	h[0] &= 248
	h[31] = h[31]&63 | 64
	r := append(append([]byte{0xec}, slices.Repeat([]byte{0xff}, 30)...), 0x7f)
	k := sha512.Sum512(slices.Concat(r, key.Public().(ed25519.PublicKey), message))
	s := new(big.Int).Mul(little(k[:]), little(h[:32]))
	out := s.Mod(s, order).FillBytes(make([]byte, 32))
	slices.Reverse(out)
	return append(r, out...)
}

// What auditors' programs do not take as a signature must not count on the ledger.
func TestSignaturesOfAnotherRuleSet(t *testing.T) {
	w, hostile := spammer(t)
	w.cutRecord()
	w.tick()
	size := w.head().Size + 1
	root, err := w.members[0].log.Root(size)
	if err != nil {
		t.Fatal(err)
	}
	c := log.Checkpoint{Network: network, LogID: w.blocks[0].HeaderHash, Size: size, Root: root, Time: uint64(w.now.Unix())}
	s, err := hostile.keys.sign(context.Background(), w.policy().Set(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.execute(hostile.keys.msp, "checkpoint:Cosign", map[string]any{
		"size": size, "root": canon.Hex(root[:]), "time": c.Time,
		"ed25519":   base64.StdEncoding.EncodeToString(weak(hostile.keys.cosign, c.CosignedMessage())),
		"secp256k1": base64.StdEncoding.EncodeToString(s.Secp256k1[:]),
	})
	if err == nil || !strings.Contains(err.Error(), "bad_signature") {
		t.Errorf("the ledger takes a signature that no note holds: %v", err)
	}
	w.until("the next checkpoint", 20*time.Second, func() bool { return w.head().Size >= size })
	w.tick()
	m := w.members[0]
	p, err := m.index.head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.note(context.Background(), p); err != nil {
		t.Error(err)
	}
}

func TestEverLargerCandidates(t *testing.T) {
	w, hostile := spammer(t)
	from, at := w.head(), w.head().Time
	for end := w.now.Add(40 * time.Second); w.now.Before(end) && w.head().Number == from.Number; w.tick() {
		if at < uint64(w.now.Unix())+29 && w.now.Nanosecond()%400_000_000 == 0 {
			at++
			size, err := w.members[0].size(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			root, err := w.members[0].log.Root(size)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.lie(hostile, size, root, time.Unix(int64(at), 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if took := w.now.Unix() - int64(from.Time); w.head().Number == from.Number || took > 15 {
		t.Errorf("no checkpoint for %d s while each candidate is followed by a larger one", took)
	}
}

// Fabric voids an acceptance when a cosignature that it names was written after it
// was endorsed: a member must not be able to write its own again and again.
func TestCosignaturesAreWrittenOnce(t *testing.T) {
	w, hostile := spammer(t)
	at := w.now
	for i, want := range []int{1, 0, 0} {
		if err := w.lie(hostile, 1<<20, [32]byte{1}, at); err != nil {
			t.Fatal(err)
		}
		if got := len(w.blocks[len(w.blocks)-1].Txs[0].Writes); got != want {
			t.Errorf("cosignature %d: %d writes, want %d", i, got, want)
		}
	}
}

// A clock that was ahead for a while and is right again costs nothing afterwards,
// although what was signed then is of a time that has not come.
func TestClockWasAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
	for _, m := range w.members[:2] {
		m.now = func() time.Time { return w.now.Add(time.Hour) }
	}
	w.cutRecord()
	w.tickFor(time.Minute)
	for _, m := range w.members[:2] {
		m.now = func() time.Time { return w.now }
		m.stop()
		m.start()
	}
	from := w.head().Number
	w.until("checkpoints again", 2*time.Minute, func() bool { return w.head().Number > from })
}

// What an endpoint shows is an alarm; what the contract holds stops the sending.
func TestLyingEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	ch := w.chains[0]
	ch.lie = event{Contract: ch.anchorLog, Number: 2, Root: [32]byte{6}, Landing: log.Landing{Block: 1}}
	w.tickFor(3 * time.Second)
	m := w.members[0]
	if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, "an endpoint shows root 06") || strings.Contains(a, "halted") {
		t.Errorf("alarms %q", a)
	}
	ch.lie = event{}
	w.tickFor(3 * time.Second)
	if a := m.alarms.list(); len(a) > 0 {
		t.Errorf("alarms %q after the lie", a)
	}
}

// An endpoint that lies about events, serves none, or names a final block that there will
// never be, hides no fork.
func TestBadEventsHideNoFork(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]func(ch *fakeChain){
		"lies":    func(ch *fakeChain) { ch.lie = event{Contract: ch.anchorLog, Number: 2, Root: [32]byte{6}} },
		"none":    func(ch *fakeChain) { ch.mute = true },
		"endless": func(ch *fakeChain) { ch.ends = 1 << 60 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
			ch := w.chains[0]
			for range 3 {
				ch.mine() // there is something to read
			}
			bad(ch)
			ch.change(func(b *chainBlock) { b.sets[0].Frozen = true })
			for _, m := range w.members {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				_ = (&watch{anchor: m.anchor, chain: m.chains[ch.id]}).look(ctx)
				cancel()
				if alarms, err := m.sender.Alarms(t.Context()); err != nil || !strings.Contains(strings.Join(alarms, "\n"), "is halted: frozen") {
					t.Errorf("%s: alarms %q, %v", m.keys.msp, alarms, err)
				}
			}
		})
	}
}

// Behind one URL one node may know that a block is final and another one may not
// have it.
func TestLaggingEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
	for _, ch := range w.chains {
		ch.lags = true
	}
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	w.tickFor(3 * time.Second)
	for _, ch := range w.chains {
		ch.lags = false
	}
	w.tickFor(10 * time.Second)
	w.proves(1)
}

// A bundle needs one checkpoint on all chains. Somebody who is always in front with
// another one on one chain cannot prevent that.
func TestChainsMeet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	m, ch := w.members[0], w.chains[0]
	for _, m := range w.members {
		m.index.post = 20
	}
	w.cutRecord()
	of := uint64(len(w.blocks))
	w.tick()
	for second := range 150 {
		w.cutRecord()
		for range 4 {
			w.tick()
		}
		p, err := m.index.head(t.Context())
		at, _, _ := m.index.toPost(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if ch.full = second%7 != 0 || p.Size == at.Size; !ch.full {
			data := w.submit(ch, p)
			ch.pool = slices.Insert(ch.pool, 0, chainTx{ID: canon.Sum(data), By: "stranger", To: send.Address(ch.anchorLog.Address), Raw: data})
		}
		w.tick()
	}
	w.proves(of - 1)
}

// A member whose clock is as far ahead as the others allow does not make them wait
// for its time to come.
func TestTimeAheadIsNotWaitedFor(t *testing.T) {
	w, hostile := spammer(t)
	w.cutRecord()
	w.tick()
	size, err := w.members[0].size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	root, err := w.members[0].log.Root(size)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.lie(hostile, size, root, w.now.Add(29*time.Second)); err != nil {
		t.Fatal(err)
	}
	w.until("accepted", 5*time.Second, func() bool { return w.head().Size == size })
	from := w.head().Number
	w.cutRecord()
	w.until("the next checkpoint", 15*time.Second, func() bool { return w.head().Number > from })
}

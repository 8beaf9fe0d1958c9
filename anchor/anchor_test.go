package main

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/payout"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// do applies a user's operation.
func (w *world) do(u *opstest.User, body ops.Body) {
	w.t.Helper()
	now := uint64(w.now.Unix())
	item, _, err := ops.SignRequest(ops.Request{Network: network, IssuedAt: now, Expires: now + 3600, Body: body}, u)
	if err != nil {
		w.t.Fatal(err)
	}
	frame, err := ops.EncodeFrame([]ops.Item{item})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.execute("Org1MSP", "ops:Batch", frame); err != nil {
		w.t.Fatal(err)
	}
	if got := w.blocks[len(w.blocks)-1].Txs[0].Response; len(got) != 1 || got[0] != 0 {
		w.t.Fatalf("%T: result %x", body, got)
	}
}

func (w *world) anchored(size uint64) bool {
	for _, ch := range w.chains {
		if ch.block(send.Final).head.Size < size {
			return false
		}
	}
	return true
}

func TestCheckpointsAreAnchored(t *testing.T) {
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	w.tickFor(3 * time.Second)
	first := w.chains[0].block(send.Final).head
	w.do(opstest.NewUser("alice"), &ops.DIDCreate{Document: opstest.NewUser("alice").Doc})
	of := uint64(len(w.blocks))
	w.until("covered by a checkpoint", 8*time.Second, func() bool { return w.head().Size >= of })
	if w.chains[0].block(send.Final).head != first {
		t.Error("anchored although the pause between anchors has not passed")
	}
	w.until("anchored again", 11*time.Minute, func() bool { return w.anchored(of) })
	for _, ch := range w.chains {
		anchors := 0
		for _, b := range ch.blocks {
			anchors += len(b.events)
		}
		if ch.fees() != anchors {
			t.Errorf("%s: %d fees were paid for %d anchors", ch.id, ch.fees(), anchors)
		}
	}
	w.tickFor(10 * time.Second)
	for _, m := range w.members {
		if a := m.alarms.list(); len(a) > 0 {
			t.Errorf("%s: alarms %q", m.keys.msp, a)
		}
		root, err := m.log.Root(of)
		if want, _ := w.members[0].log.Root(of); err != nil || root != want {
			t.Errorf("%s has another log: %v", m.keys.msp, err)
		}
	}
	w.proves(of - 1)
}

// proves checks that every member's anchor proves a block's transaction.
func (w *world) proves(number uint64) {
	w.t.Helper()
	p := w.policy()
	for _, m := range w.members {
		data, err := m.bundle(context.Background(), place{block: number, n: log.NoWrite}, false, nil)
		if err != nil {
			w.t.Errorf("%s: %v", m.keys.msp, err)
			continue
		}
		b, err := log.ParseBundle(data)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, c := range b.Verify(p) {
			if c.Status != log.Passed {
				w.t.Errorf("%s: check %s: %s", m.keys.msp, c.Name, c.Text)
			}
		}
		if len(b.Anchors) != len(w.chains) {
			w.t.Errorf("%s: %d anchors", m.keys.msp, len(b.Anchors))
		}
	}
}

func TestQuietLedgerHasAHeartbeat(t *testing.T) {
	w := newWorld(t)
	w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
	w.tickFor(10 * time.Second) // epochs are cut while the clock runs
	w.chains[0].down, w.chains[1].down = true, true
	for _, m := range w.members {
		m.loops = m.loops[:1] // checkpoints only: nothing else happens on the ledger
	}
	w.tickFor(6 * time.Second)
	before := w.head()
	w.tickFor(40 * time.Second)
	if w.head().Number != before.Number {
		t.Errorf("checkpoint %d on a quiet ledger: the anchors' own transactions caused it", w.head().Number)
	}
	w.until("a heartbeat", 30*time.Second, func() bool { return w.head().Number == before.Number+1 })
}

func TestOneSilentMemberStopsNothing(t *testing.T) {
	for silent := range 4 {
		w := newWorld(t)
		w.members[silent].asleep = true
		for range 3 {
			from := w.head().Number
			w.cutRecord()
			w.until("a checkpoint", 5*time.Second+10*time.Second, func() bool { return w.head().Number > from })
		}
		w.until("anchored", time.Minute, func() bool { return w.anchored(1) })
	}
}

// cutRecord makes something happen on the ledger that is not the anchors' doing.
func (w *world) cutRecord() {
	w.t.Helper()
	id := canon.Sum([]byte(w.now.String()))
	u := opstest.NewUser(canon.Hex(id[:]))
	w.do(u, &ops.DIDCreate{Document: u.Doc})
}

// lie puts a cosignature with true signatures over a root that is not the log's.
func (w *world) lie(m *fakeMember, size uint64, root [32]byte, at time.Time) error {
	c := log.Checkpoint{Network: network, LogID: w.blocks[0].HeaderHash, Size: size, Root: root, Time: uint64(at.Unix())}
	s := m.keys.sign(w.policy(), c)
	return w.execute(m.keys.msp, "checkpoint:Cosign", map[string]any{
		"size": size, "root": canon.Hex(root[:]), "time": c.Time,
		"ed25519": base64.StdEncoding.EncodeToString(s.Ed25519[:]), "secp256k1": base64.StdEncoding.EncodeToString(s.Secp256k1[:]),
	})
}

func TestLiesAreNotCosigned(t *testing.T) {
	w := newWorld(t)
	w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
	size := w.head().Size + 1
	liar := w.members[3]
	liar.asleep = true
	if err := w.lie(liar, size, [32]byte{6, 6, 6}, w.now); err != nil {
		t.Fatal(err)
	}
	before := w.head().Number
	w.tick()
	for _, m := range w.members[:3] {
		if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, "fork: Org4MSP signed another root") {
			t.Errorf("%s: alarms %q", m.keys.msp, a)
		}
	}
	w.cutRecord()
	w.until("the next checkpoint", 10*time.Second, func() bool { return w.head().Number > before })
	if got := w.head(); got.Size == size {
		t.Errorf("the lie was accepted: %+v", got)
	}
}

func TestClocks(t *testing.T) {
	w := newWorld(t)
	w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
	liar := w.members[3]
	liar.asleep = true
	size := w.head().Size
	root, err := w.members[0].log.Root(size + 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, skew := range []time.Duration{-31 * time.Second, 31 * time.Second, time.Hour} {
		if err := w.lie(liar, size+1, root, w.now.Add(skew)); err != nil {
			t.Fatal(err)
		}
	}
	w.tick()
	w.tick()
	all, err := w.members[0].index.candidates(context.Background(), size)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.Size == size+1 && len(c.By) > 1 {
			t.Errorf("a checkpoint of %v was cosigned at %v", time.Unix(int64(c.Time), 0), w.now)
		}
	}
}

func TestRestart(t *testing.T) {
	for _, lost := range [][]string{
		{}, {"index.db", "index.db-wal", "index.db-shm"}, {"log"}, {"send.db", "send.db-wal"}, {"signed.json"},
		{"index.db", "index.db-wal", "index.db-shm", "log", "send.db", "send.db-wal", "signed.json"},
	} {
		t.Run(strings.Join(lost, " "), func(t *testing.T) {
			w := newWorld(t)
			w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
			w.tickFor(7 * time.Second)
			for _, m := range w.members {
				m.stop()
				for _, name := range lost {
					if err := os.RemoveAll(m.path(name)); err != nil {
						t.Fatal(err)
					}
				}
				m.start()
			}
			before := w.head().Number
			w.cutRecord()
			w.until("a checkpoint", 15*time.Second, func() bool { return w.head().Number > before })
			w.tickFor(2 * time.Second)
			for _, m := range w.members {
				if a := m.alarms.list(); len(a) > 0 {
					t.Errorf("%s: alarms %q", m.keys.msp, a)
				}
			}
		})
	}
}

// A peer that lost blocks, or shows others than before, gets nothing signed.
func TestPeerRolledBack(t *testing.T) {
	w := newWorld(t)
	w.until("two checkpoints", time.Minute, func() bool { w.cutRecord(); return w.head().Number > 1 })
	m := w.members[0]
	m.stop()
	if err := os.RemoveAll(m.path("log")); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"index.db", "index.db-wal", "index.db-shm"} {
		_ = os.Remove(m.path(f))
	}
	m.height = 3
	m.start()
	w.tickFor(5 * time.Second)
	if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, "the peer has 3 blocks, what this organisation signed last covers") {
		t.Errorf("alarms %q", a)
	}
	m.height = -1
	w.until("at work again", 10*time.Second, func() bool { return len(m.alarms.list()) == 0 })
}

func TestPeerShowsAnotherHistory(t *testing.T) {
	w := newWorld(t)
	w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
	m := w.members[0]
	m.stop()
	for _, f := range []string{"index.db", "index.db-wal", "index.db-shm"} {
		_ = os.Remove(m.path(f)) // read all blocks again
	}
	m.start()
	good := w.blocks[4]
	forged := *good
	forged.Txs = slices.Clone(good.Txs)
	forged.Txs[0].Writes = nil
	w.blocks[4] = &forged
	signedBefore, _, _, _ := m.signed.last()
	m.step()
	w.blocks[4] = good
	if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, "block 4 is not the one in the log") {
		t.Errorf("alarms %q", a)
	}
	if now, _, _, _ := m.signed.last(); now != signedBefore {
		t.Error("signed on another history")
	}
}

func TestForkOnChainHaltsSending(t *testing.T) {
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	ch := w.chains[1]
	b := ch.block(send.Latest)
	b.head = contracts.Checkpoint{Size: b.head.Size + 1, Root: [32]byte{6, 6, 6}, Time: b.head.Time + 1}
	ch.blocks = append(ch.blocks, b, b, b)
	w.tickFor(3 * time.Second)
	for _, m := range w.members {
		if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, "is halted: fork: AnchorLog holds root 060606") {
			t.Errorf("%s: alarms %q", m.keys.msp, a)
		}
	}
}

func TestChainDownStopsNoCheckpoint(t *testing.T) {
	w := newWorld(t)
	w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
	w.chains[1].down = true
	before := w.head().Number
	w.cutRecord()
	w.until("the next checkpoint", 10*time.Second, func() bool { return w.head().Number > before })
	w.chains[1].down = false
	w.until("anchored", time.Minute, func() bool { return w.anchored(1) })
}

func TestPayouts(t *testing.T) {
	w := newWorld(t)
	partner, alice, bob := opstest.NewUser("partner"), opstest.NewUser("alice"), opstest.NewUser("bob")
	w.do(partner, &ops.DIDCreate{Document: partner.Doc})
	for u, chain := range map[*opstest.User]string{alice: "eip155:1337", bob: "tron:0x2b6653dc"} {
		w.do(u, &ops.DIDCreate{Document: u.Doc, Links: []did.Link{u.Link(chain)}, Payout: chain})
	}
	id := canon.Sum([]byte("fund"))
	if err := w.execute("Org1MSP", "reward:Fund", reward.Fund{ID: canon.Hex(id[:]), Asset: "usd", To: partner.DID, Amount: 5000}); err != nil {
		t.Fatal(err)
	}
	reserved := func() bool {
		value, _ := w.store.Get("reserve/" + w.chains[0].vault.String() + "/Org4MSP")
		return value != nil
	}
	w.until("reserves reported", 10*time.Second, reserved)
	w.do(partner, opstest.Pay("usd", alice, 700, bob, 300))
	active := func(epoch uint64) func() bool {
		return func() bool {
			return w.chains[0].block(send.Final).epoch >= epoch && w.chains[1].block(send.Final).epoch >= epoch
		}
	}
	w.until("an epoch active in both vaults", 2*time.Minute, active(1))
	w.tickFor(5 * time.Second)
	for _, ch := range w.chains {
		payee, want := alice, int64(700)
		if ch.id != "eip155:1337" {
			payee, want = bob, 300
		}
		for _, m := range w.members {
			m.claims(payee.Account(ch.id), want)
		}
	}
	// A later epoch adds up.
	from := w.chains[0].block(send.Final).epoch
	w.do(partner, opstest.Pay("usd", alice, 50, bob, 60))
	w.until("the next epoch active", 2*time.Minute, active(from+1))
	w.tickFor(5 * time.Second)
	w.members[2].claims(alice.Account("eip155:1337"), 750)
	if _, err := w.members[2].claim(context.Background(), canon.Account{Chain: "eip155:1337", Address: [20]byte{9}}); !errors.Is(err, errNone) {
		t.Errorf("a stranger's claim: %v", err)
	}
}

// claims checks what the member's anchor says an account can claim.
func (m *fakeMember) claims(account canon.Account, want int64) {
	m.w.t.Helper()
	ctx := context.Background()
	all, err := m.claim(ctx, account)
	if err != nil || len(all) != 1 {
		m.w.t.Fatalf("%s: claim of %s: %d, %v", m.keys.msp, account, len(all), err)
	}
	c := all[0]
	if int64(c.Claim.Cumulative) != want {
		m.w.t.Errorf("%s: %s can claim %d, want %d", m.keys.msp, account, c.Claim.Cumulative, want)
	}
	if err := c.Claim.Verify(c.Vault, c.Root.Root); err != nil {
		m.w.t.Error(err)
	}
	var data []byte
	m.w.until("the epoch's root anchored", time.Minute, func() bool {
		data, err = m.payoutBundle(ctx, account, c, false)
		return !errors.Is(err, errNotYet)
	})
	if err != nil {
		m.w.t.Fatalf("%s: payout bundle: %v", m.keys.msp, err)
	}
	b, err := log.ParseBundle(data)
	if err != nil {
		m.w.t.Fatal(err)
	}
	for _, check := range b.Verify(m.w.policy()) {
		if check.Status != log.Passed {
			m.w.t.Errorf("%s: check %s: %s", m.keys.msp, check.Name, check.Text)
		}
	}
}

func TestSignedNeverGoesBack(t *testing.T) {
	path := t.TempDir() + "/signed.json"
	s, err := openSigned(path)
	if err != nil {
		t.Fatal(err)
	}
	at := func(size, time uint64, root byte) log.Checkpoint {
		return log.Checkpoint{Size: size, Time: time, Root: [32]byte{root}}
	}
	for _, c := range []struct {
		cp log.Checkpoint
		ok bool
	}{
		{at(5, 100, 1), true}, {at(5, 100, 1), true}, {at(5, 101, 1), false}, {at(5, 100, 2), false}, {at(4, 101, 1), false},
		{at(6, 100, 1), false}, {at(6, 99, 1), false}, {at(6, 101, 1), true},
	} {
		if err := s.checkpoint(c.cp); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.cp, err)
		}
		if s, err = openSigned(path); err != nil {
			t.Fatal(err)
		}
	}
	root := func(epoch, total uint64) payout.Root {
		return payout.Root{Epoch: epoch, Attempt: 1, Total: reward.Sum{Lo: total}}
	}
	for _, c := range []struct {
		r  payout.Root
		ok bool
	}{{root(1, 10), true}, {root(1, 10), true}, {root(1, 11), false}, {root(2, 9), false}, {root(2, 10), true}, {root(1, 10), false}} {
		if err := s.payout("vault", c.r); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.r, err)
		}
		if s, err = openSigned(path); err != nil {
			t.Fatal(err)
		}
	}
	if size, _, time, err := s.last(); size != 6 || time != 101 || err != nil {
		t.Errorf("last = %d, %d, %v", size, time, err)
	}
}

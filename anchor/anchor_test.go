package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// fails says whether transactions of a function end in an error.
func (w *world) fails(function string) bool {
	return slices.Contains(strings.Fields(w.failing), function)
}

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
	t.Parallel()
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
	w.until("anchored again", 80*time.Second, func() bool { return w.anchored(of) })
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
	t.Parallel()
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
	t.Parallel()
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
	s, err := m.keys.sign(context.Background(), w.policy().Set(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.execute(m.keys.msp, "checkpoint:Cosign", map[string]any{
		"size": size, "root": canon.Hex(root[:]), "time": c.Time,
		"ed25519": base64.StdEncoding.EncodeToString(s.Ed25519[:]), "secp256k1": base64.StdEncoding.EncodeToString(s.Secp256k1[:]),
	})
}

func TestLiesAreNotCosigned(t *testing.T) {
	t.Parallel()
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

// A candidate is cosigned when its time is within 30 s of the own clock, and only then.
func TestClocks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		skew time.Duration
		good bool
	}{{30 * time.Second, true}, {-29 * time.Second, true}, {31 * time.Second, false}, {-31 * time.Second, false}, {time.Hour, false}} {
		t.Run(tt.skew.String(), func(t *testing.T) {
			w, liar := spammer(t)
			w.until("a second", time.Second, func() bool { return w.now.Nanosecond() == 0 })
			w.tickFor(10 * time.Second) // epochs are cut while the clock runs
			for _, m := range w.members {
				m.loops = m.loops[:1] // checkpoints only: nothing else happens on the ledger
			}
			w.until("a checkpoint of 40 s ago", 2*time.Minute, func() bool { return w.now.Unix() == int64(w.head().Time)+40 })
			w.cutRecord()
			size := uint64(len(w.blocks))
			if err := w.members[0].catchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			root, err := w.members[0].log.Root(size)
			if err != nil {
				t.Fatal(err)
			}
			at := w.now.Add(tt.skew)
			if err := w.lie(liar, size, root, at); err != nil {
				t.Fatal(err)
			}
			w.tick()
			signed := 0
			for _, b := range w.blocks[size:] {
				if args := b.Txs[0].Args; string(args[0]) == "checkpoint:Cosign" && strings.Contains(string(args[1]), fmt.Sprintf(`"time":%d`, at.Unix())) {
					signed++
				}
			}
			if (signed > 1) != tt.good {
				t.Errorf("%d signatures", signed)
			}
		})
	}
}

func TestPayouts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	partner, alice, bob := opstest.NewUser("partner"), opstest.NewUser("alice"), opstest.NewUser("bob")
	w.do(partner, &ops.DIDCreate{Document: partner.Doc})
	for u, chain := range map[*opstest.User]string{alice: "eip155:1337", bob: "tron:0x2b6653dc"} {
		w.do(u, &ops.DIDCreate{Document: u.Doc, Links: []did.Link{u.Link(chain)}, Payout: u.Account(chain).String()})
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
	// An endpoint that shows an epoch that never was keeps nobody from sending one.
	ch := w.chains[0]
	ch.lie = event{Contract: ch.vault, Number: 1 << 40, Root: [32]byte{6}, Landing: log.Landing{Block: 1}}
	w.tickFor(12 * time.Second)
	ch.lie = event{}
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

	// An epoch's event that nobody showed when it came is looked for again.
	m, vault := w.members[2], ch.vault.String()
	for range 2 * overlap {
		ch.mine()
	}
	watcher := &watch{anchor: m.anchor, chain: m.chains[ch.id]}
	look := func(alarm string, known bool) {
		t.Helper()
		err := watcher.look(t.Context())
		e, _, _ := m.index.newestEvent(t.Context(), vault)
		if got := strings.Join(m.alarms.list(), "\n"); err != nil || !strings.Contains(got, alarm) || (e.Number > 0) != known {
			t.Errorf("alarms %q, want %q; epoch %d: %v", got, alarm, e.Number, err)
		}
	}
	look("", true)
	if _, err := m.index.db.Exec(`DELETE FROM event WHERE contract = ?`, vault); err != nil {
		t.Fatal(err)
	}
	look("", false)
	w.now = w.now.Add(2 * aheadWithin)
	look("no event of "+ch.id+": the vault "+vault+" has epoch", false)
	look("", true)
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

// head is the newest checkpoint on the ledger.
func (w *world) head() (c struct{ Number, Size, Time uint64 }) {
	value, err := w.store.Get("checkpoint/head")
	if err != nil {
		w.t.Fatal(err)
	}
	if value != nil {
		decodeJSON(w.t, value, &c)
	}
	return c
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/chaincode/canon"
)

var (
	worlds    = flag.Int("worlds", 6, "random worlds to play")
	worldSeed = flag.Uint64("worldseed", 1, "of the first world; the next ones count on")
)

// CP-8: whatever happens to anchors, peers, members and chains, at random and together,
// with at most f organisations that are bad for good, what is on the ledger and on the
// chains is of the one history, and all goes on when the faults end. A world depends on its
// seed alone.
func TestRandomWorlds(t *testing.T) {
	for n := range *worlds {
		seed := *worldSeed + uint64(n)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rw := &randomWorld{r: rand.New(rand.NewPCG(seed, 8)), orgs: map[string]*organisation{}}
			t.Cleanup(func() { rw.tell(t, seed) })
			rw.found(t)
			for range 12 + rw.r.IntN(10) {
				rw.happen()
			}
			rw.heal()
			rw.goesOn()
			for _, wrong := range rw.check() {
				t.Error(wrong)
			}
		})
	}
}

// tell says how a world came to be that failed, and how to play it again; with -v of each.
func (rw *randomWorld) tell(t *testing.T, seed uint64) {
	if !t.Failed() && !testing.Verbose() {
		return
	}
	for _, line := range rw.story {
		t.Log(line)
	}
	t.Logf("again: go test -count=1 ./anchor -run TestRandomWorlds -worlds 1 -worldseed %d", seed)
}

// randomWorld is a world with what goes wrong in it.
type randomWorld struct {
	*world
	r     *rand.Rand
	orgs  map[string]*organisation // by MSP
	order []*organisation          // as they came
	tree  *log.Log                 // over the one history
	tried []cosigned               // by whom, whether it got to the ledger or not
	story []string
	begun time.Time
	cutAt time.Time // when something happened on the ledger last
	last  uint64    // block that all can prove in the end

	ill     float64 // how often a call to a chain or to the ledger fails
	kills   float64 // how often an anchor dies where it does something that others see
	ordered string  // what becomes of all transactions: "" ordered, else "not", or "though" with an error
	ours    bool    // the test itself signs, whatever is the matter with devices
	made    int     // keys, copies and strangers' transactions
}

// cosigned is a cosignature that left an anchor.
type cosigned struct {
	msp  string
	size uint64
	root string
	off  time.Duration // of its time, from the clock of who made it
}

// organisation is what is the matter with one.
type organisation struct {
	msp    string
	at     []*fakeMember // its anchors: one, or two
	bad    string        // what it is for good: hostile, silent, forked or bereft; "" when honest
	keys   []*keys       // all that it ever had
	device string        // its signer is "away" or "wrong"
	skew   time.Duration // of its clock
	away   bool          // its peer answers nobody
	lies   bool          // its peer lies about the newest checkpoint
	lag    int           // blocks by which its peer is behind
	slow   bool          // its anchors
	forged uint64        // the block of which its peer has another one; 0: of none
	taint  bool          // its anchors may have made a log of that
	lost   int           // how often it lost what it had sent, or began to send from two places
	forgot bool          // what it signed last, or an anchor of it does not know what another signs
	mute   int           // what it had tried to sign when it was bereft
	saved  map[*fakeMember]string
	budget int // transactions on a chain and day; 0: no limit
}

// found founds the world and draws who is bad.
func (rw *randomWorld) found(t *testing.T) {
	n := []int{4, 4, 4, 4, 4, 5, 7}[rw.r.IntN(7)]
	rw.world = newWorldOf(t, n, 15*time.Second, rw.opened)
	rw.begun = rw.now
	for _, m := range rw.members {
		rw.known(m)
	}
	var err error
	if rw.tree, err = log.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rw.tree.Close() })
	for _, i := range rw.r.Perm(n)[:rw.r.IntN((n-1)/3+1)] {
		rw.spoil(rw.order[i], []string{"hostile", "hostile", "silent", "forked"}[rw.r.IntN(4)])
	}
	rw.border = func(string, string) {
		if rw.r.Float64() < rw.kills {
			panic(errKilled)
		}
	}
	for _, ch := range rw.chains {
		ch.ill = func(string, string) (not, though error) { return rw.fails() }
	}
	if o := rw.honest(); rw.r.IntN(3) == 0 && o != nil {
		o.budget = 2 + rw.r.IntN(4)
		m := o.at[0]
		for i := range m.cfg.Chains {
			m.cfg.Chains[i].Budget = fmt.Sprint(o.budget)
		}
		rw.restart(m, nil)
		rw.tells("%s may spend %d a day", o.msp, o.budget)
	}
	for rw.head().Number == 0 {
		if rw.tick(); rw.now.Sub(rw.begun) > time.Minute {
			t.Fatal("no first checkpoint")
		}
	}
}

// spoil makes an organisation bad for good.
func (rw *randomWorld) spoil(o *organisation, how string) {
	o.bad = how
	switch how {
	case "hostile", "silent":
		for _, m := range o.at {
			m.asleep = true
		}
	case "forked":
		o.forged = uint64(len(rw.blocks) + rw.r.IntN(30))
	}
	rw.tells("%s is %s for good", o.msp, how)
}

func (rw *randomWorld) tells(format string, args ...any) {
	at := time.Duration(0)
	if !rw.begun.IsZero() {
		at = rw.now.Sub(rw.begun)
	}
	rw.story = append(rw.story, fmt.Sprintf("%6.1fs %4d blocks: ", at.Seconds(), len(rw.blocks))+fmt.Sprintf(format, args...))
}

// opened is called with each anchor that starts.
func (rw *randomWorld) opened(m *fakeMember) {
	o := rw.orgs[m.keys.msp]
	if o == nil {
		o = &organisation{msp: m.keys.msp, saved: map[*fakeMember]string{}}
		rw.orgs[o.msp], rw.order = o, append(rw.order, o)
	}
	m.now = func() time.Time { return m.w.now.Add(o.skew) }
	m.ledger = &illLedger{m, rw, o}
}

// known takes in an anchor that is new, whose keys are the founding ones of its member.
func (rw *randomWorld) known(m *fakeMember) {
	o := rw.orgs[m.keys.msp]
	if o.at = append(o.at, m); len(o.keys) == 0 {
		m.keys.attest = rw.device(o, m.seed)
		o.keys = []*keys{m.keys}
	}
}

// device is a key behind a device of an organisation.
func (rw *randomWorld) device(o *organisation, seed [32]byte) *signer.Key {
	key := secp256k1.PrivKeyFromBytes(seed[:])
	return signer.New(signer.Software(key).Address(), &deviceOf{rw, o, key})
}

type deviceOf struct {
	rw  *randomWorld
	o   *organisation
	key *secp256k1.PrivateKey
}

func (d *deviceOf) Sign(_ context.Context, digest [32]byte) (rs [64]byte, err error) {
	if !d.rw.ours && d.o.device == "away" {
		return rs, errors.New("no token in the slot")
	}
	if !d.rw.ours && d.o.device == "wrong" {
		digest[0] ^= 1
	}
	sig := canon.SignDigest(d.key, digest)
	return [64]byte(sig[:64]), nil
}

// honest draws an organisation that is not bad, nil when the draw is another one.
func (rw *randomWorld) honest() *organisation {
	if o := rw.order[rw.r.IntN(len(rw.order))]; o.bad == "" {
		return o
	}
	return nil
}

// tick lets half a second pass. Who comes first is drawn.
func (rw *randomWorld) tick() {
	rw.now = rw.now.Add(500 * time.Millisecond)
	whole := rw.now.Nanosecond() == 0
	for _, ch := range rw.chains {
		if whole && rw.r.Float64() >= rw.ill {
			ch.mine()
		}
	}
	for _, i := range rw.r.Perm(len(rw.members)) {
		rw.turn(rw.members[i])
	}
	for _, o := range rw.order {
		if o.bad == "hostile" && whole && rw.r.IntN(3) == 0 {
			rw.attack(o)
		}
	}
}

func (rw *randomWorld) turn(m *fakeMember) {
	o := rw.orgs[m.keys.msp]
	if o.slow && rw.r.IntN(3) > 0 {
		return
	}
	if o.lag > 0 && !o.away {
		m.height = max(m.height, len(rw.blocks)-o.lag)
	}
	if at := o.forged; at > 0 && at < uint64(len(rw.blocks)) {
		good := rw.blocks[at]
		defer func() { rw.blocks[at] = good }()
		another := *good
		another.Txs = slices.Clone(good.Txs)
		another.Txs[0].Envelope = []byte("another")
		if at%2 == 0 {
			another.Txs[0].Writes = nil
		}
		rw.blocks[at] = &another
	}
	m.step()
}

func (rw *randomWorld) tickFor(d time.Duration) {
	for end := rw.now.Add(d); rw.now.Before(end); {
		rw.tick()
	}
}

// sync brings the tree over the one history up to date.
func (rw *randomWorld) sync() *log.Log {
	rw.t.Helper()
	if err := rw.tree.Append(rw.blocks[rw.tree.Size():]...); err != nil {
		rw.t.Fatal(err)
	}
	return rw.tree
}

// root is that of the one history.
func (rw *randomWorld) root(size uint64) [32]byte {
	rw.t.Helper()
	root, err := rw.sync().Root(size)
	if err != nil {
		rw.t.Fatal(err)
	}
	return root
}

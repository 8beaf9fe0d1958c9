package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/anchor/sqlite/sqlitetest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/govern"
	mem "github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/network/fabric"
)

const network = opstest.Network

func TestMain(m *testing.M) {
	sqlitetest.InMemory()
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	os.Exit(m.Run())
}

// world is a consortium in memory: the domain code of the chaincode with one
// block for each transaction, two public chains, and an anchor for each member.
// Nothing in it waits: tick moves the clock and gives everybody a turn.
type world struct {
	t       *testing.T
	mu      sync.Mutex // guards the ledger and the chains where loops run by themselves
	now     time.Time
	store   *mem.Memory
	engine  *ops.Engine
	blocks  []*block.Block
	liar    string            // organisation whose peer answers queries with lies
	running map[string]string // program that an organisation's service says it runs, where it is not the first
	silent  string            // organisation whose service does not answer
	failing string            // functions whose transactions end in an error
	failure error             // which; nil: no orderer answers
	done    bool              // although they took effect

	// border, when it is set, is called where a program may be killed: before and after
	// it does something that others see. It panics with errKilled to do so.
	border  func(msp, at string)
	opened  func(m *fakeMember) // when it is set, called with each anchor that starts
	k       int                 // of the founding set
	post    time.Duration       // pause between anchors
	chains  []*fakeChain
	members []*fakeMember
}

// fakeMember is one member's anchor with its loops.
type fakeMember struct {
	w       *world
	dir     string
	cfg     *config
	keys    *keys
	seed    [32]byte // of its keys
	height  int      // blocks that its peer shows; -1 for all
	first   uint64   // its peer, which joined from a snapshot, has none before this one
	asleep  bool
	fresh   bool // has just been started
	*anchor      // nil while it is stopped
	loops   []func(context.Context) error
}

func newWorld(t *testing.T) *world { return newWorldOf(t, 4, time.Minute, nil) }

// newWorldOf founds a world with n members, who anchor with such pauses.
func newWorldOf(t *testing.T, n int, post time.Duration, opened func(*fakeMember)) *world {
	t.Helper()
	w := &world{t: t, now: time.Unix(1_800_000_000, 0), store: &mem.Memory{}, engine: ops.New(), k: n - (n-1)/3, post: post, opened: opened}
	w.cut(block.Tx{Type: block.TypeConfig})
	w.chains = []*fakeChain{newFakeChain(w, "eip155:1337"), newFakeChain(w, "tron:0x2b6653dc")}
	for i := range n {
		w.members = append(w.members, w.newMember(i))
	}
	var public []member
	for _, m := range w.members {
		public = append(public, member{MSPID: m.keys.msp, CosignKey: m.keys.vkey(network), Address: address(m.keys.attest)})
	}
	for i, m := range w.members {
		m.cfg = w.config(i, m.dir, public)
		if i == 0 {
			for _, ch := range w.chains {
				ch.found(membersPolicy(network, m.cfg.LogID, w.k, public))
			}
		}
		m.start()
	}
	t.Cleanup(func() {
		for _, m := range w.members {
			m.stop()
		}
	})
	if err := w.execute("Org1MSP", "ops:Init", w.founding(public)); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) newMember(i int) *fakeMember {
	seed := sha256.Sum256(fmt.Appendf(nil, "member %d", i))
	key := signer.Software(secp256k1.PrivKeyFromBytes(seed[:]))
	return &fakeMember{w: w, seed: seed, dir: w.t.TempDir(), height: -1, keys: &keys{
		msp: fmt.Sprintf("Org%dMSP", i+1), cosign: ed25519.NewKeyFromSeed(seed[:]), attest: key, sender: key,
	}}
}

func (w *world) config(i int, dir string, public []member) *config {
	logID := w.blocks[0].HeaderHash
	c := &config{
		Organisation: public[i].MSPID, Listen: "127.0.0.1:0", Dir: dir, Network: network,
		LogID: canon.Hex(logID[:]), K: w.k, Members: public,
		Fabric: fabric.Config{MSPID: public[i].MSPID, Chaincode: "killick", Peers: []fabric.Endpoint{{MSPID: public[i].MSPID}}},
	}
	c.Cadence.Post = w.post
	c.Cadence.defaults()
	for _, ch := range w.chains {
		c.Chains = append(c.Chains, chainConfig{
			ID: ch.id, Kind: "evm", RPC: []string{"http://127.0.0.1:1"}, AnchorLog: ch.anchorLog.String(), Vaults: []string{ch.vault.String()},
		})
	}
	if err := c.check(); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) founding(public []member) govern.Init {
	logID := w.blocks[0].HeaderHash
	f := govern.Init{
		Network: network, Log: canon.Hex(logID[:]), Rules: 1, K: w.k, Issuers: []string{}, Program: opstest.Program, Treasuries: []string{"Org1MSP"},
		Assets: []string{"usd"}, EpochSeconds: 30, HeartbeatSeconds: 60,
	}
	for _, m := range public {
		f.Members = append(f.Members, govern.Member{MSP: m.MSPID, Cosign: m.CosignKey, Address: m.Address})
	}
	for _, ch := range w.chains {
		f.Vaults = append(f.Vaults, govern.Vault{ID: ch.vault.String(), Token: ch.token.String(), Asset: "usd"})
	}
	return f
}

// start opens the member's anchor on its directory.
func (m *fakeMember) start() {
	m.w.t.Helper()
	var chains []*publicChain
	for i, ch := range m.w.chains {
		c := &publicChain{cfg: m.cfg.Chains[i], driver: &fakeAccount{fakeChain: ch, msp: m.keys.msp}, events: ch}
		c.parse()
		chains = append(chains, c)
	}
	a, err := open(m.cfg, m.keys, m, chains)
	if err != nil {
		m.w.t.Fatal(err)
	}
	a.now = func() time.Time { return m.w.now }
	a.roster.open = func() (*keys, error) { return m.keys, nil }
	m.anchor, m.fresh = a, true
	m.loops = []func(context.Context) error{newWitness(a).step, newEpochs(a).step, newPoster(a).step, newSweeper(a).step, newPrograms(a).step, newDecided(a).step, newRounds(a).step}
	for _, c := range chains {
		m.loops = append(m.loops, (&watch{anchor: a, chain: c}).step)
	}
	if m.w.opened != nil {
		m.w.opened(m)
	}
}

func (m *fakeMember) stop() {
	if m.anchor != nil {
		if err := m.anchor.close(); err != nil {
			m.w.t.Error(err)
		}
	}
	m.anchor = nil
}

// step gives the member a turn. Like those of a real anchor, all loops but the first run
// at its start and then once a second.
func (m *fakeMember) step() {
	if m.anchor == nil || m.asleep {
		return
	}
	defer m.survive()
	ctx := context.Background()
	m.alarms.set("blocks", m.catchUp(ctx))
	second := m.fresh || m.w.now.Nanosecond() == 0
	m.fresh = false
	for i, loop := range m.loops {
		if i > 0 && !second {
			break
		}
		m.alarms.set(fmt.Sprint("loop ", i), loop(ctx))
	}
	if second {
		if err := m.sender.Step(ctx); err != nil {
			m.w.t.Error(err)
		}
	}
}

func (m *fakeMember) catchUp(ctx context.Context) error {
	from, err := m.index.next(ctx)
	if err != nil {
		return err
	}
	height, _ := m.Height(ctx)
	if from = min(from, m.log.Size()); from >= height {
		return nil
	}
	if from, err = m.skip(ctx, from); err != nil {
		return err
	}
	return m.extend(ctx, m.visible()[from:])
}

// visible is what the member's peer has.
func (m *fakeMember) visible() []*block.Block {
	if m.height >= 0 {
		return m.w.blocks[:m.height]
	}
	return m.w.blocks
}

// Height implements ledger, as do the following methods.
func (m *fakeMember) Height(context.Context) (uint64, error) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	return uint64(len(m.visible())), nil
}

func (m *fakeMember) Block(_ context.Context, number uint64) (*block.Block, error) {
	if number < m.first {
		return nil, snapshotOnly(number, m.first)
	}
	if int(number) >= len(m.visible()) {
		return nil, errors.New("no such block")
	}
	return m.visible()[number], nil
}

func (m *fakeMember) Past(_ context.Context, number uint64, good func(*block.Block) error) (*block.Block, error) {
	return m.w.blocks[number], good(m.w.blocks[number])
}

func (m *fakeMember) Blocks(context.Context, uint64) iter.Seq2[*block.Block, error] {
	panic("the tests hand blocks over themselves")
}

func (m *fakeMember) Evaluate(_ context.Context, msp, function string, args ...[]byte) ([]byte, error) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	if msp == m.w.liar && function == "checkpoint:Head" {
		return []byte(`{"number":99,"size":1000000,"root":"` + canon.Hex(make([]byte, 32)) + `","time":1,"elapsed":0,"signers":[]}`), nil
	}
	if msp == m.w.silent {
		return nil, errors.New("no answer")
	}
	m.w.engine.Program = opstest.Program
	if p, ok := m.w.running[msp]; ok {
		m.w.engine.Program = p
	}
	tx := mem.Begin(m.w.store, uint64(m.w.now.Unix()), mem.Caller{MSP: m.keys.msp, Role: "client"})
	return m.w.engine.Invoke(tx, function, args)
}

func (m *fakeMember) Execute(_ context.Context, function string, args ...[]byte) ([]byte, error) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	failed := m.w.failure
	if failed == nil {
		failed = errors.New("no orderer answers")
	}
	if m.w.fails(function) && !m.w.done {
		return nil, failed
	}
	m.w.at(m.keys.msp, "before "+function)
	if err := m.w.invoke(m.keys.msp, function, args); err != nil {
		return nil, err
	}
	m.w.at(m.keys.msp, "after "+function)
	if m.w.fails(function) {
		return nil, failed
	}
	return m.w.blocks[len(m.w.blocks)-1].Txs[0].Response, nil
}

func (w *world) execute(msp, function string, request any) error {
	arg, ok := request.([]byte)
	if !ok {
		var err error
		if arg, err = canon.Marshal(request); err != nil {
			return err
		}
	}
	return w.invoke(msp, function, [][]byte{arg})
}

// invoke runs a transaction and puts it into a block of its own.
func (w *world) invoke(msp, function string, args [][]byte) error {
	return w.invokeAs(mem.Caller{MSP: msp, Role: "client"}, function, args)
}

func (w *world) invokeAs(caller mem.Caller, function string, args [][]byte) error {
	tx := mem.Begin(w.store, uint64(w.now.Unix()), caller)
	answer, err := w.engine.Invoke(tx, function, args)
	if err != nil {
		return err
	}
	t := block.Tx{Type: block.TypeEndorser, Chaincode: "killick", Args: append([][]byte{[]byte(function)}, args...), Response: answer}
	for _, e := range tx.Changes() {
		wr := block.Write{Namespace: "killick", Key: []byte(e.Key), Value: e.Value}
		if e.Value == nil {
			wr.Delete = block.Remove
		} else {
			wr.ValueHash = sha256.Sum256(e.Value)
		}
		t.Writes = append(t.Writes, wr)
	}
	w.cut(t)
	return tx.Flush()
}

// cut makes the next block.
func (w *world) cut(t block.Tx) {
	b := &block.Block{Number: uint64(len(w.blocks)), Filter: []byte{t.Code}}
	if n := len(w.blocks); n > 0 {
		b.PrevHash = w.blocks[n-1].HeaderHash[:]
	}
	id := sha256.Sum256(fmt.Appendf(nil, "transaction %d", b.Number))
	t.ID, t.Nonce, t.Envelope = canon.Hex(id[:]), id[:24], fmt.Appendf(nil, "envelope %d", b.Number)
	b.DataHash = sha256.Sum256(t.Envelope)
	b.HeaderHash = sha256.Sum256(append(b.DataHash[:], b.PrevHash...))
	b.Txs = []block.Tx{t}
	w.blocks = append(w.blocks, b)
}

// tick lets a fifth of a second pass, and a second's block on the chains with
// every fifth.
func (w *world) tick() {
	w.now = w.now.Add(200 * time.Millisecond)
	if w.now.Nanosecond() == 0 {
		for _, ch := range w.chains {
			ch.mine()
		}
	}
	for _, m := range w.members {
		m.step()
	}
}

// until ticks until something is so, for at most a time.
func (w *world) until(what string, limit time.Duration, so func() bool) {
	w.t.Helper()
	for end := w.now.Add(limit); w.now.Before(end); w.tick() {
		if so() {
			return
		}
	}
	for _, m := range w.members {
		if m.anchor != nil {
			w.t.Logf("%s: alarms %q", m.keys.msp, m.alarms.list())
		}
	}
	w.t.Fatalf("after %v: not %s", limit, what)
}

func (w *world) tickFor(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.tick()
	}
}

func (m *fakeMember) path(name string) string { return filepath.Join(m.dir, name) }

package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/network/fabric"
)

// ledger is what the anchor needs of the Fabric network. What decides what is
// signed comes from the own peer alone: Blocks, Block and Height; and Past, once it is
// compared with the log that these gave.
type ledger interface {
	// Blocks yields the own peer's blocks from a number on and waits for further
	// ones; a pair with an error is the last.
	Blocks(ctx context.Context, from uint64) iter.Seq2[*block.Block, error]
	// Block returns one block of the own peer.
	Block(ctx context.Context, number uint64) (*block.Block, error)
	// Past returns a block that is good, of the own peer or, when that one does not have
	// it or is down, of another organisation's. It is for blocks that the log has: see
	// anchor.past.
	Past(ctx context.Context, number uint64, good func(*block.Block) error) (*block.Block, error)
	// Height returns the number of blocks on the own peer.
	Height(ctx context.Context) (uint64, error)
	// Evaluate runs a query on the peer of an organisation.
	Evaluate(ctx context.Context, msp, function string, args ...[]byte) ([]byte, error)
	// Execute runs a transaction to its end and returns its answer. After an error
	// it may have happened or may still happen: what is done about it is decided
	// by the next blocks.
	Execute(ctx context.Context, function string, args ...[]byte) ([]byte, error)
}

// anchor is the state that the loops share. Each loop has fields of its own;
// what is here is safe for concurrent use or does not change.
type anchor struct {
	cfg    *config
	policy *log.Policy // without a set: who signs, the ledger says
	log    *log.Log
	index  *index
	ledger ledger
	sender *send.Sender
	chains map[string]*publicChain
	signed *signed
	bft    *orderers // nil when the blocks carry no signatures, as in tests
	now    func() time.Time
	alarms *alarms
	bell   *bell
	trees  trees
	roster rosters
	dice   *dice // nil without a secret: the organisation withholds its elements of draws
}

// execute sends a transaction with one JSON argument, or none.
func (a *anchor) execute(ctx context.Context, function string, request any) ([]byte, error) {
	var args [][]byte
	if request != nil {
		arg, err := canon.Marshal(request)
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	answer, err := a.ledger.Execute(ctx, function, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", function, err)
	}
	return answer, nil
}

// submit sends a transaction whose effect shows in later blocks. That another
// member was faster is no error.
func (a *anchor) submit(ctx context.Context, function string, request any) error {
	_, err := a.execute(ctx, function, request)
	if overtaken(err) {
		slog.Info("another member was faster", "function", function, "error", err)
		return nil
	}
	return err
}

// overtaken reports whether a transaction had no effect because another one that
// does the same came first.
func overtaken(err error) bool {
	var invalid *fabric.Invalid
	if errors.As(err, &invalid) {
		return true // what it read had changed when it came to be ordered
	}
	code := refusal(err)
	return code == fault.NotDue || code == fault.NotGrowing
}

// refusal returns the chaincode's code in an error, fault.Internal when there is
// none.
func refusal(err error) fault.Code {
	var refused *fabric.Refused
	if errors.As(err, &refused) {
		if parsed, ok := fault.Parse(refused.Message); ok {
			return parsed.Code
		}
	}
	return fault.Of(err)
}

// run runs an anchor until ctx ends.
func run(ctx context.Context, cfg *config) (err error) {
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(cfg.Dir, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	l, closeLedger, err := connect(cfg)
	if err != nil {
		return err
	}
	defer closeLedger()
	var files signer.Files
	reopen := func() (*keys, error) { return readKeys(cfg.Organisation, cfg.Network, cfg.Keys, files.Open) }
	k, err := reopen()
	if err != nil {
		return err
	}
	var chains []*publicChain
	for _, c := range cfg.Chains {
		chains = append(chains, newPublicChain(c, k.sender))
	}
	a, err := open(cfg, k, l, chains)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if cfg.Keys.Draws != "" {
		if a.dice, err = readDice(cfg.Network, cfg.Organisation, cfg.Keys.Draws); err != nil {
			return err
		}
	}
	a.bft = &orderers{anchor: a}
	a.roster.open = reopen
	return a.run(ctx)
}

// lock takes a file for this process alone: two anchors of one organisation
// would sign against each other.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another process has %s: %w", path, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// open opens everything that is on disk. It contacts no chain.
func open(cfg *config, k *keys, l ledger, chains []*publicChain) (*anchor, error) {
	a := &anchor{
		cfg: cfg, ledger: l, now: time.Now, alarms: newAlarms(), bell: newBell(),
		chains: map[string]*publicChain{},
	}
	a.roster.keys = k
	var err error
	if a.policy, err = cfg.policy(); err != nil {
		return nil, err
	}
	if a.signed, err = openSigned(filepath.Join(cfg.Dir, "signed.json")); err != nil {
		return nil, err
	}
	if a.log, err = log.Open(filepath.Join(cfg.Dir, "log")); err != nil {
		return nil, err
	}
	post := uint64(cfg.Cadence.Post / time.Second)
	if a.index, err = openIndex(filepath.Join(cfg.Dir, "index.db"), cfg.Fabric.Chaincode, post); err != nil {
		return nil, errors.Join(err, a.log.Close())
	}
	senders, budgets := map[string]send.Chain{}, map[string]*big.Int{}
	for _, c := range chains {
		budgets[c.cfg.ID], _ = new(big.Int).SetString(c.cfg.Budget, 10) // the configuration was checked; nil is no limit
		a.chains[c.cfg.ID], senders[c.cfg.ID] = c, c.driver
	}
	if a.sender, err = send.Open(filepath.Join(cfg.Dir, "send.db"), senders, send.Config{
		Interval: time.Second, Budgets: budgets, Now: func() time.Time { return a.now() },
	}); err != nil {
		return nil, errors.Join(err, a.index.close(), a.log.Close())
	}
	for _, c := range chains {
		err = errors.Join(err, c.recall(context.Background(), a.index))
	}
	if err = errors.Join(err, a.reload(context.Background())); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *anchor) close() error {
	for _, c := range a.chains {
		c.close()
	}
	return errors.Join(a.sender.Close(), a.index.close(), a.log.Close())
}

// run starts the loops and waits for all of them. One that cannot go on stops
// the others.
func (a *anchor) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	start := func(what string, do func(context.Context) error) {
		wg.Go(func() {
			if err := do(ctx); err != nil && ctx.Err() == nil {
				stop(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	start("http server", a.serve)
	start("log", a.follow)
	start("sender", a.sender.Run)
	start("checkpoints", a.loop("checkpoints", newWitness(a).step, func() time.Duration { return 500 * time.Millisecond }, a.bell))
	second := func() time.Duration { return time.Second }
	start("epochs", a.loop("epochs", newEpochs(a).step, second, nil))
	start("posts", a.loop("posts", newPoster(a).step, second, nil))
	start("programs", a.loop("programs", newPrograms(a).step, second, nil))
	start("decisions", a.loop("decisions", newDecided(a).step, second, nil))
	start("rounds", a.loop("rounds", newRounds(a).step, second, nil))
	start("sweep", a.loop("sweep", newSweeper(a).step, func() time.Duration { return 5 * time.Second }, nil))
	for _, id := range slices.Sorted(maps.Keys(a.chains)) {
		w := &watch{anchor: a, chain: a.chains[id]}
		start("chain "+id, a.loop("chain "+id, w.step, w.pause, nil))
	}
	slog.Info("anchor runs", "organisation", a.cfg.Organisation, "blocks", a.log.Size(), "listen", a.cfg.Listen)
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// loop runs a step after every pause, and when the bell rings. An error is an
// alarm while it lasts; the next step tries again.
func (a *anchor) loop(name string, step func(context.Context) error, pause func() time.Duration, b *bell) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			var rung <-chan struct{}
			if b != nil {
				rung = b.wait()
			}
			err := step(ctx)
			if ctx.Err() != nil {
				return nil
			}
			a.alarms.set(name, err)
			if err != nil {
				rung = nil // a failing step must not run with every block
			}
			select {
			case <-ctx.Done():
				return nil
			case <-rung:
			case <-time.After(pause()):
			}
		}
	}
}

// bell tells all who wait that something has changed.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

func newBell() *bell { return &bell{ch: make(chan struct{})} }

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}

func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

// alarms holds what is wrong now, by topic.
type alarms struct {
	mu     sync.Mutex
	by     map[string]string
	logged map[string]time.Time
}

func newAlarms() *alarms { return &alarms{by: map[string]string{}, logged: map[string]time.Time{}} }

// set raises the alarm of a topic, or clears it when err is nil.
func (a *alarms) set(topic string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, was := a.by[topic]
	if err == nil {
		if was {
			slog.Info("alarm is over", "topic", topic)
		}
		delete(a.by, topic)
		return
	}
	text := short(err.Error())
	a.by[topic] = text
	// Errors often name a new transaction each time: once a minute is enough.
	if !was || before != text && time.Since(a.logged[topic]) > time.Minute {
		slog.Error("alarm", "topic", topic, "error", text)
		a.logged[topic] = time.Now()
	}
}

// maxAlarm bounds an alarm's text: a part of it may be what an anchor or a node said.
const maxAlarm = 2000

func short(text string) string {
	if len(text) > maxAlarm {
		text = strings.ToValidUTF8(text[:maxAlarm], "") + "..."
	}
	return text
}

// topics returns the topics of all alarms, sorted.
func (a *alarms) topics() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.by))
}

// list returns all alarms, sorted.
func (a *alarms) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := []string{}
	for _, topic := range slices.Sorted(maps.Keys(a.by)) {
		all = append(all, topic+": "+a.by[topic])
	}
	return all
}

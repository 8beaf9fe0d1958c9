package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/topology"
	"github.com/killick-ledger/killick/scripts/observe"
)

// The kinds of ordering.
const (
	smartbft = "smartbft"
	raft     = "raft"
)

const (
	// stalled is how long no client may get any receipt before the soak gives up: the
	// one bound on speed, since the machine may be loaded with other work.
	stalled = 2 * time.Minute
	// restored is how long it may take until all processes run, have caught up and
	// hold nothing that is open, once the load has ended.
	restored = 5 * time.Minute
)

// world is a consortium under load.
type world struct {
	settings
	*observe.Network
	doors    []*door
	book     *book
	faults   *faults
	memory   *memory
	accounts []*account // that were funded
	begun    time.Time
}

// consortium is the default one, with short periods so that epochs are cut and
// folded and checkpoints posted during the soak.
func consortium(ordering string) (topology.Consortium, error) {
	text := "ports: auto\nepoch: 20s\ncadence: {busy: 2s, quiet: 5s, post: 10s}\n"
	if ordering == raft {
		text += "profile: crash-only\nordering: raft\n"
	}
	return topology.Parse([]byte(text))
}

// soak runs everything. load ends before all does; then what was done is compared.
func soak(all, load context.Context, s settings) (err error) {
	w := &world{settings: s, begun: time.Now(), book: newBook()}
	fmt.Printf("soak: %s of load at up to %d operations a second, ordering %s, mean pause between faults %s\n", s.length, s.rate, s.ordering, s.pace)
	fmt.Printf("soak: --seed %d repeats the schedule of victims and pauses, and what each client draws\n", s.seed)
	c, err := consortium(s.ordering)
	if err != nil {
		return err
	}
	n, err := cluster.Start(load, cluster.Options{Consortium: c, Dir: filepath.Join(s.dir, "net"), Bin: s.bin, Attached: true})
	if err != nil {
		return fmt.Errorf("start the consortium: %w", err)
	}
	defer func() {
		w.faults.thawAll()
		err = errors.Join(err, n.Stop())
	}()
	w.faults = newFaults(n, w.book, rand.New(rand.NewPCG(s.seed, 0)), s.pace)
	if w.Network, err = observe.Connect(n); err != nil {
		return err
	}
	defer w.Network.Close()
	if w.doors, err = openDoors(n); err != nil {
		return err
	}
	defer closeDoors(w.doors)
	w.say("%s is up: %d organisations, gateways %v", n.Network, len(n.Orgs()), n.GatewayAddresses())
	w.faults.explain(os.Stdout)
	clients, err := w.open(load)
	if err != nil {
		return fmt.Errorf("open accounts: %w", err)
	}
	unable := w.underLoad(all, load, clients)
	different := w.settle(all)
	if different != nil && !errors.Is(different, errDifferent) {
		unable = errors.Join(unable, different)
		different = nil
	}
	if different != nil {
		return errors.Join(different, unable)
	}
	return unable
}

// underLoad runs clients and faults for as long as was asked for. It returns an
// error when no client got anything for a long time.
func (w *world) underLoad(all, load context.Context, clients []*caller) error {
	load, stop := context.WithTimeout(load, w.length)
	defer stop()
	working, abandon := context.WithCancelCause(all)
	defer abandon(nil)
	w.memory = sample(load, w.Cluster)
	w.book.alive()
	clientsEnded := make(chan struct{})
	go func() {
		defer close(clientsEnded)
		w.drive(load, working, clients)
	}()
	struck := make(chan struct{})
	go func() {
		defer close(struck)
		w.faults.run(load, w.Network)
		// What the last fault took away comes back while clients bring their last
		// operations to an end.
		limited, cancel := context.WithTimeout(working, restored)
		defer cancel()
		if err := w.faults.restore(limited, w.Network); err != nil && working.Err() == nil {
			w.say("the network does not come back: %v", err)
		}
	}()
	report := time.NewTicker(10 * time.Second)
	defer report.Stop()
	check := time.NewTicker(time.Second)
	defer check.Stop()
	for {
		select {
		case <-clientsEnded:
			stop()
			<-struck
			w.progress()
			return context.Cause(working)
		case <-report.C:
			w.progress()
		case <-check.C:
			if quiet := w.book.quiet(); quiet > stalled {
				w.progress()
				// A target that nobody has reached makes each say how far it is.
				w.say("this is how far all are:\n%v", w.Behind(all, w.Furthest(all)+1))
				abandon(fmt.Errorf("no client got any receipt for %s; processes' logs are in %s", quiet.Round(time.Second), w.Cluster.LogDir()))
				stop()
				<-clientsEnded
				<-struck
				return context.Cause(working)
			}
		}
	}
}

// progress prints one line.
func (w *world) progress() {
	b := w.book.totals()
	w.say("%d done, %d refused, %d in flight, %d left behind | %s | %s", b.done, b.refused, b.open, b.left, w.faults, w.memory)
}

func (w *world) say(format string, args ...any) {
	fmt.Printf("%6.1fs  %s\n", time.Since(w.begun).Seconds(), fmt.Sprintf(format, args...))
}

// pause waits, and says whether it did so to the end.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

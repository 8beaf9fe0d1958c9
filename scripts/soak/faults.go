package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/scripts/observe"
)

// victim is a process that is killed, or frozen and thawed.
type victim struct {
	name   string
	freeze bool
	after  time.Duration // from the beginning of the fault
	away   time.Duration
}

func (v victim) kind() string {
	kind, _, _ := strings.Cut(v.name, ".")
	return kind
}

func (v victim) String() string {
	if v.freeze {
		return fmt.Sprintf("%s frozen for %.1f s", v.name, v.away.Seconds())
	}
	return fmt.Sprintf("%s killed, away for %.1f s", v.name, v.away.Seconds())
}

// shares are how often a kind is the victim, of 100.
var shares = []struct {
	kind  string
	share int
}{{"gateway", 25}, {"peer", 22}, {"orderer", 22}, {"chaincode", 21}, {"anchor", 10}}

const (
	freezes = 30 // of 100 faults freeze their victim
	doubles = 25 // of 100 have two victims, of different kinds
	minAway = 300 * time.Millisecond
	maxAway = 6 * time.Second
)

// next draws a pause and the victims after it. It keeps within what the network
// tolerates: one process of a kind at a time and two in all, so that one gateway,
// three orderers and two organisations that endorse are left; and a fault begins
// only when all have caught up from the one before and operations commit. Draws depend on nothing but the
// seed.
func next(random *rand.Rand, processes []string, pace time.Duration) (time.Duration, []victim) {
	wait := pace/2 + time.Duration(random.Int64N(int64(pace)))
	count := 1
	if random.IntN(100) < doubles {
		count = 2
	}
	var victims []victim
	for len(victims) < count {
		roll, kind := random.IntN(100), ""
		for _, s := range shares {
			if roll -= s.share; roll < 0 {
				kind = s.kind
				break
			}
		}
		var choice []string
		for _, p := range processes {
			if strings.HasPrefix(p, kind+".") {
				choice = append(choice, p)
			}
		}
		v := victim{freeze: random.IntN(100) < freezes, away: minAway + time.Duration(random.Int64N(int64(maxAway-minAway)))}
		pick := random.IntN(max(1, len(choice)))
		if len(victims) == 1 {
			v.after = time.Duration(random.Int64N(int64(2 * time.Second)))
		}
		taken := slices.ContainsFunc(victims, func(o victim) bool { return o.kind() == kind })
		if taken || len(choice) == 0 {
			continue
		}
		v.name = choice[pick]
		victims = append(victims, v)
	}
	return wait, victims
}

// faults kills and freezes processes, one fault after the other.
type faults struct {
	cluster *cluster.Cluster
	book    *book
	random  *rand.Rand
	pace    time.Duration

	mu      sync.Mutex
	kills   map[string]int // by kind
	frozen  map[string]int
	now     []string // names of those that are frozen
	down    []string // names of those that were killed and not started since
	state   string   // what goes on
	commits []time.Duration
	ready   []time.Duration
}

func newFaults(c *cluster.Cluster, b *book, random *rand.Rand, pace time.Duration) *faults {
	return &faults{cluster: c, book: b, random: random, pace: pace, kills: map[string]int{}, frozen: map[string]int{}, state: "no fault yet"}
}

// processes are those that may be victims. The chains' test nodes are not among
// them: no operation needs them.
func (f *faults) processes() []string {
	var names []string
	for _, o := range f.cluster.Orgs() {
		names = append(names, o.Peer().Name, o.ChaincodeName(), o.AnchorName())
		for _, n := range o.Orderers() {
			names = append(names, n.Name)
		}
		if o.HasGateway {
			names = append(names, o.GatewayName())
		}
	}
	slices.Sort(names)
	return names
}

// explain says what is done to the network.
func (f *faults) explain(out io.Writer) {
	if f.pace == 0 {
		fmt.Fprintln(out, "         no faults: --pace 0")
		return
	}
	fmt.Fprintf(out, "         faults: one or two processes of different kinds at a time, away for %s to %s, %d %% frozen and the others killed;\n"+
		"         never two orderers or two gateways; the next one once all run and have caught up\n", minAway, maxAway, freezes)
}

// run strikes until ctx ends.
func (f *faults) run(ctx context.Context, n *observe.Network) {
	if f.pace == 0 {
		return
	}
	processes := f.processes()
	for {
		wait, victims := next(f.random, processes, f.pace)
		if !pause(ctx, wait) {
			return
		}
		f.strike(ctx, victims)
		begun := time.Now()
		if err := f.restore(ctx, n); err != nil {
			return // the load has ended; settle restores
		}
		ready := time.Since(begun)
		// Equal heights say little while nothing is ordered: orderers that are changing
		// leaders do not bear another failure.
		for {
			if _, came := f.book.recovered(); came {
				break
			}
			f.set("all caught up, waiting for an operation that commits")
			if !pause(ctx, 100*time.Millisecond) {
				return
			}
		}
		f.note(victims, ready)
	}
}

// dead finds processes that ended by themselves.
func (f *faults) dead() {
	f.mu.Lock()
	down := f.down
	f.mu.Unlock()
	for _, p := range f.cluster.Processes() {
		if !p.Alive && !slices.Contains(down, p.Name) {
			f.book.find("%s ended by itself, look at %s/%s.log", p.Name, f.cluster.LogDir(), p.Name)
		}
	}
}

// strike does to all victims what was drawn for them, and ends when each was away
// for its time. Killed ones are not started here.
func (f *faults) strike(ctx context.Context, victims []victim) {
	var what []string
	for _, v := range victims {
		what = append(what, v.String())
	}
	f.set(strings.Join(what, " and "))
	var all sync.WaitGroup
	for _, v := range victims {
		all.Go(func() {
			if !pause(ctx, v.after) {
				return
			}
			var err error
			if v.freeze {
				err = f.freeze(v.name)
			} else {
				err = f.cluster.Kill(v.name)
			}
			if err != nil {
				f.book.find("%s ended by itself: %v", v.name, err)
				return
			}
			f.book.strike() // recovery counts from the last victim's end
			f.mu.Lock()
			if v.freeze {
				f.frozen[v.kind()]++
			} else {
				f.kills[v.kind()]++
				f.down = append(f.down, v.name)
			}
			f.mu.Unlock()
			pause(ctx, v.away)
		})
	}
	all.Wait()
	f.thawAll()
}

// freeze stops a process where it stands, as a machine does that swaps or a virtual
// one that is moved.
func (f *faults) freeze(name string) error {
	for _, p := range f.cluster.Processes() {
		if p.Name == name && p.Alive {
			f.mu.Lock()
			f.now = append(f.now, name)
			f.mu.Unlock()
			return syscall.Kill(p.PID, syscall.SIGSTOP)
		}
	}
	return fmt.Errorf("%s is not running", name)
}

// thawAll lets frozen processes go on.
func (f *faults) thawAll() {
	if f == nil {
		return
	}
	f.mu.Lock()
	names := f.now
	f.now = nil
	f.mu.Unlock()
	for _, p := range f.cluster.Processes() {
		if slices.Contains(names, p.Name) && p.Alive {
			_ = syscall.Kill(p.PID, syscall.SIGCONT) // it may be gone
		}
	}
}

// restore starts what was killed and waits until all have caught up. It tries until
// ctx ends: a loaded machine may need more time than the network's own limits allow.
// What ended by itself would be started as well, and is noted before.
func (f *faults) restore(ctx context.Context, n *observe.Network) error {
	for {
		f.dead()
		err := f.cluster.Ensure(ctx)
		if err == nil {
			f.mu.Lock()
			f.down = nil
			f.mu.Unlock()
			target := n.Furthest(ctx)
			for err = n.Behind(ctx, target); err != nil && pause(ctx, 100*time.Millisecond); {
				err = n.Behind(ctx, target)
			}
		}
		if err == nil {
			return nil
		}
		f.set("restoring: " + strings.ReplaceAll(err.Error(), "\n", "; "))
		if !pause(ctx, time.Second) {
			return err
		}
	}
}

// note keeps how long the recovery took.
func (f *faults) note(victims []victim, ready time.Duration) {
	commits, _ := f.book.recovered()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = append(f.ready, ready)
	f.commits = append(f.commits, commits)
	f.state = fmt.Sprintf("last %s: commits after %.1f s, all caught up %.1f s after the end", victims[0].name, commits.Seconds(), ready.Seconds())
}

func (f *faults) set(state string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = state
}

// String is for the line of progress.
func (f *faults) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprintf("%d killed, %d frozen; %s", sum(f.kills), sum(f.frozen), f.state)
}

func sum(counts map[string]int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}

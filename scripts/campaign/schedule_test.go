package campaign_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/sqlite/sqlitetest"
)

var (
	schedules = flag.Int("schedules", 12, "random schedules of faults to play")
	seed      = flag.Uint64("seed", 1, "of the first schedule; the next ones count on")
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		if err := child(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	sqlitetest.InMemory()
	debug.SetGCPercent(400) // most of what a schedule costs is garbage
	os.Exit(m.Run())
}

// TestSchedules plays faults of all kinds at random, alone and together, on both chains.
func TestSchedules(t *testing.T) {
	for n := range *schedules {
		number := *seed + uint64(n)
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			t.Parallel()
			for _, wrong := range playSchedule(t, number, func(*play) {}) {
				t.Errorf("seed %d: %s", number, wrong)
			}
		})
	}
}

// playSchedule plays one schedule and returns which invariants do not hold.
func playSchedule(t testing.TB, number uint64, mutate func(*play)) []string {
	r := rand.New(rand.NewPCG(number, 5))
	var g ground
	pays := number/2%2 == 0
	liar := number%2 == 0 && r.IntN(4) == 0
	switch {
	case number%2 == 1:
		g = newTron(t, r.IntN(2) == 0)
	case liar:
		g = newEVM(t, 2)
	default:
		g = newEVM(t, 1)
	}
	p := newPlay(t, g)
	p.close()
	kinds := faults
	if r.IntN(12) == 0 {
		kinds, p.timeout = append(append([]fault{}, faults...), hangBefore, hangAfter), 250*time.Millisecond
	}
	// Of each second one the journal fails, too, and the power.
	disk := rand.New(rand.NewPCG(number, 4))
	worn := max(0, disk.Float64()-0.5) * 0.5
	p.commits = func() sqlitetest.Fault {
		if disk.Float64() >= worn {
			return sqlitetest.None
		}
		return broken[disk.IntN(len(broken))]
	}
	mutate(p)
	p.open()
	ill := r.Float64() * 0.3
	for i, w := range g.ledger().wires {
		r, kinds, ill := rand.New(rand.NewPCG(number, uint64(6+i))), kinds, ill
		switch {
		case liar && i == len(g.ledger().wires)-1:
			kinds, ill = lies, 0.5
		case liar:
			ill = 0 // somebody has to tell the truth
		}
		w.set(func(int, string) fault {
			if r.Float64() >= ill {
				return none
			}
			return kinds[r.IntN(len(kinds))]
		})
	}
	s := &schedule{play: p, r: r, pays: pays}
	s.next()
	for i := range 10 + r.IntN(8) {
		s.step()
		if s.mishap(); i%7 == 6 {
			s.next()
		}
		if disk.Float64() < worn {
			s.crash()
		}
	}
	if s.setbacks > 0 { // one that was left may still come back
		g.block(true)
		g.block(true)
		g.heal()
		g.block(true)
	}
	return p.finish()
}

// broken is what becomes of commits on a disk that fails.
var broken = []sqlitetest.Fault{sqlitetest.NotDone, sqlitetest.Done}

// schedule draws what happens.
type schedule struct {
	*play
	r        *rand.Rand
	pays     bool // payments, of which each second one counts; else checkpoints
	planned  int
	setbacks int
	kept     bool // a copy of the journal exists
}

// next plans another intent.
func (s *schedule) next() {
	s.planned++
	if s.pays {
		s.plan(payment(s.g, s.planned))
		return
	}
	s.plan(checkpoint(s.g, 1+s.r.Uint64N(3)))
}

// mishap lets something happen between two steps.
func (s *schedule) mishap() {
	switch s.r.IntN(16) {
	case 0, 1:
		if d := s.g.depth(); d > 0 {
			s.g.reorg([]string{"moved", "dropped", "replaced"}[s.r.IntN(3)], 1+s.r.IntN(d))
		}
	case 2:
		s.g.forget()
	case 3:
		if s.setbacks < 2 && s.pays { // three failures would stop an intent
			s.setbacks++
			s.g.setback(s.r.IntN(2))
			s.g.block(true)
			s.g.heal()
		}
	case 4:
		s.g.spike(1 + s.r.IntN(4))
	case 5:
		s.g.foreign(s.r.IntN(2) == 0)
	case 6:
		s.reopen()
	case 7:
		s.clock()
	case 8:
		s.g.pass(time.Duration(s.r.IntN(90)) * time.Second)
	case 9:
		s.crowd()
	case 10:
		s.rollBack()
	case 11, 12:
		s.g.block(false)
	default:
		s.g.block(true)
	}
}

// clock sets the sender's clock off, by up to a day.
func (s *schedule) clock() {
	day := 24 * time.Hour
	s.skew = []time.Duration{0, time.Hour, day, -time.Hour, -day}[s.r.IntN(5)]
}

// crowd has a stranger anchor, what we want to anchor or something else.
func (s *schedule) crowd() {
	if s.pays {
		s.g.block(true)
		return
	}
	if s.r.IntN(2) == 0 {
		s.g.stranger(s.plans[len(s.plans)-1])
	} else {
		s.g.stranger(checkpoint(s.g, 1+s.r.Uint64N(2)))
	}
}

// rollBack loses the journal, or brings an older copy back. What a contract takes once
// cannot happen twice by that; a payment could, and is spared.
func (s *schedule) rollBack() {
	if s.pays {
		s.reopen()
		return
	}
	s.close()
	var err error
	switch {
	case !s.kept:
		s.kept, err = true, copyJournal(s.path, s.path+".old")
	case s.r.IntN(2) == 0:
		s.g.ledger().lost = true
		err = copyJournal(s.path+".old", s.path)
	default:
		s.g.ledger().lost = true
		for _, suffix := range []string{"", "-wal", "-shm"} {
			_ = os.Remove(s.path + suffix)
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.open()
	for _, in := range s.plans {
		s.plan(in)
	}
}

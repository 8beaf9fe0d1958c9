package submit_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// GW-11: with the default configuration a lone operation leaves after 5 ms when nothing
// is under way, and after 20 ms otherwise, whatever kind it is.
func TestHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // no time passes while anybody works
		h := start(t, func(c *submit.Config) { c.Hold, c.Lost = 0, time.Hour })
		h.ledger.SetPaced(true)
		synctest.Wait()
		record, _ := h.alice.Record("alone")
		other, _ := h.bob.Record("while one is under way")
		carol := submittest.NewPerson("carol")
		for i, next := range []struct {
			jws  string
			hold time.Duration
		}{{record, 5 * time.Millisecond}, {other, 20 * time.Millisecond}, {carol.Create(), 20 * time.Millisecond}} {
			h.submit(next.jws)
			time.Sleep(next.hold - time.Microsecond)
			synctest.Wait()
			early := h.ledger.Waiting()
			time.Sleep(time.Microsecond)
			synctest.Wait()
			if on := h.ledger.Waiting(); early != i || on != i+1 {
				t.Errorf("operation %d: %d transactions before %s, %d then", i, early, next.hold, on)
			}
		}
		h.ledger.Cut()
		synctest.Wait()
		h.submit(deactivation(carol)) // it reads the latest checkpoint
		time.Sleep(5 * time.Millisecond)
		synctest.Wait()
		if on := h.ledger.Waiting(); on != 1 {
			t.Errorf("%d transactions", on)
		}
	})
}

// GW-11: what comes after the first one makes nobody wait longer.
func TestHoldIsOfTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(c *submit.Config) { c.Hold, c.Lost = 0, time.Hour })
		h.ledger.SetPaced(true)
		h.submit(submittest.NewPerson("under way").Create())
		time.Sleep(5 * time.Millisecond)
		synctest.Wait()
		for i := range 5 {
			if on := h.ledger.Waiting(); on != 1 {
				t.Errorf("%d transactions after %d ms", on, 4*i)
			}
			h.submit(submittest.NewPerson(fmt.Sprint("one of many ", i)).Create())
			time.Sleep(4 * time.Millisecond)
			synctest.Wait()
		}
		if on := h.ledger.Waiting(); on != 2 {
			t.Errorf("%d transactions after 20 ms", on)
		}
	})
}

// So many transactions are under way and no more, also after a restart; what came
// meanwhile goes together.
func TestInFlight(t *testing.T) {
	t.Parallel()
	for configured, most := range map[int]int{0: 4, 3: 3} {
		synctest.Test(t, func(t *testing.T) {
			h := start(t, func(c *submit.Config) { c.InFlight, c.Lost = configured, time.Hour })
			h.ledger.SetPaced(true)
			var jws []string
			for i := range 2*most + 2 {
				jws = append(jws, submittest.NewPerson(fmt.Sprint("person", i)).Create())
				h.submit(jws[i])
				time.Sleep(10 * time.Millisecond) // longer than a batch is held
				synctest.Wait()
				if s := h.s.Status(); s.InFlight != min(i+1, most) || h.ledger.Waiting() != s.InFlight {
					t.Errorf("after %d operations %d transactions are under way, %d of them handed over", i+1, s.InFlight, h.ledger.Waiting())
				}
			}
			if err := h.s.Close(); err != nil {
				t.Fatal(err)
			}
			h.open()
			tickets := h.submit(jws...)
			time.Sleep(time.Second)
			synctest.Wait()
			if s := h.s.Status(); s.InFlight != most || h.ledger.Waiting() != most {
				t.Errorf("after a restart %d transactions are under way, %d handed over", s.InFlight, h.ledger.Waiting())
			}
			h.ledger.Cut()
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			if on := h.ledger.Waiting(); on != 1 {
				t.Errorf("what waited is in %d transactions", on)
			}
			h.ledger.Cut()
			for _, ticket := range tickets {
				if r := h.wait(ticket); r.State != submit.Done {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

// A batch that is void makes the next ones smaller, not below a quarter; each that is
// not makes them larger again.
func TestLimitFollowsConflicts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(c *submit.Config) { c.Batch = 64 })
		next := 0
		limit := func(want int) {
			t.Helper()
			h.want(submittest.NewPerson(fmt.Sprint("person", next)).Create(), submit.Done, fault.OK)
			next++
			if got := h.s.Status().Limit; got != want {
				t.Errorf("after %d operations batches have at most %d, want %d", next, got, want)
			}
		}
		limit(64)
		for _, want := range []int{32, 16, 16} {
			h.ledger.Inject(submittest.Conflict)
			limit(want)
		}
		for want := 20; want <= 64; want += 4 {
			limit(want)
		}
		limit(64)
	})
}

// GW-8: what travels apart has a quarter of the places, and the rest is for everybody
// else.
func TestPlacesOfWhatTravelsApart(t *testing.T) {
	t.Parallel()
	for places, quarter := range map[int]int{1: 1, 4: 1, 8: 2} {
		synctest.Test(t, func(t *testing.T) {
			h := start(t, func(c *submit.Config) { c.InFlight, c.Lost = places, time.Hour })
			var people []*submittest.Person
			for i := range places {
				p := submittest.NewPerson(fmt.Sprint("person ", i))
				h.want(p.Create(), submit.Done, fault.OK)
				people = append(people, p)
			}
			h.ledger.SetPaced(true)
			for _, p := range people {
				h.submit(deactivation(p)) // it reads the latest checkpoint
				time.Sleep(10 * time.Millisecond)
				synctest.Wait()
			}
			if on := h.ledger.Waiting(); on != quarter {
				t.Errorf("%d of %d places are taken, want %d", on, places, quarter)
			}
		})
	}
}

package reward_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// maxPage is how many bytes a page of a fold may take in a block.
const maxPage = 2_000_000

// RW-17: folding the credits of many is done in pages of at most 2 MB, that anyone takes
// up where another has stopped, whatever became of it; what is paid meanwhile voids none
// of them. The outcome is that of an undisturbed fold. BenchmarkFold is the same with
// 100,000 payees.
func TestFoldOfManyIsNeverBlocked(t *testing.T) {
	start := newCrowd(t, 3000, 300)
	start.reserve(1_000_000) // two thirds of what is wanted: each stage has something to do
	late := start.EndorseRun(start.credit(0, 10))
	start.cut()
	if start.Order(late) {
		t.Error("a payment reached an epoch that was cut before")
	}
	quiet := *start
	quiet.World = start.Clone(t)
	pages := quiet.fold()
	if pages < 10 {
		t.Errorf("%d pages", pages)
	}
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("schedule ", seed), func(t *testing.T) {
			c := *start
			c.World, c.tb = start.Clone(t), t
			c.disturbed(t, rand.New(rand.NewPCG(seed, 17)), pages)
			if diff := cmp.Diff(folded(quiet.World.Store), folded(c.Store)); diff != "" {
				t.Errorf("otherwise folded: %.1000s", diff)
			}
			c.cut()
			c.fold() // what was paid meanwhile
			c.Audit()
		})
	}
}

// disturbed folds while somebody is paid before and after each page is endorsed, and pages
// are lost, or are made by two at once.
func (c *crowd) disturbed(t *testing.T, random *rand.Rand, pages int) {
	t.Helper()
	kept := 0
	for tries := 0; c.waiting(); tries++ {
		if tries > 10*pages {
			t.Fatalf("%d of %d pages after %d tries", kept, pages, tries)
		}
		pay := func() {
			from := random.IntN(len(c.ids) - 40)
			if !c.Order(c.EndorseRun(c.credit(from, from+1+random.IntN(40)))) {
				t.Error("a fold has voided a payment")
			}
		}
		pay()
		by := c.Members[random.IntN(4)].Caller()
		page := c.EndorseFunction(by, "reward:Fold")
		other := c.EndorseFunction(ledger.Caller{}, "reward:Fold")
		pay()
		if random.IntN(3) == 0 {
			continue // whoever asked for it is gone before it was ordered
		}
		if !c.Order(page) {
			t.Fatal("what was paid meanwhile has voided a page")
		}
		if kept++; c.Order(other) {
			t.Error("the same page was kept twice")
		}
		if kept%11 == 0 {
			c.Audit()
		}
	}
	if kept != pages {
		t.Errorf("%d pages, undisturbed %d", kept, pages)
	}
	c.Audit()
}

// waiting says whether an epoch waits to be folded.
func (c *crowd) waiting() bool {
	var v reward.EpochView
	c.Read("reward:Epoch", nil, &v)
	return v.Fold.Waiting
}

// folded is what folds have made of an epoch.
func folded(store *ledger.Memory) map[string]string {
	made := map[string]string{}
	for _, e := range store.Entries() {
		for _, prefix := range []string{"due/", "total/", "subtrees/", "epoch/eip155", "epoch/tron", "rest/", "fold/"} {
			if strings.HasPrefix(e.Key, prefix) {
				made[e.Key] = string(e.Value)
			}
		}
	}
	return made
}

// RW-17: no page is larger, whether credits came in batches or alone, and where the vault
// covers a part.
func TestLargestPages(t *testing.T) {
	for _, test := range []struct {
		name     string
		together int
		funded   reward.Amount
	}{{"batches", 500, 1 << 40}, {"alone", 1, 1 << 40}, {"scarce", 500, 1_000_000}} {
		t.Run(test.name, func(t *testing.T) {
			c := newCrowd(t, 3000, test.together)
			c.reserve(test.funded)
			c.cut()
			for done := false; !done; {
				m, folded := c.page()
				if done = folded.Done; m.read+m.written > maxPage {
					t.Errorf("%d bytes read, %d written", m.read, m.written)
				}
			}
			c.Audit()
			if _, err := c.Invoke(ledger.Caller{}, "reward:Fold", nil); fault.Of(err) != fault.NotDue {
				t.Errorf("one more page: %v", err)
			}
		})
	}
}

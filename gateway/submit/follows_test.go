package submit_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// Some operations on jobs read keys that their bodies do not name, such as the balance that
// a cancelled job goes back to. When such a key voids a batch, they answer for it: whoever
// else travelled with them goes again together, at once. (GW-8)
func TestKeysThatNoBodyNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		scene := opstest.New(t)
		scene.Now = uint64(time.Now().Unix())
		jobs := opstest.NewJobsOn(scene, 1)
		jobs.Register()
		job := jobs.Open("cancelled")
		var users []*opstest.User
		for i := range 12 {
			users = append(users, opstest.NewUser(fmt.Sprint("honest ", i)))
		}
		jobs.Batches(users)
		h := &harness{
			t: t, ledger: submittest.NewOn(jobs.Store), path: filepath.Join(t.TempDir(), "journal.db"),
			configs: func(c *submit.Config) { c.Lost = time.Hour },
		}
		h.ledger.SetPaced(true)
		h.open()
		var all []string
		for i, u := range users {
			item, _ := scene.Sign(u, opstest.Submit(fmt.Sprint("record ", i)), "")
			all = append(all, item.Compact())
		}
		cancel, _ := scene.Sign(jobs.Consumer, &ops.AttestCancel{Job: job.String()}, "")
		tickets := h.submit(append(all, cancel.Compact())...)
		h.until("a batch of all", func() bool { return h.ledger.Waiting() == 1 })
		fund, err := canon.Marshal(reward.Fund{ID: strings.Repeat("ab", 32), Asset: "usd", To: jobs.Consumer.DID, Amount: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.ledger.InvokeAs(jobs.Members[0].Caller(), "reward:Fund", fund); err != nil {
			t.Fatal(err)
		}
		h.ledger.Cut()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := h.ledger.Waiting(); n != 2 {
			t.Errorf("%d batches go again, want one of those who changed nothing and one of the rest", n)
		}
		h.ledger.SetPaced(false)
		h.ledger.Cut()
		in := map[string]int{}
		for i, ticket := range tickets {
			r := h.wait(ticket)
			if r.State != submit.Done {
				t.Errorf("%d: %+v", i, r)
			}
			in[r.Transaction]++
		}
		first := h.wait(tickets[0]).Transaction
		if s := h.s.Status(); len(in) != 2 || in[first] != len(users) || s.Void != 1 || s.Contested != 1 {
			t.Errorf("in transactions %v, status %+v", in, s.Counts)
		}
	})
}

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// AR-6: days of an emission programme are ended and shared out without anybody asking for
// it, whichever member sleeps; one that is not funded raises no alarm and is paid later.
func TestEmissionGoesOn(t *testing.T) {
	t.Parallel()
	r := newRoundsWorld(t)
	r.members[1].asleep = true
	var e govern.Emission
	r.act(func(j *opstest.Jobs) {
		e = govern.Emission{
			Asset: "usd", Start: j.Clock() - 86_400 + 1200, Days: 2, Pool: 1000, Unit: 1, PeriodDays: 2, Residue: j.Residue.DID,
		}
		j.Decide("emission", j.JSON(e))
	})
	view := func() (v reward.EmissionView) {
		r.jobs.Read("reward:Emission", reward.EmissionQuery{}, &v)
		return v
	}
	r.until("begun", time.Minute, func() bool { return view().Open == 1 })
	job := r.shown("one")
	r.vote(job, attest.Valid)
	r.settled(job, "valid", "agreed")
	earned := func() uint64 { // folds take it from what is pending to what is due
		b := r.jobs.Balance(r.jobs.Verifiers[0])
		return b.Pending.Add(b.Due).Lo
	}
	fees := earned()
	r.until("ended", 30*time.Minute, func() bool { return view().Open == 2 })
	r.tickFor(2 * time.Second)
	if v := view(); v.Due != 1 {
		t.Errorf("shared without money: %+v", v)
	}
	r.quiet()
	r.act(func(j *opstest.Jobs) {
		j.Must(j.Members[0].Caller(), "reward:Fund", reward.Fund{ID: strings.Repeat("ab", 32), Asset: "usd", To: view().Account, Amount: 2000})
	})
	r.until("shared", 2*time.Minute, func() bool { return view().Due == 2 })
	if got := earned() - fees; got != 1000/3 { // the fourth's organisation sleeps, and withheld its element
		t.Errorf("a verifier has %d of the day's 1,000", got)
	}
	r.jobs.Audit()
	r.quiet()
}

//go:build e2e

package e2e_test

import (
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// late is a second quote of a job that was found valid and paid: until its deposit is due,
// it is not given back, and that quote takes it. (JB-17)
func (b *bench) late(t *testing.T) {
	p := b.policy()
	p.DepositSeconds = 3600
	b.decide("jobs", p)
	job := b.shown(b.platform)
	b.vote(job, attest.Valid, 0)
	b.settled(t, job, "valid", "agreed")
	hold := reward.HoldQuery{Hold: b.round(job).Accepted}
	if err := b.ask("reward:Return", hold, new(any)); err == nil || !strings.Contains(err.Error(), "not_due") {
		t.Errorf("the deposit is returned: %v", err)
	}
	_, before := b.money(t, b.treasurer)
	b.done(b.consumer, b.evidence(job, b.platform))
	if _, got := b.money(t, b.treasurer); got != before+deposit {
		t.Errorf("the treasury has %d, had %d", got, before)
	}
	var v reward.HoldView
	if err := b.ask("reward:Hold", hold, &v); err != nil || v.Paid != deposit || v.Returned != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	if r := b.round(job); r.Late == nil || r.Late.Amount != deposit || r.Phase != "closed" {
		t.Errorf("%+v", r)
	}
}

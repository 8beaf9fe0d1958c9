package attest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// settled is a ledger with a job done well and one that failed.
func settled(t *testing.T) (j *opstest.Jobs, good, failed ledger.Reference) {
	t.Helper()
	j = opstest.NewJobs(t, 1)
	good = j.ToCommit("good")
	j.Vote(good, attest.Valid, attest.Valid, attest.Valid, attest.Invalid)
	j.Close(good)
	failed = j.Open("failed")
	j.Accept(failed)
	j.Tick(100)
	j.Step(failed)
	j.Close(failed)
	j.Audit()
	return j, good, failed
}

// A payment that names no job, verdict or policy, and a settlement whose lines are not
// what was paid, are found, whichever of the two was changed. (JB-16)
func TestAuditFindsBrokenSettlements(t *testing.T) {
	j, good, failed := settled(t)
	deposit := "hold/" + j.Round(failed).Accepted
	settlement := "settlement/" + good.String()
	for what, c := range map[string]struct {
		key   string
		value func(was []byte) []byte
		wants string
	}{
		"a settlement is gone":                {settlement, func([]byte) []byte { return nil }, "no settlement says for which job"},
		"the settlement of a deposit is gone": {"settlement/" + failed.String(), func([]byte) []byte { return nil }, "no settlement says for which job"},
		"its job is gone":                     {"job/" + good.String(), func([]byte) []byte { return nil }, "no job"},
		"another policy":                      {settlement, edit(t, func(s *attest.Settlement) { s.Policy++ }), "policy"},
		"another asset":                       {settlement, edit(t, func(s *attest.Settlement) { s.Asset = "pts" }), "asset"},
		"another finding":                     {settlement, edit(t, func(s *attest.Settlement) { s.Finding.Verdict = attest.Invalid }), "finding"},
		"a verdict that is none":              {settlement, func(was []byte) []byte { return flip(was, 2, 0x40) }, "JB-16"},
		"a line pays more":                    {settlement, edit(t, func(s *attest.Settlement) { s.Lines[0].Amount++ }), "its lines pay"},
		"a line is gone":                      {settlement, edit(t, func(s *attest.Settlement) { s.Lines = s.Lines[1:] }), "its lines pay"},
		"a line is out of the deposit":        {settlement, edit(t, func(s *attest.Settlement) { s.Lines[0].From = attest.FromDeposit }), "its lines pay"},
		"another refund":                      {settlement, edit(t, func(s *attest.Settlement) { s.Refund++ }), "its lines pay"},
		"another payee":                       {settlement, edit(t, func(s *attest.Settlement) { s.Lines[0].Payee = ledger.ID{1} }), "its postings 0"},
		"another epoch":                       {settlement, edit(t, func(s *attest.Settlement) { s.Epoch++ }), "its postings 0"},
		"a hold pays more":                    {"hold/" + good.String(), hold(t, func(h *reward.Hold) { h.Paid++ }), "1902 are paid"},
		"a deposit pays less":                 {deposit, hold(t, func(h *reward.Hold) { h.Paid-- }), "its lines pay"},
		"a hold of another amount":            {"hold/" + good.String(), hold(t, func(h *reward.Hold) { h.Amount++ }), "its lines pay"},
		"a hold that is open":                 {"hold/" + good.String(), hold(t, func(h *reward.Hold) { h.Status, h.Paid = reward.HoldOpen, 0 }), "its lines pay"},
		"a hold is gone":                      {"hold/" + good.String(), func([]byte) []byte { return nil }, "nothing was set aside"},
		"a round that goes on":                {"round/" + good.String(), func(was []byte) []byte { return flip(was, 2, 1) }, "in phase"},
	} {
		t.Run(what, func(t *testing.T) {
			store := j.Store.Clone()
			was, err := store.Get(c.key)
			if err != nil || was == nil {
				t.Fatalf("no %s: %v", c.key, err)
			}
			if now := c.value(was); now == nil {
				err = store.Delete(c.key)
			} else {
				err = store.Put(c.key, now)
			}
			if err != nil {
				t.Fatal(err)
			}
			found := attest.Audit(ledger.Begin(store, j.Now, ledger.Caller{}))
			if !strings.Contains(fmt.Sprint(found), c.wants) {
				t.Errorf("found %v, want %q", found, c.wants)
			}
		})
	}
}

func edit(t *testing.T, change func(*attest.Settlement)) func([]byte) []byte {
	return func(was []byte) []byte {
		t.Helper()
		s, err := attest.DecodeSettlement(was)
		if err != nil {
			t.Fatal(err)
		}
		change(s)
		return s.Encode()
	}
}

func hold(t *testing.T, change func(*reward.Hold)) func([]byte) []byte {
	return func(was []byte) []byte {
		t.Helper()
		h, err := reward.DecodeHold(was)
		if err != nil {
			t.Fatal(err)
		}
		change(h)
		return h.Encode()
	}
}

func flip(was []byte, at int, mask byte) []byte {
	out := append([]byte(nil), was...)
	out[at] ^= mask
	return out
}

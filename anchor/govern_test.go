package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/govern"
	mem "github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// decide has members put a value in force at once: the first three propose, approve
// and enact it.
func (w *world) decide(subject, value string) {
	w.t.Helper()
	ref := w.propose(subject, value, 0)
	approvals := []string{"Org1MSP", "Org2MSP", "Org3MSP"}
	for _, msp := range approvals[1:] {
		w.admin(msp, "govern:Approve", govern.Approve{Proposal: ref})
	}
	w.admin("Org1MSP", "govern:Enact", govern.Enact{Proposal: ref, Approvals: approvals})
}

// propose has the first member propose a value, not before a time, and returns the
// reference.
func (w *world) propose(subject, value string, at uint64) string {
	w.t.Helper()
	var h govern.HistoryView
	w.ask("govern:History", govern.HistoryQuery{Subject: subject}, &h)
	var p govern.Proposed
	answer := w.admin("Org1MSP", "govern:Propose", govern.Propose{
		Subject: subject, Prior: h.Version, Value: jsontext.Value(value), At: at, Expires: uint64(w.now.Unix()) + 3600,
	})
	if err := json.Unmarshal(answer, &p); err != nil {
		w.t.Fatal(err)
	}
	return p.Proposal
}

// admin runs a function for an organisation's admin, and returns its answer.
func (w *world) admin(msp, function string, request any) []byte {
	w.t.Helper()
	arg, err := canon.Marshal(request)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.invokeAs(mem.Caller{MSP: msp, Role: "admin"}, function, [][]byte{arg}); err != nil {
		w.t.Fatal(err)
	}
	return w.blocks[len(w.blocks)-1].Txs[0].Response
}

// ask answers a query.
func (w *world) ask(function string, request, into any) {
	w.t.Helper()
	var args [][]byte
	if request != nil {
		arg, err := canon.Marshal(request)
		if err != nil {
			w.t.Fatal(err)
		}
		args = append(args, arg)
	}
	answer, err := w.engine.Invoke(mem.Begin(w.store, uint64(w.now.Unix()), mem.Caller{}), function, args)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		w.t.Fatal(err)
	}
}

// What K members have approved is enacted when its time has come, with whatever
// anchors run, and no sooner; what one member proposes is not.
func TestAnchorsEnactWhatIsDecided(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	epoch := func() uint64 {
		var n ops.NetworkView
		w.ask("ops:Network", nil, &n)
		return n.EpochSeconds
	}
	w.until("clocked", time.Minute, func() bool { return w.head().Number > 0 })
	at := uint64(w.now.Unix()) + 60
	ref := w.propose("epochSeconds", "31", at)
	other := w.propose("epochSeconds", "32", 0)
	for _, msp := range []string{"Org2MSP", "Org4MSP"} {
		w.admin(msp, "govern:Approve", govern.Approve{Proposal: ref})
	}
	w.members[at%4].stop() // whose turn it is
	for uint64(w.now.Unix()) < at {
		if w.tick(); epoch() != 30 {
			t.Fatalf("in force at %d, want %d", w.now.Unix(), at)
		}
	}
	w.until("enacted", 3*time.Minute, func() bool { return epoch() == 31 })
	var v govern.ProposalView
	if w.ask("govern:Proposal", govern.ProposalQuery{Proposal: other}, &v); v.Status != govern.Overtaken {
		t.Errorf("%+v", v)
	}
	for _, m := range w.members {
		if m.anchor != nil && len(m.alarms.list()) > 0 {
			t.Errorf("%s has the alarms %q", m.keys.msp, m.alarms.list())
		}
	}
}

// An anchor that cannot enact what is decided says so until it can, or until it is
// done.
func TestAnchorsThatCannotEnact(t *testing.T) {
	t.Parallel()
	for _, done := range []bool{false, true} {
		w := newWorld(t)
		w.until("clocked", time.Minute, func() bool { return w.head().Number > 0 })
		ref := w.propose("epochSeconds", "31", 0)
		w.failing, w.done = "govern:Enact", done
		for _, msp := range []string{"Org2MSP", "Org3MSP"} {
			w.admin(msp, "govern:Approve", govern.Approve{Proposal: ref})
		}
		alarmed := func(m *fakeMember) bool {
			return slices.ContainsFunc(m.alarms.list(), func(a string) bool { return strings.Contains(a, "no orderer answers") })
		}
		w.until("an alarm", time.Minute, func() bool { return slices.ContainsFunc(w.members, alarmed) })
		if !done {
			first := w.members[slices.IndexFunc(w.members, alarmed)]
			for range 50 {
				if w.tick(); !alarmed(first) {
					t.Fatal("the alarm is over while nothing has changed")
				}
			}
			w.failing = ""
		}
		w.until("enacted, and no alarm", 10*time.Second, func() bool {
			var v govern.ProposalView
			w.ask("govern:Proposal", govern.ProposalQuery{Proposal: ref}, &v)
			return v.Status == govern.Enacted && !slices.ContainsFunc(w.members, alarmed)
		})
	}
}

// While rewards are stopped epochs rest, anchors say so, and checkpoints go on; when
// the stop is lifted everything does.
func TestAnchorsUnderAStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	epoch := func() uint64 {
		var e struct{ Number uint64 }
		w.ask("reward:Epoch", nil, &e)
		return e.Number
	}
	says := func(m *fakeMember) bool {
		return slices.ContainsFunc(m.alarms.list(), func(a string) bool { return strings.Contains(a, "stopped") })
	}
	alarmed := func() bool { return slices.ContainsFunc(w.members, says) }
	w.until("clocked", time.Minute, func() bool { return w.head().Number > 0 })
	w.decide("stopped", `["reward"]`)
	number, size := epoch(), w.head().Size
	w.until("an epoch that is due", 3*time.Minute, alarmed)
	first := w.members[slices.IndexFunc(w.members, says)]
	for range 50 {
		if w.tick(); !says(first) {
			t.Fatal("the alarm is over while the epoch is due")
		}
	}
	w.cutRecord()
	w.until("a checkpoint", time.Minute, func() bool { return w.head().Size > size })
	if epoch() != number {
		t.Errorf("epoch %d was cut", number)
	}
	w.decide("stopped", `[]`)
	w.until("the next epoch", 3*time.Minute, func() bool { return epoch() > number && !alarmed() })
}

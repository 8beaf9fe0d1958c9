package opstest

import (
	"encoding/json"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Admin returns an admin of the organisation.
func (m Member) Admin() ledger.Caller { return ledger.Caller{MSP: m.MSP, Role: "admin"} }

// Clock returns the time of the newest checkpoint, 0 before the first.
func (w *World) Clock() uint64 {
	w.t.Helper()
	head, err := checkpoint.Head(ledger.Begin(w.Store, w.Now, ledger.Caller{}))
	if err != nil {
		w.t.Fatal(err)
	}
	if head == nil {
		return 0
	}
	return head.Time
}

// Head returns the newest checkpoint, one of number 0 before the first.
func (w *World) Head() checkpoint.Checkpoint {
	w.t.Helper()
	head, err := checkpoint.Head(ledger.Begin(w.Store, w.Now, ledger.Caller{}))
	if err != nil {
		w.t.Fatal(err)
	}
	if head == nil {
		return checkpoint.Checkpoint{}
	}
	return *head
}

// AdvanceTo has checkpoints accepted, a second apart, up to the number.
func (w *World) AdvanceTo(number uint64) {
	w.t.Helper()
	for head := w.Head(); head.Number < number; head = w.Head() {
		w.Checkpoint(head.Size+1, max(head.Time+1, w.Now))
	}
}

// Request returns the request to put a value, JSON, in force for a subject in place
// of what is in force now, at once and within a day. Before the first checkpoint it
// has one accepted.
func (w *World) Request(subject, value string) govern.Propose {
	w.t.Helper()
	if w.Clock() == 0 {
		w.Checkpoint(1, w.Now)
	}
	var h govern.HistoryView
	w.Read("govern:History", govern.HistoryQuery{Subject: subject}, &h)
	return govern.Propose{Subject: subject, Prior: h.Version, Value: jsontext.Value(value), Expires: w.Clock() + 86400}
}

// Propose has a member make a request, which must succeed, and returns the
// reference of the proposal.
func (w *World) Propose(m Member, request govern.Propose) string {
	w.t.Helper()
	var p govern.Proposed
	if err := json.Unmarshal(w.Must(m.Admin(), "govern:Propose", request), &p); err != nil {
		w.t.Fatal(err)
	}
	return p.Proposal
}

// Decide puts a value in force for a subject with the approvals of K members.
func (w *World) Decide(subject, value string) govern.Change {
	w.t.Helper()
	ref := w.Propose(w.Members[0], w.Request(subject, value))
	approvals := []string{w.Members[0].MSP}
	for _, m := range w.quorum()[1:] {
		w.Must(m.Admin(), "govern:Approve", govern.Approve{Proposal: ref})
		approvals = append(approvals, m.MSP)
	}
	var c govern.Change
	answer := w.Must(w.Members[len(w.Members)-1].Caller(), "govern:Enact", govern.Enact{Proposal: ref, Approvals: approvals})
	if err := canon.Decode(answer, &c); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// Clone returns a world of its own, for a test, with the same ledger.
func (w *World) Clone(t testing.TB) *World {
	c := *w
	c.t, c.Store = t, w.Store.Clone()
	return &c
}

// Reads runs a function that must succeed, with a request if it takes one, keeps nothing, and returns the keys that
// it read by their names, in their order.
func (w *World) Reads(caller ledger.Caller, name string, request any) []string {
	w.t.Helper()
	var args [][]byte
	if request != nil {
		arg, err := canon.Marshal(request)
		if err != nil {
			w.t.Fatal(err)
		}
		args = append(args, arg)
	}
	tx := ledger.Begin(w.Store, w.Now, caller)
	if _, err := w.Engine.Invoke(tx, name, args); err != nil {
		w.t.Fatal(err)
	}
	var keys []string
	for _, e := range tx.Seen() {
		keys = append(keys, e.Key)
	}
	return keys
}

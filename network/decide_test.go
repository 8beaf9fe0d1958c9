package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/network/fabric"
)

// memory is a ledger in memory under one admin's identity.
type memory struct {
	*opstest.World
	caller ledger.Caller
	before func(function string) // runs before each transaction
}

func (m *memory) Evaluate(_ context.Context, function string, args ...[]byte) ([]byte, error) {
	var arg any
	if len(args) > 0 {
		arg = args[0]
	}
	answer, err := m.Invoke(m.caller, function, arg)
	if err != nil {
		err = &fabric.Refused{Organisation: m.caller.MSP, Message: err.Error()}
	}
	return answer, err
}

func (m *memory) Execute(ctx context.Context, function string, args ...[]byte) (fabric.Receipt, error) {
	if m.before != nil {
		m.before(function)
	}
	payload, err := m.Evaluate(ctx, function, args...)
	return fabric.Receipt{Payload: payload}, err
}

// operator is an admin of a member who runs commands.
type operator struct {
	t      *testing.T
	d      *decider
	memory *memory
	out    strings.Builder
}

func newOperator(t *testing.T, w *opstest.World, member int) *operator {
	o := &operator{t: t, memory: &memory{World: w, caller: w.Members[member].Admin()}}
	o.d = &decider{ledger: o.memory, msp: w.Members[member].MSP, out: &o.out, now: time.Unix(opstest.Start, 0)}
	return o
}

// prints runs a command that has to print each of the texts, and returns what it
// printed.
func (o *operator) prints(err error, texts ...string) string {
	o.t.Helper()
	out := o.out.String()
	o.out.Reset()
	if err != nil {
		o.t.Fatal(err)
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			o.t.Errorf("%q is not in\n%s", text, out)
		}
	}
	return out
}

func TestOperatorsDecide(t *testing.T) {
	ctx := t.Context()
	w := opstest.New(t)
	w.Checkpoint(1, opstest.Start)
	one, two, three := newOperator(t, w, 0), newOperator(t, w, 1), newOperator(t, w, 2)
	u := opstest.NewUser("issuer")

	out := one.prints(one.d.propose(ctx, "issuer/"+u.DID, `{"schemas":["*"]}`, "", "36h"),
		"subject    issuer/"+u.ID.String()+"\n", "value      {\"schemas\":[\"*\"]}\n", "by         Org1MSP\n", "at         as soon as it is approved\n",
		"expires    2023-11-16T10:13:20Z\n", "approvals  Org1MSP (1 of 3)\n", "status     open\n")
	ref, _, _ := strings.Cut(strings.TrimPrefix(out, "proposal "), "\n")
	if got := two.prints(two.d.show(ctx), "treasuries", "Org1MSP", "assets", "usd pts", "stopped", opstest.Program, "(3 of them decide, set 1)"); !strings.HasSuffix(got, out) {
		t.Errorf("the open proposal is not shown:\n%s", got)
	}
	two.prints(two.d.approve(ctx, ref), "approvals  Org1MSP Org2MSP (2 of 3)\n", "status     open\n")
	one.prints(one.d.withdraw(ctx, ref), "approvals  Org2MSP (1 of 3)\n")
	one.prints(one.d.approve(ctx, ref))
	if err := one.d.approve(ctx, ref); refusal(err) == nil || refusal(err).Code != fault.AlreadyDone || !strings.Contains(err.Error(), fault.AlreadyDone.Advice()) {
		t.Errorf("approved twice: %v", err)
	}
	three.prints(three.d.approve(ctx, ref), "approvals  Org1MSP Org2MSP Org3MSP (3 of 3)\n", "status     enacted\n")
	if got := two.prints(two.d.show(ctx), "issuer            "+u.DID); strings.Contains(got, "proposal") {
		t.Errorf("a decided proposal is shown as open:\n%s", got)
	}
	two.prints(two.d.showProposal(ctx, ref), "status     enacted\n")
	want := "0  {}  as founded\n1  {\"schemas\":[\"*\"]}  2023-11-14T22:13:20Z by Org1MSP Org2MSP Org3MSP, proposal " + ref + "\n"
	if got := two.prints(two.d.history(ctx, "issuer/"+u.DID)); got != want {
		t.Errorf("history\n%s, want\n%s", got, want)
	}
}

// The release of a tag is proposed for long enough, and its notice is shown.
func TestOperatorsReleaseATag(t *testing.T) {
	ctx := t.Context()
	w := opstest.New(t)
	w.Checkpoint(1, opstest.Start)
	alice, tag := opstest.NewUser("alice"), strings.Repeat("ab", 32)
	w.Create(alice)
	for i := range 2 {
		verifier := opstest.NewUser(fmt.Sprint("verifier ", i))
		w.Create(verifier)
		w.Decide("verifier/"+verifier.ID.String(), fmt.Sprintf(`{"organisation":%q}`, w.Members[i].MSP))
		w.Do(verifier, &ops.DIDBind{DID: alice.DID, Tag: tag}, "")
	}
	one, two := newOperator(t, w, 0), newOperator(t, w, 1)
	one.prints(one.d.history(ctx, "tag/"+tag), `0  "`+alice.ID.String()+`"  before any release`)
	out := one.prints(one.d.propose(ctx, "tag/"+tag, `""`, "", openFor), "notice     until the checkpoints have counted 604800 s\n", "status     open\n")
	ref, _, _ := strings.Cut(strings.TrimPrefix(out, "proposal "), "\n")
	two.prints(two.d.approve(ctx, ref), "status     open\n")
	two.prints(two.d.show(ctx), "bound", "notice     until")
}

// What is decided about jobs is shown.
func TestOperatorsSeeJobs(t *testing.T) {
	w := opstest.New(t)
	u, paid := opstest.NewUser("judge"), opstest.NewUser("paid")
	w.Decide("operator/"+u.ID.String(), `{"organisation":"Org1MSP"}`)
	w.Decide("licence/"+u.ID.String(), fmt.Sprintf(`{"organisation":"Org2MSP","pay":%q}`, paid.DID))
	measurement := strings.Repeat("ab", 32)
	w.Decide("tee/measurements", fmt.Sprintf(`[{"platform":"sgx","measurement":%q,"operation":"job.mean"}]`, measurement))
	one := newOperator(t, w, 0)
	one.prints(one.d.show(t.Context()), u.DID+" for Org1MSP\n", u.DID+" for Org2MSP, paid to "+paid.DID+"\n", "sgx "+measurement+" for job.mean\n")
}

// A proposal for later is enacted when its time has come, by whoever is first.
func TestOperatorsEnactLater(t *testing.T) {
	ctx := t.Context()
	w := opstest.New(t)
	w.Checkpoint(1, opstest.Start)
	one := newOperator(t, w, 0)
	out := one.prints(one.d.propose(ctx, "epochSeconds", "61", "2023-11-14T22:14:20Z", openFor), "at         2023-11-14T22:14:20Z\n")
	ref, _, _ := strings.Cut(strings.TrimPrefix(out, "proposal "), "\n")
	for i := 1; i < 3; i++ {
		o := newOperator(t, w, i)
		o.prints(o.d.approve(ctx, ref), "status     open\n")
	}
	if err := one.d.enact(ctx, ref); refusal(err) == nil || refusal(err).Code != fault.NotDue {
		t.Errorf("enacted early: %v", err)
	}
	w.Checkpoint(2, opstest.Start+60)
	one.prints(one.d.showProposal(ctx, ref), "status     ready\n")
	one.memory.before = func(function string) {
		w.Must(w.Members[3].Caller(), function, govern.Enact{Proposal: ref, Approvals: []string{"Org1MSP", "Org2MSP", "Org3MSP"}})
	}
	one.prints(one.d.enact(ctx, ref), "status     enacted\n")
}

func TestOperatorsErr(t *testing.T) {
	ctx := t.Context()
	w := opstest.New(t)
	w.Checkpoint(1, opstest.Start)
	o := newOperator(t, w, 0)
	for name, test := range map[string]struct{ subject, value, at, expires, want string }{
		"no JSON":       {"treasuries", "Org1MSP", "", "1h", "is not JSON"},
		"no subject":    {"k", "2", "", "1h", "invalid_value"},
		"no such DID":   {"issuer/did:killick:x:y", "{}", "", "1h", "invalid_value"},
		"at":            {"stopped", "[]", "soon", "1h", "--at"},
		"expires":       {"stopped", "[]", "", "1 h", "--expires"},
		"before 1970":   {"stopped", "[]", "", "1969-01-01T00:00:00Z", "--expires"},
		"no end":        {"stopped", "[]", "", "", "invalid_value"},
		"nothing new":   {"stopped", "[]", "", "1h", "already_done"},
		"after its end": {"stopped", `["did"]`, "2h", "1h", "invalid_value"},
	} {
		if err := o.d.propose(ctx, test.subject, test.value, test.at, test.expires); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestConnectionFile(t *testing.T) {
	good := "channel: main\nchaincode: killick\nmsp_id: Org1MSP\ncert: c\nkey: k\npeers: [{msp_id: Org1MSP, name: p, address: a, server_name: s, tls_ca: t, msp_ca: m}]\norderers: []\nordering: smartbft\nendorsements: 2\n"
	c, err := parseConnection("file", []byte(good))
	if err != nil || c.MSPID != "Org1MSP" || c.Endorsements != 2 || len(c.Peers) != 1 || c.Peers[0].MSPCA != "m" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{"", good + "user: x\n", good + "---\n" + good, "channel: [1]\n"} {
		if _, err := parseConnection("file", []byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

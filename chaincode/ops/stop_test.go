package ops_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// The domains that can be stopped are those of the operations, and recovery belongs
// to none of them.
func TestDomainsOfOperations(t *testing.T) {
	var domains []string
	for _, name := range ops.Names() {
		domain, _, _ := strings.Cut(name, ".")
		if !slices.Contains(domains, domain) {
			domains = append(domains, domain)
		}
		if by := ops.StoppedBy(name); !slices.Contains(by, domain) && name != "did.recover" {
			t.Errorf("%s is stopped by %q", name, by)
		}
	}
	if !slices.Equal(domains, govern.Domains) {
		t.Errorf("operations are of %v, what can be stopped is %v", domains, govern.Domains)
	}
	if by := ops.StoppedBy("did.recover"); len(by) > 0 {
		t.Errorf("recovery is stopped by %q", by)
	}
}

// GV-5: a stop refuses the operations and functions of its domain and no others,
// leaves no result, and ends when it is lifted: then the same operations are done.
func TestEmergencyStop(t *testing.T) {
	for _, stopped := range govern.Domains {
		t.Run(stopped, func(t *testing.T) { stop(t, stopped) })
	}
}

func stop(t *testing.T, stopped string) {
	issuer, alice, bob := opstest.NewUser("issuer"), opstest.NewUser("alice"), opstest.NewUser("bob")
	w := opstest.New(t, issuer)
	w.Create(issuer)
	w.Create(alice)
	w.Fund(alice, 1000)
	digest := canon.Hex(opstest.Seed("digest"))
	schema := w.Do(issuer, &ops.CredentialSchema{Name: "kyc", Digest: digest}, "")
	record := w.Do(alice, opstest.Submit("old"), "")
	value, _ := w.Store.Get("record/" + record.String())
	allow := &ops.RecordAllow{
		Record: record.String(), Client: "anyone", Operation: "read", Scope: []string{"/"}, Asset: "usd", Price: 1, Expires: w.Now + 86400,
	}
	offer := w.Do(alice, allow, "")
	w.Fund(issuer, 10)
	before, _ := w.Sign(alice, opstest.Pay("usd", issuer, 1), "")
	w.Batch(before)

	items := map[string]ops.Item{}
	sign := func(u *opstest.User, body ops.Body, prior string) {
		item, _ := w.Sign(u, body, prior)
		o, err := ops.Open(item)
		if err != nil {
			t.Fatal(err)
		}
		items[o.Name] = item
	}
	// The record is used before it is deleted.
	order := []string{"did.create", "credential.issue", "record.submit", "record.allow", "attest.use", "reward.pay", "reward.withdraw", "record.delete"}
	sign(bob, &ops.DIDCreate{Document: bob.Doc}, "")
	sign(issuer, &ops.CredentialIssue{Schema: schema.String(), Digest: digest, ValidUntil: 1, Evidence: "oracle", Endorser: issuer.DID}, "")
	sign(alice, opstest.Submit("new"), "")
	sign(alice, &ops.RecordDelete{Record: record.String()}, ledger.Version(value))
	sign(alice, opstest.Pay("usd", issuer, 2), "")
	sign(alice, &ops.RewardWithdraw{Asset: "usd", Amount: 3}, "")
	allow.Operation = "copy"
	sign(alice, allow, "")
	sign(issuer, &ops.AttestUse{
		Grant: offer.String(), Record: record.String(), Version: 1, Owner: alice.DID, Operation: "read", Path: "/", Asset: "usd", Price: 1,
	}, "")

	w.Decide("stopped", fmt.Sprintf("[%q]", stopped))
	running := w.Clone(t)
	for _, name := range order {
		item := items[name]
		state := running.Store.Clone()
		got := fault.Code(running.Batch(item)[0])
		if !slices.Contains(ops.StoppedBy(name), stopped) {
			if got != fault.OK {
				t.Errorf("%s: %v", name, got)
			}
			continue
		}
		if diff := cmp.Diff(state.Entries(), running.Store.Entries()); got != fault.Stopped || diff != "" {
			t.Errorf("%s: %v, and wrote\n%s", name, got, diff)
		}
		bad := item
		bad.Signature = make([]byte, 64)
		if got := fault.Code(running.Batch(bad)[0]); got != fault.BadSignature {
			t.Errorf("%s with a bad signature: %v", name, got)
		}
	}
	if got := running.Batch(before); got[0] != ops.Replayed {
		t.Errorf("what was done answers %#x", got)
	}
	stopFunctions(t, running, stopped)

	w.Decide("stopped", "[]")
	for _, name := range order {
		if got := fault.Code(w.Batch(items[name])[0]); got != fault.OK {
			t.Errorf("%s after the stop: %v", name, got)
		}
	}
}

// stopFunctions calls every function of organisations, and every query, on a ledger
// on which a domain is stopped.
func stopFunctions(t *testing.T, w *opstest.World, stopped string) {
	t.Helper()
	for _, f := range ops.Functions() {
		if f.Name == "ops:Init" {
			continue
		}
		arg := any("{}")
		if f.Args == 0 {
			arg = nil
		}
		domain, _, _ := strings.Cut(f.Name, ":")
		_, err := w.Invoke(w.Members[0].Admin(), f.Name, arg)
		if refused := fault.Of(err) == fault.Stopped; refused != (f.Writes && slices.Contains(ops.StoppedBy(domain+"."), stopped)) {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	// Anchors go on.
	w.Checkpoint(2, w.Clock()+1)
	root := canon.Sum(fmt.Append(nil, "root", 2))
	w.Must(w.Members[3].Caller(), "checkpoint:Cosign", w.Cosign(w.Members[3], 2, root, w.Clock()))
	var head checkpoint.Checkpoint
	if w.Read("checkpoint:Head", nil, &head); head.Number != 2 {
		t.Errorf("the head is %+v", head)
	}
}

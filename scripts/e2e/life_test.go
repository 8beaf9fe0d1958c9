//go:build e2e

package e2e_test

import (
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
)

// lifeOfADID rotates a key, plays a thief and the owner's recovery through another
// gateway, and ends the DID, while others' operations read the checkpoints' clock. The
// 72 hours themselves are for tests whose clock can be moved. (ID-3, ID-4, ID-5, GW-9)
func (n *network) lifeOfADID(t *testing.T) {
	other, err := client.Dial(n.Cluster.GatewayAddresses()[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	submit := func(c *client.Client, jws string, err error, code fault.Code) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Submit(t.Context(), jws); fault.Of(err) != code {
			t.Errorf("%v, want %v", err, code)
		}
	}
	acts := func(c *client.Client, s client.Signer, code fault.Code) {
		t.Helper()
		jws, _, err := s.Operation(note("by "+s.KeyID()+", "+code.String()), "")
		submit(c, jws, err, code)
	}
	first, recovery, err := client.Generate("ES256", false)
	if err != nil {
		t.Fatal(err)
	}
	owner := first.On(n.name)
	began := time.Now()
	jws, err := owner.Create(nil, "")
	submit(n.Client, jws, err, fault.OK)
	edit := n.edit(t, owner.DID())
	next, err := edit.Rotate(owner, "EdDSA", false)
	if err != nil {
		t.Fatal(err)
	}
	update, err := owner.Update(edit)
	submit(n.Client, update, err, fault.OK)
	submit(other, update, nil, fault.OK) // its first result, though its key is gone
	thief := next.On(n.name)
	acts(n.Client, thief, fault.OK)
	acts(n.Client, owner, fault.KeyUnknown)

	// Many deactivations read the clock while checkpoints come; all of them pass.
	var people []*person
	var pending []string
	for range 20 {
		people = append(people, n.newPerson(t))
	}
	n.create(t, people...)
	for _, p := range people {
		pending = append(pending, p.sign(t, &ops.DIDDeactivate{}, "").Compact())
	}
	jws, err = thief.Deactivate()
	if err != nil {
		t.Fatal(err)
	}
	receipts, err := n.Client.SubmitAll(t.Context(), append(pending, jws)...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts {
		if r.GetState() != "done" {
			t.Errorf("deactivation %d: %v", i, r)
		}
	}
	jws, err = thief.Complete(owner.DID())
	submit(n.Client, jws, err, fault.NotDue)
	if r, err := n.Client.Resolve(t.Context(), owner.DID()); err != nil || r.GetVersion().GetDeactivation() < did.Delay || r.GetDidDocumentMetadata().GetDeactivated() {
		t.Errorf("pending: %v %v", r, err)
	}

	again, spare, err := recovery.Successors("ES256K")
	if err != nil {
		t.Fatal(err)
	}
	jws, err = recovery.On(n.name).Recover(again, "")
	submit(other, jws, err, fault.OK)
	acts(other, thief, fault.KeyUnknown)
	acts(other, again.On(n.name), fault.OK)
	jws, err = spare.On(n.name).Deactivate()
	submit(other, jws, err, fault.OK)
	acts(other, again.On(n.name), fault.DIDDeactivated)
	for version, keys := range map[uint32]int{1: 2, 2: 2, 3: 2, 4: 2, 5: 0} {
		r, err := other.ResolveVersion(t.Context(), owner.DID(), version)
		if got := len(r.GetDidDocument().GetFields()["verificationMethod"].GetListValue().GetValues()); err != nil || got != keys {
			t.Errorf("version %d has %d keys, %v", version, got, err)
		}
	}
	if r, err := other.ResolveAt(t.Context(), owner.DID(), began.Add(time.Hour)); err != nil || r.GetDidDocumentMetadata().GetVersionId() != "5" {
		t.Errorf("in an hour: %v %v", r, err)
	}
}

func (n *network) edit(t *testing.T, name string) *client.Edit {
	t.Helper()
	e, err := n.Client.Edit(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

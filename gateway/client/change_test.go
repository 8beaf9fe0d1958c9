package client_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
)

// life is a DID before a gateway.
type life struct {
	t       *testing.T
	c       *client.Client
	network string
	n       byte
}

// submit sends an operation that must have the code.
func (l *life) submit(jws string, err error, code fault.Code) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.c.Submit(l.t.Context(), jws); fault.Of(err) != code {
		l.t.Errorf("%v, want %v", err, code)
	}
}

// acts has the identity sign a record, with the code that it must have.
func (l *life) acts(i *client.Identity, code fault.Code) {
	l.t.Helper()
	l.n++
	sum := canon.Sum([]byte{l.n})
	jws, _, err := i.On(l.network).Operation(&ops.RecordSubmit{Schema: "note", Commitment: canon.Hex(sum[:])}, "")
	l.submit(jws, err, code)
}

func (l *life) edit(did string) *client.Edit {
	l.t.Helper()
	e, err := l.c.Edit(l.t.Context(), did)
	if err != nil {
		l.t.Fatal(err)
	}
	return e
}

// A DID is created, its key rotated to other algorithms, its services changed, all of
// it recovered, and ended, with the keys from files each time.
func TestLifeOfADID(t *testing.T) {
	address, _ := startGateway(t)
	c, err := client.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n, err := c.Network(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l := &life{t: t, c: c, network: n.GetNetwork()}
	dir := t.TempDir()
	first, recovery, err := client.Generate("EdDSA", true)
	if err != nil {
		t.Fatal(err)
	}
	signer := first.On(l.network)
	jws, err := signer.Create(nil, "")
	l.submit(jws, err, fault.OK)
	created := time.Now()

	e, stale := l.edit(signer.DID()), l.edit(signer.DID())
	e.SetService("files", "LinkedDomains", "https://old.example")
	e.SetService("files", "LinkedDomains", "https://alice.example")
	next, err := e.Rotate(signer, "ES256", false)
	if err != nil {
		t.Fatal(err)
	}
	next = l.reload(next, filepath.Join(dir, "next.keys"))
	if a, _ := first.Address(); next.DID("n-0") != first.DID("n-0") {
		t.Errorf("the DID became %s", next.DID("n-0"))
	} else if b, ok := next.Address(); !ok || a != b {
		t.Errorf("the chain key became that of %x", b)
	}
	l.acts(next, fault.KeyUnknown)
	jws, err = signer.Update(e)
	l.submit(jws, err, fault.OK)
	l.acts(next, fault.OK)
	l.acts(first, fault.KeyUnknown)
	jws, err = next.On(l.network).Update(stale)
	l.submit(jws, err, fault.StalePrior)
	if _, err := l.edit(signer.DID()).Rotate(signer, "EdDSA", false); err == nil {
		t.Error("a key that is in the document no more was rotated")
	}
	e = l.edit(signer.DID())
	if !e.RemoveService("files") || e.RemoveService("files") {
		t.Error("the service was not there, or is there still")
	}
	jws, err = next.On(l.network).Update(e)
	l.submit(jws, err, fault.OK)
	l.acts(next, fault.OK)
	l.versions(signer.DID(), created)

	jws, err = next.On(l.network).Deactivate()
	l.submit(jws, err, fault.OK)
	jws, err = next.On(l.network).Complete(signer.DID())
	l.submit(jws, err, fault.NotDue)
	l.edit(signer.DID()) // while its end is pending
	recovery = l.reloadRecovery(recovery, filepath.Join(dir, "a.recovery"))
	owner, spare, err := recovery.Successors("ES256K")
	if err != nil {
		t.Fatal(err)
	}
	owner, spare = l.reload(owner, filepath.Join(dir, "owner.keys")), l.reloadRecovery(spare, filepath.Join(dir, "b.recovery"))
	jws, err = recovery.On(l.network).Recover(owner, "")
	l.submit(jws, err, fault.OK)
	l.acts(owner, fault.OK)
	l.edit(signer.DID())
	l.acts(next, fault.KeyUnknown)
	jws, err = owner.On(l.network).Complete(signer.DID())
	l.submit(jws, err, fault.NotDue)
	jws, err = recovery.On(l.network).Deactivate()
	l.submit(jws, err, fault.KeyUnknown)
	jws, err = spare.On(l.network).Deactivate()
	l.submit(jws, err, fault.OK)
	l.acts(owner, fault.DIDDeactivated)
	r, err := c.Resolve(t.Context(), signer.DID())
	if err != nil || !r.GetDidDocumentMetadata().GetDeactivated() {
		t.Fatalf("%v %v", r, err)
	}
	if _, err := c.Edit(t.Context(), signer.DID()); fault.Of(err) != fault.DIDDeactivated {
		t.Error("a DID that is deactivated may be edited")
	}
}

// versions reads versions 1 to 3, of which the second has the service.
func (l *life) versions(did string, created time.Time) {
	l.t.Helper()
	var services []int
	for version := range uint32(3) {
		r, err := l.c.ResolveVersion(l.t.Context(), did, version+1)
		if err != nil {
			l.t.Fatal(err)
		}
		services = append(services, len(r.GetDidDocument().GetFields()["service"].GetListValue().GetValues()))
		if last := version == 2; (r.GetDidDocumentMetadata().GetNextUpdate() == "") != last || (r.GetDidDocumentMetadata().GetUpdated() == "") != (version == 0) {
			l.t.Errorf("version %d: %v", version+1, r.GetDidDocumentMetadata())
		}
	}
	if !slices.Equal(services, []int{0, 1, 0}) {
		l.t.Errorf("services %v", services)
	}
	if _, err := l.c.ResolveVersion(l.t.Context(), did, 4); !errors.Is(err, &fault.Error{Code: fault.NotFound}) {
		l.t.Errorf("version 4: %v", err)
	}
	if r, err := l.c.ResolveAt(l.t.Context(), did, created.Add(time.Hour)); err != nil || r.GetDidDocumentMetadata().GetVersionId() != "3" {
		l.t.Errorf("in an hour: %v %v", r, err)
	}
	if _, err := l.c.ResolveAt(l.t.Context(), did, created.Add(-time.Hour)); !errors.Is(err, &fault.Error{Code: fault.NotFound}) {
		l.t.Errorf("an hour before it was created: %v", err)
	}
}

func (l *life) reload(i *client.Identity, path string) *client.Identity {
	l.t.Helper()
	if err := i.Save(path, []byte(passphrase)); err != nil {
		l.t.Fatal(err)
	}
	if public, _, err := client.LoadPublic(path, "n-0"); err != nil || public != i.DID("n-0") {
		l.t.Errorf("public part: %s %v", public, err)
	}
	loaded, err := client.Load(path, []byte(passphrase))
	if err != nil {
		l.t.Fatal(err)
	}
	return loaded
}

func (l *life) reloadRecovery(r *client.Recovery, path string) *client.Recovery {
	l.t.Helper()
	if err := r.Save(path, []byte(passphrase)); err != nil {
		l.t.Fatal(err)
	}
	if _, err := client.Load(path, []byte(passphrase)); err == nil {
		l.t.Error("a recovery key was loaded as an identity")
	}
	loaded, err := client.LoadRecovery(path, []byte(passphrase))
	if err != nil {
		l.t.Fatal(err)
	}
	if loaded.On("n-0").DID() != r.On("n-0").DID() {
		l.t.Errorf("the recovery key is of %s", loaded.On("n-0").DID())
	}
	return loaded
}

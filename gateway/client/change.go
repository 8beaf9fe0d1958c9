package client

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// Edit is a DID's document as the ledger has it, to be changed and put in its place
// with did.update. Make it with Client.Edit.
type Edit struct {
	did   string
	doc   did.Document
	prior string
}

// Edit begins a change of a DID's newest version, which must be the newest still when
// the change reaches the ledger: otherwise it is refused as fault.StalePrior. What the
// gateway says must be the version whose hash it states, so that none can slip a key
// or a service of its own into what the owner signs; a document that was stored with
// empty lists, as no program here writes them, cannot be compared and is refused, too.
// Errors: those of Resolve, fault.DIDDeactivated.
func (c *Client) Edit(ctx context.Context, name string) (*Edit, error) {
	r, err := c.Resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	if r.GetDidDocumentMetadata().GetDeactivated() {
		return nil, fault.New(fault.DIDDeactivated, "the DID is deactivated")
	}
	version, err := strconv.ParseUint(r.GetDidDocumentMetadata().GetVersionId(), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("version of %s: %w", name, err)
	}
	before := ""
	if version > 1 {
		former, err := c.ResolveVersion(ctx, name, uint32(version-1))
		if err != nil {
			return nil, err
		}
		before = former.GetVersion().GetHash()
	}
	e, err := editOf(r)
	if err != nil {
		return nil, err
	}
	hash, err := e.hash(r, uint32(version), before)
	if err == nil && (e.did != name || hash != e.prior) {
		err = fmt.Errorf("the gateway says of %s what is not the version whose hash it states", name)
	}
	return e, err
}

// hash computes the hash of the version that was resolved (docs/formats/did-method.md).
func (e *Edit) hash(r *Resolution, version uint32, before string) (string, error) {
	v, m := r.GetVersion(), r.GetDidDocumentMetadata()
	created, err := time.Parse(time.RFC3339, m.GetCreated())
	if err != nil {
		return "", fmt.Errorf("created: %w", err)
	}
	updated := created
	if version > 1 {
		if updated, err = time.Parse(time.RFC3339, m.GetUpdated()); err != nil {
			return "", fmt.Errorf("updated: %w", err)
		}
	}
	text, err := canon.Marshal(e.doc)
	if err != nil {
		return "", err
	}
	state := did.State{
		ID: e.did, Version: version, Prior: before, Created: v.GetCreated(), CreatedAt: uint64(created.Unix()), Updated: v.GetUpdated(),
		UpdatedAt: uint64(updated.Unix()), Deactivation: v.GetDeactivation(), Root: v.GetRoot(),
	}
	if state.Document, err = canon.JCS(text); err != nil {
		return "", err
	}
	value, err := canon.Marshal(state)
	if err != nil {
		return "", err
	}
	sum := canon.Sum(value)
	return canon.Hex(sum[:]), nil
}

// editOf reads a resolved document.
func editOf(r *Resolution) (*Edit, error) {
	text, err := r.GetDidDocument().MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("resolved document: %w", err)
	}
	var resolved did.Resolved
	if err := canon.Decode(text, &resolved); err != nil {
		return nil, fmt.Errorf("resolved document: %w", err)
	}
	local := func(id string) string { return strings.TrimPrefix(id, resolved.ID) }
	all := func(ids []string) []string {
		var out []string
		for _, id := range ids {
			out = append(out, local(id))
		}
		return out
	}
	e := &Edit{did: resolved.ID, prior: r.GetVersion().GetHash(), doc: did.Document{
		Authentication: all(resolved.Authentication), AssertionMethod: all(resolved.AssertionMethod), KeyAgreement: all(resolved.KeyAgreement),
		CapabilityInvocation: all(resolved.CapabilityInvocation), Recovery: r.GetVersion().GetRecovery(),
	}}
	for _, m := range resolved.VerificationMethod {
		e.doc.VerificationMethod = append(e.doc.VerificationMethod, did.Method{ID: local(m.ID), Type: m.Type, PublicKeyMultibase: m.PublicKeyMultibase})
	}
	for _, s := range resolved.Service {
		e.doc.Service = append(e.doc.Service, did.Service{ID: local(s.ID), Type: s.Type, ServiceEndpoint: s.ServiceEndpoint})
	}
	return e, nil
}

// SetService adds a service, or replaces the one with its fragment. endpoint is an
// https: URI.
func (e *Edit) SetService(fragment, kind, endpoint string) {
	e.RemoveService(fragment)
	e.doc.Service = append(e.doc.Service, did.Service{ID: "#" + fragment, Type: kind, ServiceEndpoint: endpoint})
}

// RemoveService removes the service with the fragment, and says whether there was one.
func (e *Edit) RemoveService(fragment string) bool {
	before := len(e.doc.Service)
	e.doc.Service = slices.DeleteFunc(e.doc.Service, func(s did.Service) bool { return s.ID == "#"+fragment })
	return len(e.doc.Service) < before
}

// Rotate draws a new key for alg (EdDSA, ES256 or ES256K) and puts it in the place of
// the signer's key, in every list that has it, and likewise a new one to which content
// is encrypted. It returns the identity with the new keys, which keeps those that open
// older contents. Save it before the edit is submitted: the old signing key ends with
// it. With keep it stays under assertionMethod, and nowhere else: credentials that it
// signed stay good. That is for keys that nobody else has.
func (e *Edit) Rotate(s Signer, alg string, keep bool) (*Identity, error) {
	i := s.identity
	old := "#" + i.fragment
	at := slices.IndexFunc(e.doc.VerificationMethod, func(m did.Method) bool {
		return m.ID == old && m.PublicKeyMultibase == i.signing.public
	})
	if e.did != s.DID() || at < 0 {
		return nil, fmt.Errorf("the key %s of the key file is not in the document of %s", old, e.did)
	}
	next := &Identity{id: i.id, chain: i.chain, salts: i.salts}
	if err := next.draw(alg); err != nil {
		return nil, err
	}
	fresh := "#" + next.fragment
	if keep {
		e.doc.VerificationMethod = append(e.doc.VerificationMethod, e.doc.VerificationMethod[at])
	}
	e.doc.VerificationMethod[at] = did.Method{ID: fresh, Type: "Multikey", PublicKeyMultibase: next.signing.public}
	for _, list := range [][]string{e.doc.Authentication, e.doc.AssertionMethod, e.doc.CapabilityInvocation} {
		if k := slices.Index(list, old); k >= 0 {
			list[k] = fresh
		}
	}
	if keep {
		e.doc.AssertionMethod = append(e.doc.AssertionMethod, old)
	}
	e.doc.KeyAgreement = slices.DeleteFunc(e.doc.KeyAgreement, func(id string) bool { return id == old })
	if err := i.rotateAgreement(&e.doc, next); err != nil {
		return nil, err
	}
	return next, next.replaceDocument(e.doc)
}

// RemoveKey removes the key with the fragment from the document, and says whether there
// was one. What it has signed is verified no more. A document without a key that signs
// operations is refused by the ledger.
func (e *Edit) RemoveKey(fragment string) bool {
	id, before := "#"+fragment, len(e.doc.VerificationMethod)
	e.doc.VerificationMethod = slices.DeleteFunc(e.doc.VerificationMethod, func(m did.Method) bool { return m.ID == id })
	for _, list := range []*[]string{&e.doc.Authentication, &e.doc.AssertionMethod, &e.doc.KeyAgreement, &e.doc.CapabilityInvocation} {
		*list = slices.DeleteFunc(*list, func(one string) bool { return one == id })
	}
	return len(e.doc.VerificationMethod) < before
}

// Update signs the edit with the identity's key, which is still the one that the
// ledger knows.
func (s Signer) Update(e *Edit) (jws string, err error) {
	body, err := did.NewUpdate(&e.doc)
	if err != nil {
		return "", err
	}
	jws, _, err = s.Operation(body, e.prior)
	return jws, err
}

// Deactivate signs the operation with which the identity's key asks for the end of
// its DID: it can be completed 72 hours later, and the recovery key can prevent it
// until then.
func (s Signer) Deactivate() (jws string, err error) {
	jws, _, err = s.Operation(&ops.DIDDeactivate{}, "")
	return jws, err
}

// Complete signs the operation that ends a DID, anybody's, whose deactivation has
// been pending for 72 hours.
func (s Signer) Complete(of string) (jws string, err error) {
	jws, _, err = s.Operation(&ops.DIDComplete{DID: of}, "")
	return jws, err
}

// draw draws a new signing key. Its fragment is made from the key, so that it named
// no other one before.
func (i *Identity) draw(alg string) (err error) {
	if i.signing, err = drawKey(did.Algorithm(alg)); err != nil {
		return fmt.Errorf("draw signing key: %w", err)
	}
	i.fragment = "key-" + i.signing.public[len(i.signing.public)-12:]
	return nil
}

// replaceDocument sets the document of an identity whose DID exists.
func (i *Identity) replaceDocument(doc did.Document) error {
	text, err := canon.Marshal(doc)
	if err != nil {
		return err
	}
	id := i.id
	_, err = i.setDocument(text)
	i.id = id
	return err
}

// Recovering is a recovery key on one network. It implements ops.Signer.
type Recovering struct {
	recovery *Recovery
	network  string
}

// On returns the recovery key as a signer on a network.
func (r *Recovery) On(network string) Recovering { return Recovering{r, network} }

// DID returns the DID that the key recovers.
func (r Recovering) DID() string { return "did:killick:" + r.network + ":" + r.recovery.id }

// KeyID returns the DID URL under which recovery keys sign.
func (r Recovering) KeyID() string { return r.DID() + "#" + did.RecoveryFragment }

// Sign signs bytes with the recovery key.
func (r Recovering) Sign(message []byte) ([]byte, error) { return r.recovery.key.sign(message) }

// Successors draws new keys for the DID: one that signs operations with alg, one to
// which content is encrypted, and a new recovery key. Contents that were encrypted to
// the DID before open with the old key file only. Save both before Recover is submitted: the old ones end with it.
func (r *Recovery) Successors(alg string) (*Identity, *Recovery, error) {
	next := &Identity{id: r.id, salts: r.salts}
	if err := next.draw(alg); err != nil {
		return nil, nil, err
	}
	agreement, err := drawAgreement()
	if err != nil {
		return nil, nil, err
	}
	next.agreement = []agreementKey{agreement}
	spare, err := drawRecovery()
	if err != nil {
		return nil, nil, err
	}
	spare.id, spare.salts = r.id, r.salts
	return next, spare, next.replaceDocument(next.ownDocument(spare))
}

// Recover signs the operation that puts the identity's document, which Successors
// made, in the place of all keys and of the recovery commitment, and cancels a
// deactivation that is pending and what else has not taken effect. payout is the linked
// account (CAIP-10) to be paid; where it is empty, and did.create stated none that is
// still in force, nobody is paid until one is preferred.
func (r Recovering) Recover(next *Identity, payout string) (jws string, err error) {
	return r.operation(&ops.DIDRecover{Key: r.recovery.key.public, Document: next.Document(), Payout: payout})
}

// Deactivate signs the operation that ends the DID at once and for good.
func (r Recovering) Deactivate() (jws string, err error) {
	return r.operation(&ops.DIDDeactivate{Key: r.recovery.key.public})
}

func (r Recovering) operation(body ops.Body) (jws string, err error) {
	jws, _, err = signOperation(r, r.recovery.key.alg, r.network, body, "")
	return jws, err
}

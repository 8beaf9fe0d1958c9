package vc

import (
	"context"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// Purpose is a verification relationship of a DID document, and what a proof is for.
type Purpose string

// The purposes that occur: credentials are asserted, presentations authenticate.
const (
	AssertionMethod Purpose = "assertionMethod"
	Authentication  Purpose = "authentication"
)

// Method is a verification method of a DID's document.
type Method struct {
	ID         string // DID URL, <Controller>#<fragment>
	Controller string // the DID
	Key        *did.PublicKey
	Purposes   []Purpose // the relationships that list it
}

// Resolver finds verification methods of DIDs, except those of did:key, which the
// package reads itself.
type Resolver interface {
	// Method returns what the current document of a DID says of the DID URL. It is
	// called once for each signature. Errors: fault.DIDUnknown, fault.DIDDeactivated,
	// fault.KeyUnknown, fault.MethodUnsupported for a method of DIDs that it does
	// not know, fault.Unavailable when it could not find out.
	Method(ctx context.Context, id string) (*Method, error)
}

// DocumentMethod returns the method that the fragment names in the document of
// a did:killick. Errors: fault.KeyUnknown, fault.InvalidValue.
func DocumentMethod(controller string, doc *did.Document, fragment string) (*Method, error) {
	id := "#" + fragment
	for _, m := range doc.VerificationMethod {
		if m.ID != id {
			continue
		}
		key, err := did.ParseKey(m.PublicKeyMultibase)
		if err != nil {
			return nil, err
		}
		found := &Method{ID: controller + id, Controller: controller, Key: key}
		if slices.Contains(doc.AssertionMethod, id) {
			found.Purposes = append(found.Purposes, AssertionMethod)
		}
		if slices.Contains(doc.Authentication, id) {
			found.Purposes = append(found.Purposes, Authentication)
		}
		return found, nil
	}
	return nil, fault.New(fault.KeyUnknown, "the document of %.200s has no key %.64s", controller, id)
}

const didKey = "did:key:"

// KeyMethod returns the method of a did:key, whose one fragment repeats the key:
// did:key:z...#z.... Keys are of Ed25519, P-256 and secp256k1, and serve every
// purpose. Errors: fault.InvalidValue, fault.KeyUnknown.
func KeyMethod(id string) (*Method, error) {
	controller, fragment, ok := strings.Cut(id, "#")
	text, isKey := strings.CutPrefix(controller, didKey)
	if !ok || !isKey {
		return nil, fault.New(fault.InvalidValue, "%.200q is not did:key:<key>#<key>", id)
	}
	if fragment != text {
		return nil, fault.New(fault.KeyUnknown, "%.200q: the fragment must repeat the key", id)
	}
	key, err := did.ParseKey(text)
	if err != nil {
		return nil, err
	}
	return &Method{id, controller, key, []Purpose{AssertionMethod, Authentication}}, nil
}

// Method finds the key that a signature names, and checks that its DID controls it and
// that it may serve the purpose now.
// Errors: those of the Resolver, fault.KidMismatch, fault.KeyPurpose.
func (v *Verifier) Method(ctx context.Context, id string, purpose Purpose) (*Method, error) {
	controller, fragment, _ := strings.Cut(id, "#")
	if !strings.HasPrefix(id, "did:") || fragment == "" || !isURL(id) {
		return nil, fault.New(fault.KidMismatch, "%.200q is not a DID URL with a fragment", id)
	}
	var m *Method
	var err error
	switch {
	case strings.HasPrefix(id, didKey):
		m, err = KeyMethod(id)
	case v.Resolver == nil:
		err = fault.New(fault.MethodUnsupported, "%.200q: no resolver", id)
	default:
		m, err = v.Resolver.Method(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	// A document may carry keys that others control; those do not speak for its DID.
	if m.ID != id || m.Controller != controller {
		return nil, fault.New(fault.KidMismatch, "%.200s is controlled by %.200s", id, m.Controller)
	}
	if !slices.Contains(m.Purposes, purpose) {
		return nil, fault.New(fault.KeyPurpose, "%.200s is not listed under %s", id, purpose)
	}
	return m, nil
}

// Signer signs for one verification method.
type Signer struct {
	Method    string // DID URL with a fragment
	Algorithm did.Algorithm
	// Sign returns the 64 bytes that JWS has for the algorithm: r and s for ECDSA.
	Sign func(message []byte) ([]byte, error)
}

// controller is the DID of the method.
func (s *Signer) controller() string {
	controller, _, _ := strings.Cut(s.Method, "#")
	return controller
}

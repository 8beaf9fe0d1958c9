package vc

import (
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/jose"
)

// maxDocument is how large a DID document may be, in bytes.
const maxDocument = 64 << 10

// ParseMethod returns the method with the id, a DID URL with a fragment, that the
// document of a DID states: of any DID method, and so read as a Controlled Identifier
// Document, of which only what is asked for is looked at. Ids may be relative to the
// document. Keys are Multikeys, Ed25519VerificationKey2020, or JWKs; of other key types
// and purposes nothing is said.
// Errors: those of canon.ParseObject, fault.TooLarge, KeyUnknown, KidMismatch for a
// document of another DID, InvalidValue.
func ParseMethod(document []byte, id string) (*Method, error) {
	if len(document) > maxDocument {
		return nil, fault.New(fault.TooLarge, "a DID document of %d bytes, at most %d are taken", len(document), maxDocument)
	}
	doc, err := canon.ParseObject(document)
	if err != nil {
		return nil, err
	}
	subject, _ := text(doc, "id")
	if controller, _, _ := strings.Cut(id, "#"); subject != controller {
		return nil, fault.New(fault.KidMismatch, "the document is of %.200q, not of %.200q", subject, controller)
	}
	var found canon.Object
	var purposes []Purpose
	methods, _ := doc.Find("verificationMethod")
	for _, entry := range asList(methods) {
		if o, ok := entry.(canon.Object); ok && isMethod(o, subject, id) {
			if found != nil {
				return nil, fault.New(fault.InvalidValue, "the document has %.200q twice", id)
			}
			found = o
		}
	}
	for _, purpose := range []Purpose{AssertionMethod, Authentication} {
		list, _ := doc.Find(string(purpose))
		for _, entry := range asList(list) {
			switch v := entry.(type) {
			case string:
				if absolute(subject, v) == id {
					purposes = append(purposes, purpose)
				}
			case canon.Object: // a method that serves this purpose alone
				if isMethod(v, subject, id) && found == nil {
					found, purposes = v, append(purposes, purpose)
				}
			}
		}
	}
	if found == nil {
		return nil, fault.New(fault.KeyUnknown, "the document of %.200s has no key %.200s", subject, id)
	}
	key, err := methodKey(found)
	if err != nil {
		return nil, err
	}
	controller, _ := text(found, "controller")
	return &Method{ID: id, Controller: controller, Key: key, Purposes: purposes}, nil
}

func isMethod(o canon.Object, subject, id string) bool {
	name, ok := text(o, "id")
	return ok && absolute(subject, name) == id
}

// absolute returns the absolute form of an id in a DID's document.
func absolute(subject, id string) string {
	if strings.HasPrefix(id, "#") {
		return subject + id
	}
	return id
}

// methodKey reads the key of a verification method.
func methodKey(o canon.Object) (*did.PublicKey, error) {
	kind, _ := text(o, "type")
	switch kind {
	case "Multikey", "Ed25519VerificationKey2020":
		multikey, _ := text(o, "publicKeyMultibase")
		key, err := did.ParseKey(multikey)
		if err == nil && kind != "Multikey" && key.Algorithm() != did.EdDSA {
			err = fault.New(fault.InvalidValue, "a key of another type than %s", kind)
		}
		return key, err
	case "JsonWebKey", "JsonWebKey2020":
		value, _ := o.Find("publicKeyJwk")
		jwk, ok := value.(canon.Object)
		if !ok {
			return nil, fault.New(fault.InvalidValue, "publicKeyJwk is not an object")
		}
		return jose.ParseKey(jwk)
	}
	return nil, fault.New(fault.InvalidValue, "a verification method of the type %.64q; Multikey, JsonWebKey and Ed25519VerificationKey2020 are taken", kind)
}

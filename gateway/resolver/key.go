package resolver

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/mr-tron/base58"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/oasisprotocol/curve25519-voi/primitives/x25519"
)

// Multicodec codes of public keys.
const (
	codeSecp256k1 = 0xe7
	codeX25519    = 0xec
	codeEd25519   = 0xed
	codeP256      = 0x1200
)

// maxKey bounds the id of a did:key, in characters: an RSA key of 4096 bits has
// 730. Decoding takes the square of it.
const maxKey = 1024

// contexts are those of a document whose verification methods are Multikeys.
var contexts = []string{"https://www.w3.org/ns/did/v1.1", "https://w3id.org/security/multikey/v1"}

// keyDocument is the document of a did:key.
type keyDocument struct {
	Context              []string             `json:"@context"`
	ID                   string               `json:"id"`
	VerificationMethod   []did.ResolvedMethod `json:"verificationMethod"`
	Authentication       []string             `json:"authentication,omitempty"`
	AssertionMethod      []string             `json:"assertionMethod,omitempty"`
	CapabilityInvocation []string             `json:"capabilityInvocation,omitempty"`
	CapabilityDelegation []string             `json:"capabilityDelegation,omitempty"`
	KeyAgreement         []string             `json:"keyAgreement,omitempty"`
}

// Key is the method did:key for Ed25519, X25519, P-256 and secp256k1. An Ed25519
// key gives an X25519 key for key agreement; a key of P-256 or secp256k1 is for
// everything. The document never changes and has no versions. Errors: InvalidDID,
// FeatureNotSupported for keys of other types and a version's id.
func Key(_ context.Context, u URL, at Version) (*Resolution, error) {
	if at.ID != "" {
		return nil, &Error{Reason: FeatureNotSupported, Detail: "a did:key has no versions"}
	}
	invalid := func(format string, args ...any) (*Resolution, error) {
		return nil, &Error{Reason: InvalidDID, Detail: fmt.Sprintf(format, args...)}
	}
	if u.ID[0] != 'z' || len(u.ID) > maxKey {
		return invalid("the id of a did:key is z and base58btc, at most %d characters", maxKey)
	}
	raw, err := base58.Decode(u.ID[1:])
	if err != nil || "z"+base58.Encode(raw) != u.ID {
		return invalid("%.100q is not z and base58btc", u.ID)
	}
	code, n := binary.Uvarint(raw)
	if n <= 0 || len(binary.AppendUvarint(nil, code)) != n {
		return invalid("%.100q does not begin with a multicodec code", u.ID)
	}
	d := keyDocument{Context: contexts, ID: u.DID}
	add := func(multikey string) []string {
		id := u.DID + "#" + multikey
		d.VerificationMethod = append(d.VerificationMethod, did.ResolvedMethod{ID: id, Type: "Multikey", Controller: u.DID, PublicKeyMultibase: multikey})
		return []string{id}
	}
	switch code {
	case codeX25519:
		if len(raw)-n != x25519.PointSize {
			return invalid("an X25519 key of %d bytes", len(raw)-n)
		}
		d.KeyAgreement = add(u.ID)
	case codeEd25519, codeP256, codeSecp256k1:
		if _, err := did.ParseKey(u.ID); err != nil {
			return invalid("%s", fault.Text(err))
		}
		own := add(u.ID)
		d.Authentication, d.AssertionMethod, d.CapabilityInvocation, d.CapabilityDelegation, d.KeyAgreement = own, own, own, own, own
		if code == codeEd25519 {
			point, ok := x25519.EdPublicKeyToX25519(ed25519.PublicKey(raw[n:]))
			if !ok {
				return invalid("%.100q is no point of the curve", u.ID)
			}
			d.KeyAgreement = add("z" + base58.Encode(append(binary.AppendUvarint(nil, codeX25519), point...)))
		}
	default:
		return nil, &Error{Reason: FeatureNotSupported, Detail: fmt.Sprintf("keys with the multicodec code 0x%x are not resolved here", code)}
	}
	document, err := json.Marshal(d)
	return &Resolution{Document: document}, err
}

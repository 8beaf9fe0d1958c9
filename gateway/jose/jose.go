// Package jose reads and makes what the gateway needs of JOSE: compact JWS (RFC 7515)
// with the three algorithms that keys of DIDs have, and public keys as JWK (RFC 7517,
// 8037, 8812) with their thumbprints (RFC 7638). It chooses no key and trusts none:
// whoever calls says which key must have signed. Encryption, key sets, detached and
// unencoded payloads are not taken. All errors are of package fault.
package jose

import (
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// JWS is a compact JWS whose signature is not checked yet.
type JWS struct {
	Header  canon.Object
	Payload []byte

	input     []byte // what is signed
	signature []byte
}

// Parse reads the compact serialization. Errors: fault.Malformed, and those of
// canon.ParseObject for the header.
func Parse(compact string) (*JWS, error) {
	header, rest, _ := strings.Cut(compact, ".")
	payload, signature, ok := strings.Cut(rest, ".")
	if !ok {
		return nil, fault.New(fault.Malformed, "not a compact JWS of three parts")
	}
	var raw [3][]byte
	for i, part := range []string{header, payload, signature} {
		var err error
		if raw[i], err = canon.UnB64(part); err != nil {
			return nil, fault.New(fault.Malformed, "part %d of the JWS: %s", i+1, fault.Text(err))
		}
	}
	h, err := canon.ParseObject(raw[0])
	if err != nil {
		return nil, err
	}
	return &JWS{h, raw[1], []byte(compact[:len(header)+1+len(payload)]), raw[2]}, nil
}

// Text returns a member of the header that is a string, empty otherwise.
func (j *JWS) Text(name string) string {
	value, _ := j.Header.Find(name)
	s, _ := value.(string)
	return s
}

// Check looks at the header: the type, an algorithm of ours, and no extension that
// would have to be understood.
// Errors: fault.InvalidValue, fault.AlgMismatch, fault.UnknownField.
func (j *JWS) Check(typ string) error {
	for _, name := range []string{"crit", "b64"} {
		if _, ok := j.Header.Find(name); ok {
			return fault.New(fault.UnknownField, "header: no extension named by %s is taken", name)
		}
	}
	if got := j.Text("typ"); got != typ {
		return fault.New(fault.InvalidValue, "header: typ is %.64q, want %s", got, typ)
	}
	// Before any key is looked at: "none" and the HMAC algorithms have no public key.
	if alg := j.Text("alg"); !did.Algorithm(alg).Known() {
		return fault.New(fault.AlgMismatch, "header: alg is %.64q, want one of %s", alg, did.Algorithms)
	}
	return nil
}

// Verify says whether the key signed, with its own algorithm.
// Errors: fault.AlgMismatch, fault.BadSignature.
func (j *JWS) Verify(key *did.PublicKey) error {
	if alg := j.Text("alg"); string(key.Algorithm()) != alg {
		return fault.New(fault.AlgMismatch, "header: alg is %.64q, the key is for %s", alg, key.Algorithm())
	}
	if !key.Verify(j.input, j.signature) {
		return fault.New(fault.BadSignature, "not the signature of this key")
	}
	return nil
}

// Sign makes a JWS. sign returns the 64 bytes that JWS has for the header's algorithm.
func Sign(header, payload canon.Object, sign func(message []byte) ([]byte, error)) (string, error) {
	input := canon.B64(header.JCS()) + "." + canon.B64(payload.JCS())
	signature, err := sign([]byte(input))
	if err != nil {
		return "", err
	}
	return input + "." + canon.B64(signature), nil
}

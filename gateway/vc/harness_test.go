package vc_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/vc"
)

// now is the time of all checks.
var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

const ledgerDID = "did:killick:main-0011223344556677:4KZXuGpR4R28YfKeELEnVp4TLR2y"

// keySigner signs for the did:key of a named key.
func keySigner(name string, alg did.Algorithm) *vc.Signer {
	pair := opstest.NewKey(name, alg)
	return &vc.Signer{
		Method: "did:key:" + pair.Multikey + "#" + pair.Multikey, Algorithm: alg,
		Sign: func(message []byte) ([]byte, error) { return pair.Signature(message), nil },
	}
}

// controller is the DID of a signer.
func controller(s *vc.Signer) string {
	d, _, _ := strings.Cut(s.Method, "#")
	return d
}

// documents resolves the DIDs of inception documents.
type documents map[string]*did.Document

func (d documents) Method(_ context.Context, id string) (*vc.Method, error) {
	controller, fragment, _ := strings.Cut(id, "#")
	doc := d[controller]
	if doc == nil {
		return nil, fault.New(fault.DIDUnknown, "no %s", controller)
	}
	return vc.DocumentMethod(controller, doc, fragment)
}

// ledger is a resolver that knows ledgerDID: #assert and #login are keys of one
// purpose each.
func ledger() (documents, func(fragment string, alg did.Algorithm) *vc.Signer) {
	signer := func(fragment string, alg did.Algorithm) *vc.Signer {
		s := keySigner("ledger "+fragment, alg)
		s.Method = ledgerDID + "#" + fragment
		return s
	}
	key := func(fragment string) string { return opstest.NewKey("ledger "+fragment, did.EdDSA).Multikey }
	return documents{ledgerDID: {
		VerificationMethod: []did.Method{
			{ID: "#assert", Type: "Multikey", PublicKeyMultibase: key("assert")},
			{ID: "#login", Type: "Multikey", PublicKeyMultibase: key("login")},
		},
		AssertionMethod: []string{"#assert"}, Authentication: []string{"#login"},
	}}, signer
}

const alumniContext = "https://contexts.example/alumni/v1"

var alumniFile = []byte(`{"@context":{"@protected":true,"AlumniCredential":"https://contexts.example/alumni#AlumniCredential","alumniOf":"https://contexts.example/alumni#alumniOf"}}`)

// otherContext is allowed as well, and defines no types.
const otherContext = "https://contexts.example/other/v1"

var otherFile = []byte(`{"@context":{"other":"https://contexts.example/other#other"}}`)

// contexts allows the base context and these two.
func contexts(t testing.TB) *vc.Contexts {
	t.Helper()
	alumni, err := vc.PinContext(alumniContext, alumniFile, sha256.Sum256(alumniFile), "AlumniCredential")
	if err != nil {
		t.Fatal(err)
	}
	other, err := vc.PinContext(otherContext, otherFile, sha256.Sum256(otherFile))
	if err != nil {
		t.Fatal(err)
	}
	c, err := vc.NewContexts(alumni, other)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func verifier(t testing.TB) *vc.Verifier {
	t.Helper()
	docs, _ := ledger()
	return &vc.Verifier{Contexts: contexts(t), Resolver: docs}
}

// alumni is an unsecured credential.
func alumni(issuer string) string {
	return `{"@context":["https://www.w3.org/ns/credentials/v2","` + alumniContext + `"],"id":"urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",` +
		`"type":["VerifiableCredential","AlumniCredential"],"name":"Alumni Credential","description":{"@value":"An example","@language":"en"},` +
		`"issuer":{"id":"` + issuer + `","name":"School"},"validFrom":"2026-01-01T00:00:00Z","validUntil":"2027-01-01T00:00:00+02:00",` +
		`"credentialStatus":{"type":"BitstringStatusListEntry","statusPurpose":"revocation","statusListIndex":"94567","statusListCredential":"https://issuer.example/status/3"},` +
		`"credentialSchema":{"id":"https://issuer.example/schema.json","type":"JsonSchema"},` +
		`"credentialSubject":{"id":"did:example:abcdefgh","alumniOf":"The School of Examples","average":1.5}}`
}

// presenting is an unsecured presentation of credentials in JSON.
func presenting(holder string, credentials ...string) string {
	return `{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiablePresentation"],"holder":"` + holder +
		`","verifiableCredential":[` + strings.Join(credentials, ",") + `]}`
}

func envelope(compact string) string {
	return `{"@context":"https://www.w3.org/ns/credentials/v2","id":"data:application/vc+jwt,` + compact + `","type":"EnvelopedVerifiableCredential"}`
}

// edited is a document in which a member has another value, given in JSON; "" takes
// the member out. The path's levels are parted by slashes.
func edited(t testing.TB, doc, path, value string) string {
	t.Helper()
	o, err := canon.ParseObject([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return string(edit(t, o, strings.Split(path, "/"), value).JCS())
}

func edit(t testing.TB, o canon.Object, path []string, value string) canon.Object {
	t.Helper()
	if len(path) > 1 {
		inner, _ := o.Find(path[0])
		return o.With(path[0], edit(t, inner.(canon.Object), path[1:], value))
	}
	if value == "" {
		return o.Without(path[0])
	}
	wrapped, err := canon.ParseObject([]byte(`{"v":` + value + `}`))
	if err != nil {
		t.Fatal(err)
	}
	v, _ := wrapped.Find("v")
	return o.With(path[0], v)
}

// jwsOf signs any header and payload.
func jwsOf(t testing.TB, s *vc.Signer, header, payload string) string {
	t.Helper()
	input := canon.B64([]byte(header)) + "." + canon.B64([]byte(payload))
	signature, err := s.Sign([]byte(input))
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + canon.B64(signature)
}

func header(alg, kid, typ string) string {
	b, _ := json.Marshal(map[string]string{"alg": alg, "kid": kid, "typ": typ})
	return string(b)
}

var proofTimes = vc.ProofOptions{Created: now.Add(-time.Hour), Expires: now.Add(time.Hour)}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

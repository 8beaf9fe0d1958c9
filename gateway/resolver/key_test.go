package resolver_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/gateway/resolver"
	"github.com/mr-tron/base58"
)

// methods resolves did:key alone.
var methods = resolver.Resolver{"key": resolver.Key}

// vectorMethod is a verification method of the published vectors, which are of
// the suites before Multikey.
type vectorMethod struct {
	ID, Type, Controller, PublicKeyBase58, PublicKeyMultibase string
	PublicKeyJwk                                              struct{ Crv, X, Y string }
}

type vectorDocument struct {
	Context                                                                                   string `json:"-"`
	ID                                                                                        string
	VerificationMethod                                                                        []vectorMethod
	AssertionMethod, Authentication, CapabilityInvocation, CapabilityDelegation, KeyAgreement []string
}

// keyBytes returns the raw public key: ECDSA points compressed.
func (m vectorMethod) keyBytes(t *testing.T) []byte {
	t.Helper()
	if m.PublicKeyBase58 != "" {
		raw, err := base58.Decode(m.PublicKeyBase58)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	x, err := base64.RawURLEncoding.DecodeString(m.PublicKeyJwk.X)
	if err != nil || m.PublicKeyJwk.Y == "" {
		return x
	}
	y, err := base64.RawURLEncoding.DecodeString(m.PublicKeyJwk.Y)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{2 + byte(new(big.Int).SetBytes(y).Bit(0))}, x...)
}

// vectors returns the documents of the did:key method's own test vectors.
func vectors(t *testing.T) map[string]vectorDocument {
	t.Helper()
	out := map[string]vectorDocument{}
	for _, name := range []string{"ed25519-x25519", "x25519", "nist-curves", "secp256k1"} {
		data, err := os.ReadFile(filepath.Join("testdata/did-key", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var byDID map[string]struct{ DIDDocument vectorDocument }
		if name == "x25519" {
			var turned struct{ DIDDocument map[string]vectorDocument }
			if err := json.Unmarshal(data, &turned); err != nil {
				t.Fatal(err)
			}
			for did, d := range turned.DIDDocument {
				out[did] = d
			}
			continue
		}
		if err := json.Unmarshal(data, &byDID); err != nil {
			t.Fatal(err)
		}
		for did, d := range byDID {
			out[did] = d.DIDDocument
		}
	}
	return out
}

func resolve(t *testing.T, identifier string) (*resolver.Resolution, error) {
	t.Helper()
	q, err := methods.Parse(identifier, "")
	if err != nil {
		return nil, err
	}
	return methods.Resolve(t.Context(), q)
}

func TestKeyVectors(t *testing.T) {
	resolved := 0
	for did, want := range vectors(t) {
		t.Run(did, func(t *testing.T) {
			r, err := resolve(t, did)
			if strings.HasPrefix(did, "did:key:z82") || strings.HasPrefix(did, "did:key:z2J9") { // P-384, P-521
				if reason(err) != resolver.FeatureNotSupported {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			resolved++
			var got vectorDocument
			if err := json.Unmarshal(r.Document, &got); err != nil {
				t.Fatal(err)
			}
			if len(got.VerificationMethod) != len(want.VerificationMethod) {
				t.Fatalf("got %s", r.Document)
			}
			for i, m := range got.VerificationMethod {
				w := want.VerificationMethod[i]
				raw, err := base58.Decode(m.PublicKeyMultibase[1:])
				if err != nil {
					t.Fatal(err)
				}
				if m.Type != "Multikey" || m.ID != w.ID || m.Controller != did || m.ID != did+"#"+m.PublicKeyMultibase || string(raw[2:]) != string(w.keyBytes(t)) {
					t.Errorf("got %+v, want the key of %+v", m, w)
				}
			}
			got.VerificationMethod, want.VerificationMethod = nil, nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if resolved != 18 {
		t.Errorf("%d vectors were resolved", resolved)
	}
}

func TestKeyRefusals(t *testing.T) {
	ed := "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"
	key := func(raw ...byte) string { return "did:key:z" + base58.Encode(raw) }
	tests := map[string]struct {
		did  string
		want resolver.Reason
	}{
		"other multibase":              {"did:key:f6Mk", resolver.InvalidDID},
		"no base58":                    {"did:key:z0OIl", resolver.InvalidDID},
		"only the multibase letter":    {"did:key:z", resolver.InvalidDID},
		"a code cut short":             {key(0xed), resolver.InvalidDID},
		"a code in two spellings":      {key(append([]byte{0xed, 0x81, 0x00}, make([]byte, 32)...)...), resolver.InvalidDID},
		"Ed25519 too short":            {key(append([]byte{0xed, 1}, make([]byte, 31)...)...), resolver.InvalidDID},
		"Ed25519 too long":             {key(append([]byte{0xed, 1}, make([]byte, 33)...)...), resolver.InvalidDID},
		"Ed25519 off the curve":        {key(append([]byte{0xed, 1, 2}, make([]byte, 31)...)...), resolver.InvalidDID},
		"X25519 too short":             {key(append([]byte{0xec, 1}, make([]byte, 31)...)...), resolver.InvalidDID},
		"P-256 off the curve":          {key(append([]byte{0x80, 0x24, 2}, make([]byte, 31)...)...), resolver.InvalidDID},
		"secp256k1 off the curve":      {key(append([]byte{0xe7, 1, 2}, make([]byte, 32)...)...), resolver.InvalidDID},
		"secp256k1 uncompressed":       {key(append([]byte{0xe7, 1, 4}, make([]byte, 64)...)...), resolver.InvalidDID},
		"a second part":                {ed + ":x", resolver.InvalidDID},
		"longer than any key":          {"did:key:z" + strings.Repeat("2", 1024), resolver.InvalidDID},
		"a key of an unknown type":     {key(0xea, 1, 7), resolver.FeatureNotSupported},
		"a version":                    {ed + "?versionId=1", resolver.FeatureNotSupported},
		"a path":                       {ed + "/path", resolver.NotFound},
		"a parameter without meaning":  {ed + "?hl=zQm", resolver.NotFound},
		"a method that is not here":    {"did:web:example.com", resolver.MethodNotSupported},
		"a method that is nowhere":     {"did:unsupported:123456789abcdefghi", resolver.MethodNotSupported},
		"a version and a time at once": {ed + "?versionId=1&versionTime=2025-10-07T14:30:00Z", resolver.InvalidDIDURL},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := resolve(t, tt.did); reason(err) != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// A did:key is the same at any time.
func TestKeyAtATime(t *testing.T) {
	did := "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169"
	now, err := resolve(t, did)
	if err != nil {
		t.Fatal(err)
	}
	then, err := resolve(t, did+"?versionTime=2025-10-07T14:30:00Z")
	if err != nil || string(then.Document) != string(now.Document) {
		t.Errorf("got %v, %v", then, err)
	}
}

func BenchmarkKey(b *testing.B) {
	q, err := methods.Parse("did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp", "")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := methods.Resolve(context.Background(), q); err != nil {
			b.Fatal(err)
		}
	}
}

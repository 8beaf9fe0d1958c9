package certificate_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/resolver"
	"github.com/killick-ledger/killick/gateway/status"
	"github.com/killick-ledger/killick/gateway/vc"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// key is a did:key.
type key struct{ opstest.Key }

func (k key) DID() string { return "did:key:" + k.Multikey }

func (k key) KeyID() string { return k.DID() + "#" + k.Multikey }

func (k key) Sign(message []byte) ([]byte, error) { return k.Signature(message), nil }

func (k key) signer() *vc.Signer {
	return &vc.Signer{Method: k.KeyID(), Algorithm: k.Alg, Sign: k.Sign}
}

func parse(t testing.TB, text string) canon.Object {
	t.Helper()
	o, err := canon.ParseObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func contexts(t testing.TB, more ...vc.Context) *vc.Contexts {
	t.Helper()
	c, err := vc.NewContexts(more...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestVectors plays docs/formats/vectors/credentials.json, among them "none", HMAC with a
// public key, keys of other purposes and of other DIDs, times that are over or to come,
// names that occur twice, foreign digests, unknown contexts and types: what gateway/vc
// refuses is refused here, with the same code.
func TestVectors(t *testing.T) {
	var file struct {
		Now      string
		Contexts map[string]struct {
			File  string
			Types []string
		}
		Documents map[string]json.RawMessage
		Vectors   []struct{ Name, Secured, Challenge, Domain, Code string }
	}
	canontest.ReadJSON(t, "../../docs/formats/vectors/credentials.json", &file)
	at, err := time.Parse(time.RFC3339, file.Now)
	if err != nil || len(file.Vectors) < 50 {
		t.Fatalf("%v, %d vectors", err, len(file.Vectors))
	}
	var more []vc.Context
	for url, c := range file.Contexts {
		pinned, err := vc.PinContext(url, []byte(c.File), sha256.Sum256([]byte(c.File)), c.Types...)
		if err != nil {
			t.Fatal(err)
		}
		more = append(more, pinned)
	}
	s := certificate.At(certificate.Config{Contexts: contexts(t, more...), Resolver: told(t, file.Documents)}, at)
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			var secured any = v.Secured
			if strings.HasPrefix(strings.TrimSpace(v.Secured), "{") {
				o, err := canon.ParseObject([]byte(v.Secured))
				if err != nil {
					if fault.Of(err).String() != v.Code {
						t.Errorf("%v, want %s", err, v.Code)
					}
					return
				}
				secured = o
			}
			options := certificate.Options{Checks: []string{certificate.CheckProof}, Challenge: v.Challenge, Domain: v.Domain}
			var err error
			if v.Challenge != "" && !strings.HasPrefix(v.Name, "sd-jwt") {
				_, err = s.VerifyPresentation(t.Context(), secured, options)
			} else {
				_, err = s.Verify(t.Context(), secured, options)
			}
			if v.Name == "sd-jwt: without a tilde" {
				v.Code = fault.InvalidValue.String() // nobody says that it is to be an SD-JWT
			}
			if got := fault.Of(err).String(); got != v.Code {
				t.Errorf("got %v, want %s", err, v.Code)
			}
		})
	}
}

// told resolves documents that are given.
func told(t testing.TB, documents map[string]json.RawMessage) resolver.Resolver {
	t.Helper()
	find := func(_ context.Context, u resolver.URL, _ resolver.Version) (*resolver.Resolution, error) {
		text, ok := documents[u.DID]
		if !ok {
			return nil, &resolver.Error{Reason: resolver.NotFound, Detail: "no such DID"}
		}
		return &resolver.Resolution{Document: []byte(absolute(u.DID, string(text)))}, nil
	}
	return resolver.Resolver{"key": resolver.Key, "killick": find, "web": find}
}

// absolute makes a document of the ledger what its resolver answers.
func absolute(did, text string) string {
	text = strings.ReplaceAll(text, `"#`, `"`+did+`#`)
	if strings.HasPrefix(text, `{"id":"did:`) {
		return text
	}
	text = strings.ReplaceAll(text, `"Multikey"`, `"Multikey","controller":"`+did+`"`)
	return `{"id":"` + did + `",` + strings.TrimPrefix(text, "{")
}

const webDID = "did:web:issuer.example"

// An issuer of did:web is verified by the document that its host serves.
func TestWebIssuer(t *testing.T) {
	k := key{opstest.NewKey("web issuer", did.EdDSA)}
	method := `{"id":"` + webDID + `#k","type":"Multikey","controller":"` + webDID + `","publicKeyMultibase":"` + k.Multikey + `"}`
	signer := &vc.Signer{Method: webDID + "#k", Algorithm: did.EdDSA, Sign: k.Sign}
	secured, err := contexts(t).Issue([]byte(`{"@context":["`+vc.BaseContext+`"],"type":["VerifiableCredential"],"issuer":"`+webDID+`","credentialSubject":{"id":"urn:s"}}`), signer, vc.ProofOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		document string
		code     fault.Code
	}{
		"good":            {`{"id":"` + webDID + `","verificationMethod":[` + method + `],"assertionMethod":["` + webDID + `#k"]}`, fault.OK},
		"another purpose": {`{"id":"` + webDID + `","verificationMethod":[` + method + `],"authentication":["` + webDID + `#k"]}`, fault.KeyPurpose},
		"another key":     {`{"id":"` + webDID + `","verificationMethod":[` + strings.Replace(method, "#k", "#x", 1) + `],"assertionMethod":["` + webDID + `#x"]}`, fault.KeyUnknown},
		"another DID's":   {`{"id":"` + webDID + `","verificationMethod":[` + strings.Replace(method, `"controller":"`+webDID, `"controller":"did:web:other.example`, 1) + `],"assertionMethod":["` + webDID + `#k"]}`, fault.KidMismatch},
		"none":            {"", fault.DIDUnknown},
		"no document":     {`{"id":"did:web:other.example"}`, fault.KidMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			documents := map[string]json.RawMessage{}
			if tt.document != "" {
				documents[webDID] = json.RawMessage(tt.document)
			}
			s := certificate.At(certificate.Config{Resolver: told(t, documents)}, now)
			if _, err := s.Verify(t.Context(), parse(t, string(secured)), certificate.Options{}); fault.Of(err) != tt.code {
				t.Errorf("%v, want %v", err, tt.code)
			}
		})
	}
	if _, err := certificate.At(certificate.Config{Resolver: resolver.Resolver{"key": resolver.Key}}, now).Verify(t.Context(), parse(t, string(secured)), certificate.Options{}); fault.Of(err) != fault.MethodUnsupported {
		t.Errorf("without did:web: %v", err)
	}
}

// The status of a foreign credential is that of its list, and what cannot be looked up is
// not taken for active.
func TestForeignStatus(t *testing.T) {
	k, other := key{opstest.NewKey("status issuer", did.EdDSA)}, key{opstest.NewKey("another issuer", did.EdDSA)}
	const url = "https://issuer.example/status/3"
	c := contexts(t)
	entry := func(purpose vc.StatusPurpose) string {
		return string((&vc.ListEntry{Purpose: purpose, List: url, Index: 94567}).JSON())
	}
	credential := func(status string) any {
		secured, err := c.Issue([]byte(`{"@context":["`+vc.BaseContext+`"],"type":["VerifiableCredential"],"issuer":"`+k.DID()+`","credentialStatus":`+status+`,"credentialSubject":{"id":"urn:s"}}`), k.signer(), vc.ProofOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return parse(t, string(secured))
	}
	list := func(signer key, purpose vc.StatusPurpose, until time.Time, set ...int) []byte {
		bits, err := vc.NewBits(vc.MinEntries)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range set {
			if err := bits.Set(i); err != nil {
				t.Fatal(err)
			}
		}
		l := vc.StatusList{URL: url, Issuer: signer.DID(), Purpose: purpose, ValidFrom: now.Add(-time.Hour), ValidUntil: until, Bits: bits}
		secured, err := c.Issue(l.JSON(), signer.signer(), vc.ProofOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return secured
	}
	later := now.Add(time.Hour)
	const retrieval, verification = "https://www.w3.org/ns/credentials/status-list#STATUS_RETRIEVAL_ERROR", "https://www.w3.org/ns/credentials/status-list#STATUS_VERIFICATION_ERROR"
	for name, tt := range map[string]struct {
		status  string
		list    []byte
		fails   error
		code    fault.Code
		problem string
	}{
		"active":              {entry(vc.Revocation), list(k, vc.Revocation, later, 1), nil, fault.OK, ""},
		"revoked":             {entry(vc.Revocation), list(k, vc.Revocation, later, 94567), nil, fault.Revoked, ""},
		"suspended":           {entry(vc.Suspension), list(k, vc.Suspension, later, 94567), nil, fault.Suspended, ""},
		"another purpose":     {entry(vc.Revocation), list(k, vc.Suspension, later), nil, fault.InvalidValue, verification},
		"another's list":      {entry(vc.Revocation), list(other, vc.Revocation, later), nil, fault.KidMismatch, verification},
		"a list of yesterday": {entry(vc.Revocation), list(k, vc.Revocation, now.Add(-time.Minute)), nil, fault.Expired, verification},
		"no list":             {entry(vc.Revocation), nil, fault.New(fault.Unavailable, "no answer"), fault.Unavailable, retrieval},
		"no list at all":      {entry(vc.Revocation), []byte("<html>"), nil, fault.Malformed, verification},
		"another mechanism":   {`{"type":"JsonSchema","id":"https://issuer.example/x"}`, nil, nil, fault.InvalidValue, verification},
		"five of them":        {"[" + strings.TrimSuffix(strings.Repeat(entry(vc.Revocation)+",", 5), ",") + "]", list(k, vc.Revocation, later), nil, fault.TooLarge, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := certificate.At(certificate.Config{Resolver: resolver.Resolver{"key": resolver.Key}, Fetch: func(_ context.Context, asked string) ([]byte, error) {
				if asked != url {
					t.Errorf("asked for %s", asked)
				}
				return tt.list, tt.fails
			}}, now)
			secured := credential(tt.status)
			_, err := s.Verify(t.Context(), secured, certificate.Options{})
			var problem *certificate.Problem
			if fault.Of(err) != tt.code || errors.As(err, &problem) != (tt.problem != "") || problem != nil && problem.Type != tt.problem {
				t.Errorf("%v, want %v %s", err, tt.code, tt.problem)
			}
			if f, err := s.Verify(t.Context(), secured, certificate.Options{Checks: []string{certificate.CheckProof}}); err != nil || len(f.Checks) != 1 {
				t.Errorf("the proof alone: %v %v", f, err)
			}
		})
	}
	s := certificate.At(certificate.Config{Resolver: resolver.Resolver{"key": resolver.Key}}, now)
	var problem *certificate.Problem
	if _, err := s.Verify(t.Context(), credential(entry(vc.Revocation)), certificate.Options{}); !errors.As(err, &problem) || problem.Type != retrieval {
		t.Errorf("a gateway that fetches nothing: %v", err)
	}
}

// nothing is a chain without blocks.
func emptyIndex(t *testing.T) *status.Index {
	t.Helper()
	i, err := status.Open(t.TempDir()+"/status.db", opstest.Network)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Close() })
	for range i.Watch(noBlocks{}).Blocks(t.Context(), 0) {
		t.Fatal("a block")
	}
	return i
}

// An entry that was given meanwhile is drawn anew, and not for ever; another refusal ends
// it at once.
func TestEntryTaken(t *testing.T) {
	issuer := opstest.NewUser("issuer")
	schema := ledger.Reference{Expiry: 1}.String()
	for name, tt := range map[string]struct {
		taken int
		then  fault.Code
		tries int
		code  fault.Code
	}{
		"free":            {0, fault.OK, 1, fault.OK},
		"taken thrice":    {3, fault.OK, 4, fault.OK},
		"taken for ever":  {1000, fault.OK, 17, fault.EntryTaken},
		"another refusal": {1, fault.NotAccredited, 2, fault.NotAccredited},
		"unknown":         {0, fault.Unknown, 1, fault.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			seen := map[uint32]bool{}
			s := certificate.At(certificate.Config{
				Resolver: resolver.Resolver{"key": resolver.Key}, Network: opstest.Network, Ledger: noLedger{}, Statuses: emptyIndex(t), URL: "https://gateway.example",
				Issuers: []certificate.Issuer{{DID: issuer.DID, Algorithm: did.EdDSA, Keys: issuer}},
				Submit: func(_ context.Context, jws string) error {
					tries++
					item, err := ops.ParseCompact(jws)
					if err != nil {
						t.Fatal(err)
					}
					o, err := ops.Open(item)
					if err != nil {
						t.Fatal(err)
					}
					body := o.Body.(*ops.CredentialIssue)
					seen[body.Index] = true
					if tries <= tt.taken {
						return fault.New(fault.EntryTaken, "taken")
					}
					if tt.then != fault.OK {
						return fault.New(tt.then, "refused")
					}
					return nil
				},
			}, now)
			i, err := s.Issuer(issuer.DID)
			if err != nil {
				t.Fatal(err)
			}
			doc := parse(t, `{"@context":["`+vc.BaseContext+`"],"type":["VerifiableCredential"],"issuer":"`+issuer.DID+`","validFrom":"2026-01-01T00:00:00Z","validUntil":"2027-01-01T00:00:00Z","credentialSubject":{"id":"urn:s"}}`)
			_, err = s.Issue(t.Context(), i, certificate.Request{Credential: doc, Schema: schema, Evidence: "oracle", Endorser: issuer.DID})
			if fault.Of(err) != tt.code || tries != tt.tries {
				t.Errorf("%v after %d tries, want %v after %d", err, tries, tt.code, tt.tries)
			}
			// Two of 17 draws are the same once in a thousand runs.
			if len(seen) < min(tries, 2) || len(seen) < tries-1 {
				t.Errorf("%d tries of %d entries", tries, len(seen))
			}
		})
	}
}

// A list is not served while the bits are behind the ledger.
func TestListWaitsForTheLedger(t *testing.T) {
	issuer := opstest.NewUser("issuer")
	height := uint64(1)
	s := certificate.At(certificate.Config{
		Resolver: resolver.Resolver{"key": resolver.Key}, Network: opstest.Network, Statuses: emptyIndex(t), URL: "https://gateway.example",
		Height: func(ctx context.Context) (uint64, error) {
			if _, ends := ctx.Deadline(); !ends {
				t.Error("a peer that hangs is waited for without end")
			}
			return height, nil
		},
		Issuers: []certificate.Issuer{{DID: issuer.DID, Algorithm: did.EdDSA, Keys: issuer}},
	}, now)
	l := status.List{Issuer: issuer.ID}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.List(over, l, vc.Revocation); fault.Of(err) != fault.Unavailable {
		t.Errorf("one block behind: %v", err)
	}
	height = 0
	if _, err := s.List(over, l, vc.Revocation); fault.Of(err) != fault.NotFound {
		t.Errorf("with all blocks: %v, want that there is no such list", err)
	}
}

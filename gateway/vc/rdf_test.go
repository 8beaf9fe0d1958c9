package vc_test

import (
	"context"
	"crypto/sha256"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/rdf"
	"github.com/killick-ledger/killick/gateway/vc"
	"github.com/mr-tron/base58"
)

const rdfContext = "https://contexts.example/rdf/v1"

var rdfFile = []byte(`{"@context":{"id":"@id","type":"@type","name":"https://rdf.example/name","DataIntegrityProof":"https://rdf.example/DataIntegrityProof",
	"cryptosuite":"https://rdf.example/cryptosuite","verificationMethod":{"@id":"https://rdf.example/method","@type":"@id"},
	"proofPurpose":"https://rdf.example/purpose","created":"https://rdf.example/created"}}`)

// signedRDF is a document with a proof of eddsa-rdfc-2022.
func signedRDF(t testing.TB, c *rdf.Canonicalizer, alg did.Algorithm) canon.Object {
	t.Helper()
	return proveRDF(t, c, alg, vc.AssertionMethod, canon.Object{}.With("@context", []any{rdfContext}).With("id", "urn:a").With("name", "a name"))
}

func proveRDF(t testing.TB, c *rdf.Canonicalizer, alg did.Algorithm, purpose vc.Purpose, doc canon.Object) canon.Object {
	t.Helper()
	signer := keySigner("rdf", alg)
	proof := canon.Object{}.With("type", "DataIntegrityProof").With("cryptosuite", "eddsa-rdfc-2022").With("verificationMethod", signer.Method).
		With("proofPurpose", string(purpose)).With("created", "2026-01-01T00:00:00Z")
	context, _ := doc.Find("@context")
	of := sha256.Sum256(must[[]byte](t)(c.Canonical(proof.With("@context", context))))
	about := sha256.Sum256(must[[]byte](t)(c.Canonical(doc)))
	signature := must[[]byte](t)(signer.Sign(append(of[:], about[:]...)))
	return doc.With("proof", proof.With("proofValue", "z"+base58.Encode(signature)))
}

// What a proof over RDF signs has no names: who holds the document could write another
// one for the same thing, and have the JSON say something else, or nothing.
func TestNamesOverRDF(t *testing.T) {
	c, err := rdf.New(map[string][]byte{rdfContext: rdfFile})
	if err != nil {
		t.Fatal(err)
	}
	good, v := signedRDF(t, c, did.EdDSA), &vc.Verifier{RDF: c.Canonical}
	own := func(name, url string) []any { return []any{rdfContext, canon.Object{}.With(name, url)} }
	hidden, _ := good.Find("proof")
	proof := hidden.(canon.Object)
	for name, tt := range map[string]struct {
		doc     canon.Object
		purpose vc.Purpose
		code    fault.Code
	}{
		"good":                         {good, vc.AssertionMethod, fault.OK},
		"a URL for a name":             {good.Without("name").With("https://rdf.example/name", "a name"), vc.AssertionMethod, fault.InvalidValue},
		"an own name":                  {good.Without("name").With("@context", own("title", "https://rdf.example/name")).With("title", "a name"), vc.AssertionMethod, fault.InvalidValue},
		"an own name that is not used": {good.With("@context", own("title", "https://rdf.example/name")), vc.AssertionMethod, fault.InvalidValue},
		"a URL for a name in the proof": {good.With("proof", proof.Without("created").With("https://rdf.example/created", "2026-01-01T00:00:00Z")),
			vc.AssertionMethod, fault.InvalidValue},
		"an own type of a presentation": {proveRDF(t, c, did.EdDSA, vc.Authentication,
			canon.Object{}.With("@context", own("Shown", "https://rdf.example/Shown")).With("id", "urn:p").With("type", []any{"Shown"})), vc.Authentication, fault.OK},
		"an own name in a presentation": {proveRDF(t, c, did.EdDSA, vc.Authentication,
			canon.Object{}.With("@context", own("title", "https://rdf.example/name")).With("id", "urn:p").With("title", "a name")), vc.Authentication, fault.InvalidValue},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := v.Proofs(context.Background(), tt.doc, tt.purpose, nil, now); fault.Of(err) != tt.code {
				t.Errorf("%v, want %v", err, tt.code)
			}
		})
	}
}

// Two contexts that an operator allows may have names for the same thing: a name that has
// another cannot be told from it under a proof over RDF, whichever contexts are named.
func TestSynonymsOverRDF(t *testing.T) {
	files := map[string]string{
		"https://contexts.example/pay/v1": `{"@context":{"id":"@id","x":"https://x.example/","Offer":"x:Offer","deposit":"x:first","balance":"x:second","note":"x:note",
			"Terms":{"@id":"x:Terms","@context":{"end":{"@id":"x:end"},"start":"x:start"}}}}`,
		"https://contexts.example/pay/v2": `{"@context":[{"id":"@id","type":"@type","@vocab":"https://x.example/"},{"Bid":"Offer","deposit":"second","balance":{"@id":"first"},"note":{},
			"Terms":{"@id":"https://x.example/Terms","@context":{"expiry":{"@id":"https://x.example/end"}}},"nothing":null}]}`,
		rdfContext: string(rdfFile),
	}
	var pinned []vc.Context
	texts := map[string][]byte{}
	for url, file := range files {
		pinned = append(pinned, must[vc.Context](t)(vc.PinContext(url, []byte(file), sha256.Sum256([]byte(file)))))
		texts[url] = []byte(file)
	}
	c := must[*rdf.Canonicalizer](t)(rdf.New(texts))
	v := &vc.Verifier{RDF: c.Canonical, Contexts: must[*vc.Contexts](t)(vc.NewContexts(pinned...))}
	doc := func(name string, value any) canon.Object {
		return canon.Object{}.With("@context", []any{rdfContext, "https://contexts.example/pay/v1"}).With("id", "urn:a").With(name, value)
	}
	paid := proveRDF(t, c, did.EdDSA, vc.AssertionMethod, doc("deposit", "10"))
	swapped := paid.Without("deposit").With("balance", "10").With("@context", []any{rdfContext, "https://contexts.example/pay/v2"})
	if first, second := must[[]byte](t)(c.Canonical(paid.Without("proof"))), must[[]byte](t)(c.Canonical(swapped.Without("proof"))); string(first) != string(second) {
		t.Fatalf("%s is not %s", second, first)
	}
	signed := func(name string, value any) canon.Object {
		return proveRDF(t, c, did.EdDSA, vc.AssertionMethod, doc(name, value))
	}
	for name, tt := range map[string]struct {
		doc  canon.Object
		code fault.Code
	}{
		"a name with another meaning elsewhere":   {paid, fault.InvalidValue},
		"swapped":                                 {swapped, fault.InvalidValue},
		"a type with another name":                {signed("type", "Offer"), fault.InvalidValue},
		"a name within":                           {signed("note", canon.Object{}.With("type", "Terms").With("end", "2026")), fault.InvalidValue},
		"names alike in both, and one of its own": {signed("note", canon.Object{}.With("type", "Terms").With("start", "2026")), fault.OK},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := v.Proofs(context.Background(), tt.doc, vc.AssertionMethod, nil, now); fault.Of(err) != tt.code {
				t.Errorf("%v, want %v", err, tt.code)
			}
		})
	}
}

// CE-5: eddsa-rdfc-2022 is verified where the texts of the contexts are known, and what
// they do not define is not signed and so refused.
func TestRDF(t *testing.T) {
	c, err := rdf.New(map[string][]byte{rdfContext: rdfFile})
	if err != nil {
		t.Fatal(err)
	}
	good := signedRDF(t, c, did.EdDSA)
	with := &vc.Verifier{RDF: c.Canonical}
	for name, tt := range map[string]struct {
		v    *vc.Verifier
		doc  canon.Object
		code fault.Code
	}{
		"good":             {with, good, fault.OK},
		"another name":     {with, good.With("name", "another"), fault.BadSignature},
		"an unknown term":  {with, good.With("age", "7"), fault.InvalidValue},
		"another context":  {with, good.With("@context", []any{"https://contexts.example/other"}), fault.InvalidValue},
		"a key of P-256":   {with, signedRDF(t, c, did.ES256), fault.AlgMismatch},
		"without contexts": {&vc.Verifier{}, good, fault.MethodUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tt.v.Proofs(context.Background(), tt.doc, vc.AssertionMethod, nil, now); fault.Of(err) != tt.code {
				t.Errorf("%v, want %v", err, tt.code)
			}
		})
	}
}

// TestPublishedRDF verifies the vectors of eddsa-rdfc-2022, with the contexts as they are
// published.
func TestPublishedRDF(t *testing.T) {
	c, err := rdf.New(map[string][]byte{
		vc.BaseContext: published(t, "vc-data-model/contexts/credentials/v2"),
		"https://www.w3.org/ns/credentials/examples/v2": published(t, "vc-data-model/contexts/credentials/examples/v2"),
	})
	if err != nil {
		t.Fatal(err)
	}
	v := &vc.Verifier{RDF: c.Canonical}
	doc := must[canon.Object](t)(canon.ParseObject(published(t, "vc-di-eddsa/TestVectors/eddsa-rdfc-2022/signedDataInt.json")))
	if _, err := v.Proofs(context.Background(), doc, vc.AssertionMethod, nil, now); err != nil {
		t.Error(err)
	}
	if _, err := v.Proofs(context.Background(), doc.With("name", "Another"), vc.AssertionMethod, nil, now); err == nil {
		t.Error("a changed document passed")
	}
}

// TestRDFOnce: what a document costs, it costs once, and only while somebody waits.
func TestRDFOnce(t *testing.T) {
	c := must[*rdf.Canonicalizer](t)(rdf.New(map[string][]byte{rdfContext: rdfFile}))
	good := signedRDF(t, c, did.EdDSA)
	asked := 0
	v := &vc.Verifier{RDF: func(doc canon.Object) ([]byte, error) {
		if _, isDocument := doc.Find("name"); isDocument {
			asked++
		}
		return c.Canonical(doc)
	}}
	proof, _ := good.Find("proof")
	if _, err := v.Proofs(context.Background(), good.With("proof", []any{proof, proof, proof}), vc.AssertionMethod, nil, now); err != nil || asked != 1 {
		t.Errorf("canonicalised %d times: %v", asked, err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := v.Proofs(gone, good, vc.AssertionMethod, nil, now); fault.Of(err) != fault.Unavailable || asked != 1 {
		t.Errorf("canonicalised %d times, %v", asked, err)
	}
}

// BenchmarkRDF verifies a small document by eddsa-rdfc-2022.
func BenchmarkRDF(b *testing.B) {
	c, err := rdf.New(map[string][]byte{rdfContext: rdfFile})
	if err != nil {
		b.Fatal(err)
	}
	doc, v := signedRDF(b, c, did.EdDSA), &vc.Verifier{RDF: c.Canonical}
	for b.Loop() {
		if _, err := v.Proofs(b.Context(), doc, vc.AssertionMethod, nil, now); err != nil {
			b.Fatal(err)
		}
	}
}

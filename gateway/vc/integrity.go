package vc

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/mr-tron/base58"
)

// suites are the cryptosuites of Data Integrity, each with the algorithm of its keys.
var suites = map[string]did.Algorithm{
	"eddsa-jcs-2022": did.EdDSA,
	"ecdsa-jcs-2019": did.ES256,
}

// rdfSuite is verified and never made: it signs the RDF that a document stands for.
const rdfSuite = "eddsa-rdfc-2022"

const (
	proofType = "DataIntegrityProof"
	maxProofs = 4
	// skew is how far a proof's creation may lie ahead of the verifier's clock.
	skew = 5 * time.Minute
)

// Proof is a proof that was verified.
type Proof struct {
	Suite      string // a cryptosuite of Data Integrity, or the algorithm of a JWS
	Method     string // DID URL of the key
	Controller string // its DID
	Created    time.Time
	Expires    time.Time // zero when it never does
}

// ProofOptions are what a new proof states. Zero values are left out.
type ProofOptions struct {
	Created time.Time
	Expires time.Time
	// Challenge and Domain tie a presentation to one request of one verifier.
	Challenge, Domain string
}

// Expectation is what a verifier asked the holder of a presentation to sign. Both
// must be set.
type Expectation struct{ Challenge, Domain string }

// Prove returns any JSON document with a Data Integrity proof; it says nothing of what
// the document states. Errors: fault.UnknownField for a document that has a proof,
// fault.AlgMismatch for an algorithm without a cryptosuite, those of the Signer.
func Prove(doc canon.Object, signer *Signer, purpose Purpose, options ProofOptions) (canon.Object, error) {
	if _, ok := doc.Find("proof"); ok {
		return nil, fault.New(fault.UnknownField, "proof: the document is secured already")
	}
	suite := ""
	for name, alg := range suites {
		if alg == signer.Algorithm {
			suite = name
		}
	}
	if suite == "" {
		return nil, fault.New(fault.AlgMismatch, "no cryptosuite has keys for %s", signer.Algorithm)
	}
	proof := canon.Object{}
	for name, value := range map[string]string{
		"type": proofType, "cryptosuite": suite, "verificationMethod": signer.Method, "proofPurpose": string(purpose),
		"created": stamp(options.Created), "expires": stamp(options.Expires), "challenge": options.Challenge, "domain": options.Domain,
	} {
		if value != "" {
			proof = proof.With(name, value)
		}
	}
	if contexts, ok := doc.Find("@context"); ok {
		proof = proof.With("@context", contexts)
	}
	signature, err := signer.Sign(proofInput(doc, proof))
	if err != nil {
		return nil, err
	}
	return doc.With("proof", proof.With("proofValue", "z"+base58.Encode(signature))), nil
}

// stamp writes a time as XML Schema has it, in whole seconds.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// proofInput is what a proof signs: the hash of its own options, then that of the
// document, both canonical and without what is added by signing.
func proofInput(unsecured, options canon.Object) []byte {
	of, about := sha256.Sum256(options.JCS()), sha256.Sum256(unsecured.JCS())
	return append(of[:], about[:]...)
}

// Proofs verifies the Data Integrity proofs of any JSON document: each of them, of
// a set as well, must be good and for the purpose. A chain of proofs is refused.
// expect may be nil for documents that are not made for one request.
// It says nothing of what the document states.
func (v *Verifier) Proofs(ctx context.Context, doc canon.Object, purpose Purpose, expect *Expectation, now time.Time) ([]Proof, error) {
	value, ok := doc.Find("proof")
	if !ok {
		return nil, fault.New(fault.MissingField, "proof is missing")
	}
	list := asList(value)
	if len(list) == 0 || len(list) > maxProofs {
		return nil, fault.New(fault.InvalidValue, "proof: %d proofs, 1 to %d are taken", len(list), maxProofs)
	}
	unsecured := doc.Without("proof")
	// Once for all proofs: it may take most of a second.
	about := sync.OnceValues(func() ([]byte, error) { return v.RDF(unsecured) })
	var proofs []Proof
	for _, entry := range list {
		options, ok := entry.(canon.Object)
		if !ok {
			return nil, fault.New(fault.WrongType, "proof must be an object, or a list of them")
		}
		p, err := v.proof(ctx, unsecured, options, about, purpose, expect, now)
		if err != nil {
			return nil, err
		}
		proofs = append(proofs, *p)
	}
	return proofs, nil
}

func (v *Verifier) proof(ctx context.Context, unsecured, proof canon.Object, about func() ([]byte, error), purpose Purpose, expect *Expectation, now time.Time) (*Proof, error) {
	p, err := checkOptions(proof, purpose, expect, now)
	if err != nil {
		return nil, err
	}
	if p.Suite == rdfSuite {
		if v.RDF == nil {
			return nil, fault.New(fault.MethodUnsupported, "%s is not verified here", rdfSuite)
		}
		if err := v.onlyTerms(unsecured, proof, purpose); err != nil {
			return nil, err
		}
	}
	m, err := v.Method(ctx, p.Method, purpose)
	if err != nil {
		return nil, err
	}
	if suites[p.Suite] != m.Key.Algorithm() && (p.Suite != rdfSuite || m.Key.Algorithm() != did.EdDSA) {
		return nil, fault.New(fault.AlgMismatch, "%s has no keys of %s", p.Suite, m.Key.Algorithm())
	}
	p.Controller = m.Controller
	if contexts, ok := proof.Find("@context"); ok && !sameContexts(unsecured, contexts) {
		return nil, fault.New(fault.BadSignature, "the document's @context is not that of the proof")
	}
	value, _ := text(proof, "proofValue")
	signature, err := unMultibase(value, 64)
	if err != nil || value[0] != 'z' {
		return nil, fault.New(fault.BadSignature, "proofValue is not z and base58btc of 64 bytes")
	}
	if err := ctx.Err(); err != nil { // nobody waits for what may be dear
		return nil, fault.New(fault.Unavailable, "the proof was not verified in time: %v", err)
	}
	input, err := v.input(p.Suite, unsecured, proof.Without("proofValue"), about)
	if err != nil {
		return nil, err
	}
	if !m.Key.Verify(input, signature) {
		return nil, fault.New(fault.BadSignature, "the proof of %.200s is not its signature over this document", p.Method)
	}
	return p, nil
}

// input is what a proof of the suite signs. about canonicalises the document as RDF.
func (v *Verifier) input(suite string, unsecured, options canon.Object, about func() ([]byte, error)) ([]byte, error) {
	if suite != rdfSuite {
		return proofInput(unsecured, options), nil
	}
	if contexts, ok := unsecured.Find("@context"); ok {
		options = options.With("@context", contexts)
	}
	of, err := v.RDF(options)
	if err != nil {
		return nil, err
	}
	document, err := about()
	if err != nil {
		return nil, err
	}
	first, second := sha256.Sum256(of), sha256.Sum256(document)
	return append(first[:], second[:]...), nil
}

// sameContexts says that the document names the contexts of the proof. The
// specification lets a document name more behind them, which nobody has signed; we
// do not.
func sameContexts(doc canon.Object, contexts any) bool {
	value, ok := doc.Find("@context")
	canonical := func(v any) string { return string(canon.Object{}.With("@context", v).JCS()) }
	return ok && canonical(value) == canonical(contexts)
}

// checkOptions looks at what a proof says of itself.
func checkOptions(proof canon.Object, purpose Purpose, expect *Expectation, now time.Time) (*Proof, error) {
	kind, _ := text(proof, "type")
	suite, _ := text(proof, "cryptosuite")
	if kind != proofType || suites[suite] == "" && suite != rdfSuite {
		return nil, fault.New(fault.InvalidValue, "proof of type %.64q and cryptosuite %.64q; %s with eddsa-jcs-2022, ecdsa-jcs-2019 or %s is taken", kind, suite, proofType, rdfSuite)
	}
	if _, chained := proof.Find("previousProof"); chained {
		return nil, fault.New(fault.UnknownField, "previousProof: chains of proofs are not taken")
	}
	if _, err := id(proof); err != nil {
		return nil, err
	}
	if stated, _ := text(proof, "proofPurpose"); stated != string(purpose) {
		return nil, fault.New(fault.KeyPurpose, "the proof is for %.64q, want %s", stated, purpose)
	}
	p := &Proof{Suite: suite}
	var ok bool
	if p.Method, ok = text(proof, "verificationMethod"); !ok {
		return nil, fault.New(fault.MissingField, "proof: verificationMethod is missing")
	}
	var err error
	if p.Created, err = moment(proof, "created"); err != nil {
		return nil, err
	}
	if p.Expires, err = moment(proof, "expires"); err != nil {
		return nil, err
	}
	if p.Created.After(now.Add(skew)) {
		return nil, fault.New(fault.NotYetValid, "the proof was created at %s", stamp(p.Created))
	}
	if !p.Expires.IsZero() && !p.Expires.After(now) {
		return nil, fault.New(fault.Expired, "the proof expired at %s", stamp(p.Expires))
	}
	if expect == nil {
		return p, nil
	}
	challenge, _ := text(proof, "challenge")
	domain, _ := proof.Find("domain")
	return p, expect.check(challenge, domain)
}

// check compares what was signed with what was asked for. domain is a string or a
// list of them.
func (e *Expectation) check(challenge string, domain any) error {
	if e.Challenge == "" || e.Domain == "" {
		return fault.New(fault.Internal, "a presentation is checked without challenge or domain")
	}
	if challenge != e.Challenge {
		return fault.New(fault.InvalidValue, "the presentation answers another challenge")
	}
	if domains, _ := texts(domain); !slices.Contains(domains, e.Domain) {
		return fault.New(fault.InvalidValue, "the presentation is made for another domain")
	}
	return nil
}

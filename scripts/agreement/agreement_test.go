//go:build agreement

package agreement_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/rdf"
	"github.com/killick-ledger/killick/gateway/vc"
)

const (
	contextURL = "https://contexts.example/membership/v1"
	listURL    = "https://issuer.example/status/1"
	challenge  = "c7d0a1"
	domain     = "https://verifier.example"
)

var contextFile = []byte(`{"@context":{"@protected":true,"Membership":"https://contexts.example/membership#Membership","level":"https://contexts.example/membership#level"}}`)

// peer is the process of peer.mjs.
type peer struct {
	in  io.Writer
	out *bufio.Reader
}

// start runs peer.mjs until the test ends, with the context that all documents use.
func start(t *testing.T) *peer {
	t.Helper()
	c := exec.CommandContext(t.Context(), "node", "peer.mjs")
	var errOut strings.Builder
	c.Stderr = &errOut
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		c.Wait()
		if t.Failed() && errOut.Len() > 0 {
			t.Log(errOut.String())
		}
	})
	p := &peer{in, bufio.NewReaderSize(out, 1<<20)}
	p.must(t, "know", args{"url": contextURL, "document": json.RawMessage(contextFile)}, nil)
	return p
}

type args = map[string]any

// ask returns what the peer answers, as JSON, or its refusal.
func (p *peer) ask(t *testing.T, do string, with args) (json.RawMessage, error) {
	t.Helper()
	request := args{"do": do}
	for name, value := range with {
		request[name] = value
	}
	line, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(p.in, "%s\n", line); err != nil {
		t.Fatal(err)
	}
	reply, err := p.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("the peer ended: %v", err)
	}
	var answer struct {
		Value json.RawMessage
		Error string
	}
	if err := json.Unmarshal(reply, &answer); err != nil {
		t.Fatalf("%v: %s", err, reply)
	}
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	return answer.Value, nil
}

// must asks for what may not be refused. into is nil where the answer is of no use.
func (p *peer) must(t *testing.T, do string, with args, into any) {
	t.Helper()
	value, err := p.ask(t, do, with)
	if err == nil && into != nil {
		err = json.Unmarshal(value, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", do, err)
	}
}

// method is the verification method of the peer's key.
func (p *peer) method(t *testing.T, alg did.Algorithm) string {
	t.Helper()
	var methods map[string]string
	p.must(t, "keys", nil, &methods)
	return methods[string(alg)]
}

// signer signs for the did:key of a named key of ours.
func signer(name string, alg did.Algorithm) *vc.Signer {
	pair := opstest.NewKey(name, alg)
	return &vc.Signer{
		Method: "did:key:" + pair.Multikey + "#" + pair.Multikey, Algorithm: alg,
		Sign: func(message []byte) ([]byte, error) { return pair.Signature(message), nil },
	}
}

func controller(method string) string {
	c, _, _ := strings.Cut(method, "#")
	return c
}

func verifier(t *testing.T) *vc.Verifier {
	t.Helper()
	context, err := vc.PinContext(contextURL, contextFile, sha256.Sum256(contextFile), "Membership")
	if err != nil {
		t.Fatal(err)
	}
	contexts, err := vc.NewContexts(context)
	if err != nil {
		t.Fatal(err)
	}
	return &vc.Verifier{Contexts: contexts}
}

// membership is an unsecured credential. Its texts and numbers are such that ways to
// write JSON differ.
func membership(issuer, more string) []byte {
	return []byte(`{"@context":["https://www.w3.org/ns/credentials/v2","` + contextURL + `"],"id":"urn:uuid:9f2c2c8e-1b1b-4f07-8f0a-0c8f0a3a9d11",` +
		`"type":["VerifiableCredential","Membership"],"issuer":"` + issuer + `","validFrom":"2026-01-01T00:00:00Z","validUntil":"2046-01-01T00:00:00Z",` + more +
		`"credentialSubject":{"id":"did:example:subject","level":[1e21,0.000001,-0,"€ \u20ac \u000f \u2028 \"\\/ \ud83d\ude00",{"@value":"ö","@language":"de"}]}}`)
}

func value(t *testing.T, data []byte) canon.Object {
	t.Helper()
	o, err := canon.ParseObject(data)
	if err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return o
}

// spoilt is the document with another level.
func spoilt(t *testing.T, doc []byte) []byte {
	t.Helper()
	changed := strings.Replace(string(doc), "did:example:subject", "did:example:another", 1)
	if changed == string(doc) {
		t.Fatalf("nothing to change in %s", doc)
	}
	return []byte(changed)
}

var dataIntegrity = []struct {
	suite string
	alg   did.Algorithm
}{{"eddsa-jcs-2022", did.EdDSA}, {"ecdsa-jcs-2019", did.ES256}}

func TestDataIntegrity(t *testing.T) {
	p, v, ctx, now := start(t), verifier(t), t.Context(), time.Now()
	for _, tt := range dataIntegrity {
		t.Run(tt.suite, func(t *testing.T) {
			ours := signer("issuer", tt.alg)
			issued, err := v.Contexts.Issue(membership(controller(ours.Method), ""), ours, vc.ProofOptions{Created: now})
			if err != nil {
				t.Fatal(err)
			}
			p.must(t, "verify", args{"document": json.RawMessage(issued)}, nil)
			if _, err := p.ask(t, "verify", args{"document": json.RawMessage(spoilt(t, issued))}); err == nil {
				t.Error("the peer takes a changed credential")
			}

			var theirs json.RawMessage
			p.must(t, "issue", args{"suite": tt.suite, "alg": tt.alg, "document": json.RawMessage(membership(controller(p.method(t, tt.alg)), ""))}, &theirs)
			if _, err := v.Credential(ctx, theirs, now); err != nil {
				t.Errorf("%v: %s", err, theirs)
			}
			if _, err := v.Credential(ctx, spoilt(t, theirs), now); err == nil {
				t.Error("a changed credential of the peer is taken")
			}
		})
	}
}

// TestRDF: what the peer signs over RDF is read. We sign nothing so.
func TestRDF(t *testing.T) {
	p, v, ctx, now := start(t), verifier(t), t.Context(), time.Now()
	base, err := os.ReadFile("node_modules/@digitalbazaar/credentials-context/contexts/v2.jsonld")
	if err != nil {
		t.Fatal(err)
	}
	canonicalizer, err := rdf.New(map[string][]byte{vc.BaseContext: base, contextURL: contextFile})
	if err != nil {
		t.Fatal(err)
	}
	v.RDF = canonicalizer.Canonical
	var theirs json.RawMessage
	p.must(t, "issue", args{"suite": "eddsa-rdfc-2022", "alg": did.EdDSA, "document": json.RawMessage(strings.Replace(string(membership(controller(p.method(t, did.EdDSA)), "")), `\u000f`, `\n`, 1))}, &theirs)
	if _, err := v.Credential(ctx, theirs, now); err != nil {
		t.Errorf("%v: %s", err, theirs)
	}
	if _, err := v.Credential(ctx, spoilt(t, theirs), now); err == nil {
		t.Error("a changed credential of the peer is taken")
	}
	presented := args{"suite": "eddsa-rdfc-2022", "alg": did.EdDSA, "challenge": challenge, "domain": domain, "document": json.RawMessage(
		`{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiablePresentation"],"holder":"` + controller(p.method(t, did.EdDSA)) +
			`","verifiableCredential":[` + string(theirs) + `]}`)}
	p.must(t, "present", presented, &theirs)
	if _, err := v.Presentation(ctx, theirs, vc.Expectation{Challenge: challenge, Domain: domain}, now); err != nil {
		t.Errorf("%v: %s", err, theirs)
	}
}

func TestPresentations(t *testing.T) {
	p, v, ctx, now := start(t), verifier(t), t.Context(), time.Now()
	for _, tt := range dataIntegrity {
		t.Run(tt.suite, func(t *testing.T) {
			ours := signer("holder", tt.alg)
			var theirCredential json.RawMessage
			p.must(t, "issue", args{"suite": tt.suite, "alg": tt.alg, "document": json.RawMessage(membership(controller(p.method(t, tt.alg)), ""))}, &theirCredential)
			present := func(holder string) []byte {
				return []byte(`{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiablePresentation"],"holder":"` + holder +
					`","verifiableCredential":[` + string(theirCredential) + `]}`)
			}
			asked := args{"challenge": challenge, "domain": domain}
			with := func(a args, more args) args {
				for name, value := range a {
					if _, ok := more[name]; !ok {
						more[name] = value
					}
				}
				return more
			}

			shown, err := v.Contexts.Present(present(controller(ours.Method)), ours, vc.ProofOptions{Created: now, Challenge: challenge, Domain: domain})
			if err != nil {
				t.Fatal(err)
			}
			p.must(t, "verifyPresentation", with(asked, args{"document": json.RawMessage(shown)}), nil)
			if _, err := p.ask(t, "verifyPresentation", with(asked, args{"document": json.RawMessage(shown), "challenge": "another"})); err == nil {
				t.Error("the peer takes an answer to another challenge")
			}

			var theirs json.RawMessage
			p.must(t, "present", with(asked, args{"suite": tt.suite, "alg": tt.alg, "document": json.RawMessage(present(controller(p.method(t, tt.alg))))}), &theirs)
			if _, err := v.Presentation(ctx, theirs, vc.Expectation{Challenge: challenge, Domain: domain}, now); err != nil {
				t.Errorf("%v: %s", err, theirs)
			}
			if _, err := v.Presentation(ctx, theirs, vc.Expectation{Challenge: "another", Domain: domain}, now); err == nil {
				t.Error("an answer to another challenge is taken")
			}
		})
	}
}

func TestJWT(t *testing.T) {
	p, v, ctx, now := start(t), verifier(t), t.Context(), time.Now()
	for _, alg := range []did.Algorithm{did.EdDSA, did.ES256} {
		t.Run(string(alg), func(t *testing.T) {
			ours := signer("issuer", alg)
			unsecured := membership(controller(ours.Method), "")
			issued, err := v.Contexts.IssueJWT(unsecured, ours)
			if err != nil {
				t.Fatal(err)
			}
			var seen json.RawMessage
			p.must(t, "verifyJWT", args{"jwt": issued, "typ": "vc+jwt"}, &seen)
			if got, want := value(t, seen).JCS(), value(t, unsecured).JCS(); string(got) != string(want) {
				t.Errorf("the peer reads %s", got)
			}
			forged := issued[:strings.LastIndex(issued, ".")-1] + issued[strings.LastIndex(issued, "."):]
			if _, err := p.ask(t, "verifyJWT", args{"jwt": forged, "typ": "vc+jwt"}); err == nil {
				t.Error("the peer takes a changed credential")
			}

			var theirs string
			p.must(t, "issueJWT", args{"alg": alg, "typ": "vc+jwt", "document": json.RawMessage(membership(controller(p.method(t, alg)), ""))}, &theirs)
			if _, err := v.Credential(ctx, []byte(theirs), now); err != nil {
				t.Errorf("%v: %s", err, theirs)
			}
			if _, err := v.Credential(ctx, []byte(theirs[:strings.LastIndex(theirs, ".")-1]+theirs[strings.LastIndex(theirs, "."):]), now); err == nil {
				t.Error("a changed credential of the peer is taken")
			}
		})
	}
}

// person has claims in all shapes that can be hidden.
func person(issuer string) []byte {
	return []byte(`{"iss":"` + issuer + `","vct":"https://issuer.example/person","iat":1780000000,"given_name":"Ada","age":36,` +
		`"address":{"street":"Way 1","country":"DE"},"nationalities":["DE","FR"]}`)
}

// disclosed is what of person is seen when given_name, the address's street and the
// second nationality are hidden and the name and the nationality are shown.
const disclosed = `{"address":{"country":"DE"},"age":36,"given_name":"Ada","nationalities":["DE","FR"]}`

func TestSelectiveDisclosure(t *testing.T) {
	p, v, ctx, now := start(t), verifier(t), t.Context(), time.Now()
	seen := func(t *testing.T, claims canon.Object) {
		t.Helper()
		for _, name := range []string{"iss", "vct", "iat", "cnf", "_sd_alg"} {
			claims = claims.Without(name)
		}
		if string(claims.JCS()) != disclosed {
			t.Errorf("seen %s", claims.JCS())
		}
	}
	for _, alg := range []did.Algorithm{did.EdDSA, did.ES256} {
		t.Run(string(alg), func(t *testing.T) {
			issuer, holder := signer("issuer", alg), signer("holder", alg)
			holderKey, err := did.ParseKey(opstest.NewKey("holder", alg).Multikey)
			if err != nil {
				t.Fatal(err)
			}
			issued, err := vc.IssueSelective(person(controller(issuer.Method)), [][]string{{"given_name"}, {"address", "street"}, {"nationalities", "1"}}, holderKey, issuer)
			if err != nil {
				t.Fatal(err)
			}
			shown, err := vc.PresentSelective(issued, func(path []string) bool { return path[0] != "address" }, holder,
				vc.ProofOptions{Created: now, Challenge: challenge, Domain: domain})
			if err != nil {
				t.Fatal(err)
			}
			var claims json.RawMessage
			p.must(t, "verifySelective", args{"alg": alg, "credential": shown, "nonce": challenge}, &claims)
			seen(t, value(t, claims))
			if _, err := p.ask(t, "verifySelective", args{"alg": alg, "credential": shown, "nonce": "another"}); err == nil {
				t.Error("the peer takes an answer to another nonce")
			}

			var jwk json.RawMessage
			p.must(t, "jwk", args{"alg": alg}, &jwk)
			bound := string(person(controller(p.method(t, alg))))
			bound = bound[:len(bound)-1] + `,"cnf":{"jwk":` + string(jwk) + `}}`
			var theirs string
			p.must(t, "issueSelective", args{"alg": alg, "claims": json.RawMessage(bound),
				"frame": json.RawMessage(`{"_sd":["given_name"],"address":{"_sd":["street"]},"nationalities":{"_sd":[1]}}`)}, &theirs)
			p.must(t, "presentSelective", args{"alg": alg, "credential": theirs, "frame": json.RawMessage(`{"given_name":true,"nationalities":{"1":true}}`),
				"payload": args{"aud": domain, "nonce": challenge, "iat": now.Unix()}}, &theirs)
			got, err := v.Selective(ctx, []byte(theirs), &vc.Expectation{Challenge: challenge, Domain: domain}, now)
			if err != nil {
				t.Fatalf("%v: %s", err, theirs)
			}
			seen(t, got.Claims)
			if _, err := v.Selective(ctx, []byte(theirs), &vc.Expectation{Challenge: "another", Domain: domain}, now); err == nil {
				t.Error("an answer to another nonce is taken")
			}
		})
	}
}

package cli_test

import (
	"os"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/vc"
)

// credentials is a credential's way from its issuer to its holder, a verifier, and its
// end. It returns the issuer's key file of then.
func (w *world) credentials(issuer, owner, issuerDID, ownerDID, schema string) string {
	t := w.t
	t.Helper()
	unsecured := w.write("member.json", `{"@context":["https://www.w3.org/ns/credentials/v2","https://contexts.example/member/v1"],"type":["VerifiableCredential","MemberCredential"],`+
		`"credentialSubject":{"id":"`+ownerDID+`","level":"gold"}}`)
	context := "https://contexts.example/member/v1=" + w.write("member.jsonld", `{"@context":{"MemberCredential":"https://member.example/MemberCredential","level":"https://member.example/level"}}`)
	issue := func(keys, out string, more ...string) []string {
		return append([]string{"credential", "issue", "--keys", keys, "--schema", schema, "--context", context, "--out", w.path(out), unsecured}, more...)
	}
	w.refused("not_accredited", issue(owner, "never.json", "--format", "vc+jwt")...)
	if _, err := os.Stat(w.path("never.json")); err == nil {
		t.Error("a refused credential left a file")
	}
	ref := w.do(issue(issuer, "member.vc", "--evidence", "third-party", "--endorser", "did:web:registry.example")...)["credential"].(string)
	if exit, _, errOut := w.run(issue(issuer, "member.vc")...); exit != 1 || !strings.Contains(errOut, "exists") {
		t.Errorf("a credential was overwritten: %d %s", exit, errOut)
	}
	jwt := w.do(issue(issuer, "member.jwt", "--format", "vc+jwt")...)["credential"].(string)
	verify := []string{"credential", "verify", "--context", context, w.path("member.vc")}
	if v := w.do(verify...); v["credential"] != ref || v["issuer"] != issuerDID || v["evidence"] != "third-party" || v["endorser"] != "did:web:registry.example" || v["status"] != "active" {
		t.Errorf("verified %v", v)
	}
	w.refused("invalid_value", "credential", "verify", w.path("member.vc")) // its context is not known
	if v := w.do("credential", "verify", "--context", context, w.path("member.jwt")); v["credential"] != jwt {
		t.Errorf("verified %v", v)
	}

	asked := []string{"--challenge", "c-1", "--domain", "verifier.example", "--context", context}
	w.do(append([]string{"credential", "present", "--keys", owner, "--format", "vc+jwt", "--out", w.path("owner.vp"), w.path("member.vc"), w.path("member.jwt")}, asked...)...)
	presented := w.do(append([]string{"credential", "verify", w.path("owner.vp")}, asked...)...)
	if presented["holder"] != ownerDID || len(presented["credentials"].([]any)) != 2 {
		t.Errorf("presented %v", presented)
	}
	w.refused("invalid_value", "credential", "verify", "--challenge", "c-2", "--domain", "verifier.example", "--context", context, w.path("owner.vp"))

	w.do("credential", "suspend", "--keys", issuer, ref)
	w.refused("suspended", verify...)
	w.refused("suspended", append([]string{"credential", "verify", w.path("owner.vp")}, asked...)...)
	if got := w.do("credential", "status", w.path("member.vc")); got["status"] != "suspended" || got["credential"] != ref {
		t.Errorf("status %v", got)
	}
	w.do("credential", "reinstate", "--keys", issuer, ref)
	w.do(verify...)
	w.do("credential", "revoke", "--keys", issuer, ref)
	w.refused("revoked", "credential", "reinstate", "--keys", issuer, ref)
	w.refused("revoked", verify...)
	if got := w.do("credential", "status", ref)["status"]; got != "revoked" {
		t.Errorf("status %v", got)
	}
	if got := w.do("credential", "show", jwt)["status"]; got != "active" {
		t.Errorf("status %v", got)
	}
	if got := w.do("credential", "status", w.path("member.jwt"))["credential"]; got != jwt {
		t.Errorf("status of %v, want %s", got, jwt)
	}

	// What a key has signed stays good when the key is kept for it, and ends with the key.
	verify = []string{"credential", "verify", "--context", context, w.path("member.jwt")}
	old := w.do("did", "resolve", issuerDID)["didDocument"].(map[string]any)["assertionMethod"].([]any)[0].(string)
	w.do("did", "update", "--keys", issuer, "--rotate", w.path("issuer2.keys"), "--keep-credentials")
	w.refused("key_purpose", issue(issuer, "never.json")...)
	w.do(verify...)
	w.do(issue(w.path("issuer2.keys"), "new.vc")...)
	_, fragment, _ := strings.Cut(old, "#")
	w.do("did", "update", "--keys", w.path("issuer2.keys"), "--remove-key", fragment)
	w.refused("key_unknown", verify...)
	w.do("credential", "verify", "--context", context, w.path("new.vc"))
	if exit, _, errOut := w.run("did", "update", "--keys", w.path("issuer2.keys"), "--remove-key", fragment); exit != 1 || !strings.Contains(errOut, "no key") {
		t.Errorf("a key that is not there was removed: %d %s", exit, errOut)
	}
	return w.path("issuer2.keys")
}

// An SD-JWT is presented with the claims that are named.
func TestPresentSelective(t *testing.T) {
	t.Parallel()
	w := begin(t)
	w.keys("owner")
	identity, err := client.Load(w.path("owner.keys"), []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	holder, err := did.ParseKey(identity.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	key := opstest.NewKey("sd issuer", did.EdDSA)
	by := "did:key:" + key.Multikey
	issued, err := vc.IssueSelective([]byte(`{"iss":"`+by+`","vct":"urn:member","name":"A","level":{"of":"gold"}}`), [][]string{{"name"}, {"level"}, {"level", "of"}}, holder,
		&vc.Signer{Method: by + "#" + key.Multikey, Algorithm: did.EdDSA, Sign: func(m []byte) ([]byte, error) { return key.Signature(m), nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ledger.Found(); err != nil {
		t.Fatal(err)
	}
	file := w.write("member.sd", issued)
	asked := []string{"--challenge", "c-1", "--domain", "verifier.example"}
	w.do(append([]string{"credential", "present", "--keys", w.path("owner.keys"), "--disclose", "/level", "--out", w.path("shown.sd"), file}, asked...)...)
	if got := w.do(append([]string{"credential", "verify", w.path("shown.sd")}, asked...)...); got["issuer"] != by {
		t.Errorf("verified %v", got)
	}
	shown, err := os.ReadFile(w.path("shown.sd"))
	if err != nil || strings.Count(string(shown), "~") != 3 { // level, and what stands in it
		t.Errorf("%v: %s", err, shown)
	}
	w.refused("invalid_value", "credential", "verify", "--challenge", "c-2", "--domain", "verifier.example", w.path("shown.sd"))
	w.refused("invalid_value", "credential", "verify", w.path("shown.sd")) // bound to a request that is not ours
}

package did_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// DID-1: keys of X25519 and P-256 may stand under keyAgreement, and keys of X25519
// nowhere else; they sign nothing, and what verifies operations does not have them.
func TestKeyAgreement(t *testing.T) {
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := did.FormatX25519Key([32]byte(x25519.PublicKey().Bytes()))
	ed, p, s := opstest.NewKey("ed", did.EdDSA), opstest.NewKey("p", did.ES256), opstest.NewKey("s", did.ES256K)
	method := func(id, key string) string {
		return fmt.Sprintf(`{"id":"#%s","type":"Multikey","publicKeyMultibase":%q}`, id, key)
	}
	methods := `"verificationMethod":[` + method("ed", ed.Multikey) + "," + method("p", p.Multikey) + "," + method("s", s.Multikey) + "," + method("x", x) + "]"
	document := func(lists string) []byte {
		return fmt.Appendf(nil, `{%s,%s,"recovery":%q}`, methods, lists, ed.Commitment())
	}
	for lists, code := range map[string]fault.Code{
		`"keyAgreement":["#x","#p"],"capabilityInvocation":["#ed"]`: fault.OK,
		`"keyAgreement":["#p"],"capabilityInvocation":["#p"]`:       fault.OK,
		`"keyAgreement":["#ed"],"capabilityInvocation":["#ed"]`:     fault.InvalidValue,
		`"keyAgreement":["#s"],"capabilityInvocation":["#ed"]`:      fault.InvalidValue,
		`"capabilityInvocation":["#x"]`:                             fault.InvalidValue,
		`"authentication":["#x"],"capabilityInvocation":["#ed"]`:    fault.InvalidValue,
		`"assertionMethod":["#x"],"capabilityInvocation":["#ed"]`:   fault.InvalidValue,
		`"keyAgreement":["#x","#x"],"capabilityInvocation":["#ed"]`: fault.InvalidValue,
		`"keyAgreement":["#other"],"capabilityInvocation":["#ed"]`:  fault.InvalidValue,
	} {
		if _, _, err := did.DecodeDocument(document(lists)); fault.Of(err) != code {
			t.Errorf("%s: %v, want %v", lists, err, code)
		}
	}
	doc, _, err := did.DecodeDocument(document(`"keyAgreement":["#x"],"capabilityInvocation":["#ed"]`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := doc.SigningKey("x"); fault.Of(err) != fault.KeyUnknown {
		t.Errorf("a key of X25519 signs: %v", err)
	}
	if key, err := did.ParseAgreement(x); err != nil || !key.Equal(x25519.PublicKey()) {
		t.Errorf("%v, %v", key, err)
	}
	if key, err := did.ParseAgreement(p.Multikey); err != nil || key.Curve() != ecdh.P256() {
		t.Errorf("%v, %v", key, err)
	}
	for _, other := range []string{ed.Multikey, s.Multikey, "x"} {
		if _, err := did.ParseAgreement(other); fault.Of(err) != fault.InvalidValue {
			t.Errorf("%s: %v", other, err)
		}
	}
	if _, err := did.ParseKey(x); fault.Of(err) != fault.InvalidValue {
		t.Errorf("a key of X25519 is taken for one that signs: %v", err)
	}
	w := opstest.New(t)
	user := opstest.NewUser("agrees")
	user.Doc = fmt.Appendf(nil, `{"verificationMethod":[%s,%s],"keyAgreement":["#x"],"capabilityInvocation":["#k"],"recovery":%q}`,
		method("x", x), method("k", opstest.NewKey("agrees", did.EdDSA).Multikey), user.Recovery.Commitment())
	_, id, err := did.DecodeDocument(user.Doc)
	if err != nil {
		t.Fatal(err)
	}
	user.ID, user.DID = id, did.String(opstest.Network, id)
	w.Create(user)
	stored, err := w.Store.Get(did.SignerKeyOf(id))
	if err != nil {
		t.Fatal(err)
	}
	if signer, err := did.DecodeSigner(stored); err != nil || len(signer.Keys) != 1 || signer.Keys[0].Fragment != "k" {
		t.Errorf("%+v, %v", signer, err)
	}
}

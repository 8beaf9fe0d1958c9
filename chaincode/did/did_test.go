package did_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

const (
	evm  = "eip155:1337"
	tron = "tron:0x2b6653dc"
)

// ID-1: the id is the hash of the inception document in its canonical form, so
// spelling does not change it and content does.
func TestIDIsTheHashOfTheDocument(t *testing.T) {
	alice := opstest.NewUser("alice")
	canonical, err := canon.JCS(alice.Doc)
	if err != nil {
		t.Fatal(err)
	}
	sum := canon.Sum(canonical)
	if ledger.ID(sum[:20]) != alice.ID {
		t.Errorf("id %s is not of %x", alice.ID, sum)
	}
	spaced := strings.ReplaceAll(string(alice.Doc), ",", " ,\n ")
	if _, id, err := did.DecodeDocument([]byte(spaced)); err != nil || id != alice.ID {
		t.Errorf("with spaces: %s, %v", id, err)
	}
	other := strings.Replace(string(alice.Doc), "#auth", "#aut2", -1)
	if _, id, err := did.DecodeDocument([]byte(other)); err != nil || id == alice.ID {
		t.Errorf("with another fragment: %s, %v", id, err)
	}
}

func TestParse(t *testing.T) {
	alice := opstest.NewUser("alice")
	if network, id, err := did.Parse(alice.DID); network != opstest.Network || id != alice.ID || err != nil {
		t.Errorf("%s, %s, %v", network, id, err)
	}
	for _, bad := range []string{
		"", "did:web:x", "did:killick:" + opstest.Network, "did:killick::" + alice.ID.String(), alice.DID + "x", alice.DID + ":", alice.DID + "#k",
		strings.Replace(alice.DID, "did:", "DID:", 1),
	} {
		if _, _, err := did.Parse(bad); fault.Of(err) != fault.InvalidValue {
			t.Errorf("Parse(%q): %v", bad, err)
		}
	}
	for _, bad := range []string{alice.DID, alice.DID + "#", alice.DID + "#a b", alice.DID + "#" + strings.Repeat("k", 33), "#k"} {
		if _, _, _, err := did.ParseURL(bad); err == nil {
			t.Errorf("ParseURL(%q) took it", bad)
		}
	}
}

func TestDocumentRules(t *testing.T) {
	good := string(opstest.NewUser("alice").Doc)
	key := did.FormatKey([32]byte{1})
	method := func(id string) string {
		return fmt.Sprintf(`{"id":%q,"type":"Multikey","publicKeyMultibase":%q}`, id, key)
	}
	for name, c := range map[string]struct {
		old, new string
		code     fault.Code
	}{
		"no keys":                  {good, `{"verificationMethod":[],"capabilityInvocation":["#k"],"recovery":"x"}`, fault.InvalidValue},
		"17 keys":                  {`"verificationMethod":[`, `"verificationMethod":[` + strings.Repeat(method("#x")+",", 17), fault.InvalidValue},
		"id twice":                 {`"verificationMethod":[`, `"verificationMethod":[` + method("#k") + ",", fault.InvalidValue},
		"id without #":             {`"verificationMethod":[`, `"verificationMethod":[` + method("x") + ",", fault.InvalidValue},
		"other type":               {"Multikey", "JsonWebKey2020", fault.InvalidValue},
		"nobody may act":           {`"capabilityInvocation":["#k"]`, `"capabilityInvocation":[]`, fault.MissingField},
		"unknown key listed":       {`"capabilityInvocation":["#k"]`, `"capabilityInvocation":["#z"]`, fault.InvalidValue},
		"key listed twice":         {`"capabilityInvocation":["#k"]`, `"capabilityInvocation":["#k","#k"]`, fault.InvalidValue},
		"recovery of another size": {`"recovery":"`, `"recovery":"AA`, fault.InvalidValue},
		"key in another base":      {`"publicKeyMultibase":"z`, `"publicKeyMultibase":"m`, fault.InvalidValue},
		"key of another kind":      {`"publicKeyMultibase":"z6Mk`, `"publicKeyMultibase":"z6LS`, fault.InvalidValue},
		"http service":             {`"recovery"`, `"service":[{"id":"#s","type":"T","serviceEndpoint":"http://x"}],"recovery"`, fault.InvalidValue},
		"service with a key's id":  {`"recovery"`, `"service":[{"id":"#k","type":"T","serviceEndpoint":"https://x"}],"recovery"`, fault.InvalidValue},
		"service without type":     {`"recovery"`, `"service":[{"id":"#s","type":"","serviceEndpoint":"https://x"}],"recovery"`, fault.InvalidValue},
		"unknown member":           {`"recovery"`, `"controller":"x","recovery"`, fault.UnknownField},
		"duplicate member":         {`"recovery"`, `"recovery":"","recovery"`, fault.DuplicateKey},
	} {
		if _, _, err := did.DecodeDocument([]byte(strings.Replace(good, c.old, c.new, 1))); fault.Of(err) != c.code {
			t.Errorf("%s: %v, want %v", name, err, c.code)
		}
	}
	withService := strings.Replace(good, `"recovery"`, `"service":[{"id":"#s","type":"T","serviceEndpoint":"https://x"}],"recovery"`, 1)
	if _, _, err := did.DecodeDocument([]byte(withService)); err != nil {
		t.Error(err)
	}
}

func TestCreateAndResolve(t *testing.T) {
	w := opstest.New(t)
	alice := opstest.NewUser("alice")
	w.Create(alice, evm, tron)
	var r did.Resolution
	w.Read("did:Resolve", alice.DID, &r)
	if r.Document.ID != alice.DID || len(r.Document.VerificationMethod) != 2 || r.Document.VerificationMethod[0].ID != alice.DID+"#k" ||
		r.Document.VerificationMethod[0].Controller != alice.DID || r.Document.CapabilityInvocation[0] != alice.DID+"#k" ||
		r.Metadata.VersionID != "1" || r.Metadata.Deactivated || len(r.Version.Root) != 64 {
		t.Errorf("%+v", r)
	}
	value, _ := w.Store.Get(did.Key(alice.ID))
	if r.Version.Hash != ledger.Version(value) {
		t.Errorf("hash %s is not of the stored value", r.Version.Hash)
	}
	for text, code := range map[string]fault.Code{
		opstest.NewUser("bob").DID: fault.DIDUnknown, "did:web:x": fault.InvalidValue,
		strings.Replace(alice.DID, "main-0", "main-1", 1): fault.WrongNetwork,
	} {
		if _, err := w.Invoke(ledger.Caller{}, "did:Resolve", text); fault.Of(err) != code {
			t.Errorf("Resolve(%s): %v, want %v", text, err, code)
		}
	}
}

// The stored value is the one that docs/formats/did-method.md describes.
func TestStoredForm(t *testing.T) {
	w := opstest.New(t)
	alice := opstest.NewUser("alice")
	w.Create(alice)
	value, _ := w.Store.Get(did.Key(alice.ID))
	canonical, _ := canon.JCS(alice.Doc)
	var s did.State
	if err := json.Unmarshal(value, &s); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"id":%q,"version":1,"prior":"","created":%q,"createdAt":%d,"updated":%q,"updatedAt":%d,"deactivated":false,"deactivation":0,"document":%s,"root":""}`,
		alice.DID, s.Created, opstest.Start, s.Created, opstest.Start, canonical)
	if string(value) != want {
		t.Errorf("stored\n%s\nwant\n%s", value, want)
	}
}

// ID-2: an account belongs to one DID, and only its own key links it.
func TestLinks(t *testing.T) {
	w := opstest.New(t)
	alice, bob := opstest.NewUser("alice"), opstest.NewUser("bob")
	w.Create(alice, evm)
	link := alice.Link(evm)
	if held, _ := w.Store.Get(did.LinkKey(link.Account)); string(held) != fmt.Sprintf(`{"id":%q,"until":0}`, alice.ID) {
		t.Errorf("link holds %q", held)
	}
	salt := canon.B64(opstest.Seed("salt"))
	bob.Chain = alice.Chain // bob knows the account's key
	for name, c := range map[string]struct {
		body did.Create
		code fault.Code
	}{
		"taken":               {did.Create{Links: []did.Link{bob.Link(evm)}}, fault.LinkTaken},
		"proof for another":   {did.Create{Links: []did.Link{{Account: bob.Link(tron).Account, Proof: alice.Link(tron).Proof, Salt: salt}}}, fault.BadProof},
		"proof on another":    {did.Create{Links: []did.Link{{Account: bob.Link(tron).Account, Proof: bob.Link(evm).Proof, Salt: salt}}}, fault.BadProof},
		"one twice":           {did.Create{Links: []did.Link{bob.Link(tron), bob.Link(tron)}}, fault.InvalidValue},
		"paid where not":      {did.Create{Links: []did.Link{bob.Link(tron)}, Payout: bob.Account(evm).String()}, fault.InvalidValue},
		"paid on a chain":     {did.Create{Links: []did.Link{bob.Link(tron)}, Payout: tron}, fault.InvalidValue},
		"paid without a link": {did.Create{Payout: bob.Account(evm).String()}, fault.InvalidValue},
		"without a salt":      {did.Create{Links: []did.Link{{Account: bob.Link(tron).Account, Proof: bob.Link(tron).Proof}}}, fault.InvalidValue},
		"for a version":       {did.Create{Links: []did.Link{bob.LinkIn(tron, strings.Repeat("0", 64))}}, fault.BadProof},
		"no account":          {did.Create{Links: []did.Link{{Account: "x", Proof: "AA", Salt: salt}}}, fault.InvalidValue},
		"checksummed account": {did.Create{Links: []did.Link{{Account: strings.ToUpper(link.Account), Proof: "AA"}}}, fault.InvalidValue},
		"five links":          {did.Create{Links: make([]did.Link, 5)}, fault.InvalidValue},
	} {
		c.body.Document = bob.Doc
		item, _ := w.Sign(bob, &c.body, "")
		if got := w.Batch(item); fault.Code(got[0]) != c.code {
			t.Errorf("%s: %v, want %v", name, fault.Code(got[0]), c.code)
		}
	}
	w.Do(bob, &ops.DIDCreate{Document: bob.Doc, Links: []did.Link{bob.Link(tron)}, Payout: bob.Account(tron).String()}, "")
}

func FuzzDecodeDocument(f *testing.F) {
	f.Add(opstest.NewUser("alice").Doc)
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, _, err := did.DecodeDocument(raw)
		if err != nil {
			return
		}
		if len(doc.CapabilityInvocation) == 0 {
			t.Errorf("%s: nobody may act", raw)
		}
		once, err := canon.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if again, _, err := did.DecodeDocument(once); err != nil {
			t.Errorf("%s is written as %s: %v", raw, once, err)
		} else if twice, err := canon.Marshal(again); err != nil || string(twice) != string(once) {
			t.Errorf("%s is written as %s, and that as %s, %v", raw, once, twice, err)
		}
	})
}

func FuzzParseURL(f *testing.F) {
	f.Add(opstest.NewUser("alice").KeyID())
	f.Fuzz(func(t *testing.T, text string) {
		if network, id, fragment, err := did.ParseURL(text); err == nil && did.String(network, id)+"#"+fragment != text {
			t.Errorf("%q reads as %s %s %s", text, network, id, fragment)
		}
	})
}

package certificate_test

import (
	"crypto/sha256"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/vc"
)

// terms are those of a test.
func terms() certificate.Terms {
	return certificate.Terms{
		Schema: ledger.Reference{Expiry: 0x6b01e5a0}.String(), Evidence: "oracle", Endorser: "did:web:oracle.example",
		Lists: "https://gateway.example", List: 2, Index: 94567,
	}
}

func unsecured(issuer string) string {
	return `{"@context":["` + vc.BaseContext + `"],"type":["VerifiableCredential"],"issuer":{"id":"` + issuer + `"},"validFrom":"2026-01-01T00:00:00Z",` +
		`"validUntil":"2027-01-01T02:00:00+02:00","credentialSubject":{"id":"urn:s"}}`
}

const draftVectors = "../../docs/formats/vectors/ledgercredential.json"

// TestDraftVectors plays docs/formats/vectors/ledgercredential.json: what is written into a
// credential for the ledger, and its digest there.
// Made by: UPDATE=1 go test ./gateway/certificate -run DraftVectors
func TestDraftVectors(t *testing.T) {
	issuer := opstest.NewUser("issuer").DID
	type vector struct {
		Name, Unsecured, Document, Digest string
		ValidFrom, ValidUntil             uint64
	}
	var want struct {
		Comment, Schema, Evidence, Endorser, Lists string
		List, Index                                uint32
		Vectors                                    []vector
	}
	tt := terms()
	want.Comment = "What gateway/certificate writes into unsecured credentials for the ledger (docs/formats/credentials.md section 9). Made by UPDATE=1 go test ./gateway/certificate -run DraftVectors"
	want.Schema, want.Evidence, want.Endorser, want.Lists, want.List, want.Index = tt.Schema, tt.Evidence, tt.Endorser, tt.Lists, tt.List, tt.Index
	for name, text := range map[string]string{
		"credential": unsecured(issuer),
		"with evidence of its own": strings.Replace(unsecured(issuer), `"type"`,
			`"evidence":{"type":"LedgerSchema","note":"kept"},"credentialSchema":{"id":"https://issuer.example/schema","type":"JsonSchema"},"type"`, 1),
	} {
		doc, body, err := certificate.Draft(parse(t, text), tt)
		if err != nil {
			t.Fatal(err)
		}
		want.Vectors = append(want.Vectors, vector{name, text, string(doc.JCS()), body.Digest, body.ValidFrom, body.ValidUntil})
	}
	if want.Vectors[0].Name > want.Vectors[1].Name {
		want.Vectors[0], want.Vectors[1] = want.Vectors[1], want.Vectors[0]
	}
	data, err := json.MarshalIndent(want, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(draftVectors, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(draftVectors)
	if err != nil || string(got) != string(data)+"\n" {
		t.Errorf("%v: %s is not what the code makes", err, draftVectors)
	}
}

// What Draft writes, Entry and Compare read; and what the ledger holds otherwise differs.
func TestCompare(t *testing.T) {
	issuer := opstest.NewUser("issuer").DID
	doc, body, err := certificate.Draft(parse(t, unsecured(issuer)), terms())
	if err != nil {
		t.Fatal(err)
	}
	if list, index, err := certificate.Entry(doc, issuer); err != nil || list != 2 || index != 94567 {
		t.Errorf("entry %d of list %d, %v", index, list, err)
	}
	view := func() *credential.View {
		return &credential.View{Credential: credential.Credential{
			Schema: body.Schema, Digest: body.Digest, ValidFrom: body.ValidFrom, ValidUntil: body.ValidUntil, Evidence: body.Evidence, Endorser: body.Endorser,
		}}
	}
	for name, tt := range map[string]struct {
		change func(*credential.View)
		code   fault.Code
	}{
		"the same":         {func(*credential.View) {}, fault.OK},
		"another digest":   {func(v *credential.View) { v.Digest = strings.Repeat("0", 64) }, fault.BadSignature},
		"another schema":   {func(v *credential.View) { v.Schema = ledger.Reference{}.String() }, fault.BadSignature},
		"another evidence": {func(v *credential.View) { v.Evidence = "on-chain" }, fault.BadSignature},
		"another endorser": {func(v *credential.View) { v.Endorser = issuer }, fault.BadSignature},
		"another start":    {func(v *credential.View) { v.ValidFrom++ }, fault.BadSignature},
		"another end":      {func(v *credential.View) { v.ValidUntil++ }, fault.BadSignature},
	} {
		t.Run(name, func(t *testing.T) {
			v := view()
			tt.change(v)
			if err := certificate.Compare(doc, v); fault.Of(err) != tt.code {
				t.Errorf("%v, want %v", err, tt.code)
			}
		})
	}
	// A second word on evidence would be one that the ledger does not know.
	evidence, _ := doc.Find("evidence")
	twice := doc.With("evidence", append(evidence.([]any), canon.Object{}.With("type", vc.LedgerEvidence).With("evidenceType", "on-chain").With("endorser", issuer)))
	v := view()
	sum := sha256.Sum256(twice.JCS())
	v.Digest = canon.Hex(sum[:])
	if err := certificate.Compare(twice, v); fault.Of(err) != fault.BadSignature {
		t.Errorf("evidence twice: %v", err)
	}
}

// Whatever a credential says, reading its entry does not panic, and an entry that was read
// is the one that was written.
func FuzzEntry(f *testing.F) {
	issuer := opstest.NewUser("issuer").DID
	doc, _, err := certificate.Draft(parse(f, unsecured(issuer)), terms())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(doc.JCS()))
	f.Add(`{"credentialStatus":[{"type":"BitstringStatusListEntry"},1]}`)
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := canon.ParseObject([]byte(text))
		if err != nil {
			return
		}
		list, index, err := certificate.Entry(doc, issuer)
		if err != nil {
			return
		}
		status, _ := doc.Find("credentialStatus")
		for _, e := range status.([]any) {
			entry, err := vc.ParseListEntry(e.(canon.Object))
			base, _, _ := strings.Cut(entry.List, certificate.ListPath)
			if err != nil || entry.Index != int(index) || entry.List != certificate.ListURL(base, issuer, list, entry.Purpose) {
				t.Errorf("%d, %d of %s: %v", list, index, e, err)
			}
		}
	})
}

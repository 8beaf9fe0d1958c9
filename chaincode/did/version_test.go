package did_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// ID-3: each version names the one before, and all of them can be read by number and
// by time, whatever the clocks of gateways said.
func TestVersions(t *testing.T) {
	w := begin(t)
	var hashes []string
	var owner opstest.Signer = w.alice
	hashes = append(hashes, w.prior())
	for i, now := range []uint64{100, 50, 100, 200} { // the second comes from a clock that is behind
		w.Now = opstest.Start + now
		owner = w.update(owner, fmt.Sprint("k", i+2), key(fmt.Sprint("key ", i+2)))
		hashes = append(hashes, w.prior())
	}
	times := []uint64{0, 100, 100, 100, 200}
	for i := range times {
		version := uint32(i + 1)
		r := w.resolve(did.Query{VersionID: version})
		want := did.Metadata{VersionID: fmt.Sprint(version), Created: opstest.Start}
		if i > 0 {
			want.Updated = opstest.Start + times[i]
		}
		if i < len(times)-1 {
			want.NextUpdate, want.NextVersionID = opstest.Start+times[i+1], fmt.Sprint(version+1)
		}
		if r.Metadata != want || r.Version.Hash != hashes[i] {
			t.Errorf("version %d: %+v, want %+v", version, r.Metadata, want)
		}
		if last := w.alice.DID + "#k" + fmt.Sprint(version); i > 0 && r.Document.CapabilityInvocation[0] != last {
			t.Errorf("version %d: %v, want %s", version, r.Document.CapabilityInvocation, last)
		}
		stored := did.VersionKey(w.alice.ID, version)
		if i == len(times)-1 {
			stored = did.Key(w.alice.ID)
		}
		value, _ := w.Store.Get(stored)
		state, err := did.DecodeState(value)
		if err != nil || i > 0 && state.Prior != hashes[i-1] || i == 0 && state.Prior != "" {
			t.Errorf("%s: %+v, %v", stored, state, err)
		}
	}
	for after, version := range map[uint64]string{0: "1", 99: "1", 100: "4", 199: "4", 200: "5", 1 << 40: "5"} {
		if r := w.resolve(did.Query{VersionTime: opstest.Start + after}); r.Metadata.VersionID != version {
			t.Errorf("%d s later version %s is in force, want %s", after, r.Metadata.VersionID, version)
		}
	}
	for question, code := range map[string]fault.Code{
		fmt.Sprintf(`{"did":%q,"versionId":6}`, w.alice.DID):                     fault.NotFound,
		fmt.Sprintf(`{"did":%q,"versionTime":%d}`, w.alice.DID, opstest.Start-1): fault.NotFound,
		fmt.Sprintf(`{"did":%q,"versionId":1,"versionTime":1}`, w.alice.DID):     fault.InvalidValue,
		fmt.Sprintf(`{"did":%q,"version":1}`, w.alice.DID):                       fault.UnknownField,
		fmt.Sprintf(`{"did":%q,"versionId":"1"}`, w.alice.DID):                   fault.WrongType,
		`{"versionId":1}`: fault.MissingField,
		fmt.Sprintf(`{"did":%q,"versionId":1}`, opstest.NewUser("nobody").DID):             fault.DIDUnknown,
		fmt.Sprintf(`{"did":%q}`, strings.Replace(w.alice.DID, opstest.Network, "x-0", 1)): fault.WrongNetwork,
	} {
		if _, err := w.Invoke(ledger.Caller{}, "did:Resolve", question); fault.Of(err) != code {
			t.Errorf("%s: %v, want %v", question, err, code)
		}
	}
	var alone did.Resolution
	w.Read("did:Resolve", w.alice.DID, &alone)
	if newest := w.resolve(did.Query{}); !reflect.DeepEqual(alone, *newest) {
		t.Errorf("the DID alone resolves to %+v, want %+v", alone, newest)
	}
}

func FuzzUpdate(f *testing.F) {
	f.Add([]byte(opstest.Document("k", key("k"))))
	f.Add(opstest.NewUser("alice").Doc)
	f.Fuzz(func(t *testing.T, raw []byte) {
		update := &did.Update{Document: raw}
		if update.Check(ledger.Call{}) != nil {
			return
		}
		// What parses as an update is a document without a commitment.
		full := strings.TrimRight(string(raw), " \t\r\n")
		full = strings.TrimSuffix(full, "}") + `,"recovery":"` + key("r").Commitment() + `"}`
		doc, _, err := did.DecodeDocument([]byte(full))
		if err != nil {
			t.Fatalf("%s with a commitment: %v", raw, err)
		}
		again, err := did.NewUpdate(doc)
		if err != nil || again.Check(ledger.Call{}) != nil {
			t.Errorf("%s is written as %s: %v", raw, again.Document, err)
		}
	})
}

func FuzzDecodeQuery(f *testing.F) {
	f.Add([]byte(`{"did":"did:killick:a:b","versionId":1}`))
	f.Add([]byte("did:killick:a:b"))
	f.Fuzz(func(t *testing.T, arg []byte) {
		q, err := did.DecodeQuery(arg)
		if err != nil || len(arg) == 0 || arg[0] != '{' {
			return
		}
		text, err := canon.Marshal(q)
		if err != nil {
			return // a DID that is not UTF-8 is refused when it is parsed
		}
		if again, err := did.DecodeQuery(text); err != nil || *again != *q {
			t.Errorf("%s reads as %+v, and then as %+v, %v", arg, q, again, err)
		}
	})
}

func FuzzDecodeState(f *testing.F) {
	w := opstest.New(f)
	alice := opstest.NewUser("alice")
	w.Create(alice, "eip155:1337")
	stored, err := w.Store.Get(did.Key(alice.ID))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stored)
	f.Fuzz(func(t *testing.T, value []byte) {
		state, err := did.DecodeState(value)
		if err != nil || state.Document == nil {
			return // every stored value has a document
		}
		once, err := canon.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		again, err := did.DecodeState(once)
		if err != nil {
			t.Fatalf("%s is written as %s: %v", value, once, err)
		}
		if twice, err := canon.Marshal(again); err != nil || string(twice) != string(once) {
			t.Errorf("%s is written as %s, and that as %s, %v", value, once, twice, err)
		}
	})
}

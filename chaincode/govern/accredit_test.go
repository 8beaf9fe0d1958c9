package govern_test

import (
	"slices"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// Accreditations are given, narrowed and taken away, and others stay as they are.
func TestAccreditations(t *testing.T) {
	a, b := opstest.NewUser("a"), opstest.NewUser("b")
	w := opstest.New(t, b)
	schema, other := ledger.Reference{Expiry: 1}.String(), ledger.Reference{Expiry: 2}.String()
	check := func(u *opstest.User, any, named bool, organisation string) {
		t.Helper()
		tx := ledger.Begin(w.Store, w.Now, ledger.Caller{})
		got := []bool{govern.CheckIssuer(tx, opstest.Network, u.ID) == nil, govern.CheckSchema(tx, opstest.Network, u.ID, other) == nil,
			govern.CheckSchema(tx, opstest.Network, u.ID, schema) == nil}
		if want := []bool{any || named, any, any || named}; !slices.Equal(got, want) {
			t.Errorf("issuer: %v, want %v", got, want)
		}
		n, err := govern.Load(tx)
		if err != nil {
			t.Fatal(err)
		}
		if msp, err := n.VerifierOf(tx, u.ID); msp != organisation || (err == nil) != (msp != "") || err != nil && fault.Of(err) != fault.NotAccredited {
			t.Errorf("verifier: %q, %v", msp, err)
		}
	}
	check(a, false, false, "")
	w.Decide("issuer/"+a.ID.String(), `{"schemas":["`+schema+`"]}`)
	check(a, false, true, "")
	w.Decide("verifier/"+a.ID.String(), `{"organisation":"Org3MSP"}`)
	check(a, false, true, "Org3MSP")
	w.Decide("issuer/"+a.ID.String(), `{"schemas":["*"]}`)
	check(a, true, false, "Org3MSP")
	var n ops.NetworkView
	if w.Read("ops:Network", nil, &n); !slices.Equal(n.Verifiers, []govern.Verifier{{DID: a.DID, Organisation: "Org3MSP"}}) {
		t.Errorf("verifiers %v", n.Verifiers)
	}
	w.Decide("issuer/"+a.ID.String(), `{}`)
	w.Decide("verifier/"+a.ID.String(), `{}`)
	check(a, false, false, "")
	check(b, true, false, "")
	if w.Read("ops:Network", nil, &n); !slices.Equal(n.Issuers, []string{b.DID}) || len(n.Verifiers) != 0 {
		t.Errorf("issuers %v, verifiers %v", n.Issuers, n.Verifiers)
	}
	var values []string
	for _, c := range history(w, "issuer/"+a.ID.String()).Changes {
		values = append(values, string(c.Value))
	}
	if want := []string{"{}", `{"schemas":["` + schema + `"]}`, `{"schemas":["*"]}`, "{}"}; !slices.Equal(values, want) {
		t.Errorf("history %v, want %v", values, want)
	}
}

func TestAccreditationsAreBounded(t *testing.T) {
	w := opstest.New(t)
	w.Checkpoint(1, opstest.Start)
	for i := range 1000 {
		if err := w.Store.Put(govern.IssuerKey(ledger.ID{0: 1, 18: byte(i >> 8), 19: byte(i)}), []byte(`{"did":"x","schemas":[]}`)); err != nil {
			t.Fatal(err)
		}
	}
	one := "issuer/" + ledger.ID{0: 1}.String()
	refused(t, w, w.Members[0].Admin(), fault.InvalidValue, "govern:Propose", w.Request("issuer/"+ledger.ID{0: 2}.String(), `{"schemas":[]}`))
	w.Decide(one, `{"schemas":["*"]}`) // is there, and only changes
	w.Decide(one, `{}`)
	w.Decide("issuer/"+ledger.ID{0: 2}.String(), `{"schemas":[]}`)
}

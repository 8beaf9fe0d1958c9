package govern_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

func program(name string) string { return canon.Hex(opstest.Seed(name)) }

// GV-1: the current program is the one that K members approved last, each once;
// the founder names the first.
func TestPrograms(t *testing.T) {
	w := opstest.New(t)
	view := func() (v govern.ProgramView) {
		t.Helper()
		w.Read("govern:Program", nil, &v)
		return v
	}
	approve := func(member int, digest string) error {
		_, err := w.Invoke(ledger.Caller{MSP: w.Members[member].MSP, Role: "admin"}, "govern:Approve", govern.Approve{Program: digest})
		return err
	}
	wants := func(number uint64, digest string) {
		t.Helper()
		if got := view().Current; got != (govern.Current{Number: number, Digest: digest}) {
			t.Fatalf("the current program is %+v, want number %d, %s", got, number, digest)
		}
	}
	first, second := opstest.Program, program("second")
	wants(1, first)
	w.Engine.Program = "what it runs"
	if v := view(); v.Running != w.Engine.Program || len(v.Programs) != 1 || fmt.Sprint(v.Programs[0].By) != "[Org1MSP]" {
		t.Errorf("%+v", v)
	}
	for member := range 2 {
		if err := approve(member, second); err != nil {
			t.Fatal(err)
		}
		if err := approve(member, second); fault.Of(err) != fault.AlreadyDone {
			t.Errorf("approved twice: %v", err)
		}
		wants(1, first)
	}
	if err := approve(3, second); err != nil {
		t.Fatal(err)
	}
	wants(2, second)
	if err := approve(2, second); fault.Of(err) != fault.AlreadyDone {
		t.Errorf("approval of the current program: %v", err)
	}
	for _, member := range []int{2, 1, 0} { // back, by new approvals
		wants(2, second)
		if err := approve(member, first); err != nil {
			t.Fatal(err)
		}
	}
	wants(3, first)
	for _, p := range view().Programs {
		want := map[string]string{first: "{%s 3 [Org3MSP Org2MSP Org1MSP] []}", second: "{%s 2 [Org1MSP Org2MSP Org4MSP] []}"}[p.Digest]
		if got := fmt.Sprint(p); got != fmt.Sprintf(want, p.Digest) {
			t.Errorf("%s, want "+want, got, p.Digest)
		}
	}
}

func TestApproveRefuses(t *testing.T) {
	w := opstest.New(t)
	before := len(w.Store.Entries())
	for name, test := range map[string]struct {
		msp, role, program string
		code               fault.Code
	}{
		"a client":        {"Org1MSP", "client", program("x"), fault.NotMember},
		"a peer":          {"Org1MSP", "peer", program("x"), fault.NotMember},
		"no member":       {"Org9MSP", "admin", program("x"), fault.NotMember},
		"no digest":       {"Org1MSP", "admin", "", fault.InvalidValue},
		"upper case":      {"Org1MSP", "admin", strings.ToUpper(program("x")), fault.InvalidValue},
		"a name of state": {"Org1MSP", "admin", "current", fault.InvalidValue},
		"the current one": {"Org1MSP", "admin", opstest.Program, fault.AlreadyDone},
	} {
		_, err := w.Invoke(ledger.Caller{MSP: test.msp, Role: test.role}, "govern:Approve", govern.Approve{Program: test.program})
		if fault.Of(err) != test.code {
			t.Errorf("%s: %v, want %v", name, err, test.code)
		}
	}
	if len(w.Store.Entries()) != before {
		t.Error("a refusal wrote")
	}
}

package govern_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// TL-1: a ledger is for tests exactly when its name says so, and is founded so.
func TestFoundingOfTestLedgers(t *testing.T) {
	for _, c := range []struct {
		name string
		test bool
		code fault.Code
	}{
		{opstest.Network, false, fault.OK}, {opstest.Network, true, fault.InvalidValue},
		{opstest.TestNetwork, true, fault.OK}, {opstest.TestNetwork, false, fault.InvalidValue},
	} {
		w := opstest.New(t)
		if c.name == opstest.TestNetwork {
			w = opstest.NewTest(t)
		}
		w.Store = new(ledger.Memory)
		founding := w.Founding()
		founding.Test = c.test
		if _, err := w.Invoke(w.Members[0].Caller(), "ops:Init", founding); fault.Of(err) != c.code {
			t.Errorf("%s, test %v: %v, want %v", c.name, c.test, err, c.code)
		}
	}
	w := opstest.New(t)
	stored, err := w.Store.Get(govern.NetworkKey)
	if err != nil || strings.Contains(string(stored), "test") {
		t.Errorf("a ledger that is not for tests says %s, %v", stored, err)
	}
}

// TL-2: nothing that members can decide makes another ledger one for tests, or ends it;
// simulated roots are for test ledgers.
func TestNothingChangesTest(t *testing.T) {
	simulated := fmt.Sprintf(`[{"certificate":%q,"simulated":true},{"certificate":%q}]`, certificate("a"), certificate("b"))
	for _, w := range []*opstest.World{opstest.New(t), opstest.NewTest(t)} {
		u := w.NewUser("u")
		is := func(when string) {
			t.Helper()
			var n ops.NetworkView
			if w.Read("ops:Network", nil, &n); n.Test != (w.Name == opstest.TestNetwork) {
				t.Errorf("%s: after %s test is %v", w.Name, when, n.Test)
			}
		}
		is("founding")
		for _, subject := range []string{"test", "network", "name", "test/", "network/test"} {
			for _, value := range []string{"true", "false", `{"test":true}`, `"main-0011223344556677"`} {
				request := w.Request("stopped", "[]")
				request.Subject, request.Value = subject, []byte(value)
				refused(t, w, w.Members[0].Admin(), fault.InvalidValue, "govern:Propose", request)
			}
		}
		decided := []string{"members", "tag/"} // the one below, the other is bound by verifiers
		did := func(name string) string { return w.NewUser(name).DID }
		jobs := policy(func(p *govern.Policy) { p.Treasury, p.Residue = did("treasury"), did("residue") })
		for _, c := range [][2]string{
			{"treasuries", `["Org2MSP"]`}, {"assets", `["usd","pts","eur"]`}, {"epochSeconds", "61"}, {"heartbeatSeconds", "61"}, {"stopped", `["did"]`},
			{"bound", `["usd"]`}, {"program", `"` + program("x") + `"`}, {"issuer/" + u.ID.String(), `{"schemas":["*"]}`},
			{"verifier/" + u.ID.String(), `{"organisation":"Org1MSP"}`}, {"operator/" + u.ID.String(), `{"organisation":"Org1MSP"}`},
			{"licence/" + u.ID.String(), fmt.Sprintf(`{"organisation":"Org1MSP","pay":%q}`, u.DID)},
			{"chain/Org1MSP", fmt.Sprintf(`{"from":99,"length":1,"tip":%q}`, strings.Repeat("0", 64))},
			{"jobs", w.JSON(jobs)}, {"emission", w.JSON(fourYears(did("residue"), 1))}, {"tee/measurements", `[{"platform":"sgx","measurement":"` + strings.Repeat("0", 64) + `","operation":"job.x"}]`},
			{"tee/policy", `{"statuses":["OutOfDate"],"minEvaluation":0}`}, {"tee/roots", fmt.Sprintf(`[{"certificate":%q}]`, certificate("c"))},
		} {
			w.Decide(c[0], c[1])
			is(c[0])
			if i := strings.IndexByte(c[0], '/'); i > 0 && !strings.HasPrefix(c[0], "tee/") {
				c[0] = c[0][:i+1]
			}
			decided = append(decided, c[0])
		}
		if slices.Sort(decided); !slices.Equal(decided, govern.Subjects()) {
			t.Errorf("decided %v, subjects are %v", decided, govern.Subjects())
		}
		if w.Name == opstest.TestNetwork {
			w.Decide("tee/roots", simulated)
			roots, err := govern.Roots(reading(w))
			if err != nil || len(roots) != 2 || !roots[0].Simulated || roots[1].Simulated {
				t.Errorf("%+v, %v", roots, err)
			}
			is("simulated roots")
		} else {
			refused(t, w, w.Members[0].Admin(), fault.InvalidValue, "govern:Propose", w.Request("tee/roots", simulated))
		}
		w.Decide("treasuries", `["Org1MSP"]`)
		w.Rotate(2, w.Members[:3]...)
		is("a rotation")
	}
}

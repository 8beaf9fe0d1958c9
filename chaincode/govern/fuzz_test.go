package govern_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// Whatever is proposed, the ledger takes it or refuses it with a code, and what it
// takes it stores in one form: that form, proposed by another member, is stored as it
// is.
func FuzzPropose(f *testing.F) {
	id := opstest.NewUser("x").ID.String()
	for _, seed := range [][2]string{
		{"treasuries", `[ "Org2MSP" ]`}, {"assets", `["usd","pts","eur"]`}, {"epochSeconds", `61`}, {"stopped", `["did"]`}, {"program", `"` + program("x") + `"`},
		{"issuer/" + id, `{"schemas":["*"]}`}, {"verifier/" + id, `{"organisation":"Org1MSP"}`}, {"issuer/" + id, `{ }`}, {"heartbeatSeconds", `{"value":1}`},
		{"licence/" + id, `{"organisation":"Org1MSP","pay":"did:killick:main-0011223344556677:` + id + `"}`}, {"operator/" + id, `{"organisation":"Org1MSP"}`},
		{"chain/Org1MSP", `{"from":9,"length":2,"tip":"` + program("x") + `"}`}, {"tee/policy", `{"statuses":["UpToDate"],"minEvaluation":1}`},
		{"tee/roots", `[{"certificate":"` + certificate("x") + `"}]`}, {"tee/measurements", `[{"platform":"sgx","measurement":"` + program("x") + `","operation":"job.x"}]`},
	} {
		f.Add(seed[0], seed[1])
	}
	w := opstest.New(f)
	w.Checkpoint(1, opstest.Start)
	f.Fuzz(func(t *testing.T, subject, value string) {
		question, err := json.Marshal(map[string]string{"subject": subject})
		if err != nil {
			t.Fatal(err)
		}
		var h govern.HistoryView
		answer, err := w.Invoke(ledger.Caller{}, "govern:History", question)
		if err == nil {
			err = json.Unmarshal(answer, &h)
		} else if fault.Of(err) >= fault.Internal {
			t.Fatalf("History of %q: %v", subject, err)
		}
		if err != nil {
			return
		}
		propose := func(w *opstest.World, member int, value string) (govern.ProposalView, error) {
			request := fmt.Appendf(nil, `{"subject":%q,"prior":%q,"value":%s,"at":0,"expires":%d}`, subject, h.Version, value, opstest.Start+5)
			answer, err := w.Invoke(w.Members[member].Admin(), "govern:Propose", request)
			if err != nil {
				return govern.ProposalView{}, err
			}
			var made govern.Proposed
			if err := json.Unmarshal(answer, &made); err != nil {
				t.Fatal(err)
			}
			return view(w, made.Proposal), nil
		}
		w := w.Clone(t)
		first, err := propose(w, 0, value)
		if fault.Of(err) >= fault.Internal {
			t.Fatalf("%q for %q: %v", value, subject, err)
		}
		if err != nil {
			return
		}
		second, err := propose(w, 1, string(first.Value))
		if err != nil || string(second.Value) != string(first.Value) {
			t.Errorf("%q is stored as %s, and that as %s (%v)", value, first.Value, second.Value, err)
		}
	})
}

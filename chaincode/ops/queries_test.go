package ops_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// Each query of the table is answered, or refused for what it is asked; and none is
// executed as a function that writes, as an auditor would have to.
func TestQueriesHaveAnswers(t *testing.T) {
	w := opstest.New(t)
	for _, f := range ops.Functions() {
		if f.Writes {
			continue
		}
		args := make([][]byte, f.Args)
		for i := range args {
			args[i] = []byte("{}")
		}
		tx := ledger.Begin(w.Store, w.Now, ledger.Caller{})
		if _, err := w.Engine.Invoke(tx, f.Name, args); fault.Of(err) >= fault.Internal {
			t.Errorf("%s: %v", f.Name, err)
		}
		if _, err := w.Engine.Execute(tx, f.Name, args); fault.Of(err) != fault.UnknownFunction {
			t.Errorf("%s is executed: %v", f.Name, err)
		}
	}
}

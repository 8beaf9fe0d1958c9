package govern_test

import (
	"fmt"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

func program(name string) string { return canon.Hex(opstest.Seed(name)) }

// GV-1: the current program is the one that was accepted last; the founder names the
// first, and one that was accepted before can come back.
func TestPrograms(t *testing.T) {
	w := opstest.New(t)
	first, second := opstest.Program, program("second")
	wants := func(number uint64, current string, programs ...govern.Program) {
		t.Helper()
		var v govern.ProgramView
		w.Read("govern:Program", nil, &v)
		if got := v.Current; got != (govern.Current{Number: number, Digest: current}) || fmt.Sprint(v.Programs) != fmt.Sprint(programs) {
			t.Fatalf("%+v, want number %d, %s of %v", v, number, current, programs)
		}
	}
	sorted := func(a, b govern.Program) (govern.Program, govern.Program) {
		if a.Digest > b.Digest {
			return b, a
		}
		return a, b
	}
	wants(1, first, govern.Program{Digest: first, Number: 1})
	w.Decide("program", `"`+second+`"`)
	a, b := sorted(govern.Program{Digest: first, Number: 1}, govern.Program{Digest: second, Number: 2})
	wants(2, second, a, b)
	if _, err := w.Invoke(w.Members[0].Admin(), "govern:Propose", w.Request("program", `"`+second+`"`)); fault.Of(err) != fault.AlreadyDone {
		t.Errorf("the current program proposed: %v", err)
	}
	w.Decide("program", `"`+first+`"`)
	a, b = sorted(govern.Program{Digest: first, Number: 3}, govern.Program{Digest: second, Number: 2})
	wants(3, first, a, b)
}

func TestRunningProgramIsAnswered(t *testing.T) {
	w := opstest.New(t)
	w.Engine.Program = "what it runs"
	var v govern.ProgramView
	if w.Read("govern:Program", nil, &v); v.Running != w.Engine.Program {
		t.Errorf("%+v", v)
	}
}

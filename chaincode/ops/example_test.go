package ops_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// Every operation of the table has an example, and each is done on a copy of the
// scene.
func TestExamples(t *testing.T) {
	s := opstest.NewScene(t, opstest.Start)
	before := s.Store.Clone()
	for _, name := range ops.Names() {
		e := s.Examples[name]
		if e == nil {
			continue // NewScene said so
		}
		item, _ := s.Item(e)
		if code, err := s.Apply(item); code != fault.OK || err != nil {
			t.Errorf("%s: %v, %v", name, code, err)
		}
		if keys := changed(before, s.Store); len(keys) != 0 {
			t.Fatalf("%s: applying changed the scene itself: %q", name, keys)
		}
		if o, err := ops.Admit(item, opstest.Network, s.Now); err != nil || o.Name != name {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
}

package opstest

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// On returns a World on a ledger that another test has founded with four members and
// makes blocks of.
func On(t testing.TB, store *ledger.Memory, engine *ops.Engine, now uint64, through func(caller ledger.Caller, name string, args [][]byte) error) *World {
	w := &World{t: t, Name: Network, Store: store, Engine: engine, Now: now, Through: through}
	for i := range 4 {
		w.Members = append(w.Members, newMember(i+1))
	}
	return w
}

package opstest

import (
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Audit checks the invariants of money and of settlements.
func (j *Jobs) Audit() {
	j.t.Helper()
	j.World.Audit()
	if err := attest.Audit(ledger.Begin(j.Store, j.Now, ledger.Caller{})); err != nil {
		j.t.Fatal(err)
	}
}

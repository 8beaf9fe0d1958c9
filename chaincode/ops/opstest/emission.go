package opstest

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Emission has the members decide on a programme of so much a day, for ten days from now
// on, funds it whole, and begins it.
func (j *Jobs) Emission(pool govern.Price) govern.Emission {
	j.t.Helper()
	e := govern.Emission{Asset: "usd", Start: j.Clock(), Days: 10, Pool: pool, Unit: 1, PeriodDays: 10, Residue: j.Residue.DID}
	j.Decide("emission", j.JSON(e))
	j.Must(j.Members[0].Caller(), "reward:Fund", reward.Fund{
		ID: canon.Hex(Seed("emission")), Asset: "usd", To: did.String(j.Name, reward.EmissionAccount(j.Name)), Amount: reward.Amount(10 * pool),
	})
	j.Must(j.Members[0].Caller(), "reward:Emit", nil)
	return e
}

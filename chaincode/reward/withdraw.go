package reward

import (
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Withdraw is the body of reward.withdraw: prepaid money that is not needed leaves the
// ledger the way that everything does which was earned.
type Withdraw struct {
	Asset  string `json:"asset"`
	Amount Amount `json:"amount"`
	For    string `json:"for,omitempty"` // sets apart withdrawals that are otherwise equal
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (w *Withdraw) Check(ledger.Call) error {
	if !ledger.IsName(w.Asset, 16) {
		return fault.New(fault.InvalidValue, "asset must be 1 to 16 of A-Z a-z 0-9 . _ -")
	}
	if w.Amount < 1 {
		return fault.New(fault.InvalidValue, "amount must be at least 1")
	}
	return CheckFor(w.For)
}

// Keys returns the state keys that Apply reads.
func (w *Withdraw) Keys(call ledger.Call) []string { return []string{BalanceKey(call.Actor, w.Asset)} }

// Apply moves the amount from the actor's balance to the actor's credits of the current
// epoch. The result's detail carries the posting, as that of a payment does.
// Errors: fault.AssetUnknown, fault.InsufficientFunds, fault.NotBound.
func (w *Withdraw) Apply(tx *ledger.Tx, call ledger.Call, n *govern.Network) (detail []byte, err error) {
	epoch, err := Charge(tx, call, n, w.Asset, call.Actor, w.Amount)
	if err != nil {
		return nil, err
	}
	p := Postings{Asset: w.Asset, Epoch: epoch, Lines: []Credit{{call.Actor, w.Amount}}}
	return p.encode(), nil
}

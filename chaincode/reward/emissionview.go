package reward

import (
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// EmissionQuery is the request of reward:Emission. Day 0 asks for where the programme
// stands alone, another one for the span that begins with it as well.
type EmissionQuery struct {
	Day uint64 `json:"day,omitzero"`
}

// EmissionView is where the emission programme stands.
type EmissionView struct {
	Account string           `json:"account"` // to be funded, as a DID; no key can act for it
	Version uint64           `json:"version"`
	Policy  *govern.Emission `json:"policy"`
	Balance Amount           `json:"balance"` // of the account, in the programme's asset
	Today   uint64           `json:"today"`   // 0 before the first day
	Open    uint64           `json:"open"`    // first day of the span in which right ballots count; 0 when none do
	Due     uint64           `json:"due"`     // first day of the oldest span that is not shared out
	Waiting bool             `json:"waiting"` // Emit will do something now
	Span    *Span            `json:"span,omitempty"`
}

// Answer returns where the programme stands. Errors: fault.NotFound without a programme,
// or a span that begins with the day.
func (q *EmissionQuery) Answer(tx *ledger.Tx, n *govern.Network, clock Clock) (*EmissionView, error) {
	p, version, err := govern.EmissionInForce(tx)
	if err != nil {
		return nil, err
	}
	id := EmissionAccount(n.Name)
	v := &EmissionView{Account: did.String(n.Name, id), Version: version, Policy: p, Today: p.Day(clock.Now)}
	if v.Balance, err = readAmount(tx, BalanceKey(id, p.Asset), balanceType); err != nil {
		return nil, err
	}
	var open emissionOpen
	if err := readStored(tx, EmissionKey, &open); err != nil {
		return nil, err
	}
	if !open.Ended {
		v.Open = open.Day
	}
	var due emissionDue
	if err := readStored(tx, emissionDueKey, &due); err != nil {
		return nil, err
	}
	v.Due = due.Day
	if v.Waiting, err = emissionWaits(tx, n, clock); err != nil || q.Day == 0 {
		return v, err
	}
	v.Span = new(Span)
	if err := readStored(tx, SpanKey(q.Day), v.Span); err != nil {
		return nil, err
	}
	if v.Span.First == 0 {
		return nil, fault.New(fault.NotFound, "no span of the emission programme begins with day %d", q.Day)
	}
	return v, nil
}

// emissionWaits says whether Emit would do something, and takes back what it did.
func emissionWaits(tx *ledger.Tx, n *govern.Network, clock Clock) (bool, error) {
	mark := tx.Mark()
	_, err := Emit(tx, n, clock)
	tx.Rollback(mark)
	switch fault.Of(err) {
	case fault.NotFound, fault.NotDue, fault.InsufficientFunds:
		return false, nil
	}
	return err == nil, err
}

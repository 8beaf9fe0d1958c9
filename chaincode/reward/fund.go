package reward

import (
	"bytes"
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// maxFunded is the largest number of accounts that one funding reaches.
const maxFunded = 1000

// Fund is the request of reward:Fund: either To and Amount, or Lines.
type Fund struct {
	ID     string `json:"id"`
	Asset  string `json:"asset"`
	To     string `json:"to,omitempty"`
	Amount Amount `json:"amount,omitempty"`
	Lines  []Line `json:"lines,omitempty"`
}

// FundKey returns the state key that guards a funding, given its id in hex.
func FundKey(id string) string { return "fund/" + id }

// Apply moves money from the calling treasury to balances, once for each id.
// Errors: fault.NotMember, fault.InvalidValue, fault.AssetUnknown,
// fault.AlreadyDone, fault.NotFound, fault.Overflow.
func (f *Fund) Apply(tx *ledger.Tx, n *govern.Network) error {
	member, err := n.CallingMember(tx)
	if err != nil {
		return err
	}
	if !slices.Contains(n.Treasuries, member.MSP) {
		return fault.New(fault.NotMember, "%s is not a treasury", member.MSP)
	}
	if _, err := canon.UnHex32(f.ID); err != nil {
		return fault.New(fault.InvalidValue, "id: %s", fault.Text(err))
	}
	if err := n.CheckAsset(f.Asset); err != nil {
		return err
	}
	lines, payees, err := f.lines(n.Name)
	if err != nil {
		return err
	}
	keys := []string{FundKey(f.ID)}
	for _, id := range payees {
		keys = append(keys, did.SignerKeyOf(id), BalanceKey(id, f.Asset))
	}
	if err := tx.Prefetch(keys); err != nil {
		return err
	}
	guard := canon.NewRecord(fundType).Var8([]byte(member.MSP)).Var8([]byte(f.Asset)).U16(uint16(len(lines)))
	for i, line := range lines {
		guard.Fixed(payees[i][:]).U64(uint64(line.Amount))
	}
	stored, err := tx.Get(FundKey(f.ID))
	switch {
	case err != nil:
		return err
	case bytes.Equal(stored, guard.Bytes()):
		return fault.New(fault.AlreadyDone, "funding %s", f.ID)
	case stored != nil:
		// Whoever took the id first must not make this funding look done.
		return fault.New(fault.InvalidValue, "id %s is that of another funding", f.ID)
	}
	for i, line := range lines {
		if err := deposit(tx, n, payees[i], f.Asset, line); err != nil {
			return err
		}
	}
	tx.Put(FundKey(f.ID), guard.Bytes())
	return nil
}

func (f *Fund) lines(network string) ([]Line, []ledger.ID, error) {
	lines := f.Lines
	if len(lines) == 0 {
		lines = []Line{{f.To, f.Amount}}
	} else if f.To != "" || f.Amount != 0 {
		return nil, nil, fault.New(fault.InvalidValue, "give either lines, or to and amount")
	}
	if len(lines) > maxFunded {
		return nil, nil, fault.New(fault.InvalidValue, "%d lines, at most %d are allowed", len(lines), maxFunded)
	}
	payees, err := checkLines(network, lines)
	return lines, payees, err
}

func deposit(tx *ledger.Tx, n *govern.Network, id ledger.ID, asset string, line Line) error {
	exists, err := tx.Has(did.SignerKeyOf(id))
	if err != nil {
		return err
	}
	if !exists && id != EmissionAccount(n.Name) {
		return fault.New(fault.NotFound, "no DID %s", line.To)
	}
	key := BalanceKey(id, asset)
	balance, err := readAmount(tx, key, balanceType)
	if err != nil {
		return err
	}
	if balance, err = balance.Add(line.Amount); err != nil {
		return err
	}
	tx.Put(key, encodeAmount(balanceType, balance))
	return nil
}

// funding is a stored funding.
type funding struct {
	msp, asset string
	lines      []Credit
}

func decodeFunding(value []byte) (*funding, error) {
	r := canon.OpenRecord(value, fundType)
	f := &funding{msp: string(r.Var8()), asset: string(r.Var8())}
	for range r.U16() {
		c := Credit{}
		copy(c.Payee[:], r.Fixed(20))
		c.Amount = Amount(r.U64())
		f.lines = append(f.lines, c)
	}
	return f, r.Done()
}

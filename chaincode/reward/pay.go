package reward

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const (
	maxLines = 16
	maxFor   = 80
)

// Line is one credit of a payment.
type Line struct {
	To     string `json:"to"`
	Amount Amount `json:"amount"`
}

// Pay is the body of reward.pay.
type Pay struct {
	Asset string `json:"asset"`
	Lines []Line `json:"lines"`
	For   string `json:"for,omitempty"` // what is paid for; sets apart payments that are otherwise equal

	payees []ledger.ID // of Lines, set by Check
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue,
// fault.WrongNetwork, fault.MissingField.
func (p *Pay) Check(call ledger.Call) error {
	if !ledger.IsName(p.Asset, 16) {
		return fault.New(fault.InvalidValue, "asset must be 1 to 16 of A-Z a-z 0-9 . _ -")
	}
	if len(p.Lines) < 1 || len(p.Lines) > maxLines {
		return fault.New(fault.InvalidValue, "%d lines, 1 to %d are allowed", len(p.Lines), maxLines)
	}
	if err := CheckFor(p.For); err != nil {
		return err
	}
	payees, err := checkLines(call.Network, p.Lines)
	if err != nil {
		return err
	}
	if slices.Contains(payees, call.Actor) {
		return fault.New(fault.InvalidValue, "a line pays the actor itself")
	}
	p.payees = payees
	return nil
}

// CheckFor takes what a payment is for. Errors: fault.InvalidValue.
func CheckFor(text string) error {
	if len(text) > maxFor || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fault.New(fault.InvalidValue, "for must be at most %d printable ASCII characters", maxFor)
	}
	return nil
}

// checkLines reads the payees: DIDs of the network, each once, with at least
// one micro-unit.
func checkLines(network string, lines []Line) ([]ledger.ID, error) {
	payees := make([]ledger.ID, len(lines))
	seen := make(map[ledger.ID]bool, len(lines))
	for i, l := range lines {
		if l.To == "" {
			return nil, fault.New(fault.MissingField, "line %d has no to", i)
		}
		id, err := did.ParseOn(network, l.To)
		if err != nil {
			return nil, err
		}
		if l.Amount < 1 {
			return nil, fault.New(fault.InvalidValue, "the amount of line %d must be at least 1", i)
		}
		if seen[id] {
			return nil, fault.New(fault.InvalidValue, "%s is paid twice", l.To)
		}
		seen[id], payees[i] = true, id
	}
	return payees, nil
}

// Keys returns the state keys that Apply reads.
func (p *Pay) Keys(call ledger.Call) []string {
	keys := append(make([]string, 0, len(p.payees)+1), BalanceKey(call.Actor, p.Asset))
	for _, payee := range p.payees {
		keys = append(keys, did.SignerKeyOf(payee))
	}
	return keys
}

// Apply debits the actor's balance and appends the credits to the current
// epoch. The result's detail carries the postings. Errors: fault.AssetUnknown,
// fault.NotFound for a payee that does not exist, fault.Overflow,
// fault.InsufficientFunds, fault.NotBound.
func (p *Pay) Apply(tx *ledger.Tx, call ledger.Call, n *govern.Network) (detail []byte, err error) {
	if err := n.CheckAsset(p.Asset); err != nil {
		return nil, err
	}
	epoch, err := Current(tx)
	if err != nil {
		return nil, err
	}
	total := Amount(0)
	for i, line := range p.Lines {
		if total, err = total.Add(line.Amount); err != nil {
			return nil, err
		}
		exists, err := tx.Has(did.SignerKeyOf(p.payees[i]))
		if err != nil {
			return nil, err
		}
		if !exists {
			return nil, fault.New(fault.NotFound, "no DID %s", line.To)
		}
	}
	if err := debit(tx, call.Actor, p.Asset, total); err != nil {
		return nil, err
	}
	for i, line := range p.Lines {
		if err := credit(tx, n, call, epoch.Number, p.payees[i], p.Asset, line.Amount); err != nil {
			return nil, err
		}
	}
	return p.postings(epoch.Number).encode(), nil
}

// debit takes an amount from a balance. Errors: fault.InsufficientFunds.
func debit(tx *ledger.Tx, id ledger.ID, asset string, amount Amount) error {
	key := BalanceKey(id, asset)
	balance, err := readAmount(tx, key, balanceType)
	if err != nil {
		return err
	}
	if balance, err = balance.Sub(amount); err != nil {
		return err
	}
	tx.Put(key, encodeAmount(balanceType, balance))
	return nil
}

// Charge moves an amount of at least 1 from the actor's balance to the credits of a DID
// that exists, as a payment does, for another operation that leaves its own receipt. It
// returns the epoch in which it is credited. Errors: fault.AssetUnknown,
// fault.InsufficientFunds, fault.NotBound.
func Charge(tx *ledger.Tx, call ledger.Call, n *govern.Network, asset string, payee ledger.ID, amount Amount) (epoch uint64, err error) {
	if err := n.CheckAsset(asset); err != nil {
		return 0, err
	}
	current, err := Current(tx)
	if err != nil {
		return 0, err
	}
	if err := debit(tx, call.Actor, asset, amount); err != nil {
		return 0, err
	}
	return current.Number, credit(tx, n, call, current.Number, payee, asset, amount)
}

func (p *Pay) postings(epoch uint64) *Postings {
	lines := make([]Credit, len(p.Lines))
	for i, l := range p.Lines {
		lines[i] = Credit{p.payees[i], l.Amount}
	}
	return &Postings{p.Asset, epoch, lines}
}

// Postings is what the result of a payment or withdrawal says.
type Postings struct {
	Asset string
	Epoch uint64
	Lines []Credit
}

// encode returns the result's detail (docs/formats/operation.md section 3).
func (p *Postings) encode() []byte {
	b := append(make([]byte, 0, 5+len(p.Asset)+lineSize*len(p.Lines)), byte(len(p.Asset)))
	b = append(b, p.Asset...)
	b = binary.BigEndian.AppendUint32(b, uint32(p.Epoch))
	for _, l := range p.Lines {
		b = appendLine(b, l.Payee, l.Amount)
	}
	return b
}

// DecodePostings reads the detail of a payment or withdrawal. Errors: fault.Malformed.
func DecodePostings(b []byte) (*Postings, error) {
	if len(b) < 1 || len(b) < 1+int(b[0])+4 {
		return nil, fault.New(fault.Malformed, "the detail of a payment is too short")
	}
	p := &Postings{Asset: string(b[1 : 1+b[0]])}
	b = b[1+b[0]:]
	p.Epoch = uint64(binary.BigEndian.Uint32(b))
	if b = b[4:]; len(b) == 0 || len(b)%lineSize != 0 {
		return nil, fault.New(fault.Malformed, "the lines of a payment have %d bytes", len(b))
	}
	for ; len(b) > 0; b = b[lineSize:] {
		p.Lines = append(p.Lines, Credit{ledger.ID(b[:20]), amountOf(b[:lineSize])})
	}
	return p, nil
}

// BalanceKey returns the state key of a balance.
func BalanceKey(id ledger.ID, asset string) string { return "balance/" + id.String() + "/" + asset }

// readAmount reads an amount; an absent key is zero.
func readAmount(tx *ledger.Tx, key string, typ byte) (Amount, error) {
	value, err := tx.Get(key)
	if value == nil || err != nil {
		return 0, err
	}
	return decodeAmount(typ, value)
}

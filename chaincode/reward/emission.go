package reward

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// EmissionKey is the state key of where the emission programme stands. What counts right
// ballots reads it, so that a span that was ended is frozen.
const EmissionKey = "emission/open"

const emissionDueKey = "emission/due"

// maxMerits bounds what a span is shared among. Each takes a licence that was in force in
// it, of which there are 1,000 at a time.
const maxMerits = 10_000

// emissionOpen names the first day of the span in which right ballots count now.
type emissionOpen struct {
	Day   uint64 `json:"day"`
	Ended bool   `json:"ended"` // the programme is over: nothing counts
}

// emissionDue names the oldest span that is not shared out; the open one, when all are.
type emissionDue struct {
	Day uint64 `json:"day"`
}

// Span is one or more days of the emission programme whose pools are shared out together.
type Span struct {
	First   uint64 `json:"first"`
	Next    uint64 `json:"next"`   // first day of the span that follows
	Policy  uint64 `json:"policy"` // version of the programme
	Asset   string `json:"asset"`
	Residue string `json:"residue"` // DID
	Pool    Amount `json:"pool"`
	Epoch   uint64 `json:"epoch"` // in which it is credited; 0 while it is not shared out
	Ballots uint64 `json:"ballots"`
	Paid    Amount `json:"paid"` // of the pool, residue included; the rest stays in the account
}

// SpanKey returns the state key of the span that begins with a day.
func SpanKey(first uint64) string { return "emission/day/" + ledger.Hex64(first) }

func meritPrefix(first uint64) string { return "merit/" + ledger.Hex64(first) + "/" }

// Merit is a verifier whose ballot was right, and who is paid for it.
type Merit struct{ Verifier, Payee ledger.ID }

// MeritKey returns the state key of how many ballots of a verifier were right in a span.
func MeritKey(first uint64, m Merit) string {
	return meritPrefix(first) + m.Verifier.String() + "/" + m.Payee.String()
}

// EmissionAccount returns the account out of which the programme pays. No key can act for
// it: treasuries fund it, and nothing but the programme takes from it.
func EmissionAccount(network string) ledger.ID {
	h := canon.Sum([]byte("killick.emission.v1"), []byte(network))
	return ledger.ID(h[:20])
}

// Judged counts right ballots, where there is a programme.
func Judged(tx *ledger.Tx, right []Merit) error {
	var open emissionOpen
	if err := readStored(tx, EmissionKey, &open); err != nil || open.Day == 0 || open.Ended {
		return err
	}
	keys := make([]string, len(right))
	for i, m := range right {
		keys[i] = MeritKey(open.Day, m)
	}
	if err := tx.Prefetch(keys); err != nil {
		return err
	}
	for _, key := range keys {
		count, err := readAmount(tx, key, meritType)
		if err != nil {
			return err
		}
		tx.Put(key, encodeAmount(meritType, count+1))
	}
	return nil
}

// Emitted is the answer of Emit.
type Emitted struct {
	Step string `json:"step"` // begun, ended or shared
	Day  uint64 `json:"day"`  // first day of the span that it was done with
}

// Emit takes the emission programme one step on: it begins it, ends the span that is open
// when a day is over by the checkpoints' clock, or else shares out the oldest span that is
// not. Ending is apart from sharing, so that what is shared has stood still since an
// earlier transaction. Anyone may ask for it; state alone decides. Errors:
// fault.NotFound without a programme, fault.NotDue, fault.InsufficientFunds while the
// account cannot pay the span, which waits.
func Emit(tx *ledger.Tx, n *govern.Network, clock Clock) (*Emitted, error) {
	p, version, err := govern.EmissionInForce(tx)
	if err != nil {
		return nil, err
	}
	var open emissionOpen
	if err := readStored(tx, EmissionKey, &open); err != nil {
		return nil, err
	}
	today := p.Day(clock.Now)
	switch {
	case open.Day == 0 && today > 0, open.Ended && today >= open.Day && open.Day <= p.Days:
		return beginEmission(tx, open.Day, min(today, p.Days+1), p.Days)
	case open.Day == 0 || open.Ended:
	case open.Day > p.Days: // the members have made it shorter
		return &Emitted{"ended", open.Day}, putJSON(tx, EmissionKey, emissionOpen{open.Day, true})
	case today > open.Day:
		s := Span{First: open.Day, Next: min(today, p.Days+1), Policy: version, Asset: p.Asset, Residue: p.Residue}
		pool, err := p.Sum(s.First, s.Next)
		if err != nil {
			return nil, err
		}
		s.Pool = Amount(pool)
		return &Emitted{"ended", s.First}, s.freeze(tx, s.Next > p.Days)
	}
	return shareOut(tx, n)
}

// beginEmission has right ballots count from a day on. Days that were over before anybody
// asked for it, or while the programme was, have no pool.
func beginEmission(tx *ledger.Tx, open, today, last uint64) (*Emitted, error) {
	if open == 0 {
		open = 1
		if err := putJSON(tx, emissionDueKey, emissionDue{1}); err != nil {
			return nil, err
		}
	}
	if today > open {
		s := Span{First: open, Next: today}
		return &Emitted{"begun", today}, s.freeze(tx, today > last)
	}
	return &Emitted{"begun", open}, putJSON(tx, EmissionKey, emissionOpen{open, false})
}

// freeze ends a span, and opens the next one unless the programme is over.
func (s *Span) freeze(tx *ledger.Tx, over bool) error {
	if err := putJSON(tx, SpanKey(s.First), s); err != nil {
		return err
	}
	return putJSON(tx, EmissionKey, emissionOpen{s.Next, over})
}

// shareOut pays the oldest span that is not paid: to each verifier the part of the pool
// that its right ballots are of all, rounded down, and the rest to the residue account. The
// pool of a span without any stays in the account.
func shareOut(tx *ledger.Tx, n *govern.Network) (*Emitted, error) {
	var due emissionDue
	if err := readStored(tx, emissionDueKey, &due); err != nil {
		return nil, err
	}
	var s Span
	if err := readStored(tx, SpanKey(due.Day), &s); err != nil {
		return nil, err
	}
	if s.First == 0 {
		return nil, fault.New(fault.NotDue, "no day of the emission programme is over and waits")
	}
	epoch, err := Current(tx)
	if err != nil {
		return nil, err
	}
	s.Epoch = epoch.Number
	lines, err := s.lines(tx, n)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		if s.Paid, err = s.Paid.Add(l.Amount); err != nil {
			return nil, err
		}
	}
	if s.Paid > 0 {
		if err := debit(tx, EmissionAccount(n.Name), s.Asset, s.Paid); err != nil {
			return nil, err
		}
	}
	call := ledger.Call{Network: n.Name}
	call.Ref.ID = canon.Sum([]byte("killick.emission.v1"), []byte(n.Name), []byte(ledger.Hex64(s.First)))
	for _, l := range lines {
		if err := credit(tx, n, call, s.Epoch, l.Payee, s.Asset, l.Amount); err != nil {
			return nil, err
		}
	}
	if err := putJSON(tx, SpanKey(s.First), s); err != nil {
		return nil, err
	}
	return &Emitted{"shared", s.First}, putJSON(tx, emissionDueKey, emissionDue{s.Next})
}

// lines returns who gets how much of the pool, and counts the ballots. Whoever may not earn
// the asset is passed over for the residue account, and that one for nobody.
func (s *Span) lines(tx *ledger.Tx, n *govern.Network) ([]Credit, error) {
	merits, err := tx.Prefix(meritPrefix(s.First), "", maxMerits)
	if err != nil || len(merits) == 0 || s.Pool == 0 {
		return nil, err
	}
	counts := make([]Amount, len(merits))
	for i, e := range merits {
		if counts[i], err = decodeAmount(meritType, e.Value); err != nil {
			return nil, fmt.Errorf("stored %s: %w", e.Key, err)
		}
		s.Ballots += uint64(counts[i])
	}
	var lines []Credit
	left := s.Pool
	for i, e := range merits {
		payee, err := ledger.ParseID(e.Key[strings.LastIndexByte(e.Key, '/')+1:])
		if err != nil {
			return nil, fmt.Errorf("stored %s: %w", e.Key, err)
		}
		amount, _ := share(Sum{Lo: uint64(counts[i])}, s.Pool, Sum{Lo: s.Ballots})
		if ok, err := mayEarn(tx, n, payee, s.Asset); err != nil {
			return nil, err
		} else if ok && amount > 0 {
			lines, left = append(lines, Credit{payee, amount}), left-amount
		}
	}
	_, residue, err := did.Parse(s.Residue)
	if err != nil {
		return nil, err
	}
	ok, err := mayEarn(tx, n, residue, s.Asset)
	if ok && left > 0 {
		lines = append(lines, Credit{residue, left})
	}
	return lines, err
}

func mayEarn(tx *ledger.Tx, n *govern.Network, payee ledger.ID, asset string) (bool, error) {
	err := n.CheckPayee(tx, payee, asset)
	if fault.Of(err) == fault.NotBound {
		return false, nil
	}
	return err == nil, err
}

// readStored reads a value of ours into v, which stays as it is when there is none.
func readStored(tx *ledger.Tx, key string, v any) error {
	value, err := tx.Get(key)
	if value == nil || err != nil {
		return err
	}
	if err := json.Unmarshal(value, v, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("stored %s: %w", key, err)
	}
	return nil
}

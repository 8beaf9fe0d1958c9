package attest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Report is what an audit of settlements finds.
type Report struct {
	Settlements int
	Broken      []error // every invariant that does not hold, by its id in docs/invariants.md
}

// Audit reads every settlement and every hold and reports each payment that names no
// job, verdict and policy version, and each settlement whose lines are not what hold and
// deposit gave. Money by itself is reward.Audit's matter. It reads ranges without bound and
// is for audits and tests, never for an operation.
func Audit(tx *ledger.Tx) error { return errors.Join(Examine(tx).Broken...) }

// Examine is Audit with what it has seen. What cannot be read is broken too.
func Examine(tx *ledger.Tx) *Report {
	a := &audit{tx: tx, out: new(Report), named: map[string]string{}, credited: map[credited]reward.Sum{}}
	for _, step := range []func() error{a.settlements, a.lates, a.holds, a.postings} {
		if err := step(); err != nil {
			a.report("JB-16: %w", err)
		}
	}
	return a.out
}

// credited is an account in an epoch.
type credited struct {
	epoch uint64
	payee ledger.ID
	asset string
}

type audit struct {
	tx       *ledger.Tx
	out      *Report
	named    map[string]string // the job that settled a hold, by the hold's reference
	credited map[credited]reward.Sum
	order    []credited // keys of credited, as they came
}

func (a *audit) report(format string, args ...any) {
	a.out.Broken = append(a.out.Broken, fmt.Errorf(format, args...))
}

// page is how many entries are read at a time.
const page = 1000

// each passes every entry under a prefix.
func (a *audit) each(prefix string, use func(name string, value []byte) error) error {
	for after := ""; ; {
		entries, err := a.tx.Prefix(prefix, after, page)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := use(e.Key[len(prefix):], e.Value); err != nil {
				a.report("JB-16: stored %s: %w", e.Key, err)
			}
			after = e.Key
		}
		if len(entries) < page {
			return nil
		}
	}
}

func (a *audit) settlements() error {
	return a.each("settlement/", func(ref string, value []byte) error {
		a.out.Settlements++
		s, err := DecodeSettlement(value)
		if err != nil {
			return err
		}
		j, err := ReadJob(a.tx, ref)
		if err != nil {
			return err
		}
		r, err := readRound(a.tx, ref)
		if err != nil {
			return err
		}
		if s.Policy != j.Terms.Version || s.Asset != j.Asset || r.Phase != Closed || s.Finding != r.Finding {
			a.report("JB-16: %s: policy %d, asset %s, finding %s: the job has policy %d, asset %s, and its round finding %s in phase %s",
				ref, s.Policy, s.Asset, s.Finding.Verdict, j.Terms.Version, j.Asset, r.Finding.Verdict, r.Phase)
		}
		total, err := j.total()
		if err != nil {
			return err
		}
		late, err := readLate(a.tx, ref)
		if err != nil {
			return err
		}
		var taken reward.Amount
		if late != nil {
			taken = late.Amount
			a.credit(late.Epoch, late.Payee, s.Asset, taken)
		}
		a.settled(ref, ref, s, FromHold, total, s.Refund, 0)
		if r.Deposit > 0 {
			a.settled(ref, r.Accepted.String(), s, FromDeposit, r.Deposit, s.Returned, taken)
		} else if taken > 0 {
			a.report("JB-16: %s: %d of a deposit are taken, and there was none", ref, taken)
		}
		for i := range s.Lines {
			if l := &s.Lines[i]; l.Amount > 0 {
				a.credit(s.Epoch, l.Payee, s.Asset, l.Amount)
			}
		}
		return nil
	})
}

// credit notes what an epoch's postings have to credit.
func (a *audit) credit(epoch uint64, payee ledger.ID, asset string, amount reward.Amount) {
	key := credited{epoch, payee, asset}
	if _, ok := a.credited[key]; !ok {
		a.order = append(a.order, key)
	}
	a.credited[key] = a.credited[key].Plus(amount)
}

// settled compares what a settlement says of one source with the hold, of which so much was
// taken after it.
func (a *audit) settled(job, hold string, s *Settlement, from Source, aside, back, taken reward.Amount) {
	a.named[hold] = job
	ref, err := ledger.ParseReference(hold)
	var h *reward.Hold
	if err == nil {
		h, err = reward.ReadHold(a.tx, ref)
	}
	if err != nil {
		a.report("JB-16: %s: %w", job, err)
		return
	}
	var paid reward.Sum
	for i := range s.Lines {
		if s.Lines[i].From == from {
			paid = paid.Plus(s.Lines[i].Amount)
		}
	}
	if h.Status == reward.HoldOpen || h.Amount != aside || (reward.Sum{Lo: uint64(h.Paid)}) != paid.Plus(taken) || h.Left()+h.Returned+taken != back || h.Asset != s.Asset {
		a.report("JB-16: %s: its lines pay %s, %d are taken later, and %d of %d are left; hold %s is %s, pays %d and leaves %d of %d",
			job, paid, taken, back-taken, aside, hold, h.Status, h.Paid, h.Left()+h.Returned, h.Amount)
	}
}

// lates looks that nothing is taken of a deposit before its job is settled.
func (a *audit) lates() error {
	return a.each("late/", func(ref string, _ []byte) error {
		if a.named[ref] != ref {
			a.report("JB-16: a second quote takes the deposit on %s, which is not settled", ref)
		}
		return nil
	})
}

// holds looks that whatever is paid out of a hold is paid by a settlement.
func (a *audit) holds() error {
	return a.each("hold/", func(ref string, value []byte) error {
		h, err := reward.DecodeHold(value)
		if err == nil && h.Paid > 0 && a.named[ref] == "" {
			a.report("JB-16: hold %s pays %d, and no settlement says for which job, verdict and policy", ref, h.Paid)
		}
		return err
	})
}

// postings looks that each line of a settlement is credited where it says. What else is
// credited there, uses and payments, is in the same postings.
func (a *audit) postings() error {
	posted := map[credited]reward.Sum{}
	err := a.each("post/", func(rest string, value []byte) error {
		number, _, _ := strings.Cut(rest, "/")
		epoch, err := strconv.ParseUint(number, 16, 64)
		if err != nil {
			return err
		}
		p, err := reward.DecodePosting("post/"+rest, value)
		if err != nil {
			return err
		}
		for _, l := range p.Lines {
			key := credited{epoch, l.Payee, p.Asset}
			if _, ok := a.credited[key]; ok {
				posted[key] = posted[key].Plus(l.Amount)
			}
		}
		return nil
	})
	for _, key := range a.order {
		if sum := a.credited[key]; posted[key].Cmp(sum) < 0 {
			a.report("JB-16: settlements credit %s %s to %s in epoch %d, its postings %s", sum, key.asset, key.payee, key.epoch, posted[key])
		}
	}
	return err
}

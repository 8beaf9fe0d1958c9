package index

import (
	"maps"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// paid enters payments and withdrawals.
func (m *mover) paid(key string) error {
	r, ok, err := ops.DecodeResult(key, m.writes[key])
	if err != nil || !ok || r.Code != fault.OK || r.Postings == nil {
		return err
	}
	p, ref := r.Postings, r.Reference.String()
	payer := account{r.Actor, p.Asset}
	if r.Op == "reward.withdraw" {
		return m.enter(payer, Line{Kind: "withdrawn", From: Balance, To: Pending, Amount: sumOf(p.Lines[0].Amount), Operation: ref, Epoch: p.Epoch})
	}
	for _, l := range p.Lines {
		out := Line{Kind: "paid", From: Balance, To: Outside, Amount: sumOf(l.Amount), Operation: ref, Other: m.name(l.Payee), Epoch: p.Epoch}
		if err := m.enter(payer, out); err != nil {
			return err
		}
		in := Line{Kind: "received", From: Outside, To: Pending, Amount: sumOf(l.Amount), Operation: ref, Other: m.name(r.Actor), Epoch: p.Epoch}
		if err := m.enter(account{l.Payee, p.Asset}, in); err != nil {
			return err
		}
	}
	return nil
}

// used enters uses of grants.
func (m *mover) used(key string) error {
	u, err := attest.DecodeReceipt(m.writes[key])
	if err != nil || u.Price == 0 {
		return err
	}
	l := Line{
		Amount: sumOf(u.Price), Operation: key[len("use/"):], Epoch: uint64(u.Epoch), Grant: u.Grant.String(), Record: u.Record.String(), Version: uint64(u.Version),
	}
	out, in := l, l
	out.Kind, out.From, out.To, out.Other = "used", Balance, Outside, m.name(u.Owner)
	in.Kind, in.From, in.To, in.Other = "use", Outside, Pending, m.name(u.Client)
	if err := m.enter(account{u.Client, u.Asset}, out); err != nil {
		return err
	}
	return m.enter(account{u.Owner, u.Asset}, in)
}

// settled enters what a job pays to whom for what. A verifier whose ballot was not paid
// has a line of nothing that says why.
func (m *mover) settled(key string) error {
	ref := key[len("settlement/"):]
	s, err := attest.DecodeSettlement(m.writes[key])
	if err != nil {
		return err
	}
	value, err := m.kept(attest.JobKey(ref))
	if err != nil {
		return err
	}
	j := new(attest.Job) // of one that no block opened nothing is known
	if value != nil {
		if j, err = attest.DecodeJob(value); err != nil {
			return err
		}
	}
	owners := 0
	for i := range s.Lines {
		p := &s.Lines[i]
		l := Line{
			Kind: "job", From: Outside, To: Pending, Amount: sumOf(p.Amount), Operation: ref, Other: m.name(j.Consumer), Epoch: s.Epoch, Job: ref,
			Role: p.Role.String(), Source: sourceNames[p.From], Verdict: s.Verdict.String(), Reason: s.Reason.String(), Policy: s.Policy,
		}
		if p.Fate != 0 {
			l.Fate = p.Fate.String()
		}
		// Owners' lines stand in the order of the job's.
		if p.Role == attest.ForOwner && owners < len(j.Lines) {
			of := &j.Lines[owners]
			l.Grant, l.Record, l.Version = of.Grant.String(), of.Record.String(), uint64(of.Version)
			owners++
		}
		payee := p.Payee
		if payee == (ledger.ID{}) {
			payee = p.Who
		}
		if p.Amount == 0 && p.Role != attest.ForVerifier {
			continue
		}
		if err := m.enter(account{payee, s.Asset}, l); err != nil {
			return err
		}
	}
	return nil
}

// late enters what a payee has of a deposit that was taken after the settlement.
func (m *mover) late(key string) error {
	ref := key[len("late/"):]
	late, err := attest.DecodeLate(m.writes[key])
	if err != nil {
		return err
	}
	value, err := m.kept(attest.RoundKey(ref))
	if value == nil || err != nil {
		return err
	}
	r, err := attest.DecodeRound(value)
	if err != nil {
		return err
	}
	asset, err := m.assetOf(ref)
	if err != nil {
		return err
	}
	l := Line{
		Kind: "job", From: Outside, To: Pending, Amount: sumOf(late.Amount), Operation: late.Shown.By.String(), Other: m.name(r.Operator), Job: ref,
		Role: attest.ForForfeit.String(), Source: sourceNames[attest.FromDeposit],
	}
	if err := m.forTwoOutputs(&l, late); err != nil {
		return err
	}
	return m.enter(account{late.Payee, asset}, l)
}

// assetOf returns in what a job is paid.
func (m *mover) assetOf(job string) (string, error) {
	value, err := m.kept(attest.JobKey(job))
	if value == nil || err != nil {
		return "", err
	}
	j, err := attest.DecodeJob(value)
	if err != nil {
		return "", err
	}
	return j.Asset, nil
}

// emitted enters what days of the emission programme have paid to whom. Their credits are
// all that such a transaction posts.
func (m *mover) emitted(key string) error {
	s, err := reward.DecodeSpan(m.writes[key])
	if err != nil || s.Paid == 0 {
		return err
	}
	from := reward.EmissionAccount(m.network)
	l := Line{Kind: "emission", From: Balance, To: Outside, Amount: sumOf(s.Paid), Operation: key, Epoch: s.Epoch, Policy: s.Policy}
	if err := m.enter(account{from, s.Asset}, l); err != nil {
		return err
	}
	for _, posting := range slices.Sorted(maps.Keys(m.writes)) {
		if !strings.HasPrefix(posting, "post/") {
			continue
		}
		p, err := reward.DecodePosting(posting, m.writes[posting])
		if err != nil {
			return err
		}
		for _, c := range p.Lines {
			in := l
			in.From, in.To, in.Amount, in.Other = Outside, Pending, sumOf(c.Amount), m.name(from)
			if err := m.enter(account{c.Payee, p.Asset}, in); err != nil {
				return err
			}
		}
	}
	return nil
}

var sourceNames = map[attest.Source]string{attest.FromHold: "hold", attest.FromDeposit: "deposit"}

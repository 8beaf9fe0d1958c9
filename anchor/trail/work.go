package trail

import (
	"fmt"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/chaincode/tee"
)

// granted compares each line of the job with the grant and the record that it names.
func (t *trail) granted() (string, error) {
	for i := range t.job.Lines {
		l := &t.job.Lines[i]
		value, err := t.take("grant/" + l.Grant.String())
		if err != nil {
			return "", err
		}
		g, err := record.DecodeGrant(value)
		if err != nil {
			return "", err
		}
		if g.Record != l.Record || g.Owner != l.Owner || int64(g.Price) != int64(l.Price) || g.Operation != t.job.Operation || g.Asset != t.job.Asset ||
			!g.Offer && g.Client != t.job.Consumer {
			return "", fmt.Errorf("grant %s is not what line %d of the job says of it", l.Grant, i)
		}
		if value, err = t.take("record/" + l.Record.String()); err != nil {
			return "", err
		}
		v, err := record.Decode(l.Record, value)
		if err != nil {
			return "", err
		}
		if v.Version != l.Version || v.Commitment != l.Commitment || v.Owner != l.Owner || v.Status != record.Live {
			return "", fmt.Errorf("record %s is not the version %d that line %d of the job says", l.Record, l.Version, i)
		}
	}
	return fmt.Sprintf("%d grants of the owners to this consumer for %s, and the versions of their records", len(t.job.Lines), t.job.Operation), nil
}

// evidence looks that the quote is bound to this job, its operator, inputs, grants, nonce
// and output.
func (t *trail) evidence() (string, error) {
	if t.round.Draw == 0 {
		return "there was none", nil
	}
	value, err := t.take(attest.EvidenceKey(t.ref.String()))
	if err != nil {
		return "", err
	}
	e, err := attest.DecodeShown(value)
	if err != nil {
		return "", err
	}
	if !e.Platform.Read() {
		return fmt.Sprintf("of %s: the ledger has its digest %x; that it is bound to the job is what the verifiers say", e.Platform, e.Digest), nil
	}
	q, err := tee.Read(e.Quote)
	if err != nil {
		return "", err
	}
	if q.ReportData != t.job.ReportData(t.network, t.ref, t.round.Operator, e.Output) {
		return "", fmt.Errorf("the report data of the quote is not that of job, operator, input root, output, grants root and nonce")
	}
	in, grants := t.job.InputRoot(), t.job.GrantsRoot()
	return fmt.Sprintf("a quote of %s whose report data binds job, operator, input root %x, output %x, grants root %x and nonce", e.Platform, in[:4], e.Output[:4], grants[:4]), nil
}

// identity looks whose account is paid.
func (t *trail) identity() (string, error) {
	head := t.Head()
	if head.Payout == nil {
		return "", nil
	}
	d, err := did.DecodeDisclosure(t.Disclosure)
	if err != nil {
		return "", err
	}
	if again, err := canon.Marshal(d); err != nil || string(again) != string(t.Disclosure) {
		return "", fmt.Errorf("the disclosure is not in its one spelling")
	}
	id, err := did.ParseOn(t.network, d.DID)
	if err != nil {
		return "", err
	}
	if _, err := t.take(did.Key(id)); err != nil {
		return "", err
	}
	root, err := identityRoot(t.links[did.Key(id)])
	if err != nil {
		return "", err
	}
	if err := d.Verify(root); err != nil {
		return "", err
	}
	if d.Kind != "account" || d.Identity != head.Payout.Payee.String() {
		return "", fmt.Errorf("the disclosure shows the %s %s, the payout is to %s", d.Kind, d.Identity, head.Payout.Payee)
	}
	t.payee = id
	return fmt.Sprintf("%s is linked to %s, as of block %d", d.Identity, d.DID, t.links[did.Key(id)].Block.Number), nil
}

// payout looks that the payee has a line in the settlement, and that the root is of that
// epoch or a later one.
func (t *trail) payout() (string, error) {
	head := t.Head()
	if head.Payout == nil {
		return "", nil
	}
	if t.payee == (ledger.ID{}) {
		return "", fmt.Errorf("whose account it is was not shown")
	}
	delete(t.unused, string(head.Write.Record.Key))
	var earned uint64
	for i := range t.settlement.Lines {
		if l := &t.settlement.Lines[i]; l.Payee == t.payee {
			earned += uint64(l.Amount)
		}
	}
	vault, epoch, ok := head.Vault()
	switch {
	case earned == 0:
		return "", fmt.Errorf("the settlement has no line that pays %s", did.String(t.network, t.payee))
	case !ok || epoch < t.settlement.Epoch:
		return "", fmt.Errorf("the root is of epoch %d, the lines are credited in epoch %d", epoch, t.settlement.Epoch)
	case head.Payout.Cumulative < earned:
		return "", fmt.Errorf("the account has %d in all, which does not cover the %d of the settlement", head.Payout.Cumulative, earned)
	}
	for _, c := range t.policy.Chains {
		for _, v := range c.Vaults {
			if v.ID == vault.String() && v.Asset != t.settlement.Asset {
				return "", fmt.Errorf("the vault pays %s, the settlement is in %s", v.Asset, t.settlement.Asset)
			}
		}
	}
	return fmt.Sprintf("%d %s of this job, credited in epoch %d, are among the %d that the account has in all under the root of epoch %d",
		earned, t.settlement.Asset, t.settlement.Epoch, head.Payout.Cumulative, epoch), nil
}

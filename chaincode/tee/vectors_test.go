package tee_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

type vector struct {
	Name       string   `json:"name"`
	Root       string   `json:"root"`
	Quote      string   `json:"quote"`
	Collateral string   `json:"collateral"`
	Now        uint64   `json:"now"`
	Reason     string   `json:"reason,omitempty"`
	Status     string   `json:"status,omitempty"`
	Advisories []string `json:"advisories,omitempty"`
	Date       uint64   `json:"date,omitempty"`
	Until      uint64   `json:"until,omitempty"`
	Digest     string   `json:"digest"`
	ReportData string   `json:"reportData,omitempty"`
}

// The vectors of docs/formats/tee.md: quotes of a simulated platform, with what an
// appraisal without a policy says of them.
func TestVectors(t *testing.T) {
	var all []vector
	for _, v := range []struct {
		name  string
		maker int
		do    func(s *simulated.Spec)
	}{
		{"SGX 3, QE out of date", 0, func(s *simulated.Spec) { s.QE.SVN = 7 }},
		{"TDX 5, report 1.5, module out of date", 3, func(s *simulated.Spec) { s.TDX.TCBSVN[0] = 5 }},
		{"TDX 4, revoked PCK certificate", 1, revoke(tee.InPCK)},
	} {
		s := makers[v.maker].spec()
		s.Levels = s.Levels[:1]
		v.do(s)
		p := simulated.New(s)
		quote := p.Quote(data)
		encoded, err := p.Collateral().Encode()
		if err != nil {
			t.Fatal(err)
		}
		q, err := tee.Read(quote)
		if err != nil {
			t.Fatal(err)
		}
		digest := q.Digest()
		out := vector{Name: v.name, Root: canon.Hex(p.Root()), Quote: canon.Hex(quote), Collateral: canon.Hex(encoded), Now: now, Digest: canon.Hex(digest[:])}
		r, err := tee.Appraise(quote, p.Collateral(), p.Roots(), now, nil)
		if out.Reason = reason(err); err == nil {
			out.Status, out.Advisories, out.Date, out.Until, out.ReportData = r.Status.String(), r.Advisories, r.TCBDate, r.Until, canon.Hex(r.ReportData[:])
		}
		all = append(all, out)
	}
	canontest.GoldenJSON(t, "../../docs/formats/vectors/tee.json", "", all)
}

package tee_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// TE-8: a genuine quote is not enough; the policy decides, and the result comes with
// its refusal.
func TestPolicy(t *testing.T) {
	sgx, tdx := makers[0].spec(), makers[3].spec()
	enclave := func(do func(m *tee.Measurement)) *tee.Policy {
		m := tee.Measurement{Kind: tee.SGX, MRSigner: &sgx.SGX.MRSigner, ProdID: &sgx.SGX.ProdID}
		do(&m)
		return &tee.Policy{Measurements: []tee.Measurement{m}}
	}
	domain := func(do func(m *tee.Measurement)) *tee.Policy {
		m := tee.Measurement{Kind: tee.TDX, MRTD: &tdx.TDX.MRTD}
		do(&m)
		return &tee.Policy{Measurements: []tee.Measurement{m}}
	}
	other32, other48, otherID := [32]byte{9}, [48]byte{9}, uint16(99)
	anything := &tee.Policy{AnyMeasurement: true}
	nothing := func(*simulated.Spec) {}
	for _, tt := range []struct {
		name   string
		spec   int
		do     func(s *simulated.Spec)
		policy *tee.Policy
		want   string
	}{
		{"anything", 0, nothing, anything, ""},
		{"signer and product", 0, nothing, enclave(func(m *tee.Measurement) {}), ""},
		{"enclave", 0, nothing, enclave(func(m *tee.Measurement) { m.MREnclave, m.MRSigner, m.ProdID = &sgx.SGX.MREnclave, nil, nil }), ""},
		{"version", 0, nothing, enclave(func(m *tee.Measurement) { m.SVN = 3 }), ""},
		{"later version", 0, nothing, enclave(func(m *tee.Measurement) { m.SVN = 4 }), "body/unlisted"},
		{"another enclave", 0, nothing, enclave(func(m *tee.Measurement) { m.MREnclave = &other32 }), "body/unlisted"},
		{"another signer", 0, nothing, enclave(func(m *tee.Measurement) { m.MRSigner = &other32 }), "body/unlisted"},
		{"another product", 0, nothing, enclave(func(m *tee.Measurement) { m.ProdID = &otherID }), "body/unlisted"},
		{"a domain", 0, nothing, domain(func(m *tee.Measurement) {}), "body/unlisted"},
		{"domain", 3, nothing, domain(func(m *tee.Measurement) {}), ""},
		{"all of a domain", 3, nothing, domain(func(m *tee.Measurement) {
			m.MRSeam, m.MRConfigID, m.MROwner, m.MROwnerConfig = &tdx.TDX.MRSeam, &tdx.TDX.MRConfigID, &tdx.TDX.MROwner, &tdx.TDX.MROwnerConfig
			for i := range m.RTMR {
				m.RTMR[i] = &tdx.TDX.RTMR[i]
			}
		}), ""},
		{"another domain", 3, nothing, domain(func(m *tee.Measurement) { m.MRTD = &other48 }), "body/unlisted"},
		{"another RTMR 0", 3, nothing, domain(func(m *tee.Measurement) { m.RTMR[0] = &other48 }), "body/unlisted"},
		{"another RTMR 3", 3, nothing, domain(func(m *tee.Measurement) { m.RTMR[3] = &other48 }), "body/unlisted"},
		{"another module", 3, nothing, domain(func(m *tee.Measurement) { m.MRSeam = &other48 }), "body/unlisted"},
		{"another configuration", 3, nothing, domain(func(m *tee.Measurement) { m.MRConfigID = &other48 }), "body/unlisted"},
		{"another owner", 3, nothing, domain(func(m *tee.Measurement) { m.MROwner = &other48 }), "body/unlisted"},
		{"another owner's configuration", 3, nothing, domain(func(m *tee.Measurement) { m.MROwnerConfig = &other48 }), "body/unlisted"},
		{"an enclave", 3, nothing, enclave(func(m *tee.Measurement) {}), "body/unlisted"},
		{"the second of two", 3, nothing, &tee.Policy{Measurements: []tee.Measurement{{Kind: tee.TDX, MRTD: &other48}, {Kind: tee.TDX, MRTD: &tdx.TDX.MRTD}}}, ""},
		{"probing host", 3, func(s *simulated.Spec) { s.TDX.Attributes[3] = 0 }, anything, "body/attributes"},
		{"protection keys", 3, func(s *simulated.Spec) { s.TDX.Attributes[3] |= 0x40 }, anything, "body/attributes"},
		{"protection keys allowed", 3, func(s *simulated.Spec) { s.TDX.Attributes[3] |= 0x40 }, &tee.Policy{AnyMeasurement: true, TDAttributes: 1 << 30}, ""},
		{"performance monitor", 3, func(s *simulated.Spec) { s.TDX.Attributes[7] = 0x80 }, anything, ""},
		{"reserved bits", 3, func(s *simulated.Spec) { s.TDX.Attributes[5] = 1 }, anything, "body/attributes"},
		{"service domain", 3, func(s *simulated.Spec) { s.TDX.MRServiceTD[0] = 1 }, anything, "body/attributes"},
		{"out of date", 0, status("OutOfDate"), anything, "tcb/level"},
		{"hardening", 0, status("SWHardeningNeeded"), anything, "tcb/level"},
		{"hardening accepted", 0, status("SWHardeningNeeded"), &tee.Policy{AnyMeasurement: true, Statuses: []tee.Status{tee.UpToDate, tee.SWHardeningNeeded}}, ""},
		{"only hardening accepted", 0, nothing, &tee.Policy{AnyMeasurement: true, Statuses: []tee.Status{tee.SWHardeningNeeded}}, "tcb/level"},
		{"revoked", 0, status("Revoked"), anything, "tcb/level"},
		{"evaluation", 0, nothing, &tee.Policy{AnyMeasurement: true, Evaluation: 20}, ""},
		{"old TCB info", 0, func(s *simulated.Spec) { s.Evaluation = 19 }, &tee.Policy{AnyMeasurement: true, Evaluation: 20}, "collateral/evaluation"},
		{"old QE identity", 0, func(s *simulated.Spec) { s.QEEvaluation = 19 }, &tee.Policy{AnyMeasurement: true, Evaluation: 20}, "collateral/evaluation"},
		{"zero policy", 0, nothing, &tee.Policy{}, "policy/form"},
	} {
		s := makers[tt.spec].spec()
		tt.do(s)
		p := simulated.New(s)
		r, err := tee.Appraise(p.Quote(data), p.Collateral(), p.Roots(), now, tt.policy)
		if got := reason(err); got != tt.want || r == nil {
			t.Errorf("%s: %q (%v) with result %v, want %q", tt.name, got, err, r != nil, tt.want)
		}
	}
}

// A policy that does not say what it wants is refused before it is used.
func TestPolicyCheck(t *testing.T) {
	one32, one48, id := [32]byte{1}, [48]byte{1}, uint16(1)
	of := func(m tee.Measurement) tee.Policy { return tee.Policy{Measurements: []tee.Measurement{m}} }
	for _, tt := range []struct {
		name   string
		policy tee.Policy
		want   string
	}{
		{"nothing", tee.Policy{}, "policy/form"},
		{"anything and something", tee.Policy{AnyMeasurement: true, Measurements: []tee.Measurement{{Kind: tee.SGX, MREnclave: &one32}}}, "policy/form"},
		{"no kind", of(tee.Measurement{MREnclave: &one32}), "policy/form"},
		{"signer without product", of(tee.Measurement{Kind: tee.SGX, MRSigner: &one32}), "policy/form"},
		{"product without signer", of(tee.Measurement{Kind: tee.SGX, ProdID: &id}), "policy/form"},
		{"enclave with a domain's", of(tee.Measurement{Kind: tee.SGX, MREnclave: &one32, MRSeam: &one48}), "policy/form"},
		{"domain without MRTD", of(tee.Measurement{Kind: tee.TDX, RTMR: [4]*[48]byte{&one48}}), "policy/form"},
		{"domain with an enclave's", of(tee.Measurement{Kind: tee.TDX, MRTD: &one48, SVN: 1}), "policy/form"},
		{"revoked accepted", tee.Policy{AnyMeasurement: true, Statuses: []tee.Status{tee.RevokedLevel}}, "policy/form"},
		{"no status accepted", tee.Policy{AnyMeasurement: true, Statuses: []tee.Status{0}}, "policy/form"},
		{"debugging allowed", tee.Policy{AnyMeasurement: true, TDAttributes: 1}, "policy/debug"},
		{"too many", tee.Policy{Measurements: make([]tee.Measurement, 257)}, "policy/size"},
		{"an enclave", of(tee.Measurement{Kind: tee.SGX, MREnclave: &one32}), ""},
		{"a product", of(tee.Measurement{Kind: tee.SGX, MRSigner: &one32, ProdID: &id, SVN: 2}), ""},
		{"a domain", of(tee.Measurement{Kind: tee.TDX, MRTD: &one48}), ""},
	} {
		if got := reason(tt.policy.Check()); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Debugging is refused without any policy, before anything is said of the platform.
func TestDebuggingIsNeverAccepted(t *testing.T) {
	for _, m := range makers {
		s := m.spec()
		s.SGX.Attributes[0] |= 2
		s.TDX.Attributes[0] |= 1
		p := simulated.New(s)
		for _, policy := range []*tee.Policy{nil, {AnyMeasurement: true}} {
			if r, err := tee.Appraise(p.Quote(data), p.Collateral(), p.Roots(), now, policy); reason(err) != "body/debug" || r != nil {
				t.Errorf("%s: %v, %v", m.name, r, err)
			}
		}
	}
}

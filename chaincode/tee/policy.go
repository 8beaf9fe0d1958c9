package tee

import (
	"encoding/binary"
	"slices"
)

// Policy is what somebody who relies on a quote asks of it, beyond that it is
// genuine. The zero policy accepts nothing, because it lists no measurements.
type Policy struct {
	Statuses       []Status      // accepted; none: UpToDate alone
	Evaluation     uint32        // lowest accepted evaluation number of the collateral
	Measurements   []Measurement // one of them must be met
	AnyMeasurement bool          // accept whatever runs; Measurements must be empty
	TDAttributes   uint64        // bits of a domain's attributes that may be set besides SEPT_VE_DISABLE and PERFMON; never those of debugging
}

// Measurement is one thing that may run. What is nil is not compared. For SGX it needs
// MREnclave, or MRSigner and ProdID; for TDX it needs MRTD.
type Measurement struct {
	Kind Kind

	MREnclave *[32]byte
	MRSigner  *[32]byte
	ProdID    *uint16
	SVN       uint16 // lowest accepted version of the enclave

	MRTD          *[48]byte
	RTMR          [4]*[48]byte
	MRSeam        *[48]byte
	MRConfigID    *[48]byte
	MROwner       *[48]byte
	MROwnerConfig *[48]byte
}

// Bits of a domain's attributes.
const (
	tdSeptVEDisable = 1 << 28 // the host cannot make the domain's own pages fault
	tdPerfmon       = 1 << 63
	tdDebugGroup    = 0xff
)

const maxMeasurements = 256

// Check refuses a policy that asks for nothing, or for what cannot be.
// Errors: *Refusal in InPolicy.
func (p *Policy) Check() error {
	switch {
	case p.AnyMeasurement == (len(p.Measurements) > 0):
		return refuse(InPolicy, Form, "want measurements, or that any will do, and not both")
	case len(p.Measurements) > maxMeasurements:
		return refuse(InPolicy, Size, "%d measurements, at most %d", len(p.Measurements), maxMeasurements)
	case p.TDAttributes&tdDebugGroup != 0:
		return refuse(InPolicy, Debug, "debugging is never accepted")
	}
	for _, s := range p.Statuses {
		if s < UpToDate || s >= RevokedLevel {
			return refuse(InPolicy, Form, "status %s cannot be accepted", s)
		}
	}
	for i := range p.Measurements {
		if !p.Measurements[i].identifies() {
			return refuse(InPolicy, Form, "measurement %d does not say what runs", i)
		}
	}
	return nil
}

// identifies says that the measurement names one program, or one signer's product.
func (m *Measurement) identifies() bool {
	td := m.MRTD != nil || m.RTMR != [4]*[48]byte{} || m.MRSeam != nil || m.MRConfigID != nil || m.MROwner != nil || m.MROwnerConfig != nil
	enclave := m.MREnclave != nil || m.MRSigner != nil || m.ProdID != nil || m.SVN != 0
	switch m.Kind {
	case SGX:
		return !td && (m.MREnclave != nil || m.MRSigner != nil && m.ProdID != nil)
	case TDX:
		return !enclave && m.MRTD != nil
	}
	return false
}

// Judge says whether the result is enough. Errors: *Refusal.
func (p *Policy) Judge(r *Result) error {
	if err := p.Check(); err != nil {
		return err
	}
	if r.TDX != nil {
		if err := p.judgeAttributes(r.TDX); err != nil {
			return err
		}
	}
	if !p.AnyMeasurement && !slices.ContainsFunc(p.Measurements, func(m Measurement) bool { return m.met(r) }) {
		return refuse(InBody, Unlisted, "what runs is not among the %d measurements of the policy", len(p.Measurements))
	}
	if r.Evaluation < p.Evaluation {
		return refuse(InCollateral, Evaluation, "evaluation number %d, the policy asks for %d", r.Evaluation, p.Evaluation)
	}
	accepted := p.Statuses
	if len(accepted) == 0 {
		accepted = []Status{UpToDate}
	}
	if !slices.Contains(accepted, r.Status) {
		return refuse(InTCB, Level, "the platform is %s", r.Status)
	}
	return nil
}

// judgeAttributes wants a domain that the host cannot probe, without features that
// the policy does not know, and without a service domain that could replace it.
func (p *Policy) judgeAttributes(r *TDXReport) error {
	have := binary.LittleEndian.Uint64(r.Attributes[:])
	allowed := p.TDAttributes | tdSeptVEDisable | tdPerfmon
	if have&tdSeptVEDisable == 0 || have&^allowed != 0 {
		return refuse(InBody, Attributes, "attributes %#x of the domain", have)
	}
	if r.MRServiceTD != [48]byte{} {
		return refuse(InBody, Attributes, "service domains are bound to the domain")
	}
	return nil
}

// met says that what runs is what the measurement names.
func (m *Measurement) met(r *Result) bool {
	switch {
	case m.Kind != r.Kind:
		return false
	case r.SGX != nil:
		return same(m.MREnclave, r.SGX.MREnclave) && same(m.MRSigner, r.SGX.MRSigner) && same(m.ProdID, r.SGX.ProdID) && r.SGX.SVN >= m.SVN
	}
	for i := range m.RTMR {
		if !same(m.RTMR[i], r.TDX.RTMR[i]) {
			return false
		}
	}
	return same(m.MRTD, r.TDX.MRTD) && same(m.MRSeam, r.TDX.MRSeam) && same(m.MRConfigID, r.TDX.MRConfigID) &&
		same(m.MROwner, r.TDX.MROwner) && same(m.MROwnerConfig, r.TDX.MROwnerConfig)
}

func same[T comparable](want *T, have T) bool { return want == nil || *want == have }

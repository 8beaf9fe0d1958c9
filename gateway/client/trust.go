package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/tee"
)

// Trust is what the quote of an enclave's key is judged by: what the members have put in
// force under tee/roots, tee/measurements and tee/policy (docs/formats/govern.md), or
// what an owner pins itself.
type Trust struct {
	Roots         []TrustedRoot    `json:"roots"`
	Measurements  []TrustedProgram `json:"measurements"`
	Statuses      []string         `json:"statuses,omitzero"` // of platforms; none: UpToDate alone
	MinEvaluation uint64           `json:"minEvaluation,omitzero"`
}

// TrustedRoot is a certificate that quotes may lead to.
type TrustedRoot struct {
	Certificate string `json:"certificate"`        // DER in base64
	Simulated   bool   `json:"simulated,omitzero"` // whoever has its key makes quotes without an enclave
}

// TrustedProgram is a program that may do an operation.
type TrustedProgram struct {
	Platform    string `json:"platform"`    // sgx or tdx
	Measurement string `json:"measurement"` // hex: MRENCLAVE, or MRTD and as many RTMRs as are given
	Operation   string `json:"operation"`
}

// DecodeTrust reads a Trust strictly, as killick-enclave --listing prints it.
func DecodeTrust(data []byte) (*Trust, error) {
	t := new(Trust)
	if err := canon.Decode(bytes.TrimSpace(data), t, "roots", "measurements"); err != nil {
		return nil, err
	}
	return t, nil
}

// TrustInForce reads what the members have in force for an accepted job. A gateway that
// lies could name roots of its own: who has reason to doubt it compares what gateways of
// other members say, or pins a Trust. Errors: fault.WrongPhase when nobody has accepted it.
func (c *Client) TrustInForce(ctx context.Context, job string) (*Trust, error) {
	j, err := c.Job(ctx, job)
	if err != nil {
		return nil, err
	}
	r, err := c.Round(ctx, job, true)
	if err != nil {
		return nil, err
	}
	b := r.GetBasis()
	if b == nil {
		return nil, fault.New(fault.WrongPhase, "nobody has accepted the job, it is %s", r.GetPhase())
	}
	t := &Trust{Statuses: b.GetStatuses(), MinEvaluation: b.GetMinEvaluation()}
	for _, text := range b.GetRoots() {
		der, err := canon.UnB64(text)
		if err != nil {
			return nil, fmt.Errorf("the gateway's answer: root: %w", err)
		}
		t.Roots = append(t.Roots, TrustedRoot{Certificate: base64.StdEncoding.EncodeToString(der)})
	}
	for _, m := range b.GetMeasurements() {
		t.Measurements = append(t.Measurements, TrustedProgram{m.GetPlatform(), m.GetMeasurement(), j.GetOperation()})
	}
	return t, nil
}

// Same says whether two are the same, whatever they say of simulation.
func (t *Trust) Same(other *Trust) bool {
	roots := func(a, b TrustedRoot) bool { return a.Certificate == b.Certificate }
	return slices.EqualFunc(t.Roots, other.Roots, roots) && slices.Equal(t.Measurements, other.Measurements) &&
		slices.Equal(t.Statuses, other.Statuses) && t.MinEvaluation == other.MinEvaluation
}

// Simulated says that a root among them is of a simulation.
func (t *Trust) Simulated() bool {
	for _, r := range t.Roots {
		if r.Simulated {
			return true
		}
	}
	return false
}

// forOperation returns what quotes of an operation are appraised with. Errors:
// fault.CollateralMissing when there is no root or no measurement.
func (t *Trust) forOperation(operation string) (*tee.Roots, *tee.Policy, error) {
	var ders [][]byte
	for i, r := range t.Roots {
		der, err := base64.StdEncoding.Strict().DecodeString(r.Certificate)
		if err != nil {
			return nil, nil, fmt.Errorf("root %d: %w", i, err)
		}
		ders = append(ders, der)
	}
	policy := &tee.Policy{Evaluation: uint32(min(t.MinEvaluation, 1<<32-1))}
	for _, name := range t.Statuses {
		s, ok := tee.StatusOf(name)
		if !ok {
			return nil, nil, fault.New(fault.InvalidValue, "status %.40q", name)
		}
		policy.Statuses = append(policy.Statuses, s)
	}
	for i, p := range t.Measurements {
		if p.Operation != operation {
			continue
		}
		m, err := p.measurement()
		if err != nil {
			return nil, nil, fmt.Errorf("measurement %d: %w", i, err)
		}
		policy.Measurements = append(policy.Measurements, *m)
	}
	if len(ders) == 0 || len(policy.Measurements) == 0 {
		return nil, nil, fault.New(fault.CollateralMissing, "no root, or no program for %s, is listed: no enclave can be told from anything else", operation)
	}
	roots, err := tee.NewRoots(ders...)
	return roots, policy, err
}

func (p *TrustedProgram) measurement() (*tee.Measurement, error) {
	raw, err := hex.DecodeString(p.Measurement)
	if err != nil {
		return nil, err
	}
	switch {
	case p.Platform == "sgx" && len(raw) == 32:
		enclave := [32]byte(raw)
		return &tee.Measurement{Kind: tee.SGX, MREnclave: &enclave}, nil
	case p.Platform == "tdx" && len(raw) >= 48 && len(raw) <= 240 && len(raw)%48 == 0:
		domain := [48]byte(raw)
		m := &tee.Measurement{Kind: tee.TDX, MRTD: &domain}
		for i := range len(raw)/48 - 1 {
			register := [48]byte(raw[48*(i+1):])
			m.RTMR[i] = &register
		}
		return m, nil
	}
	return nil, fault.New(fault.InvalidValue, "a measurement of %d bytes for %.20q", len(raw), p.Platform)
}

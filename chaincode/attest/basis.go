package attest

import (
	"encoding/base64"
	"fmt"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/tee"
)

// BasisView is all that a quote of a job would be judged by now. Whoever has it and the
// quote finds what chaincode finds.
type BasisView struct {
	Time          uint64   `json:"time"`  // of the newest checkpoint
	Roots         []string `json:"roots"` // certificates in base64url
	Statuses      []string `json:"statuses"`
	MinEvaluation uint64   `json:"minEvaluation"`
	// Measurements are those of the job's operation.
	Measurements []MeasurementView `json:"measurements"`
	// Collateral is that of the quote's platform in base64url, empty when there is none.
	Collateral string `json:"collateral,omitempty"`
}

// MeasurementView is what may run.
type MeasurementView struct {
	Platform    string `json:"platform"`
	Measurement string `json:"measurement"` // hex
}

// basis returns what evidence would be judged by now, nil when chaincode does not judge
// it. Before there is any (s is nil) it is without collateral: by the rest an owner judges
// the key of an enclave.
func basis(tx *ledger.Tx, j *Job, s *EvidenceView) (*BasisView, error) {
	if s != nil && s.Quote == "" {
		return nil, nil
	}
	head, err := checkpoint.Head(tx)
	if err != nil {
		return nil, err
	}
	v := &BasisView{Time: head.Time, Roots: []string{}, Measurements: []MeasurementView{}}
	roots, err := govern.Roots(tx)
	if err != nil {
		return nil, err
	}
	for _, r := range roots {
		if der, err := r.DER(); err == nil {
			v.Roots = append(v.Roots, canon.B64(der))
		}
	}
	policy, err := govern.TEEStatuses(tx)
	if err != nil {
		return nil, err
	}
	v.Statuses, v.MinEvaluation = policy.Statuses, policy.MinEvaluation
	measurements, err := govern.Measurements(tx)
	if err != nil {
		return nil, err
	}
	for _, m := range measurements {
		if m.Operation == j.Operation {
			v.Measurements = append(v.Measurements, MeasurementView{m.Platform, m.Measurement})
		}
	}
	if s != nil {
		v.Collateral, err = collateralOf(tx, s.Quote)
	}
	return v, err
}

// collateralOf returns the collateral of a stored quote's platform.
func collateralOf(tx *ledger.Tx, quote string) (string, error) {
	data, err := canon.UnB64(quote)
	if err != nil {
		return "", err
	}
	q, err := tee.Read(data)
	if err != nil {
		return "", err
	}
	p, err := q.Platform()
	if err != nil {
		return "", err
	}
	k, err := readKept(tx, collateralKey(p.Kind, p.FMSPC, p.PCEID, p.CA))
	if k == nil || err != nil {
		return "", err
	}
	return canon.B64(k.bytes), nil
}

// Judge finds what chaincode would find of a quote. Errors: what cannot be read of the
// basis itself.
func (v *BasisView) Judge(quote []byte) (Finding, error) {
	q, err := tee.Read(quote)
	if err != nil {
		return Find(err)
	}
	if _, err := q.Platform(); err != nil {
		return Find(err)
	}
	var roots []govern.Root
	for _, text := range v.Roots {
		der, err := canon.UnB64(text)
		if err != nil {
			return Finding{}, fmt.Errorf("root: %w", err)
		}
		roots = append(roots, govern.Root{Certificate: base64.StdEncoding.EncodeToString(der)})
	}
	var listed []govern.Measurement
	for _, m := range v.Measurements {
		listed = append(listed, govern.Measurement{Platform: m.Platform, Measurement: m.Measurement})
	}
	pinned, err := pinRoots(roots)
	if err != nil {
		return Finding{}, err
	}
	policy, err := policyFrom(&govern.TEEPolicy{Statuses: v.Statuses, MinEvaluation: v.MinEvaluation}, listed, "")
	if err != nil {
		return Finding{}, err
	}
	if pinned == nil || policy == nil {
		return Finding{Undecided, NoRoots}, nil
	}
	var collateral *tee.Collateral
	if v.Collateral != "" {
		data, err := canon.UnB64(v.Collateral)
		if err != nil {
			return Finding{}, fmt.Errorf("collateral: %w", err)
		}
		if collateral, err = tee.DecodeCollateral(data); err != nil {
			return Finding{}, fmt.Errorf("collateral: %v", err) // no finding: the basis is damaged
		}
	}
	_, err = tee.Appraise(quote, collateral, pinned, v.Time, policy)
	return Find(err)
}

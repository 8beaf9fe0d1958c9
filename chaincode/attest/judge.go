package attest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/tee"
)

// judge says what chaincode finds of evidence at a time, in seconds since 1970, with what
// is on the ledger now: collateral, roots, measurements and policy.
func judge(tx *ledger.Tx, j *Job, s *Shown, now uint64) (Finding, error) {
	if !s.Platform.Read() {
		return Finding{Undecided, NotJudged}, nil
	}
	q, err := tee.Read(s.Quote)
	if err != nil {
		return Find(err)
	}
	p, err := q.Platform()
	if err != nil {
		return Find(err)
	}
	key := collateralKey(p.Kind, p.FMSPC, p.PCEID, p.CA)
	if err := tx.Prefetch([]string{key, govern.RootsKey, govern.MeasurementsKey, govern.TEEPolicyKey}); err != nil {
		return Finding{}, err
	}
	collateral, err := readCollateral(tx, key)
	if err != nil {
		return Finding{}, err
	}
	roots, err := rootsOf(tx)
	if err != nil {
		return Finding{}, err
	}
	policy, err := policyOf(tx, j.Operation)
	if err != nil {
		return Finding{}, err
	}
	if roots == nil || policy == nil {
		return Finding{Undecided, NoRoots}, nil
	}
	_, err = tee.Appraise(s.Quote, collateral, roots, now, policy)
	return Find(err)
}

// Find returns the finding that an appraisal comes down to; nil is that of a good quote.
// Errors other than those of tee are passed on.
func Find(appraisal error) (Finding, error) {
	if appraisal == nil {
		return Finding{Verdict: Valid}, nil
	}
	var r *tee.Refusal
	if !errors.As(appraisal, &r) {
		return Finding{}, appraisal
	}
	forged := slices.Contains([]tee.Part{tee.InChain, tee.InPCK, tee.InQE, tee.InKey, tee.InQuote}, r.In)
	switch {
	case r.OfCollateral():
		return Finding{Undecided, NoCollateral}, nil
	case r.In == tee.InPolicy:
		return Finding{Undecided, NoRoots}, nil
	case r.In == tee.InBody && r.Why == tee.Debug:
		return Finding{Malicious, DebugEnclave}, nil
	case r.In == tee.InBody && r.Why == tee.Unlisted:
		return Finding{Malicious, Unlisted}, nil
	case forged && slices.Contains([]tee.Why{tee.Issuer, tee.Signature, tee.Mismatch}, r.Why):
		return Finding{Malicious, ForgedChain}, nil
	case slices.Contains([]tee.Why{tee.Form, tee.Size, tee.Trailing, tee.Version}, r.Why):
		return Finding{Invalid, Unreadable}, nil
	}
	return Finding{Invalid, BelowPolicy}, nil
}

// maxRoots is how many roots an appraisal takes.
const maxRoots = 8

// rootsOf returns the roots in force, nil when there are none. The members' decision is
// looked at here for the first time: what is no root is left out, and holds up nothing.
func rootsOf(tx *ledger.Tx) (*tee.Roots, error) {
	listed, err := govern.Roots(tx)
	if err != nil {
		return nil, err
	}
	return pinRoots(listed)
}

func pinRoots(listed []govern.Root) (*tee.Roots, error) {
	var good [][]byte
	for i := range listed {
		der, err := listed[i].DER()
		if err != nil {
			continue
		}
		if _, err := tee.NewRoots(der); err == nil && len(good) < maxRoots {
			good = append(good, der)
		}
	}
	if len(good) == 0 {
		return nil, nil
	}
	return tee.NewRoots(good...)
}

// policyOf returns what is asked of quotes of an operation, nil when no measurement is
// listed for it.
func policyOf(tx *ledger.Tx, operation string) (*tee.Policy, error) {
	policy, err := govern.TEEStatuses(tx)
	if err != nil {
		return nil, err
	}
	listed, err := govern.Measurements(tx)
	if err != nil {
		return nil, err
	}
	return policyFrom(policy, listed, operation)
}

func policyFrom(policy *govern.TEEPolicy, listed []govern.Measurement, operation string) (*tee.Policy, error) {
	p := &tee.Policy{Evaluation: uint32(policy.MinEvaluation)}
	for _, name := range policy.Statuses {
		s, ok := tee.StatusOf(name)
		if !ok {
			return nil, fmt.Errorf("stored policy: status %q", name)
		}
		p.Statuses = append(p.Statuses, s)
	}
	for _, m := range listed {
		if m.Operation != operation {
			continue
		}
		measurement, err := measurementOf(m)
		if err != nil {
			return nil, fmt.Errorf("stored measurements: %v", err)
		}
		p.Measurements = append(p.Measurements, *measurement)
	}
	if len(p.Measurements) == 0 {
		return nil, nil
	}
	return p, nil
}

// measurementOf is what may run, as tee compares it: the enclave of SGX, or the domain of
// TDX as it was built, with as many of its registers as the members have listed.
func measurementOf(m govern.Measurement) (*tee.Measurement, error) {
	raw, err := hex.DecodeString(m.Measurement)
	if err != nil {
		return nil, err
	}
	switch {
	case m.Platform == SGX.String() && len(raw) == 32:
		enclave := [32]byte(raw)
		return &tee.Measurement{Kind: tee.SGX, MREnclave: &enclave}, nil
	case m.Platform == TDX.String() && len(raw) >= 48 && len(raw) <= 240 && len(raw)%48 == 0:
		domain := [48]byte(raw)
		t := &tee.Measurement{Kind: tee.TDX, MRTD: &domain}
		for i := 0; len(raw) > 48*(i+1); i++ {
			register := [48]byte(raw[48*(i+1):])
			t.RTMR[i] = &register
		}
		return t, nil
	}
	return nil, fmt.Errorf("a measurement of %d bytes for %s", len(raw), m.Platform)
}

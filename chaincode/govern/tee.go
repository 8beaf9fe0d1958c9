package govern

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Limits of what the members say of enclaves.
const (
	maxMeasurements = 256
	maxRoots        = 16
	maxRootSize     = 4096 // bytes of a certificate
)

const (
	measurementsSubject = "tee/measurements"
	rootsSubject        = "tee/roots"
	statusesSubject     = "tee/policy"
)

// State keys of what is in force about enclaves.
const (
	MeasurementsKey = headPrefix + measurementsSubject
	RootsKey        = headPrefix + rootsSubject
	TEEPolicyKey    = headPrefix + statusesSubject
)

// Measurement lets the program that is measured so do an operation of jobs.
type Measurement struct {
	Platform    string `json:"platform"`    // sgx or tdx
	Measurement string `json:"measurement"` // hex: MRENCLAVE, or MRTD and as many RTMRs as are given
	Operation   string `json:"operation"`   // job.<name>
}

// Root is a certificate that quotes may lead to.
type Root struct {
	Certificate string `json:"certificate"` // DER in base64
	// Simulated says that whoever has its key makes quotes without an enclave.
	Simulated bool `json:"simulated,omitzero"`
}

// TEEPolicy is how current a platform has to be.
type TEEPolicy struct {
	Statuses      []string `json:"statuses"`      // that are taken, in the order of teeStatuses
	MinEvaluation uint64   `json:"minEvaluation"` // of the collateral's tcbEvaluationDataNumber
}

// teeStatuses are those of Intel's TCB levels that may be taken: all but Revoked.
var teeStatuses = []string{
	"UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded",
}

var foundedStatuses = TEEPolicy{Statuses: teeStatuses[:1]}

// DER returns the certificate.
func (r *Root) DER() ([]byte, error) { return base64.StdEncoding.DecodeString(r.Certificate) }

// Measurements returns which programs may do which operations of jobs.
func Measurements(tx *ledger.Tx) ([]Measurement, error) {
	v, _, err := inForce(tx, measurementsSubject, []Measurement{})
	return v, err
}

// Roots returns the certificates that quotes may lead to.
func Roots(tx *ledger.Tx) ([]Root, error) {
	v, _, err := inForce(tx, rootsSubject, []Root{})
	return v, err
}

// TEEStatuses returns how current a platform has to be.
func TEEStatuses(tx *ledger.Tx) (*TEEPolicy, error) {
	v, _, err := inForce(tx, statusesSubject, foundedStatuses)
	return &v, err
}

func checkMeasurements(_ *Network, list []Measurement) error {
	if len(list) > maxMeasurements {
		return fault.New(fault.InvalidValue, "%d measurements, at most %d are allowed", len(list), maxMeasurements)
	}
	for i, m := range list {
		if err := m.check(); err != nil {
			return err
		}
		if slices.Contains(list[:i], m) {
			return fault.New(fault.InvalidValue, "measurement %.20s... is listed twice for %s", m.Measurement, m.Operation)
		}
	}
	return nil
}

func (m *Measurement) check() error {
	// MRENCLAVE has 32 bytes; MRTD and each of the four RTMRs have 48.
	sizes := map[string][]int{"sgx": {32}, "tdx": {48, 96, 144, 192, 240}}[m.Platform]
	if sizes == nil {
		return fault.New(fault.InvalidValue, "platform %.20q is neither sgx nor tdx", m.Platform)
	}
	if !slices.ContainsFunc(sizes, func(n int) bool { _, err := canon.UnHex(m.Measurement, n); return err == nil }) {
		return fault.New(fault.InvalidValue, "measurement of %s must be lower-case hex of %v bytes", m.Platform, sizes)
	}
	if name, ok := strings.CutPrefix(m.Operation, "job."); !ok || name == "" || !ledger.IsName(m.Operation, 32) {
		return fault.New(fault.InvalidValue, "operation %.40q is not job. and a name, 32 characters at most", m.Operation)
	}
	return nil
}

// checkRoots takes certificates, simulated ones on test ledgers alone. What is in them is
// a matter of package tee. Errors: fault.InvalidValue.
func checkRoots(n *Network, list []Root) error {
	if len(list) > maxRoots {
		return fault.New(fault.InvalidValue, "%d roots, at most %d are allowed", len(list), maxRoots)
	}
	for i, r := range list {
		if r.Simulated && !n.Test {
			return fault.New(fault.InvalidValue, "root %d is simulated, which test ledgers alone take", i)
		}
		der, err := base64.StdEncoding.Strict().DecodeString(r.Certificate)
		if err != nil || base64.StdEncoding.EncodeToString(der) != r.Certificate || !isSequence(der) {
			return fault.New(fault.InvalidValue, "root %d is not base64 of one DER certificate of at most %d bytes", i, maxRootSize)
		}
		if slices.ContainsFunc(list[:i], func(o Root) bool { return o.Certificate == r.Certificate }) {
			return fault.New(fault.InvalidValue, "root %d is listed twice", i)
		}
	}
	return nil
}

// isSequence says whether the bytes are one DER sequence of 128 to maxRootSize bytes, as
// certificates are, and nothing after it.
func isSequence(der []byte) bool {
	if len(der) < 128 || len(der) > maxRootSize || der[0] != 0x30 {
		return false
	}
	switch der[1] {
	case 0x81:
		return int(der[2]) == len(der)-3 && der[2] >= 0x80
	case 0x82:
		return int(der[2])<<8|int(der[3]) == len(der)-4 && der[2] > 0
	}
	return false
}

func checkStatuses(_ *Network, p TEEPolicy) error {
	last := -1
	for _, s := range p.Statuses {
		at := slices.Index(teeStatuses, s)
		if at <= last {
			return fault.New(fault.InvalidValue, "statuses: %.40q is none of %v, or they are not in this order, each named once", s, teeStatuses)
		}
		last = at
	}
	if last < 0 {
		return fault.New(fault.InvalidValue, "statuses: name at least one")
	}
	return nil
}

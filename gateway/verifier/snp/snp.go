// Package snp judges quotes of AMD's SEV-SNP for a verifier node: an attestation report of
// the firmware and, behind it, the certificates that the host provides (the table of AMD's
// GHCB specification), as SNP_GET_EXT_REPORT gives both.
//
// Nothing is fetched: the chip's certificate has to come with the report, roots are those
// that AMD has published or the configuration names, and AMD's revocation lists are not
// read. What may run is the node's own configuration, since the ledger lists measurements
// of SGX and TDX alone.
package snp

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	"github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/validate"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"
	"github.com/google/logger"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// Config is sev_snp of verifier.yaml.
type Config struct {
	// Measurements are what may run. Quotes of an operation without one are not judged.
	Measurements []Measurement `yaml:"measurements"`
	// MinTCB is the lowest firmware that is taken, in each of its parts (none: any).
	MinTCB TCB `yaml:"min_tcb"`
	// Roots are PEM files with the two certificates (ASK, ARK) that quotes of a product line
	// may lead to, by the product line: Milan, Genoa, Turin. None: those of AMD that this
	// program carries.
	Roots map[string]string `yaml:"roots"`
}

// Measurement lets the launch that is measured so do an operation of jobs.
type Measurement struct {
	Operation   string `yaml:"operation"`   // job.<name>
	Measurement string `yaml:"measurement"` // 96 hex digits
}

// TCB is a version of the firmware.
type TCB struct {
	Bootloader uint8 `yaml:"bootloader"`
	TEE        uint8 `yaml:"tee"`
	SNP        uint8 `yaml:"snp"`
	Microcode  uint8 `yaml:"microcode"`
}

// Judge judges quotes. Make it with New.
type Judge struct {
	listed map[string][][]byte // measurements by operation
	least  kds.TCBParts
	roots  map[string][]*trust.AMDRootCerts // nil: AMD's
}

// New returns a judge. It reports every mistake of the configuration.
func New(c Config) (*Judge, error) {
	// What the library has to say of a quote it says in its errors as well.
	logger.Init("sev-snp", false, false, io.Discard)
	j := &Judge{
		listed: map[string][][]byte{},
		least:  kds.TCBParts{BlSpl: c.MinTCB.Bootloader, TeeSpl: c.MinTCB.TEE, SnpSpl: c.MinTCB.SNP, UcodeSpl: c.MinTCB.Microcode},
	}
	var errs []error
	for i, m := range c.Measurements {
		raw, err := canon.UnHex(m.Measurement, 48)
		if err != nil || m.Operation == "" {
			errs = append(errs, fmt.Errorf("sev_snp: measurement %d is not an operation and 96 hex digits in lower case", i+1))
			continue
		}
		j.listed[m.Operation] = append(j.listed[m.Operation], raw)
	}
	for line, path := range c.Roots {
		root := trust.AMDRootCertsProduct(line)
		if err := root.FromKDSCert(path); err != nil {
			errs = append(errs, fmt.Errorf("sev_snp: roots of %s: %w", line, err))
			continue
		}
		if j.roots == nil {
			j.roots = map[string][]*trust.AMDRootCerts{}
		}
		j.roots[line] = append(j.roots[line], root)
	}
	return j, errors.Join(errs...)
}

// Reasons beside those of docs/formats/job.md.
const unbound = "evidence_unbound" // the quote is bound to something else

// maxQuote is more than a report with five certificates has.
const maxQuote = 32 << 10

// Judge judges a quote that has to have the report data, as of a time in seconds since
// 1970. A ballot of Undecided says why it cannot tell. The errors are the node's own.
func (j *Judge) Judge(quote []byte, report [64]byte, operation string, now uint64) (ballot attest.Verdict, reason string, err error) {
	// The quote is its operator's, and what reads it is a library: a fault of that must not
	// end the node, which would miss all its other rounds.
	defer func() {
		if p := recover(); p != nil {
			ballot, err = attest.Undecided, fmt.Errorf("the quote cannot be read: %v", p)
		}
	}()
	if len(quote) > maxQuote {
		return attest.Invalid, attest.Unreadable.String(), nil
	}
	a, err := abi.ReportCertsToProto(quote)
	if err != nil {
		return attest.Invalid, attest.Unreadable.String(), nil
	}
	signer, err := abi.ParseSignerInfo(a.GetReport().GetSignerInfo())
	if err != nil || endorsement(a, signer) == nil {
		return attest.Invalid, attest.Unreadable.String(), nil
	}
	if ballot, reason := j.genuine(a, signer, time.Unix(int64(now), 0)); ballot != attest.Valid {
		return ballot, reason, nil
	}
	if [64]byte(a.GetReport().GetReportData()) != report {
		return attest.Malicious, unbound, nil
	}
	return j.enough(a, operation)
}

// endorsement is the chip's certificate, nil when there is none that can be read.
func endorsement(a *sevsnp.Attestation, signer abi.SignerInfo) *x509.Certificate {
	der := a.GetCertificateChain().GetVcekCert()
	if signer.SigningKey == abi.VlekReportSigner {
		der = a.GetCertificateChain().GetVlekCert()
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return cert
}

// genuine says whether AMD's firmware signed the report, as of now.
func (j *Judge) genuine(a *sevsnp.Attestation, signer abi.SignerInfo, now time.Time) (attest.Verdict, string) {
	at := func(t time.Time) error {
		return verify.SnpAttestation(a, &verify.Options{DisableCertFetching: true, TrustedRoots: j.roots, Now: t})
	}
	if at(now) == nil {
		return attest.Valid, ""
	}
	// The library's errors have no kinds. A chain that was good when its certificate began is
	// too old, or too new, and no forgery.
	if at(endorsement(a, signer).NotBefore) == nil {
		return attest.Invalid, attest.BelowPolicy.String()
	}
	return attest.Malicious, attest.ForgedChain.String()
}

// enough says whether a genuine report is of what may run, on a platform that is current.
func (j *Judge) enough(a *sevsnp.Attestation, operation string) (attest.Verdict, string, error) {
	policy, err := abi.ParseSnpPolicy(a.GetReport().GetPolicy())
	if err != nil {
		return attest.Invalid, attest.Unreadable.String(), nil
	}
	listed := j.listed[operation]
	switch {
	case policy.Debug:
		return attest.Malicious, attest.DebugEnclave.String(), nil
	case len(listed) == 0:
		return attest.Undecided, attest.NoRoots.String(), nil
	case !slices.ContainsFunc(listed, func(m []byte) bool { return slices.Equal(m, a.GetReport().GetMeasurement()) }):
		return attest.Malicious, attest.Unlisted.String(), nil
	}
	// The versions of report and certificate belong together, nobody may migrate the guest
	// elsewhere, and the firmware is not older than what is taken.
	err = validate.SnpAttestation(a, &validate.Options{
		GuestPolicy: abi.SnpPolicy{SMT: true, CXLAllowed: true}, MinimumTCB: j.least, PermitProvisionalFirmware: true,
	})
	if err != nil {
		return attest.Invalid, attest.BelowPolicy.String(), nil
	}
	return attest.Valid, attest.NoReason.String(), nil
}

// Package tpm judges quotes of TPM 2.0, chips and virtual ones, for a verifier node: what
// the TPM signed of its registers, the certificate of its key, and the values of the
// registers (docs/formats/job.md).
//
// Nothing is fetched, and revocation lists are not read. Whose TPMs are believed and what
// may be in their registers is the node's own configuration. That the attestation key is
// in a TPM is the word of who certified it.
package tpm

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// Config is tpm of verifier.yaml.
type Config struct {
	// Roots are PEM files of the roots that certify attestation keys of TPMs. Without one
	// nothing is judged.
	Roots []string `yaml:"roots"`
	// Measurements are what may run. Quotes of an operation without one are not judged.
	Measurements []Measurement `yaml:"measurements"`
}

// Measurement lets a machine with these registers do an operation of jobs. It may have
// others besides, with anything in them.
type Measurement struct {
	Operation string         `yaml:"operation"` // job.<name>
	PCRs      map[int]string `yaml:"pcrs"`      // SHA-256 bank, 64 hex digits each
}

// Judge judges quotes. Make it with New.
type Judge struct {
	listed map[string][]map[int][32]byte // measurements by operation
	roots  *x509.CertPool                // nil: none
}

// New returns a judge. It reports every mistake of the configuration.
func New(c Config) (*Judge, error) {
	j := &Judge{listed: map[string][]map[int][32]byte{}}
	var errs []error
	for _, path := range c.Roots {
		if err := j.trust(path); err != nil {
			errs = append(errs, fmt.Errorf("tpm: roots: %w", err))
		}
	}
	for i, m := range c.Measurements {
		set, err := m.read()
		if err != nil {
			errs = append(errs, fmt.Errorf("tpm: measurement %d: %w", i+1, err))
			continue
		}
		j.listed[m.Operation] = append(j.listed[m.Operation], set)
	}
	return j, errors.Join(errs...)
}

// trust reads a PEM file of roots, in which there is nothing else.
func (j *Judge) trust(path string) error {
	rest, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if j.roots == nil {
		j.roots = x509.NewCertPool()
	}
	for n := 0; ; n++ {
		block, after := pem.Decode(rest)
		if block == nil {
			if n == 0 || len(bytes.TrimSpace(rest)) > 0 {
				return fmt.Errorf("%s is not certificates in PEM", path)
			}
			return nil
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !c.IsCA {
			return fmt.Errorf("%s: certificate %d is not that of a CA", path, n+1)
		}
		j.roots.AddCert(c)
		rest = after
	}
}

func (m Measurement) read() (map[int][32]byte, error) {
	if m.Operation == "" || len(m.PCRs) == 0 {
		return nil, errors.New("it needs an operation and pcrs")
	}
	set := map[int][32]byte{}
	for i, text := range m.PCRs {
		v, err := canon.UnHex32(text)
		if err != nil {
			return nil, fmt.Errorf("pcr %d is not 64 hex digits in lower case", i)
		}
		// Software sets 16 and 23 back whenever it likes: what is in them says nothing.
		if i < 0 || i > 22 || i == 16 {
			return nil, fmt.Errorf("pcr %d is none of 0 to 15 and 17 to 22", i)
		}
		set[i] = v
	}
	return set, nil
}

// Reasons beside those of docs/formats/job.md.
const (
	unbound    = "evidence_unbound" // the quote is bound to something else
	otherKey   = "key_mismatch"     // key or parent are not described as the TPM names them
	notQuoted  = "pcr_mismatch"     // the values are not those that were quoted
	notCovered = "pcr_missing"      // a register that counts was not quoted
)

// Judge judges evidence that has to have the report data, as of a time in seconds since
// 1970. A ballot of Undecided says why it cannot tell. The errors are the node's own.
func (j *Judge) Judge(quote []byte, report [64]byte, operation string, now uint64) (ballot attest.Verdict, reason string, err error) {
	// The quote is its operator's, and what reads it is a library: a fault of that must not
	// end the node, which would miss all its other rounds.
	defer func() {
		if p := recover(); p != nil {
			ballot, reason, err = attest.Undecided, "", fmt.Errorf("the quote cannot be read: %v", p)
		}
	}()
	if [32]byte(report[32:]) != [32]byte{} {
		return attest.Undecided, "", errors.New("the report data does not end in zeros: a quote of a TPM has no room for more than its first half")
	}
	s, err := read(quote)
	if err != nil {
		return attest.Invalid, attest.Unreadable.String(), nil
	}
	if j.roots == nil {
		return attest.Undecided, attest.NoRoots.String(), nil
	}
	if ballot, reason := j.genuine(s, time.Unix(int64(now), 0)); ballot != attest.Valid {
		return ballot, reason, nil
	}
	// TPM2B_DATA holds no more than the largest digest of the TPM, mostly 32 or 48 bytes, and
	// two of its algorithm: the first half of the report data fits into each, and the second
	// is zeros.
	if !bytes.Equal(s.attest.ExtraData.Buffer, report[:32]) {
		return attest.Malicious, unbound, nil
	}
	ballot, reason = j.enough(s, operation)
	return ballot, reason, nil
}

// vouched says whether a root vouches for the certificate, as of now.
func (j *Judge) vouched(s *statement, now time.Time) (attest.Verdict, attest.Reason) {
	err := leads(s.chain, j.roots, now)
	switch {
	case err == nil:
		return attest.Valid, attest.NoReason
	case errors.Is(err, errForm):
		return attest.Invalid, attest.Unreadable
	}
	// A chain that was good when its certificate began is too old, or too new, and no
	// forgery; neither is one with another fault than that no root vouches for it.
	var stranger x509.UnknownAuthorityError
	if errors.As(leads(s.chain, j.roots, s.chain[0].NotBefore), &stranger) {
		return attest.Malicious, attest.ForgedChain
	}
	return attest.Invalid, attest.BelowPolicy
}

// genuine says whether a TPM that a root vouches for signed the quote, as of now.
func (j *Judge) genuine(s *statement, now time.Time) (attest.Verdict, string) {
	leaf := s.chain[0]
	ballot, reason := j.vouched(s, now)
	by, err := schemeOf(s.public)
	switch {
	case ballot == attest.Malicious || reason == attest.Unreadable:
		return ballot, reason.String()
	case !certified(leaf, s.public):
		return attest.Malicious, attest.ForgedChain.String()
	case err != nil || !usable(leaf):
		return attest.Invalid, attest.BelowPolicy.String()
	case !signed(leaf.PublicKey, by, s.sig, s.evidence.Attest):
		return attest.Malicious, attest.ForgedChain.String()
	case !bytes.Equal(s.attest.QualifiedSigner.Buffer, qualified(s.public, s.evidence.Parent)):
		return attest.Invalid, otherKey
	}
	return ballot, reason.String()
}

// enough says whether a genuine quote is of what may run.
func (j *Judge) enough(s *statement, operation string) (attest.Verdict, string) {
	by, err := schemeOf(s.public)
	if err != nil {
		return attest.Invalid, attest.BelowPolicy.String()
	}
	var values [][]byte
	for i := range s.evidence.Registers {
		values = append(values, s.evidence.Registers[i][:])
	}
	// The digest is by the hash of the key's scheme, over the values in their order.
	if !bytes.Equal(s.quote.PCRDigest.Buffer, digest(by.hash, values...)) {
		return attest.Invalid, notQuoted
	}
	listed := j.listed[operation]
	if len(listed) == 0 {
		return attest.Undecided, attest.NoRoots.String()
	}
	if slices.ContainsFunc(listed, func(m map[int][32]byte) bool { return s.has(m, true) }) {
		return attest.Valid, attest.NoReason.String()
	}
	if slices.ContainsFunc(listed, func(m map[int][32]byte) bool { return s.has(m, false) }) {
		return attest.Invalid, notCovered
	}
	return attest.Malicious, attest.Unlisted.String()
}

// has says whether the quoted registers are as listed: all of them, or those that were
// quoted.
func (s *statement) has(listed map[int][32]byte, all bool) bool {
	for i, want := range listed {
		if got, ok := s.registers[i]; ok && got != want || !ok && all {
			return false
		}
	}
	return true
}

package tpm

import (
	"bytes"
	"crypto/x509"
	"errors"
	"math/bits"

	"github.com/google/go-tpm/tpm2"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// Bounds of the evidence (docs/formats/job.md).
const (
	recordType   = 0x5b
	maxEvidence  = 32 << 10
	maxChain     = 8
	maxRegisters = 32
)

// Evidence is what a TPM and its host hand out: the record of docs/formats/job.md.
type Evidence struct {
	Attest    []byte   // TPMS_ATTEST
	Signature []byte   // TPMT_SIGNATURE
	Public    []byte   // TPMT_PUBLIC of the attestation key
	Parent    []byte   // qualified name of the key's parent; of a primary key: its hierarchy
	Chain     [][]byte // certificates in DER, that of the key first, without the root
	Registers [][32]byte
}

// Encode returns the record. The caller keeps to the bounds.
func (e *Evidence) Encode() []byte {
	r := canon.NewRecord(recordType).Var16(e.Attest).Var16(e.Signature).Var16(e.Public).Var8(e.Parent).U8(uint8(len(e.Chain)))
	for _, c := range e.Chain {
		r.Var16(c)
	}
	r.U8(uint8(len(e.Registers)))
	for _, v := range e.Registers {
		r.Fixed(v[:])
	}
	return r.Bytes()
}

var errForm = errors.New("not evidence of a TPM")

// Decode reads a record strictly. What is in its fields is not looked at.
func Decode(data []byte) (*Evidence, error) {
	if len(data) > maxEvidence {
		return nil, errForm
	}
	r := canon.OpenRecord(data, recordType)
	e := &Evidence{Attest: r.Var16(), Signature: r.Var16(), Public: r.Var16(), Parent: r.Var8()}
	n := int(r.U8())
	if n < 1 || n > maxChain {
		return nil, errForm
	}
	for range n {
		e.Chain = append(e.Chain, r.Var16())
	}
	if n = int(r.U8()); n < 1 || n > maxRegisters {
		return nil, errForm
	}
	for range n {
		e.Registers = append(e.Registers, r.Hash())
	}
	return e, r.Done()
}

// statement is evidence whose fields have been read.
type statement struct {
	evidence *Evidence
	attest   *tpm2.TPMSAttest
	quote    *tpm2.TPMSQuoteInfo
	sig      *tpm2.TPMTSignature
	public   *tpm2.TPMTPublic
	chain    []*x509.Certificate
	// registers are the quoted values by their index.
	registers map[int][32]byte
}

// read reads evidence and all that is in it. What is not written as a TPM writes it is not
// read, so that no byte is without meaning.
func read(data []byte) (*statement, error) {
	e, err := Decode(data)
	if err != nil {
		return nil, err
	}
	s := &statement{evidence: e, registers: map[int][32]byte{}}
	if s.attest, err = exact[tpm2.TPMSAttest](e.Attest); err != nil {
		return nil, err
	}
	if s.sig, err = exact[tpm2.TPMTSignature](e.Signature); err != nil {
		return nil, err
	}
	if s.public, err = exact[tpm2.TPMTPublic](e.Public); err != nil {
		return nil, err
	}
	// The library has seen that the TPM made the structure (TPM_GENERATED_VALUE).
	if s.attest.Magic != tpm2.TPMGeneratedValue || s.attest.Type != tpm2.TPMSTAttestQuote {
		return nil, errForm
	}
	if s.quote, err = s.attest.Attested.Quote(); err != nil {
		return nil, err
	}
	for _, der := range e.Chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		s.chain = append(s.chain, c)
	}
	return s, s.number()
}

// exact reads a structure that is written in the one way in which the library writes it.
func exact[T tpm2.Marshallable, P interface {
	*T
	tpm2.Unmarshallable
}](data []byte) (*T, error) {
	v, err := tpm2.Unmarshal[T, P](data)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(tpm2.Marshal(*v), data) {
		return nil, errForm
	}
	return v, nil
}

// number gives the values the indexes that were selected, ascending. The one bank is that
// of SHA-256.
func (s *statement) number() error {
	selected := s.quote.PCRSelect.PCRSelections
	if len(selected) != 1 || selected[0].Hash != tpm2.TPMAlgSHA256 || len(selected[0].PCRSelect) > maxRegisters/8 {
		return errForm
	}
	next := 0
	for i, b := range selected[0].PCRSelect {
		for ; b != 0; b &= b - 1 {
			if next == len(s.evidence.Registers) {
				return errForm
			}
			s.registers[8*i+bits.TrailingZeros8(b)] = s.evidence.Registers[next]
			next++
		}
	}
	if next != len(s.evidence.Registers) {
		return errForm
	}
	return nil
}

package tee

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// MaxCollateral is the size of the largest encoded collateral.
const MaxCollateral = 64 << 10

const (
	collateralType = 0x60
	maxRootCRL     = 8 << 10
	maxPCKCRL      = 32 << 10
	signatureSize  = 64
)

// Collateral is what Intel signs about one family of platforms and one kind of TEE,
// as it was delivered: quotes are judged with it. Certificates stand without the
// root, which is pinned.
type Collateral struct {
	RootCRL   []byte // DER: what the root revoked
	PCKCA     []byte // DER: the CA that issued the PCK certificates
	PCKCRL    []byte // DER: what that CA revoked
	TCBSigner []byte // DER: the certificate that signed TCBInfo
	TCBInfo   []byte // the JSON object "tcbInfo", byte for byte
	TCBSig    []byte // r and s, 64 bytes
	QESigner  []byte // DER: the certificate that signed QEIdentity
	QEID      []byte // the JSON object "enclaveIdentity", byte for byte
	QESig     []byte // r and s, 64 bytes
}

// Facts are what a checked collateral is for, and which of two is the newer one.
type Facts struct {
	Kind       Kind
	FMSPC      [6]byte
	PCEID      [2]byte
	CA         string // name of the CA whose PCK certificates it is for
	Evaluation uint32 // the lower one of TCB info and QE identity
	Issued     uint64 // the later issue date of the two
	Until      uint64 // the earliest end of all that it consists of
	Root       [32]byte
}

// checkSizes bounds every part, before any is parsed.
func (c *Collateral) checkSizes() error {
	for _, p := range []struct {
		in   Part
		b    []byte
		most int
	}{{InRootCRL, c.RootCRL, maxRootCRL}, {InPCKCA, c.PCKCA, maxCertificate}, {InPCKCRL, c.PCKCRL, maxPCKCRL}, {InTCBSigner, c.TCBSigner, maxCertificate},
		{InTCBInfo, c.TCBInfo, maxTCBInfo}, {InQESigner, c.QESigner, maxCertificate}, {InQEIdentity, c.QEID, maxQEIdentity}} {
		if len(p.b) > p.most {
			return refuse(p.in, Size, "%d bytes, at most %d are read", len(p.b), p.most)
		}
	}
	if len(c.TCBSig) != signatureSize {
		return refuse(InTCBInfo, Form, "a signature of %d bytes, want %d", len(c.TCBSig), signatureSize)
	}
	if len(c.QESig) != signatureSize {
		return refuse(InQEIdentity, Form, "a signature of %d bytes, want %d", len(c.QESig), signatureSize)
	}
	return nil
}

// Encode returns the one binary form of the collateral (docs/formats/tee.md).
// Errors: *Refusal.
func (c *Collateral) Encode() ([]byte, error) {
	if err := c.checkSizes(); err != nil {
		return nil, err
	}
	r := canon.NewRecord(collateralType).Var16(c.RootCRL).Var16(c.PCKCA).Var16(c.PCKCRL).
		Var16(c.TCBSigner).Var16(c.TCBInfo).Fixed(c.TCBSig).
		Var16(c.QESigner).Var16(c.QEID).Fixed(c.QESig).Bytes()
	if len(r) > MaxCollateral {
		return nil, refuse(InCollateral, Size, "%d bytes, at most %d are read", len(r), MaxCollateral)
	}
	return r, nil
}

// DecodeCollateral reads the binary form; nothing but the layout and the sizes is
// looked at. The result shares memory with data. Errors: *Refusal.
func DecodeCollateral(data []byte) (*Collateral, error) {
	if len(data) > MaxCollateral {
		return nil, refuse(InCollateral, Size, "%d bytes, at most %d are read", len(data), MaxCollateral)
	}
	r := canon.OpenRecord(data, collateralType)
	c := &Collateral{RootCRL: r.Var16(), PCKCA: r.Var16(), PCKCRL: r.Var16(), TCBSigner: r.Var16(), TCBInfo: r.Var16(), TCBSig: r.Fixed(signatureSize),
		QESigner: r.Var16(), QEID: r.Var16(), QESig: r.Fixed(signatureSize)}
	if err := r.Done(); err != nil {
		return nil, refuse(InCollateral, Form, "%s", err)
	}
	if err := c.checkSizes(); err != nil {
		return nil, err
	}
	return c, nil
}

// CheckCollateral verifies everything that can be verified without a quote: that all
// signatures lead to one pinned root, and that all of it is valid now. Errors:
// *Refusal.
func CheckCollateral(c *Collateral, roots *Roots, now uint64) (*Facts, error) {
	o, err := c.open(roots, now)
	if err != nil {
		return nil, err
	}
	return o.facts(), nil
}

// opened is collateral whose signatures and times are good.
type opened struct {
	root    *x509.Certificate
	rootCRL *x509.RevocationList
	pckCA   *x509.Certificate
	pckCRL  *x509.RevocationList
	signers [2]*x509.Certificate
	tcb     *tcbInfo
	qe      *qeIdentity
}

// open verifies from the root downwards.
func (c *Collateral) open(roots *Roots, now uint64) (*opened, error) {
	if c == nil || roots == nil {
		return nil, refuse(InCollateral, Form, "no collateral, or no roots")
	}
	if err := c.checkSizes(); err != nil {
		return nil, err
	}
	o := &opened{}
	if err := o.openCA(c, roots, now); err != nil {
		return nil, err
	}
	tcb, err := o.signer(InTCBSigner, c.TCBSigner, now)
	if err != nil {
		return nil, err
	}
	qe := tcb
	if !bytes.Equal(c.QESigner, c.TCBSigner) {
		if qe, err = o.signer(InQESigner, c.QESigner, now); err != nil {
			return nil, err
		}
	}
	o.signers = [2]*x509.Certificate{tcb, qe}
	if !signedBy(tcb.PublicKey.(*ecdsa.PublicKey), c.TCBInfo, c.TCBSig) {
		return nil, refuse(InTCBInfo, Signature, "not signed by %s", name(tcb))
	}
	if !signedBy(qe.PublicKey.(*ecdsa.PublicKey), c.QEID, c.QESig) {
		return nil, refuse(InQEIdentity, Signature, "not signed by %s", name(qe))
	}
	return o, o.read(c, now)
}

// openCA verifies root, root CRL, CA and the CA's CRL.
func (o *opened) openCA(c *Collateral, roots *Roots, now uint64) (err error) {
	if o.pckCA, err = parseCertificate(InPCKCA, c.PCKCA); err != nil {
		return err
	}
	if o.root, err = roots.issuer(InPCKCA, o.pckCA); err != nil {
		return err
	}
	if err = checkTimes(InRoot, o.root, now); err != nil {
		return err
	}
	if o.rootCRL, err = readCRL(InRootCRL, c.RootCRL, o.root, now); err != nil {
		return err
	}
	if err = checkListed(InRoot, o.root, o.rootCRL); err != nil {
		return err
	}
	if err = o.checkCA(InPCKCA, o.pckCA, now); err != nil {
		return err
	}
	o.pckCRL, err = readCRL(InPCKCRL, c.PCKCRL, o.pckCA, now)
	return err
}

// checkCA wants a certificate of the root to be a CA for PCK certificates, valid and
// not revoked.
func (o *opened) checkCA(in Part, ca *x509.Certificate, now uint64) error {
	if err := checkRole(in, ca, true, wordsCA); err != nil {
		return err
	}
	if err := checkTimes(in, ca, now); err != nil {
		return err
	}
	return checkListed(in, ca, o.rootCRL)
}

// signer reads the certificate that signs JSON.
func (o *opened) signer(in Part, der []byte, now uint64) (*x509.Certificate, error) {
	cert, err := parseCertificate(in, der)
	if err != nil {
		return nil, err
	}
	if err := checkIssued(in, cert, o.root); err != nil {
		return nil, err
	}
	if err := checkRole(in, cert, false, wordsSigner); err != nil {
		return nil, err
	}
	if err := checkTimes(in, cert, now); err != nil {
		return nil, err
	}
	return cert, checkListed(in, cert, o.rootCRL)
}

// read reads both JSON texts, whose signatures are good.
func (o *opened) read(c *Collateral, now uint64) (err error) {
	if o.tcb, err = readTCBInfo(c.TCBInfo); err != nil {
		return err
	}
	if err = within(InTCBInfo, int64(o.tcb.issued), int64(o.tcb.next), now); err != nil {
		return err
	}
	if o.qe, err = readQEIdentity(c.QEID); err != nil {
		return err
	}
	if err = within(InQEIdentity, int64(o.qe.issued), int64(o.qe.next), now); err != nil {
		return err
	}
	if o.qe.kind != o.tcb.kind {
		return refuse(InQEIdentity, Mismatch, "it is for %s, the TCB info for %s", o.qe.kind, o.tcb.kind)
	}
	return nil
}

func (o *opened) facts() *Facts {
	until := min(o.tcb.next, o.qe.next)
	for _, end := range []int64{o.root.NotAfter.Unix(), o.pckCA.NotAfter.Unix(), o.signers[0].NotAfter.Unix(), o.signers[1].NotAfter.Unix(),
		o.rootCRL.NextUpdate.Unix(), o.pckCRL.NextUpdate.Unix()} {
		until = min(until, uint64(end)) // not negative: all ends are after now
	}
	return &Facts{Kind: o.tcb.kind, FMSPC: o.tcb.fmspc, PCEID: o.tcb.pceID, CA: name(o.pckCA), Evaluation: min(o.tcb.evaluation, o.qe.evaluation),
		Issued: max(o.tcb.issued, o.qe.issued), Until: until, Root: canon.Sum(o.root.Raw)}
}

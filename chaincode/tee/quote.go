package tee

import (
	"bytes"
	"encoding/binary"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// MaxQuote is the size of the largest quote that is read. Those of today have about
// 5,000 bytes.
const MaxQuote = 16 << 10

// Kind is what makes quotes.
type Kind uint8

// The kinds.
const (
	SGX Kind = 1
	TDX Kind = 2
)

// String returns the name in Intel's collateral.
func (k Kind) String() string {
	switch k {
	case SGX:
		return "SGX"
	case TDX:
		return "TDX"
	}
	return "unknown"
}

// Quote is what the bytes of a quote say. Only their layout was looked at: whoever
// believes it before Appraise believes whoever wrote the bytes.
type Quote struct {
	Version    uint16
	Kind       Kind
	SGX        *SGXReport // of kind SGX
	TDX        *TDXReport // of kind TDX
	ReportData [64]byte

	signed      []byte // header, descriptor and body: what the attestation key signs
	signature   []byte
	key         []byte // the attestation key, x and y
	qe          []byte // report of the quoting enclave
	qeSignature []byte // by the PCK certificate's key
	qeAuth      []byte
	chain       []byte // PEM: PCK certificate, CA, root
}

const (
	headerSize     = 48
	descriptorSize = 6
	teeSGX         = 0x00
	teeTDX         = 0x81
	keyP256        = 2
	body10         = 2 // of a descriptor: TD report 1.0
	body15         = 3
	certChain      = 5 // certification data: PCK certificate and its chain in PEM
	certQE         = 6 // certification data: QE report and what certifies it
)

// vendor is Intel's quoting enclave; other vendors' quotes have other layouts.
var vendor = []byte{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07}

// Read reads the layout of a quote, all of it and nothing more; no signature is
// looked at. The result shares memory with data. Errors: *Refusal in InQuote.
func Read(data []byte) (*Quote, error) {
	if len(data) > MaxQuote {
		return nil, refuse(InQuote, Size, "%d bytes, at most %d are read", len(data), MaxQuote)
	}
	c := cursor{b: data}
	q := &Quote{}
	if err := q.header(&c); err != nil {
		return nil, err
	}
	size, err := q.bodySize(&c)
	if err != nil {
		return nil, err
	}
	body := c.take(size)
	if c.short {
		return nil, refuse(InQuote, Form, "%d bytes end within the body", len(data))
	}
	q.signed = data[:len(data)-len(c.b)]
	if q.Kind == SGX {
		q.SGX = readSGX(body)
		q.ReportData = q.SGX.ReportData
	} else {
		q.TDX = readTDX(body)
		q.ReportData = q.TDX.ReportData
	}
	authentic := cursor{b: c.sized()}
	switch {
	case c.short:
		return nil, refuse(InQuote, Form, "the stated signature data is longer than the quote")
	case len(c.b) != 0:
		return nil, refuse(InQuote, Trailing, "%d bytes after the signature data", len(c.b))
	}
	if err := q.authentication(authentic); err != nil {
		return nil, err
	}
	return q, nil
}

// header reads version, kind and vendor.
func (q *Quote) header(c *cursor) error {
	h := c.take(headerSize)
	if h == nil {
		return refuse(InQuote, Form, "shorter than a header")
	}
	q.Version = binary.LittleEndian.Uint16(h)
	keyType, tee := binary.LittleEndian.Uint16(h[2:]), binary.LittleEndian.Uint32(h[4:])
	switch {
	case q.Version == 3 && tee == teeSGX:
		q.Kind = SGX
	case (q.Version == 4 || q.Version == 5) && tee == teeTDX:
		q.Kind = TDX
	default:
		return refuse(InQuote, Version, "version %d of type %#x", q.Version, tee)
	}
	if keyType != keyP256 {
		return refuse(InQuote, Version, "attestation key of type %d", keyType)
	}
	if !bytes.Equal(h[12:28], vendor) {
		return refuse(InQuote, Version, "quoting enclave of vendor %x", h[12:28])
	}
	return nil
}

// bodySize returns how long the body is; version 5 states it in a descriptor, which
// must agree with its type.
func (q *Quote) bodySize(c *cursor) (int, error) {
	switch q.Version {
	case 3:
		return sgxReportSize, nil
	case 4:
		return td10Size, nil
	}
	kind, size := c.u16(), c.u32()
	switch {
	case c.short:
		return 0, refuse(InQuote, Form, "shorter than a body descriptor")
	case kind == body10 && size == td10Size, kind == body15 && size == td15Size:
		return int(size), nil
	}
	return 0, refuse(InQuote, Version, "body of type %d with %d bytes", kind, size)
}

// authentication reads the signature data: in version 3 flat, later with everything
// about the QE inside certification data of its own.
func (q *Quote) authentication(c cursor) error {
	q.signature, q.key = c.take(64), c.take(64)
	if q.Version != 3 {
		kind := c.u16()
		inner := c.sized()
		switch {
		case !c.done():
			return refuse(InQuote, Form, "signature data with a certification of another length")
		case kind != certQE:
			return refuse(InQuote, Version, "certification data of type %d", kind)
		}
		c = cursor{b: inner}
	}
	q.qe, q.qeSignature = c.take(sgxReportSize), c.take(64)
	q.qeAuth = c.take(int(c.u16()))
	kind := c.u16()
	q.chain = c.sized()
	switch {
	case !c.done():
		return refuse(InQuote, Form, "certification of the QE with another length")
	case kind != certChain:
		return refuse(InQuote, Version, "certification of the QE of type %d; the PCK certificate chain is needed (5)", kind)
	}
	return nil
}

// Digest identifies what the quote says: SHA-256 of header and body. The bytes of a
// quote do not, since signatures have a second form.
func (q *Quote) Digest() [32]byte { return canon.Sum(q.signed) }

// Trim returns data without what follows the quote: devices pad quotes with zeros to
// a fixed size. It returns data itself when it states no length within it.
func Trim(data []byte) []byte {
	c := cursor{b: data}
	q := &Quote{}
	if q.header(&c) != nil {
		return data
	}
	size, err := q.bodySize(&c)
	if err != nil {
		return data
	}
	c.take(size)
	c.sized()
	if c.short {
		return data
	}
	return data[:len(data)-len(c.b)]
}

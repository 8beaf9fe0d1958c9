package simulated

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/killick-ledger/killick/chaincode/tee"
)

var le = binary.LittleEndian

// intelQE is the vendor id of Intel's quoting enclave.
var intelQE = []byte{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07}

// Quote returns the platform's quote over the report data.
func (p *Platform) Quote(reportData [64]byte) []byte {
	s := p.spec
	signed := append(s.header(), s.body(reportData)...)
	key, err := p.attestKey.PublicKey.Bytes()
	if err != nil {
		panic(fmt.Sprintf("simulated: %v", err))
	}
	key = key[1:]
	if s.Key != nil {
		s.Key(key)
	}
	out := append(sign(s.signer(tee.InQuote, p.attestKey), signed), key...)
	certification := p.certification(key)
	if s.Version != 3 {
		out = le.AppendUint32(le.AppendUint16(out, 6), uint32(len(certification)))
	}
	out = append(out, certification...)
	return append(le.AppendUint32(signed, uint32(len(out))), out...)
}

// certification is what vouches for the attestation key: the QE's report, its
// signature by the PCK certificate's key, and the chain.
func (p *Platform) certification(key []byte) []byte {
	s := p.spec
	report := s.QE
	report.ReportData = [64]byte{}
	bound := sha256.Sum256(append(append([]byte{}, key...), s.QEAuth...))
	if !s.Unbound {
		copy(report.ReportData[:], bound[:])
	}
	qe := sgxBytes(&report)
	if s.QEReport != nil {
		s.QEReport(qe)
	}
	out := append(qe, sign(s.signer(tee.InQE, s.key("pck")), qe)...)
	out = append(le.AppendUint16(out, uint16(len(s.QEAuth))), s.QEAuth...)
	return append(le.AppendUint32(le.AppendUint16(out, 5), uint32(len(p.chain))), p.chain...)
}

func (s *Spec) header() []byte {
	kind := uint32(0)
	if s.Kind == tee.TDX {
		kind = 0x81
	}
	h := le.AppendUint32(le.AppendUint16(le.AppendUint16(nil, s.Version), 2), kind)
	h = append(le.AppendUint16(le.AppendUint16(h, s.QE.SVN), s.PCESVN), intelQE...)
	user := sha256.Sum256([]byte(s.Seed + "\nplatform"))
	h = append(h, user[:20]...)
	if s.Header != nil {
		s.Header(h)
	}
	return h
}

// body is the report, in version 5 with its descriptor.
func (s *Spec) body(reportData [64]byte) []byte {
	var out []byte
	if s.Kind == tee.SGX {
		report := s.SGX
		report.ReportData = reportData
		return sgxBytes(&report)
	}
	report := s.TDX
	report.ReportData = reportData
	td15 := s.Version == 5 && s.TD15
	body := tdxBytes(&report, td15)
	if s.Version == 5 {
		kind := uint16(2)
		if td15 {
			kind = 3
		}
		out = le.AppendUint32(le.AppendUint16(out, kind), uint32(len(body)))
	}
	return append(out, body...)
}

func sgxBytes(r *tee.SGXReport) []byte {
	b := make([]byte, 384)
	copy(b, r.CPUSVN[:])
	copy(b[16:], r.MiscSelect[:])
	copy(b[48:], r.Attributes[:])
	copy(b[64:], r.MREnclave[:])
	copy(b[128:], r.MRSigner[:])
	copy(b[192:], r.ConfigID[:])
	le.PutUint16(b[256:], r.ProdID)
	le.PutUint16(b[258:], r.SVN)
	le.PutUint16(b[260:], r.ConfigSVN)
	copy(b[320:], r.ReportData[:])
	return b
}

func tdxBytes(r *tee.TDXReport, td15 bool) []byte {
	var b []byte
	for _, field := range [][]byte{r.TCBSVN[:], r.MRSeam[:], r.MRSignerSeam[:], r.SeamAttributes[:], r.Attributes[:], r.XFAM[:], r.MRTD[:], r.MRConfigID[:],
		r.MROwner[:], r.MROwnerConfig[:], r.RTMR[0][:], r.RTMR[1][:], r.RTMR[2][:], r.RTMR[3][:], r.ReportData[:]} {
		b = append(b, field...)
	}
	if td15 {
		b = append(append(b, r.TCBSVN2[:]...), r.MRServiceTD[:]...)
	}
	return b
}

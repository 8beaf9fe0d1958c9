package tee

import (
	"crypto/x509"
	"encoding/asn1"
)

// pckTCB is what the PCK certificate says of its platform.
type pckTCB struct {
	ppid       [16]byte // of the machine; zero where the certificate does not say
	fmspc      [6]byte  // family and model
	pceID      [2]byte
	components [16]uint8 // security versions of the platform's parts
	pceSVN     uint16
}

// sgxExtension is Intel's extension of PCK certificates.
var sgxExtension = asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}

// The members that are read of the extension and of its TCB, by the last number of
// their identifiers.
const (
	pckPPIDMember  = 1
	pckTCBMember   = 2
	pckPCEIDMember = 3
	pckFMSPCMember = 4
	tcbPCESVN      = 17
	tcbCPUSVN      = 18
)

type extensionMember struct {
	ID    asn1.ObjectIdentifier
	Value asn1.RawValue
}

// readPCK reads Intel's extension of a PCK certificate, which must be there once.
func readPCK(cert *x509.Certificate) (*pckTCB, error) {
	var value []byte
	for _, e := range cert.Extensions {
		if e.Id.Equal(sgxExtension) {
			value = e.Value // x509 refuses a second one
		}
	}
	members, ok := readMembers(value, sgxExtension)
	p := &pckTCB{}
	if !ok || !octets(members[pckFMSPCMember], p.fmspc[:]) || !octets(members[pckPCEIDMember], p.pceID[:]) || !p.readTCB(members[pckTCBMember]) {
		return nil, refuse(InPCK, Form, "%s lacks Intel's extension in its form", name(cert))
	}
	octets(members[pckPPIDMember], p.ppid[:]) // no appraisal needs it
	return p, nil
}

// readTCB reads the 16 security versions, and that of the PCE.
func (p *pckTCB) readTCB(v *asn1.RawValue) bool {
	if v == nil {
		return false
	}
	members, ok := readMembers(v.FullBytes, append(sgxExtension[:len(sgxExtension):len(sgxExtension)], pckTCBMember))
	var cpuSVN [16]byte // the components again, as the processor has them: not compared
	if !ok || !octets(members[tcbCPUSVN], cpuSVN[:]) {
		return false
	}
	for i := range p.components {
		n, ok := integer(members[i+1], 0xff)
		if !ok {
			return false
		}
		p.components[i] = uint8(n)
	}
	n, ok := integer(members[tcbPCESVN], 0xffff)
	p.pceSVN = uint16(n)
	return ok
}

// readMembers reads a sequence of members whose identifiers are the prefix and one
// number below 32, each once.
func readMembers(der []byte, prefix asn1.ObjectIdentifier) (found [32]*asn1.RawValue, ok bool) {
	var members []extensionMember
	if rest, err := asn1.Unmarshal(der, &members); err != nil || len(rest) != 0 {
		return found, false
	}
	for i := range members {
		id := members[i].ID
		if len(id) != len(prefix)+1 || !id[:len(prefix)].Equal(prefix) {
			return found, false
		}
		last := id[len(prefix)]
		if last < 0 || last >= len(found) || found[last] != nil {
			return found, false
		}
		found[last] = &members[i].Value
	}
	return found, true
}

// octets reads an octet string of exactly this length.
func octets(v *asn1.RawValue, into []byte) bool {
	if v == nil || v.Class != asn1.ClassUniversal || v.Tag != asn1.TagOctetString || v.IsCompound || len(v.Bytes) != len(into) {
		return false
	}
	copy(into, v.Bytes)
	return true
}

// integer reads an integer from 0 to most.
func integer(v *asn1.RawValue, most int) (int, bool) {
	if v == nil {
		return 0, false
	}
	n := 0
	rest, err := asn1.Unmarshal(v.FullBytes, &n)
	return n, err == nil && len(rest) == 0 && n >= 0 && n <= most
}

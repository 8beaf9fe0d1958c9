package simulated

import (
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
)

type member struct {
	ID    asn1.ObjectIdentifier
	Value any
}

var extensionID = asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}

func id(numbers ...int) asn1.ObjectIdentifier {
	return append(extensionID[:len(extensionID):len(extensionID)], numbers...)
}

// extension is Intel's extension of PCK certificates: PPID, TCB, PCE id, FMSPC, type.
func (s *Spec) extension() pkix.Extension {
	var tcb []member
	for i, svn := range s.Components {
		tcb = append(tcb, member{id(2, i+1), int(svn)})
	}
	tcb = append(tcb, member{id(2, 17), int(s.PCESVN)}, member{id(2, 18), s.Components[:]})
	ppid := sha256.Sum256([]byte(s.Seed + "\nppid" + s.Machine))
	value, err := asn1.Marshal([]member{{id(1), ppid[:16]}, {id(2), tcb}, {id(3), s.PCEID[:]}, {id(4), s.FMSPC[:]}, {id(5), asn1.Enumerated(0)}})
	if err != nil {
		panic(fmt.Sprintf("simulated: %v", err))
	}
	return pkix.Extension{Id: extensionID, Value: value}
}

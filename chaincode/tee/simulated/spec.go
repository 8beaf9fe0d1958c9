// Package simulated makes quotes as a platform with Intel SGX or TDX would, with
// roots, certificates, revocation lists and collateral of its own. It stands in for
// hardware in tests and demonstrations: tee appraises its quotes with the same code
// as Intel's, against the simulated root, which nobody should pin who pays real
// money. Keys, certificates and quotes follow from the seed: whoever knows it can
// make any quote.
//
// A Spec can also ask for what a good platform never does (a forged signature, an
// expired list, a debugger), so that refusals can be tested.
package simulated

import (
	"crypto/x509"
	"slices"

	"github.com/killick-ledger/killick/chaincode/tee"
)

// Spec says what the platform is like. Begin with Default.
type Spec struct {
	Seed    string
	Machine string // of several machines with the same keys of their vendor, which this is
	Now     uint64 // all validities are around this time
	Kind    tee.Kind
	Version uint16 // of quotes
	TD15    bool   // quotes of version 5 have a TD report 1.5
	Intel   bool   // certificates have Intel's names, as other verifiers want them; the root stays the simulated one

	FMSPC      [6]byte
	PCEID      [2]byte
	Components [16]uint8
	PCESVN     uint16

	Evaluation   uint32 // of the TCB info
	Levels       []Level
	Module       Module // of version 0
	Modules      []Module
	QEEvaluation uint32
	QELevels     []SVNLevel
	QE           tee.SGXReport // report data is set by the platform
	QESigned     QEIdentity
	OwnQESigner  bool // the QE identity is signed under another certificate than the TCB info
	TwinCA       bool // the CA has another key than without this, under the same name
	TwinRoot     bool // the same of the root
	ProcessorCA  bool // the PCK certificate is of the processor CA, not the platform CA

	SGX    tee.SGXReport // of quotes; report data is set for each
	TDX    tee.TDXReport
	QEAuth []byte

	// What a good platform never does.
	Times    map[tee.Part]Validity // of certificates, lists and texts
	Forge    []tee.Part            // signed by another key than the one that should
	Revoke   []tee.Part            // certificates that their issuer's list names
	Unbound  bool                  // the QE's report names another attestation key
	Text     map[tee.Part]func(text string) string
	Cert     func(part tee.Part, t *x509.Certificate)    // before it is signed
	List     func(part tee.Part, t *x509.RevocationList) // before it is signed
	Key      func(key []byte)                            // the attestation key as quotes state it
	Header   func(header []byte)
	QEReport func(report []byte)
	Chain    func(pem []byte) []byte
}

// Validity is from when until when something is valid, in seconds.
type Validity struct{ From, Until uint64 }

// Verdict is what a level says of those who reach it.
type Verdict struct {
	Date       uint64
	Status     string
	Advisories []string
}

// Level is one of a TCB info.
type Level struct {
	SGX [16]uint8
	PCE uint16
	TDX [16]uint8
	Verdict
}

// SVNLevel is one of a QE identity or of a TDX module.
type SVNLevel struct {
	SVN uint16
	Verdict
}

// Module is a generation of TDX modules.
type Module struct {
	ID         string
	Signer     [48]byte
	Attributes [8]byte
	Levels     []SVNLevel
}

// QEIdentity is what the QE identity says of quoting enclaves, levels apart.
type QEIdentity struct {
	MiscSelect, MiscMask [4]byte
	Attributes, Mask     [16]byte
	MRSigner             [32]byte
	ProdID               uint16
}

const day = 86400

// Default returns a platform that is up to date, with levels below it.
func Default(kind tee.Kind, seed string, now uint64) *Spec {
	s := &Spec{Seed: seed, Now: now, Kind: kind, Version: 3, FMSPC: [6]byte{0x51, 0x4d, 0x55, 0x1a, 0x7e, 0xd0}, PCESVN: 13, Evaluation: 20, QEEvaluation: 20,
		Components: [16]uint8{6, 6, 2, 2, 4, 1, 0, 5}, QEAuth: count(32), Times: map[tee.Part]Validity{}, Text: map[tee.Part]func(string) string{}}
	if kind == tee.TDX {
		s.Version = 4
	}
	s.Levels = []Level{
		{SGX: s.Components, PCE: 13, TDX: [16]uint8{5, 0, 4}, Verdict: Verdict{now - 60*day, "UpToDate", nil}},
		{SGX: [16]uint8{5, 5, 2, 2, 4, 1, 0, 5}, PCE: 13, TDX: [16]uint8{5, 0, 3}, Verdict: Verdict{now - 200*day, "OutOfDate", []string{"SIM-SA-00002"}}},
		{SGX: [16]uint8{2, 2, 2, 2, 3, 1, 0, 5}, PCE: 5, TDX: [16]uint8{3}, Verdict: Verdict{now - 900*day, "Revoked", []string{"SIM-SA-00001", "SIM-SA-00002"}}},
	}
	s.Modules = []Module{
		{ID: "TDX_03", Levels: []SVNLevel{{SVN: 3, Verdict: Verdict{now - 60*day, "UpToDate", nil}}}},
		{ID: "TDX_01", Levels: []SVNLevel{{SVN: 6, Verdict: Verdict{now - 60*day, "UpToDate", nil}}, {SVN: 2, Verdict: Verdict{now - 400*day, "OutOfDate", []string{"SIM-SA-00003"}}}}},
	}
	s.QELevels = []SVNLevel{{SVN: 8, Verdict: Verdict{now - 60*day, "UpToDate", nil}}, {SVN: 6, Verdict: Verdict{now - 300*day, "OutOfDate", []string{"SIM-SA-00004"}}},
		{SVN: 1, Verdict: Verdict{now - 800*day, "Revoked", nil}}}
	s.QE = tee.SGXReport{Attributes: [16]byte{0x15}, MRSigner: fill32(0x8c), ProdID: 1, SVN: 8}
	s.QESigned = QEIdentity{MiscMask: [4]byte{0xff, 0xff, 0xff, 0xff}, Attributes: [16]byte{0x11}, MRSigner: fill32(0x8c), ProdID: 1,
		Mask: [16]byte{0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	if kind == tee.TDX {
		s.QE.ProdID, s.QESigned.ProdID = 2, 2
	}
	s.SGX = tee.SGXReport{Attributes: [16]byte{0x05, 0, 0, 0, 0, 0, 0, 0, 0xe7}, MREnclave: fill32(0xe1), MRSigner: fill32(0x51), ProdID: 7, SVN: 3}
	s.TDX = tee.TDXReport{TCBSVN: [16]byte{6, 1, 4}, TCBSVN2: [16]byte{6, 1, 4}, MRSeam: fill48(0x5e), Attributes: [8]byte{0, 0, 0, 0x10}, XFAM: [8]byte{0xe7},
		MRTD: fill48(0x7d), RTMR: [4][48]byte{fill48(0), fill48(1), fill48(2), fill48(3)}}
	return s
}

func count(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func fill32(b byte) (out [32]byte) { copy(out[:], slices.Repeat([]byte{b}, 32)); return out }

func fill48(b byte) (out [48]byte) { copy(out[:], slices.Repeat([]byte{b}, 48)); return out }

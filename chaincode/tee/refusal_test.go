package tee_test

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

func sum(b []byte) [32]byte { return sha256.Sum256(b) }

// refusals are what a good platform never does, for every form of quote.
var refusals = []struct {
	name string
	do   func(s *simulated.Spec)
	want string
}{
	{"root that is not valid yet", times(tee.InRoot, now+1, now+9), "root/early"},
	{"root that has expired", times(tee.InRoot, now-9, now-1), "root/expired"},
	{"root on its own list", revoke(tee.InRoot), "root/revoked"},
	{"root CRL that is not valid yet", times(tee.InRootCRL, now+1, now+9), "root_crl/early"},
	{"root CRL that has expired", times(tee.InRootCRL, now-9, now-1), "root_crl/expired"},
	{"root CRL of somebody else", forge(tee.InRootCRL), "root_crl/signature"},
	{"CA that is not valid yet", times(tee.InPCKCA, now+1, now+9), "pck_ca/early"},
	{"CA that has expired", times(tee.InPCKCA, now-9, now-1), "pck_ca/expired"},
	{"CA that was revoked", revoke(tee.InPCKCA), "pck_ca/revoked"},
	{"CA of somebody else", forge(tee.InPCKCA), "chain/signature"},
	{"PCK CRL that is not valid yet", times(tee.InPCKCRL, now+1, now+9), "pck_crl/early"},
	{"PCK CRL that has expired", times(tee.InPCKCRL, now-9, now-1), "pck_crl/expired"},
	{"PCK CRL of somebody else", forge(tee.InPCKCRL), "pck_crl/signature"},
	{"TCB signer that is not valid yet", times(tee.InTCBSigner, now+1, now+9), "tcb_signer/early"},
	{"TCB signer that has expired", times(tee.InTCBSigner, now-9, now-1), "tcb_signer/expired"},
	{"TCB signer that was revoked", revoke(tee.InTCBSigner), "tcb_signer/revoked"},
	{"TCB signer of somebody else", forge(tee.InTCBSigner), "tcb_signer/signature"},
	{"QE signer that has expired", both(ownSigner, times(tee.InQESigner, now-9, now-1)), "qe_signer/expired"},
	{"QE signer that was revoked", both(ownSigner, revoke(tee.InQESigner)), "qe_signer/revoked"},
	{"QE signer of somebody else", both(ownSigner, forge(tee.InQESigner)), "qe_signer/signature"},
	{"TCB info that is not valid yet", times(tee.InTCBInfo, now+1, now+9), "tcb_info/early"},
	{"TCB info that has expired", times(tee.InTCBInfo, now-9, now-1), "tcb_info/expired"},
	{"TCB info of somebody else", forge(tee.InTCBInfo), "tcb_info/signature"},
	{"QE identity that is not valid yet", times(tee.InQEIdentity, now+1, now+9), "qe_identity/early"},
	{"QE identity that has expired", times(tee.InQEIdentity, now-9, now-1), "qe_identity/expired"},
	{"QE identity of somebody else", forge(tee.InQEIdentity), "qe_identity/signature"},
	{"PCK certificate that is not valid yet", times(tee.InPCK, now+1, now+9), "pck/early"},
	{"PCK certificate that has expired", times(tee.InPCK, now-9, now-1), "pck/expired"},
	{"PCK certificate that was revoked", revoke(tee.InPCK), "pck/revoked"},
	{"PCK certificate of somebody else", forge(tee.InPCK), "pck/signature"},
	{"QE report of somebody else", forge(tee.InQE), "qe/signature"},
	{"quote of somebody else", forge(tee.InQuote), "quote/signature"},
	{"attestation key that the QE does not name", func(s *simulated.Spec) { s.Unbound = true }, "key/mismatch"},
	{"report data of the QE with a tail", func(s *simulated.Spec) { s.QEReport = func(b []byte) { b[383] = 1 } }, "key/mismatch"},
	{"QE of another signer", func(s *simulated.Spec) { s.QE.MRSigner[0]++ }, "qe/mismatch"},
	{"QE of another product", func(s *simulated.Spec) { s.QE.ProdID++ }, "qe/mismatch"},
	{"QE under a debugger", func(s *simulated.Spec) { s.QE.Attributes[0] |= 2 }, "qe/attributes"},
	{"QE with another MISCSELECT", func(s *simulated.Spec) { s.QE.MiscSelect[3] = 1 }, "qe/attributes"},
	{"QE below all levels", func(s *simulated.Spec) { s.QE.SVN = 0 }, "qe/unsupported"},
	{"QE level with a new status", func(s *simulated.Spec) { s.QELevels[0].Status = "Splendid" }, "qe/unsupported"},
	{"another FMSPC", change(tee.InTCBInfo, `"fmspc":"514d551a7ed0"`, `"fmspc":"514d551a7ed1"`), "tcb_info/mismatch"},
	{"another PCE", change(tee.InTCBInfo, `"pceId":"0000"`, `"pceId":"0001"`), "tcb_info/mismatch"},
	{"platform below all levels", func(s *simulated.Spec) { s.Components = [16]uint8{} }, "tcb/unsupported"},
	{"PCE below all levels", func(s *simulated.Spec) { s.PCESVN = 0 }, "tcb/unsupported"},
	{"platform level with a new status", func(s *simulated.Spec) { s.Levels[0].Status = "Splendid" }, "tcb/unsupported"},
	{"no levels", func(s *simulated.Spec) { s.Levels = []simulated.Level{} }, "tcb/unsupported"},
	{"debugging", func(s *simulated.Spec) { s.SGX.Attributes[0] |= 2; s.TDX.Attributes[0] |= 1 }, "body/debug"},
	{"key of another type", header(2, 3), "quote/version"},
	{"version 2", header(0, 2), "quote/version"},
	{"version 6", header(0, 6), "quote/version"},
	{"another TEE", header(4, 0x82), "quote/version"},
	{"another TEE in the upper bytes", header(7, 1), "quote/version"},
	{"QE of another vendor", header(12, 0), "quote/version"},
	{"two certificates", func(s *simulated.Spec) {
		s.Chain = func(text []byte) []byte { return text[:bytes.LastIndex(text, []byte("-----BEGIN"))] }
	}, "chain/form"},
	{"root of another spelling", func(s *simulated.Spec) {
		s.Chain = func(text []byte) []byte { return append(text, text[bytes.LastIndex(text, []byte("-----BEGIN")):]...) }
	}, "chain/form"},
	{"CA as its own root", func(s *simulated.Spec) {
		s.Chain = func(text []byte) []byte {
			parts := bytes.SplitAfter(text, []byte("-----END CERTIFICATE-----\n"))
			return bytes.Join([][]byte{parts[0], parts[1], parts[1]}, nil)
		}
	}, "chain/issuer"},
	{"CA as PCK certificate", func(s *simulated.Spec) {
		s.Chain = func(text []byte) []byte {
			parts := bytes.SplitAfter(text, []byte("-----END CERTIFICATE-----\n"))
			return bytes.Join([][]byte{parts[1], parts[1], parts[2]}, nil)
		}
	}, "pck/issuer"},
	{"words before the certificates", func(s *simulated.Spec) {
		s.Chain = func(text []byte) []byte { return append([]byte("certificates\n"), text...) }
	}, "chain/form"},
	{"lines with blanks", func(s *simulated.Spec) {
		s.Chain = func(text []byte) []byte { return bytes.Replace(text, []byte("\nMII"), []byte("\n MII"), 1) }
	}, "chain/form"},
	{"a zero byte in place of the last line break", func(s *simulated.Spec) {
		s.Chain = func(text []byte) []byte { return append(text[:len(text)-1], 0) }
	}, "chain/form"},
	{"a long chain", func(s *simulated.Spec) {
		s.Chain = func(text []byte) []byte { return bytes.Repeat(text, 8) }
	}, "quote/size"},
	{"TCB info of version 2", change(tee.InTCBInfo, `"version":3`, `"version":2`), "tcb_info/version"},
	{"TCB info of another type", change(tee.InTCBInfo, `"tcbType":0`, `"tcbType":1`), "tcb_info/version"},
	{"TCB info of another TEE", change(tee.InTCBInfo, `"id":"`, `"id":"X`), "tcb_info/version"},
	{"TCB info with a member twice", change(tee.InTCBInfo, `"version":3`, `"version":3,"version":3`), "tcb_info/form"},
	{"TCB info without dates", change(tee.InTCBInfo, `"issueDate"`, `"issuedate"`), "tcb_info/form"},
	{"TCB info with 15 components", change(tee.InTCBInfo, `{"svn":6},`, ``), "tcb_info/form"},
	{"TCB info with a component of 256", change(tee.InTCBInfo, `{"svn":6}`, `{"svn":256}`), "tcb_info/form"},
	{"TCB info with a fraction", change(tee.InTCBInfo, `{"svn":6}`, `{"svn":6.5}`), "tcb_info/form"},
	{"TCB info with bytes behind it", change(tee.InTCBInfo, `]}`+"\x00", ``), "tcb_info/form"},
	{"QE identity of version 1", change(tee.InQEIdentity, `"version":2`, `"version":1`), "qe_identity/version"},
	{"QE identity of another enclave", change(tee.InQEIdentity, `QE"`, `QVE"`), "qe_identity/version"},
	{"QE identity with a short signer", change(tee.InQEIdentity, `"mrsigner":"8C`, `"mrsigner":"`), "qe_identity/form"},
	{"QE identity with digits that are none", change(tee.InQEIdentity, `"mrsigner":"8C`, `"mrsigner":"8X`), "qe_identity/form"},
}

var tdxRefusals = []struct {
	name string
	do   func(s *simulated.Spec)
	want string
}{
	{"TDX module of another signer", func(s *simulated.Spec) { s.TDX.MRSignerSeam[47] = 1 }, "module/mismatch"},
	{"TDX module with attributes", func(s *simulated.Spec) { s.TDX.SeamAttributes[0] = 1 }, "module/mismatch"},
	{"TDX module that Intel does not name", func(s *simulated.Spec) { s.TDX.TCBSVN[1] = 2 }, "module/unsupported"},
	{"TDX module below all levels", func(s *simulated.Spec) { s.TDX.TCBSVN[0] = 1 }, "module/unsupported"},
	{"TDX microcode below all levels", func(s *simulated.Spec) { s.TDX.TCBSVN[2] = 0; s.Levels[2].TDX[2] = 1 }, "tcb/unsupported"},
	{"any bit of the debug group", func(s *simulated.Spec) { s.TDX.Attributes[0] = 0x80 }, "body/debug"},
	{"QE identity of SGX", change(tee.InQEIdentity, `"TD_QE"`, `"QE"`), "qe_identity/mismatch"},
	{"TCB info of SGX", change(tee.InTCBInfo, `"id":"TDX"`, `"id":"SGX"`), "qe_identity/mismatch"},
	{"collateral of SGX", both(change(tee.InTCBInfo, `"id":"TDX"`, `"id":"SGX"`), change(tee.InQEIdentity, `"TD_QE"`, `"QE"`)), "tcb_info/mismatch"},
}

// TE-3: whatever is wrong, it is refused, by the name of what is wrong.
func TestRefusals(t *testing.T) {
	for _, m := range makers {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			all := refusals
			if m.spec().Kind == tee.TDX {
				all = append(all[:len(all):len(all)], tdxRefusals...)
			}
			for _, tt := range all {
				s := m.spec()
				tt.do(s)
				got, err := appraise(s)
				if r := reason(err); r != tt.want {
					t.Errorf("%s: %q (%v), want %q", tt.name, r, err, tt.want)
				}
				if got != nil {
					t.Errorf("%s: refused with a result", tt.name)
				}
			}
		})
	}
}

// TE-4: only pinned roots count, whatever a quote brings.
func TestRootsArePinned(t *testing.T) {
	for _, m := range makers {
		p, stranger := simulated.New(m.spec()), m.spec()
		stranger.Seed = "stranger"
		other := simulated.New(stranger)
		intel, err := tee.NewRoots(tee.IntelRoot())
		if err != nil {
			t.Fatal(err)
		}
		both, err := tee.NewRoots(other.Root(), p.Root(), tee.IntelRoot())
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name       string
			quote      []byte
			collateral *tee.Collateral
			roots      *tee.Roots
			want       string
		}{
			{"its own root", p.Quote(data), p.Collateral(), p.Roots(), ""},
			{"one of three roots", p.Quote(data), p.Collateral(), both, ""},
			{"Intel's root", p.Quote(data), p.Collateral(), intel, "chain/issuer"},
			{"a root of the same name", p.Quote(data), p.Collateral(), other.Roots(), "chain/signature"},
			{"quote of another root", other.Quote(data), p.Collateral(), p.Roots(), "chain/signature"},
			{"collateral of another root", p.Quote(data), other.Collateral(), p.Roots(), "pck_ca/signature"},
			{"two roots, mixed", other.Quote(data), p.Collateral(), both, "pck_ca/mismatch"},
			{"no roots", p.Quote(data), p.Collateral(), nil, "collateral/form"},
			{"no collateral", p.Quote(data), nil, p.Roots(), "collateral/form"},
		} {
			_, err := tee.Appraise(tt.quote, tt.collateral, tt.roots, now, nil)
			if got := reason(err); got != tt.want {
				t.Errorf("%s, %s: %q (%v), want %q", m.name, tt.name, got, err, tt.want)
			}
		}
	}
	leaf := simulated.New(makers[0].spec()).Collateral().TCBSigner
	for _, tt := range []struct {
		name string
		ders [][]byte
		want string
	}{
		{"none", nil, "policy/form"}, {"nine", make([][]byte, 9), "policy/form"}, {"no certificate", [][]byte{{1}}, "root/form"},
		{"not a root", [][]byte{leaf}, "root/signature"}, {"large", [][]byte{make([]byte, 5000)}, "root/size"},
	} {
		if _, err := tee.NewRoots(tt.ders...); reason(err) != tt.want {
			t.Errorf("roots, %s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// The collateral of one CA says nothing of another one's certificates, be its name the
// same, nor of the same CA under another pinned root.
func TestCollateralOfAnotherCA(t *testing.T) {
	s, processor, twin, root := makers[1].spec(), makers[1].spec(), makers[1].spec(), makers[1].spec()
	processor.ProcessorCA, twin.TwinCA, root.TwinRoot = true, true, true
	for _, other := range []*simulated.Spec{processor, twin, root} {
		if _, err := appraise(other); err != nil {
			t.Fatal(err)
		}
		roots, err := tee.NewRoots(simulated.New(s).Root(), simulated.New(other).Root())
		if err != nil {
			t.Fatal(err)
		}
		_, err = tee.Appraise(simulated.New(s).Quote(data), simulated.New(other).Collateral(), roots, now, nil)
		if got := reason(err); got != "pck_ca/mismatch" {
			t.Errorf("%q, want pck_ca/mismatch", got)
		}
	}
}

// What is the collateral's fault is told from what is the quote's, and every refusal
// is a fault with a code.
func TestRefusalIsAFault(t *testing.T) {
	for _, tt := range []struct {
		r          tee.Refusal
		code       fault.Code
		collateral bool
	}{
		{tee.Refusal{In: tee.InQuote, Why: tee.Form}, fault.Malformed, false},
		{tee.Refusal{In: tee.InQuote, Why: tee.Trailing}, fault.TrailingData, false},
		{tee.Refusal{In: tee.InQuote, Why: tee.Size}, fault.TooLarge, false},
		{tee.Refusal{In: tee.InChain, Why: tee.Issuer}, fault.BadProof, false},
		{tee.Refusal{In: tee.InPCK, Why: tee.Revoked}, fault.BadProof, false},
		{tee.Refusal{In: tee.InTCBInfo, Why: tee.Expired}, fault.BadProof, true},
		{tee.Refusal{In: tee.InCollateral, Why: tee.Evaluation}, fault.BadProof, true},
		{tee.Refusal{In: tee.InTCB, Why: tee.Level}, fault.BadProof, false},
	} {
		tt.r.Text = "why"
		if got := fault.Of(&tt.r); got != tt.code {
			t.Errorf("%s: code %v, want %v", tt.r.Reason(), got, tt.code)
		}
		if got := tt.r.OfCollateral(); got != tt.collateral {
			t.Errorf("%s: of the collateral %v", tt.r.Reason(), got)
		}
		if want := tt.r.Reason() + ": why"; fault.Text(&tt.r) != want {
			t.Errorf("text %q, want %q", fault.Text(&tt.r), want)
		}
	}
}

func times(part tee.Part, from, until uint64) func(*simulated.Spec) {
	return func(s *simulated.Spec) { s.Times[part] = simulated.Validity{From: from, Until: until} }
}

func revoke(part tee.Part) func(*simulated.Spec) {
	return func(s *simulated.Spec) { s.Revoke = append(s.Revoke, part) }
}

func forge(part tee.Part) func(*simulated.Spec) {
	return func(s *simulated.Spec) { s.Forge = append(s.Forge, part) }
}

func ownSigner(s *simulated.Spec) { s.OwnQESigner = true }

func both(do ...func(*simulated.Spec)) func(*simulated.Spec) {
	return func(s *simulated.Spec) {
		for _, f := range do {
			f(s)
		}
	}
}

// change replaces the first occurrence in a signed text; one that ends with a zero
// byte is appended.
func change(part tee.Part, old, with string) func(*simulated.Spec) {
	return func(s *simulated.Spec) {
		s.Text[part] = func(text string) string {
			if strings.HasSuffix(old, "\x00") {
				return text + strings.TrimSuffix(old, "\x00")
			}
			return strings.Replace(text, old, with, 1)
		}
	}
}

func header(at int, value byte) func(*simulated.Spec) {
	return func(s *simulated.Spec) { s.Header = func(b []byte) { b[at] = value } }
}

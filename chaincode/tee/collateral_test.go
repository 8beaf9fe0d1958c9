package tee_test

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// TE-6: what is posted is checked without a quote, and says what it is for and which
// of two is newer.
func TestCheckCollateral(t *testing.T) {
	for _, m := range makers {
		s := m.spec()
		s.Evaluation, s.QEEvaluation = 21, 20
		s.Times[tee.InQEIdentity] = simulated.Validity{From: now - 3, Until: now + 7}
		p := simulated.New(s)
		got, err := tee.CheckCollateral(p.Collateral(), p.Roots(), now)
		want := &tee.Facts{Kind: s.Kind, FMSPC: s.FMSPC, CA: "Simulated SGX PCK Platform CA", Evaluation: 20, Issued: now - 3, Until: now + 7, Root: sum(p.Root())}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", m.name, err, diff)
		}
	}
}

// The end of a collateral is the earliest end of any part of it.
func TestUntil(t *testing.T) {
	for _, part := range []tee.Part{tee.InRoot, tee.InRootCRL, tee.InPCKCA, tee.InPCKCRL, tee.InTCBSigner, tee.InTCBInfo, tee.InQESigner, tee.InQEIdentity, tee.InPCK} {
		s := makers[0].spec()
		s.OwnQESigner = true
		s.Times[part] = simulated.Validity{From: now - 1, Until: now + 1}
		p := simulated.New(s)
		facts, err := tee.CheckCollateral(p.Collateral(), p.Roots(), now)
		if err != nil {
			t.Fatal(err)
		}
		if want := uint64(now + 1); part != tee.InPCK && facts.Until != want {
			t.Errorf("%s: collateral until %d, want %d", part, facts.Until, want)
		}
		r, err := appraise(s)
		if err != nil || r.Until != now+1 {
			t.Errorf("%s: appraisal until %d (%v), want %d", part, r.Until, err, now+1)
		}
	}
}

// Refusals that need no quote are the same ones that an appraisal gives.
func TestCheckCollateralRefuses(t *testing.T) {
	for _, tt := range refusals {
		s := makers[0].spec()
		tt.do(s)
		p := simulated.New(s)
		_, err := tee.CheckCollateral(p.Collateral(), p.Roots(), now)
		r := tee.Refusal{}
		if got := reason(err); got != "" && got != tt.want && tt.want != "chain/signature" {
			t.Errorf("%s: %q, want %q or nothing", tt.name, got, tt.want)
		} else if got != "" {
			continue
		}
		_, appraised := appraise(s)
		if as(appraised, &r) && r.OfCollateral() && r.Why != tee.Mismatch {
			t.Errorf("%s: CheckCollateral let pass what an appraisal refuses as %s", tt.name, r.Reason())
		}
	}
}

func as(err error, into *tee.Refusal) bool {
	r, ok := err.(*tee.Refusal)
	if ok {
		*into = *r
	}
	return ok
}

func TestCollateralEncoding(t *testing.T) {
	c := simulated.New(makers[2].spec()).Collateral()
	encoded, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := tee.DecodeCollateral(encoded)
	if diff := cmp.Diff(c, decoded); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, tt := range []struct {
		name string
		do   func(c *tee.Collateral)
		want string
	}{
		{"root CRL", func(c *tee.Collateral) { c.RootCRL = make([]byte, 8<<10+1) }, "root_crl/size"},
		{"CA", func(c *tee.Collateral) { c.PCKCA = make([]byte, 4097) }, "pck_ca/size"},
		{"PCK CRL", func(c *tee.Collateral) { c.PCKCRL = make([]byte, 32<<10+1) }, "pck_crl/size"},
		{"TCB signer", func(c *tee.Collateral) { c.TCBSigner = make([]byte, 4097) }, "tcb_signer/size"},
		{"TCB info", func(c *tee.Collateral) { c.TCBInfo = make([]byte, 40<<10+1) }, "tcb_info/size"},
		{"QE signer", func(c *tee.Collateral) { c.QESigner = make([]byte, 4097) }, "qe_signer/size"},
		{"QE identity", func(c *tee.Collateral) { c.QEID = make([]byte, 8<<10+1) }, "qe_identity/size"},
		{"all together", func(c *tee.Collateral) { c.PCKCRL, c.TCBInfo = make([]byte, 32<<10), make([]byte, 40<<10) }, "collateral/size"},
		{"short signature", func(c *tee.Collateral) { c.TCBSig = c.TCBSig[1:] }, "tcb_info/form"},
		{"no signature", func(c *tee.Collateral) { c.QESig = nil }, "qe_identity/form"},
	} {
		bad := *c
		tt.do(&bad)
		if _, err := bad.Encode(); reason(err) != tt.want {
			t.Errorf("%s: encoded: %v, want %s", tt.name, err, tt.want)
		}
		if _, err := tee.CheckCollateral(&bad, simulated.New(makers[2].spec()).Roots(), now); err == nil {
			t.Errorf("%s: checked", tt.name)
		}
	}
	if _, err := tee.DecodeCollateral(make([]byte, tee.MaxCollateral+1)); reason(err) != "collateral/size" {
		t.Errorf("beyond the limit: %v", err)
	}
}

// What Intel's service answers becomes the collateral that is posted.
func TestResponses(t *testing.T) {
	p := simulated.New(makers[1].spec())
	c := p.Collateral()
	chain := func(der []byte) []byte {
		return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Root()})...)
	}
	good := tee.Responses{RootCRL: c.RootCRL, PCKCRL: c.PCKCRL, PCKCRLChain: chain(c.PCKCA),
		TCBInfo: fmt.Appendf(nil, `{"tcbInfo":%s,"signature":"%x"}`, c.TCBInfo, c.TCBSig), TCBInfoChain: chain(c.TCBSigner),
		QEIdentity: fmt.Appendf(nil, "{\"enclaveIdentity\":%s,\"signature\":\"%x\"}\n", c.QEID, c.QESig), QEIdentityChain: chain(c.QESigner)}
	got, err := good.Collateral()
	if diff := cmp.Diff(c, got); err != nil || diff != "" {
		t.Fatalf("%v\n%s", err, diff)
	}
	for _, tt := range []struct {
		name string
		do   func(r *tee.Responses)
		want string
	}{
		{"no chain", func(r *tee.Responses) { r.PCKCRLChain = nil }, "pck_ca/form"},
		{"a key for a chain", func(r *tee.Responses) {
			r.TCBInfoChain = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY"})
		}, "tcb_signer/form"},
		{"no chain of the QE", func(r *tee.Responses) { r.QEIdentityChain = []byte("x") }, "qe_signer/form"},
		{"another member", func(r *tee.Responses) { r.TCBInfo = bytes.Replace(r.TCBInfo, []byte("tcbInfo"), []byte("tcbinfo"), 1) }, "tcb_info/form"},
		{"no signature", func(r *tee.Responses) { r.TCBInfo = c.TCBInfo }, "tcb_info/form"},
		{"no body", func(r *tee.Responses) { r.QEIdentity = nil }, "qe_identity/form"},
		{"a signature that is not hexadecimal", func(r *tee.Responses) {
			r.QEIdentity = bytes.Replace(r.QEIdentity, []byte(hex.EncodeToString(c.QESig[:2])), []byte("wxyz"), 1)
		}, "qe_identity/form"},
	} {
		bad := good
		tt.do(&bad)
		if _, err := bad.Collateral(); reason(err) != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

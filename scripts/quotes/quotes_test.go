//go:build agreement

// Package quotes_test compares chaincode/tee with two implementations that share
// nothing with it: google/go-tdx-guest (TDX; it accepts UpToDate alone) and npm's
// @phala/dcap-qvl (SGX and TDX). `make quotes` builds and installs them.
package quotes_test

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// subject is what is judged.
type subject struct {
	quote []byte
	c     *tee.Collateral
	root  []byte
	now   uint64
}

const refused = "refused"

// ours is our status with its advisories, or refused; why is the reason. The policy is
// that of the others: they look at the attributes, not at measurements.
func (s *subject) ours(t *testing.T) (verdict, why string) {
	t.Helper()
	roots, err := tee.NewRoots(s.root)
	if err != nil {
		t.Fatal(err)
	}
	r, err := tee.Appraise(s.quote, s.c, roots, s.now, &tee.Policy{AnyMeasurement: true, Statuses: []tee.Status{tee.UpToDate, tee.SWHardeningNeeded,
		tee.ConfigurationNeeded, tee.ConfigurationAndSWHardeningNeeded, tee.OutOfDate, tee.OutOfDateConfigurationNeeded}})
	if err != nil {
		return refused, err.Error()
	}
	return strings.TrimSpace(r.Status.String() + " " + strings.Join(r.Advisories, " ")), ""
}

func chain(der, root []byte) []byte {
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root})...)
}

// google is go-tdx-guest's verdict: UpToDate or refused.
type google struct{ peer }

func startGoogle(t *testing.T) *google {
	program := os.Getenv("KILLICK_QUOTES_GOOGLE")
	if program == "" {
		t.Fatal("KILLICK_QUOTES_GOOGLE is not set: make quotes")
	}
	return &google{start(t, exec.Command(program))}
}

func (g *google) judge(t *testing.T, s *subject) (verdict, why string) {
	t.Helper()
	escaped := func(der []byte) []string { return []string{url.QueryEscape(string(chain(der, s.root)))} }
	var answer struct{ Error string }
	g.ask(t, map[string]any{"Quote": s.quote, "RootCRL": s.c.RootCRL, "PCKCRL": s.c.PCKCRL, "PCKCRLChain": escaped(s.c.PCKCA),
		"TCBInfo": fmt.Appendf(nil, `{"tcbInfo":%s,"signature":"%x"}`, s.c.TCBInfo, s.c.TCBSig), "TCBInfoChain": escaped(s.c.TCBSigner),
		"QEIdentity": fmt.Appendf(nil, `{"enclaveIdentity":%s,"signature":"%x"}`, s.c.QEID, s.c.QESig), "QEIdentityChain": escaped(s.c.QESigner),
		"Root": s.root, "Now": s.now}, &answer)
	if answer.Error != "" {
		return refused, answer.Error
	}
	return "UpToDate", ""
}

// npm is dcap-qvl's verdict, in the form of ours.
type npm struct{ peer }

func startNpm(t *testing.T) *npm { return &npm{start(t, exec.Command("node", "peer.mjs"))} }

func (n *npm) judge(t *testing.T, s *subject) (verdict, why string) {
	t.Helper()
	var answer struct {
		Status, Error string
		Advisories    []string
	}
	n.ask(t, map[string]any{"quote": hex.EncodeToString(s.quote), "root": hex.EncodeToString(s.root), "now": s.now, "collateral": map[string]string{
		"pck_crl_issuer_chain": string(chain(s.c.PCKCA, s.root)), "root_ca_crl": hex.EncodeToString(s.c.RootCRL), "pck_crl": hex.EncodeToString(s.c.PCKCRL),
		"tcb_info_issuer_chain": string(chain(s.c.TCBSigner, s.root)), "tcb_info": string(s.c.TCBInfo), "tcb_info_signature": hex.EncodeToString(s.c.TCBSig),
		"qe_identity_issuer_chain": string(chain(s.c.QESigner, s.root)), "qe_identity": string(s.c.QEID), "qe_identity_signature": hex.EncodeToString(s.c.QESig),
	}}, &answer)
	if answer.Error != "" || answer.Status == "Revoked" {
		return refused, answer.Error + answer.Status
	}
	slices.Sort(answer.Advisories)
	return strings.TrimSpace(answer.Status + " " + strings.Join(slices.Compact(answer.Advisories), " ")), ""
}

const now = 1_790_000_000

var data = [64]byte(bytes.Repeat([]byte{0xd4}, 64))

// forms are all forms of quotes. Their certificates have Intel's names, which the
// others look for; the root is the simulated one.
var forms = []struct {
	name   string
	google bool // go-tdx-guest reads it
	spec   func() *simulated.Spec
}{
	{"SGX 3", false, func() *simulated.Spec { return spec(tee.SGX, 3, false) }},
	{"TDX 4", true, func() *simulated.Spec { return spec(tee.TDX, 4, false) }},
	{"TDX 5", true, func() *simulated.Spec { return spec(tee.TDX, 5, false) }},
	{"TDX 5, report 1.5", true, func() *simulated.Spec { return spec(tee.TDX, 5, true) }},
}

func spec(kind tee.Kind, version uint16, td15 bool) *simulated.Spec {
	s := simulated.Default(kind, "agreement", now)
	s.Version, s.TD15, s.Intel = version, td15, true
	return s
}

func subjectOf(s *simulated.Spec) *subject {
	p := simulated.New(s)
	return &subject{p.Quote(data), p.Collateral(), p.Root(), now}
}

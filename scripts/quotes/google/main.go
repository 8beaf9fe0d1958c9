// Command google judges TDX quotes with google/go-tdx-guest, which shares nothing with
// chaincode/tee. Requests come as JSON lines on standard input, one answer each goes to
// standard output: {"error":TEXT}, empty when the quote is accepted, for which it must
// be UpToDate. With -samples it prints the real quotes and the collateral that the
// module carries for its own tests, as one JSON object.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	samples "github.com/google/go-tdx-guest/testing"
	"github.com/google/go-tdx-guest/testing/testdata"
	"github.com/google/go-tdx-guest/verify"
	"github.com/google/logger"
)

// request is a quote, Intel's answers about it, and when it is judged by which roots.
type request struct {
	Quote           []byte
	RootCRL         []byte
	PCKCRL          []byte
	PCKCRLChain     []string // as in the header of the answer: PEM with percent signs
	TCBInfo         []byte
	TCBInfoChain    []string
	QEIdentity      []byte
	QEIdentityChain []string
	Root            []byte // DER
	Now             int64
}

func main() {
	logger.Init("", false, false, io.Discard)
	out := json.NewEncoder(os.Stdout)
	if len(os.Args) == 2 && os.Args[1] == "-samples" {
		fail(out.Encode(map[string]any{"QuoteV4": testdata.RawQuote, "QuoteV5": testdata.RawQuoteV5, "TCBInfo": testdata.TcbInfoBody, "TCBInfoV5": testdata.TcbInfoBodyV5,
			"QEIdentity": testdata.QeIdentityBody, "PCKCRL": testdata.PckCrlBody, "RootCRL": testdata.RootCrlBody, "TCBInfoChain": samples.TcbInfoHeader["Tcb-Info-Issuer-Chain"],
			"QEIdentityChain": samples.QeIdentityHeader["Sgx-Enclave-Identity-Issuer-Chain"], "PCKCRLChain": samples.PckCrlHeader["Sgx-Pck-Crl-Issuer-Chain"]}))
		return
	}
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var r request
		err := in.Decode(&r)
		if errors.Is(err, io.EOF) {
			return
		}
		fail(err)
		answer := ""
		if err := r.judge(); err != nil {
			answer = err.Error()
		}
		fail(out.Encode(map[string]string{"error": answer}))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "google:", err)
		os.Exit(1)
	}
}

// judge refuses what the module panics at: at some hostile lengths it does.
func (r *request) judge() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	root, err := x509.ParseCertificate(r.Root)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	now := time.Unix(r.Now, 0).UTC()
	return verify.RawTdxQuote(r.Quote, &verify.Options{CheckRevocations: true, GetCollateral: true, Getter: r, TrustedRoots: roots,
		Now: &verify.TimeSet{PckCertChain: now, TcbInfo: now, QeIdentity: now, PckCrl: now, RootCaCrl: now}})
}

// Get answers as Intel's service would.
func (r *request) Get(url string) (map[string][]string, []byte, error) {
	switch {
	case strings.Contains(url, "/tcb?"):
		return map[string][]string{"Tcb-Info-Issuer-Chain": r.TCBInfoChain}, r.TCBInfo, nil
	case strings.Contains(url, "/qe/identity"):
		return map[string][]string{"Sgx-Enclave-Identity-Issuer-Chain": r.QEIdentityChain}, r.QEIdentity, nil
	case strings.Contains(url, "/pckcrl?"):
		return map[string][]string{"Sgx-Pck-Crl-Issuer-Chain": r.PCKCRLChain}, r.PCKCRL, nil
	}
	return nil, r.RootCRL, nil
}

// Package verifiertest has what tests of those who judge quotes share: what a good quote
// says, and how a table of bad ones is gone through.
package verifiertest

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
)

// Operation is what a good quote is for.
const Operation = "job.mean"

var (
	// Began is when the certificates of a good quote began.
	Began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	// Now is when it is judged, in seconds since 1970.
	Now = uint64(Began.Unix()) + 86400
	// Bound is the report data that it has.
	Bound = [64]byte{1, 2, 3}
)

// Judge is who judges quotes: node.Platform.
type Judge interface {
	Judge(quote []byte, report [64]byte, operation string, now uint64) (ballot attest.Verdict, reason string, err error)
}

// Case is a quote and what is said of it. What is zero is as it is for a good quote.
type Case[C any] struct {
	Quote     []byte
	Change    func(*C) // of the judge's configuration
	Report    [64]byte
	At        uint64
	Operation string
	Want      string // as Said
}

// Said is how a verdict is written in tables.
func Said(ballot attest.Verdict, reason string) string { return ballot.String() + " " + reason }

// Run has each case judged by a judge of its own, whose configuration is a new good one but
// for what the case changes.
func Run[C any, J Judge](t *testing.T, good func() C, open func(C) (J, error), cases map[string]Case[C]) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			config := good()
			if c.Change != nil {
				c.Change(&config)
			}
			if c.Report == [64]byte{} {
				c.Report = Bound
			}
			if c.At == 0 {
				c.At = Now
			}
			if c.Operation == "" {
				c.Operation = Operation
			}
			j, err := open(config)
			if err != nil {
				t.Fatal(err)
			}
			ballot, reason, err := j.Judge(c.Quote, c.Report, c.Operation, c.At)
			if got := Said(ballot, reason); got != c.Want || err != nil {
				t.Errorf("%s, %v, want %s", got, err, c.Want)
			}
		})
	}
}

// Certificates writes certificates, as DER, to a PEM file.
func Certificates(t testing.TB, ders ...[]byte) (path string) {
	t.Helper()
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	path = filepath.Join(t.TempDir(), "certificates.pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

package vc

import (
	_ "embed"
	"slices"
)

// LedgerContext is the context of what a Killick ledger says in credentials. Nothing is
// published at the URL: the text is LedgerContextFile, which every gateway serves.
const LedgerContext = "https://killick-ledger.github.io/contexts/v1"

//go:embed killick.jsonld
var ledgerFile []byte

// ledgerDigest is the SHA-256 of the text, which is frozen: credentials name the URL
// alone, and another text has another URL.
const ledgerDigest = "e322dd1663d2196f61e85bb0a3997cb000704292d0d663076c9d48856147e816"

// Types that the context defines.
const (
	LedgerEvidence    = "LedgerEvidence"
	LedgerSchema      = "LedgerSchema"
	LedgerRecord      = "LedgerRecord"
	RecordCertificate = "RecordCertificate"
)

// LedgerContextFile returns the text of LedgerContext.
func LedgerContextFile() []byte { return slices.Clone(ledgerFile) }

var ledgerPinned = func() Context {
	c, err := PinContext(LedgerContext, ledgerFile, [32]byte(mustHex(ledgerDigest, 32)), LedgerEvidence, LedgerSchema, LedgerRecord, RecordCertificate)
	if err != nil {
		panic(err) // the text is part of the program
	}
	return c
}()

package canon

import "strings"

// TestPrefix begins the names of test ledgers, and of no others: nobody takes a DID, an
// operation or a bundle of one for another's.
const TestPrefix = "test-"

// Simulated reports whether a network of this name is a test ledger, which alone takes
// enclaves that are simulated. Receipts and bundles of it say so.
func Simulated(network string) bool { return strings.HasPrefix(network, TestPrefix) }

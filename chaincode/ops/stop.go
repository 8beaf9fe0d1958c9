package ops

import (
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// recovery is what no stop refuses: owners who lost a key to a thief cannot wait.
var recovery = []string{"did.recover"}

// stoppedBy returns the domains whose emergency stop refuses an operation: its own,
// and for what is done with records under grants and paid for, those two as well.
func stoppedBy(operation string) []string {
	if slices.Contains(recovery, operation) {
		return nil
	}
	domain, _, _ := strings.Cut(operation, ".")
	if domain == "attest" {
		return []string{"attest", "record", "reward"}
	}
	return []string{domain}
}

// checkRunning refuses a function that changes the state of a domain that is stopped.
// Queries, batches (whose operations are looked at one by one), checkpoints, sweeps
// and the consortium's own decisions always run. Errors: fault.Stopped.
func (f Function) checkRunning(tx *ledger.Tx) error {
	domain, _, _ := strings.Cut(f.Name, ":")
	if !f.Writes || !slices.Contains(govern.Domains, domain) {
		return nil
	}
	n, err := govern.Load(tx)
	if err != nil {
		return err
	}
	for _, d := range stoppedBy(domain + ".") {
		if err := n.CheckRunning(d); err != nil {
			return err
		}
	}
	return nil
}

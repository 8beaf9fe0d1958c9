package govern

import (
	"slices"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// Domains are what the emergency stop can stop, each by itself. Package ops says
// which operations and functions belong to a domain and which go on regardless.
var Domains = []string{"did", "credential", "record", "reward", "attest"}

// CheckRunning refuses what belongs to a domain that is stopped.
// Errors: fault.Stopped.
func (n *Network) CheckRunning(domain string) error {
	if slices.Contains(n.Stopped, domain) {
		return fault.New(fault.Stopped, "the consortium has stopped %s", domain)
	}
	return nil
}

// checkStopped refuses what is not some of Domains in their order.
func (n *Network) checkStopped() error {
	last := -1
	for _, domain := range n.Stopped {
		at := slices.Index(Domains, domain)
		if at <= last {
			return fault.New(fault.InvalidValue, "stopped: %.40q is none of %v, or they are not in this order, each named once", domain, Domains)
		}
		last = at
	}
	return nil
}

package fabric_test

import (
	"bytes"
	"sync/atomic"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
)

// PV-2: transient data reaches the peers that endorse and is in no transaction.
func TestTransientData(t *testing.T) {
	secret := []byte("nobody but who endorses")
	var seen atomic.Int64
	all := peers(result("a"), result("a"), result("a"))
	for _, p := range all {
		p.sees = func(signed *peer.SignedProposal) {
			if bytes.Contains(signed.GetProposalBytes(), secret) {
				seen.Add(1)
			}
		}
	}
	c := client(t, all, orderers(allTake...))
	tx, err := c.PrepareWith(map[string][]byte{"name": secret}, "f", []byte("argument"))
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Endorse(t.Context()); err != nil {
		t.Fatal(err)
	}
	envelope, err := tx.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	if seen.Load() < 2 || bytes.Contains(envelope, secret) || !bytes.Contains(envelope, []byte("argument")) {
		t.Errorf("%d peers saw it, and the transaction is %q", seen.Load(), envelope)
	}
}

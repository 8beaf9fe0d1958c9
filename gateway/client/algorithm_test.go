package client_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
)

// Keys of each algorithm, through their files, create a DID and act for it on a
// ledger behind a gateway.
func TestEachAlgorithm(t *testing.T) {
	address, o := startGateway(t)
	c, err := client.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, alg := range did.Algorithms {
		t.Run(string(alg), func(t *testing.T) {
			identity, _, err := client.Generate(string(alg), true)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "a.keys")
			if err := identity.Save(path, []byte(passphrase)); err != nil {
				t.Fatal(err)
			}
			loaded, err := client.Load(path, []byte(passphrase))
			if err != nil {
				t.Fatal(err)
			}
			signer := loaded.On(o.network)
			if signer.Algorithm() != alg || signer.DID() != identity.DID(o.network) {
				t.Errorf("loaded a key for %s of %s", signer.Algorithm(), signer.DID())
			}
			create, err := signer.Create([]string{"eip155:1"}, "eip155:1")
			if err != nil {
				t.Fatal(err)
			}
			commitment := canon.Sum([]byte("content"))
			record, _, err := signer.Operation(&ops.RecordSubmit{Schema: "note", Commitment: canon.Hex(commitment[:])}, "")
			if err != nil {
				t.Fatal(err)
			}
			receipts, err := c.SubmitAll(t.Context(), create, record)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range receipts {
				if r.GetCode() != fault.OK.String() {
					t.Errorf("%d: %v", i, r)
				}
			}
		})
	}
	if _, _, err := client.Generate("RS256", false); err == nil || !strings.Contains(err.Error(), "EdDSA") {
		t.Errorf("RS256: %v", err)
	}
}

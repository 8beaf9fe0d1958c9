package client_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
)

// submitInvoice puts a commitment to a file on the ledger and returns the record's
// reference. The salt belongs with the file: without it nobody can show what the
// record is about.
func submitInvoice(ctx context.Context, gateway, keyFile string, passphrase, invoice []byte) (record string, salt [32]byte, err error) {
	c, err := client.Dial(gateway) // host:port in the clear, or https://host
	if err != nil {
		return "", salt, err
	}
	defer c.Close()
	network, err := c.Network(ctx)
	if err != nil {
		return "", salt, err
	}
	identity, err := client.Load(keyFile, passphrase)
	if err != nil {
		return "", salt, err
	}
	commitment, salt, err := client.Commitment(invoice)
	if err != nil {
		return "", salt, err
	}
	jws, record, err := identity.On(network.GetNetwork()).Operation(&ops.RecordSubmit{
		Schema: "invoice", Commitment: canon.Hex(commitment[:]), Size: uint64(len(invoice)),
	}, "")
	if err != nil {
		return "", salt, err
	}
	// Keep jws, record and salt on disk before this line: the same bytes may be
	// submitted again at any time, and the record is found by its reference.
	_, err = c.Submit(ctx, jws)
	return record, salt, err
}

// docs/partners.md shows submitInvoice as it stands here, where it is compiled and
// run.
func TestPartnerSnippet(t *testing.T) {
	source, err := os.ReadFile("partner_test.go")
	if err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile("../../docs/partners.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(guide), "```go\n")
	snippet, _, ok := strings.Cut(after, "```")
	if !ok || !strings.Contains(string(source), snippet) {
		t.Fatal("the snippet in docs/partners.md differs from submitInvoice in this file")
	}

	gateway, issuer := startGateway(t)
	c, err := client.Dial(gateway)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	create, err := issuer.identity.On(issuer.network).Create(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Submit(t.Context(), create); err != nil {
		t.Fatal(err)
	}
	content := []byte("100 apples")
	record, salt, err := submitInvoice(t.Context(), gateway, issuer.file, []byte(passphrase), content)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Record(t.Context(), record)
	if commitment := client.CommitmentWith(salt, content); err != nil || got.GetCommitment() != canon.Hex(commitment[:]) || got.GetOwner() != issuer.identity.DID(issuer.network) {
		t.Errorf("record %v %v", got, err)
	}
}

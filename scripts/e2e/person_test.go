//go:build e2e

package e2e_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// person is a key and its DID. Unlike the client's identities it signs whatever
// it is told to.
type person struct {
	key      ed25519.PrivateKey
	recovery ed25519.PrivateKey
	document []byte
	network  string
	did, kid string
}

// newPerson draws a key. Its document has it as #key-1, unless edit changes that.
func (n *network) newPerson(t *testing.T, edits ...func(*did.Document)) *person {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spare, recovery, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	commitment := canon.Sum(did.KeyBytes([32]byte(spare)))
	document := did.Document{
		VerificationMethod:   []did.Method{{ID: "#key-1", Type: "Multikey", PublicKeyMultibase: did.FormatKey([32]byte(public))}},
		CapabilityInvocation: []string{"#key-1"},
		Recovery:             canon.B64(commitment[:]),
	}
	for _, edit := range edits {
		edit(&document)
	}
	p := &person{key: private, recovery: recovery, network: n.name}
	if p.document, err = canon.Marshal(document); err != nil {
		t.Fatal(err)
	}
	if p.did, _, err = ops.NewDID(n.name, p.document); err != nil {
		t.Fatal(err)
	}
	p.kid = p.did + "#key-1"
	return p
}

// end is the operation with which the recovery key ends the DID.
func (p *person) end(t *testing.T) ops.Item {
	t.Helper()
	with := &person{key: p.recovery, network: p.network, did: p.did, kid: p.did + "#" + did.RecoveryFragment}
	return with.sign(t, &ops.DIDDeactivate{Key: did.FormatKey([32]byte(p.recovery.Public().(ed25519.PublicKey)))}, "")
}

// KeyID names the key.
func (p *person) KeyID() string { return p.kid }

// Sign signs bytes.
func (p *person) Sign(message []byte) ([]byte, error) { return ed25519.Sign(p.key, message), nil }

// sign signs a good operation that is valid for an hour.
func (p *person) sign(t *testing.T, body ops.Body, prior string) ops.Item {
	t.Helper()
	item, _ := p.refer(t, body, prior)
	return item
}

// refer is sign that also returns the operation's reference.
func (p *person) refer(t *testing.T, body ops.Body, prior string) (ops.Item, ops.Reference) {
	t.Helper()
	item, ref, err := p.operation(body, prior)
	if err != nil {
		t.Fatal(err)
	}
	return item, ref
}

func (p *person) operation(body ops.Body, prior string) (ops.Item, ops.Reference, error) {
	now := uint64(time.Now().Unix())
	return ops.SignRequest(ops.Request{Network: p.network, IssuedAt: now, Expires: now + 3600, Prior: prior, Body: body}, p)
}

// raw signs header and payload as they are.
func (p *person) raw(t *testing.T, header, payload string) ops.Item {
	t.Helper()
	item, err := ops.Sign([]byte(header), []byte(payload), p)
	if err != nil {
		t.Fatal(err)
	}
	return item
}

// header is the header of operations of a key.
func header(kid string) string {
	return fmt.Sprintf(`{"alg":"EdDSA","kid":%q,"typ":"killick-op"}`, kid)
}

// note is the body of a record.submit whose content is a few words.
func note(words string) *ops.RecordSubmit {
	commitment := canon.Sum([]byte(words))
	return &ops.RecordSubmit{Schema: "note", Commitment: canon.Hex(commitment[:]), Size: uint64(len(words)), Location: "urn:e2e:" + strings.ReplaceAll(words, " ", "-")}
}

// payment is the body of a reward.pay; what sets payments apart.
func payment(to *person, amount int, what string) *ops.RewardPay {
	return &ops.RewardPay{Asset: "usd", Lines: []reward.Line{{To: to.did, Amount: reward.Amount(amount)}}, For: what}
}

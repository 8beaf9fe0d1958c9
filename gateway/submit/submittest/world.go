package submittest

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Network is the name of the ledger that Found founds.
const Network = "main-0011223344556677"

// Asset is its one asset.
const Asset = "usd"

// Person is a DID with its key.
type Person struct {
	DID      string
	Document []byte
	key      ed25519.PrivateKey
}

// NewPerson returns the person that a name always makes.
func NewPerson(name string) *Person {
	seed := canon.Sum([]byte("submittest"), []byte(name))
	key := ed25519.NewKeyFromSeed(seed[:])
	commitment := canon.Sum([]byte("recovery"), []byte(name))
	document, err := canon.Marshal(did.Document{
		VerificationMethod:   []did.Method{{ID: "#key-1", Type: "Multikey", PublicKeyMultibase: did.FormatKey([32]byte(key.Public().(ed25519.PublicKey)))}},
		Authentication:       []string{"#key-1"},
		CapabilityInvocation: []string{"#key-1"},
		Recovery:             canon.B64(commitment[:]),
	})
	if err != nil {
		panic(err) // of constant form
	}
	id, _, err := ops.NewDID(Network, document)
	if err != nil {
		panic(err)
	}
	return &Person{DID: id, Document: document, key: key}
}

// KeyID is the DID URL of the person's key.
func (p *Person) KeyID() string { return p.DID + "#key-1" }

// Sign signs with the person's key.
func (p *Person) Sign(message []byte) ([]byte, error) { return ed25519.Sign(p.key, message), nil }

// Request returns an operation of the person that expires in an hour.
func (p *Person) Request(body ops.Body, prior string) ops.Request {
	at := uint64(time.Now().Unix())
	return ops.Request{Network: Network, IssuedAt: at, Expires: at + 3600, Prior: prior, Body: body}
}

// Operation signs an operation and returns it as a compact JWS with its
// reference.
func (p *Person) Operation(body ops.Body, prior string) (jws, reference string) {
	item, ref, err := ops.SignRequest(p.Request(body, prior), p)
	if err != nil {
		panic(err) // of constant form
	}
	return item.Compact(), ref.String()
}

// Create is the operation that creates the person's DID.
func (p *Person) Create() string {
	jws, _ := p.Operation(&ops.DIDCreate{Document: p.Document}, "")
	return jws
}

// Record is an operation that submits a record about the text.
func (p *Person) Record(text string) (jws, reference string) {
	commitment := canon.Sum([]byte(text))
	return p.Operation(&ops.RecordSubmit{Schema: "note", Commitment: canon.Hex(commitment[:]), Size: uint64(len(text))}, "")
}

// Pay is an operation that pays amount micro-units to each.
func (p *Person) Pay(amount int64, to ...*Person) string {
	body := &ops.RewardPay{Asset: Asset}
	for _, t := range to {
		body.Lines = append(body.Lines, reward.Line{To: t.DID, Amount: reward.Amount(amount)})
	}
	jws, _ := p.Operation(body, "")
	return jws
}

// Found initialises the ledger with one member and accredited issuers.
func (l *Ledger) Found(issuers ...*Person) error {
	const msp = "Org1MSP"
	name := msp + "." + Network
	seed := canon.Sum([]byte("cosigner"))
	key := append([]byte{4}, ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)...)
	sum := canon.Sum([]byte(name), []byte{'\n'}, key)
	cosign := fmt.Sprintf("%s+%08x+%s", name, binary.BigEndian.Uint32(sum[:4]), base64.StdEncoding.EncodeToString(key))
	init := govern.Init{
		Network: Network, Log: strings.Repeat("ab", 32), Rules: govern.Rules,
		Members: []govern.Member{{MSP: msp, Cosign: cosign, Address: "0x" + strings.Repeat("01", 20)}}, K: 1,
		Vaults: []govern.Vault{}, Issuers: []string{}, Program: strings.Repeat("cd", 32), Treasuries: []string{msp}, Assets: []string{Asset}, EpochSeconds: 86400, HeartbeatSeconds: 60,
	}
	for _, p := range issuers {
		init.Issuers = append(init.Issuers, p.DID)
	}
	request, err := canon.Marshal(init)
	if err != nil {
		return err
	}
	_, err = l.Invoke("ops:Init", request)
	return err
}

// Fund gives a person money, once for each purpose.
func (l *Ledger) Fund(purpose string, p *Person, amount int64) error {
	id := canon.Sum([]byte(purpose))
	request, err := canon.Marshal(reward.Fund{ID: canon.Hex(id[:]), Asset: Asset, To: p.DID, Amount: reward.Amount(amount)})
	if err != nil {
		return err
	}
	_, err = l.Invoke("reward:Fund", request)
	return err
}

// Sweep puts a checkpoint of that time into the state, by hand, and has all results
// removed that are due by it.
func (l *Ledger) Sweep(at time.Time) error {
	head, err := canon.Marshal(checkpoint.Checkpoint{Number: 1, Size: 1, Root: strings.Repeat("0", 64), Time: uint64(at.Unix())})
	if err != nil {
		return err
	}
	l.mu.Lock()
	err = l.state.Put(checkpoint.HeadKey, head)
	l.mu.Unlock()
	for err == nil {
		_, err = l.Invoke("ops:Sweep")
	}
	if fault.Of(err) == fault.NotDue {
		return nil
	}
	return err
}

// Deactivate marks a person's DID as deactivated, by hand: this version of the
// ledger knows the state, and no operation yet that leads to it.
func (l *Ledger) Deactivate(p *Person) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, id, err := did.Parse(p.DID)
	if err != nil {
		return err
	}
	value, err := l.state.Get(did.SignerKeyOf(id))
	if err != nil {
		return err
	}
	signer, err := did.DecodeSigner(value)
	if err != nil {
		return err
	}
	signer.Deactivated = true
	return l.state.Put(did.SignerKeyOf(id), signer.Encode())
}

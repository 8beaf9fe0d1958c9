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
	"github.com/killick-ledger/killick/chaincode/ledger"
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
	recovery ed25519.PrivateKey
}

// NewPerson returns the person that a name always makes.
func NewPerson(name string) *Person { return newPerson(name, nil) }

// NewIssuer returns the person that a name always makes, whose key may also sign
// credentials: a DID of its own.
func NewIssuer(name string) *Person { return newPerson(name, []string{"#key-1"}) }

func newPerson(name string, assertion []string) *Person {
	seed := canon.Sum([]byte("submittest"), []byte(name))
	key := ed25519.NewKeyFromSeed(seed[:])
	spare := canon.Sum([]byte("recovery"), []byte(name))
	recovery := ed25519.NewKeyFromSeed(spare[:])
	commitment := canon.Sum(did.KeyBytes([32]byte(recovery.Public().(ed25519.PublicKey))))
	document, err := canon.Marshal(did.Document{
		VerificationMethod:   []did.Method{{ID: "#key-1", Type: "Multikey", PublicKeyMultibase: did.FormatKey([32]byte(key.Public().(ed25519.PublicKey)))}},
		Authentication:       []string{"#key-1"},
		AssertionMethod:      assertion,
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
	return &Person{DID: id, Document: document, key: key, recovery: recovery}
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

// RecoveryKey is the Multikey form of the person's recovery key.
func (p *Person) RecoveryKey() string {
	return did.FormatKey([32]byte(p.recovery.Public().(ed25519.PublicKey)))
}

// Deactivate is the operation with which the person's recovery key ends the DID.
func (p *Person) Deactivate() string {
	return p.recover(&ops.DIDDeactivate{Key: p.RecoveryKey()})
}

// Recover is the operation with which the person's recovery key puts another's keys
// and commitment in the place of the document's.
func (p *Person) Recover(as *Person) string {
	return p.recover(&ops.DIDRecover{Key: p.RecoveryKey(), Document: as.Document})
}

func (p *Person) recover(body ops.Body) string {
	item, _, err := ops.SignRequest(p.Request(body, ""), recovering{p})
	if err != nil {
		panic(err) // of constant form
	}
	return item.Compact()
}

// As is the person's DID once Recover has put the other's keys in its document.
func (p *Person) As(other *Person) *Person {
	return &Person{DID: p.DID, Document: other.Document, key: other.key, recovery: other.recovery}
}

// Elapse puts a checkpoint by which the ledger's clock has counted so many seconds into
// the state, by hand, and a block around it, as an organisation's transaction would.
func (l *Ledger) Elapse(seconds uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	at := now() + uint64(l.count)
	head, err := canon.Marshal(checkpoint.Checkpoint{Number: uint64(l.count), Size: uint64(l.count), Root: strings.Repeat("0", 64), Time: at, Elapsed: seconds})
	if err != nil {
		return err
	}
	writes := []ledger.Entry{{Key: checkpoint.HeadKey, Value: head}}
	l.append(committed(fmt.Sprintf("%064x", l.count), [][]byte{[]byte("checkpoint:Accept")}, nil, writes))
	return l.state.Put(checkpoint.HeadKey, head)
}

// recovering signs with the recovery key.
type recovering struct{ p *Person }

func (r recovering) KeyID() string { return r.p.DID + "#" + did.RecoveryFragment }

func (r recovering) Sign(message []byte) ([]byte, error) {
	return ed25519.Sign(r.p.recovery, message), nil
}

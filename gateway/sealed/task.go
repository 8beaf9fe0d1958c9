// Package sealed is what passes between owners, consumers and enclaves
// (docs/formats/enclave.md): the task that a key in an enclave is quoted for, records
// that are sealed to that key, orders whose digest is a job's nonce, and outputs that are
// sealed to a consumer's key. Sealing is HPKE (RFC 9180, base mode) with
// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM.
//
// The package draws randomness and does nothing else to the world. A seal says nothing of
// who made it: what a record is follows from its commitment, what an output is from the
// quote over its SHA-256.
package sealed

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/binary"
	"errors"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Overhead is how much longer sealed bytes are than what is in them.
const Overhead = 32 + 16

// ErrNotOpened says that sealed bytes do not open: they are for another key, another task
// or another record, or were changed.
var ErrNotOpened = errors.New("the sealed bytes do not open: they are for another key or task, or were changed")

// Task is one job in the hands of the operator who accepted it. Everything that an
// enclave is told of a job is in it, so that whoever knows the job from the ledger finds
// out when an enclave was told something else.
type Task struct {
	Network   string
	Job       ledger.Reference
	Operator  ledger.ID
	Accepted  ledger.Reference // the operation that accepted it
	Operation string
	Output    [32]byte // X25519 key of the consumer
	Nonce     [32]byte
	Input     [32]byte // the roots of docs/formats/job.md section 4
	Grants    [32]byte
}

// Digest identifies the task.
func (t *Task) Digest() [32]byte {
	return canon.Sum([]byte("killick.enclave.task.v1"), text(t.Network), t.Job.ID[:], t.Operator[:], reference(t.Accepted), text(t.Operation),
		t.Output[:], t.Nonce[:], t.Input[:], t.Grants[:])
}

// ReportData is what the quote of a key says that an enclave made for the task: SHA-256
// and 32 zeros. It begins with another text than that of evidence, so neither passes for
// the other.
func (t *Task) ReportData(key [32]byte) (data [64]byte) {
	task := t.Digest()
	sum := canon.Sum([]byte("killick.enclave.key.v1"), task[:], key[:])
	copy(data[:], sum[:])
	return data
}

// text is a text after its length. Names on the ledger are shorter than 256 bytes.
func text(s string) []byte { return append([]byte{byte(len(s))}, s...) }

func reference(r ledger.Reference) []byte {
	return append(binary.BigEndian.AppendUint32(nil, r.Expiry), r.ID[:]...)
}

// bound is what sealed bytes are bound to besides the key.
func bound(domain string, t *Task, more []byte) []byte {
	task := t.Digest()
	return append(append([]byte(domain), task[:]...), more...)
}

func seal(key [32]byte, info, plain []byte) ([]byte, error) {
	point, err := ecdh.X25519().NewPublicKey(key[:])
	if err != nil {
		return nil, err
	}
	to, err := hpke.NewDHKEMPublicKey(point)
	if err != nil {
		return nil, err
	}
	data, err := hpke.Seal(to, hpke.HKDFSHA256(), hpke.AES256GCM(), info, plain)
	if err != nil { // a point of small order, to which anybody could open
		return nil, fault.New(fault.InvalidValue, "the key is none that can be sealed to")
	}
	return data, nil
}

func open(key *ecdh.PrivateKey, info, data []byte) ([]byte, error) {
	own, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return nil, err
	}
	plain, err := hpke.Open(own, hpke.HKDFSHA256(), hpke.AES256GCM(), info, data)
	if err != nil {
		return nil, ErrNotOpened
	}
	return plain, nil
}

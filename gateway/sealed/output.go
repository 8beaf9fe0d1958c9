package sealed

import (
	"crypto/ecdh"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// MaxOutput bounds a sealed output.
const MaxOutput = 4 << 20

func ofOutput(t *Task) []byte { return bound("killick.enclave.output.v1", t, nil) }

// SealOutput seals a job's output to the consumer's key. What is sealed twice differs:
// evidence binds one of them. Errors: fault.TooLarge, fault.InvalidValue.
func SealOutput(t *Task, plain []byte) ([]byte, error) {
	if len(plain) > MaxOutput-Overhead {
		return nil, fault.New(fault.TooLarge, "an output of %d bytes, at most %d are delivered", len(plain), MaxOutput-Overhead)
	}
	return seal(t.Output, ofOutput(t), plain)
}

// OpenOutput opens an output with the private key of the consumer. Errors: ErrNotOpened.
func OpenOutput(t *Task, key *ecdh.PrivateKey, data []byte) ([]byte, error) {
	return open(key, ofOutput(t), data)
}

package client

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
)

// agreementKey is a key to which content is encrypted, on X25519. Its fragment is made
// from it, so that it names no other one.
type agreementKey struct {
	fragment string
	key      *ecdh.PrivateKey
}

// agreementSecret is an agreement key in a key file.
type agreementSecret struct {
	Fragment string `json:"fragment"`
	Key      string `json:"key"` // base64url of the 32 secret bytes
}

func drawAgreement() (agreementKey, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return agreementKey{}, fmt.Errorf("draw agreement key: %w", err)
	}
	text := did.FormatX25519Key([32]byte(key.PublicKey().Bytes()))
	return agreementKey{"agree-" + text[len(text)-12:], key}, nil
}

// method is the key as a document has it.
func (k agreementKey) method() did.Method {
	return did.Method{ID: "#" + k.fragment, Type: "Multikey", PublicKeyMultibase: did.FormatX25519Key([32]byte(k.key.PublicKey().Bytes()))}
}

func (k agreementKey) secret() agreementSecret {
	return agreementSecret{k.fragment, canon.B64(k.key.Bytes())}
}

func (s agreementSecret) open() (agreementKey, error) {
	secret, err := canon.UnB64(s.Key)
	if err != nil {
		return agreementKey{}, errors.New("an agreement key is malformed")
	}
	key, err := ecdh.X25519().NewPrivateKey(secret)
	if err != nil {
		return agreementKey{}, errors.New("an agreement key is malformed")
	}
	return agreementKey{s.Fragment, key}, nil
}

// agreementNow is the newest of the keys to which content is encrypted; the others
// open what was encrypted before.
func (i *Identity) agreementNow() (agreementKey, bool) {
	if len(i.agreement) == 0 {
		return agreementKey{}, false
	}
	return i.agreement[len(i.agreement)-1], true
}

// rotateAgreement draws a new agreement key for next and puts it in the place of the
// identity's in the document. The old ones stay with next.
func (i *Identity) rotateAgreement(doc *did.Document, next *Identity) error {
	fresh, err := drawAgreement()
	if err != nil {
		return err
	}
	next.agreement = append(slices.Clone(i.agreement), fresh)
	if now, ok := i.agreementNow(); ok {
		old := "#" + now.fragment
		doc.VerificationMethod = slices.DeleteFunc(doc.VerificationMethod, func(m did.Method) bool { return m.ID == old })
		doc.KeyAgreement = slices.DeleteFunc(doc.KeyAgreement, func(id string) bool { return id == old })
	}
	doc.VerificationMethod = append(doc.VerificationMethod, fresh.method())
	doc.KeyAgreement = append(doc.KeyAgreement, "#"+fresh.fragment)
	return nil
}

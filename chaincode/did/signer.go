package did

import (
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const signerType = 0x13

// Signer is what verifying an operation takes of a DID. It is kept beside the
// document, because every operation reads it: 50 bytes in place of 700, which are
// in LevelDB's cache for ten times as many DIDs. Whatever changes a document or its
// status writes it in the same transaction.
type Signer struct {
	Deactivated bool
	Bound       bool        // a person is bound to the DID (person.go)
	Keys        []SignerKey // that sign, in the order of verificationMethod
}

// SignerKey is one key of a document.
type SignerKey struct {
	Fragment string
	Signs    bool // listed under capabilityInvocation
	Key      *PublicKey
}

// SignerKeyOf returns the state key of a DID's signer. It is there exactly when the
// DID exists.
func SignerKeyOf(id ledger.ID) string { return SignerPrefix + "/" + id.String() }

// SignerPrefix begins the state keys of signers, before a slash. It sorts before
// everything that is written in masses (balance, op, post, record), and the peer's
// own mark of each block after it: so a signer lies outside the range of LevelDB's
// newest tables, which are then not searched for it.
const SignerPrefix = "actor"

// signer returns the document's keys; the document passed its check.
func (d *Document) signer() *Signer {
	s := new(Signer)
	for _, m := range d.VerificationMethod {
		if m.key.alg == "" {
			continue
		}
		s.Keys = append(s.Keys, SignerKey{m.ID[1:], slices.Contains(d.CapabilityInvocation, m.ID), m.key})
	}
	return s
}

// Encode returns the layout of docs/formats/did-method.md.
func (s *Signer) Encode() []byte {
	r := canon.NewRecord(signerType).U8(flag(s.Deactivated)*deactivated | flag(s.Bound)*bound).U8(uint8(len(s.Keys)))
	for _, k := range s.Keys {
		r.U8(flag(k.Signs)).Var8([]byte(k.Fragment)).Var8(k.Key.multikey())
	}
	return r.Bytes()
}

// The bits of a signer's status: the DID is deactivated, a person is bound to it.
const (
	deactivated = 1
	bound       = 2
)

// putSigner writes the signer of a DID, which stays bound when it was.
func putSigner(tx *ledger.Tx, id ledger.ID, s *Signer) error {
	was, err := IsBound(tx, id)
	if err != nil {
		return err
	}
	s.Bound = was
	tx.Put(SignerKeyOf(id), s.Encode())
	return nil
}

// IsBound says whether a person is bound to a DID. It reads what verifying and paying
// read anyway.
func IsBound(tx *ledger.Tx, id ledger.ID) (bool, error) {
	value, err := tx.Get(SignerKeyOf(id))
	return has(value, bound), err
}

// IsDeactivated says whether a DID is deactivated. It looks at no key: a DID has up to
// 16, and reading them takes longer than all else that some operations do.
func IsDeactivated(tx *ledger.Tx, id ledger.ID) (bool, error) {
	value, err := tx.Get(SignerKeyOf(id))
	return has(value, deactivated), err
}

// has says whether a stored signer has the bit in its status.
func has(signer []byte, bit byte) bool { return len(signer) > 2 && signer[2]&bit != 0 }

func flag(set bool) uint8 {
	if set {
		return 1
	}
	return 0
}

// DecodeSigner reads a stored signer. Errors: fault.Malformed,
// fault.InvalidValue.
func DecodeSigner(value []byte) (*Signer, error) {
	r := canon.OpenRecord(value, signerType)
	status, count := r.U8(), r.U8()
	s := &Signer{Deactivated: status&deactivated != 0, Bound: status&bound != 0}
	if status > deactivated|bound || count > maxMethods {
		return nil, fault.New(fault.Malformed, "a signer of status %d with %d keys", status, count)
	}
	for range count {
		signs, fragment, multikey := r.U8(), string(r.Var8()), r.Var8()
		key, err := parseMultikey(multikey)
		if err != nil {
			return nil, err
		}
		if signs > 1 || key.alg == "" || !validFragment(fragment) {
			return nil, fault.New(fault.Malformed, "a signer with the key %.40q of purpose %d", fragment, signs)
		}
		s.Keys = append(s.Keys, SignerKey{fragment, signs == 1, key})
	}
	return s, r.Done()
}

// SigningKey returns the key that the fragment names, if it may act for the DID.
// Errors: fault.KeyUnknown, fault.KeyPurpose.
func (s *Signer) SigningKey(fragment string) (*PublicKey, error) {
	for _, k := range s.Keys {
		switch {
		case k.Fragment != fragment:
		case !k.Signs:
			return nil, fault.New(fault.KeyPurpose, "the key #%s is not listed under capabilityInvocation", fragment)
		default:
			return k.Key, nil
		}
	}
	return nil, fault.New(fault.KeyUnknown, "the document has no key #%s that signs", fragment)
}

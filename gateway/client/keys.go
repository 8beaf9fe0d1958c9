package client

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
)

// Kinds of key files.
const (
	kindIdentity = "identity"
	kindRecovery = "recovery"
)

// signingFragment names the one key of a document that Generate makes.
const signingFragment = "key-1"

// Identity is a DID's keys: the key that signs operations and, if there is one,
// the key of its account on public chains.
type Identity struct {
	document []byte // inception document in canonical form: it makes the DID
	id       string
	fragment string
	signing  signingKey
	chain    *secp256k1.PrivateKey
}

// Recovery is the key that may replace all others of a DID. It is kept apart
// from them.
type Recovery struct{ seed []byte }

type identitySecret struct {
	Document jsontext.Value `json:"document"`
	Fragment string         `json:"fragment"`
	Signing  string         `json:"signing"`         // base64url of the 32 secret bytes of the document's key
	Chain    string         `json:"chain,omitempty"` // hex of the secp256k1 scalar
}

// publicPart is what a key file shows without its passphrase.
type publicPart struct {
	ID      string `json:"id"`                // last part of the DID
	Address string `json:"address,omitempty"` // of the chain key, 0x and hex
}

var errNoChainKey = errors.New("the key file holds no key for public chains; killick keys new --chain makes one")

// Generate draws new keys: one that signs operations with alg (EdDSA, ES256 or
// ES256K), and the recovery key; withChain adds a key for an account on public
// chains.
func Generate(alg string, withChain bool) (*Identity, *Recovery, error) {
	signing, err := drawKey(did.Algorithm(alg))
	if err != nil {
		return nil, nil, fmt.Errorf("draw signing key: %w", err)
	}
	recovery, recoveryKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("draw recovery key: %w", err)
	}
	commitment := canon.Sum(did.KeyBytes([32]byte(recovery)))
	ref := "#" + signingFragment
	text, err := canon.Marshal(did.Document{
		VerificationMethod:   []did.Method{{ID: ref, Type: "Multikey", PublicKeyMultibase: signing.public}},
		Authentication:       []string{ref},
		AssertionMethod:      []string{ref},
		CapabilityInvocation: []string{ref},
		Recovery:             canon.B64(commitment[:]),
	})
	if err != nil {
		return nil, nil, err
	}
	i := &Identity{fragment: signingFragment, signing: signing}
	if _, err := i.setDocument(text); err != nil {
		return nil, nil, err
	}
	if withChain {
		if i.chain, err = secp256k1.GeneratePrivateKey(); err != nil {
			return nil, nil, fmt.Errorf("draw chain key: %w", err)
		}
	}
	return i, &Recovery{seed: recoveryKey.Seed()}, nil
}

func (i *Identity) setDocument(text []byte) (*did.Document, error) {
	document, id, err := did.DecodeDocument(text)
	if err != nil {
		return nil, fmt.Errorf("inception document: %w", err)
	}
	i.id = id.String()
	i.document, err = canon.JCS(text)
	return document, err
}

// DID returns the identity's DID on a network.
func (i *Identity) DID(network string) string { return "did:killick:" + network + ":" + i.id }

// Document returns the inception document in canonical form.
func (i *Identity) Document() []byte { return append([]byte(nil), i.document...) }

// Address returns the 20 bytes of the chain key's address, and whether there is
// one. It is the same on EVM chains and on Tron.
func (i *Identity) Address() (address [20]byte, ok bool) {
	if i.chain == nil {
		return address, false
	}
	return canon.KeyAddress(i.chain.PubKey()), true
}

// ChainKey returns the 32 bytes of the chain key. Errors when there is none.
func (i *Identity) ChainKey() ([]byte, error) {
	if i.chain == nil {
		return nil, errNoChainKey
	}
	return i.chain.Serialize(), nil
}

// Save writes the identity to a new file, sealed with the passphrase.
func (i *Identity) Save(path string, passphrase []byte) error {
	secret := identitySecret{Document: i.document, Fragment: i.fragment, Signing: canon.B64(i.signing.secret)}
	public := publicPart{ID: i.id}
	if i.chain != nil {
		secret.Chain = canon.Hex(i.chain.Serialize())
		address := canon.KeyAddress(i.chain.PubKey())
		public.Address = "0x" + canon.Hex(address[:])
	}
	return save(path, kindIdentity, public, secret, passphrase)
}

// Save writes the recovery key to a new file, sealed with the passphrase.
func (r *Recovery) Save(path string, passphrase []byte) error {
	return save(path, kindRecovery, publicPart{}, struct {
		Recovery string `json:"recovery"`
	}{canon.B64(r.seed)}, passphrase)
}

func save(path, kind string, public publicPart, secret any, passphrase []byte) error {
	open, err := canon.Marshal(public)
	if err != nil {
		return err
	}
	closed, err := canon.Marshal(secret)
	if err != nil {
		return err
	}
	data, err := seal(kind, open, closed, passphrase)
	if err != nil {
		return fmt.Errorf("seal key file: %w", err)
	}
	return writeNew(path, data)
}

// Load opens an identity's key file. It returns ErrPassphrase when the
// passphrase does not open it.
func Load(path string, passphrase []byte) (*Identity, error) {
	f, err := readKeyFile(path, kindIdentity)
	if err != nil {
		return nil, err
	}
	data, err := f.open(passphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var secret identitySecret
	if err := canon.Decode(data, &secret); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	i := &Identity{fragment: secret.Fragment}
	document, err := i.setDocument(secret.Document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if i.signing, err = secret.key(document); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if secret.Chain != "" {
		scalar, err := canon.UnHex(secret.Chain, 32)
		if err != nil {
			return nil, fmt.Errorf("%s: the chain key is malformed", path)
		}
		i.chain = secp256k1.PrivKeyFromBytes(scalar)
	}
	return i, nil
}

// key returns the signing key, which must be the one that the document names.
func (s *identitySecret) key(document *did.Document) (signingKey, error) {
	public, err := document.SigningKey(s.Fragment)
	if err != nil {
		return signingKey{}, err
	}
	secret, err := canon.UnB64(s.Signing)
	if err != nil {
		return signingKey{}, errors.New("the signing key is malformed")
	}
	key, err := newKey(public.Algorithm(), secret)
	if err != nil || key.public != public.String() {
		return signingKey{}, errors.New("the signing key is not that of the document")
	}
	return key, nil
}

// LoadPublic reads which DID a key file is for, without a passphrase. The answer
// is not authenticated before the file is opened with Load.
func LoadPublic(path, network string) (did string, address string, err error) {
	f, err := readKeyFile(path, kindIdentity)
	if err != nil {
		return "", "", err
	}
	data, err := f.public()
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", path, err)
	}
	var p publicPart
	if err := canon.Decode(data, &p); err != nil {
		return "", "", fmt.Errorf("%s: %w", path, err)
	}
	return "did:killick:" + network + ":" + p.ID, p.Address, nil
}

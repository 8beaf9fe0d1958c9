package client

import (
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

// Identity is a DID's keys: the key that signs operations, those to which content is
// encrypted and, if there is one, the key of its account on public chains.
type Identity struct {
	document []byte // of the version that has the signing key, in canonical form
	id       string
	fragment string
	signing  signingKey
	chain    *secp256k1.PrivateKey
	salts    []byte // 32 bytes, of which the salts of linked identities are made
	// agreement are the keys to which content is encrypted for the DID, oldest first; the
	// last one is in the document.
	agreement []agreementKey
}

// Recovery is the key that may replace all others of a DID. It is kept apart
// from them.
type Recovery struct {
	id    string
	key   signingKey // of Ed25519
	salts []byte     // as the identity's, so that what is linked can still be shown
}

type identitySecret struct {
	// ID is the last part of the DID, absent where the document makes it.
	ID        string            `json:"id,omitempty"`
	Document  jsontext.Value    `json:"document"`
	Fragment  string            `json:"fragment"`
	Signing   string            `json:"signing"`             // base64url of the 32 secret bytes of the document's key
	Agreement []agreementSecret `json:"agreement,omitempty"` // oldest first
	Chain     string            `json:"chain,omitempty"`     // hex of the secp256k1 scalar
	Salts     string            `json:"salts,omitempty"`     // base64url of the 32 bytes of which salts are made
}

// publicPart is what a key file shows without its passphrase.
type publicPart struct {
	ID      string `json:"id"`                // last part of the DID
	Address string `json:"address,omitempty"` // of the chain key, 0x and hex
}

var errNoChainKey = errors.New("the key file holds no key for public chains; killick keys new --chain makes one")

// Generate draws new keys: one that signs operations with alg (EdDSA, ES256 or
// ES256K), one to which content is encrypted, and the recovery key; withChain adds a key for an account on public
// chains.
func Generate(alg string, withChain bool) (*Identity, *Recovery, error) {
	signing, err := drawKey(did.Algorithm(alg))
	if err != nil {
		return nil, nil, fmt.Errorf("draw signing key: %w", err)
	}
	recovery, err := drawRecovery()
	if err != nil {
		return nil, nil, err
	}
	agreement, err := drawAgreement()
	if err != nil {
		return nil, nil, err
	}
	i := &Identity{fragment: signingFragment, signing: signing, salts: make([]byte, 32), agreement: []agreementKey{agreement}}
	if _, err := rand.Read(i.salts); err != nil {
		return nil, nil, fmt.Errorf("draw salts: %w", err)
	}
	text, err := canon.Marshal(i.ownDocument(recovery))
	if err != nil {
		return nil, nil, err
	}
	if _, err := i.setDocument(text); err != nil {
		return nil, nil, err
	}
	if withChain {
		if i.chain, err = secp256k1.GeneratePrivateKey(); err != nil {
			return nil, nil, fmt.Errorf("draw chain key: %w", err)
		}
	}
	recovery.id, recovery.salts = i.id, i.salts
	return i, recovery, nil
}

func drawRecovery() (*Recovery, error) {
	key, err := drawKey(did.EdDSA)
	if err != nil {
		return nil, fmt.Errorf("draw recovery key: %w", err)
	}
	return &Recovery{key: key}, nil
}

// ownDocument returns a document with the identity's keys alone.
func (i *Identity) ownDocument(recovery *Recovery) did.Document {
	ref := "#" + i.fragment
	doc := did.Document{
		VerificationMethod:   []did.Method{{ID: ref, Type: "Multikey", PublicKeyMultibase: i.signing.public}},
		Authentication:       []string{ref},
		AssertionMethod:      []string{ref},
		CapabilityInvocation: []string{ref},
		Recovery:             recovery.commitment(),
	}
	if k, ok := i.agreementNow(); ok {
		doc.VerificationMethod = append(doc.VerificationMethod, k.method())
		doc.KeyAgreement = []string{"#" + k.fragment}
	}
	return doc
}

// commitment is what the member recovery of a document says of the key.
func (r *Recovery) commitment() string {
	key, err := did.ParseKey(r.key.public)
	if err != nil {
		panic(err) // newKey made it
	}
	return key.Commitment()
}

// setDocument sets the document, and the id that it makes as inception document.
func (i *Identity) setDocument(text []byte) (*did.Document, error) {
	document, id, err := did.DecodeDocument(text)
	if err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	i.id = id.String()
	i.document, err = canon.JCS(text)
	return document, err
}

// ID is the last part of the identity's DID, the same on every ledger.
func (i *Identity) ID() string { return i.id }

// DID returns the identity's DID on a network.
func (i *Identity) DID(network string) string { return "did:killick:" + network + ":" + i.id }

// PublicKey returns the public key of the signing key as Multikey.
func (i *Identity) PublicKey() string { return i.signing.public }

// Document returns the document of the version that has the identity's signing key,
// in canonical form: the inception document until the key is replaced.
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
	secret := identitySecret{Document: i.document, Fragment: i.fragment, Signing: canon.B64(i.signing.secret), Salts: canon.B64(i.salts)}
	if _, made, err := did.DecodeDocument(i.document); err != nil || made.String() != i.id {
		secret.ID = i.id
	}
	for _, k := range i.agreement {
		secret.Agreement = append(secret.Agreement, k.secret())
	}
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
	return save(path, kindRecovery, publicPart{ID: r.id}, recoverySecret{r.id, canon.B64(r.key.secret), canon.B64(r.salts)}, passphrase)
}

type recoverySecret struct {
	ID       string `json:"id"`       // last part of the DID
	Recovery string `json:"recovery"` // base64url of the seed of Ed25519
	Salts    string `json:"salts,omitempty"`
}

// LoadRecovery opens a recovery key's file. It returns ErrPassphrase when the
// passphrase does not open it.
func LoadRecovery(path string, passphrase []byte) (*Recovery, error) {
	var secret recoverySecret
	if err := load(path, kindRecovery, passphrase, &secret); err != nil {
		return nil, err
	}
	if err := checkID(secret.ID); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	seed, err := canon.UnB64(secret.Recovery)
	if err != nil {
		return nil, fmt.Errorf("%s: the recovery key is malformed", path)
	}
	key, err := newKey(did.EdDSA, seed)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	salts, err := openSalts(secret.Salts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Recovery{secret.ID, key, salts}, nil
}

// openSalts reads the secret of which salts are made; there may be none.
func openSalts(text string) ([]byte, error) {
	salts, err := canon.UnB64(text)
	if err != nil || len(salts) != 0 && len(salts) != 32 {
		return nil, errors.New("the secret for salts is malformed")
	}
	return salts, nil
}

// checkID checks the last part of a DID.
func checkID(id string) error {
	_, _, err := did.Parse("did:killick:any:" + id)
	return err
}

// load opens a key file and reads what it seals.
func load(path, kind string, passphrase []byte, secret any) error {
	f, err := readKeyFile(path, kind)
	if err != nil {
		return err
	}
	data, err := f.open(passphrase)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := canon.Decode(data, secret); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
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
	var secret identitySecret
	if err := load(path, kindIdentity, passphrase, &secret); err != nil {
		return nil, err
	}
	i := &Identity{fragment: secret.Fragment}
	document, err := i.setDocument(secret.Document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if secret.ID != "" {
		if err := checkID(secret.ID); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		i.id = secret.ID
	}
	if i.signing, err = secret.key(document); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, a := range secret.Agreement {
		k, err := a.open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		i.agreement = append(i.agreement, k)
	}
	if i.salts, err = openSalts(secret.Salts); err != nil {
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

package record

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Limits and fixed parts of a content.
const (
	MaxContent    = 65536 // bytes
	MaxRecipients = 32
	// SaltSize is the length of the salt that stands before the content in what is
	// encrypted.
	SaltSize = 32

	// ContentProtected is base64url of {"enc":"A256GCM"}.
	ContentProtected = "eyJlbmMiOiJBMjU2R0NNIn0"
	// ContentAlg is how each recipient's key is agreed on.
	ContentAlg = "ECDH-ES+A256KW"

	wrappedSize = 40 // a key of 32 bytes under AES key wrap
	ivSize      = 12
	tagSize     = 16
)

// Content is a private content as it travels and is kept: a JWE in the general JSON
// serialization (RFC 7516 section 7.2.1), in the one form of docs/formats/content.md.
type Content struct {
	Protected  string      `json:"protected"`
	Recipients []Recipient `json:"recipients"`
	IV         string      `json:"iv"`
	Ciphertext string      `json:"ciphertext"`
	Tag        string      `json:"tag"`
}

// Recipient is one key that opens a content.
type Recipient struct {
	Header       RecipientHeader `json:"header"`
	EncryptedKey string          `json:"encrypted_key"`
}

// RecipientHeader says which key opens a content, and how. Kid is the DID URL of a
// key under keyAgreement.
type RecipientHeader struct {
	Alg string    `json:"alg"`
	Kid string    `json:"kid"`
	Epk Ephemeral `json:"epk"`
}

// Ephemeral is the sender's public key for one recipient, as JWK.
type Ephemeral struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y,omitzero"`
}

// DecodeContent reads a content strictly. Whether it was encrypted well nobody can
// say who does not open it. Errors: those of canon.Decode, fault.TooLarge,
// fault.InvalidValue.
func DecodeContent(data []byte) (*Content, error) {
	if len(data) > MaxContent {
		return nil, fault.New(fault.TooLarge, "content of %d bytes, at most %d are kept", len(data), MaxContent)
	}
	c := new(Content)
	if err := canon.Decode(data, c, "protected", "recipients", "iv", "ciphertext", "tag"); err != nil {
		return nil, err
	}
	if c.Protected != ContentProtected {
		return nil, fault.New(fault.InvalidValue, `content: protected must be base64url of {"enc":"A256GCM"}`)
	}
	if n := len(c.Recipients); n < 1 || n > MaxRecipients {
		return nil, fault.New(fault.InvalidValue, "content: %d recipients, 1 to %d are possible", n, MaxRecipients)
	}
	seen := map[string]bool{}
	for i := range c.Recipients {
		if err := c.Recipients[i].check(seen); err != nil {
			return nil, err
		}
	}
	if !sized(c.IV, ivSize) || !sized(c.Tag, tagSize) {
		return nil, fault.New(fault.InvalidValue, "content: iv and tag must be base64url of %d and %d bytes", ivSize, tagSize)
	}
	if b, err := canon.UnB64(c.Ciphertext); err != nil || len(b) < SaltSize {
		return nil, fault.New(fault.InvalidValue, "content: ciphertext must be base64url of at least %d bytes", SaltSize)
	}
	return c, nil
}

func (r *Recipient) check(seen map[string]bool) error {
	h := &r.Header
	if _, _, _, err := did.ParseURL(h.Kid); err != nil {
		return fault.New(fault.InvalidValue, "content: kid: %s", fault.Text(err))
	}
	if seen[h.Kid] {
		return fault.New(fault.InvalidValue, "content: %.100q is a recipient twice", h.Kid)
	}
	seen[h.Kid] = true
	if h.Alg != ContentAlg || !sized(r.EncryptedKey, wrappedSize) {
		return fault.New(fault.InvalidValue, "content: alg must be %s, encrypted_key base64url of %d bytes", ContentAlg, wrappedSize)
	}
	switch e := h.Epk; {
	case e.Kty == "OKP" && e.Crv == "X25519" && sized(e.X, 32) && e.Y == "":
	case e.Kty == "EC" && e.Crv == "P-256" && sized(e.X, 32) && sized(e.Y, 32):
	default:
		return fault.New(fault.InvalidValue, "content: epk must be a key of X25519 (OKP) or P-256 (EC)")
	}
	return nil
}

func sized(text string, n int) bool {
	b, err := canon.UnB64(text)
	return err == nil && len(b) == n
}

// opens says that a key of the DID is among the recipients.
func (c *Content) opens(network string, id ledger.ID) bool {
	for _, r := range c.Recipients {
		if n, actor, _, err := did.ParseURL(r.Header.Kid); err == nil && n == network && actor == id {
			return true
		}
	}
	return false
}

// CheckContent says whether data is the content that an operation of the actor names
// by its SHA-256: of the form, of that size, and such that the actor can open it.
// Errors: fault.ContentMissing, and those of DecodeContent.
func CheckContent(call ledger.Call, digest string, size uint64, data []byte) error {
	if data == nil {
		return fault.New(fault.ContentMissing, "the content %s did not come with the operation", digest)
	}
	if sum := canon.Sum(data); canon.Hex(sum[:]) != digest {
		return fault.New(fault.ContentMissing, "what came with the operation is %s, and not the content %s", canon.Hex(sum[:]), digest)
	}
	c, err := DecodeContent(data)
	if err != nil {
		return err
	}
	if !c.opens(call.Network, call.Actor) {
		return fault.New(fault.InvalidValue, "content: no key of the owner is among the recipients")
	}
	for _, r := range c.Recipients {
		if network, _, _, _ := did.ParseURL(r.Header.Kid); network != call.Network {
			return fault.New(fault.WrongNetwork, "content: the recipient %.100q is of another network", r.Header.Kid)
		}
	}
	if b, err := canon.UnB64(c.Ciphertext); err != nil || uint64(len(b)) != SaltSize+size {
		return fault.New(fault.InvalidValue, "content: ciphertext has %d bytes, of a content of %d it has %d", len(b), size, SaltSize+size)
	}
	return nil
}

// checkPrivate looks at the digest of a content and the size of what is in it.
func checkPrivate(digest string, size uint64) error {
	if digest == "" {
		return nil
	}
	sum, err := canon.UnHex32(digest)
	if err != nil || sum == [32]byte{} {
		return fault.New(fault.InvalidValue, "private must be the SHA-256 of the content, 64 lower-case hex digits")
	}
	if size > MaxContent {
		return fault.New(fault.TooLarge, "a content of %d bytes is not kept", size)
	}
	return nil
}

// PrivateKey returns the private key under which a record's content is kept, by its
// SHA-256: whoever makes another record of the same ciphertext cannot have this one's
// purged.
func PrivateKey(ref string, digest [32]byte) string {
	return "content/" + ref + "/" + canon.Hex(digest[:])
}

// keep replaces the content of the record's version before, if it has one, by that which
// came with the operation. Whoever applies the operation has checked it.
func (v *Value) keep(tx *ledger.Tx, ref, digest string) error {
	v.forget(tx, ref)
	if digest == "" {
		return nil
	}
	sum, err := canon.UnHex32(digest)
	if err != nil {
		return err
	}
	v.Private = sum
	content, assumed, err := tx.Content(digest)
	if assumed {
		content = v.Private[:] // its digest stands for it
	}
	if err == nil && content != nil {
		tx.PutPrivate(PrivateKey(ref, v.Private), content)
	}
	return err
}

// forget purges the record's content, if there is one.
func (v *Value) forget(tx *ledger.Tx, ref string) {
	if v.Private != ([32]byte{}) {
		tx.Purge(PrivateKey(ref, v.Private))
		v.Private = [32]byte{}
	}
}

// Refused purges the content that came with an amendment which is refused for good:
// void transactions with it may have left it with the members. What the record has for
// its content stays.
func (a *Amend) Refused(tx *ledger.Tx) error {
	if a.Private == "" {
		return nil
	}
	digest, err := canon.UnHex32(a.Private)
	if err != nil {
		return err
	}
	ref, err := ledger.ParseReference(a.Record)
	if err != nil {
		return err
	}
	v, _, err := Read(tx, ref)
	if err != nil && fault.Of(err) != fault.NotFound {
		return err
	}
	if v == nil || v.Private != digest {
		tx.Purge(PrivateKey(a.Record, digest))
	}
	return nil
}

// ContentView is a content as record:Content answers it.
type ContentView struct {
	Record     string `json:"record"`
	Version    uint32 `json:"version"`
	Commitment string `json:"commitment"`
	Digest     string `json:"digest"`
	Content    string `json:"content"`
}

// Fetch returns the content of a record's newest version to its owner and to whoever
// it is encrypted to. Errors: fault.InvalidValue, fault.NotFound, fault.Deleted,
// fault.NotOwner, fault.Unavailable.
func Fetch(tx *ledger.Tx, network, text string, actor ledger.ID) (*ContentView, error) {
	ref, err := ledger.ParseReference(text)
	if err != nil {
		return nil, fault.New(fault.InvalidValue, "record: %v", err)
	}
	v, _, err := Read(tx, ref)
	switch {
	case err != nil:
		return nil, err
	case v.Status == Deleted:
		return nil, fault.New(fault.Deleted, "%s", text)
	case v.Private == [32]byte{}:
		return nil, fault.New(fault.NotFound, "no content of %s is kept on the ledger", text)
	}
	data, err := tx.Private(PrivateKey(text, v.Private))
	if err != nil {
		return nil, err
	}
	c, err := DecodeContent(data)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "this peer does not have the content")
	}
	if actor != v.Owner && !c.opens(network, actor) {
		return nil, fault.New(fault.NotOwner, "the content is not encrypted to this DID")
	}
	return &ContentView{text, v.Version, canon.Hex(v.Commitment[:]), canon.Hex(v.Private[:]), string(data)}, nil
}

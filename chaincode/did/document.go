package did

import (
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Limits of a document.
const (
	maxMethods  = 16
	maxServices = 8
	maxEndpoint = 512
)

// RecoveryFragment is what follows # in the kid of operations that the recovery key
// signs. No key or service of a document has it.
const RecoveryFragment = "recovery"

// Document is a document in full, as did.create and did.recover state it and as it is
// stored (docs/formats/did-method.md).
type Document struct {
	VerificationMethod   []Method  `json:"verificationMethod"`
	Authentication       []string  `json:"authentication,omitempty"`
	AssertionMethod      []string  `json:"assertionMethod,omitempty"`
	KeyAgreement         []string  `json:"keyAgreement,omitempty"`
	CapabilityInvocation []string  `json:"capabilityInvocation"`
	Service              []Service `json:"service,omitempty"`
	Recovery             string    `json:"recovery"`
}

// replacement is a document as did.update states it: all but the commitment to the
// recovery key, which the keys of the document cannot change.
type replacement struct {
	VerificationMethod   []Method  `json:"verificationMethod"`
	Authentication       []string  `json:"authentication,omitempty"`
	AssertionMethod      []string  `json:"assertionMethod,omitempty"`
	KeyAgreement         []string  `json:"keyAgreement,omitempty"`
	CapabilityInvocation []string  `json:"capabilityInvocation"`
	Service              []Service `json:"service,omitempty"`
}

// document returns the full form, as yet without a recovery commitment.
func (r *replacement) document() *Document {
	return &Document{
		VerificationMethod: r.VerificationMethod, Authentication: r.Authentication, AssertionMethod: r.AssertionMethod,
		KeyAgreement: r.KeyAgreement, CapabilityInvocation: r.CapabilityInvocation, Service: r.Service,
	}
}

// Method is one key of a document. ID is "#" and the fragment.
type Method struct {
	ID                 string `json:"id"`
	Type               string `json:"type"`
	PublicKeyMultibase string `json:"publicKeyMultibase"`

	key *PublicKey // of a document that was checked
}

// Service is one service of a document.
type Service struct {
	ID              string `json:"id"`
	Type            string `json:"type"`
	ServiceEndpoint string `json:"serviceEndpoint"`
}

// DecodeDocument reads and checks an inception document and returns the id
// that it makes. Errors: those of canon.Decode, fault.MissingField,
// fault.InvalidValue.
func DecodeDocument(raw []byte) (*Document, ledger.ID, error) {
	doc, canonical, err := decodeDocument(raw)
	if err != nil {
		return nil, ledger.ID{}, err
	}
	return doc, idOf(canonical), nil
}

// idOf returns the id that the canonical form of an inception document makes.
func idOf(canonical []byte) ledger.ID {
	sum := canon.Sum(canonical)
	return ledger.ID(sum[:20])
}

// decodeDocument returns the canonical form as well.
func decodeDocument(raw []byte) (doc *Document, canonical []byte, err error) {
	doc = new(Document)
	if err := canon.Decode(raw, doc); err != nil {
		return nil, nil, err
	}
	if err := doc.check(); err != nil {
		return nil, nil, err
	}
	canonical, err = canon.JCS(raw)
	return doc, canonical, err
}

func (d *Document) check() error {
	if err := d.checkContent(); err != nil {
		return err
	}
	if hash, err := canon.UnB64(d.Recovery); err != nil || len(hash) != 32 {
		return fault.New(fault.InvalidValue, "recovery must be base64url of 32 bytes")
	}
	return nil
}

// checkContent checks all but the recovery commitment.
func (d *Document) checkContent() error {
	if n := len(d.VerificationMethod); n < 1 || n > maxMethods {
		return fault.New(fault.InvalidValue, "verificationMethod has %d entries, 1 to %d are allowed", n, maxMethods)
	}
	seen := map[string]bool{}
	for i := range d.VerificationMethod {
		m := &d.VerificationMethod[i]
		if err := takeID(seen, m.ID); err != nil {
			return err
		}
		if m.Type != "Multikey" {
			return fault.New(fault.InvalidValue, "%s: type must be Multikey", m.ID)
		}
		key, err := parseText(m.PublicKeyMultibase)
		if err != nil {
			return fault.New(fault.InvalidValue, "%s: %s", m.ID, fault.Text(err))
		}
		m.key = key
	}
	if len(d.CapabilityInvocation) == 0 {
		return fault.New(fault.MissingField, "capabilityInvocation must list at least one key")
	}
	for _, list := range [][]string{d.Authentication, d.AssertionMethod, d.CapabilityInvocation} {
		if err := d.checkList(list, func(k *PublicKey) bool { return k.alg != "" }); err != nil {
			return err
		}
	}
	if err := d.checkList(d.KeyAgreement, func(k *PublicKey) bool { return k.agreement() != nil }); err != nil {
		return err
	}
	if len(d.Service) > maxServices {
		return fault.New(fault.InvalidValue, "service has %d entries, at most %d are allowed", len(d.Service), maxServices)
	}
	for _, s := range d.Service {
		if err := takeID(seen, s.ID); err != nil {
			return err
		}
		if len(s.Type) < 1 || len(s.Type) > 64 || !printable(s.Type) {
			return fault.New(fault.InvalidValue, "%s: type must be 1 to 64 printable characters", s.ID)
		}
		if !strings.HasPrefix(s.ServiceEndpoint, "https://") || len(s.ServiceEndpoint) > maxEndpoint || !printable(s.ServiceEndpoint) {
			return fault.New(fault.InvalidValue, "%s: serviceEndpoint must be an https: URI of at most %d characters", s.ID, maxEndpoint)
		}
	}
	return nil
}

func takeID(seen map[string]bool, id string) error {
	if len(id) < 1 || id[0] != '#' || !validFragment(id[1:]) {
		return fault.New(fault.InvalidValue, "id %.40q is not # and 1 to 32 of A-Z a-z 0-9 _ -", id)
	}
	if id[1:] == RecoveryFragment {
		return fault.New(fault.InvalidValue, "id #%s is kept for the recovery key, which is in no document", RecoveryFragment)
	}
	if seen[id] {
		return fault.New(fault.InvalidValue, "id %s occurs twice", id)
	}
	seen[id] = true
	return nil
}

// checkList checks a relationship, whose keys have to be fit for it.
func (d *Document) checkList(list []string, fit func(*PublicKey) bool) error {
	if len(list) > maxMethods {
		return fault.New(fault.InvalidValue, "a relationship lists more than %d keys", maxMethods)
	}
	for i, id := range list {
		m := d.method(id)
		if m == nil {
			return fault.New(fault.InvalidValue, "%.40q is not a verification method of the document", id)
		}
		if !fit(m.key) {
			return fault.New(fault.InvalidValue, "%s: keyAgreement takes keys of X25519 and P-256, the other lists take keys that sign", id)
		}
		if slices.Contains(list[:i], id) {
			return fault.New(fault.InvalidValue, "%s is listed twice", id)
		}
	}
	return nil
}

func (d *Document) method(id string) *Method {
	for i := range d.VerificationMethod {
		if d.VerificationMethod[i].ID == id {
			return &d.VerificationMethod[i]
		}
	}
	return nil
}

// SigningKey returns the key that the fragment names, if it may act for the
// DID. It needs a document of DecodeDocument. Errors: fault.KeyUnknown,
// fault.KeyPurpose.
func (d *Document) SigningKey(fragment string) (*PublicKey, error) {
	m := d.method("#" + fragment)
	if m == nil || m.key.alg == "" {
		return nil, fault.New(fault.KeyUnknown, "the document has no key #%s that signs", fragment)
	}
	if !slices.Contains(d.CapabilityInvocation, m.ID) {
		return nil, fault.New(fault.KeyPurpose, "the key #%s is not listed under capabilityInvocation", fragment)
	}
	return m.key, nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

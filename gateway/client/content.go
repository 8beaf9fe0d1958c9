package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/jwe"
)

// Content is a record's private content as the members keep it.
type Content = killickv1.Content

// Sealed is a content that is ready to be submitted with an operation.
type Sealed struct {
	Data   []byte // the JWE, for SubmitWith
	Digest string // its SHA-256 in hex, for the operation's member private
}

// SubmitWith is Submit of an operation that names a content as private.
func (c *Client) SubmitWith(ctx context.Context, jws string, content []byte) (*Operation, error) {
	text := string(content)
	receipt, err := c.api.Submit(ctx, &killickv1.SubmitRequest{Operation: jws, Content: &text})
	return receipt, submitted(err)
}

// Content fetches the private content of a record, for its owner and for those to whom
// it is encrypted. Errors: fault.NotFound when none is kept, fault.Deleted,
// fault.NotOwner, fault.Unavailable.
func (c *Client) Content(ctx context.Context, s Signer, record string) (*Content, error) {
	item, err := ops.SignRead(s.Algorithm(), s.network, record, uint64(time.Now().Unix()), s)
	if err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	v, err := c.api.FetchContent(ctx, &killickv1.FetchContentRequest{Request: item.Compact()})
	return about(record, v, v.GetRecord(), err)
}

// Recipients returns the keys under keyAgreement of the DIDs, by their documents as
// this gateway shows them: one that lies could name a key of its own, so who has
// reason to doubt it compares what gateways of other members show.
func (c *Client) Recipients(ctx context.Context, dids ...string) ([]jwe.Recipient, error) {
	var keys []jwe.Recipient
	for _, name := range dids {
		r, err := c.Resolve(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("resolve %s: %w", name, err)
		}
		text, err := r.GetDidDocument().MarshalJSON()
		if err != nil {
			return nil, err
		}
		var document did.Resolved
		if err := canon.Decode(text, &document); err != nil {
			return nil, fmt.Errorf("document of %s: %w", name, err)
		}
		if len(document.KeyAgreement) == 0 {
			return nil, fault.New(fault.KeyPurpose, "%s has no key under keyAgreement, nothing can be encrypted to it", name)
		}
		for _, m := range document.VerificationMethod {
			if !slices.Contains(document.KeyAgreement, m.ID) {
				continue
			}
			key, err := did.ParseAgreement(m.PublicKeyMultibase)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.ID, err)
			}
			keys = append(keys, jwe.Recipient{KeyID: m.ID, Key: key})
		}
	}
	return keys, nil
}

// Seal encrypts a content and the salt of its commitment to the signer and to others.
func (s Signer) Seal(salt [32]byte, content []byte, others ...jwe.Recipient) (*Sealed, error) {
	own, ok := s.identity.agreementNow()
	if !ok {
		return nil, errors.New("the key file has no key to which content can be encrypted; killick did update --rotate makes one")
	}
	to := []jwe.Recipient{{KeyID: s.DID() + "#" + own.fragment, Key: own.key.PublicKey()}}
	for _, r := range others {
		if r.KeyID != to[0].KeyID {
			to = append(to, r)
		}
	}
	data, err := jwe.Encrypt(salt, content, to...)
	if err != nil {
		return nil, fmt.Errorf("encrypt content: %w", err)
	}
	sum := canon.Sum(data)
	return &Sealed{data, canon.Hex(sum[:])}, nil
}

// Open opens a content with the signer's keys and checks that it is what the record
// commits to. It returns jwe.ErrNotRecipient when none of the keys opens it.
func (s Signer) Open(c *Content) (salt [32]byte, content []byte, err error) {
	data := []byte(c.GetContent())
	if sum := canon.Sum(data); canon.Hex(sum[:]) != c.GetDigest() {
		return salt, nil, errors.New("the gateway answered another content than the record names")
	}
	for _, k := range slices.Backward(s.identity.agreement) {
		salt, content, err = jwe.Open(data, s.DID()+"#"+k.fragment, k.key)
		if errors.Is(err, jwe.ErrNotRecipient) {
			continue
		}
		if err != nil {
			return salt, nil, err
		}
		if commitment := CommitmentWith(salt, content); canon.Hex(commitment[:]) != c.GetCommitment() {
			return salt, nil, errors.New("the content is not what the record commits to")
		}
		return salt, content, nil
	}
	return salt, nil, jwe.ErrNotRecipient
}

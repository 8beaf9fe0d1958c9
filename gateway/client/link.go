package client

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
)

// newDID is what the key of an account signs in the place of a version in did.create.
const newDID = "new"

// The kinds of identities that can be linked to a DID.
const (
	KindAccount = did.KindAccount
	KindWeb     = did.KindWeb
)

// Disclosure shows that one identity is linked to a DID, and nothing of the others. Its
// method Verify checks it against an identity root.
type Disclosure = did.Disclosure

// DecodeDisclosure reads a disclosure strictly.
func DecodeDisclosure(data []byte) (*Disclosure, error) { return did.DecodeDisclosure(data) }

var errNoSalts = errors.New("the key file holds no secret for salts")

// Hidden returns an identity of the DID with the salt that hides it. The salt is made
// from the key file's secret, so the same identity always has the same one, and nobody
// without that secret can tell it.
func (s Signer) Hidden(kind did.Kind, text string) (did.Identity, error) {
	identity := did.Identity{Kind: kind, Text: text}
	if len(s.identity.salts) == 0 {
		return identity, errNoSalts
	}
	mac := hmac.New(sha256.New, s.identity.salts)
	fmt.Fprintf(mac, "killick salt v1\n%s\n%s\n%s", s.DID(), kind, text)
	mac.Sum(identity.Salt[:0])
	return identity, identity.Check()
}

// LinkText is what the key of an account (CAIP-10) signs, as a personal message
// (EIP-191, TIP-191), to be linked to the DID in its newest version, which
// Client.Identity names.
func (s Signer) LinkText(account, version string) (string, error) {
	a, err := canon.ParseAccount(account)
	return canon.LinkText(s.DID(), a, version), err
}

// Link signs the operation that links an account to the DID in its newest version.
// signature is that of the account's key over LinkText, 65 bytes, with v 27 and 28 or 0
// and 1.
func (s Signer) Link(account string, signature []byte, version string) (jws string, err error) {
	link, err := s.link(account, signature)
	if err != nil {
		return "", err
	}
	jws, _, err = s.Operation(&ops.DIDLink{Account: link.Account, Proof: link.Proof, Salt: link.Salt}, version)
	return jws, err
}

// LinkOwn is Link for the account of the identity's own chain key on a chain (CAIP-2).
func (s Signer) LinkOwn(chain, version string) (jws string, err error) {
	link, err := s.ownLink(chain, version)
	if err != nil {
		return "", err
	}
	jws, _, err = s.Operation(&ops.DIDLink{Account: link.Account, Proof: link.Proof, Salt: link.Salt}, version)
	return jws, err
}

func (s Signer) ownLink(chain, version string) (did.Link, error) {
	account, err := s.identity.Account(chain)
	if err != nil {
		return did.Link{}, err
	}
	proof := canon.SignDigest(s.identity.chain, canon.LinkDigest(s.DID(), account, version))
	return s.link(account.String(), proof[:])
}

func (s Signer) link(account string, signature []byte) (did.Link, error) {
	if len(signature) != 65 {
		return did.Link{}, fmt.Errorf("a signature of %d bytes, want 65: r, s and v", len(signature))
	}
	signature = append([]byte(nil), signature...)
	if signature[64] < 2 {
		signature[64] += 27 // as some wallets write it
	}
	identity, err := s.Hidden(KindAccount, account)
	return did.Link{Account: account, Proof: canon.B64(signature), Salt: canon.B64(identity.Salt[:])}, err
}

// LinkWeb signs the operation that puts another identity, a URI, under the DID's root.
// The ledger sees a commitment to it, which tells nobody what it is.
func (s Signer) LinkWeb(uri, version string) (jws string, err error) {
	identity, err := s.Hidden(KindWeb, uri)
	if err != nil {
		return "", err
	}
	_, id, err := did.Parse(s.DID())
	if err != nil {
		return "", err
	}
	commitment := identity.Commitment(s.network, id)
	jws, _, err = s.Operation(&ops.DIDLink{Commitment: canon.Hex(commitment[:])}, version)
	return jws, err
}

// Unlink signs the operation that takes an identity from under the DID's root.
func (s Signer) Unlink(kind did.Kind, text, version string) (jws string, err error) {
	leaf, err := s.Leaf(kind, text)
	if err != nil {
		return "", err
	}
	jws, _, err = s.Operation(&ops.DIDUnlink{Leaf: leaf}, version)
	return jws, err
}

// Leaf returns the leaf of an identity in hex, as Client.Identity lists it.
func (s Signer) Leaf(kind did.Kind, text string) (string, error) {
	identity, err := s.Hidden(kind, text)
	if err != nil {
		return "", err
	}
	_, id, err := did.Parse(s.DID())
	return identity.Leaf(s.network, id).String(), err
}

// Prefer signs the operation by which a linked account (CAIP-10) is paid from the next
// epoch on, or nobody where it is empty.
func (s Signer) Prefer(account string) (jws string, err error) {
	jws, _, err = s.Operation(&ops.DIDPrefer{Payout: account}, "")
	return jws, err
}

// Bind signs an identity verifier's word that the person behind a DID has the tag, 64
// hex digits.
func (s Signer) Bind(of, tag string) (jws string, err error) {
	jws, _, err = s.Operation(&ops.DIDBind{DID: of, Tag: tag}, "")
	return jws, err
}

// Disclose makes the disclosure of one identity, given what Client.Identity says of the
// DID.
func (s Signer) Disclose(kind did.Kind, text string, of *killickv1.Identity) (*Disclosure, error) {
	identity, err := s.Hidden(kind, text)
	if err != nil {
		return nil, err
	}
	leaves := make([]did.Leaf, len(of.GetLeaves()))
	for i, l := range of.GetLeaves() {
		h, err := canon.UnHex32(l.GetLeaf())
		if err != nil {
			return nil, fmt.Errorf("the gateway's answer: leaf %d: %w", i, err)
		}
		leaves[i] = did.Leaf(h)
	}
	d, err := did.Disclose(s.DID(), identity, leaves)
	if err != nil {
		return nil, err
	}
	if err := d.Verify(of.GetRoot()); err != nil {
		return nil, fmt.Errorf("the gateway's leaves are not those under its root: %w", err)
	}
	return d, nil
}

// ParseSignature reads a signature as wallets give it: hexadecimal, with or without 0x.
func ParseSignature(text string) ([]byte, error) {
	signature, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		return nil, errors.New("the signature is not hexadecimal")
	}
	return signature, nil
}

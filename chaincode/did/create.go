package did

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const maxLinks = 4

// Create is the body of did.create.
type Create struct {
	Document jsontext.Value `json:"document"`
	Links    []Link         `json:"links,omitempty"`
	Payout   string         `json:"payout,omitempty"`

	// Of Document, set by Check.
	doc       *Document
	canonical []byte
}

// SigningKey returns the key of the document that the fragment names. It needs
// a body that passed Check. Errors: fault.KeyUnknown, fault.KeyPurpose.
func (c *Create) SigningKey(fragment string) (*PublicKey, error) { return c.doc.SigningKey(fragment) }

// Link joins a chain account to a DID; Proof is base64url of the account's
// signature over canon.LinkDigest.
type Link struct {
	Account string `json:"account"`
	Proof   string `json:"proof"`
}

// Check looks at what the body says by itself: the operation must be signed as
// the DID that the document makes. Errors: those of DecodeDocument,
// fault.InvalidValue, fault.KidMismatch.
func (c *Create) Check(call ledger.Call) error {
	doc, canonical, err := decodeDocument(c.Document)
	if err != nil {
		return err
	}
	if id := idOf(canonical); id != call.Actor {
		return fault.New(fault.KidMismatch, "the document makes %s", String(call.Network, id))
	}
	c.doc, c.canonical = doc, canonical
	if len(c.Links) > maxLinks {
		return fault.New(fault.InvalidValue, "%d links, at most %d are allowed", len(c.Links), maxLinks)
	}
	var chains []string
	for _, l := range c.Links {
		account, err := canon.ParseAccount(l.Account)
		if err != nil {
			return err
		}
		if slices.Contains(chains, account.Chain) {
			return fault.New(fault.InvalidValue, "two links on the chain %s", account.Chain)
		}
		chains = append(chains, account.Chain)
		if _, err := canon.UnB64(l.Proof); err != nil {
			return err
		}
	}
	if c.Payout != "" && !slices.Contains(chains, c.Payout) {
		return fault.New(fault.InvalidValue, "payout %.80q is not the chain of one of the links", c.Payout)
	}
	return nil
}

// Keys returns the state keys that Apply reads.
func (c *Create) Keys(call ledger.Call) []string {
	keys := []string{SignerKeyOf(call.Actor)}
	for _, l := range c.Links {
		keys = append(keys, LinkKey(l.Account))
	}
	return keys
}

// Apply makes the DID. Errors: fault.DIDExists, fault.LinkTaken,
// fault.BadProof.
func (c *Create) Apply(tx *ledger.Tx, call ledger.Call) error {
	exists, err := tx.Has(SignerKeyOf(call.Actor))
	if err != nil {
		return err
	}
	id := String(call.Network, call.Actor)
	if exists {
		return fault.New(fault.DIDExists, "%s", id)
	}
	state := State{
		ID: id, Version: 1, Created: call.Ref.String(), CreatedAt: tx.ClaimedTime(), Updated: call.Ref.String(), UpdatedAt: tx.ClaimedTime(),
		Document: c.canonical, Links: []string{}, Payout: c.Payout,
	}
	for _, l := range c.Links {
		if err := link(tx, id, call.Actor, l); err != nil {
			return err
		}
		state.Links = append(state.Links, l.Account)
	}
	value, err := canon.Marshal(state)
	if err != nil {
		return err
	}
	tx.Put(Key(call.Actor), value)
	tx.Put(SignerKeyOf(call.Actor), c.doc.signer().Encode())
	return nil
}

func link(tx *ledger.Tx, did string, id ledger.ID, l Link) error {
	account, err := canon.ParseAccount(l.Account)
	if err != nil {
		return err
	}
	proof, err := canon.UnB64(l.Proof)
	if err != nil {
		return err
	}
	signer, err := canon.Recover(canon.LinkDigest(did, account), proof)
	if err != nil || signer != account.Address {
		return fault.New(fault.BadProof, "the proof is not by the key of %s", l.Account)
	}
	taken, err := tx.Has(LinkKey(l.Account))
	if err != nil {
		return err
	}
	if taken {
		return fault.New(fault.LinkTaken, "%s", l.Account)
	}
	tx.Put(LinkKey(l.Account), []byte(id.String()))
	return nil
}

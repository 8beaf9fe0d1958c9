package did

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const maxLinks = 4

// Create is the body of did.create. Payout is the account of one of the links.
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
	var accounts []string
	for i := range c.Links {
		l := &c.Links[i]
		if _, _, _, err := l.read(); err != nil {
			return err
		}
		if slices.Contains(accounts, l.Account) {
			return fault.New(fault.InvalidValue, "%s is linked twice", l.Account)
		}
		accounts = append(accounts, l.Account)
	}
	if c.Payout != "" && !slices.Contains(accounts, c.Payout) {
		return fault.New(fault.InvalidValue, "payout %.120q is not the account of one of the links", c.Payout)
	}
	return nil
}

// Keys returns the state keys that Apply reads, without that of the epoch.
func (c *Create) Keys(call ledger.Call) []string {
	keys := []string{SignerKeyOf(call.Actor)}
	for _, l := range c.Links {
		keys = append(keys, LinkKey(l.Account))
	}
	return keys
}

// Apply makes the DID, in an epoch, which matters where it has links. These and the
// payout preference count at once: nobody could have changed them before. Errors:
// fault.DIDExists, fault.LinkTaken, fault.BadProof.
func (c *Create) Apply(tx *ledger.Tx, call ledger.Call, epoch uint64) error {
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
		Document: c.canonical,
	}
	if len(c.Links) > 0 {
		if err := c.link(tx, call, &state, epoch); err != nil {
			return err
		}
	}
	value, err := canon.Marshal(state)
	if err != nil {
		return err
	}
	tx.Put(Key(call.Actor), value)
	tx.Put(SignerKeyOf(call.Actor), c.doc.signer().Encode())
	return nil
}

// link links the accounts.
func (c *Create) link(tx *ledger.Tx, call ledger.Call, state *State, epoch uint64) error {
	accounts := &Accounts{Changed: epoch}
	for i := range c.Links {
		leaf, err := c.Links[i].prove(tx, call, ofCreation, epoch)
		if err != nil {
			return err
		}
		accounts.Linked = append(accounts.Linked, Linked{Leaf: leaf, Account: c.Links[i].Account})
	}
	accounts.pay(c.Payout, 0)
	accounts.put(tx, call.Actor)
	var err error
	state.Root, err = Root(accounts.live())
	return err
}

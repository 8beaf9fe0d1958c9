package did

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Update is the body of did.update. Its document has no member recovery: who has
// stolen a key of the document cannot so much as ask for another recovery key.
type Update struct {
	Document jsontext.Value `json:"document"`

	doc *Document // set by Check, without the recovery commitment
}

// NewUpdate returns the body that puts a document in the place of a DID's, but for its
// recovery commitment.
func NewUpdate(d *Document) (*Update, error) {
	text, err := canon.Marshal(replacement{
		d.VerificationMethod, d.Authentication, d.AssertionMethod, d.KeyAgreement, d.CapabilityInvocation, d.Service,
	})
	return &Update{Document: text}, err
}

// Check looks at what the body says by itself. Errors: those of canon.Decode,
// fault.MissingField, fault.InvalidValue.
func (u *Update) Check(ledger.Call) error {
	r := new(replacement)
	if err := canon.Decode(u.Document, r); err != nil {
		return err
	}
	u.doc = r.document()
	return u.doc.checkContent()
}

// Keys returns the state keys that Apply reads.
func (u *Update) Keys(call ledger.Call) []string { return []string{Key(call.Actor)} }

// Apply replaces the document, but for the recovery commitment. A deactivation that
// is pending stays pending. A fragment does not pass from one key to another: what was
// signed under it, this operation among others, would look forged from then on.
// Errors: fault.StalePrior, fault.FragmentTaken.
func (u *Update) Apply(tx *ledger.Tx, call ledger.Call) error {
	state, stored, err := Read(tx, call.Actor)
	if err != nil {
		return err
	}
	if err := call.Replaces(stored); err != nil {
		return err
	}
	current, err := state.document()
	if err != nil {
		return err
	}
	for _, m := range u.doc.VerificationMethod {
		if old := current.method(m.ID); old != nil && old.PublicKeyMultibase != m.PublicKeyMultibase {
			return fault.New(fault.FragmentTaken, "%s names another key in the version that is replaced", m.ID)
		}
	}
	doc := *u.doc
	doc.Recovery = current.Recovery
	text, err := canon.Marshal(doc)
	if err != nil {
		return err
	}
	if state.Document, err = canon.JCS(text); err != nil {
		return err
	}
	if err := putSigner(tx, call.Actor, doc.signer()); err != nil {
		return err
	}
	return state.write(tx, call, call.Actor, stored)
}

// Recover is the body of did.recover, which the recovery key signs. It states no
// prior: the commitment that it uses up stands for it. With one, a thief who updates
// the DID again and again would make each attempt of the owner stale.
type Recover struct {
	Key      string         `json:"key"` // the recovery key, Multikey
	Document jsontext.Value `json:"document"`
	// Payout is the linked account (CAIP-10) that is to be paid, from the epoch on that
	// runs: the recovery key's word on what a thief may have changed.
	Payout string `json:"payout,omitempty"`

	// Set by Check.
	key       *PublicKey
	doc       *Document
	canonical []byte
}

// RecoveryKey returns the key that has to sign. It needs a body that passed Check.
func (r *Recover) RecoveryKey() *PublicKey { return r.key }

// Check looks at what the body says by itself: the document must commit to another
// recovery key than the one that this operation shows. Errors: those of
// DecodeDocument, fault.InvalidValue.
func (r *Recover) Check(ledger.Call) (err error) {
	if r.key, err = parseRecovery(r.Key); err != nil {
		return err
	}
	if r.doc, r.canonical, err = decodeDocument(r.Document); err != nil {
		return err
	}
	if r.doc.Recovery == r.key.Commitment() {
		return fault.New(fault.InvalidValue, "recovery must commit to another key than the one that is used up")
	}
	return checkPayout(r.Payout)
}

// Keys returns the state keys that Apply reads, without that of the epoch.
func (r *Recover) Keys(call ledger.Call) []string {
	return []string{Key(call.Actor), AccountsKey(call.Actor)}
}

// Apply replaces the document with all its keys and the recovery commitment, ends a
// deactivation that is pending, and takes back what the keys that it removes have done
// to links and payout preference and what has not taken effect. Errors: fault.NotFound
// for a payout account that is not linked.
func (r *Recover) Apply(tx *ledger.Tx, call ledger.Call, epoch uint64) error {
	state, accounts, stored, err := readAll(tx, call.Actor)
	if err != nil {
		return err
	}
	before := accounts.Encode()
	if err := accounts.cancel(tx, call.Actor, r.Payout, epoch); err != nil {
		return err
	}
	if !bytes.Equal(accounts.Encode(), before) {
		accounts.change(tx, call.Actor, epoch)
	}
	if state.Root, err = Root(accounts.live()); err != nil {
		return err
	}
	state.Document, state.Deactivation = r.canonical, 0
	if err := putSigner(tx, call.Actor, r.doc.signer()); err != nil {
		return err
	}
	return state.write(tx, call, call.Actor, stored)
}

// Commitment returns what the member recovery of a document says of the key:
// base64url of SHA-256 of its multicodec bytes.
func (k *PublicKey) Commitment() string {
	sum := canon.Sum(k.multikey())
	return canon.B64(sum[:])
}

// CheckRecovery checks that the key is the one to which the DID's document commits.
// Errors: fault.DIDUnknown, fault.KeyUnknown.
func CheckRecovery(tx *ledger.Tx, id ledger.ID, key *PublicKey) error {
	state, _, err := Read(tx, id)
	if err != nil {
		return err
	}
	doc, err := state.document()
	if err != nil {
		return err
	}
	if doc.Recovery != key.Commitment() {
		return fault.New(fault.KeyUnknown, "the document does not commit to the recovery key %s", key)
	}
	return nil
}

func parseRecovery(text string) (*PublicKey, error) {
	key, err := ParseKey(text)
	if err != nil {
		return nil, fault.New(fault.InvalidValue, "key: %s", fault.Text(err))
	}
	return key, nil
}

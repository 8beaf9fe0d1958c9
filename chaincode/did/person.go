package did

import (
	"fmt"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// A person is bound to a DID when the identity verifiers of two organisations submit
// the same tag for it: a keyed hash of the evidence about the person, the same whoever
// of them makes it. What was bound once is bound until the consortium releases it, also
// when the DID is deactivated: otherwise one person could have one DID after another.

// PersonKey returns the state key of what verifiers say of a DID.
func PersonKey(id ledger.ID) string { return "person/" + id.String() }

// TagKey returns the state key of a tag that is bound: it holds the DID's id.
func TagKey(tag string) string { return "tag/" + tag }

// Person is what is stored under person/<id>.
type Person struct {
	Tag      string    `json:"tag"`      // in hex, empty while none is bound
	Vouchers []Voucher `json:"vouchers"` // in the order of their organisations' names
}

// Voucher is the word of one organisation's identity verifier.
type Voucher struct {
	Organisation string `json:"organisation"`
	Verifier     string `json:"verifier"` // DID
	Tag          string `json:"tag"`
}

// CheckTag refuses what is not 64 hex digits. Errors: fault.InvalidValue.
func CheckTag(tag string) error {
	if _, err := canon.UnHex32(tag); err != nil {
		return fault.New(fault.InvalidValue, "tag: %s", fault.Text(err))
	}
	return nil
}

// ReadPerson returns what verifiers say of a DID.
func ReadPerson(tx *ledger.Tx, id ledger.ID) (*Person, error) {
	p := &Person{Vouchers: []Voucher{}}
	value, err := tx.Get(PersonKey(id))
	if value == nil || err != nil {
		return p, err
	}
	if err := canon.Decode(value, p); err != nil {
		return nil, fmt.Errorf("stored person of %s: %v", id, err) // no refusal: state is damaged
	}
	return p, nil
}

// Vouch keeps an organisation's word on a DID, in place of what it said before, and
// binds the tag when another organisation says the same. The words of those that are not
// members any more go. Errors: fault.NotFound for a
// DID that is not there or deactivated, fault.TagTaken, fault.AlreadyDone.
func Vouch(tx *ledger.Tx, network string, id ledger.ID, v Voucher, member func(msp string) bool) error {
	value, err := tx.Get(SignerKeyOf(id))
	if err != nil {
		return err
	}
	if value == nil || has(value, deactivated) {
		return fault.New(fault.NotFound, "no DID %s, or it is deactivated", String(network, id))
	}
	p, err := ReadPerson(tx, id)
	if err != nil {
		return err
	}
	owner, err := tx.Get(TagKey(v.Tag))
	switch {
	case err != nil:
		return err
	case p.Tag == v.Tag || slices.Contains(p.Vouchers, v):
		return fault.New(fault.AlreadyDone, "%s has this tag, or %s has said so", String(network, id), v.Organisation)
	case p.Tag != "":
		return fault.New(fault.TagTaken, "%s is bound to another tag", String(network, id))
	case owner != nil:
		return fault.New(fault.TagTaken, "the tag is bound to another DID")
	}
	p.Vouchers = slices.DeleteFunc(p.Vouchers, func(o Voucher) bool { return !member(o.Organisation) })
	p.add(v)
	if p.Tag != "" {
		tx.Put(TagKey(p.Tag), []byte(id.String()))
		setBound(tx, id, value, true)
	}
	stored, err := canon.Marshal(p)
	if err != nil {
		return err
	}
	tx.Put(PersonKey(id), stored)
	return nil
}

// add keeps one word of each organisation and of each verifier, which may have spoken for
// another organisation before; two that agree bind.
func (p *Person) add(v Voucher) {
	p.Vouchers = slices.DeleteFunc(p.Vouchers, func(o Voucher) bool { return o.Organisation == v.Organisation || o.Verifier == v.Verifier })
	at, _ := slices.BinarySearchFunc(p.Vouchers, v.Organisation, func(o Voucher, name string) int {
		return strings.Compare(o.Organisation, name)
	})
	p.Vouchers = slices.Insert(p.Vouchers, at, v)
	agree := slices.DeleteFunc(slices.Clone(p.Vouchers), func(o Voucher) bool { return o.Tag != v.Tag })
	if len(agree) > 1 {
		p.Tag, p.Vouchers = v.Tag, agree
	}
}

// setBound writes the mark into a DID's signer, given its stored value.
func setBound(tx *ledger.Tx, id ledger.ID, signer []byte, is bool) {
	marked := slices.Clone(signer)
	marked[2] &^= bound
	marked[2] |= flag(is) * bound
	tx.Put(SignerKeyOf(id), marked)
}

// TagOwner returns the id of the DID to which a tag is bound, empty when to none.
func TagOwner(tx *ledger.Tx, tag string) (string, error) {
	value, err := tx.Get(TagKey(tag))
	return string(value), err
}

// Release ends the binding of a tag and forgets what verifiers said: the tag and the DID
// can be bound anew. Errors: fault.NotFound.
func Release(tx *ledger.Tx, tag string) error {
	owner, err := TagOwner(tx, tag)
	if err != nil {
		return err
	}
	if owner == "" {
		return fault.New(fault.NotFound, "no DID is bound to the tag")
	}
	id, err := ledger.ParseID(owner)
	if err != nil {
		return fmt.Errorf("stored tag: %v", err) // no refusal: state is damaged
	}
	signer, err := tx.Get(SignerKeyOf(id))
	if err != nil {
		return err
	}
	if len(signer) < 3 {
		return fmt.Errorf("a tag is bound to %s, which does not exist", id)
	}
	setBound(tx, id, signer, false)
	tx.Delete(TagKey(tag))
	tx.Delete(PersonKey(id))
	return nil
}

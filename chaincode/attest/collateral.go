package attest

import (
	"crypto/x509"
	"fmt"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/tee"
)

const collateralType = 0x5a

// collateralKey returns the state key of the newest collateral of a family of platforms.
// The name of the CA is hashed: it may have any characters.
func collateralKey(kind tee.Kind, fmspc [6]byte, pceid [2]byte, ca string) string {
	name := canon.Sum([]byte(ca))
	return "collateral/" + strings.ToLower(kind.String()) + "/" + canon.Hex(fmspc[:]) + "/" + canon.Hex(pceid[:]) + "/" + canon.Hex(name[:8])
}

// kept is collateral as it is stored, with what says which of two is the newer one.
type kept struct {
	evaluation uint32
	issued     uint64
	lists      [2]uint64 // when the CRLs of root and CA were made
	bytes      []byte
}

func (k *kept) encode() []byte {
	b := canon.NewRecord(collateralType).U32(k.evaluation).U64(k.issued).U64(k.lists[0]).U64(k.lists[1])
	return b.Fixed(k.bytes).Bytes()
}

// readKept returns stored collateral, nil when there is none.
func readKept(tx *ledger.Tx, key string) (*kept, error) {
	stored, err := tx.Get(key)
	if stored == nil || err != nil {
		return nil, err
	}
	b := canon.OpenRecord(stored, collateralType)
	k := &kept{evaluation: b.U32(), issued: b.U64(), lists: [2]uint64{b.U64(), b.U64()}, bytes: b.Rest()}
	if err := b.Done(); err != nil {
		return nil, fmt.Errorf("stored %s: %v", key, err) // no refusal: state is damaged
	}
	return k, nil
}

// readCollateral returns stored collateral for an appraisal, nil when there is none.
func readCollateral(tx *ledger.Tx, key string) (*tee.Collateral, error) {
	k, err := readKept(tx, key)
	if k == nil || err != nil {
		return nil, err
	}
	c, err := tee.DecodeCollateral(k.bytes)
	if err != nil {
		return nil, fmt.Errorf("stored %s: %v", key, err) // no refusal: state is damaged
	}
	return c, nil
}

// Collateral is the body of attest.collateral: what Intel signs about platforms, brought
// by whoever has it.
type Collateral struct {
	Collateral string `json:"collateral"` // base64url of its bytes, docs/formats/tee.md

	collateral *tee.Collateral // set by Check
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue, and those of
// tee.DecodeCollateral.
func (c *Collateral) Check(ledger.Call) error {
	data, err := canon.UnB64(c.Collateral)
	if err != nil {
		return fault.New(fault.InvalidValue, "collateral: %s", fault.Text(err))
	}
	c.collateral, err = tee.DecodeCollateral(data)
	return err
}

// Keys returns the state keys that Apply reads and its body names. It also reads the
// collateral that it replaces.
func (c *Collateral) Keys(ledger.Call) []string { return []string{govern.RootsKey} }

// Apply keeps the collateral in the place of an older one, if all of it is good at the
// time of the newest checkpoint. Errors: fault.NotDue before the first checkpoint,
// fault.NotFound without roots, fault.CollateralOlder, and those of tee.CheckCollateral.
func (c *Collateral) Apply(tx *ledger.Tx) error {
	head, err := checkpoint.Head(tx)
	if err != nil {
		return err
	}
	if head == nil {
		return fault.New(fault.NotDue, "there is no checkpoint yet")
	}
	roots, err := rootsOf(tx)
	if err != nil {
		return err
	}
	if roots == nil {
		return fault.New(fault.NotFound, "no roots are in force")
	}
	facts, err := tee.CheckCollateral(c.collateral, roots, head.Time)
	if err != nil {
		return err
	}
	key := collateralKey(facts.Kind, facts.FMSPC, facts.PCEID, facts.CA)
	if err := tx.Prefetch([]string{key}); err != nil {
		return err
	}
	old, err := readKept(tx, key)
	if err != nil {
		return err
	}
	next, err := c.kept(facts)
	if err != nil {
		return err
	}
	if old != nil {
		if err := next.replaces(old); err != nil {
			return err
		}
	}
	tx.Put(key, next.encode())
	return nil
}

func (c *Collateral) kept(f *tee.Facts) (*kept, error) {
	k := &kept{evaluation: f.Evaluation, issued: f.Issued}
	for i, der := range [][]byte{c.collateral.RootCRL, c.collateral.PCKCRL} {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fault.New(fault.Malformed, "a CRL that cannot be read")
		}
		k.lists[i] = uint64(max(0, list.ThisUpdate.Unix()))
	}
	var err error
	k.bytes, err = c.collateral.Encode()
	return k, err
}

// replaces refuses collateral of which any part is older than what is there, and such of
// which none is newer: nobody brings back a list from before a revocation with a TCB info
// of today. Errors: fault.CollateralOlder.
func (k *kept) replaces(old *kept) error {
	newer := false
	for _, age := range []struct {
		name    string
		is, was uint64
	}{
		{"evaluation number", uint64(k.evaluation), uint64(old.evaluation)}, {"issue date", k.issued, old.issued},
		{"root CRL", k.lists[0], old.lists[0]}, {"PCK CRL", k.lists[1], old.lists[1]},
	} {
		if age.is < age.was {
			return fault.New(fault.CollateralOlder, "%s of %d, on the ledger it is %d", age.name, age.is, age.was)
		}
		newer = newer || age.is > age.was
	}
	if !newer {
		return fault.New(fault.CollateralOlder, "nothing of it is newer")
	}
	return nil
}

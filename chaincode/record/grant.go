package record

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Withdrawn is the status of a grant that its owner has ended. While it is not, it is
// Live, which says nothing of its expiry, its uses or its record.
const Withdrawn = 2

const (
	grantType = 0x22
	maxPaths  = 8
)

// Grant is a stored permission to use a record. All but Status and By stays as it was
// given; how often it was used is counted apart, under UsedKey, so that a grant of any
// number of uses is only read by those who use it.
type Grant struct {
	Status    uint8 // Live or Withdrawn
	Offer     bool  // anyone may use it; Client is zero then
	Client    ledger.ID
	Record    ledger.Reference
	Owner     ledger.ID // of the record: who gave the grant and is paid for its uses
	Operation string
	Scope     []string // paths, none within another
	Asset     string
	Price     Price  // of one use
	Expires   uint32 // seconds since 1970; no use may expire later
	Uses      uint32 // how many there may be; 0 is any number

	By ledger.Reference // the operation that withdrew it; zero while it is live
}

// GrantKey returns the state key of a grant.
func GrantKey(ref string) string { return "grant/" + ref }

// Encode returns the layout of docs/formats/operation.md section 4.
func (g *Grant) Encode() []byte {
	r := canon.NewRecord(grantType).U8(g.Status)
	if g.Offer {
		r.U8(0)
	} else {
		r.U8(1).Fixed(g.Client[:])
	}
	r.U32(g.Record.Expiry).Fixed(g.Record.ID[:]).Fixed(g.Owner[:]).U32(g.Expires).U32(g.Uses).U64(uint64(g.Price))
	r.Var8([]byte(g.Asset)).Var8([]byte(g.Operation)).U8(uint8(len(g.Scope)))
	for _, path := range g.Scope {
		r.Var8([]byte(path))
	}
	if g.Status == Withdrawn {
		r.U32(g.By.Expiry).Fixed(g.By.ID[:])
	}
	return r.Bytes()
}

// DecodeGrant reads a stored grant. Errors: fault.Malformed, fault.TrailingData.
func DecodeGrant(data []byte) (*Grant, error) {
	r := canon.OpenRecord(data, grantType)
	g := &Grant{Status: r.U8()}
	named := r.U8()
	if g.Offer = named == 0; !g.Offer {
		copy(g.Client[:], r.Fixed(len(g.Client)))
	}
	g.Record = ledger.Reference{Expiry: r.U32(), ID: r.Hash()}
	copy(g.Owner[:], r.Fixed(len(g.Owner)))
	g.Expires, g.Uses, g.Price = r.U32(), r.U32(), Price(r.U64())
	g.Asset, g.Operation = string(r.Var8()), string(r.Var8())
	paths := r.U8()
	if g.Status != Live && g.Status != Withdrawn || named > 1 || paths < 1 || paths > maxPaths || g.Price < 0 {
		return nil, fault.New(fault.Malformed, "a grant of status %d with %d paths", g.Status, paths)
	}
	for range paths {
		g.Scope = append(g.Scope, string(r.Var8()))
	}
	if g.Status == Withdrawn {
		g.By = ledger.Reference{Expiry: r.U32(), ID: r.Hash()}
	}
	return g, r.Done()
}

// ReadGrant returns a grant. Errors: fault.NotFound.
func ReadGrant(tx *ledger.Tx, ref string) (*Grant, error) {
	stored, err := tx.Get(GrantKey(ref))
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, fault.New(fault.NotFound, "no grant %s", ref)
	}
	return DecodeGrant(stored)
}

const usedType = 0x23

// UsedKey returns the state key of the number of times that a grant was used. It is
// kept for grants of a limited number of uses, from the first use on.
func UsedKey(ref string) string { return "used/" + ref }

// Used returns how often a grant was used, of one with a limited number of uses.
func Used(tx *ledger.Tx, ref string) (uint32, error) {
	stored, err := tx.Get(UsedKey(ref))
	if stored == nil || err != nil {
		return 0, err
	}
	return DecodeUsed(stored)
}

// PutUsed notes how often a grant was used.
func PutUsed(tx *ledger.Tx, ref string, times uint32) {
	tx.Put(UsedKey(ref), canon.NewRecord(usedType).U32(times).Bytes())
}

// DecodeUsed reads what PutUsed writes. Errors: fault.Malformed, fault.TrailingData.
func DecodeUsed(data []byte) (uint32, error) {
	r := canon.OpenRecord(data, usedType)
	times := r.U32()
	return times, r.Done()
}

package record

import (
	"encoding/binary"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Submit is the body of record.submit.
type Submit struct {
	Schema     string `json:"schema"`
	Commitment string `json:"commitment"`
	Size       uint64 `json:"size"`
	Location   string `json:"location"`
	// Private is the SHA-256, hex, of the content that came with the operation for the
	// members to keep; empty when none did.
	Private string `json:"private,omitzero"`
}

// Content returns the SHA-256, hex, of the content that has to come with the
// operation, empty when none has, and what size it has to have.
func (s *Submit) Content() (digest string, size uint64) { return s.Private, s.Size }

// Check looks at what the body says by itself. Errors: fault.InvalidValue,
// fault.NumberRange, fault.TooLarge.
func (s *Submit) Check(ledger.Call) error {
	if err := checkSchema(s.Schema); err != nil {
		return err
	}
	if _, err := canon.UnHex32(s.Commitment); err != nil {
		return fault.New(fault.InvalidValue, "commitment: %s", fault.Text(err))
	}
	if s.Size > maxSize {
		return fault.New(fault.NumberRange, "size is above 2^53-1")
	}
	if err := checkPrivate(s.Private, s.Size); err != nil {
		return err
	}
	return checkLocation(s.Location)
}

// Keys returns the state keys that Apply reads: none, since the guard of the
// operation is the record itself.
func (s *Submit) Keys(ledger.Call) []string { return nil }

// Apply writes the record under the reference of the operation.
func (s *Submit) Apply(tx *ledger.Tx, call ledger.Call) error {
	v := Value{Status: Live, Version: 1, Owner: call.Actor, By: call.Ref}
	if err := v.content(s.Schema, s.Commitment, s.Size, s.Location); err != nil {
		return err
	}
	if err := v.keep(tx, call.Ref.String(), s.Private); err != nil {
		return err
	}
	tx.Put(Key(call.Ref.String()), v.Encode())
	return nil
}

func (v *Value) content(schema, commitment string, size uint64, location string) error {
	c, err := canon.UnHex32(commitment)
	if err != nil {
		return err
	}
	v.Schema, v.Commitment, v.Size, v.Location = schema, c, size, location
	return nil
}

// Amend is the body of record.amend.
type Amend struct {
	Record     string `json:"record"`
	Schema     string `json:"schema"`
	Commitment string `json:"commitment"`
	Size       uint64 `json:"size"`
	Location   string `json:"location"`
	Private    string `json:"private,omitzero"` // as in Submit
}

// Content returns what Submit's Content does.
func (a *Amend) Content() (digest string, size uint64) { return a.Private, a.Size }

// Check looks at what the body says by itself. Errors: fault.InvalidValue,
// fault.NumberRange, fault.TooLarge.
func (a *Amend) Check(call ledger.Call) error {
	if err := checkReference(a.Record); err != nil {
		return err
	}
	s := Submit{a.Schema, a.Commitment, a.Size, a.Location, a.Private}
	return s.Check(call)
}

// Keys returns the state keys that Apply reads.
func (a *Amend) Keys(ledger.Call) []string { return []string{Key(a.Record)} }

// Apply replaces the record's content and keeps the version before it, but purges the
// content that members kept of that.
// Errors: fault.NotFound, fault.NotOwner, fault.Deleted, fault.StalePrior.
func (a *Amend) Apply(tx *ledger.Tx, call ledger.Call) (detail []byte, err error) {
	return replace(tx, call, a.Record, func(v *Value) error {
		if err := v.keep(tx, a.Record, a.Private); err != nil {
			return err
		}
		return v.content(a.Schema, a.Commitment, a.Size, a.Location)
	})
}

// Delete is the body of record.delete.
type Delete struct {
	Record string `json:"record"`
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (d *Delete) Check(ledger.Call) error { return checkReference(d.Record) }

// Keys returns the state keys that Apply reads.
func (d *Delete) Keys(ledger.Call) []string { return []string{Key(d.Record)} }

// Apply leaves a tombstone with the commitment, so that deletion is provable, and
// purges the content that members keep.
// Errors: fault.NotFound, fault.NotOwner, fault.Deleted, fault.StalePrior.
func (d *Delete) Apply(tx *ledger.Tx, call ledger.Call) (detail []byte, err error) {
	return replace(tx, call, d.Record, func(v *Value) error {
		v.forget(tx, d.Record)
		v.Status, v.Size, v.Schema, v.Location = Deleted, 0, "", ""
		return nil
	})
}

// replace writes the next version of a record after change and returns the
// result's detail: version, op id and expiry of the record.
func replace(tx *ledger.Tx, call ledger.Call, refText string, change func(*Value) error) ([]byte, error) {
	ref, err := ledger.ParseReference(refText)
	if err != nil {
		return nil, fault.New(fault.InvalidValue, "record: %v", err)
	}
	v, stored, err := Read(tx, ref)
	if err != nil {
		return nil, err
	}
	if v.Owner != call.Actor {
		return nil, fault.New(fault.NotOwner, "the record belongs to another DID")
	}
	if v.Status == Deleted {
		return nil, fault.New(fault.Deleted, "%s", refText)
	}
	if err := call.Replaces(stored); err != nil {
		return nil, err
	}
	tx.Put(VersionKey(refText, v.Version), stored)
	v.Version++
	v.By = call.Ref
	if err := change(v); err != nil {
		return nil, err
	}
	tx.Put(Key(refText), v.Encode())
	return Detail{v.Version, ref}.Encode(), nil
}

// Detail is what the result of an amendment or deletion says.
type Detail struct {
	Version uint32
	Record  ledger.Reference
}

// Encode returns version, op id and expiry (docs/formats/operation.md section 3).
func (d Detail) Encode() []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 40), d.Version)
	b = append(b, d.Record.ID[:]...)
	return binary.BigEndian.AppendUint32(b, d.Record.Expiry)
}

// DecodeDetail reads what Encode writes. Errors: fault.Malformed.
func DecodeDetail(b []byte) (Detail, error) {
	if len(b) != 40 {
		return Detail{}, fault.New(fault.Malformed, "detail of %d bytes, want 40", len(b))
	}
	return Detail{binary.BigEndian.Uint32(b), ledger.Reference{ID: [32]byte(b[4:36]), Expiry: binary.BigEndian.Uint32(b[36:])}}, nil
}

// Read returns a record and its stored value. Errors: fault.NotFound.
func Read(tx *ledger.Tx, ref ledger.Reference) (*Value, []byte, error) {
	stored, err := tx.Get(Key(ref.String()))
	if err != nil {
		return nil, nil, err
	}
	if stored == nil {
		return nil, nil, fault.New(fault.NotFound, "no record %s", ref)
	}
	v, err := Decode(ref, stored)
	return v, stored, err
}

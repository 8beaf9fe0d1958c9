// Package record keeps commitments to users' data: who owns which record,
// under which schema, where the content is kept; and the grants by which owners let
// others use it. Content itself never reaches a block: it stays with its owner, or is
// kept by the members as ciphertext, beside the ledger, until its record is amended or
// deleted. The package is pure.
//
// State (docs/formats/operation.md): record/<reference>, every superseded value under
// recordv/<reference>/<version>, grant/<reference>, used/<grant>. Private values
// (docs/formats/content.md): content/<reference>/<digest>.
package record

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Status of a record.
const (
	Live    = 1
	Deleted = 2
)

const (
	valueType   = 0x21
	maxLocation = 256
	maxSize     = 1<<53 - 1
)

// Value is a stored record.
type Value struct {
	Status     uint8
	Version    uint32
	Owner      ledger.ID
	Commitment [32]byte
	Size       uint64
	By         ledger.Reference // the operation that wrote this version
	Schema     string
	Location   string
	Private    [32]byte // SHA-256 of the content that the members keep; zeros: they keep none
}

// Key returns the state key of a record.
func Key(ref string) string { return "record/" + ref }

// VersionKey returns the state key of a superseded version.
func VersionKey(ref string, version uint32) string {
	return string(ledger.AppendHex32([]byte("recordv/"+ref+"/"), version))
}

// Encode returns the layout of docs/formats/operation.md section 4. The first
// version does not say which operation wrote it: its key does.
func (v *Value) Encode() []byte {
	r := canon.NewRecord(valueType).U8(v.Status).U32(v.Version).Fixed(v.Owner[:]).Fixed(v.Commitment[:]).U64(v.Size)
	if v.Version > 1 {
		r.U32(v.By.Expiry).Fixed(v.By.ID[:])
	}
	r.Var8([]byte(v.Schema)).Var16([]byte(v.Location))
	if v.Private != ([32]byte{}) {
		r.Fixed(v.Private[:])
	}
	return r.Bytes()
}

// Decode reads a stored version of the record with the reference.
// Errors: fault.Malformed, fault.TrailingData.
func Decode(ref ledger.Reference, data []byte) (*Value, error) {
	r := canon.OpenRecord(data, valueType)
	v := &Value{Status: r.U8(), Version: r.U32(), By: ref}
	copy(v.Owner[:], r.Fixed(20))
	v.Commitment = r.Hash()
	v.Size = r.U64()
	if v.Version > 1 {
		v.By = ledger.Reference{Expiry: r.U32(), ID: r.Hash()}
	}
	v.Schema = string(r.Var8())
	v.Location = string(r.Var16())
	if rest := r.Rest(); len(rest) > 0 {
		if len(rest) != len(v.Private) || [32]byte(rest) == v.Private {
			return nil, fault.New(fault.TrailingData, "%d bytes after the record", len(rest))
		}
		v.Private = [32]byte(rest)
	}
	return v, r.Done()
}

func checkReference(ref string) error {
	if _, err := ledger.ParseReference(ref); err != nil {
		return fault.New(fault.InvalidValue, "record: %v", err)
	}
	return nil
}

func checkSchema(s string) error {
	if !ledger.IsName(s, 64) {
		return fault.New(fault.InvalidValue, "schema must be 1 to 64 of A-Z a-z 0-9 . _ -")
	}
	return nil
}

// checkLocation takes the empty string or a URI: a scheme, a colon, and
// printable characters.
func checkLocation(s string) error {
	if s == "" {
		return nil
	}
	colon := -1
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c > '~' {
			return fault.New(fault.InvalidValue, "location must be printable ASCII without spaces")
		}
		if c == ':' && colon < 0 {
			colon = i
		}
	}
	if len(s) > maxLocation || colon < 1 || !scheme(s[:colon]) {
		return fault.New(fault.InvalidValue, "location must be empty or a URI of at most %d characters", maxLocation)
	}
	return nil
}

// scheme follows RFC 3986 section 3.1.
func scheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z'
		other := s[i] >= '0' && s[i] <= '9' || s[i] == '+' || s[i] == '-' || s[i] == '.'
		if !letter && (i == 0 || !other) {
			return false
		}
	}
	return true
}

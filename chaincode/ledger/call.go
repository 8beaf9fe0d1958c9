package ledger

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/mr-tron/base58"
)

// ID is what identifies a DID: the first 20 bytes of the hash of its
// inception document.
type ID [20]byte

// String returns the id in base58btc, as it stands in DIDs and keys.
func (id ID) String() string { return base58.Encode(id[:]) }

// ParseID reads an id in base58btc.
func ParseID(text string) (ID, error) {
	// 20 bytes take 20 (all zeros) to 28 characters.
	if len(text) < 20 || len(text) > 28 {
		return ID{}, errors.New("not a base58 id of 20 bytes")
	}
	raw, err := base58.Decode(text)
	if err != nil || len(raw) != len(ID{}) {
		return ID{}, errors.New("not a base58 id of 20 bytes")
	}
	id := ID(raw)
	if id.String() != text {
		return ID{}, errors.New("id is not in canonical base58")
	}
	return id, nil
}

// Reference names an operation and what it created: the second in which the
// operation expires, so that keys grow with time and look-ups of new ones stay in
// the newest part of state, and its id.
type Reference struct {
	Expiry uint32 // seconds since 1970, to 2106
	ID     [32]byte
}

// String returns the reference as `<expiry, 8 hex>-<id, 64 hex>`.
func (r Reference) String() string {
	text := make([]byte, 0, 73)
	text = AppendHex32(text, r.Expiry)
	text = append(text, '-')
	return string(hex.AppendEncode(text, r.ID[:]))
}

// ParseReference reads the form that String writes, and no other.
func ParseReference(text string) (Reference, error) {
	if len(text) != 73 || text[8] != '-' {
		return Reference{}, errors.New("a reference is 8 hex digits, a hyphen and 64 hex digits")
	}
	expiry, err := strconv.ParseUint(text[:8], 16, 32)
	if err != nil {
		return Reference{}, fmt.Errorf("reference: expiry %q", text[:8])
	}
	raw, err := hex.DecodeString(text[9:])
	if err != nil {
		return Reference{}, fmt.Errorf("reference: id %q", text[9:])
	}
	r := Reference{uint32(expiry), [32]byte(raw)}
	if r.String() != text {
		return Reference{}, errors.New("reference: hex digits must be lower case")
	}
	return r, nil
}

// AppendHex32 appends a number as 8 lower-case hex digits.
func AppendHex32(dst []byte, n uint32) []byte {
	return hex.AppendEncode(dst, []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// Hex64 returns a number as 16 lower-case hex digits, which sort as the
// numbers do.
func Hex64(n uint64) string { return fmt.Sprintf("%016x", n) }

// Call is one signed operation as domain packages see it.
type Call struct {
	Network string    // name of the network
	Actor   ID        // who signed
	Ref     Reference // of the operation
	Prior   string    // hex hash of the value to be replaced; empty where none is
}

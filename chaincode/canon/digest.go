package canon

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/killick-ledger/killick/chaincode/fault"
)

func word(v uint64) []byte {
	var w [32]byte
	binary.BigEndian.PutUint64(w[24:], v)
	return w[:]
}

func addressWord(a [20]byte) []byte {
	var w [32]byte
	copy(w[12:], a[:])
	return w[:]
}

func tag(text string) []byte {
	h := Keccak([]byte(text))
	return h[:]
}

// MemberSetHash identifies a member set to contracts
// (docs/formats/checkpoint.md). members must ascend strictly.
func MemberSetHash(version, k uint64, members [][20]byte) [32]byte {
	parts := [][]byte{tag("killick.members.v1"), word(version), word(k), word(0x80), word(uint64(len(members)))}
	for _, m := range members {
		parts = append(parts, addressWord(m))
	}
	return Keccak(parts...)
}

// CheckpointDigest is what members sign for contracts
// (docs/formats/checkpoint.md). It names no chain.
func CheckpointDigest(logID [32]byte, setVersion uint64, set [32]byte, size uint64, root [32]byte, time uint64) [32]byte {
	return Keccak(tag("killick.checkpoint.v1"), logID[:], word(setVersion), set[:], word(size), root[:], word(time))
}

// MemberLine is one member in the text that MemberListHash hashes.
func MemberLine(msp, cosign, address string) string { return msp + " " + cosign + " " + address + "\n" }

// MemberListHash identifies a member set to whoever reads notes: it covers names and
// Ed25519 keys, which contracts do not know (docs/formats/checkpoint.md). lines are
// MemberLine's, in member order.
func MemberListHash(lines []string) [32]byte {
	return Keccak([]byte(strings.Join(lines, "")))
}

// RotationDigest is what members of the set old sign to hand over to the set next of
// that version, for all sizes from from on (docs/formats/checkpoint.md). list is the
// MemberListHash of next. It names no chain.
func RotationDigest(logID [32]byte, old [32]byte, version uint64, next, list [32]byte, from uint64) [32]byte {
	return Keccak(tag("killick.rotation.v1"), logID[:], old[:], word(version), next[:], list[:], word(from))
}

// PossessionText is what a key that is to become a member's signs, to show that there
// is one: Ed25519 signs the text, secp256k1 its keccak256.
func PossessionText(logID [32]byte, line string) []byte {
	return []byte("killick.member.v1\n" + Hex(logID[:]) + "\n" + line)
}

// PayoutDigest is what members sign for a vault (docs/formats/payout.md). It
// names chain and vault.
func PayoutDigest(chainID uint64, vault [20]byte, logID [32]byte, setVersion uint64, set [32]byte, epoch uint64, root [32]byte, total uint64) [32]byte {
	return Keccak(tag("killick.payout.v1"), word(chainID), addressWord(vault), logID[:], word(setVersion), set[:], word(epoch), root[:], word(total))
}

// LeafDomain separates the payout leaves of one vault from all others
// (docs/formats/payout.md).
func LeafDomain(chainID uint64, vault, token [20]byte, logID [32]byte) [32]byte {
	return Keccak(tag("killick.leaf.v1"), word(chainID), addressWord(vault), addressWord(token), logID[:])
}

// CheckpointNote returns the text of a checkpoint note, up to and including the
// line break of its last line (docs/formats/checkpoint.md).
func CheckpointNote(network string, logID [32]byte, size uint64, root [32]byte) []byte {
	return []byte(Origin(network, logID) + "\n" + strconv.FormatUint(size, 10) + "\n" + base64.StdEncoding.EncodeToString(root[:]) + "\n")
}

// Origin returns the first line of a checkpoint note.
func Origin(network string, logID [32]byte) string {
	return "killick/" + network + "/" + Hex(logID[:])
}

// SignDigest signs a digest as contracts expect it: r, s, v with low s and v 27
// or 28 (RFC 6979, so the same input gives the same bytes).
func SignDigest(key *secp256k1.PrivateKey, digest [32]byte) [65]byte {
	compact := ecdsa.SignCompact(key, digest[:], false)
	var sig [65]byte
	copy(sig[:64], compact[1:])
	sig[64] = compact[0]
	return sig
}

// Recover returns the address that signed the digest. The signature must be 65
// bytes with low s (EIP-2) and v 27 or 28. Errors: fault.BadSignature.
func Recover(digest [32]byte, sig []byte) ([20]byte, error) {
	if len(sig) != 65 || sig[64] != 27 && sig[64] != 28 {
		return [20]byte{}, fault.New(fault.BadSignature, "want 65 bytes with v 27 or 28")
	}
	var s secp256k1.ModNScalar
	if overflow := s.SetByteSlice(sig[32:64]); overflow || s.IsOverHalfOrder() || s.IsZero() {
		return [20]byte{}, fault.New(fault.BadSignature, "s is not in the lower half of the order")
	}
	compact := make([]byte, 65)
	compact[0] = sig[64]
	copy(compact[1:], sig[:64])
	key, _, err := ecdsa.RecoverCompact(compact, digest[:])
	if err != nil {
		return [20]byte{}, fault.New(fault.BadSignature, "not a signature")
	}
	return KeyAddress(key), nil
}

// KeyAddress returns the 20-byte address of a secp256k1 key.
func KeyAddress(key *secp256k1.PublicKey) [20]byte {
	h := Keccak(key.SerializeUncompressed()[1:])
	return [20]byte(h[12:])
}

// UnBase64 reads n bytes in base64 with padding (RFC 4648), in its one form. member names
// the value in errors: fault.InvalidValue.
func UnBase64(member, text string, n int) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != n || base64.StdEncoding.EncodeToString(b) != text {
		return nil, fault.New(fault.InvalidValue, "%s must be base64 of %d bytes", member, n)
	}
	return b, nil
}

package log

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// Set is a member set of a log: who signs its checkpoints of the sizes from From up
// to below the From of the next version (docs/formats/checkpoint.md). NewSet makes
// it; it must not be changed afterwards.
type Set struct {
	Network string
	LogID   Hash
	Version uint64 // from 1
	From    uint64 // first size; 0 when it is not known
	K       uint64 // members whose signatures are needed
	Members []Member

	members []verifiers
	hash    Hash
	list    Hash
}

// Member is one organisation and its two public keys.
type Member struct {
	MSP     string `json:"msp"`
	Cosign  string `json:"cosign"`  // note verifier key of its Ed25519 cosigner
	Address string `json:"address"` // of its secp256k1 key, 0x and 40 hex digits
}

// verifiers are a member's keys, parsed.
type verifiers struct {
	name    string // of its keys in notes
	edID    uint32
	ed25519 [32]byte
	address [20]byte
	secpID  uint32 // key id of the secp256k1 line
}

// NewSet makes a member set. It reports all mistakes at once.
func NewSet(network string, logID Hash, version, from, k uint64, members []Member) (*Set, error) {
	s := &Set{Network: network, LogID: logID, Version: version, From: from, K: k, Members: members}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("member set %d: %w", version, err)
	}
	return s, nil
}

// check reports all mistakes of the set itself and makes it usable.
func (s *Set) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.Version == 0 {
		bad("versions of member sets begin with 1")
	}
	if s.K == 0 || s.K > uint64(len(s.Members)) {
		bad("k is %d of %d members", s.K, len(s.Members))
	}
	names, addresses := map[string]bool{}, map[[20]byte]bool{}
	sorted := make([][20]byte, 0, len(s.Members))
	lines := make([]string, 0, len(s.Members))
	for _, m := range s.Members {
		v, err := m.verifiers(s.Network)
		if err != nil {
			bad("member %q: %w", m.MSP, err)
			continue
		}
		if names[v.name] || addresses[v.address] {
			bad("member %q: stated twice", m.MSP)
		}
		names[v.name], addresses[v.address] = true, true
		s.members, sorted = append(s.members, v), append(sorted, v.address)
		lines = append(lines, canon.MemberLine(m.MSP, m.Cosign, m.Address))
	}
	sort.Slice(sorted, func(i, j int) bool { return bytes.Compare(sorted[i][:], sorted[j][:]) < 0 })
	s.hash = canon.MemberSetHash(s.Version, s.K, sorted)
	s.list = canon.MemberListHash(lines)
	return errors.Join(errs...)
}

// Hash returns the hash by which contracts know the set.
func (s *Set) Hash() Hash { return s.hash }

// ListHash returns the hash of the set's names and keys, which contracts do not know.
func (s *Set) ListHash() Hash { return s.list }

// Digest returns what a member's secp256k1 key signs of a checkpoint: the digest that
// contracts check.
func (s *Set) Digest(c Checkpoint) Hash {
	return canon.CheckpointDigest(c.LogID, s.Version, s.hash, c.Size, c.Root, c.Time)
}

// member returns the place of a member in the set, -1 for others.
func (s *Set) member(msp string) int {
	return slices.IndexFunc(s.Members, func(m Member) bool { return m.MSP == msp })
}

// Sets are the member sets of one log that follow each other, oldest first.
type Sets []*Set

// At returns the set that signs checkpoints of a size, nil when none does.
func (s Sets) At(size uint64) *Set {
	for _, set := range slices.Backward(s) {
		if set.From <= size {
			return set
		}
	}
	return nil
}

func (m Member) verifiers(network string) (verifiers, error) {
	v := verifiers{name: m.MSP + "." + network}
	if !isName(m.MSP) {
		return v, fmt.Errorf("not an MSP id")
	}
	_, encoded, _ := strings.Cut(strings.TrimPrefix(m.Cosign, v.name+"+"), "+")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) != 1+ed25519.PublicKeySize || CosignerKey(m.MSP, network, key[1:]) != m.Cosign {
		return v, fmt.Errorf("cosign is not a cosignature v1 key named %s", v.name)
	}
	v.ed25519 = [32]byte(key[1:])
	v.edID = keyID(v.name, key)
	digits, ok := strings.CutPrefix(m.Address, "0x")
	address, err := canon.UnHex(digits, 20)
	if !ok || err != nil {
		return v, fmt.Errorf("address %q is not 0x and 40 lower-case hex digits", m.Address)
	}
	v.address = [20]byte(address)
	v.secpID = secpKeyID(v.name, v.address)
	return v, nil
}

const (
	algCosignatureV1 = 0x04
	algOther         = 0xff
	secpIdentifier   = "killick-secp256k1"
)

// CosignerKey returns the note verifier key of a member's Ed25519 cosigner.
func CosignerKey(msp, network string, public ed25519.PublicKey) string {
	name := msp + "." + network
	key := append([]byte{algCosignatureV1}, public...)
	return fmt.Sprintf("%s+%08x+%s", name, keyID(name, key), base64.StdEncoding.EncodeToString(key))
}

func secpKeyID(name string, address [20]byte) uint32 {
	return keyID(name, append([]byte{algOther}, append([]byte(secpIdentifier), address[:]...)...))
}

// keyID is that of C2SP signed-note.
func keyID(name string, key []byte) uint32 {
	h := canon.Sum([]byte(name), []byte{'\n'}, key)
	return binary.BigEndian.Uint32(h[:4])
}

package log

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// Checkpoint states the log's size, root and time.
type Checkpoint struct {
	Network string
	LogID   Hash
	Size    uint64
	Root    Hash
	Time    uint64 // seconds since 1970, from the cosignatures
}

// Text returns the note's text, which does not contain the time.
func (c Checkpoint) Text() []byte { return canon.CheckpointNote(c.Network, c.LogID, c.Size, c.Root) }

// CosignedMessage returns what a member's Ed25519 key signs (C2SP
// tlog-cosignature v1).
func (c Checkpoint) CosignedMessage() []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", c.Time), c.Text()...)
}

// Cosignature is a member's pair of signatures over a checkpoint.
type Cosignature struct {
	MSP       string
	Ed25519   [64]byte
	Secp256k1 [65]byte // r, s, v with v 27 or 28
}

// CheckCosignature verifies both signatures of a cosignature.
func (s *Set) CheckCosignature(c Checkpoint, sig Cosignature) error {
	if c.Network != s.Network || c.LogID != s.LogID {
		return fmt.Errorf("checkpoint is of another log")
	}
	i := s.member(sig.MSP)
	if i < 0 {
		return fmt.Errorf("%q is not a member", sig.MSP)
	}
	return s.members[i].check(c, sig, s.Digest(c))
}

func (v verifiers) check(c Checkpoint, s Cosignature, digest Hash) error {
	if !ed25519.Verify(v.ed25519[:], c.CosignedMessage(), s.Ed25519[:]) {
		return fmt.Errorf("ed25519 signature of %s does not verify", s.MSP)
	}
	address, err := canon.Recover(digest, s.Secp256k1[:])
	if err != nil {
		return fmt.Errorf("secp256k1 signature of %s: %w", s.MSP, err)
	}
	if address != v.address {
		return fmt.Errorf("secp256k1 signature of %s does not verify", s.MSP)
	}
	return nil
}

// Note assembles the signed note of a checkpoint from cosignatures in any order.
// It needs K good ones and leaves out the others: a member that signs badly must
// not stop the note of those that sign well.
func (s *Set) Note(c Checkpoint, cosignatures []Cosignature) ([]byte, error) {
	by := map[string]Cosignature{}
	var bad []error
	for _, sig := range cosignatures {
		if err := s.CheckCosignature(c, sig); err != nil {
			bad = append(bad, err)
			continue
		}
		by[sig.MSP] = sig
	}
	if uint64(len(by)) < s.K {
		return nil, fmt.Errorf("note of size %d: %d good cosignatures, want %d: %w", c.Size, len(by), s.K, errors.Join(bad...))
	}
	n := Note{Checkpoint: c}
	for i, m := range s.Members {
		sig, ok := by[m.MSP]
		if !ok {
			continue
		}
		n.Lines = append(n.Lines, Signatures{
			Name: s.members[i].name, EdID: s.members[i].edID, SecpID: s.members[i].secpID, Cosignature: sig,
		})
	}
	return n.Marshal(), nil
}

// Note is a checkpoint with its members' signatures as they stand in the file;
// parsing verifies nothing.
type Note struct {
	Checkpoint
	Lines []Signatures
}

// Signatures are a member's two signature lines.
type Signatures struct {
	Name         string // <msp>.<network>
	EdID, SecpID uint32 // key ids
	Cosignature
}

const linePrefix = "— "

// Marshal returns the signed note.
func (n Note) Marshal() []byte {
	var b bytes.Buffer
	b.Write(n.Text())
	b.WriteByte('\n')
	line := func(name string, id uint32, sig []byte) {
		raw := append(binary.BigEndian.AppendUint32(nil, id), sig...)
		fmt.Fprintf(&b, "%s%s %s\n", linePrefix, name, base64.StdEncoding.EncodeToString(raw))
	}
	for _, s := range n.Lines {
		line(s.Name, s.EdID, append(binary.BigEndian.AppendUint64(nil, n.Time), s.Ed25519[:]...))
		line(s.Name, s.SecpID, s.Secp256k1[:])
	}
	return b.Bytes()
}

// ParseNote reads a checkpoint note in the one form that Marshal gives: every
// member with both lines, Ed25519 first, all at one time.
func ParseNote(data []byte) (*Note, error) {
	n, err := parseNote(string(data))
	if err != nil {
		return nil, fmt.Errorf("note: %w", err)
	}
	if !bytes.Equal(n.Marshal(), data) {
		return nil, fmt.Errorf("note: not in canonical form")
	}
	return n, nil
}

func parseNote(text string) (*Note, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 7 || lines[3] != "" || lines[len(lines)-1] != "" || len(lines)%2 != 1 {
		return nil, fmt.Errorf("want three lines, an empty one, and pairs of signatures")
	}
	n := &Note{}
	origin := strings.Split(lines[0], "/")
	if len(origin) != 3 || !isName(origin[1]) {
		return nil, fmt.Errorf("origin %q", lines[0])
	}
	n.Network = origin[1]
	var err error
	if n.LogID, err = canon.UnHex32(origin[2]); err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	if n.Size, err = strconv.ParseUint(lines[1], 10, 62); err != nil {
		return nil, fmt.Errorf("size %q", lines[1])
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != 32 {
		return nil, fmt.Errorf("root %q", lines[2])
	}
	n.Root = Hash(root)
	for i := 4; i < len(lines)-1; i += 2 {
		if err := n.pair(lines[i], lines[i+1]); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return n, nil
}

func (n *Note) pair(ed, secp string) error {
	edName, edRaw, err := signatureLine(ed, 4+8+64)
	if err != nil {
		return err
	}
	secpName, secpRaw, err := signatureLine(secp, 4+65)
	if err != nil {
		return err
	}
	msp, ok := strings.CutSuffix(edName, "."+n.Network)
	if !ok || edName != secpName || !isName(msp) {
		return fmt.Errorf("signatures of %q and %q", edName, secpName)
	}
	time := binary.BigEndian.Uint64(edRaw[4:])
	if len(n.Lines) > 0 && time != n.Time {
		return fmt.Errorf("signed at another time")
	}
	n.Time = time
	n.Lines = append(n.Lines, Signatures{
		Name: edName, EdID: binary.BigEndian.Uint32(edRaw), SecpID: binary.BigEndian.Uint32(secpRaw),
		Cosignature: Cosignature{MSP: msp, Ed25519: [64]byte(edRaw[12:]), Secp256k1: [65]byte(secpRaw[4:])},
	})
	return nil
}

func signatureLine(line string, size int) (name string, raw []byte, err error) {
	rest, ok := strings.CutPrefix(line, linePrefix)
	name, encoded, found := strings.Cut(rest, " ")
	if !ok || !found {
		return "", nil, fmt.Errorf("not a signature line")
	}
	raw, err = base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) != size {
		return "", nil, fmt.Errorf("signature of %q is not base64 of %d bytes", name, size)
	}
	return name, raw, nil
}

// CheckNote verifies a parsed note: this log, a size that the set signs, and both
// signatures of at least K distinct members in member order, every one of them good.
// It returns the members' MSP ids.
func (s *Set) CheckNote(n *Note) ([]string, error) {
	if n.Network != s.Network || n.LogID != s.LogID {
		return nil, fmt.Errorf("note is of log %x of %s", n.LogID, n.Network)
	}
	if n.Size < s.From {
		return nil, fmt.Errorf("member set %d signs sizes from %d on, the note has %d", s.Version, s.From, n.Size)
	}
	digest := s.Digest(n.Checkpoint)
	var signers []string
	last := -1
	for _, line := range n.Lines {
		i := s.member(line.MSP)
		if i < 0 {
			return nil, fmt.Errorf("%q is not a member", line.MSP)
		}
		if i <= last {
			return nil, fmt.Errorf("signature of %s is repeated or out of member order", line.MSP)
		}
		last = i
		v := s.members[i]
		if line.Name != v.name || line.EdID != v.edID || line.SecpID != v.secpID {
			return nil, fmt.Errorf("signature of %s is by another key", line.MSP)
		}
		if err := v.check(n.Checkpoint, line.Cosignature, digest); err != nil {
			return nil, err
		}
		signers = append(signers, line.MSP)
	}
	if uint64(len(signers)) < s.K {
		return nil, fmt.Errorf("%d of %d members signed, want %d", len(signers), len(s.Members), s.K)
	}
	return signers, nil
}

// OpenNote parses and verifies a note.
func (s *Set) OpenNote(data []byte) (Checkpoint, []string, error) {
	n, err := ParseNote(data)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	signers, err := s.CheckNote(n)
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("note of size %d: %w", n.Size, err)
	}
	return n.Checkpoint, signers, nil
}

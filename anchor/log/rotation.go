package log

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// Rotation hands over to a member set: its members and the signatures of the set
// before, as a bundle carries them (docs/formats/bundle.md).
type Rotation struct {
	Version    uint64
	From       uint64 // first size that the set signs
	K          uint64
	Members    []Member   // without keys those that keep the keys of the set before
	Signatures [][65]byte // of members of the set before, in its order
}

// RotationDigest returns what members of the set sign to hand over to next.
func (s *Set) RotationDigest(next *Set) Hash {
	return canon.RotationDigest(s.LogID, s.hash, next.Version, next.hash, next.list, next.From)
}

// HandOver assembles the rotation to next from signatures by MSP id. It takes the first
// K good ones in the order of members: each more would cost every reader a recovery.
func (s *Set) HandOver(next *Set, signatures map[string][65]byte) (Rotation, error) {
	r := Rotation{Version: next.Version, From: next.From, K: next.K}
	for _, m := range next.Members {
		if slices.Contains(s.Members, m) {
			m = Member{MSP: m.MSP}
		}
		r.Members = append(r.Members, m)
	}
	digest := s.RotationDigest(next)
	for i, m := range s.Members {
		sig, ok := signatures[m.MSP]
		if !ok || uint64(len(r.Signatures)) == s.K {
			continue
		}
		if address, err := canon.Recover(digest, sig[:]); err == nil && address == s.members[i].address {
			r.Signatures = append(r.Signatures, sig)
		}
	}
	if _, err := s.CheckRotation(r); err != nil {
		return Rotation{}, err
	}
	return r, nil
}

// next returns the set that a rotation states, without a look at its signatures: the
// next version, from a larger size on.
func (s *Set) next(r Rotation) (*Set, error) {
	if r.Version != s.Version+1 || r.From <= s.From {
		return nil, fmt.Errorf("member set %d from size %d does not follow set %d from size %d", r.Version, r.From, s.Version, s.From)
	}
	members := slices.Clone(r.Members)
	for i, m := range members {
		kept := m == Member{MSP: m.MSP}
		at := s.member(m.MSP)
		switch {
		case kept && at < 0:
			return nil, fmt.Errorf("member set %d: no keys of %q, who is not in set %d", r.Version, m.MSP, s.Version)
		case kept:
			members[i] = s.Members[at]
		case at >= 0 && m == s.Members[at]:
			return nil, fmt.Errorf("member set %d: the keys of %q are those of set %d", r.Version, m.MSP, s.Version)
		}
	}
	return NewSet(s.Network, s.LogID, r.Version, r.From, r.K, members)
}

// CheckRotation verifies that K members of the set hand over to the rotation's, which
// it returns: every signature good, in member order.
func (s *Set) CheckRotation(r Rotation) (*Set, error) {
	next, err := s.next(r)
	if err != nil {
		return nil, err
	}
	digest := s.RotationDigest(next)
	last := -1
	for _, sig := range r.Signatures {
		address, err := canon.Recover(digest, sig[:])
		if err != nil {
			return nil, fmt.Errorf("rotation to set %d: %w", r.Version, err)
		}
		i := slices.IndexFunc(s.members, func(v verifiers) bool { return v.address == address })
		if i < 0 {
			return nil, fmt.Errorf("rotation to set %d: a signature is not that of a member of set %d", r.Version, s.Version)
		}
		if i <= last {
			return nil, fmt.Errorf("rotation to set %d: signature of %s is repeated or out of member order", r.Version, s.Members[i].MSP)
		}
		last = i
	}
	if n := uint64(len(r.Signatures)); n < s.K {
		return nil, fmt.Errorf("rotation to set %d: %d of %d members of set %d signed, want %d", r.Version, n, len(s.Members), s.Version, s.K)
	}
	return next, nil
}

// marshal writes the rotation's lines.
func (r Rotation) marshal(out *bytes.Buffer, network string) error {
	var all []byte
	for _, sig := range r.Signatures {
		all = append(all, sig[:]...)
	}
	fmt.Fprintf(out, "rotation %d %d %d %s\n", r.Version, r.From, r.K, b64(all))
	for _, m := range r.Members {
		if m == (Member{MSP: m.MSP}) {
			fmt.Fprintf(out, "member %s\n", m.MSP)
			continue
		}
		v, err := m.verifiers(network)
		if err != nil {
			return fmt.Errorf("rotation to set %d: member %q: %w", r.Version, m.MSP, err)
		}
		fmt.Fprintf(out, "member %s %s\n", m.MSP, b64(append(v.ed25519[:], v.address[:]...)))
	}
	return nil
}

// MarshalRotations returns rotations as a bundle carries them.
func MarshalRotations(network string, all []Rotation) ([]byte, error) {
	var out bytes.Buffer
	for _, r := range all {
		if err := r.marshal(&out, network); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// ParseRotations reads what MarshalRotations returns, in the one form that it has. It
// verifies no signature.
func ParseRotations(network string, data []byte) ([]Rotation, error) {
	if len(data) == 0 {
		return nil, nil
	}
	in := &lines{rest: strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")}
	all := in.allRotations(network)
	if in.err == nil && len(in.rest) > 0 {
		in.err = fmt.Errorf("line %.40q", in.rest[0])
	}
	if in.err != nil {
		return nil, fmt.Errorf("rotations: %w", in.err)
	}
	again, err := MarshalRotations(network, all)
	if err != nil || !bytes.Equal(again, data) {
		return nil, fmt.Errorf("rotations: not in canonical form")
	}
	return all, nil
}

// Follow returns the sets from this one on that rotations lead to, each checked by the
// one before. Rotations to this set and older ones are passed over.
func (s *Set) Follow(all []Rotation) (Sets, error) {
	sets := Sets{s}
	for _, r := range all {
		if r.Version <= s.Version {
			continue
		}
		next, err := sets[len(sets)-1].CheckRotation(r)
		if err != nil {
			return sets, err
		}
		sets = append(sets, next)
	}
	return sets, nil
}

// rotations reads the rotations up to the set that signed.
func (l *lines) rotations(network string, signed uint64) []Rotation {
	all := l.allRotations(network)
	if n := len(all); l.err == nil && n > 0 && all[n-1].Version != signed {
		l.err = fmt.Errorf("the rotations lead to member set %d, set %d signed", all[n-1].Version, signed)
	}
	return all
}

// allRotations reads rotations, each with its members.
func (l *lines) allRotations(network string) (all []Rotation) {
	for {
		f, ok := l.optional("rotation", 4)
		if !ok {
			break
		}
		r := Rotation{Version: l.number(f[0], 64), From: l.number(f[1], 62), K: l.number(f[2], 64)}
		for sigs := l.base64(f[3]); l.err == nil && len(sigs) > 0; sigs = sigs[65:] {
			if len(sigs)%65 != 0 {
				l.err = fmt.Errorf("signatures of %d bytes", len(sigs))
				break
			}
			r.Signatures = append(r.Signatures, [65]byte(sigs))
		}
		if n := len(all); l.err == nil && (r.Version < 2 || n > 0 && r.Version != all[n-1].Version+1) {
			l.err = fmt.Errorf("rotations are not to one member set after the other")
		}
		r.Members = l.members(network)
		all = append(all, r)
	}
	return all
}

func (l *lines) members(network string) (all []Member) {
	for l.err == nil && len(l.rest) > 0 && strings.HasPrefix(l.rest[0], "member ") {
		f := strings.Split(l.rest[0], " ")[1:]
		l.rest = l.rest[1:]
		m := Member{MSP: f[0]}
		if len(f) > 1 {
			raw := l.base64(f[1])
			if l.err == nil && len(raw) != 32+20 {
				l.err = fmt.Errorf("keys of %d bytes", len(raw))
			}
			if l.err != nil {
				return nil
			}
			m.Cosign, m.Address = CosignerKey(m.MSP, network, raw[:32]), "0x"+canon.Hex(raw[32:])
		}
		if !isName(m.MSP) || len(f) > 2 {
			l.err = fmt.Errorf("member %.40q: want a name and its keys, or a name", f[0])
		}
		all = append(all, m)
	}
	return all
}

// checkMembers returns the set that signed the bundle's checkpoint, found from the
// policy's by the bundle's rotations; nil when there is none or it cannot be known.
func (b *Bundle) checkMembers(p *Policy) (*Set, Check) {
	const name = "members"
	if b.SetVersion < p.SetVersion {
		return nil, Check{name, Unchecked, fmt.Sprintf(
			"signed by member set %d: the policy pins set %d, from which older ones cannot be checked; use a policy of set %[1]d or before", b.SetVersion, p.SetVersion)}
	}
	if b.SetVersion > p.SetVersion && (len(b.Rotations) == 0 || b.Rotations[0].Version > p.SetVersion+1) {
		return nil, failed(name, "signed by member set %d: the bundle has no rotation from the policy's set %d to set %d", b.SetVersion, p.SetVersion, p.SetVersion+1)
	}
	set := p.set
	for _, r := range b.after(p) {
		next, err := set.CheckRotation(r)
		if err != nil {
			return nil, failed(name, "%v", err)
		}
		set = next
	}
	if set == p.set {
		return set, passed(name, "member set %d, which the policy pins", set.Version)
	}
	return set, passed(name, "member set %d, which signs from size %d on: %d handed over from set %d, which the policy pins, each by the members before it",
		set.Version, set.From, set.Version-p.SetVersion, p.SetVersion)
}

// after returns the rotations that begin at the policy's set. Those before it say
// nothing to whoever pins it.
func (b *Bundle) after(p *Policy) []Rotation {
	for i, r := range b.Rotations {
		if r.Version > p.SetVersion {
			return b.Rotations[i:]
		}
	}
	return nil
}

// signers returns the set that signed the bundle's checkpoint as the bundle states it,
// without a look at signatures, nil when it is not known.
func (b *Bundle) signers(p *Policy) *Set {
	set := p.set
	for _, r := range b.after(p) {
		next, err := set.next(r)
		if err != nil {
			return nil
		}
		set = next
	}
	if set.Version != b.SetVersion {
		return nil
	}
	return set
}

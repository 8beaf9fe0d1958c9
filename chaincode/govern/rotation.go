package govern

import (
	"bytes"
	"sort"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Set is a member set: who signs the checkpoints of sizes from From up to below the From
// of the next version. Versions count from 1.
type Set struct {
	Version uint64   `json:"version"`
	From    uint64   `json:"from"`
	K       int      `json:"k"`
	Members []Member `json:"members"`
}

// Rotation is a set that came in force, and which members of the one before handed over
// to it, in their order. The founding set has no signers.
type Rotation struct {
	Set
	Signers []string `json:"signers"`
}

const rotationPrefix = "rotation/"

// NextSetKey is the state key of the set to which the members have decided to hand over
// and that is not in force yet.
const NextSetKey = rotationPrefix + "next"

// RotationKey returns the state key of a set that is or was in force. Before the first
// rotation there is none.
func RotationKey(version uint64) string { return rotationPrefix + ledger.Hex64(version) }

// NextSet returns the set to which the members are to hand over, nil when none waits.
func NextSet(tx *ledger.Tx) (*Set, error) {
	s := new(Set)
	if err := readJSON(tx, NextSetKey, s); err != nil || s.Version == 0 {
		return nil, err
	}
	return s, nil
}

// rotation returns the set with the version, which is in force or was.
func (n *Network) rotation(tx *ledger.Tx, version uint64) (*Rotation, error) {
	if n.SetVersion == 1 {
		return n.founding(), nil
	}
	r := new(Rotation)
	if err := readJSON(tx, RotationKey(version), r); err != nil {
		return nil, err
	}
	if r.Version != version {
		return nil, fault.New(fault.Internal, "the member set %d is not there", version)
	}
	return r, nil
}

// founding is the first set, as long as it is in force.
func (n *Network) founding() *Rotation {
	return &Rotation{Set{n.SetVersion, 1, n.K, n.Members}, []string{}}
}

// Sets returns the sets with larger versions than after that are or were in force,
// ascending, at most limit.
func (n *Network) Sets(tx *ledger.Tx, after uint64, limit int) ([]Rotation, error) {
	sets := []Rotation{}
	for v := after + 1; v <= n.SetVersion && v > after && len(sets) < limit; v++ {
		r, err := n.rotation(tx, v)
		if err != nil {
			return nil, err
		}
		sets = append(sets, *r)
	}
	return sets, nil
}

// SetOf returns the set whose range has the size of a checkpoint. While a rotation
// waits, the sizes that the next set is to sign are not in its range yet.
func (n *Network) SetOf(tx *ledger.Tx, size uint64) (*Set, error) {
	for v := n.SetVersion; ; v-- {
		r, err := n.rotation(tx, v)
		if err != nil {
			return nil, err
		}
		if v == 1 || size >= r.From {
			return &r.Set, nil
		}
	}
}

// CheckSize refuses the size of a checkpoint that the set in force is not to sign: those
// of an earlier set's range, and from where a rotation that waits begins.
// Errors: fault.NotGrowing, fault.NotDue.
func (n *Network) CheckSize(tx *ledger.Tx, size uint64) error {
	now, err := n.rotation(tx, n.SetVersion)
	if err != nil {
		return err
	}
	if size < now.From {
		return fault.New(fault.NotGrowing, "the member set %d signs sizes from %d on", now.Version, now.From)
	}
	next, err := NextSet(tx)
	if err == nil && next != nil && size >= next.From {
		err = fault.New(fault.NotDue, "sizes from %d on are the member set %d's, which is not in force yet", next.From, next.Version)
	}
	return err
}

// with is the network once a set is in force.
func (n *Network) with(s *Set) *Network {
	next := *n
	next.SetVersion, next.K, next.Members = s.Version, s.K, s.Members
	return &next
}

// HandOver puts the next set in force, whose signatures by the signers the caller has
// checked. Before the first rotation it writes down the founding set as well, so that all
// sets are found alike.
func (n *Network) HandOver(tx *ledger.Tx, next *Set, signers []string) (*Rotation, error) {
	if n.SetVersion == 1 {
		if err := putJSON(tx, RotationKey(1), n.founding()); err != nil {
			return nil, err
		}
	}
	r := &Rotation{*next, signers}
	if err := putJSON(tx, RotationKey(next.Version), r); err != nil {
		return nil, err
	}
	tx.Delete(NextSetKey)
	return r, putJSON(tx, NetworkKey, n.with(next))
}

// Hash returns the hash by which contracts know the set.
func (s *Set) Hash() ([32]byte, error) {
	addresses := make([][20]byte, len(s.Members))
	for i, m := range s.Members {
		a, err := m.AddressBytes()
		if err != nil {
			return [32]byte{}, err
		}
		addresses[i] = a
	}
	sort.Slice(addresses, func(i, j int) bool { return bytes.Compare(addresses[i][:], addresses[j][:]) < 0 })
	return canon.MemberSetHash(s.Version, uint64(s.K), addresses), nil
}

// ListHash returns the hash of what contracts do not know of the set.
func (s *Set) ListHash() [32]byte {
	lines := make([]string, len(s.Members))
	for i, m := range s.Members {
		lines[i] = m.Line()
	}
	return canon.MemberListHash(lines)
}

// RotationDigest returns what members of the set in force sign to hand over to the next.
func (n *Network) RotationDigest(next *Set) ([32]byte, error) {
	logID, err := n.LogID()
	if err != nil {
		return [32]byte{}, err
	}
	old, err := n.SetHash()
	if err != nil {
		return [32]byte{}, err
	}
	hash, err := next.Hash()
	return canon.RotationDigest(logID, old, next.Version, hash, next.ListHash(), next.From), err
}

// Line is the member in the list that a rotation covers.
func (m Member) Line() string { return canon.MemberLine(m.MSP, m.Cosign, m.Address) }

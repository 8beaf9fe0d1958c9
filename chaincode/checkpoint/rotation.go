package checkpoint

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// RotationSignatureKey returns the state key of one member's signature that hands over to
// the set with the version.
func RotationSignatureKey(version uint64, msp string) string {
	return "rotationsig/" + ledger.Hex64(version) + "/" + msp
}

// SignRotation is the request of checkpoint:SignRotation: the calling organisation hands
// over to the set that waits, by a signature of its secp256k1 key in base64.
type SignRotation struct {
	Version   uint64 `json:"version"`
	Secp256k1 string `json:"secp256k1"`
}

// Apply stores the signature after checking it. It reads no other organisation's, and
// writes once. Errors: fault.NotMember, fault.AlreadyDone when the set is in force,
// fault.NotFound when it does not wait, fault.InvalidValue, fault.BadSignature.
func (s *SignRotation) Apply(tx *ledger.Tx, n *govern.Network) error {
	member, err := n.CallingMember(tx)
	if err != nil {
		return err
	}
	next, err := waiting(tx, n, s.Version)
	if err != nil {
		return err
	}
	signature, err := canon.UnBase64("secp256k1", s.Secp256k1, 65)
	if err != nil {
		return err
	}
	digest, err := n.RotationDigest(next)
	if err != nil {
		return err
	}
	address, err := member.AddressBytes()
	if err != nil {
		return err
	}
	signer, err := canon.Recover(digest, signature)
	if err != nil || signer != address {
		return fault.New(fault.BadSignature, "secp256k1 is not a signature of %s over this rotation", member.MSP)
	}
	key := RotationSignatureKey(s.Version, member.MSP)
	if had, err := tx.Has(key); err != nil || had {
		return err
	}
	tx.Put(key, []byte(s.Secp256k1))
	return nil
}

// waiting returns the set that waits, which must have the version.
func waiting(tx *ledger.Tx, n *govern.Network, version uint64) (*govern.Set, error) {
	next, err := govern.NextSet(tx)
	switch {
	case err != nil:
		return nil, err
	case version >= 1 && version <= n.SetVersion:
		return nil, fault.New(fault.AlreadyDone, "the member set %d is in force", n.SetVersion)
	case next == nil || next.Version != version:
		return nil, fault.New(fault.NotFound, "no member set %d waits", version)
	}
	return next, nil
}

// Rotate is the request of checkpoint:Rotate: to put the set that waits in force, which
// the signers have signed.
type Rotate struct {
	Version uint64   `json:"version"`
	Signers []string `json:"signers"`
}

// Apply puts the set in force. It reads exactly the signatures that are named, so nobody
// who is not needed can hold it up, and any member of the set in force may ask for it.
// Errors: fault.NotMember, fault.AlreadyDone, fault.NotFound, fault.InvalidValue,
// fault.NoQuorum.
func (r *Rotate) Apply(tx *ledger.Tx, n *govern.Network) (*govern.Rotation, error) {
	if _, err := n.CallingMember(tx); err != nil {
		return nil, err
	}
	next, err := waiting(tx, n, r.Version)
	if err != nil {
		return nil, err
	}
	signers, err := quorum(tx, n, r.Signers, func(msp string) string { return RotationSignatureKey(r.Version, msp) })
	if err != nil {
		return nil, err
	}
	return n.HandOver(tx, next, signers)
}

// maxSets bounds the sets in one answer: with 31 members and as many signatures a set is
// about 10 kB.
const maxSets = 16

// SetsQuery is the request of checkpoint:Sets: sets with larger versions than After.
type SetsQuery struct {
	After uint64 `json:"after,omitempty"`
}

// SetView is a member set with the signatures by which the set before handed over to it.
type SetView struct {
	govern.Set
	Signatures []RotationSignature `json:"signatures"` // in the order of the members before
}

// RotationSignature is one member's signature over a rotation.
type RotationSignature struct {
	MSP       string `json:"msp"`
	Secp256k1 string `json:"secp256k1"`
}

// SetsView is the answer of checkpoint:Sets.
type SetsView struct {
	Sets []SetView `json:"sets"` // that are or were in force, ascending, at most 16
	// Next waits for K signatures; those that it has are with it.
	Next *SetView `json:"next,omitempty"`
}

// Answer returns the sets and the one that waits.
func (q *SetsQuery) Answer(tx *ledger.Tx, n *govern.Network) (*SetsView, error) {
	sets, err := n.Sets(tx, q.After, maxSets)
	if err != nil {
		return nil, err
	}
	v := &SetsView{Sets: []SetView{}}
	for _, s := range sets {
		view, err := viewSet(tx, s.Set, s.Signers)
		if err != nil {
			return nil, err
		}
		v.Sets = append(v.Sets, *view)
	}
	next, err := govern.NextSet(tx)
	if err != nil || next == nil {
		return v, err
	}
	msps := make([]string, len(n.Members))
	for i, m := range n.Members {
		msps[i] = m.MSP
	}
	v.Next, err = viewSet(tx, *next, msps)
	return v, err
}

// viewSet adds the signatures of those of the organisations that have signed.
func viewSet(tx *ledger.Tx, s govern.Set, msps []string) (*SetView, error) {
	v := &SetView{s, []RotationSignature{}}
	keys := make([]string, len(msps))
	for i, msp := range msps {
		keys[i] = RotationSignatureKey(s.Version, msp)
	}
	if err := tx.Prefetch(keys); err != nil {
		return nil, err
	}
	for i, msp := range msps {
		value, err := tx.Get(keys[i])
		if err != nil {
			return nil, err
		}
		if value != nil {
			v.Signatures = append(v.Signatures, RotationSignature{msp, string(value)})
		}
	}
	return v, nil
}

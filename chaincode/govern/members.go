package govern

import (
	"crypto/ed25519"
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Membership is the value of the subject members.
type Membership struct {
	K       int      `json:"k"`
	Members []Joiner `json:"members"`
}

// Joiner is a member of a set that is proposed. Proof is there exactly when its line is
// not in the set in force: whoever joins, and whoever gets new keys.
type Joiner struct {
	MSP     string      `json:"msp"`
	Cosign  string      `json:"cosign"`
	Address string      `json:"address"`
	Proof   *Possession `json:"proof,omitempty"`
}

// Possession are the signatures of both keys of a member over canon.PossessionText, in
// base64: somebody has these keys, so that no slip of the pen leaves a ledger without the
// signatures that it needs.
type Possession struct {
	Ed25519   string `json:"ed25519"`
	Secp256k1 string `json:"secp256k1"`
}

func (j *Joiner) member() Member { return Member{j.MSP, j.Cosign, j.Address} }

// members is who signs checkpoints and decides. Enacting a value does not put it in
// force: it waits until members of the set in force have signed that they hand over
// (package checkpoint), since contracts and auditors know the set as well.
type members struct{}

// read returns the set in force, without proofs, also while a rotation waits.
func (members) read(_ *ledger.Tx, n *Network, _ string) ([]byte, error) {
	m := Membership{n.K, []Joiner{}}
	for _, have := range n.Members {
		m.Members = append(m.Members, Joiner{have.MSP, have.Cosign, have.Address, nil})
	}
	return canon.Marshal(m)
}

// set makes the value the next set, for all sizes above that of the newest checkpoint.
// Errors: fault.NotDue while another rotation waits, and before the set in force has a
// checkpoint of its own: a set's range is never empty; fault.InvalidValue and the codes
// of bad forms; fault.BadProof.
func (members) set(tx *ledger.Tx, n *Network, clock Clock, _ string, value []byte) ([]byte, error) {
	m := new(Membership)
	if err := canon.Decode(value, m, "k", "members"); err != nil {
		return nil, err
	}
	waiting, err := NextSet(tx)
	if err != nil {
		return nil, err
	}
	if waiting != nil {
		return nil, fault.New(fault.NotDue, "the members have not handed over to the set %d yet", waiting.Version)
	}
	now, err := n.rotation(tx, n.SetVersion)
	if err != nil {
		return nil, err
	}
	if clock.Size < now.From {
		return nil, fault.New(fault.NotDue, "the member set %d, from size %d on, has no checkpoint yet", now.Version, now.From)
	}
	next := &Set{Version: n.SetVersion + 1, From: clock.Size + 1, K: m.K}
	for i := range m.Members {
		next.Members = append(next.Members, m.Members[i].member())
	}
	if err := n.with(next).check(); err != nil {
		return nil, err
	}
	for i := range m.Members {
		if err := n.checkProof(&m.Members[i]); err != nil {
			return nil, err
		}
	}
	if err := putJSON(tx, NextSetKey, next); err != nil {
		return nil, err
	}
	return canon.Marshal(m)
}

// checkProof refuses a member that joins without showing that its keys are there, and a
// proof that nobody asks for: a value has one form. Errors: fault.InvalidValue,
// fault.BadProof.
func (n *Network) checkProof(j *Joiner) error {
	m := j.member()
	known := slices.Contains(n.Members, m)
	switch {
	case known && j.Proof == nil:
		return nil
	case known:
		return fault.New(fault.InvalidValue, "%s is in the set in force as it is, and needs no proof", m.MSP)
	case j.Proof == nil:
		return fault.New(fault.InvalidValue, "%s is not in the set in force with these keys, and needs a proof", m.MSP)
	}
	logID, err := n.LogID()
	if err != nil {
		return err
	}
	text := canon.PossessionText(logID, m.Line())
	key, err := m.CosignKey(n.Name)
	if err != nil {
		return err
	}
	signature, err := canon.UnBase64("ed25519", j.Proof.Ed25519, 64)
	if err != nil {
		return err
	}
	if !ed25519.Verify(key[:], text, signature) {
		return fault.New(fault.BadProof, "ed25519 is not a signature of the key in cosign of %s over its line", m.MSP)
	}
	recoverable, err := canon.UnBase64("secp256k1", j.Proof.Secp256k1, 65)
	if err != nil {
		return err
	}
	address, err := m.AddressBytes()
	if err != nil {
		return err
	}
	signer, err := canon.Recover(canon.Keccak(text), recoverable)
	if err != nil || signer != address {
		return fault.New(fault.BadProof, "secp256k1 is not a signature of the address of %s over its line", m.MSP)
	}
	return nil
}

package checkpoint

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Receipt is the request of checkpoint:Receipt: the checkpoint of this size is
// final on the chain.
type Receipt struct {
	Chain     string `json:"chain"`
	Size      uint64 `json:"size"`
	Tx        string `json:"tx"`
	Block     uint64 `json:"block"`
	BlockHash string `json:"blockHash"`
}

// Anchored is a stored receipt.
type Anchored struct {
	Tx        string `json:"tx"`
	Block     uint64 `json:"block"`
	BlockHash string `json:"blockHash"`
}

// Apply stores the calling organisation's receipt. It is that organisation's
// word; the contract is the truth. Errors: fault.NotMember,
// fault.InvalidValue.
func (r *Receipt) Apply(tx *ledger.Tx, n *govern.Network) error {
	member, err := n.CallingMember(tx)
	if err != nil {
		return err
	}
	if _, err := canon.ChainNumber(r.Chain); err != nil {
		return err
	}
	if r.Size == 0 {
		return fault.New(fault.InvalidValue, "size must be at least 1")
	}
	for _, hash := range []string{r.Tx, r.BlockHash} {
		if _, err := canon.UnHex32(trim0x(hash)); err != nil {
			return fault.New(fault.InvalidValue, "tx and blockHash must be 64 lower-case hexadecimal digits")
		}
	}
	return put(tx, ReceiptKey(r.Chain, r.Size, member.MSP), Anchored{r.Tx, r.Block, r.BlockHash})
}

// trim0x lets each chain's receipt use that chain's own way to write hashes.
func trim0x(s string) string {
	if len(s) > 2 && s[:2] == "0x" {
		return s[2:]
	}
	return s
}

// MemberSignatures are the signatures of one organisation.
type MemberSignatures struct {
	MSP string `json:"msp"`
	Signatures
}

// Cosignatures answers checkpoint:Cosignatures: those by the set whose range has the
// size, in the order of its members.
// Errors: fault.InvalidValue.
func Cosignatures(tx *ledger.Tx, n *govern.Network, p Point) ([]MemberSignatures, error) {
	if _, err := p.check(); err != nil {
		return nil, err
	}
	set, err := n.SetOf(tx, p.Size)
	if err != nil {
		return nil, err
	}
	found := []MemberSignatures{}
	err = each(tx, set.Members, func(msp string) string { return CosignatureKey(p, set.Version, msp) }, func(msp string, value []byte) error {
		s := MemberSignatures{MSP: msp}
		found = append(found, s)
		return json.Unmarshal(value, &found[len(found)-1].Signatures, json.RejectUnknownMembers(true))
	})
	return found, err
}

// MemberReceipt is the receipt of one organisation.
type MemberReceipt struct {
	MSP string `json:"msp"`
	Anchored
}

// Receipts answers checkpoint:Receipts in the order of members.
// Errors: fault.InvalidValue.
func Receipts(tx *ledger.Tx, n *govern.Network, chain string, size uint64) ([]MemberReceipt, error) {
	if _, err := canon.ChainNumber(chain); err != nil {
		return nil, err
	}
	found := []MemberReceipt{}
	err := each(tx, n.Members, func(msp string) string { return ReceiptKey(chain, size, msp) }, func(msp string, value []byte) error {
		found = append(found, MemberReceipt{MSP: msp})
		return json.Unmarshal(value, &found[len(found)-1].Anchored, json.RejectUnknownMembers(true))
	})
	return found, err
}

// each reads one key for each member and passes on those that have a value.
func each(tx *ledger.Tx, members []govern.Member, key func(msp string) string, use func(msp string, value []byte) error) error {
	keys := make([]string, len(members))
	for i, m := range members {
		keys[i] = key(m.MSP)
	}
	if err := tx.Prefetch(keys); err != nil {
		return err
	}
	for i, m := range members {
		value, err := tx.Get(keys[i])
		if err != nil {
			return err
		}
		if value == nil {
			continue
		}
		if err := use(m.MSP, value); err != nil {
			return fmt.Errorf("stored %s: %w", keys[i], err)
		}
	}
	return nil
}

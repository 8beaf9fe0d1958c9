// Package attest is what is done with records under their owners' grants, and paid for.
//
// A use (attest.use) needs no TEE: in one transaction the grant is enforced in every
// field, the price goes from the user's balance to the owner's credits, and a receipt is
// left that says who was given access to which version of what, for how much.
//
// A job runs within a TEE. A consumer sets all that it may cost aside, an operator accepts
// it with a deposit and brings evidence that is bound to job, operator and output, a drawn
// committee commits to ballots and reveals them, and whoever closes it moves the money in
// the same transaction. Phases, formats and who is paid when: docs/formats/job.md. What
// chaincode finds itself of evidence is never outvoted; every outcome is a function of
// what is on the ledger, which anyone can compute again.
//
// What is handed over, and by whom, is beyond the ledger. The package is pure; amounts are
// micro-units, times seconds since 1970, windows seconds of the checkpoints' clock.
//
// State (docs/formats/state.md): use/<reference>, job/<reference>; of a job round/,
// evidence/, rival/, committee/, ballot/, reveal/, settlement/; quote/, standing/,
// collateral/.
package attest

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

const receiptType = 0x50

// Unlimited stands for the uses that are left of a grant of any number.
const Unlimited = 1<<32 - 1

// Receipt is what a use leaves, for good: the proof of one access.
type Receipt struct {
	Grant      ledger.Reference
	Record     ledger.Reference
	Version    uint32   // of the record
	Commitment [32]byte // of that version
	Client     ledger.ID
	Owner      ledger.ID
	Price      reward.Amount
	Epoch      uint32 // in which the owner is credited; 0 when the price is 0
	Left       uint32 // uses of the grant after this one, or Unlimited
	Operation  string
	Path       string
	Asset      string
}

// Key returns the state key of a receipt.
func Key(ref string) string { return "use/" + ref }

// Encode returns the layout of docs/formats/operation.md section 4.
func (r *Receipt) Encode() []byte {
	b := canon.NewRecord(receiptType).U32(r.Grant.Expiry).Fixed(r.Grant.ID[:]).U32(r.Record.Expiry).Fixed(r.Record.ID[:])
	b.U32(r.Version).Fixed(r.Commitment[:]).Fixed(r.Client[:]).Fixed(r.Owner[:]).U64(uint64(r.Price)).U32(r.Epoch).U32(r.Left)
	return b.Var8([]byte(r.Operation)).Var8([]byte(r.Path)).Var8([]byte(r.Asset)).Bytes()
}

// DecodeReceipt reads a stored receipt. Errors: fault.Malformed, fault.TrailingData.
func DecodeReceipt(data []byte) (*Receipt, error) {
	b := canon.OpenRecord(data, receiptType)
	r := &Receipt{Grant: ledger.Reference{Expiry: b.U32(), ID: b.Hash()}, Record: ledger.Reference{Expiry: b.U32(), ID: b.Hash()}}
	r.Version, r.Commitment = b.U32(), b.Hash()
	copy(r.Client[:], b.Fixed(len(r.Client)))
	copy(r.Owner[:], b.Fixed(len(r.Owner)))
	r.Price, r.Epoch, r.Left = reward.Amount(b.U64()), b.U32(), b.U32()
	r.Operation, r.Path, r.Asset = string(b.Var8()), string(b.Var8()), string(b.Var8())
	if r.Price < 0 {
		return nil, fault.New(fault.Malformed, "a price above 2^63-1")
	}
	return r, b.Done()
}

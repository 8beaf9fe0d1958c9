package attest

import (
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Use is the body of attest.use. It repeats what the grant says of record, owner and
// price: so the signature says who is paid how much for what, and all keys that the
// operation reads are known before it is executed.
type Use struct {
	Grant     string        `json:"grant"`
	Record    string        `json:"record"`
	Version   uint64        `json:"version"` // of the record
	Owner     string        `json:"owner"`
	Operation string        `json:"operation"`
	Path      string        `json:"path"`
	Asset     string        `json:"asset"`
	Price     reward.Amount `json:"price"`
	For       string        `json:"for,omitempty"` // what it is for; sets apart uses that are otherwise equal

	owner ledger.ID // of Owner, set by Check
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue,
// fault.WrongNetwork, fault.NumberRange.
func (u *Use) Check(call ledger.Call) (err error) {
	if err := record.CheckGrant(u.Grant); err != nil {
		return err
	}
	if _, err := ledger.ParseReference(u.Record); err != nil {
		return fault.New(fault.InvalidValue, "record: %v", err)
	}
	if u.Version < 1 || u.Version > 1<<32-1 {
		return fault.New(fault.NumberRange, "version: %d is not between 1 and 2^32-1", u.Version)
	}
	if u.owner, err = did.ParseOn(call.Network, u.Owner); err != nil {
		return err
	}
	if u.owner == call.Actor {
		return fault.New(fault.InvalidValue, "owner: an owner needs no grant")
	}
	if err := record.CheckOperation(u.Operation); err != nil {
		return err
	}
	if record.InJob(u.Operation) {
		return fault.New(fault.InvalidValue, "operation: %s is done in a job, within a TEE", u.Operation)
	}
	if err := record.CheckPath(u.Path); err != nil {
		return err
	}
	if !ledger.IsName(u.Asset, 16) {
		return fault.New(fault.InvalidValue, "asset must be 1 to 16 of A-Z a-z 0-9 . _ -")
	}
	return reward.CheckFor(u.For)
}

// claim is the use that the body asks for, in an operation with the expiry.
func (u *Use) claim(expiry uint32) *claim {
	return &claim{
		grant: u.Grant, record: u.Record, version: u.Version, owner: u.owner, operation: u.Operation, path: u.Path,
		asset: u.Asset, price: u.Price, until: expiry,
	}
}

// Keys returns the state keys that Apply reads.
func (u *Use) Keys(call ledger.Call) []string {
	return append(u.claim(0).keys(), reward.BalanceKey(call.Actor, u.Asset))
}

// Apply takes one use: it charges the price and leaves the receipt under the reference
// of the operation. Errors: fault.NotFound, fault.GrantDiffers, fault.GrantWithdrawn,
// fault.NotGrantee, fault.NotGranted, fault.OutOfScope, fault.GrantExpired,
// fault.GrantUsedUp, fault.Deleted, fault.VersionChanged, and those of reward.Charge.
func (u *Use) Apply(tx *ledger.Tx, call ledger.Call, n *govern.Network) error {
	g, v, left, err := u.claim(call.Ref.Expiry).take(tx, call.Actor)
	if err != nil {
		return err
	}
	receipt := Receipt{
		Record: g.Record, Version: v.Version, Commitment: v.Commitment, Client: call.Actor, Owner: g.Owner,
		Price: u.Price, Left: left, Operation: u.Operation, Path: u.Path, Asset: u.Asset,
	}
	if receipt.Grant, err = ledger.ParseReference(u.Grant); err != nil {
		return fault.New(fault.InvalidValue, "grant: %v", err)
	}
	if u.Price > 0 {
		epoch, err := reward.Charge(tx, call, n, u.Asset, g.Owner, u.Price)
		if err != nil {
			return err
		}
		receipt.Epoch = uint32(epoch)
	}
	tx.Put(Key(call.Ref.String()), receipt.Encode())
	return nil
}

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

// Keys returns the state keys that Apply reads.
func (u *Use) Keys(call ledger.Call) []string {
	return []string{
		record.GrantKey(u.Grant), record.UsedKey(u.Grant), record.Key(u.Record), did.SignerKeyOf(u.owner), reward.BalanceKey(call.Actor, u.Asset),
	}
}

// Apply takes one use: it charges the price and leaves the receipt under the reference
// of the operation. Errors: fault.NotFound, fault.GrantDiffers, fault.GrantWithdrawn,
// fault.NotGrantee, fault.NotGranted, fault.OutOfScope, fault.GrantExpired,
// fault.GrantUsedUp, fault.Deleted, fault.VersionChanged, and those of reward.Charge.
func (u *Use) Apply(tx *ledger.Tx, call ledger.Call, n *govern.Network) error {
	g, err := record.ReadGrant(tx, u.Grant)
	if err != nil {
		return err
	}
	if err := u.permitted(tx, call, g); err != nil {
		return err
	}
	left, err := u.take(tx, g)
	if err != nil {
		return err
	}
	v, _, err := record.Read(tx, g.Record)
	switch {
	case err != nil:
		return err
	case v.Status == record.Deleted:
		return fault.New(fault.Deleted, "%s", u.Record)
	case uint64(v.Version) != u.Version:
		return fault.New(fault.VersionChanged, "the record is at version %d", v.Version)
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

// permitted compares the use with what the grant says.
func (u *Use) permitted(tx *ledger.Tx, call ledger.Call, g *record.Grant) error {
	switch {
	case g.Record.String() != u.Record || g.Owner != u.owner || g.Asset != u.Asset || int64(g.Price) != int64(u.Price):
		return fault.New(fault.GrantDiffers, "the grant is on record %s, for %d micro-units of %s", g.Record, g.Price, g.Asset)
	case g.Status == record.Withdrawn:
		return fault.New(fault.GrantWithdrawn, "by operation %s", g.By)
	case !g.Offer && g.Client != call.Actor:
		return fault.New(fault.NotGrantee, "the grant is for another DID")
	case g.Operation != u.Operation:
		return fault.New(fault.NotGranted, "the grant is for %s", g.Operation)
	case !g.Covers(u.Path):
		return fault.New(fault.OutOfScope, "%s is not within %v", u.Path, g.Scope)
	// An operation runs before its own expiry or never, so one that expires no later
	// than the grant is a use in time, and nothing has to be read of any clock.
	case call.Ref.Expiry > g.Expires:
		return fault.New(fault.GrantExpired, "the grant ends at %d, the operation at %d", g.Expires, call.Ref.Expiry)
	}
	ended, err := did.IsDeactivated(tx, g.Owner)
	if err == nil && ended {
		err = fault.New(fault.GrantWithdrawn, "the owner's DID is deactivated")
	}
	return err
}

// take counts the use and returns how many are left after it.
func (u *Use) take(tx *ledger.Tx, g *record.Grant) (left uint32, err error) {
	if g.Uses == 0 {
		return Unlimited, nil
	}
	used, err := record.Used(tx, u.Grant)
	if err != nil {
		return 0, err
	}
	if used >= g.Uses {
		return 0, fault.New(fault.GrantUsedUp, "all %d uses are taken", g.Uses)
	}
	record.PutUsed(tx, u.Grant, used+1)
	return g.Uses - used - 1, nil
}

package record

import (
	"strings"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const (
	maxOperation = 32
	// JobPrefix begins the names of what is done in jobs, within a TEE.
	JobPrefix = "job."
)

// Price is a number of micro-units, from 0 to 2^63-1.
type Price = govern.Price

// Anyone stands in the place of a client's DID and makes a grant an offer. Nobody makes
// one by leaving a name out.
const Anyone = "anyone"

// Allow is the body of record.allow. With Anyone as its client it is an offer: whoever
// pays may use it, and the catalogue shows its price and the record's schema.
type Allow struct {
	Record    string   `json:"record"`
	Client    string   `json:"client"` // DID, or Anyone
	Operation string   `json:"operation"`
	Scope     []string `json:"scope"`
	Asset     string   `json:"asset"`
	Price     Price    `json:"price"`   // of each use
	Expires   uint64   `json:"expires"` // seconds since 1970
	Uses      *uint64  `json:"uses,omitempty"`

	client ledger.ID // of Client, set by Check
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue,
// fault.WrongNetwork, fault.NumberRange.
func (a *Allow) Check(call ledger.Call) (err error) {
	if err := checkReference(a.Record); err != nil {
		return err
	}
	if a.Client != Anyone {
		if a.client, err = did.ParseOn(call.Network, a.Client); err != nil {
			return err
		}
		if a.client == call.Actor {
			return fault.New(fault.InvalidValue, "client: an owner needs no grant")
		}
	}
	if err := CheckOperation(a.Operation); err != nil {
		return err
	}
	if err := checkScope(a.Scope); err != nil {
		return err
	}
	if !ledger.IsName(a.Asset, 16) {
		return fault.New(fault.InvalidValue, "asset must be 1 to 16 of A-Z a-z 0-9 . _ -")
	}
	if a.Expires < 1 || a.Expires > 1<<32-1 {
		return fault.New(fault.NumberRange, "expires: %d is not between 1 and 2^32-1", a.Expires)
	}
	if a.Uses != nil && (*a.Uses < 1 || *a.Uses > 1<<32-1) {
		return fault.New(fault.NumberRange, "uses: %d is not between 1 and 2^32-1", *a.Uses)
	}
	return nil
}

// CheckOperation takes the name of what may be done with a record: 1 to 32 characters.
// Errors: fault.InvalidValue.
func CheckOperation(name string) error {
	if !ledger.IsName(name, maxOperation) || name == JobPrefix {
		return fault.New(fault.InvalidValue, "operation must be 1 to %d of A-Z a-z 0-9 . _ -", maxOperation)
	}
	return nil
}

// InJob says whether an operation is done in a job, within a TEE.
func InJob(operation string) bool { return strings.HasPrefix(operation, JobPrefix) }

// Keys returns the state keys that Apply reads.
func (a *Allow) Keys(ledger.Call) []string { return []string{Key(a.Record)} }

// Apply writes the grant under the reference of the operation. Errors: fault.NotFound,
// fault.NotOwner, fault.Deleted, fault.AssetUnknown.
func (a *Allow) Apply(tx *ledger.Tx, call ledger.Call, n *govern.Network) error {
	ref, err := ledger.ParseReference(a.Record)
	if err != nil {
		return fault.New(fault.InvalidValue, "record: %v", err)
	}
	v, _, err := Read(tx, ref)
	switch {
	case err != nil:
		return err
	case v.Owner != call.Actor:
		return fault.New(fault.NotOwner, "the record belongs to another DID")
	case v.Status == Deleted:
		return fault.New(fault.Deleted, "%s", a.Record)
	}
	if err := n.CheckAsset(a.Asset); err != nil {
		return err
	}
	g := Grant{
		Status: Live, Offer: a.Client == Anyone, Client: a.client, Record: ref, Owner: v.Owner,
		Operation: a.Operation, Scope: a.Scope, Asset: a.Asset, Price: a.Price, Expires: uint32(a.Expires),
	}
	if a.Uses != nil {
		g.Uses = uint32(*a.Uses)
	}
	tx.Put(GrantKey(call.Ref.String()), g.Encode())
	return nil
}

// Withdraw is the body of record.withdraw. It states no prior: a grant changes in one
// way only, and who ends it must not be told to look again.
type Withdraw struct {
	Grant string `json:"grant"`
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (w *Withdraw) Check(ledger.Call) error { return CheckGrant(w.Grant) }

// CheckGrant takes the reference of a grant. Errors: fault.InvalidValue.
func CheckGrant(ref string) error {
	if _, err := ledger.ParseReference(ref); err != nil {
		return fault.New(fault.InvalidValue, "grant: %v", err)
	}
	return nil
}

// Keys returns the state keys that Apply reads.
func (w *Withdraw) Keys(ledger.Call) []string { return []string{GrantKey(w.Grant)} }

// Apply ends a grant for good. Errors: fault.NotFound, fault.NotOwner,
// fault.AlreadyDone.
func (w *Withdraw) Apply(tx *ledger.Tx, call ledger.Call) error {
	g, err := ReadGrant(tx, w.Grant)
	switch {
	case err != nil:
		return err
	case g.Owner != call.Actor:
		return fault.New(fault.NotOwner, "another DID gave the grant")
	case g.Status == Withdrawn:
		return fault.New(fault.AlreadyDone, "the grant is withdrawn")
	}
	g.Status, g.By = Withdrawn, call.Ref
	tx.Put(GrantKey(w.Grant), g.Encode())
	return nil
}

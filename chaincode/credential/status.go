package credential

import (
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Suspend is the body of credential.suspend.
type Suspend struct {
	Credential string `json:"credential"`
}

// Reinstate is the body of credential.reinstate.
type Reinstate struct {
	Credential string `json:"credential"`
}

// Revoke is the body of credential.revoke.
type Revoke struct {
	Credential string `json:"credential"`
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (s *Suspend) Check(ledger.Call) error { return checkReference("credential", s.Credential) }

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (r *Reinstate) Check(ledger.Call) error { return checkReference("credential", r.Credential) }

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (r *Revoke) Check(ledger.Call) error { return checkReference("credential", r.Credential) }

// Keys returns the state keys that Apply reads.
func (s *Suspend) Keys(ledger.Call) []string { return []string{Key(s.Credential)} }

// Keys returns the state keys that Apply reads.
func (r *Reinstate) Keys(call ledger.Call) []string {
	return []string{govern.IssuerKey(call.Actor), Key(r.Credential)}
}

// Keys returns the state keys that Apply reads.
func (r *Revoke) Keys(ledger.Call) []string { return []string{Key(r.Credential)} }

// Apply suspends an active credential. An issuer that lost its accreditation can still
// suspend what it issued. Errors: fault.NotFound, fault.NotOwner, fault.Revoked,
// fault.AlreadyDone, fault.StalePrior.
func (s *Suspend) Apply(tx *ledger.Tx, call ledger.Call) error {
	_, err := change(tx, call, s.Credential, Suspended)
	return err
}

// Apply makes a suspended credential active again. It says anew that the credential is
// good, and so needs the accreditation that issuing needs. Errors: fault.NotFound,
// fault.NotOwner, fault.NotAccredited, fault.Revoked, fault.AlreadyDone for one that is
// active, fault.StalePrior.
func (r *Reinstate) Apply(tx *ledger.Tx, call ledger.Call) error {
	c, err := change(tx, call, r.Credential, Active)
	if err != nil {
		return err
	}
	// What was written is undone when the operation fails.
	return govern.CheckSchema(tx, call.Network, call.Actor, c.Schema)
}

// Apply revokes the credential for good. An issuer that lost its accreditation
// can still revoke what it issued. Errors: fault.NotFound, fault.NotOwner,
// fault.Revoked, fault.StalePrior.
func (r *Revoke) Apply(tx *ledger.Tx, call ledger.Call) error {
	_, err := change(tx, call, r.Credential, Revoked)
	return err
}

// change gives a credential another status and returns what it is then. The version
// before is kept.
func change(tx *ledger.Tx, call ledger.Call, ref, status string) (*Credential, error) {
	c, stored, err := read(tx, ref)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Issuer != did.String(call.Network, call.Actor):
		return nil, fault.New(fault.NotOwner, "the credential was issued by another DID")
	case c.Status == Revoked:
		return nil, fault.New(fault.Revoked, "%s", ref)
	case c.Status == status:
		return nil, fault.New(fault.AlreadyDone, "the credential is %s", status)
	}
	if err := call.Replaces(stored); err != nil {
		return nil, err
	}
	tx.Put(VersionKey(ref, c.Version), stored)
	c.Status = status
	c.Version++
	c.By = call.Ref.String()
	return c, put(tx, Key(ref), c)
}

package attest

import (
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Open is the body of attest.open. Like a use it repeats what the grants say, so that
// the signature says who is paid how much for what.
type Open struct {
	Operation       string        `json:"operation"` // what the grants allow: job.*
	Lines           []OpenLine    `json:"lines"`
	Asset           string        `json:"asset"`
	TEEFee          reward.Amount `json:"teeFee"`
	VerificationFee reward.Amount `json:"verificationFee"` // of all seats of the committee
	Key             string        `json:"key"`             // X25519, 64 hex digits: to it the output is encrypted
	Nonce           string        `json:"nonce"`           // 64 hex digits
	Expires         uint64        `json:"expires"`         // seconds since 1970: nobody accepts it later

	owners     []ledger.ID // of Lines, set by Check
	key, nonce [32]byte
}

// OpenLine is one grant that a job uses.
type OpenLine struct {
	Grant   string        `json:"grant"`
	Record  string        `json:"record"`
	Version uint64        `json:"version"` // of the record
	Owner   string        `json:"owner"`
	Price   reward.Amount `json:"price"`
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue,
// fault.WrongNetwork, fault.NumberRange.
func (o *Open) Check(call ledger.Call) (err error) {
	if err := record.CheckOperation(o.Operation); err != nil {
		return err
	}
	if !record.InJob(o.Operation) {
		return fault.New(fault.InvalidValue, "operation: %s is not done in a job; jobs begin with %s", o.Operation, record.JobPrefix)
	}
	if !ledger.IsName(o.Asset, 16) {
		return fault.New(fault.InvalidValue, "asset must be 1 to 16 of A-Z a-z 0-9 . _ -")
	}
	if o.key, err = canon.UnHex32(o.Key); err != nil {
		return fault.New(fault.InvalidValue, "key: %s", fault.Text(err))
	}
	if o.nonce, err = canon.UnHex32(o.Nonce); err != nil {
		return fault.New(fault.InvalidValue, "nonce: %s", fault.Text(err))
	}
	if o.Expires < uint64(call.Ref.Expiry) || o.Expires > 1<<32-1 {
		return fault.New(fault.NumberRange, "expires: %d is not between exp and 2^32-1", o.Expires)
	}
	return o.checkLines(call)
}

func (o *Open) checkLines(call ledger.Call) error {
	if len(o.Lines) < 1 || len(o.Lines) > MaxLines {
		return fault.New(fault.InvalidValue, "%d lines, 1 to %d are allowed", len(o.Lines), MaxLines)
	}
	o.owners = make([]ledger.ID, len(o.Lines))
	seen := make(map[string]bool, len(o.Lines))
	for i := range o.Lines {
		l := &o.Lines[i]
		if err := record.CheckGrant(l.Grant); err != nil {
			return err
		}
		if seen[l.Grant] {
			return fault.New(fault.InvalidValue, "line %d uses a grant of another line", i)
		}
		seen[l.Grant] = true
		if _, err := ledger.ParseReference(l.Record); err != nil {
			return fault.New(fault.InvalidValue, "record: %v", err)
		}
		if l.Version < 1 || l.Version > 1<<32-1 {
			return fault.New(fault.NumberRange, "version: %d is not between 1 and 2^32-1", l.Version)
		}
		owner, err := did.ParseOn(call.Network, l.Owner)
		if err != nil {
			return err
		}
		if owner == call.Actor {
			return fault.New(fault.InvalidValue, "owner: an owner needs no grant")
		}
		o.owners[i] = owner
	}
	return nil
}

func (o *Open) claim(i int) *claim {
	l := &o.Lines[i]
	return &claim{
		grant: l.Grant, record: l.Record, version: l.Version, owner: o.owners[i], operation: o.Operation,
		asset: o.Asset, price: l.Price, until: uint32(o.Expires),
	}
}

// Keys returns the state keys that Apply reads.
func (o *Open) Keys(call ledger.Call) []string {
	keys := []string{govern.JobPolicyKey, reward.BalanceKey(call.Actor, o.Asset)}
	for i := range o.Lines {
		for _, key := range o.claim(i).keys() {
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// Apply pins records, grants and prices, takes a use of each grant, and moves all that
// the job may cost into the hold of the operation. Errors: fault.NotFound, also while no
// policy of jobs is in force, fault.AmountTooLow, fault.InvalidValue, those of a use, and
// those of reward.Spend and govern.Network.CheckPayee.
func (o *Open) Apply(tx *ledger.Tx, call ledger.Call, n *govern.Network) error {
	policy, version, err := govern.JobPolicy(tx)
	if err != nil {
		return err
	}
	if err := o.enough(call, policy); err != nil {
		return err
	}
	j := &Job{
		Consumer: call.Actor, Operation: o.Operation, Asset: o.Asset, TEEFee: o.TEEFee, VerificationFee: o.VerificationFee,
		Key: o.key, Nonce: o.nonce, Expires: uint32(o.Expires),
	}
	if j.Terms, err = termsOf(n.Name, policy, version); err != nil {
		return err
	}
	for i := range o.Lines {
		l, err := o.pin(tx, call, n, i)
		if err != nil {
			return err
		}
		j.Lines = append(j.Lines, *l)
	}
	total, err := j.total()
	if err != nil {
		return err
	}
	if err := reward.Spend(tx, call, n, o.Asset, total); err != nil {
		return err
	}
	tx.Put(JobKey(call.Ref.String()), j.Encode())
	return nil
}

// enough compares fees and time with the policy.
func (o *Open) enough(call ledger.Call, p *govern.Policy) error {
	switch {
	case o.TEEFee < reward.Amount(p.MinTEEFee):
		return fault.New(fault.AmountTooLow, "teeFee: at least %d", p.MinTEEFee)
	case o.VerificationFee < reward.Amount(p.MinVerificationFee):
		return fault.New(fault.AmountTooLow, "verificationFee: at least %d", p.MinVerificationFee)
	case o.Expires-uint64(call.Ref.Expiry) > p.AcceptSeconds:
		return fault.New(fault.InvalidValue, "expires: at most %d s after exp", p.AcceptSeconds)
	}
	return nil
}

// pin takes a use of a grant and returns what the job keeps of it.
func (o *Open) pin(tx *ledger.Tx, call ledger.Call, n *govern.Network, i int) (*Line, error) {
	g, v, _, err := o.claim(i).take(tx, call.Actor)
	if err != nil {
		return nil, err
	}
	l := &Line{Record: g.Record, Version: v.Version, Commitment: v.Commitment, Owner: g.Owner, Price: o.Lines[i].Price}
	if l.Grant, err = ledger.ParseReference(o.Lines[i].Grant); err != nil {
		return nil, fault.New(fault.InvalidValue, "grant: %v", err)
	}
	if l.Price > 0 {
		err = n.CheckPayee(tx, l.Owner, o.Asset)
	}
	return l, err
}

package did

import (
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Delay is how many seconds the checkpoints' clock must count between a deactivation
// that a key of the document asks for and its completion. In them the owner can
// recover the DID from a thief.
const Delay = 72 * 3600

// Deactivate is the body of did.deactivate. It states no prior, whoever signs it: a
// DID is given up in whatever version it is.
type Deactivate struct {
	Key string `json:"key,omitempty"` // the recovery key, where it signs; Multikey

	key *PublicKey // set by Check
}

// RecoveryKey returns the recovery key when it has to sign, else nil. It needs a
// body that passed Check.
func (d *Deactivate) RecoveryKey() *PublicKey { return d.key }

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (d *Deactivate) Check(ledger.Call) (err error) {
	if d.Key != "" {
		d.key, err = parseRecovery(d.Key)
	}
	return err
}

// Keys returns the state keys that Apply reads, without the clock's.
func (d *Deactivate) Keys(call ledger.Call) []string {
	if d.key == nil {
		return []string{Key(call.Actor)}
	}
	return []string{Key(call.Actor), AccountsKey(call.Actor)}
}

// Apply ends the DID when the recovery key signs. Otherwise it notes that the DID may
// be ended once the clock, which has counted elapsed seconds, has counted Delay more;
// until Complete the DID works as before. Errors: fault.AlreadyDone when that is noted
// already.
func (d *Deactivate) Apply(tx *ledger.Tx, call ledger.Call, elapsed uint64) error {
	state, stored, err := Read(tx, call.Actor)
	if err != nil {
		return err
	}
	if d.key != nil {
		return state.end(tx, call, call.Actor, stored)
	}
	if state.Deactivation != 0 {
		return fault.New(fault.AlreadyDone, "deactivation is pending until the checkpoints have counted %d s", state.Deactivation)
	}
	state.Deactivation = elapsed + Delay
	return state.write(tx, call, call.Actor, stored)
}

// Complete is the body of did.complete, with which anyone ends a DID whose pending
// deactivation is due.
type Complete struct {
	DID string `json:"did"`

	id ledger.ID // set by Check
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue,
// fault.WrongNetwork.
func (c *Complete) Check(call ledger.Call) (err error) {
	c.id, err = ParseOn(call.Network, c.DID)
	return err
}

// SignerKey returns the state key of the signer that Apply writes. It needs a body
// that passed Check.
func (c *Complete) SignerKey() string { return SignerKeyOf(c.id) }

// Keys returns the state keys that Apply reads or, of the signer, writes, without the
// clock's.
func (c *Complete) Keys(ledger.Call) []string {
	return []string{Key(c.id), SignerKeyOf(c.id), AccountsKey(c.id)}
}

// Apply ends the DID. elapsed is what the checkpoints' clock has counted. Errors:
// fault.NotFound, fault.AlreadyDone, fault.NotDue.
func (c *Complete) Apply(tx *ledger.Tx, call ledger.Call, elapsed uint64) error {
	state, stored, err := Read(tx, c.id)
	switch {
	case fault.Of(err) == fault.DIDUnknown: // which as a code is about who signs
		return fault.New(fault.NotFound, "%s", c.DID)
	case err != nil:
		return err
	case state.Deactivated:
		return fault.New(fault.AlreadyDone, "%s is deactivated", c.DID)
	case state.Deactivation == 0:
		return fault.New(fault.NotDue, "no deactivation of %s is pending", c.DID)
	case elapsed < state.Deactivation:
		return fault.New(fault.NotDue, "the checkpoints have counted %d s, deactivation is due at %d s", elapsed, state.Deactivation)
	}
	return state.end(tx, call, c.id, stored)
}

// end deactivates the DID for good. Its accounts may be linked to other DIDs then, and
// nothing is under its identity root any more; what is due to it is still paid out as
// its payout preference says. The person who is bound to it stays so.
func (s *State) end(tx *ledger.Tx, call ledger.Call, id ledger.ID, stored []byte) error {
	s.Deactivated, s.Deactivation = true, 0
	accounts, err := ReadAccounts(tx, id)
	if err != nil {
		return err
	}
	for _, l := range accounts.Linked {
		if l.Until == 0 && l.Account != "" { // else it is free when the epoch ends
			tx.Delete(LinkKey(l.Account))
		}
	}
	if len(accounts.Linked) > 0 {
		accounts.Linked = nil
		accounts.put(tx, id)
	}
	s.Root = ""
	if err := putSigner(tx, id, &Signer{Deactivated: true}); err != nil {
		return err
	}
	return s.write(tx, call, id, stored)
}

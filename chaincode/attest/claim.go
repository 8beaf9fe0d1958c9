package attest

import (
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// claim is what an operation says of a grant of which it takes a use.
type claim struct {
	grant, record string
	version       uint64 // of the record
	owner         ledger.ID
	operation     string
	path          string // empty: all that the grant covers
	asset         string
	price         reward.Amount
	until         uint32 // when it is used at the latest
}

// keys are the state keys that take reads.
func (c *claim) keys() []string {
	return []string{record.GrantKey(c.grant), record.UsedKey(c.grant), record.Key(c.record), did.SignerKeyOf(c.owner)}
}

// take enforces the grant in every field and counts a use of it by the client. left is
// how many there are after it. Errors: fault.NotFound, fault.GrantDiffers,
// fault.GrantWithdrawn, fault.NotGrantee, fault.NotGranted, fault.OutOfScope,
// fault.GrantExpired, fault.GrantUsedUp, fault.Deleted, fault.VersionChanged.
func (c *claim) take(tx *ledger.Tx, client ledger.ID) (g *record.Grant, v *record.Value, left uint32, err error) {
	if g, err = record.ReadGrant(tx, c.grant); err != nil {
		return nil, nil, 0, err
	}
	if err := c.permitted(tx, client, g); err != nil {
		return nil, nil, 0, err
	}
	if left, err = c.count(tx, g); err != nil {
		return nil, nil, 0, err
	}
	v, _, err = record.Read(tx, g.Record)
	switch {
	case err != nil:
	case v.Status == record.Deleted:
		err = fault.New(fault.Deleted, "%s", c.record)
	case uint64(v.Version) != c.version:
		err = fault.New(fault.VersionChanged, "the record is at version %d", v.Version)
	}
	return g, v, left, err
}

// permitted compares the use with what the grant says.
func (c *claim) permitted(tx *ledger.Tx, client ledger.ID, g *record.Grant) error {
	switch {
	case g.Record.String() != c.record || g.Owner != c.owner || g.Asset != c.asset || int64(g.Price) != int64(c.price):
		return fault.New(fault.GrantDiffers, "the grant is on record %s, for %d micro-units of %s", g.Record, g.Price, g.Asset)
	case g.Status == record.Withdrawn:
		return fault.New(fault.GrantWithdrawn, "by operation %s", g.By)
	case !g.Offer && g.Client != client:
		return fault.New(fault.NotGrantee, "the grant is for another DID")
	case g.Operation != c.operation:
		return fault.New(fault.NotGranted, "the grant is for %s", g.Operation)
	case c.path != "" && !g.Covers(c.path):
		return fault.New(fault.OutOfScope, "%s is not within %v", c.path, g.Scope)
	// An operation runs before its own expiry or never, so one that expires no later
	// than the grant is a use in time, and nothing has to be read of any clock.
	case c.until > g.Expires:
		return fault.New(fault.GrantExpired, "the grant ends at %d, the use at %d", g.Expires, c.until)
	}
	ended, err := did.IsDeactivated(tx, g.Owner)
	if err == nil && ended {
		err = fault.New(fault.GrantWithdrawn, "the owner's DID is deactivated")
	}
	return err
}

// count takes the use and returns how many are left after it.
func (c *claim) count(tx *ledger.Tx, g *record.Grant) (left uint32, err error) {
	if g.Uses == 0 {
		return Unlimited, nil
	}
	used, err := record.Used(tx, c.grant)
	if err != nil {
		return 0, err
	}
	if used >= g.Uses {
		return 0, fault.New(fault.GrantUsedUp, "all %d uses are taken", g.Uses)
	}
	record.PutUsed(tx, c.grant, used+1)
	return g.Uses - used - 1, nil
}

// giveBack takes back the uses of a job of which no data was released.
func giveBack(tx *ledger.Tx, j *Job) error {
	keys := make([]string, 0, 2*len(j.Lines))
	for i := range j.Lines {
		grant := j.Lines[i].Grant.String()
		keys = append(keys, record.GrantKey(grant), record.UsedKey(grant))
	}
	if err := tx.Prefetch(keys); err != nil {
		return err
	}
	for i := range j.Lines {
		grant := j.Lines[i].Grant.String()
		g, err := record.ReadGrant(tx, grant)
		if err != nil {
			return err
		}
		if g.Uses == 0 {
			continue
		}
		used, err := record.Used(tx, grant)
		if err != nil {
			return err
		}
		if used == 0 {
			return fault.New(fault.Internal, "a use of grant %s was not counted", grant)
		}
		record.PutUsed(tx, grant, used-1)
	}
	return nil
}

// stillThere refuses a job of whose grants one was withdrawn since, or whose record was
// deleted: nothing has been released yet. Errors: fault.GrantWithdrawn, fault.Deleted.
func stillThere(tx *ledger.Tx, j *Job) error {
	keys := make([]string, 0, 3*len(j.Lines))
	for i := range j.Lines {
		l := &j.Lines[i]
		keys = append(keys, record.GrantKey(l.Grant.String()), record.Key(l.Record.String()), did.SignerKeyOf(l.Owner))
	}
	if err := tx.Prefetch(keys); err != nil {
		return err
	}
	for i := range j.Lines {
		if err := j.Lines[i].stillThere(tx); err != nil {
			return err
		}
	}
	return nil
}

func (l *Line) stillThere(tx *ledger.Tx) error {
	g, err := record.ReadGrant(tx, l.Grant.String())
	if err != nil {
		return err
	}
	v, _, err := record.Read(tx, l.Record)
	if err != nil {
		return err
	}
	ended, err := did.IsDeactivated(tx, l.Owner)
	switch {
	case err != nil:
		return err
	case g.Status == record.Withdrawn:
		return fault.New(fault.GrantWithdrawn, "%s, by operation %s", l.Grant, g.By)
	case ended:
		return fault.New(fault.GrantWithdrawn, "%s: the owner's DID is deactivated", l.Grant)
	case v.Status == record.Deleted:
		return fault.New(fault.Deleted, "%s", l.Record)
	}
	return nil
}

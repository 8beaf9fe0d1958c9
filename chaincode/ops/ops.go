// Package ops is the one table of everything the ledger can be asked to do:
// operations that users sign, functions that organisations call, and queries.
// It opens operations strictly, verifies them, applies them alone or in
// batches with a result for each, and keeps the guard that makes each operation
// happen once. Gateways and clients use the same code to build, sign and check
// operations before they send them. Times are seconds since 1970.
//
// Guarantees: an operation that fails changes nothing but its result; the same
// operation never runs twice; what a batch does depends on state, on the batch
// and on its claimed time alone. Formats: docs/formats/operation.md.
package ops

import (
	"reflect"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// The bodies of the operations.
type (
	DIDCreate           = did.Create
	DIDUpdate           = did.Update
	DIDRecover          = did.Recover
	DIDDeactivate       = did.Deactivate
	DIDComplete         = did.Complete
	DIDLink             = did.Add
	DIDUnlink           = did.Unlink
	DIDPrefer           = did.Prefer
	DIDBind             = govern.Bind
	CredentialSchema    = credential.NewSchema
	CredentialIssue     = credential.Issue
	CredentialRevoke    = credential.Revoke
	CredentialSuspend   = credential.Suspend
	CredentialReinstate = credential.Reinstate
	RecordSubmit        = record.Submit
	RecordAmend         = record.Amend
	RecordDelete        = record.Delete
	RecordAllow         = record.Allow
	RecordWithdraw      = record.Withdraw
	RewardPay           = reward.Pay
	RewardWithdraw      = reward.Withdraw
	AttestUse           = attest.Use
	AttestOpen          = attest.Open
	AttestAccept        = attest.Accept
	AttestCancel        = attest.Cancel
	AttestEvidence      = attest.Evidence
	AttestCommit        = attest.Commit
	AttestReveal        = attest.Reveal
	AttestCollateral    = attest.Collateral
	AttestStep          = attest.Step
	AttestClose         = attest.Close
)

// Reference names an operation and what it created.
type Reference = ledger.Reference

// ParseReference reads `<expiry, 8 hex>-<op id, 64 hex>`.
func ParseReference(text string) (Reference, error) { return ledger.ParseReference(text) }

// Body is the body of an operation. Check looks at what it says by itself;
// Keys names the state that it will read and needs a body that passed Check.
type Body interface {
	Check(call ledger.Call) error
	Keys(call ledger.Call) []string
}

// kind is one operation of the table.
type kind struct {
	number  byte
	name    string
	prior   bool   // replaces a version
	creates string // prefix of the key that is guard, receipt and thing in one
	// always says that nothing in state refuses a valid one, so that what it creates
	// is its only result and no other key has to be read.
	always bool
	// clock says whether an operation with this body reads the latest checkpoint; nil is
	// never. The body has passed its Check.
	clock func(Body) bool
	// epoch says whether an operation with this body reads the current epoch; nil is
	// never.
	epoch func(Body) bool
	// reads are the prefixes of keys that the body names and the operation never writes,
	// besides those that no operation does.
	reads []string
	// follows are the prefixes of keys that state names and the body does not, which the
	// operation reads, and writes, when it runs. A batch asks for them on their own.
	follows []string
	fields  []string
	body    func() Body
	apply   func(*ledger.Tx, ledger.Call, Body, *govern.Network) (detail []byte, err error)

	stoppedBy []string // domains whose stop refuses it, filled in from the name
}

// kinds is the table of docs/formats/operation.md section 4.
var kinds = slices.Concat([]*kind{
	{number: 1, name: "did.create", fields: []string{"document"},
		epoch: func(b Body) bool { return len(b.(*DIDCreate).Links) > 0 },
		body:  func() Body { return new(DIDCreate) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			d := b.(*DIDCreate)
			if len(d.Links) == 0 {
				return nil, d.Apply(tx, c, 0)
			}
			return nil, inEpoch(tx, c, d.Apply)
		}},
	{number: 2, name: "did.update", prior: true, fields: []string{"document"},
		body: func() Body { return new(DIDUpdate) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, b.(*DIDUpdate).Apply(tx, c)
		}},
	{number: 3, name: "did.recover", epoch: always, fields: []string{"key", "document"},
		body: func() Body { return new(DIDRecover) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, inEpoch(tx, c, b.(*DIDRecover).Apply)
		}},
	{number: 4, name: "did.deactivate",
		clock: func(b Body) bool { return b.(*DIDDeactivate).RecoveryKey() == nil },
		body:  func() Body { return new(DIDDeactivate) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			d := b.(*DIDDeactivate)
			if d.RecoveryKey() != nil {
				return nil, d.Apply(tx, c, 0)
			}
			elapsed, err := elapsedSeconds(tx)
			if err != nil {
				return nil, err
			}
			return nil, d.Apply(tx, c, elapsed)
		}},
	{number: 5, name: "did.complete", fields: []string{"did"},
		clock: func(Body) bool { return true },
		body:  func() Body { return new(DIDComplete) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			elapsed, err := elapsedSeconds(tx)
			if err != nil {
				return nil, err
			}
			return nil, b.(*DIDComplete).Apply(tx, c, elapsed)
		}},
	{number: 6, name: "did.link", prior: true, epoch: always,
		body: func() Body { return new(DIDLink) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, inEpoch(tx, c, b.(*DIDLink).Apply)
		}},
	{number: 7, name: "did.unlink", prior: true, epoch: always, fields: []string{"leaf"},
		body: func() Body { return new(DIDUnlink) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, inEpoch(tx, c, b.(*DIDUnlink).Apply)
		}},
	{number: 8, name: "did.prefer", epoch: always, fields: []string{"payout"},
		body: func() Body { return new(DIDPrefer) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, inEpoch(tx, c, b.(*DIDPrefer).Apply)
		}},
	{number: 9, name: "did.bind", fields: []string{"did", "tag"},
		body: func() Body { return new(DIDBind) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, b.(*DIDBind).Apply(tx, c)
		}},
	{number: 10, name: "credential.schema", creates: "schema/", fields: []string{"name", "digest"},
		body: func() Body { return new(CredentialSchema) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, b.(*CredentialSchema).Apply(tx, c)
		}},
	{number: 11, name: "credential.issue", creates: "credential/",
		fields: []string{"schema", "digest", "validFrom", "validUntil", "evidence", "endorser", "list", "index"},
		body:   func() Body { return new(CredentialIssue) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, b.(*CredentialIssue).Apply(tx, c)
		}},
	{number: 12, name: "credential.revoke", prior: true, fields: []string{"credential"},
		body: func() Body { return new(CredentialRevoke) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, b.(*CredentialRevoke).Apply(tx, c)
		}},
	{number: 13, name: "credential.suspend", prior: true, fields: []string{"credential"},
		body: func() Body { return new(CredentialSuspend) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, b.(*CredentialSuspend).Apply(tx, c)
		}},
	{number: 14, name: "credential.reinstate", prior: true, fields: []string{"credential"},
		body: func() Body { return new(CredentialReinstate) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, b.(*CredentialReinstate).Apply(tx, c)
		}},
	{number: 20, name: "record.submit", creates: "record/", always: true,
		fields: []string{"schema", "commitment", "size", "location"},
		body:   func() Body { return new(RecordSubmit) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, b.(*RecordSubmit).Apply(tx, c)
		}},
	{number: 21, name: "record.amend", prior: true,
		fields: []string{"record", "schema", "commitment", "size", "location"},
		body:   func() Body { return new(RecordAmend) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return b.(*RecordAmend).Apply(tx, c)
		}},
	{number: 22, name: "record.delete", prior: true, fields: []string{"record"},
		body: func() Body { return new(RecordDelete) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return b.(*RecordDelete).Apply(tx, c)
		}},
	{number: 23, name: "record.allow", creates: "grant/", reads: []string{"record"},
		fields: []string{"record", "client", "operation", "scope", "asset", "price", "expires"},
		body:   func() Body { return new(RecordAllow) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, n *govern.Network) ([]byte, error) {
			return nil, b.(*RecordAllow).Apply(tx, c, n)
		}},
	{number: 24, name: "record.withdraw", fields: []string{"grant"},
		body: func() Body { return new(RecordWithdraw) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, b.(*RecordWithdraw).Apply(tx, c)
		}},
	{number: 30, name: "reward.pay", epoch: always, fields: []string{"asset", "lines"},
		body: func() Body { return new(RewardPay) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, n *govern.Network) ([]byte, error) {
			return b.(*RewardPay).Apply(tx, c, n)
		}},
	{number: 31, name: "reward.withdraw", epoch: always, fields: []string{"asset", "amount"},
		body: func() Body { return new(RewardWithdraw) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, n *govern.Network) ([]byte, error) {
			return b.(*RewardWithdraw).Apply(tx, c, n)
		}},
	{number: 40, name: "attest.use", creates: "use/", epoch: always, reads: []string{"record", "grant"},
		fields: []string{"grant", "record", "version", "owner", "operation", "path", "asset", "price"},
		body:   func() Body { return new(AttestUse) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, n *govern.Network) ([]byte, error) {
			return nil, b.(*AttestUse).Apply(tx, c, n)
		}},
}, jobKinds)

func always(Body) bool { return true }

// inEpoch applies what depends on the current epoch.
func inEpoch(tx *ledger.Tx, c ledger.Call, apply func(*ledger.Tx, ledger.Call, uint64) error) error {
	e, err := reward.Current(tx)
	if err != nil {
		return err
	}
	return apply(tx, c, e.Number)
}

var (
	kindByName   = map[string]*kind{}
	kindByNumber = map[byte]*kind{}
	kindByBody   = map[reflect.Type]*kind{}
)

func init() {
	for _, k := range kinds {
		kindByName[k.name], kindByNumber[k.number] = k, k
		kindByBody[reflect.TypeOf(k.body())] = k
		k.stoppedBy = stoppedBy(k.name)
	}
}

// organisational says that a name is that of a function which organisations
// call in single transactions.
func organisational(op string) bool {
	domain, verb, ok := strings.Cut(op, ".")
	if !ok || verb == "" || verb[0] < 'a' || verb[0] > 'z' {
		return false
	}
	f, ok := functionByName[domain+":"+string(verb[0]-'a'+'A')+verb[1:]]
	return ok && f.Writes && f.Organisation
}

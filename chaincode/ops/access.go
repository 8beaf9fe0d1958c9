package ops

import (
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Access is a key of state that an operation reads when it runs. Changes says that
// it may write the key as well.
type Access struct {
	Key     string
	Changes bool
}

// Common are the keys that whole batches read whatever they carry. Organisations
// change them, seldom: each change voids what is in flight, and nobody's operation
// is to blame.
var Common = []string{govern.NetworkKey, SweptKey, reward.CurrentKey}

// ClockKey is the state key of the latest checkpoint. A new one voids every batch in
// flight that has read it, and nobody's operation is to blame.
const ClockKey = checkpoint.HeadKey

// ReadsClock says that the operation reads the latest checkpoint. It needs an
// operation that Admit has taken.
func (o *Operation) ReadsClock() bool { return o.kind.clock != nil && o.kind.clock(o.Body) }

// Accesses returns the keys that the operation reads besides the Common ones and those
// that it Follows, its guard first. It needs an operation that Admit has taken. What it only writes
// is not listed: no other operation reads it in a transaction, except for the
// accounts that did.unlink, did.recover and the end of a DID free or take back. Their
// operations do not name them, and one that links such an account is voided by them.
// Whoever does that has a key of the account, so it voids nobody else's.
func (o *Operation) Accesses() []Access {
	self := o.actorKey
	list := make([]Access, 0, 6)
	if !o.kind.always {
		list = append(list, Access{ResultKey(o.Call.Ref), true})
	}
	if o.kind.creates != "" {
		list = append(list, Access{o.kind.creates + o.Call.Ref.String(), true})
	}
	signer := o.changedSigner()
	list = append(list, Access{self, self == signer})
	for _, key := range o.Body.Keys(o.Call) {
		if key != self {
			list = append(list, Access{key, key == signer || o.kind.changes(key)})
		}
	}
	if o.ReadsClock() {
		list = append(list, Access{ClockKey, false})
	}
	return list
}

// Follows are the prefixes of keys that the operation reads when it runs and its body does
// not name: Accesses lists none of them.
func (o *Operation) Follows() []string { return o.kind.follows }

// changedSigner returns the state key of the signer that the operation may write,
// empty when it writes none.
func (o *Operation) changedSigner() string {
	switch b := o.Body.(type) {
	case *DIDCreate, *DIDUpdate, *DIDRecover:
		return o.actorKey
	case *DIDDeactivate:
		if b.RecoveryKey() != nil {
			return o.actorKey
		}
	case *DIDComplete:
		return b.SignerKey()
	case *DIDBind:
		return b.SignerKey()
	}
	return ""
}

// changes says whether an operation that names the key in Body.Keys may write it,
// signers apart. Schemas never change, and accreditations are for organisations to change.
func (k *kind) changes(key string) bool {
	prefix, _, _ := strings.Cut(key, "/")
	return prefix != did.SignerPrefix && prefix != "schema" && prefix != "role" && !slices.Contains(k.reads, prefix)
}

// IsActorKey says that a state key holds what verifies the operations of a DID.
func IsActorKey(key string) bool { return strings.HasPrefix(key, did.SignerPrefix+"/") }

// ActorKey returns the state key of what verifies the operation: its actor's keys.
func (o *Operation) ActorKey() string { return o.actorKey }

// Forged says of each operation whether its signature is not its key's, by the
// signers that are given as key and value of state. An operation whose key cannot be
// found there is not called forged: its DID may be newer.
func (e *Engine) Forged(dids map[string][]byte, operations []*Operation) ([]bool, error) {
	known := new(ledger.Memory)
	for key, value := range dids {
		if err := known.Put(key, value); err != nil {
			return nil, err
		}
	}
	items := make([]*signed, len(operations))
	for i, o := range operations {
		items[i] = &signed{op: o}
	}
	tx := ledger.Begin(known, 0, ledger.Caller{})
	if err := e.verifyBatch(tx, items); err != nil {
		return nil, err
	}
	forged := make([]bool, len(items))
	for i, s := range items {
		if !s.good {
			_, err := e.signingKey(tx, s.op)
			forged[i] = err == nil
		}
	}
	return forged, nil
}

package ops

import (
	"fmt"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// verify says whether the signature is the key's.
func (o *Operation) verify(key *did.PublicKey) bool { return key.Verify(o.input, o.Signature) }

// signed is an operation with the key that is expected to have signed it.
type signed struct {
	op   *Operation
	key  *did.PublicKey // nil where none may sign it
	good bool
}

// verifier verifies the signatures of a batch. Beyond what it remembers of keys
// it is a pure function of the items.
type verifier struct {
	// keys are the Ed25519 keys that have signed before; nil for those that have
	// only done so once: the preparation pays from the second signature on.
	keys recent[*did.PreparedKey]
}

// verify sets good for each item. Signatures of Ed25519 are verified together,
// the others one by one.
func (v *verifier) verify(items []*signed) {
	together := make([]*signed, 0, len(items))
	for _, s := range items {
		if s.key.Algorithm() == did.EdDSA && len(items) > 1 {
			together = append(together, s)
		} else {
			s.good = s.op.verify(s.key)
		}
	}
	v.together(together, false)
}

// singly is the size up to which each signature of a batch that failed is looked
// at: halving further would cost more.
const singly = 4

// together verifies a batch that is halved on failure until the bad ones are
// found, and says whether there were none; bad says that there is one for sure.
// The batch equation draws random coefficients; they decide nothing but the proof,
// never the verdict.
func (v *verifier) together(items []*signed, bad bool) bool {
	if len(items) == 0 {
		return true
	}
	if !bad && v.batch(items) {
		for _, s := range items {
			s.good = true
		}
		return true
	}
	if len(items) <= singly {
		for _, s := range items {
			s.good = s.op.verify(s.key)
		}
		return false
	}
	half := len(items) / 2
	good := v.together(items[:half], false)
	v.together(items[half:], good) // the bad one that failed the whole is here if it is not there
	return false
}

// batch says whether all signatures are good.
func (v *verifier) batch(items []*signed) bool {
	b := did.NewBatch(len(items))
	for _, s := range items {
		b.Add(s.key, v.prepared(s.key), s.op.input, s.op.Signature)
	}
	return b.Verify()
}

// prepared returns the prepared form of a key, nil if there is none yet.
func (v *verifier) prepared(key *did.PublicKey) *did.PreparedKey {
	p, ok := v.keys.get(key.Ed25519())
	if p != nil {
		return p
	}
	if ok {
		p = key.Prepare()
	}
	v.keys.put(key.Ed25519(), p)
	return p
}

// signerOf returns the signer of a stored value. It is remembered by its bytes, so
// it is never out of date; what a DID's status is comes from state each time.
func (e *Engine) signerOf(value []byte) (*did.Signer, error) {
	if found, ok := e.signers.get(value); ok {
		return found, nil
	}
	parsed, err := did.DecodeSigner(value)
	if err != nil {
		return nil, fmt.Errorf("stored signer: %v", err) // no refusal: state is damaged
	}
	e.signers.put(value, parsed)
	return parsed, nil
}

// signingKey returns the key with which an operation must be signed, by the
// actor's document as the transaction sees it now: a key that it lists, or the one to
// which it commits. Errors: fault.DIDUnknown,
// fault.DIDDeactivated, fault.KeyUnknown, fault.KeyPurpose, fault.AlgMismatch.
func (e *Engine) signingKey(tx *ledger.Tx, o *Operation) (*did.PublicKey, error) {
	if create, ok := o.Body.(*DIDCreate); ok {
		return o.createdKey(create)
	}
	value, err := tx.Get(o.actorKey)
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, fault.New(fault.DIDUnknown, "%s", did.String(o.Call.Network, o.Call.Actor))
	}
	signer, err := e.signerOf(value)
	if err != nil {
		return nil, err
	}
	if signer.Deactivated {
		return nil, fault.New(fault.DIDDeactivated, "%s", did.String(o.Call.Network, o.Call.Actor))
	}
	if key := o.recoveryKey(); key != nil {
		return o.fitting(key, did.CheckRecovery(tx, o.Call.Actor, key))
	}
	return o.fitting(signer.SigningKey(o.fragment))
}

// recoveryKey returns the key that the operation shows as its DID's recovery key and
// that has to sign it, nil when a key of the document has to.
func (o *Operation) recoveryKey() *did.PublicKey {
	if b, ok := o.Body.(interface{ RecoveryKey() *did.PublicKey }); ok {
		return b.RecoveryKey()
	}
	return nil
}

// ByRecoveryKey says that the operation is to be signed by the recovery key and not by
// a key of its DID's document. It needs an operation that Admit has taken.
func (o *Operation) ByRecoveryKey() bool { return o.recoveryKey() != nil }

// createdKey returns the key with which an operation must be signed by the
// document of the operation that creates its DID.
func (o *Operation) createdKey(create *DIDCreate) (*did.PublicKey, error) {
	key, err := create.SigningKey(o.fragment)
	return o.fitting(key, err)
}

// fitting refuses a key that is not for the algorithm of the header.
func (o *Operation) fitting(key *did.PublicKey, err error) (*did.PublicKey, error) {
	if err == nil && key.Algorithm() != o.alg {
		return nil, fault.New(fault.AlgMismatch, "alg is %s; #%s signs with %s", o.alg, o.fragment, key.Algorithm())
	}
	return key, err
}

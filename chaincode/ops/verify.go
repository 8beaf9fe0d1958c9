package ops

import (
	"sync"

	"github.com/hdevalence/ed25519consensus"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// verify checks the signature under ZIP-215, the one rule set for single and
// batch verification. Errors: fault.BadSignature.
func (o *Operation) verify(key [32]byte) error {
	if !ed25519consensus.Verify(key[:], o.input, o.Signature) {
		return fault.New(fault.BadSignature, "not a signature of #%s over these bytes", o.fragment)
	}
	return nil
}

// signed is an operation with the key that is expected to have signed it.
type signed struct {
	op   *Operation
	key  [32]byte
	good bool
}

// singly is the size below which halving a failed batch costs more than
// looking at each signature.
const singly = 4

// verifyAll sets good for each item, by batch verification that is halved on
// failure until the bad ones are found. Batch verification draws random
// coefficients; they decide nothing but the proof, never the verdict.
func verifyAll(items []*signed) {
	if len(items) <= singly {
		for _, s := range items {
			s.good = s.op.verify(s.key) == nil
		}
		return
	}
	batch := ed25519consensus.NewPreallocatedBatchVerifier(len(items))
	for _, s := range items {
		batch.Add(s.key[:], s.op.input, s.op.Signature)
	}
	if batch.Verify() {
		for _, s := range items {
			s.good = true
		}
		return
	}
	verifyAll(items[:len(items)/2])
	verifyAll(items[len(items)/2:])
}

// actor is what verification needs of a stored DID.
type actor struct {
	deactivated bool
	keys        map[string]actorKey // by fragment
}

type actorKey struct {
	key [32]byte
	err error // why the key may not sign
}

// actors remembers parsed DIDs by the bytes of their stored value, so it can
// never be out of date: other bytes are another entry. What a DID's status is
// comes from state each time.
type actors struct {
	mu       sync.Mutex
	new, old map[string]*actor
}

// actorGeneration is the number of DIDs in a generation; two are kept, about
// 2 kB for each DID.
const actorGeneration = 8192

func (a *actors) of(value []byte) (*actor, error) {
	a.mu.Lock()
	found, ok := a.new[string(value)]
	if !ok {
		found, ok = a.old[string(value)]
	}
	a.mu.Unlock()
	if ok {
		return found, nil
	}
	parsed, err := parseActor(value)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.new == nil || len(a.new) >= actorGeneration {
		a.old, a.new = a.new, make(map[string]*actor, actorGeneration)
	}
	a.new[string(value)] = parsed
	return parsed, nil
}

func parseActor(value []byte) (*actor, error) {
	state, err := did.DecodeState(value)
	if err != nil {
		return nil, err
	}
	doc := new(did.Document)
	if err := canon.Decode(state.Document, doc); err != nil {
		return nil, err
	}
	a := &actor{deactivated: state.Deactivated, keys: map[string]actorKey{}}
	for _, m := range doc.VerificationMethod {
		fragment := m.ID[1:]
		key, err := doc.SigningKey(fragment)
		a.keys[fragment] = actorKey{key, err}
	}
	return a, nil
}

// signingKey returns the key with which an operation must be signed, by the
// actor's document as the transaction sees it now. Errors: fault.DIDUnknown,
// fault.DIDDeactivated, fault.KeyUnknown, fault.KeyPurpose.
func (e *Engine) signingKey(tx *ledger.Tx, o *Operation) ([32]byte, error) {
	if create, ok := o.Body.(*DIDCreate); ok {
		return create.SigningKey(o.fragment)
	}
	value, err := tx.Get(did.Key(o.Call.Actor))
	if err != nil {
		return [32]byte{}, err
	}
	if value == nil {
		return [32]byte{}, fault.New(fault.DIDUnknown, "%s", did.String(o.Call.Network, o.Call.Actor))
	}
	a, err := e.actors.of(value)
	if err != nil {
		return [32]byte{}, err
	}
	if a.deactivated {
		return [32]byte{}, fault.New(fault.DIDDeactivated, "%s", did.String(o.Call.Network, o.Call.Actor))
	}
	k, ok := a.keys[o.fragment]
	if !ok {
		return [32]byte{}, fault.New(fault.KeyUnknown, "the document has no key #%s", o.fragment)
	}
	return k.key, k.err
}

package govern

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Notice is how many seconds the checkpoints' clock must count between the proposal to
// release a tag and its release: seven days, in which whoever would lose the binding can
// see it coming and object.
const Notice = 7 * 86400

// Bind is the body of did.bind, which accredited identity verifiers sign: Tag, 64 hex
// digits, is the keyed hash of their evidence about the person behind a DID.
type Bind struct {
	DID string `json:"did"`
	Tag string `json:"tag"`

	id ledger.ID // of DID, set by Check
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue,
// fault.WrongNetwork.
func (b *Bind) Check(call ledger.Call) (err error) {
	if b.id, err = did.ParseOn(call.Network, b.DID); err != nil {
		return err
	}
	return did.CheckTag(b.Tag)
}

// SignerKey returns the state key of the signer that Apply may write. It needs a body
// that passed Check.
func (b *Bind) SignerKey() string { return did.SignerKeyOf(b.id) }

// Keys returns the state keys that Apply reads.
func (b *Bind) Keys(call ledger.Call) []string {
	return []string{VerifierKey(call.Actor), did.PersonKey(b.id), did.TagKey(b.Tag), b.SignerKey()}
}

// Apply keeps the word of the verifier's organisation, and binds the person when the
// verifier of another organisation has said the same. Errors: fault.NotAccredited,
// fault.NotFound, fault.TagTaken, fault.AlreadyDone.
func (b *Bind) Apply(tx *ledger.Tx, call ledger.Call) error {
	n, err := Load(tx)
	if err != nil {
		return err
	}
	organisation, err := n.VerifierOf(tx, call.Actor)
	if err != nil {
		return err
	}
	v := did.Voucher{Organisation: organisation, Verifier: did.String(call.Network, call.Actor), Tag: b.Tag}
	return did.Vouch(tx, call.Network, b.id, v, n.isMember)
}

// tags is to which DID a tag is bound. Verifiers bind it; the consortium only releases
// it, after notice.
type tags struct{}

func (tags) read(tx *ledger.Tx, _ *Network, tag string) ([]byte, error) {
	owner, err := did.TagOwner(tx, tag)
	if err != nil {
		return nil, err
	}
	return canon.Marshal(owner)
}

// set releases the tag. Errors: fault.InvalidValue for a value that is not empty.
func (tags) set(tx *ledger.Tx, _ *Network, _ Clock, tag string, value []byte) ([]byte, error) {
	owner, err := decodeValue[string](value)
	if err != nil {
		return nil, err
	}
	if owner != "" {
		return nil, fault.New(fault.InvalidValue, "a tag is released with an empty value; only identity verifiers bind it")
	}
	is, err := did.TagOwner(tx, tag)
	if err == nil && is != "" { // else there is nothing to release
		err = did.Release(tx, tag)
	}
	return []byte(`""`), err
}

// notice returns how many seconds the checkpoints' clock counts between a proposal on
// the subject and its effect.
func notice(s subject) uint64 {
	if _, is := s.(tags); is {
		return Notice
	}
	return 0
}

package ops

import (
	"fmt"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Engine applies operations. It holds nothing but parsed forms of bytes that it
// has seen, so any number of engines give the same answers. It may be used by
// several goroutines at once, each with a transaction of its own.
type Engine struct {
	// Program is the SHA-256, in hex, of the program file that runs, where it runs as
	// a service. Queries answer it; nothing else depends on it.
	Program string

	headers  recent[*header]     // by the bytes of the header
	signers  recent[*did.Signer] // by the bytes of the stored signer
	verifier verifier
}

// New returns an engine.
func New() *Engine { return new(Engine) }

// Replayed is the bit of a response byte that marks a first result.
const Replayed = 0x80

// Outcome is what became of one item.
type Outcome struct {
	Code   fault.Code
	Replay bool
	Err    error // the refusal of this run; nil when done or replayed
}

// Byte returns the response byte.
func (o Outcome) Byte() byte {
	if o.Replay {
		return byte(o.Code) | Replayed
	}
	return byte(o.Code)
}

// ApplyBatch applies the items of a batch in their order, each alone, and
// returns an outcome for each. An error means that the whole transaction must
// be given up. Errors: fault.NotInitialised; others are internal.
func (e *Engine) ApplyBatch(tx *ledger.Tx, items []Item) ([]Outcome, error) {
	network, err := govern.Load(tx)
	if err != nil {
		return nil, err
	}
	outcomes, signatures, err := e.prepare(tx, network, items)
	if err != nil {
		return nil, err
	}
	for i, s := range signatures {
		if s == nil {
			continue
		}
		if outcomes[i], err = e.applyOne(tx, network, s); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return outcomes, nil
}

// prepare opens the items, reads what they are going to read and verifies their
// signatures. An item is either refused, which is its outcome then, or ready to be
// applied.
func (e *Engine) prepare(tx *ledger.Tx, network *govern.Network, items []Item) ([]Outcome, []*signed, error) {
	outcomes := make([]Outcome, len(items))
	ready := make([]*signed, len(items))
	for i, item := range items {
		op, err := e.admit(item, network.Name, tx.ClaimedTime())
		if err == nil {
			ready[i] = &signed{op: op}
			continue
		}
		if outcomes[i], err = refused(err); err != nil {
			return nil, nil, err
		}
	}
	if err := prefetch(tx, ready); err != nil {
		return nil, nil, err
	}
	return outcomes, ready, e.verifyBatch(tx, ready)
}

// refused turns a refusal into an outcome and passes other errors on.
func refused(err error) (Outcome, error) {
	code := fault.Of(err)
	if code >= fault.Internal {
		return Outcome{}, err
	}
	return Outcome{Code: code, Err: err}, nil
}

// prefetch reads in one go what the operations are going to read.
func prefetch(tx *ledger.Tx, items []*signed) error {
	keys := append(make([]string, 0, 5*len(items)), SweptKey)
	for _, s := range items {
		if s == nil {
			continue
		}
		op := s.op
		keys = append(keys, op.actorKey)
		if !op.kind.always {
			keys = append(keys, ResultKey(op.Call.Ref))
		}
		if op.kind.creates != "" {
			keys = append(keys, op.kind.creates+op.Call.Ref.String())
		}
		if op.kind.epoch != nil && op.kind.epoch(op.Body) {
			keys = append(keys, reward.CurrentKey)
		}
		if op.ReadsClock() {
			keys = append(keys, ClockKey)
		}
		keys = append(keys, op.Body.Keys(op.Call)...)
	}
	return tx.Prefetch(keys)
}

// verifyBatch verifies all signatures by the keys as they are before the batch;
// the keys of a DID that the batch itself creates come from its document.
// applyOne looks again where an operation in between has changed the key.
func (e *Engine) verifyBatch(tx *ledger.Tx, items []*signed) error {
	created := map[ledger.ID]*DIDCreate{}
	expected := make([]*signed, 0, len(items))
	for _, s := range items {
		if s == nil {
			continue
		}
		key, err := e.signingKey(tx, s.op)
		create, ok := created[s.op.Call.Actor]
		if ok && fault.Of(err) == fault.DIDUnknown {
			key, err = s.op.createdKey(create)
		}
		if fault.Of(err) >= fault.Internal {
			return err
		}
		if err != nil {
			continue
		}
		if create, ok := s.op.Body.(*DIDCreate); ok {
			created[s.op.Call.Actor] = create
		}
		s.key = key
		expected = append(expected, s)
	}
	e.verifier.verify(expected)
	return nil
}

// applyOne applies one item. A refusal is an outcome; an error gives the whole
// transaction up.
func (e *Engine) applyOne(tx *ledger.Tx, network *govern.Network, s *signed) (Outcome, error) {
	op := s.op
	if err := checkSwept(tx, op.Call.Ref.Expiry/3600); err != nil {
		return refused(err)
	}
	key, err := e.signingKey(tx, op)
	if err != nil {
		outcome, err := refused(err)
		if err != nil {
			return outcome, err
		}
		// The key may have been replaced since, by this very operation even. A result
		// says that its signature was good at its time.
		if first, found, err := firstResult(tx, op); found || err != nil {
			return Outcome{Code: first, Replay: found}, err
		}
		return outcome, nil
	}
	good := s.good
	if !key.Equal(s.key) {
		good = op.verify(key)
	}
	if !good {
		return refused(fault.New(fault.BadSignature, "not a signature of #%s over these bytes", op.fragment))
	}
	first, found, err := firstResult(tx, op)
	if found || err != nil {
		return Outcome{Code: first, Replay: found}, err
	}
	// A stop leaves no result: once it is lifted the same operation can be done.
	for _, domain := range op.kind.stoppedBy {
		if err := network.CheckRunning(domain); err != nil {
			return refused(err)
		}
	}
	// Nor does a content that did not come: whoever has it sends it with the same
	// operation.
	if err := op.checkContent(tx); err != nil {
		return refused(err)
	}
	mark := tx.Mark()
	detail, err := op.apply(tx, network)
	if err != nil {
		tx.Rollback(mark)
		outcome, err := refused(err)
		if err != nil {
			return outcome, err
		}
		if op.kind.always {
			return outcome, fault.New(fault.Internal, "%s was refused by state: %v", op.Name, outcome.Err)
		}
		tx.Put(ResultKey(op.Call.Ref), encodeResult(outcome.Code, op, nil))
		if b, ok := op.Body.(interface{ Refused(*ledger.Tx) error }); ok {
			err = b.Refused(tx)
		}
		return outcome, err
	}
	if op.kind.creates == "" {
		tx.Put(ResultKey(op.Call.Ref), encodeResult(fault.OK, op, detail))
	}
	return Outcome{}, nil
}

func (o *Operation) apply(tx *ledger.Tx, network *govern.Network) (detail []byte, err error) {
	return o.kind.apply(tx, o.Call, o.Body, network)
}

// firstResult finds what an operation that ran before has left.
func firstResult(tx *ledger.Tx, op *Operation) (code fault.Code, found bool, err error) {
	if !op.kind.always {
		value, err := tx.Get(ResultKey(op.Call.Ref))
		if err != nil {
			return 0, false, err
		}
		if value != nil {
			r := canon.OpenRecord(value, resultType)
			return fault.Code(r.U8()), true, nil
		}
	}
	if op.kind.creates == "" {
		return 0, false, nil
	}
	found, err = tx.Has(op.kind.creates + op.Call.Ref.String())
	return fault.OK, found, err
}

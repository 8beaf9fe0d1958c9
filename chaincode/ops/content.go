package ops

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/record"
)

// MaxContents bounds the contents that come with a transaction, in bytes: peers fetch
// them from one another before they commit the block.
const MaxContents = 1 << 20

// Content returns the SHA-256, hex, of the content that has to come with the
// operation, empty when none has.
func (o *Operation) Content() string {
	digest, _ := o.content()
	return digest
}

func (o *Operation) content() (digest string, size uint64) {
	if b, ok := o.Body.(interface{ Content() (string, uint64) }); ok {
		return b.Content()
	}
	return "", 0
}

// CheckContent says whether data is the content that has to come with the operation;
// nil is none. Errors: fault.ContentMissing, those of record.DecodeContent,
// fault.InvalidValue when none has to come.
func (o *Operation) CheckContent(data []byte) error {
	digest, size := o.content()
	switch {
	case digest != "":
		return record.CheckContent(o.Call, digest, size, data)
	case data != nil:
		return fault.New(fault.InvalidValue, "%s comes without a content: it names none as private", o.Name)
	}
	return nil
}

// checkContent is CheckContent of what came with the transaction.
func (o *Operation) checkContent(tx *ledger.Tx) error {
	digest := o.Content()
	if digest == "" {
		return nil
	}
	data, assumed, err := tx.Content(digest)
	if assumed || err != nil {
		return err
	}
	return o.CheckContent(data)
}

// readType is the typ of a signed read. It differs from that of operations, so that
// neither can be used as the other.
const readType = "killick-read"

// maxReading is how many seconds a signed read may be good for.
const maxReading = 300

// reading is the payload of a signed read.
type reading struct {
	Net    string `json:"net"`
	Iat    uint64 `json:"iat"`
	Exp    uint64 `json:"exp"`
	Record string `json:"record"`
}

// SignRead returns a signed read of a record's content, as record:Content takes it:
// good for five minutes from at (seconds).
func SignRead(alg did.Algorithm, network, ref string, at uint64, signer Signer) (Item, error) {
	head, err := canon.Marshal(headerForm{string(alg), signer.KeyID(), readType})
	if err != nil {
		return Item{}, err
	}
	payload, err := canon.Marshal(reading{network, at, at + maxReading, ref})
	if err != nil {
		return Item{}, err
	}
	return Sign(head, payload, signer)
}

// content answers record:Content to the owner of the record and to the recipients of
// its content. Errors: the codes of bad forms, times, keys and signatures of
// operations, and those of record.Fetch.
func (e *Engine) content(tx *ledger.Tx, jws []byte) (any, error) {
	network, err := govern.Load(tx)
	if err != nil {
		return nil, err
	}
	item, err := ParseCompact(string(jws))
	if err != nil {
		return nil, err
	}
	var r reading
	if err := canon.Decode(item.Payload, &r, "net", "iat", "exp", "record"); err != nil {
		return nil, err
	}
	h, err := openTyped(item.Header, readType)
	if err != nil {
		return nil, err
	}
	switch now := tx.ClaimedTime(); {
	case r.Net != network.Name || h.network != network.Name:
		return nil, fault.New(fault.WrongNetwork, "net is %.80q, kid is of %.80q, this is %s", r.Net, h.network, network.Name)
	case r.Iat > now+maxAhead:
		return nil, fault.New(fault.NotYetValid, "iat %d is more than %d s ahead of %d", r.Iat, maxAhead, now)
	case r.Exp <= r.Iat || r.Exp-r.Iat > maxReading:
		return nil, fault.New(fault.LifetimeTooLong, "exp %d must be 1 to %d s after iat %d", r.Exp, maxReading, r.Iat)
	case r.Exp <= now:
		return nil, fault.New(fault.Expired, "exp %d is past, it is %d", r.Exp, now)
	}
	o := &Operation{Item: item, alg: h.alg, actorKey: h.actorKey, fragment: h.fragment, input: item.input()}
	o.Call.Network, o.Call.Actor = network.Name, h.actor
	key, err := e.signingKey(tx, o)
	if err != nil {
		return nil, err
	}
	if !o.verify(key) {
		return nil, fault.New(fault.BadSignature, "not a signature of #%s over these bytes", h.fragment)
	}
	return record.Fetch(tx, network.Name, r.Record, h.actor)
}

package ops

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// headerForm is the header as it is written.
type headerForm struct {
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	Typ string `json:"typ"`
}

const headerType = "killick-op"

var headerFields = []string{"alg", "kid", "typ"}

// header is what a header says.
type header struct {
	alg      did.Algorithm
	network  string // of kid
	actor    ledger.ID
	actorKey string // state key of the actor
	fragment string
}

// openHeader reads the header of an operation. Errors: the codes of bad forms,
// fault.AlgMismatch, fault.KidMismatch.
func openHeader(data []byte) (*header, error) { return openTyped(data, headerType) }

// openTyped reads a header with that typ.
func openTyped(data []byte, typ string) (*header, error) {
	var f headerForm
	if err := canon.Decode(data, &f, headerFields...); err != nil {
		return nil, err
	}
	if f.Typ != typ {
		return nil, fault.New(fault.InvalidValue, "typ must be %s", typ)
	}
	h := &header{alg: did.Algorithm(f.Alg)}
	if !h.alg.Known() {
		return nil, fault.New(fault.AlgMismatch, "alg is %.40q; it is one of %s", f.Alg, did.Algorithms)
	}
	var err error
	if h.network, h.actor, h.fragment, err = did.ParseURL(f.Kid); err != nil {
		return nil, fault.New(fault.KidMismatch, "kid: %s", fault.Text(err))
	}
	h.actorKey = did.SignerKeyOf(h.actor)
	return h, nil
}

// maxRemembered is the size in bytes up to which headers are remembered, so that
// nobody fills memory with long ones. Those that clients write have about 110.
const maxRemembered = 256

// admit is Admit with the headers that the engine remembers: one signer's are
// the same each time.
func (e *Engine) admit(item Item, network string, now uint64) (*Operation, error) {
	return admit(item, network, now, e.headerOf)
}

func (e *Engine) headerOf(data []byte) (*header, error) {
	if h, ok := e.headers.get(data); ok {
		return h, nil
	}
	h, err := openHeader(data)
	if err == nil && len(data) <= maxRemembered {
		e.headers.put(data, h)
	}
	return h, err
}

package ops

import (
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Limits of an operation, docs/formats/operation.md section 1.
const (
	MaxOperation = 65536 // bytes in compact form
	maxAhead     = 300   // seconds that iat may be in the future
	maxLifetime  = 86400 // seconds from iat to exp
)

// Item is an operation as it travels: the decoded parts of its JWS.
type Item struct {
	Header, Payload, Signature []byte
}

// ParseCompact reads a JWS in compact form. Errors: fault.TooLarge,
// fault.Malformed.
func ParseCompact(jws string) (Item, error) {
	if len(jws) > MaxOperation {
		return Item{}, fault.New(fault.TooLarge, "%d bytes, an operation has at most %d", len(jws), MaxOperation)
	}
	first := strings.IndexByte(jws, '.')
	last := strings.LastIndexByte(jws, '.')
	if first == last || strings.IndexByte(jws[first+1:last], '.') >= 0 {
		return Item{}, fault.New(fault.Malformed, "a compact JWS has three parts, this has %d", strings.Count(jws, ".")+1)
	}
	var item Item
	for i, part := range [...]struct {
		to   *[]byte
		text string
	}{{&item.Header, jws[:first]}, {&item.Payload, jws[first+1 : last]}, {&item.Signature, jws[last+1:]}} {
		decoded, err := canon.UnB64(part.text)
		if err != nil {
			return Item{}, fault.New(fault.Malformed, "part %d: %s", i+1, fault.Text(err))
		}
		*part.to = decoded
	}
	return item, nil
}

// Compact returns the compact form.
func (i Item) Compact() string {
	return string(append(append(i.input(), '.'), canon.B64(i.Signature)...))
}

var encoding = base64.RawURLEncoding

// compactSize returns the length of the compact form.
func (i Item) compactSize() int {
	return encoding.EncodedLen(len(i.Header)) + 1 + encoding.EncodedLen(len(i.Payload)) + 1 + encoding.EncodedLen(len(i.Signature))
}

// ID returns the operation's id: the hash of the signing input.
func (i Item) ID() [32]byte { return canon.Sum(i.input()) }

// input returns the signing input, all before the second dot.
func (i Item) input() []byte {
	b := make([]byte, 0, encoding.EncodedLen(len(i.Header))+1+encoding.EncodedLen(len(i.Payload)))
	b = encoding.AppendEncode(b, i.Header)
	b = append(b, '.')
	return encoding.AppendEncode(b, i.Payload)
}

// Operation is an operation whose form is good.
type Operation struct {
	Item
	Call     ledger.Call
	Name     string
	IssuedAt uint64
	Expires  uint64
	Body     Body

	kind     *kind
	alg      did.Algorithm
	actorKey string // state key of the actor
	fragment string
	input    []byte // signing input
}

// Reference returns the operation's reference.
func (o *Operation) Reference() Reference { return o.Call.Ref }

type payload struct {
	Op    string         `json:"op"`
	Net   string         `json:"net"`
	Iat   uint64         `json:"iat"`
	Exp   uint64         `json:"exp"`
	Prior *string        `json:"prior,omitzero"`
	Body  jsontext.Value `json:"body"`
}

var payloadFields = []string{"op", "net", "iat", "exp", "body"}

// Open reads an operation without looking at network, time or state.
// Errors: the codes of bad forms, fault.UnknownOperation, fault.Batched,
// fault.AlgMismatch, fault.KidMismatch, fault.WrongNetwork.
func Open(item Item) (*Operation, error) { return open(item, openHeader) }

func open(item Item, headerOf func([]byte) (*header, error)) (*Operation, error) {
	if size := item.compactSize(); size > MaxOperation {
		return nil, fault.New(fault.TooLarge, "%d bytes, an operation has at most %d", size, MaxOperation)
	}
	var p payload
	if err := canon.Decode(item.Payload, &p, payloadFields...); err != nil {
		return nil, err
	}
	h, err := headerOf(item.Header)
	if err != nil {
		return nil, err
	}
	if h.network != p.Net {
		return nil, fault.New(fault.WrongNetwork, "kid is of the network %.80q, net is %.80q", h.network, p.Net)
	}
	o := &Operation{Item: item, alg: h.alg, actorKey: h.actorKey, fragment: h.fragment, input: item.input()}
	o.Call.Actor = h.actor
	k, ok := kindByName[p.Op]
	switch {
	case !ok && organisational(p.Op):
		return nil, fault.New(fault.Batched, "%.60q is a function for organisations", p.Op)
	case !ok:
		return nil, fault.New(fault.UnknownOperation, "%.60q", p.Op)
	}
	if p.Prior != nil {
		if _, err := canon.UnHex32(*p.Prior); err != nil {
			return nil, fault.New(fault.InvalidValue, "prior: %s", fault.Text(err))
		}
		o.Call.Prior = *p.Prior
	}
	if p.Exp > 1<<32-1 {
		return nil, fault.New(fault.LifetimeTooLong, "exp %d", p.Exp)
	}
	o.kind, o.Name, o.IssuedAt, o.Expires = k, p.Op, p.Iat, p.Exp
	o.Call.Network = p.Net
	o.Call.Ref = Reference{Expiry: uint32(p.Exp), ID: canon.Sum(o.input)}
	o.Body = k.body()
	return o, canon.Decode(p.Body, o.Body, k.fields...)
}

// Admit opens an operation and checks everything that needs no state: form,
// network, times, whether there is a prior, and what the body says by itself.
// Errors: those of Open, fault.Expired, fault.NotYetValid,
// fault.LifetimeTooLong, fault.KidMismatch, fault.MissingPrior,
// fault.UnexpectedPrior, and those of the body.
func Admit(item Item, network string, now uint64) (*Operation, error) {
	return admit(item, network, now, openHeader)
}

func admit(item Item, network string, now uint64, headerOf func([]byte) (*header, error)) (*Operation, error) {
	o, err := open(item, headerOf)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Call.Network != network:
		return nil, fault.New(fault.WrongNetwork, "net is %.80q, this is %s", o.Call.Network, network)
	case o.IssuedAt > now+maxAhead:
		return nil, fault.New(fault.NotYetValid, "iat %d is more than %d s ahead of %d", o.IssuedAt, maxAhead, now)
	case o.Expires <= o.IssuedAt || o.Expires-o.IssuedAt > maxLifetime:
		return nil, fault.New(fault.LifetimeTooLong, "exp %d must be 1 to %d s after iat %d", o.Expires, maxLifetime, o.IssuedAt)
	case o.Expires <= now:
		return nil, fault.New(fault.Expired, "exp %d is past, it is %d", o.Expires, now)
	}
	if err := o.Body.Check(o.Call); err != nil {
		return nil, err
	}
	switch {
	case o.ByRecoveryKey() && o.fragment != did.RecoveryFragment:
		return nil, fault.New(fault.KidMismatch, "the recovery key signs with the fragment #%s in kid", did.RecoveryFragment)
	case o.kind.prior && o.Call.Prior == "":
		return nil, fault.New(fault.MissingPrior, "%s replaces a version", o.Name)
	case !o.kind.prior && o.Call.Prior != "":
		return nil, fault.New(fault.UnexpectedPrior, "%s replaces nothing", o.Name)
	}
	return o, nil
}

package sealed

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// MaxOrder bounds an order.
const MaxOrder = 16 << 10

// Order says with which parameters a job is done. The ledger has its digest as the job's
// nonce, and evidence binds that: nobody can change the parameters of an open job, and
// the ledger does not know them.
type Order struct {
	Salt       [32]byte
	Parameters canon.Object
}

// Nonce is the nonce with which the job of this order is opened.
func (o *Order) Nonce() [32]byte {
	return canon.Sum([]byte("killick.enclave.order.v1"), o.Salt[:], o.Parameters.JCS())
}

// Encode returns the order as it travels: JCS of {"parameters","salt"}.
func (o *Order) Encode() []byte {
	all, err := canon.NewObject([]canon.Member{{Name: "parameters", Value: o.Parameters}, {Name: "salt", Value: canon.Hex(o.Salt[:])}})
	if err != nil {
		panic(err) // both members are well formed
	}
	return all.JCS()
}

// DecodeOrder reads an order in any spelling of JSON. Errors: fault.TooLarge,
// fault.MissingField, fault.UnknownField, fault.InvalidValue, and those of
// canon.ParseObject.
func DecodeOrder(data []byte) (*Order, error) {
	if len(data) > MaxOrder {
		return nil, fault.New(fault.TooLarge, "an order of %d bytes, at most %d are read", len(data), MaxOrder)
	}
	all, err := canon.ParseObject(data)
	if err != nil {
		return nil, err
	}
	o := new(Order)
	for _, m := range all {
		switch m.Name {
		case "parameters", "salt":
		default:
			return nil, fault.New(fault.UnknownField, "%.40q is no member of an order", m.Name)
		}
	}
	parameters, _ := all.Find("parameters")
	salt, _ := all.Find("salt")
	if parameters == nil || salt == nil {
		return nil, fault.New(fault.MissingField, "an order has parameters and salt")
	}
	hex, isText := salt.(string)
	object, isObject := parameters.(canon.Object)
	if !isText || !isObject {
		return nil, fault.New(fault.InvalidValue, "parameters is an object, salt 64 hex digits")
	}
	if o.Salt, err = canon.UnHex32(hex); err != nil {
		return nil, fault.New(fault.InvalidValue, "salt: %s", fault.Text(err))
	}
	o.Parameters = object
	return o, nil
}

package attest

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// View is a receipt as queries answer it.
type View struct {
	Reference  string        `json:"reference"`
	Grant      string        `json:"grant"`
	Record     string        `json:"record"`
	Version    uint32        `json:"version"`
	Commitment string        `json:"commitment"`
	Client     string        `json:"client"`
	Owner      string        `json:"owner"`
	Operation  string        `json:"operation"`
	Path       string        `json:"path"`
	Asset      string        `json:"asset"`
	Price      reward.Amount `json:"price"`
	Epoch      uint32        `json:"epoch"`
	Left       *uint32       `json:"left,omitempty"` // absent: any number
}

// Lookup answers attest:Use. Errors: fault.InvalidValue, fault.NotFound.
func Lookup(tx *ledger.Tx, network, ref string) (*View, error) {
	if _, err := ledger.ParseReference(ref); err != nil {
		return nil, fault.New(fault.InvalidValue, "use: %v", err)
	}
	stored, err := tx.Get(Key(ref))
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, fault.New(fault.NotFound, "no use %s", ref)
	}
	r, err := DecodeReceipt(stored)
	if err != nil {
		return nil, err
	}
	return r.View(network, ref), nil
}

// View returns the form that queries answer; ref is the use's own reference.
func (r *Receipt) View(network, ref string) *View {
	v := &View{
		Reference: ref, Grant: r.Grant.String(), Record: r.Record.String(), Version: r.Version, Commitment: canon.Hex(r.Commitment[:]),
		Client: did.String(network, r.Client), Owner: did.String(network, r.Owner), Operation: r.Operation, Path: r.Path,
		Asset: r.Asset, Price: r.Price, Epoch: r.Epoch,
	}
	if r.Left != Unlimited {
		v.Left = &r.Left
	}
	return v
}

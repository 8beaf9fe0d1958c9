package record

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// View is a record as queries answer it. Hash is what a change states as
// prior.
type View struct {
	Reference  string `json:"reference"`
	Status     string `json:"status"`
	Version    uint32 `json:"version"`
	Owner      string `json:"owner"`
	Schema     string `json:"schema"`
	Commitment string `json:"commitment"`
	Size       uint64 `json:"size"`
	Location   string `json:"location"`
	By         string `json:"by"`
	Hash       string `json:"hash"`
}

// Lookup answers record:Read. Errors: fault.InvalidValue, fault.NotFound.
func Lookup(tx *ledger.Tx, network, text string) (*View, error) {
	ref, err := ledger.ParseReference(text)
	if err != nil {
		return nil, fault.New(fault.InvalidValue, "record: %v", err)
	}
	v, stored, err := Read(tx, ref)
	if err != nil {
		return nil, err
	}
	return view(network, ref, v, stored), nil
}

// maxHistory bounds one answer of History.
const maxHistory = 1000

// History answers record:History: the newest 1,000 versions, oldest first.
// Errors: fault.InvalidValue, fault.NotFound.
func History(tx *ledger.Tx, network, text string) ([]*View, error) {
	newest, err := Lookup(tx, network, text)
	if err != nil {
		return nil, err
	}
	ref, err := ledger.ParseReference(text)
	if err != nil {
		return nil, err
	}
	first := uint32(1)
	if newest.Version > maxHistory {
		first = newest.Version - maxHistory + 1
	}
	views := make([]*View, 0, newest.Version-first+1)
	for version := first; version < newest.Version; version++ {
		stored, err := tx.Get(VersionKey(text, version))
		if err != nil {
			return nil, err
		}
		v, err := Decode(ref, stored)
		if err != nil {
			return nil, err
		}
		views = append(views, view(network, ref, v, stored))
	}
	return append(views, newest), nil
}

func view(network string, ref ledger.Reference, v *Value, stored []byte) *View {
	status := "live"
	if v.Status == Deleted {
		status = "deleted"
	}
	return &View{
		Reference: ref.String(), Status: status, Version: v.Version, Owner: did.String(network, v.Owner), Schema: v.Schema,
		Commitment: canon.Hex(v.Commitment[:]), Size: v.Size, Location: v.Location, By: v.By.String(), Hash: ledger.Version(stored),
	}
}

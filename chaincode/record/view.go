package record

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
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
func Lookup(tx *ledger.Tx, network, ref string) (*View, error) {
	if err := checkReference(ref); err != nil {
		return nil, err
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
func History(tx *ledger.Tx, network, ref string) ([]*View, error) {
	newest, err := Lookup(tx, network, ref)
	if err != nil {
		return nil, err
	}
	first := uint32(1)
	if newest.Version > maxHistory {
		first = newest.Version - maxHistory + 1
	}
	views := make([]*View, 0, newest.Version-first+1)
	for version := first; version < newest.Version; version++ {
		stored, err := tx.Get(VersionKey(ref, version))
		if err != nil {
			return nil, err
		}
		v, err := Decode(stored)
		if err != nil {
			return nil, err
		}
		views = append(views, view(network, ref, v, stored))
	}
	return append(views, newest), nil
}

func view(network, ref string, v *Value, stored []byte) *View {
	status := "live"
	if v.Status == Deleted {
		status = "deleted"
	}
	return &View{
		Reference: ref, Status: status, Version: v.Version, Owner: did.String(network, v.Owner), Schema: v.Schema,
		Commitment: canon.Hex(v.Commitment[:]), Size: v.Size, Location: v.Location, By: v.By.String(), Hash: ledger.Version(stored),
	}
}

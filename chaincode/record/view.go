package record

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
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
	Private    string `json:"private,omitzero"` // SHA-256 of the content that the members keep
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
	return v.View(network, ref, stored), nil
}

// maxHistory bounds one answer of HistoryQuery.
const maxHistory = 100

// HistoryQuery is the request of record:History: the versions of a record after one of
// them, 0 for all.
type HistoryQuery struct {
	Record string `json:"record"`
	After  uint32 `json:"after,omitzero"`
}

// HistoryView is an answer: at most 100 versions, in their order. More says that there
// are later ones.
type HistoryView struct {
	Versions []*View `json:"versions"`
	More     bool    `json:"more"`
}

// Answer returns the versions. Errors: fault.InvalidValue, fault.NotFound.
func (q *HistoryQuery) Answer(tx *ledger.Tx, n *govern.Network) (*HistoryView, error) {
	newest, err := Lookup(tx, n.Name, q.Record)
	if err != nil {
		return nil, err
	}
	ref, err := ledger.ParseReference(q.Record)
	if err != nil {
		return nil, err
	}
	h := &HistoryView{Versions: []*View{}}
	for version := uint64(q.After) + 1; version < uint64(newest.Version); version++ {
		if len(h.Versions) == maxHistory {
			h.More = true
			return h, nil
		}
		stored, err := tx.Get(VersionKey(q.Record, uint32(version)))
		if err != nil {
			return nil, err
		}
		v, err := Decode(ref, stored)
		if err != nil {
			return nil, err
		}
		h.Versions = append(h.Versions, v.View(n.Name, ref, stored))
	}
	switch {
	case q.After >= newest.Version:
	case len(h.Versions) == maxHistory:
		h.More = true
	default:
		h.Versions = append(h.Versions, newest)
	}
	return h, nil
}

// View returns the form that queries answer; ref is the record's, stored the value.
func (v *Value) View(network string, ref ledger.Reference, stored []byte) *View {
	private := ""
	if v.Private != ([32]byte{}) {
		private = canon.Hex(v.Private[:])
	}
	return &View{
		Private:   private,
		Reference: ref.String(), Status: StatusName(v.Status), Version: v.Version, Owner: did.String(network, v.Owner), Schema: v.Schema,
		Commitment: canon.Hex(v.Commitment[:]), Size: v.Size, Location: v.Location, By: v.By.String(), Hash: ledger.Version(stored),
	}
}

// StatusName returns the word for a record's status.
func StatusName(status uint8) string {
	if status == Deleted {
		return "deleted"
	}
	return "live"
}

// GrantView is a grant as queries answer it.
type GrantView struct {
	Reference string   `json:"reference"`
	Status    string   `json:"status"` // live or withdrawn
	Record    string   `json:"record"`
	Owner     string   `json:"owner"`
	Client    string   `json:"client"` // DID, or Anyone
	Operation string   `json:"operation"`
	Scope     []string `json:"scope"`
	Asset     string   `json:"asset"`
	Price     Price    `json:"price"`
	Expires   uint32   `json:"expires"`
	Uses      uint32   `json:"uses,omitzero"` // absent: any number
	Used      uint32   `json:"used"`          // counted where Uses is there
	By        string   `json:"by,omitempty"`  // the operation that withdrew it
}

// LookupGrant answers record:Grant. Errors: fault.InvalidValue, fault.NotFound.
func LookupGrant(tx *ledger.Tx, network, ref string) (*GrantView, error) {
	if err := CheckGrant(ref); err != nil {
		return nil, err
	}
	g, err := ReadGrant(tx, ref)
	if err != nil {
		return nil, err
	}
	used, err := Used(tx, ref)
	return g.View(network, ref, used), err
}

// View returns the form that queries answer; ref is the grant's own reference.
func (g *Grant) View(network, ref string, used uint32) *GrantView {
	v := &GrantView{
		Reference: ref, Status: "live", Record: g.Record.String(), Owner: did.String(network, g.Owner), Client: Anyone, Operation: g.Operation,
		Scope: g.Scope, Asset: g.Asset, Price: g.Price, Expires: g.Expires, Uses: g.Uses, Used: used,
	}
	if !g.Offer {
		v.Client = did.String(network, g.Client)
	}
	if g.Status == Withdrawn {
		v.Status, v.By = "withdrawn", g.By.String()
	}
	return v
}

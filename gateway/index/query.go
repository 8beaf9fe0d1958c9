package index

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/record"
)

// Records asks for records. Empty members do not narrow it.
type Records struct {
	Owner  string // DID
	Schema string
	Status string // "live" or "deleted"
	// Since and Until bound the time of the first version, in seconds since 1970: from
	// the one to before the other.
	Since, Until uint64
	Paging
}

// Record is a record as of the page's block.
type Record struct {
	*record.View
	Time uint64 // of its first version
}

// Records returns a page of records. Errors: fault.InvalidValue, fault.WrongNetwork,
// fault.Unavailable.
func (x *Index) Records(ctx context.Context, q Records) (*Page[Record], error) {
	owner, err := x.parse("owner", q.Owner)
	if err != nil {
		return nil, err
	}
	if q.Schema != "" && !ledger.IsName(q.Schema, 64) {
		return nil, fault.New(fault.InvalidValue, "schema: %.80q is no schema", q.Schema)
	}
	if q.Status != "" && q.Status != record.StatusName(record.Live) && q.Status != record.StatusName(record.Deleted) {
		return nil, fault.New(fault.InvalidValue, "status: %.40q is neither live nor deleted", q.Status)
	}
	l := &list{
		kind: "records", filter: []string{q.Owner, q.Schema, q.Status, strconv.FormatUint(q.Since, 10), strconv.FormatUint(q.Until, 10)},
		span: &span{q.Since, q.Until},
	}
	l.query = `SELECT t.seq, t.ref, t.schema, t.time, t.value FROM records t`
	switch {
	case owner != nil:
		l.query, l.where, l.args = l.query+` INDEXED BY records_owner`, ` AND t.owner = ?`, []any{owner}
	case q.Schema != "":
		l.query, l.where, l.args = l.query+` INDEXED BY records_schema`, ` AND t.schema = ?`, []any{q.Schema}
	}
	return page(ctx, x, l, q.Paging, func(row scanner) (seq int64, r Record, ok bool, err error) {
		var ref, value []byte
		var schema string
		if err := row.Scan(&seq, &ref, &schema, &r.Time, &value); err != nil {
			return 0, r, false, err
		}
		name, err := unpack(ref)
		if err != nil {
			return 0, r, false, err
		}
		v, err := record.Decode(name, value)
		if err != nil {
			return 0, r, false, err
		}
		ok = (q.Schema == "" || schema == q.Schema) && (q.Status == "" || record.StatusName(v.Status) == q.Status)
		if ok {
			r.View = v.View(x.cfg.Network, name, value)
		}
		return seq, r, ok, nil
	})
}

// Offers asks for the catalogue. Empty members do not narrow it.
type Offers struct {
	Schema, Asset string
	Now           uint64 // offers that expire before are left out
	Paging
}

// Offer is what the catalogue shows of an offer, and no more: nothing of whose it is.
type Offer struct {
	Reference string // of the grant
	Schema    string // of the record, in its newest version
	Asset     string
	Price     record.Price
}

// Offers returns a page of the catalogue. Errors: fault.InvalidValue,
// fault.Unavailable.
func (x *Index) Offers(ctx context.Context, q Offers) (*Page[Offer], error) {
	if q.Schema != "" && !ledger.IsName(q.Schema, 64) {
		return nil, fault.New(fault.InvalidValue, "schema: %.80q is no schema", q.Schema)
	}
	if q.Asset != "" && !ledger.IsName(q.Asset, 16) {
		return nil, fault.New(fault.InvalidValue, "asset: %.80q is no asset", q.Asset)
	}
	l := &list{
		kind: "offers", filter: []string{q.Schema, q.Asset}, where: ` AND t.offered = 1`,
		query: `SELECT t.seq, t.ref, t.used, t.value, r.schema FROM grants t INDEXED BY grants_offered JOIN records r ON r.ref = t.record`,
	}
	return page(ctx, x, l, q.Paging, func(row scanner) (seq int64, o Offer, ok bool, err error) {
		var ref, value []byte
		var used uint32
		if err := row.Scan(&seq, &ref, &used, &value, &o.Schema); err != nil {
			return 0, o, false, err
		}
		g, name, err := grantOf(ref, value)
		if err != nil {
			return 0, o, false, err
		}
		o.Reference, o.Asset, o.Price = name, g.Asset, g.Price
		ok = uint64(g.Expires) >= q.Now && (g.Uses == 0 || used < g.Uses) && (q.Schema == "" || o.Schema == q.Schema) && (q.Asset == "" || o.Asset == q.Asset)
		return seq, o, ok, nil
	})
}

func grantOf(ref, value []byte) (*record.Grant, string, error) {
	name, err := unpack(ref)
	if err != nil {
		return nil, "", err
	}
	g, err := record.DecodeGrant(value)
	return g, name.String(), err
}

// Grants asks for grants, offers among them. Empty members do not narrow it; at least
// one is set.
type Grants struct {
	Owner, Client string // DIDs
	Record        string // reference
	Status        string // "live" or "withdrawn"
	Paging
}

// Grant is a grant as of the page's block.
type Grant struct {
	*record.GrantView
	Time uint64 // when it was given
}

// Grants returns a page of grants. Errors: fault.MissingField, fault.InvalidValue,
// fault.WrongNetwork, fault.Unavailable.
func (x *Index) Grants(ctx context.Context, q Grants) (*Page[Grant], error) {
	owner, err := x.parse("owner", q.Owner)
	if err != nil {
		return nil, err
	}
	client, err := x.parse("client", q.Client)
	if err != nil {
		return nil, err
	}
	of, err := parseReference("record", q.Record)
	if err != nil {
		return nil, err
	}
	if q.Status != "" && q.Status != "live" && q.Status != "withdrawn" {
		return nil, fault.New(fault.InvalidValue, "status: %.40q is neither live nor withdrawn", q.Status)
	}
	l := &list{kind: "grants", filter: []string{q.Owner, q.Client, q.Record, q.Status}, query: `SELECT t.seq, t.ref, t.used, t.time, t.value FROM grants t INDEXED BY grants_`}
	switch {
	case of != nil:
		l.query, l.where, l.args = l.query+`record`, ` AND t.record = ?`, []any{of}
	case client != nil:
		l.query, l.where, l.args = l.query+`client`, ` AND t.client = ?`, []any{client}
	case owner != nil:
		l.query, l.where, l.args = l.query+`owner`, ` AND t.owner = ?`, []any{owner}
	default:
		return nil, fault.New(fault.MissingField, "grants are asked for by owner, client or record")
	}
	return page(ctx, x, l, q.Paging, func(row scanner) (seq int64, out Grant, ok bool, err error) {
		var ref, value []byte
		var used uint32
		if err := row.Scan(&seq, &ref, &used, &out.Time, &value); err != nil {
			return 0, out, false, err
		}
		g, name, err := grantOf(ref, value)
		if err != nil {
			return 0, out, false, err
		}
		out.GrantView = g.View(x.cfg.Network, name, used)
		ok = (owner == nil || bytes.Equal(owner, g.Owner[:])) && (client == nil || !g.Offer && bytes.Equal(client, g.Client[:])) &&
			(q.Status == "" || out.Status == q.Status)
		return seq, out, ok, nil
	})
}

// Uses asks for receipts of uses. Empty members do not narrow it; at least one is set.
type Uses struct {
	Owner, Client string // DIDs
	Grant         string // reference
	Paging
}

// Use is a receipt.
type Use struct {
	*attest.View
	Time uint64 // when it was used
}

// Uses returns a page of receipts. Errors: fault.MissingField, fault.InvalidValue,
// fault.WrongNetwork, fault.Unavailable.
func (x *Index) Uses(ctx context.Context, q Uses) (*Page[Use], error) {
	owner, err := x.parse("owner", q.Owner)
	if err != nil {
		return nil, err
	}
	client, err := x.parse("client", q.Client)
	if err != nil {
		return nil, err
	}
	of, err := parseReference("grant", q.Grant)
	if err != nil {
		return nil, err
	}
	l := &list{kind: "uses", filter: []string{q.Owner, q.Client, q.Grant}, query: `SELECT t.seq, t.ref, t.time, t.value FROM uses t INDEXED BY uses_`}
	switch {
	case of != nil:
		l.query, l.where, l.args = l.query+`given`, ` AND t.given = ?`, []any{of}
	case client != nil:
		l.query, l.where, l.args = l.query+`client`, ` AND t.client = ?`, []any{client}
	case owner != nil:
		l.query, l.where, l.args = l.query+`owner`, ` AND t.owner = ?`, []any{owner}
	default:
		return nil, fault.New(fault.MissingField, "uses are asked for by owner, client or grant")
	}
	return page(ctx, x, l, q.Paging, func(row scanner) (seq int64, out Use, ok bool, err error) {
		var ref, value []byte
		if err := row.Scan(&seq, &ref, &out.Time, &value); err != nil {
			return 0, out, false, err
		}
		name, err := unpack(ref)
		if err != nil {
			return 0, out, false, err
		}
		r, err := attest.DecodeReceipt(value)
		if err != nil {
			return 0, out, false, fmt.Errorf("use %s: %w", name, err)
		}
		out.View = r.View(x.cfg.Network, name.String())
		ok = (owner == nil || bytes.Equal(owner, r.Owner[:])) && (client == nil || bytes.Equal(client, r.Client[:]))
		return seq, out, ok, nil
	})
}

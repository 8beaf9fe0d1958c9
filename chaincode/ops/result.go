package ops

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/chaincode/reward"
)

const (
	resultType   = 0x10
	resultPrefix = "op/"
)

// ResultKey returns the state key of an operation's result.
func ResultKey(r Reference) string {
	key := ledger.AppendHex32(append(make([]byte, 0, 76), resultPrefix...), r.Expiry)
	return string(hex.AppendEncode(append(key, '/'), r.ID[:]))
}

func encodeResult(code fault.Code, op *Operation, detail []byte) []byte {
	return canon.NewRecord(resultType).U8(uint8(code)).U8(op.kind.number).Fixed(op.Call.Actor[:]).Fixed(detail).Bytes()
}

// Result is what state says about an operation that ran.
type Result struct {
	Reference Reference
	Code      fault.Code
	Op        string    // name of the operation
	Actor     ledger.ID // who signed it
	// Created is the key of what the operation created and that serves as its
	// result; empty otherwise.
	Created  string
	Postings *reward.Postings // of a payment or withdrawal that was made
	Record   *record.Detail   // of an amendment or deletion that was made
}

// DecodeResult reads a result from a written key and its value. ok is false for
// keys that are no operation's result, among them later versions of what an
// operation created: of those r says all the same what created it and who.
// Errors: fault.Malformed, fault.TrailingData.
func DecodeResult(key string, value []byte) (r *Result, ok bool, err error) {
	prefix, rest, _ := strings.Cut(key, "/")
	switch prefix + "/" {
	case resultPrefix:
		ref, err := ParseReference(strings.Replace(rest, "/", "-", 1))
		if err != nil {
			return nil, false, fault.New(fault.Malformed, "result key %.100q: %v", key, err)
		}
		r, err = decodeResult(ref, value)
		return r, err == nil, err
	case "record/", "schema/", "credential/", "grant/", "use/", "job/":
		ref, err := ParseReference(rest)
		if err != nil {
			return nil, false, fault.New(fault.Malformed, "key %.100q: %v", key, err)
		}
		r = &Result{Reference: ref, Created: key}
		ok, err = r.created(prefix, value)
		return r, ok, err
	}
	return nil, false, nil
}

func decodeResult(ref Reference, value []byte) (*Result, error) {
	fields := canon.OpenRecord(value, resultType)
	code, number := fault.Code(fields.U8()), fields.U8()
	r := &Result{Reference: ref, Code: code}
	copy(r.Actor[:], fields.Fixed(len(r.Actor)))
	detail := fields.Rest()
	if err := fields.Done(); err != nil {
		return nil, err
	}
	k, ok := kindByNumber[number]
	if !ok {
		return nil, fault.New(fault.Malformed, "result of the unknown operation %d", number)
	}
	r.Op = k.name
	if code != fault.OK {
		k = &kind{} // a refusal has no detail
	}
	var err error
	switch k.name {
	case "reward.pay", "reward.withdraw":
		r.Postings, err = reward.DecodePostings(detail)
	case "record.amend", "record.delete":
		var d record.Detail
		d, err = record.DecodeDetail(detail)
		r.Record = &d
	default:
		if len(detail) > 0 {
			err = fault.New(fault.TrailingData, "%d bytes after the result", len(detail))
		}
	}
	return r, err
}

// created fills a result from what the operation created, if this is its first
// version.
func (r *Result) created(prefix string, value []byte) (first bool, err error) {
	switch prefix {
	case "record":
		v, err := record.Decode(r.Reference, value)
		if err != nil {
			return false, err
		}
		r.Op, r.Actor = "record.submit", v.Owner
		return v.Version == 1, nil
	case "grant":
		g, err := record.DecodeGrant(value)
		if err != nil {
			return false, err
		}
		r.Op, r.Actor = "record.allow", g.Owner
		return g.Status == record.Live, nil
	case "use":
		u, err := attest.DecodeReceipt(value)
		if err != nil {
			return false, err
		}
		r.Op, r.Actor = "attest.use", u.Client
		return true, nil
	case "job":
		j, err := attest.DecodeJob(value)
		if err != nil {
			return false, err
		}
		r.Op, r.Actor = "attest.open", j.Consumer
		return true, nil
	case "schema":
		var s credential.Schema
		if err := json.Unmarshal(value, &s); err != nil {
			return false, fmt.Errorf("stored schema: %w", err)
		}
		r.Op = "credential.schema"
		_, r.Actor, err = did.Parse(s.Issuer)
		return true, err
	default:
		var c credential.Credential
		if err := json.Unmarshal(value, &c); err != nil {
			return false, fmt.Errorf("stored credential: %w", err)
		}
		r.Op = "credential.issue"
		_, r.Actor, err = did.Parse(c.Issuer)
		return c.Version == 1, err
	}
}

// ResultView is a result as ops:Operation answers it.
type ResultView struct {
	Reference string      `json:"reference"`
	Code      uint8       `json:"code"`
	Name      string      `json:"name"`
	Op        string      `json:"op"`
	Actor     string      `json:"actor"`
	Created   string      `json:"created,omitempty"`
	Asset     string      `json:"asset,omitempty"`
	Epoch     uint64      `json:"epoch,omitzero"`
	Lines     []LineView  `json:"lines,omitempty"`
	Record    *RecordView `json:"record,omitempty"`
}

// LineView is one credit of a payment or withdrawal.
type LineView struct {
	To     string        `json:"to"`
	Amount reward.Amount `json:"amount"`
}

// RecordView is the version that an amendment or deletion wrote.
type RecordView struct {
	Reference string `json:"reference"`
	Version   uint32 `json:"version"`
}

// View returns the form that queries answer.
func (r *Result) View(network string) *ResultView {
	v := &ResultView{
		Reference: r.Reference.String(), Code: uint8(r.Code), Name: r.Code.String(), Op: r.Op,
		Actor: did.String(network, r.Actor), Created: r.Created,
	}
	if r.Postings != nil {
		v.Asset, v.Epoch = r.Postings.Asset, r.Postings.Epoch
		for _, c := range r.Postings.Lines {
			v.Lines = append(v.Lines, LineView{did.String(network, c.Payee), c.Amount})
		}
	}
	if r.Record != nil {
		v.Record = &RecordView{r.Record.Record.String(), r.Record.Version}
	}
	return v
}

// lookup finds the result of an operation by its reference.
// Errors: fault.InvalidValue, fault.NotFound.
func lookup(tx *ledger.Tx, n *govern.Network, text string) (*ResultView, error) {
	ref, err := ParseReference(text)
	if err != nil {
		return nil, fault.New(fault.InvalidValue, "%v", err)
	}
	keys := []string{ResultKey(ref), "record/" + text, "schema/" + text, "credential/" + text, record.GrantKey(text), attest.Key(text), attest.JobKey(text)}
	if err := tx.Prefetch(keys); err != nil {
		return nil, err
	}
	for _, key := range keys {
		value, err := tx.Get(key)
		if err != nil {
			return nil, err
		}
		if value == nil {
			continue
		}
		r, _, err := DecodeResult(key, value)
		if err != nil {
			return nil, err
		}
		return r.View(n.Name), nil
	}
	return nil, fault.New(fault.NotFound, "no operation %s has run", text)
}

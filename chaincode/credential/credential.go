// Package credential keeps what the ledger knows of credentials: schemas, who
// issued what, under which digest and until when, on whose word, and whether it is
// suspended or revoked. Holders keep the credentials themselves. The package is pure.
//
// State (docs/formats/operation.md): schema/<reference>,
// credential/<reference>, every superseded value under
// credentialv/<reference>/<version>, and entry/<issuer>/<list>/<index>, which holds
// the place of a credential in its issuer's status lists.
package credential

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Status of a credential. A suspended one may be reinstated; a revoked one stays
// revoked.
const (
	Active    = "active"
	Suspended = "suspended"
	Revoked   = "revoked"
)

// ListEntries is how many entries each status list has: the least that Bitstring Status
// List takes, so that an entry does not stand out.
const ListEntries = 131072

// evidences are the kinds of evidence on which an issuer may rely.
var evidences = []string{"oracle", "provider", "third-party", "on-chain", "zero-knowledge"}

// Schema is a stored schema.
type Schema struct {
	Issuer string `json:"issuer"`
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// Credential is a stored credential.
type Credential struct {
	Issuer     string `json:"issuer"`
	Schema     string `json:"schema"`
	Digest     string `json:"digest"`
	ValidFrom  uint64 `json:"validFrom"`
	ValidUntil uint64 `json:"validUntil"`
	Evidence   string `json:"evidence"`
	Endorser   string `json:"endorser"` // DID of who vouches for what it says
	List       uint32 `json:"list"`     // number of the issuer's status list
	Index      uint32 `json:"index"`    // entry in it
	Status     string `json:"status"`
	Version    uint32 `json:"version"`
	By         string `json:"by"`
}

// SchemaKey returns the state key of a schema.
func SchemaKey(ref string) string { return "schema/" + ref }

// Key returns the state key of a credential.
func Key(ref string) string { return "credential/" + ref }

// VersionKey returns the state key of a superseded version.
func VersionKey(ref string, version uint32) string {
	return string(ledger.AppendHex32([]byte("credentialv/"+ref+"/"), version))
}

// EntryKey returns the state key of an entry of an issuer's status lists. Its value is
// the reference of the credential that has the entry, for good.
func EntryKey(issuer ledger.ID, list, index uint32) string {
	key := append(append(make([]byte, 0, 64), "entry/"...), issuer.String()...)
	key = ledger.AppendHex32(append(key, '/'), list)
	return string(ledger.AppendHex32(append(key, '/'), index))
}

// NewSchema is the body of credential.schema.
type NewSchema struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (s *NewSchema) Check(ledger.Call) error {
	if !ledger.IsName(s.Name, 64) {
		return fault.New(fault.InvalidValue, "name must be 1 to 64 of A-Z a-z 0-9 . _ -")
	}
	return checkDigest(s.Digest)
}

// Keys returns the state keys that Apply reads.
func (s *NewSchema) Keys(call ledger.Call) []string { return []string{govern.IssuerKey(call.Actor)} }

// Apply stores the schema under the reference of the operation.
// Errors: fault.NotAccredited.
func (s *NewSchema) Apply(tx *ledger.Tx, call ledger.Call) error {
	if err := govern.CheckIssuer(tx, call.Network, call.Actor); err != nil {
		return err
	}
	return put(tx, SchemaKey(call.Ref.String()), Schema{did.String(call.Network, call.Actor), s.Name, s.Digest})
}

// Issue is the body of credential.issue. The issuer chooses the entry at random, and
// writes it into the credential before it signs; the ledger gives each entry once.
type Issue struct {
	Schema     string `json:"schema"`
	Digest     string `json:"digest"`
	ValidFrom  uint64 `json:"validFrom"`
	ValidUntil uint64 `json:"validUntil"`
	Evidence   string `json:"evidence"`
	Endorser   string `json:"endorser"`
	List       uint32 `json:"list"`
	Index      uint32 `json:"index"`
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue,
// fault.NumberRange.
func (i *Issue) Check(ledger.Call) error {
	if err := checkReference("schema", i.Schema); err != nil {
		return err
	}
	if i.ValidUntil <= i.ValidFrom {
		return fault.New(fault.InvalidValue, "validUntil must be after validFrom")
	}
	if !slices.Contains(evidences, i.Evidence) {
		return fault.New(fault.InvalidValue, "evidence must be one of %v", evidences)
	}
	if !isDID(i.Endorser) {
		return fault.New(fault.InvalidValue, "endorser must be a DID of at most %d characters", maxDID)
	}
	if i.Index >= ListEntries {
		return fault.New(fault.NumberRange, "index must be below %d", ListEntries)
	}
	return checkDigest(i.Digest)
}

// maxDID is how long the DID of an endorser may be.
const maxDID = 256

// isDID says that a text is a DID of any method: its method-specific id is made of
// the characters that DID Core section 3.1 allows. Whether it exists is not for the
// ledger to know.
func isDID(text string) bool {
	rest, ok := strings.CutPrefix(text, "did:")
	method, id, has := strings.Cut(rest, ":")
	return ok && has && len(text) <= maxDID && method != "" && id != "" && id[len(id)-1] != ':' &&
		strings.Trim(method, "abcdefghijklmnopqrstuvwxyz0123456789") == "" &&
		strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:%") == ""
}

// Keys returns the state keys that Apply reads.
func (i *Issue) Keys(call ledger.Call) []string {
	return []string{govern.IssuerKey(call.Actor), SchemaKey(i.Schema), EntryKey(call.Actor, i.List, i.Index)}
}

// Apply stores the credential under the reference of the operation.
// Errors: fault.NotAccredited, fault.NotFound for an unknown schema,
// fault.EntryTaken.
func (i *Issue) Apply(tx *ledger.Tx, call ledger.Call) error {
	if err := govern.CheckSchema(tx, call.Network, call.Actor, i.Schema); err != nil {
		return err
	}
	known, err := tx.Has(SchemaKey(i.Schema))
	if err != nil {
		return err
	}
	if !known {
		return fault.New(fault.NotFound, "no schema %s", i.Schema)
	}
	entry := EntryKey(call.Actor, i.List, i.Index)
	taken, err := tx.Has(entry)
	if err != nil {
		return err
	}
	if taken {
		return fault.New(fault.EntryTaken, "list %d, entry %d", i.List, i.Index)
	}
	ref := call.Ref.String()
	tx.Put(entry, []byte(ref))
	return put(tx, Key(ref), Credential{
		Issuer: did.String(call.Network, call.Actor), Schema: i.Schema, Digest: i.Digest, ValidFrom: i.ValidFrom,
		ValidUntil: i.ValidUntil, Evidence: i.Evidence, Endorser: i.Endorser, List: i.List, Index: i.Index,
		Status: Active, Version: 1, By: ref,
	})
}

// View is a credential as queries answer it. Hash is what a change states as
// prior.
type View struct {
	Reference string `json:"reference"`
	Credential
	Hash string `json:"hash"`
}

// Lookup answers credential:Read. Errors: fault.InvalidValue, fault.NotFound.
func Lookup(tx *ledger.Tx, ref string) (*View, error) {
	if err := checkReference("credential", ref); err != nil {
		return nil, err
	}
	c, stored, err := read(tx, ref)
	if err != nil {
		return nil, err
	}
	return &View{ref, *c, ledger.Version(stored)}, nil
}

// EntryQuery asks for the credential that has an entry.
type EntryQuery struct {
	Issuer string `json:"issuer"` // DID
	List   uint32 `json:"list"`
	Index  uint32 `json:"index"`
}

// Answer returns the credential. Errors: fault.InvalidValue, fault.WrongNetwork,
// fault.NotFound.
func (q *EntryQuery) Answer(tx *ledger.Tx, n *govern.Network) (*View, error) {
	issuer, err := did.ParseOn(n.Name, q.Issuer)
	if err != nil {
		return nil, err
	}
	ref, err := tx.Get(EntryKey(issuer, q.List, q.Index))
	if err != nil {
		return nil, err
	}
	if ref == nil {
		return nil, fault.New(fault.NotFound, "the issuer has no credential at entry %d of list %d", q.Index, q.List)
	}
	return Lookup(tx, string(ref))
}

// SchemaView is a schema as queries answer it.
type SchemaView struct {
	Reference string `json:"reference"`
	Schema
}

// LookupSchema answers credential:Schema. Errors: fault.InvalidValue,
// fault.NotFound.
func LookupSchema(tx *ledger.Tx, ref string) (*SchemaView, error) {
	if err := checkReference("schema", ref); err != nil {
		return nil, err
	}
	v := &SchemaView{Reference: ref}
	_, err := load(tx, SchemaKey(ref), &v.Schema)
	return v, err
}

func read(tx *ledger.Tx, ref string) (*Credential, []byte, error) {
	c := new(Credential)
	stored, err := load(tx, Key(ref), c)
	return c, stored, err
}

func load(tx *ledger.Tx, key string, v any) ([]byte, error) {
	stored, err := tx.Get(key)
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, fault.New(fault.NotFound, "no %.100s", key)
	}
	if err := json.Unmarshal(stored, v, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("stored %s: %w", key, err)
	}
	return stored, nil
}

func put(tx *ledger.Tx, key string, v any) error {
	value, err := canon.Marshal(v)
	if err != nil {
		return err
	}
	tx.Put(key, value)
	return nil
}

func checkDigest(hex string) error {
	if _, err := canon.UnHex32(hex); err != nil {
		return fault.New(fault.InvalidValue, "digest: %s", fault.Text(err))
	}
	return nil
}

func checkReference(member, ref string) error {
	if _, err := ledger.ParseReference(ref); err != nil {
		return fault.New(fault.InvalidValue, "%s: %v", member, err)
	}
	return nil
}

// Package credential keeps what the ledger knows of credentials: schemas, who
// issued what, under which digest and until when, and whether it is revoked.
// Holders keep the credentials themselves. The package is pure.
//
// State (docs/formats/operation.md): schema/<reference>,
// credential/<reference>, and every superseded value under
// credentialv/<reference>/<version>.
package credential

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Status of a credential.
const (
	Active  = "active"
	Revoked = "revoked"
)

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

// Issue is the body of credential.issue.
type Issue struct {
	Schema     string `json:"schema"`
	Digest     string `json:"digest"`
	ValidFrom  uint64 `json:"validFrom"`
	ValidUntil uint64 `json:"validUntil"`
	Evidence   string `json:"evidence"`
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
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
	return checkDigest(i.Digest)
}

// Keys returns the state keys that Apply reads.
func (i *Issue) Keys(call ledger.Call) []string {
	return []string{govern.IssuerKey(call.Actor), SchemaKey(i.Schema)}
}

// Apply stores the credential under the reference of the operation.
// Errors: fault.NotAccredited, fault.NotFound for an unknown schema.
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
	ref := call.Ref.String()
	return put(tx, Key(ref), Credential{
		Issuer: did.String(call.Network, call.Actor), Schema: i.Schema, Digest: i.Digest, ValidFrom: i.ValidFrom,
		ValidUntil: i.ValidUntil, Evidence: i.Evidence, Status: Active, Version: 1, By: ref,
	})
}

// Revoke is the body of credential.revoke.
type Revoke struct {
	Credential string `json:"credential"`
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (r *Revoke) Check(ledger.Call) error { return checkReference("credential", r.Credential) }

// Keys returns the state keys that Apply reads.
func (r *Revoke) Keys(ledger.Call) []string { return []string{Key(r.Credential)} }

// Apply revokes the credential for good. An issuer that lost its accreditation
// can still revoke what it issued. Errors: fault.NotFound, fault.NotOwner,
// fault.Revoked, fault.StalePrior.
func (r *Revoke) Apply(tx *ledger.Tx, call ledger.Call) error {
	c, stored, err := read(tx, r.Credential)
	if err != nil {
		return err
	}
	if c.Issuer != did.String(call.Network, call.Actor) {
		return fault.New(fault.NotOwner, "the credential was issued by another DID")
	}
	if c.Status == Revoked {
		return fault.New(fault.Revoked, "%s", r.Credential)
	}
	if err := call.Replaces(stored); err != nil {
		return err
	}
	tx.Put(VersionKey(r.Credential, c.Version), stored)
	c.Status = Revoked
	c.Version++
	c.By = call.Ref.String()
	return put(tx, Key(r.Credential), c)
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

package did

import (
	"fmt"
	"sort"
	"strconv"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Query is the request of did:Resolve. At most one of VersionID and VersionTime is
// set; without them the newest version is asked for.
type Query struct {
	DID       string `json:"did"`
	VersionID uint32 `json:"versionId,omitzero"`
	// VersionTime asks for the version in force at that time, in seconds: the last
	// one that is not later.
	VersionTime uint64 `json:"versionTime,omitzero"`
}

// DecodeQuery reads the argument of did:Resolve: a DID, or the query as an object.
// Errors: those of canon.Decode, fault.InvalidValue.
func DecodeQuery(arg []byte) (*Query, error) {
	if len(arg) == 0 || arg[0] != '{' {
		return &Query{DID: string(arg)}, nil
	}
	q := new(Query)
	if err := canon.Decode(arg, q, "did"); err != nil {
		return nil, err
	}
	if q.VersionID != 0 && q.VersionTime != 0 {
		return nil, fault.New(fault.InvalidValue, "ask for a version by its id or by a time, not by both")
	}
	return q, nil
}

// Resolution is the answer to a DID resolution: the W3C document, its
// metadata, and what the ledger adds.
type Resolution struct {
	// Document of a version that is deactivated has its id alone.
	Document Resolved `json:"didDocument"`
	Metadata Metadata `json:"didDocumentMetadata"`
	Version  Version  `json:"version"`
}

// Metadata is the part of the metadata that the ledger decides. Times are seconds.
type Metadata struct {
	VersionID string `json:"versionId"`
	// Deactivated says that the DID is deactivated now, whichever version was asked
	// for.
	Deactivated   bool   `json:"deactivated"`
	Created       uint64 `json:"created"`
	Updated       uint64 `json:"updated,omitzero"` // not of the first version
	NextUpdate    uint64 `json:"nextUpdate,omitzero"`
	NextVersionID string `json:"nextVersionId,omitempty"`
}

// Version names the stored version: Hash is what did.update states as prior.
type Version struct {
	Hash    string `json:"hash"`
	Created string `json:"created"`
	Updated string `json:"updated"`
	// Recovery is the commitment to the recovery key.
	Recovery string `json:"recovery"`
	// Root is the identity root in hex, empty when nothing is linked.
	Root string `json:"root,omitempty"`
	// Deactivation is what the checkpoints' clock must have counted, in seconds, before
	// the pending deactivation may be completed; absent when none is pending.
	Deactivation uint64 `json:"deactivation,omitzero"`
}

// Resolved is a DID document in W3C form.
type Resolved struct {
	Context              []string         `json:"@context"`
	ID                   string           `json:"id"`
	VerificationMethod   []ResolvedMethod `json:"verificationMethod,omitempty"`
	Authentication       []string         `json:"authentication,omitempty"`
	AssertionMethod      []string         `json:"assertionMethod,omitempty"`
	KeyAgreement         []string         `json:"keyAgreement,omitempty"`
	CapabilityInvocation []string         `json:"capabilityInvocation,omitempty"`
	Service              []Service        `json:"service,omitempty"`
}

// ResolvedMethod is a key in W3C form.
type ResolvedMethod struct {
	ID                 string `json:"id"`
	Type               string `json:"type"`
	Controller         string `json:"controller"`
	PublicKeyMultibase string `json:"publicKeyMultibase"`
}

// Answer returns the version of a DID of the network that was asked for. Errors:
// fault.InvalidValue, fault.WrongNetwork, fault.DIDUnknown, and fault.NotFound for a
// version that is not there.
func (q *Query) Answer(tx *ledger.Tx, network string) (*Resolution, error) {
	id, err := ParseOn(network, q.DID)
	if err != nil {
		return nil, err
	}
	newest, value, err := Read(tx, id)
	if err != nil {
		return nil, err
	}
	h := history{tx, id, newest, value}
	asked, err := h.asked(q)
	if err != nil {
		return nil, err
	}
	state, stored, err := h.version(asked)
	if err != nil {
		return nil, err
	}
	r, err := state.resolution(stored)
	if err != nil {
		return nil, err
	}
	r.Metadata.Deactivated = newest.Deactivated
	if asked == newest.Version {
		return r, nil
	}
	next, _, err := h.version(asked + 1)
	if err != nil {
		return nil, err
	}
	r.Metadata.NextUpdate, r.Metadata.NextVersionID = next.UpdatedAt, number(next.Version)
	return r, nil
}

// history is all versions of a DID.
type history struct {
	tx     *ledger.Tx
	id     ledger.ID
	newest *State
	value  []byte // of newest, as stored
}

// version reads a version that exists.
func (h *history) version(version uint32) (*State, []byte, error) {
	if version == h.newest.Version {
		return h.newest, h.value, nil
	}
	key := VersionKey(h.id, version)
	value, err := h.tx.Get(key)
	if err != nil {
		return nil, nil, err
	}
	if value == nil {
		return nil, nil, fmt.Errorf("state has no %s", key)
	}
	state, err := DecodeState(value)
	return state, value, err
}

// asked returns the number of the version that is asked for. Times never fall from
// one version to the next, so it reads as many versions as their number has bits.
func (h *history) asked(q *Query) (uint32, error) {
	switch {
	case q.VersionID > h.newest.Version:
		return 0, fault.New(fault.NotFound, "version %d; the newest is %d", q.VersionID, h.newest.Version)
	case q.VersionID != 0:
		return q.VersionID, nil
	case q.VersionTime == 0 || q.VersionTime >= h.newest.UpdatedAt:
		return h.newest.Version, nil
	case q.VersionTime < h.newest.CreatedAt:
		return 0, fault.New(fault.NotFound, "the DID was created at %d", h.newest.CreatedAt)
	}
	var failed error
	// The number of versions that are not later is that of the one in force.
	inForce := sort.Search(int(h.newest.Version)-1, func(i int) bool {
		s, _, err := h.version(uint32(i) + 1)
		if err != nil {
			failed = err
			return true
		}
		return s.UpdatedAt > q.VersionTime
	})
	return uint32(inForce), failed
}

func (s *State) resolution(stored []byte) (*Resolution, error) {
	doc, err := s.document()
	if err != nil {
		return nil, err
	}
	r := &Resolution{
		Document: Resolved{Context: []string{"https://www.w3.org/ns/did/v1.1", "https://w3id.org/security/multikey/v1"}, ID: s.ID},
		Metadata: Metadata{VersionID: number(s.Version), Created: s.CreatedAt},
		Version: Version{
			Hash: ledger.Version(stored), Created: s.Created, Updated: s.Updated, Recovery: doc.Recovery, Root: s.Root, Deactivation: s.Deactivation,
		},
	}
	if s.Version > 1 {
		r.Metadata.Updated = s.UpdatedAt
	}
	if !s.Deactivated {
		r.Document.fill(s, doc)
	}
	return r, nil
}

func (r *Resolved) fill(s *State, doc *Document) {
	r.Authentication = absolute(s.ID, doc.Authentication)
	r.AssertionMethod = absolute(s.ID, doc.AssertionMethod)
	r.KeyAgreement = absolute(s.ID, doc.KeyAgreement)
	r.CapabilityInvocation = absolute(s.ID, doc.CapabilityInvocation)
	for _, m := range doc.VerificationMethod {
		r.VerificationMethod = append(r.VerificationMethod, ResolvedMethod{s.ID + m.ID, m.Type, s.ID, m.PublicKeyMultibase})
	}
	for _, v := range doc.Service {
		r.Service = append(r.Service, Service{s.ID + v.ID, v.Type, v.ServiceEndpoint})
	}
}

func number(version uint32) string { return strconv.FormatUint(uint64(version), 10) }

func absolute(did string, ids []string) []string {
	var out []string
	for _, id := range ids {
		out = append(out, did+id)
	}
	return out
}

package vc

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// StatusPurpose is what a bit of a status list means when it is set.
type StatusPurpose string

// The purposes that are taken. A revoked credential stays revoked; a suspended one
// may be reinstated.
const (
	Revocation StatusPurpose = "revocation"
	Suspension StatusPurpose = "suspension"
)

func (p StatusPurpose) known() bool { return p == Revocation || p == Suspension }

// Names of the types of Bitstring Status List.
const (
	listType       = "BitstringStatusList"
	listCredential = "BitstringStatusListCredential"
	listEntry      = "BitstringStatusListEntry"
)

// ListEntry is where the status of a credential stands: an entry of
// credentialStatus with the type BitstringStatusListEntry.
type ListEntry struct {
	Purpose StatusPurpose
	List    string // URL of the status list credential
	Index   int
}

// ListEntry reads an entry of a credential. Statuses of several bits, and other
// purposes than suspension and revocation, are refused.
// Errors: fault.InvalidValue, fault.MissingField.
func (s Status) ListEntry() (*ListEntry, error) { return ParseListEntry(s.Entry) }

// ParseListEntry reads an entry as Status.ListEntry does, from what a credential holds.
// Errors: fault.InvalidValue, fault.MissingField.
func ParseListEntry(entry canon.Object) (*ListEntry, error) {
	kind, _ := entry.Find("type")
	if types, _ := texts(kind); !slices.Contains(types, listEntry) {
		return nil, fault.New(fault.InvalidValue, "credentialStatus of the type %.200q; %s is taken", types, listEntry)
	}
	name, _ := text(entry, "id")
	purpose, _ := text(entry, "statusPurpose")
	list, _ := text(entry, "statusListCredential")
	index, ok := text(entry, "statusListIndex")
	if purpose == "" || list == "" || !ok {
		return nil, fault.New(fault.MissingField, "credentialStatus: statusPurpose, statusListCredential or statusListIndex is missing")
	}
	e := &ListEntry{StatusPurpose(purpose), list, 0}
	if !e.Purpose.known() {
		return nil, fault.New(fault.InvalidValue, "credentialStatus: statusPurpose %.64q; %s and %s are taken", purpose, Revocation, Suspension)
	}
	if !isURL(list) || name == list {
		return nil, fault.New(fault.InvalidValue, "credentialStatus: statusListCredential must be a URL, and not the entry's id")
	}
	if size, ok := entry.Find("statusSize"); ok && size != float64(1) {
		return nil, fault.New(fault.InvalidValue, "credentialStatus: statusSize must be 1")
	}
	var err error
	// One spelling: no sign, no leading zero.
	if e.Index, err = strconv.Atoi(index); err != nil || e.Index < 0 || e.Index >= MaxEntries || strconv.Itoa(e.Index) != index {
		return nil, fault.New(fault.InvalidValue, "credentialStatus: statusListIndex %.32q is not a number below %d", index, MaxEntries)
	}
	return e, nil
}

// checkEntries looks at each object of the type BitstringStatusListEntry, wherever it
// stands, for what the specification's data model demands of it (section 2.1). Purposes
// and sizes that ListEntry refuses may pass: they are for others.
// Errors: fault.InvalidValue.
func checkEntries(value any) error {
	switch v := value.(type) {
	case []any:
		for _, e := range v {
			if err := checkEntries(e); err != nil {
				return err
			}
		}
	case canon.Object:
		kind, _ := v.Find("type")
		if types, _ := texts(kind); slices.Contains(types, listEntry) && !isEntry(v) {
			return fault.New(fault.InvalidValue, "%s: statusPurpose, statusListCredential (a URL) or statusListIndex (a number as text) is not as it must be", listEntry)
		}
		for _, m := range v {
			if err := checkEntries(m.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

func isEntry(v canon.Object) bool {
	purpose, _ := text(v, "statusPurpose")
	list, _ := text(v, "statusListCredential")
	index, _ := text(v, "statusListIndex")
	digits := strings.Trim(index, "0123456789") == "" && index != ""
	return purpose != "" && isURL(list) && digits
}

// JSON returns the entry as a credential carries it.
func (e *ListEntry) JSON() []byte { return e.Object().JCS() }

// Object returns the entry as a credential carries it.
func (e *ListEntry) Object() canon.Object {
	return canon.Object{}.With("type", listEntry).With("statusPurpose", string(e.Purpose)).
		With("statusListCredential", e.List).With("statusListIndex", strconv.Itoa(e.Index))
}

// StatusList is a status list that is to be published as a credential.
type StatusList struct {
	URL        string // under which it is served
	Issuer     string
	Purpose    StatusPurpose
	ValidFrom  time.Time
	ValidUntil time.Time // zero: no end
	// TTL is for how long a verifier may keep the list; zero says nothing, which stands
	// for five minutes.
	TTL  time.Duration
	Bits *Bits
}

// JSON returns the credential of the list, for Issue or IssueJWT to secure.
func (l *StatusList) JSON() []byte {
	subject := canon.Object{}.With("id", l.URL+"#list").With("type", listType).
		With("statusPurpose", string(l.Purpose)).With("encodedList", l.Bits.Encode())
	if l.TTL > 0 {
		subject = subject.With("ttl", float64(l.TTL.Milliseconds()))
	}
	doc := canon.Object{}.With("@context", []any{BaseContext}).With("id", l.URL).
		With("type", []any{"VerifiableCredential", listCredential}).With("issuer", l.Issuer).With("credentialSubject", subject)
	if !l.ValidFrom.IsZero() {
		doc = doc.With("validFrom", stamp(l.ValidFrom))
	}
	if !l.ValidUntil.IsZero() {
		doc = doc.With("validUntil", stamp(l.ValidUntil))
	}
	return doc.JCS()
}

// ParseStatusList reads a status list credential that was verified, for one purpose.
// Errors: fault.InvalidValue, fault.MissingField.
func ParseStatusList(c *Credential, purpose StatusPurpose) (*StatusList, error) {
	if !slices.Contains(c.Types, listCredential) || len(c.Subjects) != 1 {
		return nil, fault.New(fault.InvalidValue, "not a %s of one subject", listCredential)
	}
	subject := c.Subjects[0]
	kind, _ := subject.Find("type")
	if types, _ := texts(kind); !slices.Contains(types, listType) {
		return nil, fault.New(fault.InvalidValue, "credentialSubject: type is not %s", listType)
	}
	stated, _ := subject.Find("statusPurpose")
	if purposes, _ := texts(stated); !purpose.known() || !slices.Contains(purposes, string(purpose)) {
		return nil, fault.New(fault.InvalidValue, "the status list is not for %.64s", purpose)
	}
	encoded, ok := text(subject, "encodedList")
	if !ok {
		return nil, fault.New(fault.MissingField, "credentialSubject: encodedList is missing")
	}
	bits, err := DecodeBits(encoded)
	if err != nil {
		return nil, err
	}
	return &StatusList{URL: c.ID, Issuer: c.Issuer, Purpose: purpose, ValidFrom: c.ValidFrom, ValidUntil: c.ValidUntil, Bits: bits}, nil
}

// Status looks an entry up in the status list credential that its URL gave, which
// it verifies as Credential does: set means suspended or revoked. Whose list it may
// be is for the caller to say: issuer is the DID that must have signed it, mostly
// that of the credential itself.
// Errors: those of Credential, fault.KidMismatch for a list of another issuer,
// fault.InvalidValue for one that is not the entry's.
func (v *Verifier) Status(ctx context.Context, e *ListEntry, secured []byte, issuer string, now time.Time) (set bool, err error) {
	c, err := v.Credential(ctx, secured, now)
	if err != nil {
		return false, err
	}
	if c.Issuer != issuer {
		return false, fault.New(fault.KidMismatch, "the status list is of %.200s, want %.200s", c.Issuer, issuer)
	}
	// Another list of the same issuer says nothing of this entry.
	if c.ID != e.List {
		return false, fault.New(fault.InvalidValue, "the status list is %.200q, want %.200q", c.ID, e.List)
	}
	list, err := ParseStatusList(c, e.Purpose)
	if err != nil {
		return false, err
	}
	return list.Bits.Has(e.Index)
}

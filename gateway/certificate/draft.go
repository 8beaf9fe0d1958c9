package certificate

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/vc"
)

// schemaPrefix begins the id that names a schema of the ledger in a credential.
const schemaPrefix = "urn:killick:schema:"

// Terms are what a credential says for the ledger's sake.
type Terms struct {
	Schema   string // reference
	Evidence string // one of the kinds of credential.issue
	Endorser string // DID of who vouches
	// Lists is the URL of the gateway that serves the issuer's status lists.
	Lists string
	// List and Index are the entry; whoever calls draws the index at random.
	List, Index uint32
}

// Draft writes the terms into an unsecured credential, and returns it with the body of
// the operation that puts it on the ledger: the credential that is secured must be
// exactly this one. It gets LedgerContext, credentialSchema, evidence and two entries of
// credentialStatus; other evidence and schemas stay.
// Errors: fault.MissingField without validFrom or validUntil, fault.UnknownField for a
// credential that has a proof or a status already, fault.InvalidValue for times that are
// not whole seconds or what the terms say said otherwise, and those of credential.Issue's
// Check, which the caller makes.
func Draft(unsecured canon.Object, t Terms) (canon.Object, *ops.CredentialIssue, error) {
	doc, issue, err := draft(unsecured, IssuerOf(unsecured), t)
	if err != nil {
		return nil, nil, err
	}
	contexts, _ := doc.Find("@context")
	if list := asList(contexts); !slices.Contains(list, any(vc.LedgerContext)) {
		doc = doc.With("@context", append(slices.Clone(list), vc.LedgerContext))
	}
	issue.Digest = digest(doc)
	return doc, issue, nil
}

// DraftSelective does for the claims of an SD-JWT what Draft does for a credential, and
// then hides the claims as vc.Hide does; iss is the issuer, nbf and exp say from when to
// when it is valid. What it writes is never hidden.
// Errors: those of Draft and of vc.Hide.
func DraftSelective(claims canon.Object, paths [][]string, holder *did.PublicKey, t Terms) (*vc.Hidden, *ops.CredentialIssue, error) {
	issuer, _ := claims.Find("iss")
	name, _ := issuer.(string)
	doc, issue, err := draft(claims, name, t)
	if err != nil {
		return nil, nil, err
	}
	for _, path := range paths {
		if len(path) > 0 && slices.Contains([]string{"credentialSchema", "evidence", "credentialStatus"}, path[0]) {
			return nil, nil, fault.New(fault.InvalidValue, "the claim %s must not be hidden", path[0])
		}
	}
	hidden, err := vc.Hide(doc.JCS(), paths, holder)
	if err != nil {
		return nil, nil, err
	}
	issue.Digest = digest(hidden.Payload)
	return hidden, issue, nil
}

// draft writes the terms into a credential of any form.
func draft(unsecured canon.Object, issuer string, t Terms) (canon.Object, *ops.CredentialIssue, error) {
	for _, name := range []string{"proof", "credentialStatus"} {
		if _, ok := unsecured.Find(name); ok {
			return nil, nil, fault.New(fault.UnknownField, "%s: the issuer of a ledger's credential writes it", name)
		}
	}
	issue := &ops.CredentialIssue{Schema: t.Schema, Evidence: t.Evidence, Endorser: t.Endorser, List: t.List, Index: t.Index}
	var err error
	if issue.ValidFrom, issue.ValidUntil, err = validity(unsecured); err != nil {
		return nil, nil, err
	}
	doc := unsecured
	for name, element := range ledgerTerms(t.Schema, t.Evidence, t.Endorser) {
		if doc = extend(doc, name, element); !has(doc, name, element) {
			return nil, nil, fault.New(fault.InvalidValue, "%s: what the ledger says is there already", name)
		}
	}
	for _, purpose := range []vc.StatusPurpose{vc.Suspension, vc.Revocation} {
		entry := vc.ListEntry{Purpose: purpose, List: ListURL(t.Lists, issuer, t.List, purpose), Index: int(t.Index)}
		doc = extend(doc, "credentialStatus", entry.Object())
	}
	return doc, issue, nil
}

// ledgerTerms are the elements of members that say what the ledger says.
func ledgerTerms(schema, evidence, endorser string) map[string]canon.Object {
	return map[string]canon.Object{
		"credentialSchema": canon.Object{}.With("id", schemaPrefix+schema).With("type", vc.LedgerSchema),
		"evidence":         canon.Object{}.With("type", vc.LedgerEvidence).With("evidenceType", evidence).With("endorser", endorser),
	}
}

// IssuerOf returns the issuer that a credential names; empty when it names none.
func IssuerOf(credential canon.Object) string { return partyOf(credential, "issuer") }

// HolderOf returns the holder that a presentation names; empty when it names none.
func HolderOf(presentation canon.Object) string { return partyOf(presentation, "holder") }

// partyOf reads a member that is an id, or an object with one.
func partyOf(doc canon.Object, name string) string {
	value, _ := doc.Find(name)
	if o, ok := value.(canon.Object); ok {
		value, _ = o.Find("id")
	}
	id, _ := value.(string)
	return id
}

// timesOf names the members that say from when to when a credential is valid: nbf and
// exp, which are numbers, of what has a vct, and otherwise validFrom and validUntil.
func timesOf(doc canon.Object) (names [2]string, numeric bool) {
	if _, ok := doc.Find("vct"); ok {
		return [2]string{"nbf", "exp"}, true
	}
	return [2]string{"validFrom", "validUntil"}, false
}

// validity reads from when to when a credential is valid.
func validity(doc canon.Object) (from, until uint64, err error) {
	names, numeric := timesOf(doc)
	if from, err = seconds(doc, names[0], numeric); err == nil {
		until, err = seconds(doc, names[1], numeric)
	}
	return from, until, err
}

// seconds reads a time that the ledger keeps, in whole seconds since 1970.
func seconds(doc canon.Object, name string, numeric bool) (uint64, error) {
	value, ok := doc.Find(name)
	if !ok {
		return 0, fault.New(fault.MissingField, "%s: the ledger keeps from when to when a credential is valid", name)
	}
	if numeric {
		number, ok := value.(float64)
		if !ok || number < 0 || number > 1<<53-1 || number != math.Trunc(number) {
			return 0, fault.New(fault.InvalidValue, "%s: not a number of whole seconds since 1970", name)
		}
		return uint64(number), nil
	}
	text, _ := value.(string)
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Nanosecond() != 0 || t.Unix() < 0 {
		return 0, fault.New(fault.InvalidValue, "%s: %.64q is not a date and time with its zone in whole seconds", name, text)
	}
	return uint64(t.Unix()), nil
}

// extend adds an element to a member that is an element or a list of them.
func extend(doc canon.Object, name string, element canon.Object) canon.Object {
	value, _ := doc.Find(name)
	return doc.With(name, append(slices.Clone(asList(value)), any(element)))
}

func asList(value any) []any {
	switch v := value.(type) {
	case []any:
		return v
	case nil:
		return nil
	}
	return []any{value}
}

// Entry finds the entry of the issuer's status lists that a credential of the ledger
// names: by one entry for each purpose, which agree.
// Errors: fault.MissingField, fault.InvalidValue.
func Entry(doc canon.Object, issuer string) (list, index uint32, err error) {
	value, _ := doc.Find("credentialStatus")
	entries := asList(value)
	if len(entries) != 2 {
		return 0, 0, fault.New(fault.MissingField, "credentialStatus: a credential of the ledger has one entry for suspension and one for revocation")
	}
	var found [2]*vc.ListEntry
	for i, purpose := range []vc.StatusPurpose{vc.Suspension, vc.Revocation} {
		for _, e := range entries {
			o, _ := e.(canon.Object)
			entry, err := vc.ParseListEntry(o)
			if err != nil {
				return 0, 0, err
			}
			if entry.Purpose == purpose {
				found[i] = entry
			}
		}
		if found[i] == nil {
			return 0, 0, fault.New(fault.MissingField, "credentialStatus: there is no entry for %s", purpose)
		}
	}
	base, rest, ok := strings.Cut(found[0].List, ListPath)
	number, _, _ := strings.Cut(strings.TrimPrefix(rest, issuer+"/"), "/")
	n, err := number32(number)
	if !ok || err != nil || found[0].List != ListURL(base, issuer, n, vc.Suspension) || found[1].List != ListURL(base, issuer, n, vc.Revocation) ||
		found[0].Index != found[1].Index || found[0].Index >= credential.ListEntries {
		return 0, 0, fault.New(fault.InvalidValue, "credentialStatus: the entries are not those of one place in a status list of the issuer")
	}
	return n, uint32(found[0].Index), nil
}

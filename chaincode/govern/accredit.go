package govern

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// AnySchema stands for every schema in an issuer's accreditation.
const AnySchema = "*"

// maxSchemas bounds the schemas of one accreditation: issuing reads it whole.
const maxSchemas = 64

const (
	issuerPrefix   = "role/issuer/"
	verifierPrefix = "role/verifier/"
)

// Issuer is the stored right of a DID to publish schemas and to issue credentials
// under the schemas named, which are references in ascending order, or AnySchema
// alone.
type Issuer struct {
	DID     string   `json:"did"`
	Schemas []string `json:"schemas"`
}

// Verifier is the stored right of a DID to vouch for identities, or to run jobs as a TEE
// operator, on behalf of a member organisation.
type Verifier struct {
	DID          string `json:"did"`
	Organisation string `json:"organisation"`
}

// IssuerKey returns the state key of an issuer's accreditation.
func IssuerKey(id ledger.ID) string { return issuerPrefix + id.String() }

// VerifierKey returns the state key of an identity verifier's accreditation.
func VerifierKey(id ledger.ID) string { return verifierPrefix + id.String() }

// CheckIssuer refuses a DID that is not an accredited issuer of anything.
// Errors: fault.NotAccredited.
func CheckIssuer(tx *ledger.Tx, network string, id ledger.ID) error {
	_, err := readIssuer(tx, network, id)
	return err
}

func readIssuer(tx *ledger.Tx, network string, id ledger.ID) ([]byte, error) {
	stored, err := tx.Get(IssuerKey(id))
	if err == nil && stored == nil {
		err = fault.New(fault.NotAccredited, "%s is not an accredited issuer", did.String(network, id))
	}
	return stored, err
}

// ofAnySchema ends what is stored of an issuer for every schema, and of no other.
const ofAnySchema = `"schemas":["` + AnySchema + `"]}`

// CheckSchema refuses a DID that is not accredited to issue credentials under the
// schema. Errors: fault.NotAccredited.
func CheckSchema(tx *ledger.Tx, network string, id ledger.ID, schema string) error {
	stored, err := readIssuer(tx, network, id)
	if err != nil || bytes.HasSuffix(stored, []byte(ofAnySchema)) {
		return err // most issuers: nothing is decoded
	}
	var a Issuer
	if err := decodeStored(stored, &a); err != nil {
		return fmt.Errorf("stored %s: %w", IssuerKey(id), err)
	}
	if !slices.Contains(a.Schemas, schema) {
		return fault.New(fault.NotAccredited, "%s is not accredited for the schema %.80s", a.DID, schema)
	}
	return nil
}

// VerifierOf returns the member for which a DID vouches for identities. An accreditation
// for an organisation that has left counts for nothing while it is not a member.
// Errors: fault.NotAccredited.
func (n *Network) VerifierOf(tx *ledger.Tx, id ledger.ID) (organisation string, err error) {
	var v Verifier
	if err := readJSON(tx, VerifierKey(id), &v); err != nil {
		return "", err
	}
	if !n.isMember(v.Organisation) {
		return "", fault.New(fault.NotAccredited, "%s is not an accredited identity verifier of a member", did.String(n.Name, id))
	}
	return v.Organisation, nil
}

func (n *Network) isMember(msp string) bool {
	_, _, err := n.Member(msp)
	return err == nil
}

// Issuers returns the accredited issuers in the order of their ids.
func Issuers(tx *ledger.Tx, network string) ([]string, error) {
	issuers := []string{}
	entries, err := tx.Prefix(issuerPrefix, "", maxAccredited)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		issuers = append(issuers, "did:killick:"+network+":"+strings.TrimPrefix(e.Key, issuerPrefix))
	}
	return issuers, nil
}

// Verifiers returns the accredited identity verifiers of members in the order of their
// ids.
func (n *Network) Verifiers(tx *ledger.Tx) ([]Verifier, error) {
	return n.ofMembers(tx, verifierPrefix)
}

// ofMembers returns those who act for members in a role, in the order of their ids.
func (n *Network) ofMembers(tx *ledger.Tx, prefix string) ([]Verifier, error) {
	verifiers := []Verifier{}
	entries, err := tx.Prefix(prefix, "", maxAccredited)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		var v Verifier
		if err := decodeStored(e.Value, &v); err != nil {
			return nil, fmt.Errorf("stored %s: %w", e.Key, err)
		}
		if n.isMember(v.Organisation) {
			verifiers = append(verifiers, v)
		}
	}
	return verifiers, nil
}

// none is the value of an accreditation that a DID does not have.
const none = "{}"

// accreditation is a role that the consortium gives to DIDs: V is what a proposal
// says of it, none takes it away.
type accreditation[V any] struct {
	prefix string // of the state keys
	fields []string
	// stored makes what is stored of the value for its holder, a DID, after checking it.
	stored func(n *Network, holder string, v V) (any, error)
	// value returns what a proposal would say of a stored value.
	value func(stored []byte) (V, error)
}

// read returns the value in force for a DID.
func (a accreditation[V]) read(tx *ledger.Tx, _ *Network, id string) ([]byte, error) {
	stored, err := tx.Get(a.prefix + id)
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return []byte(none), nil
	}
	v, err := a.value(stored)
	if err != nil {
		return nil, fmt.Errorf("stored %s: %w", a.prefix+id, err)
	}
	return canon.Marshal(v)
}

// set puts a value in force for a DID. Whether the DID exists does not matter: an
// issuer may be accredited before it is created. Errors: fault.InvalidValue and the
// codes of bad forms.
func (a accreditation[V]) set(tx *ledger.Tx, n *Network, _ Clock, id string, value []byte) ([]byte, error) {
	if string(bytes.Join(bytes.Fields(value), nil)) == none {
		tx.Delete(a.prefix + id)
		return []byte(none), nil
	}
	var v V
	if err := canon.Decode(value, &v, a.fields...); err != nil {
		return nil, err
	}
	stored, err := a.stored(n, "did:killick:"+n.Name+":"+id, v)
	if err != nil {
		return nil, err
	}
	if err := a.checkNumber(tx, id); err != nil {
		return nil, err
	}
	if err := putJSON(tx, a.prefix+id, stored); err != nil {
		return nil, err
	}
	return canon.Marshal(v)
}

// checkNumber refuses one more DID than may have the role. Errors:
// fault.InvalidValue.
func (a accreditation[V]) checkNumber(tx *ledger.Tx, id string) error {
	has, err := tx.Has(a.prefix + id)
	if has || err != nil {
		return err
	}
	others, err := tx.Prefix(a.prefix, "", maxAccredited)
	if err == nil && len(others) == maxAccredited {
		err = fault.New(fault.InvalidValue, "%d are accredited, the most that are allowed", maxAccredited)
	}
	return err
}

// issuerTerms is what a proposal says of an issuer.
type issuerTerms struct {
	Schemas []string `json:"schemas"`
}

// verifierTerms is what a proposal says of an identity verifier or TEE operator.
type verifierTerms struct {
	Organisation string `json:"organisation"`
}

var issuers = accreditation[issuerTerms]{
	prefix: issuerPrefix, fields: []string{"schemas"},
	stored: func(_ *Network, holder string, v issuerTerms) (any, error) {
		return Issuer{holder, v.Schemas}, checkSchemas(v.Schemas)
	},
	value: func(stored []byte) (issuerTerms, error) {
		var a Issuer
		err := decodeStored(stored, &a)
		return issuerTerms{a.Schemas}, err
	},
}

var verifiers, operators = acting(verifierPrefix), acting(operatorPrefix)

// acting is a role in which a DID acts for a member.
func acting(prefix string) accreditation[verifierTerms] {
	return accreditation[verifierTerms]{
		prefix: prefix, fields: []string{"organisation"},
		stored: func(n *Network, holder string, v verifierTerms) (any, error) {
			if _, _, err := n.Member(v.Organisation); err != nil {
				return nil, fault.New(fault.InvalidValue, "organisation: %s", fault.Text(err))
			}
			return Verifier{holder, v.Organisation}, nil
		},
		value: func(stored []byte) (verifierTerms, error) {
			var a Verifier
			err := decodeStored(stored, &a)
			return verifierTerms{a.Organisation}, err
		},
	}
}

// checkSchemas refuses schemas that are neither AnySchema nor references in
// ascending order. None at all is allowed: such an issuer can publish its schemas
// before it is accredited for them. Errors: fault.InvalidValue.
func checkSchemas(schemas []string) error {
	if len(schemas) > maxSchemas {
		return fault.New(fault.InvalidValue, "%d schemas, at most %d are allowed", len(schemas), maxSchemas)
	}
	if len(schemas) == 1 && schemas[0] == AnySchema {
		return nil
	}
	for i, s := range schemas {
		if _, err := ledger.ParseReference(s); err != nil {
			return fault.New(fault.InvalidValue, "schemas: %.80q: %v", s, err)
		}
		if i > 0 && schemas[i-1] >= s {
			return fault.New(fault.InvalidValue, "schemas must ascend, each named once")
		}
	}
	return nil
}

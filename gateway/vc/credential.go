package vc

import (
	"slices"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// maxSize is how large a credential or presentation may be, in bytes.
const maxSize = 1 << 20

// Credential is a credential that follows the data model. Its contents do not
// change.
type Credential struct {
	ID         string // empty without one
	Types      []string
	Issuer     string
	ValidFrom  time.Time // zero when it says nothing
	ValidUntil time.Time // zero when it says nothing
	Subjects   []canon.Object
	Status     []Status
	Schemas    []Schema
	Proofs     []Proof // those that were verified; none for a credential that is not secured yet
	// Document is the whole credential with its proofs; of a vc+jwt the payload.
	Document canon.Object
}

// Status is an entry of credentialStatus. Whoever accepts the credential has to
// look it up.
type Status struct {
	ID    string
	Types []string
	Entry canon.Object
}

// Schema is an entry of credentialSchema. What the schema asks is not checked here.
type Schema struct {
	ID    string
	Types []string
}

// ParseCredential reads a credential that is not secured, and checks it against the
// data model and the allowed contexts. Its times and who vouches for it are not
// looked at.
// Errors: those of canon.ParseObject, fault.TooLarge, MissingField, WrongType,
// InvalidValue.
func (c *Contexts) ParseCredential(data []byte) (*Credential, error) {
	doc, err := parse(data)
	if err != nil {
		return nil, err
	}
	return c.credential(doc)
}

func parse(data []byte) (canon.Object, error) {
	if len(data) > maxSize {
		return nil, fault.New(fault.TooLarge, "%d bytes, at most %d are taken", len(data), maxSize)
	}
	return canon.ParseObject(data)
}

// credential checks a document, secured or not, against the data model.
func (c *Contexts) credential(doc canon.Object) (*Credential, error) {
	if err := c.check(doc, "proof"); err != nil {
		return nil, err
	}
	if err := checkEntries(doc.Without("proof")); err != nil {
		return nil, err
	}
	out := &Credential{Document: doc}
	var err error
	if out.ID, out.Types, err = identity(doc, "VerifiableCredential"); err != nil {
		return nil, err
	}
	if out.Issuer, err = party(doc, "issuer"); err != nil {
		return nil, err
	}
	if out.Issuer == "" {
		return nil, fault.New(fault.MissingField, "issuer is missing")
	}
	if out.ValidFrom, err = moment(doc, "validFrom"); err != nil {
		return nil, err
	}
	if out.ValidUntil, err = moment(doc, "validUntil"); err != nil {
		return nil, err
	}
	if !out.ValidUntil.IsZero() && out.ValidUntil.Before(out.ValidFrom) {
		return nil, fault.New(fault.InvalidValue, "validUntil is before validFrom")
	}
	if out.Subjects, err = subjects(doc); err != nil {
		return nil, err
	}
	if err := out.references(); err != nil {
		return nil, err
	}
	return out, words(doc)
}

// identity reads id and type; type must have the name.
func identity(doc canon.Object, name string) (string, []string, error) {
	identifier, err := id(doc)
	if err != nil {
		return "", nil, err
	}
	value, ok := doc.Find("type")
	if !ok {
		return "", nil, fault.New(fault.MissingField, "type is missing")
	}
	types, ok := texts(value)
	if !ok || !slices.Contains(types, name) {
		return "", nil, fault.New(fault.InvalidValue, "type does not have %s", name)
	}
	return identifier, types, nil
}

// party reads issuer or holder: a URL, or an object whose id is one.
func party(doc canon.Object, name string) (string, error) {
	value, ok := doc.Find(name)
	if !ok {
		return "", nil
	}
	s, ok := value.(string)
	if o, isObject := value.(canon.Object); isObject {
		s, ok = text(o, "id")
		if err := words(o); err != nil {
			return "", err
		}
	}
	if !ok || !isURL(s) {
		return "", fault.New(fault.InvalidValue, "%s must be a URL, or an object whose id is one", name)
	}
	return s, nil
}

func subjects(doc canon.Object) ([]canon.Object, error) {
	value, ok := doc.Find("credentialSubject")
	if !ok {
		return nil, fault.New(fault.MissingField, "credentialSubject is missing")
	}
	list, err := objects("credentialSubject", value)
	if err != nil {
		return nil, err
	}
	for _, o := range list {
		if _, err := id(o); err != nil {
			return nil, fault.New(fault.Of(err), "credentialSubject: %s", fault.Text(err))
		}
	}
	return list, nil
}

// objects reads an object, or a list of at least one, none of them empty.
func objects(name string, value any) ([]canon.Object, error) {
	var out []canon.Object
	for _, e := range asList(value) {
		o, ok := e.(canon.Object)
		if !ok || len(o) == 0 {
			return nil, fault.New(fault.WrongType, "%s must be an object with members, or a list of them", name)
		}
		out = append(out, o)
	}
	if len(out) == 0 {
		return nil, fault.New(fault.WrongType, "%s is empty", name)
	}
	return out, nil
}

// typed are the members whose objects must have a type, and whether they need an id.
var typed = []struct {
	name string
	id   bool
}{{"credentialStatus", false}, {"credentialSchema", true}, {"termsOfUse", false}, {"evidence", false}, {"refreshService", false}, {"renderMethod", false}}

func (c *Credential) references() error {
	for _, member := range typed {
		value, ok := c.Document.Find(member.name)
		if !ok {
			continue
		}
		list, err := objects(member.name, value)
		if err != nil {
			return err
		}
		for _, o := range list {
			identifier, err := id(o)
			if err != nil {
				return fault.New(fault.Of(err), "%s: %s", member.name, fault.Text(err))
			}
			kind, _ := o.Find("type")
			types, ok := texts(kind)
			if !ok || member.id && identifier == "" {
				return fault.New(fault.MissingField, "%s: type or id is missing", member.name)
			}
			switch member.name {
			case "credentialStatus":
				c.Status = append(c.Status, Status{identifier, types, o})
			case "credentialSchema":
				c.Schemas = append(c.Schemas, Schema{identifier, types})
			}
		}
	}
	return nil
}

// words checks name and description: a string, or objects with a value and a
// language.
func words(doc canon.Object) error {
	for _, name := range []string{"name", "description"} {
		value, ok := doc.Find(name)
		if !ok {
			continue
		}
		if _, ok := value.(string); ok {
			continue
		}
		list, err := objects(name, value)
		if err != nil {
			return err
		}
		for _, o := range list {
			for _, m := range o {
				if _, ok := m.Value.(string); !ok || !slices.Contains([]string{"@value", "@language", "@direction"}, m.Name) {
					return fault.New(fault.InvalidValue, "%s: want @value, @language and @direction as strings", name)
				}
			}
			if _, ok := o.Find("@value"); !ok {
				return fault.New(fault.MissingField, "%s: @value is missing", name)
			}
		}
	}
	return nil
}

// checkTimes says whether the credential is valid at a time.
func (c *Credential) checkTimes(now time.Time) error {
	if c.ValidFrom.After(now) {
		return fault.New(fault.NotYetValid, "the credential is valid from %s", stamp(c.ValidFrom))
	}
	if !c.ValidUntil.IsZero() && !c.ValidUntil.After(now) {
		return fault.New(fault.Expired, "the credential was valid until %s", stamp(c.ValidUntil))
	}
	return nil
}

// vouched says whether the issuer itself signed. Others may have signed beside it.
func (c *Credential) vouched() error {
	for _, p := range c.Proofs {
		if p.Controller == c.Issuer {
			return nil
		}
	}
	signers := make([]string, len(c.Proofs))
	for i, p := range c.Proofs {
		signers[i] = p.Controller
	}
	return fault.New(fault.KidMismatch, "the issuer %.200s did not sign, %.200s did", c.Issuer, strings.Join(signers, ", "))
}

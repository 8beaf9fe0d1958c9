package vc

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// Names that RFC 9901 reserves.
const (
	sdDigests   = "_sd"
	sdAlgorithm = "_sd_alg"
	sdElement   = "..."
	sdHash      = "sha-256"
)

// maxNesting is how deep the claims may be nested, through disclosures as well.
const maxNesting = 32

// selective is an SD-JWT in its parts. Nothing of it is verified.
type selective struct {
	jwt         string // of the issuer
	disclosures []string
	binding     string // key binding JWT, empty without one
}

// parseSelective reads the compact serialization: parts that a tilde ends, and
// behind the last tilde the key binding, if any.
func parseSelective(compact string) (*selective, error) {
	if len(compact) > maxSize {
		return nil, fault.New(fault.TooLarge, "%d bytes, at most %d are taken", len(compact), maxSize)
	}
	parts := strings.Split(compact, "~")
	if len(parts) < 2 {
		return nil, fault.New(fault.Malformed, "an SD-JWT has a tilde behind the JWT")
	}
	last := len(parts) - 1
	return &selective{parts[0], parts[1:last], parts[last]}, nil
}

// String writes the JWT and the disclosures, each with its tilde: what a key binding
// hashes.
func (s *selective) String() string {
	return s.jwt + "~" + strings.Join(append(slices.Clone(s.disclosures), ""), "~")
}

// digest is that of a disclosure, as it is embedded.
func digest(disclosure string) string {
	sum := sha256.Sum256([]byte(disclosure))
	return canon.B64(sum[:])
}

// disclosed is one disclosure: a salt and an element of an array, or a salt, the
// name of a claim and its value.
type disclosed struct {
	text  string
	parts []any
	used  bool
}

// opener puts disclosures in the place of their digests.
type opener struct {
	byDigest map[string]*disclosed
	seen     map[string]bool // digests that were embedded
	// keep says which disclosures to use, by the path of what they disclose; nil for
	// all of them.
	keep func(path []string) bool
}

func newOpener(texts []string) (*opener, error) {
	o := &opener{byDigest: map[string]*disclosed{}, seen: map[string]bool{}}
	for _, t := range texts {
		raw, err := canon.UnB64(t)
		if err != nil {
			return nil, fault.New(fault.Malformed, "disclosure: %s", fault.Text(err))
		}
		parts, err := canon.ParseArray(raw)
		if err != nil {
			return nil, err
		}
		if len(parts) != 2 && len(parts) != 3 {
			return nil, fault.New(fault.InvalidValue, "a disclosure of %d elements", len(parts))
		}
		if _, ok := parts[0].(string); !ok {
			return nil, fault.New(fault.WrongType, "a disclosure whose salt is no string")
		}
		d := digest(t)
		if o.byDigest[d] != nil {
			return nil, fault.New(fault.DuplicateKey, "a disclosure stands twice")
		}
		o.byDigest[d] = &disclosed{text: t, parts: parts}
	}
	return o, nil
}

// open returns the payload with what is disclosed, and without digests.
func (o *opener) open(payload canon.Object) (canon.Object, error) {
	if alg, ok := payload.Find(sdAlgorithm); ok && alg != sdHash {
		return nil, fault.New(fault.InvalidValue, "%s is %.32v; %s is taken", sdAlgorithm, alg, sdHash)
	}
	return o.object(payload.Without(sdAlgorithm), nil)
}

// unused says whether a disclosure stood for nothing: the issuer has not signed it.
func (o *opener) unused() error {
	for _, d := range o.byDigest {
		if !d.used {
			return fault.New(fault.BadSignature, "a disclosure whose digest the issuer has not signed")
		}
	}
	return nil
}

func (o *opener) value(value any, path []string) (any, error) {
	obj, isObject := value.(canon.Object)
	list, isList := value.([]any)
	switch {
	case !isObject && !isList:
		return value, nil
	case len(path) >= maxNesting:
		return nil, fault.New(fault.Malformed, "claims are nested deeper than %d levels", maxNesting)
	case isObject:
		return o.object(obj, path)
	}
	return o.array(list, path)
}

func (o *opener) object(obj canon.Object, path []string) (canon.Object, error) {
	members := make([]canon.Member, 0, len(obj))
	for _, m := range obj {
		switch m.Name {
		case sdDigests:
			continue
		case sdElement, sdAlgorithm:
			return nil, fault.New(fault.InvalidValue, "%s stands where it has no meaning", m.Name)
		}
		value, err := o.value(m.Value, within(path, m.Name))
		if err != nil {
			return nil, err
		}
		members = append(members, canon.Member{Name: m.Name, Value: value})
	}
	embedded, ok := obj.Find(sdDigests)
	if !ok {
		return canon.NewObject(members)
	}
	list, ok := embedded.([]any)
	if !ok {
		return nil, fault.New(fault.WrongType, "%s must be a list", sdDigests)
	}
	for _, entry := range list {
		found, err := o.find(entry)
		if err != nil {
			return nil, err
		}
		if found == nil {
			continue
		}
		m, err := o.claim(found, path)
		if err != nil {
			return nil, err
		}
		if m != nil {
			members = append(members, *m)
		}
	}
	return canon.NewObject(members) // refuses a name that is there already
}

// permanent are the claims of SD-JWT VC that an issuer must not hide: without them
// nobody can tell what the credential is and whether it is valid.
var permanent = []string{"iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "status"}

// claim returns the claim that a disclosure holds, nil if it is not to be kept.
func (o *opener) claim(d *disclosed, path []string) (*canon.Member, error) {
	if len(d.parts) != 3 {
		return nil, fault.New(fault.InvalidValue, "the disclosure of an array's element stands for a claim")
	}
	name, ok := d.parts[1].(string)
	if !ok || name == sdDigests || name == sdElement {
		return nil, fault.New(fault.InvalidValue, "a disclosure of a claim with the name %.64v", d.parts[1])
	}
	if len(path) == 0 && slices.Contains(permanent, name) {
		return nil, fault.New(fault.InvalidValue, "the claim %s must not be hidden", name)
	}
	path = within(path, name)
	if o.keep != nil && !o.keep(path) {
		return nil, nil
	}
	d.used = true
	value, err := o.value(d.parts[2], path)
	return &canon.Member{Name: name, Value: value}, err
}

func (o *opener) array(list []any, path []string) ([]any, error) {
	out := make([]any, 0, len(list))
	for i, element := range list {
		at := within(path, strconv.Itoa(i))
		obj, _ := element.(canon.Object)
		if len(obj) == 1 && obj[0].Name == sdElement {
			found, err := o.find(obj[0].Value)
			if err != nil {
				return nil, err
			}
			if found == nil || o.keep != nil && !o.keep(at) {
				continue
			}
			if len(found.parts) != 2 {
				return nil, fault.New(fault.InvalidValue, "the disclosure of a claim stands for an array's element")
			}
			found.used = true
			element = found.parts[1]
		}
		value, err := o.value(element, at)
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, nil
}

// find returns the disclosure of an embedded digest, nil for one that is not
// disclosed. No digest may be embedded twice.
func (o *opener) find(entry any) (*disclosed, error) {
	d, ok := entry.(string)
	if !ok {
		return nil, fault.New(fault.WrongType, "a digest must be a string")
	}
	if o.seen[d] {
		return nil, fault.New(fault.DuplicateKey, "a digest is embedded twice")
	}
	o.seen[d] = true
	return o.byDigest[d], nil
}

// within adds a level to a path; the path itself stays as it is.
func within(path []string, name string) []string { return append(path[:len(path):len(path)], name) }

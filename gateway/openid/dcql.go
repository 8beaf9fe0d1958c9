package openid

import (
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// Limits of a DCQL query.
const (
	maxQueries = 16
	maxClaims  = 64
	maxSets    = 32
	maxPath    = 16
)

// query is a query in the Digital Credentials Query Language (OpenID4VP section 6).
type query struct {
	source      canon.Object // as the wallet gets it
	credentials []credentialQuery
	sets        []credentialSet
}

type credentialQuery struct {
	id       string
	format   string
	multiple bool
	// types are alternatives: of an SD-JWT one vct each, otherwise types that a
	// credential must have together.
	types     [][]string
	claims    []claimQuery
	claimSets [][]string // of ids of claims
}

type claimQuery struct {
	id     string
	path   []any // string, int or nil
	values []any // string, float64 or bool; none: any value
}

type credentialSet struct {
	options  [][]string
	required bool
}

// parseQuery reads a query. What this verifier could not check is refused, and so are
// members that it does not know: whoever asks must not think that they were looked at.
// Errors: fault.InvalidValue, fault.UnknownField.
func parseQuery(o canon.Object) (*query, error) {
	if err := known(o, "dcql_query", "credentials", "credential_sets"); err != nil {
		return nil, err
	}
	q := &query{source: o}
	list, err := objects(o, "credentials", maxQueries)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		c, err := parseCredentialQuery(e)
		if err != nil {
			return nil, err
		}
		if q.find(c.id) != nil {
			return nil, fault.New(fault.InvalidValue, "credentials: two have the id %s", c.id)
		}
		q.credentials = append(q.credentials, *c)
	}
	if _, ok := o.Find("credential_sets"); !ok {
		return q, nil
	}
	sets, err := objects(o, "credential_sets", maxSets)
	if err != nil {
		return nil, err
	}
	for _, e := range sets {
		set, err := q.parseSet(e)
		if err != nil {
			return nil, err
		}
		q.sets = append(q.sets, *set)
	}
	return q, nil
}

func (q *query) find(id string) *credentialQuery {
	for i := range q.credentials {
		if q.credentials[i].id == id {
			return &q.credentials[i]
		}
	}
	return nil
}

func (q *query) parseSet(o canon.Object) (*credentialSet, error) {
	if err := known(o, "credential_sets", "options", "required"); err != nil {
		return nil, err
	}
	set := &credentialSet{required: true}
	var err error
	if set.options, err = nameLists(o, "options", maxSets); err != nil {
		return nil, err
	}
	for _, option := range set.options {
		for _, id := range option {
			if q.find(id) == nil {
				return nil, fault.New(fault.InvalidValue, "credential_sets: no credential has the id %.64q", id)
			}
		}
	}
	set.required, err = boolean(o, "required", true)
	return set, err
}

func parseCredentialQuery(o canon.Object) (*credentialQuery, error) {
	if err := known(o, "credentials", "id", "format", "multiple", "meta", "require_cryptographic_holder_binding", "claims", "claim_sets"); err != nil {
		return nil, err
	}
	c := &credentialQuery{id: text(o, "id"), format: text(o, "format")}
	if !isID(c.id) {
		return nil, fault.New(fault.InvalidValue, "credentials: id %.64q is not of A-Z a-z 0-9 _ -", c.id)
	}
	var err error
	if c.multiple, err = boolean(o, "multiple", false); err != nil {
		return nil, err
	}
	if binding, err := boolean(o, "require_cryptographic_holder_binding", true); err != nil || !binding {
		return nil, fault.New(fault.InvalidValue, "%s: presentations without a proof of the holder are not taken", c.id)
	}
	if err := c.parseMeta(o); err != nil {
		return nil, err
	}
	if _, ok := o.Find("claims"); ok {
		if err := c.parseClaims(o); err != nil {
			return nil, err
		}
	}
	if _, ok := o.Find("claim_sets"); !ok {
		return c, nil
	}
	if c.claimSets, err = nameLists(o, "claim_sets", maxSets); err != nil {
		return nil, err
	}
	for _, set := range c.claimSets {
		for _, id := range set {
			if !slices.ContainsFunc(c.claims, func(q claimQuery) bool { return q.id == id }) {
				return nil, fault.New(fault.InvalidValue, "claim_sets: no claim has the id %.64q", id)
			}
		}
	}
	return c, nil
}

// parseMeta reads which types of credentials are asked for.
func (c *credentialQuery) parseMeta(o canon.Object) (err error) {
	value, _ := o.Find("meta")
	meta, _ := value.(canon.Object)
	switch c.format {
	case FormatSelective:
		types, err := names(meta, "vct_values", maxSets)
		if err != nil {
			return err
		}
		for _, t := range types {
			c.types = append(c.types, []string{t})
		}
		return known(meta, "meta", "vct_values")
	case FormatJWT, FormatIntegrity:
		if c.types, err = nameLists(meta, "type_values", maxSets); err != nil {
			return err
		}
		return known(meta, "meta", "type_values")
	}
	return fault.New(fault.InvalidValue, "%s: format %.32q; %s, %s and %s are verified", c.id, c.format, FormatSelective, FormatJWT, FormatIntegrity)
}

func (c *credentialQuery) parseClaims(o canon.Object) error {
	list, err := objects(o, "claims", maxClaims)
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := known(e, "claims", "id", "path", "values"); err != nil {
			return err
		}
		q := claimQuery{id: text(e, "id")}
		if _, ok := e.Find("id"); ok && !isID(q.id) {
			return fault.New(fault.InvalidValue, "claims: id %.64q is not of A-Z a-z 0-9 _ -", q.id)
		}
		if slices.ContainsFunc(c.claims, func(other claimQuery) bool { return q.id != "" && other.id == q.id }) {
			return fault.New(fault.InvalidValue, "claims: two have the id %s", q.id)
		}
		if q.path, err = parsePath(e); err != nil {
			return err
		}
		if q.values, err = parseValues(e); err != nil {
			return err
		}
		c.claims = append(c.claims, q)
	}
	return nil
}

func parsePath(o canon.Object) ([]any, error) {
	value, _ := o.Find("path")
	list, _ := value.([]any)
	if len(list) == 0 || len(list) > maxPath {
		return nil, fault.New(fault.InvalidValue, "claims: path must be a list of 1 to %d", maxPath)
	}
	var path []any
	for _, e := range list {
		switch v := e.(type) {
		case nil, string:
			path = append(path, v)
			continue
		case float64:
			if v >= 0 && v <= 1<<20 && v == float64(int(v)) {
				path = append(path, int(v))
				continue
			}
		}
		return nil, fault.New(fault.InvalidValue, "claims: a path has names, indices and null")
	}
	return path, nil
}

func parseValues(o canon.Object) ([]any, error) {
	value, ok := o.Find("values")
	if !ok {
		return nil, nil
	}
	list, _ := value.([]any)
	if len(list) == 0 || len(list) > maxClaims {
		return nil, fault.New(fault.InvalidValue, "claims: values must be a list of 1 to %d", maxClaims)
	}
	for _, e := range list {
		switch v := e.(type) {
		case string, bool:
			continue
		case float64:
			if v == float64(int64(v)) {
				continue
			}
		}
		return nil, fault.New(fault.InvalidValue, "claims: values are strings, integers and booleans")
	}
	return list, nil
}

func isID(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, nameChars) == "" && !strings.Contains(s, ".")
}

func known(o canon.Object, where string, names ...string) error {
	for _, m := range o {
		if !slices.Contains(names, m.Name) {
			return fault.New(fault.UnknownField, "%s: %.64q is not looked at here", where, m.Name)
		}
	}
	return nil
}

func boolean(o canon.Object, name string, usual bool) (bool, error) {
	value, ok := o.Find(name)
	if !ok {
		return usual, nil
	}
	b, ok := value.(bool)
	if !ok {
		return false, fault.New(fault.InvalidValue, "%s must be true or false", name)
	}
	return b, nil
}

func objects(o canon.Object, name string, most int) ([]canon.Object, error) {
	value, _ := o.Find(name)
	list, _ := value.([]any)
	if len(list) == 0 || len(list) > most {
		return nil, fault.New(fault.InvalidValue, "%s must be a list of 1 to %d objects", name, most)
	}
	var out []canon.Object
	for _, e := range list {
		entry, ok := e.(canon.Object)
		if !ok {
			return nil, fault.New(fault.InvalidValue, "%s must be a list of objects", name)
		}
		out = append(out, entry)
	}
	return out, nil
}

// names reads a list of strings that are not empty.
func names(o canon.Object, name string, most int) ([]string, error) {
	value, _ := o.Find(name)
	return strs(value, name, most)
}

func strs(value any, name string, most int) ([]string, error) {
	list, _ := value.([]any)
	if len(list) == 0 || len(list) > most {
		return nil, fault.New(fault.InvalidValue, "%s must be a list of 1 to %d", name, most)
	}
	var out []string
	for _, e := range list {
		s, _ := e.(string)
		if s == "" || len(s) > 2048 {
			return nil, fault.New(fault.InvalidValue, "%s must have strings", name)
		}
		out = append(out, s)
	}
	return out, nil
}

// nameLists reads a list of such lists.
func nameLists(o canon.Object, name string, most int) ([][]string, error) {
	value, _ := o.Find(name)
	list, _ := value.([]any)
	if len(list) == 0 || len(list) > most {
		return nil, fault.New(fault.InvalidValue, "%s must be a list of 1 to %d lists", name, most)
	}
	var out [][]string
	for _, e := range list {
		inner, err := strs(e, name, most)
		if err != nil {
			return nil, err
		}
		out = append(out, inner)
	}
	return out, nil
}

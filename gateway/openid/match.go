package openid

import (
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// satisfied says whether a credential with these types and claims is what was asked
// for. Errors: fault.InvalidValue.
func (c *credentialQuery) satisfied(types []string, root canon.Object) error {
	if c.format != FormatSelective {
		types = meanings(types, root)
	}
	if !slices.ContainsFunc(c.types, func(wanted []string) bool { return c.hasTypes(types, wanted) }) {
		return fault.New(fault.InvalidValue, "%s: a credential of the type %.200q was not asked for", c.id, types)
	}
	has := map[string]bool{}
	missing := false
	for _, q := range c.claims {
		ok := q.matches(root)
		has[q.id] = ok
		missing = missing || !ok
	}
	if c.claimSets == nil {
		if missing {
			return fault.New(fault.InvalidValue, "%s: a claim that was asked for is missing, or has another value", c.id)
		}
		return nil
	}
	for _, set := range c.claimSets {
		if !slices.ContainsFunc(set, func(id string) bool { return !has[id] }) {
			return nil
		}
	}
	return fault.New(fault.InvalidValue, "%s: no set of claims that was asked for is there", c.id)
}

// hasTypes says that a credential has all of the wanted types. Those of the data model
// are asked for as IRIs, and stand in credentials as IRIs, or as terms that contexts of
// the gateway's list define; such a term is taken for the IRI that ends with it.
func (c *credentialQuery) hasTypes(types, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(w string) bool {
		term := w
		if c.format != FormatSelective {
			term = w[strings.LastIndexAny(w, "#/")+1:]
		}
		return !slices.Contains(types, w) && !slices.Contains(types, term)
	})
}

// meanings returns types with IRIs in the place of the terms that a credential defines
// itself: these stand for anything.
func meanings(types []string, credential canon.Object) []string {
	value, _ := credential.Find("@context")
	contexts, _ := value.([]any)
	out := slices.Clone(types)
	for _, entry := range contexts {
		terms, _ := entry.(canon.Object)
		for i, name := range types {
			meaning, own := terms.Find(name)
			if !own {
				continue
			}
			if definition, ok := meaning.(canon.Object); ok {
				meaning, _ = definition.Find("@id")
			}
			out[i], _ = meaning.(string)
		}
	}
	return out
}

// matches says that a claim is there, with one of the values if any are stated.
func (q *claimQuery) matches(root canon.Object) bool {
	selected := []any{root}
	for _, step := range q.path {
		var ok bool
		if selected, ok = follow(selected, step); !ok || len(selected) == 0 {
			return false
		}
	}
	if q.values == nil {
		return true
	}
	return slices.ContainsFunc(selected, func(v any) bool {
		switch v.(type) {
		case string, bool, float64:
			return slices.Contains(q.values, v)
		}
		return false
	})
}

// follow takes one step of a claims path (OpenID4VP section 7.1).
func follow(selected []any, step any) (next []any, ok bool) {
	for _, v := range selected {
		if name, isName := step.(string); isName {
			o, isObject := v.(canon.Object)
			if !isObject {
				return nil, false
			}
			if member, found := o.Find(name); found {
				next = append(next, member)
			}
			continue
		}
		list, isList := v.([]any)
		if !isList {
			return nil, false
		}
		if step == nil {
			next = append(next, list...)
		} else if i := step.(int); i < len(list) {
			next = append(next, list[i])
		}
	}
	return next, true
}

// complete says whether the credentials with these ids are what was asked for.
// Errors: fault.InvalidValue.
func (q *query) complete(has map[string]bool) error {
	if q.sets == nil {
		for _, c := range q.credentials {
			if !has[c.id] {
				return fault.New(fault.InvalidValue, "%s is missing", c.id)
			}
		}
		return nil
	}
	for _, set := range q.sets {
		met := slices.ContainsFunc(set.options, func(option []string) bool {
			return !slices.ContainsFunc(option, func(id string) bool { return !has[id] })
		})
		if set.required && !met {
			return fault.New(fault.InvalidValue, "a set of credentials that is required is missing")
		}
	}
	return nil
}

package rdf

import (
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/piprate/json-gold/ld"
)

// maxWork bounds what canonicalising may cost: see work.
const maxWork = 100_000

// work refuses a dataset that is costly to canonicalise. RDFC-1.0 tells most nodes
// without a name apart by the quads that they stand in (section 4.6). From each of the
// others it walks to all that it is connected with, and at each takes those neighbours
// that look alike in every order (section 4.8): no walk has more nodes than there are
// such nodes, nor more orders than the product of those of all of them.
// Errors: fault.TooLarge.
func work(d *ld.RDFDataset) error {
	quads := map[string][]quad{} // by node without a name
	for name, list := range d.Graphs {
		graph := name
		if name == "@default" {
			graph = ""
		}
		for _, q := range list {
			put(quads, quad{text(q.Subject), q.Predicate.GetValue(), text(q.Object), graph})
		}
	}
	looks, alike := map[string]string{}, map[string]int{}
	for node, list := range quads {
		looks[node] = look(node, list)
		alike[looks[node]]++
	}
	nodes, orders := 0, 1
	for node, list := range quads {
		if alike[looks[node]] == 1 {
			continue
		}
		nodes++
		for _, neighbours := range around(node, list, looks) {
			for n := 2; n <= len(neighbours); n++ {
				if orders *= n; orders > maxWork {
					return errWork
				}
			}
		}
	}
	if nodes*nodes*orders > maxWork {
		return errWork
	}
	return nil
}

var errWork = fault.New(fault.TooLarge, "too many nodes without an id that look alike")

// quad is a quad as text. Nodes without a name begin with "_:", and nothing else does.
type quad struct{ subject, predicate, object, graph string }

func text(n ld.Node) string {
	if l, ok := n.(ld.Literal); ok {
		return `"` + l.Value + `"` + l.Datatype + "@" + l.Language
	}
	return n.GetValue()
}

func nameless(term string) bool { return strings.HasPrefix(term, "_:") }

func put(quads map[string][]quad, q quad) {
	var seen []string
	for _, term := range []string{q.subject, q.object, q.graph} {
		if nameless(term) && !slices.Contains(seen, term) {
			seen = append(seen, term)
			quads[term] = append(quads[term], q)
		}
	}
}

// look is what section 4.6 hashes of a node.
func look(node string, list []quad) string {
	mask := func(term string) string {
		switch {
		case term == node:
			return "_:a"
		case nameless(term):
			return "_:z"
		}
		return term
	}
	var lines []string
	for _, q := range list {
		lines = append(lines, strings.Join([]string{mask(q.subject), q.predicate, mask(q.object), mask(q.graph)}, "\n"))
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n\n")
}

// around groups a node's neighbours as section 4.8 does.
func around(node string, list []quad, looks map[string]string) map[string]map[string]bool {
	groups := map[string]map[string]bool{}
	for _, q := range list {
		for position, term := range map[string]string{"s" + q.predicate: q.subject, "o" + q.predicate: q.object, "g": q.graph} {
			if !nameless(term) || term == node {
				continue
			}
			key := position + "\n" + looks[term]
			if groups[key] == nil {
				groups[key] = map[string]bool{}
			}
			groups[key][term] = true
		}
	}
	return groups
}

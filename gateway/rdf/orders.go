package rdf

import (
	"maps"
	"slices"
	"strconv"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// orders bounds the work of canonicalising an expanded document: nodes without an id that
// one property of one node leads to are told apart by their surroundings alone, and are
// looked at in every order.
func orders(expanded any) error {
	return (&counter{orders: 1}).graph(expanded)
}

// counter counts the orders.
type counter struct {
	orders int
	nodes  int // without an id, so far
	alike  map[property]int
}

// property is one of a node, in one graph. Nodes with one id are one node, wherever they
// stand in the graph.
type property struct{ node, name, graph string }

// graph counts within a graph.
func (c *counter) graph(nodes any) error {
	outer := c.alike
	c.alike = map[property]int{}
	defer func() { c.alike = outer }()
	return c.values(property{}, nodes)
}

// values counts what a property leads to.
func (c *counter) values(p property, value any) error {
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	for _, e := range list {
		node, ok := e.(map[string]any)
		if !ok {
			continue
		}
		if _, literal := node["@value"]; literal {
			continue
		}
		if err := c.node(p, node); err != nil {
			return err
		}
	}
	return nil
}

// node counts a node, a graph or a list.
func (c *counter) node(p property, node map[string]any) error {
	name, _ := node["@id"].(string)
	inner, isGraph := node["@graph"]
	if isGraph { // a graph has the name of what stands in it, and that alone
		if nodes, _ := inner.([]any); len(nodes) == 1 {
			only, _ := nodes[0].(map[string]any)
			p.graph, _ = only["@id"].(string)
		}
	}
	if name == "" {
		c.nodes++
		c.alike[p]++
		if c.orders *= c.alike[p]; c.orders > maxOrders {
			return fault.New(fault.TooLarge, "too many nodes without an id")
		}
		name = "_:" + strconv.Itoa(c.nodes) // of this node alone: no document has such names
	}
	if isGraph {
		if err := c.graph(inner); err != nil {
			return err
		}
	}
	for _, member := range slices.Sorted(maps.Keys(node)) {
		if member == "@graph" {
			continue
		}
		if err := c.values(property{node: name, name: member}, node[member]); err != nil {
			return err
		}
	}
	return nil
}

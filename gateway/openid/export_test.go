package openid

import (
	"strconv"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
)

func readQuery(text string) (*query, error) {
	o, err := canon.ParseObject([]byte(text))
	if err != nil {
		return nil, err
	}
	return parseQuery(o)
}

// Satisfied compares a credential with the query of that id.
func Satisfied(query, id string, types []string, credential string) error {
	q, err := readQuery(query)
	if err != nil {
		return err
	}
	root, err := canon.ParseObject([]byte(credential))
	if err != nil {
		return err
	}
	c := q.find(id)
	if c == nil {
		return nil
	}
	return c.satisfied(types, root)
}

// Complete says whether the credentials with these ids are enough.
func Complete(query string, ids ...string) error {
	q, err := readQuery(query)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, id := range ids {
		has[id] = true
	}
	return q.complete(has)
}

// ReadProof reads a proof of possession.
func ReadProof(compact string) error {
	_, err := readProof(compact)
	return err
}

// Answers says how many of n requests that are open may each get an answer of size bytes.
func Answers(n, size int) (taken int) {
	t := newTable[request]()
	for i := range n {
		if t.add(strconv.Itoa(i), request{}, 0, time.Now().Add(time.Hour)) != nil {
			return taken
		}
	}
	for i := range n {
		if t.reserve(strconv.Itoa(i), size) {
			taken++
		}
	}
	return taken
}

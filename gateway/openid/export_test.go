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

// Requests are requests of owners for a minute.
type Requests struct{ table *table[request] }

// NewRequests returns a table without a request.
func NewRequests() Requests { return Requests{newTable[request]()} }

// Open says how many more requests of an owner are taken, up to n, and drops those.
func (r Requests) Open(owner string, n int, keep bool) (taken int) {
	for i := range n {
		if r.table.add(owner+strconv.Itoa(i), owner, request{}, 0, time.Now().Add(time.Minute)) != nil {
			break
		}
		taken++
	}
	for i := range taken {
		if !keep {
			r.table.remove(owner + strconv.Itoa(i))
		}
	}
	return taken
}

// Answers says how many of the first n requests of an owner may get an answer of size bytes.
func (r Requests) Answers(owner string, n, size int) (taken int) {
	for i := range n {
		if r.table.reserve(owner+strconv.Itoa(i), size) {
			taken++
		}
	}
	return taken
}

// Held says what is accounted for, over all owners and altogether.
func (r Requests) Held() (owners, bytes int) {
	for _, of := range r.table.of {
		bytes += of.bytes
	}
	if bytes != r.table.bytes {
		return -1, bytes
	}
	return len(r.table.of), bytes
}

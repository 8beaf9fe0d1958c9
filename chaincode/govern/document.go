package govern

import (
	"fmt"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// document is a value that is in force where its newest change is stored, and nowhere
// else: who obeys it reads the head of its subject.
type document[V any] struct {
	founded V
	none    bool     // there is none before the first change
	fields  []string // that it must have; nil for an array
	check   func(n *Network, v V) error
}

// read returns the value before the first change; later ones are in the head.
func (d document[V]) read(*ledger.Tx, *Network, string) ([]byte, error) {
	if d.none {
		return []byte(none), nil
	}
	return canon.Marshal(d.founded)
}

// set checks a value. Errors: fault.InvalidValue and the codes of bad forms.
func (d document[V]) set(_ *ledger.Tx, n *Network, _ Clock, _ string, value []byte) ([]byte, error) {
	var v V
	var err error
	if d.fields == nil {
		v, err = decodeValue[V](value)
	} else {
		err = canon.Decode(value, &v, d.fields...)
	}
	if err != nil {
		return nil, err
	}
	if err := d.check(n, v); err != nil {
		return nil, err
	}
	return canon.Marshal(v)
}

// inForce reads the value of a document, and by which change it came in force: 0 when it
// is what the ledger was founded with.
func inForce[V any](tx *ledger.Tx, subject string, founded V) (v V, number uint64, err error) {
	return changed(tx, HeadKey(subject), founded)
}

// changed reads the value in a stored change, or returns what stands in its place when
// there is none.
func changed[V any](tx *ledger.Tx, key string, absent V) (v V, number uint64, err error) {
	var c Change
	if err := readJSON(tx, key, &c); err != nil || c.Subject == "" {
		return absent, 0, err
	}
	if err := decodeStored(c.Value, &v); err != nil {
		return v, 0, fmt.Errorf("stored %s: %v", key, err)
	}
	return v, c.Number, nil
}

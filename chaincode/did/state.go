package did

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// State is what the ledger holds for a DID under did/<id>, and of its former
// versions under didv/<id>/<version>.
type State struct {
	ID      string `json:"id"`
	Version uint32 `json:"version"` // from 1
	Prior   string `json:"prior"`   // hex hash of the version before, empty of the first
	// Created and Updated are the references of the operations that made the first
	// version and this one; CreatedAt and UpdatedAt are the times of these versions:
	// what their transactions claimed, but never before the version before.
	Created     string `json:"created"`
	CreatedAt   uint64 `json:"createdAt"`
	Updated     string `json:"updated"`
	UpdatedAt   uint64 `json:"updatedAt"`
	Deactivated bool   `json:"deactivated"`
	// Deactivation is what the checkpoints' clock must have counted before the pending
	// deactivation may be completed; 0 when none is pending.
	Deactivation uint64         `json:"deactivation"`
	Document     jsontext.Value `json:"document"`
	// Root is the identity root over what is linked, in hex, empty without any.
	Root string `json:"root"`
}

// DecodeState reads a stored value. An error means that state is damaged.
func DecodeState(value []byte) (*State, error) {
	state := new(State)
	if err := canon.Decode(value, state); err != nil {
		return nil, fmt.Errorf("stored DID: %v", err) // no refusal: state is damaged
	}
	return state, nil
}

// Read returns the state of a DID. Errors: fault.DIDUnknown.
func Read(tx *ledger.Tx, id ledger.ID) (*State, []byte, error) {
	value, err := tx.Get(Key(id))
	if err != nil {
		return nil, nil, err
	}
	if value == nil {
		return nil, nil, fault.New(fault.DIDUnknown, "no DID with the id %s", id)
	}
	state, err := DecodeState(value)
	return state, value, err
}

// document returns the document, which is not checked again.
func (s *State) document() (*Document, error) {
	doc := new(Document)
	if err := canon.Decode(s.Document, doc); err != nil {
		return nil, fmt.Errorf("stored document of %s: %v", s.ID, err) // no refusal: state is damaged
	}
	return doc, nil
}

// write keeps the version that is stored, and writes the state as the next one.
func (s *State) write(tx *ledger.Tx, call ledger.Call, id ledger.ID, stored []byte) error {
	tx.Put(VersionKey(id, s.Version), stored)
	s.Version++
	s.Prior = ledger.Version(stored)
	s.Updated, s.UpdatedAt = call.Ref.String(), max(s.UpdatedAt, tx.ClaimedTime())
	value, err := canon.Marshal(s)
	if err != nil {
		return err
	}
	tx.Put(Key(id), value)
	return nil
}

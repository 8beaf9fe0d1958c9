package govern

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// CurrentProgramKey is the state key of the chaincode program that all members
// are to run.
const CurrentProgramKey = "program/current"

const programPrefix = "program/"

// ProgramKey returns the state key of a program, given its digest.
func ProgramKey(digest string) string { return programPrefix + digest }

// Current names the program that was accepted last. Numbers count acceptances.
type Current struct {
	Number uint64 `json:"number"`
	Digest string `json:"digest"`
}

// Program is a chaincode program that was the current one at some time: SHA-256 of
// its file in hex, and the number of its last acceptance.
type Program struct {
	Digest string `json:"digest"`
	Number uint64 `json:"number"`
}

// accept makes a program the current one.
func accept(tx *ledger.Tx, p Program) error {
	if err := putJSON(tx, ProgramKey(p.Digest), p); err != nil {
		return err
	}
	return putJSON(tx, CurrentProgramKey, Current{p.Number, p.Digest})
}

func checkProgram(digest string) error {
	if _, err := canon.UnHex32(digest); err != nil {
		return fault.New(fault.InvalidValue, "program: %s", fault.Text(err))
	}
	return nil
}

// CurrentProgram returns the current program, zero before the ledger is founded.
func CurrentProgram(tx *ledger.Tx) (c Current, err error) {
	err = readJSON(tx, CurrentProgramKey, &c)
	return c, err
}

// ProgramView is the answer of govern:Program.
type ProgramView struct {
	// Running is the program of the endorser that answers, as it says itself; empty
	// where the ledger runs in another program than a service.
	Running  string    `json:"running"`
	Current  Current   `json:"current"`
	Programs []Program `json:"programs"` // at most 1,000, by digest
}

// AnswerProgram answers govern:Program for an endorser that runs a program.
// Errors: fault.NotInitialised.
func AnswerProgram(tx *ledger.Tx, running string) (*ProgramView, error) {
	if _, err := Load(tx); err != nil {
		return nil, err
	}
	current, err := CurrentProgram(tx)
	if err != nil {
		return nil, err
	}
	v := &ProgramView{Running: running, Current: current, Programs: []Program{}}
	entries, err := tx.Prefix(programPrefix, "", 1001)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Key == CurrentProgramKey {
			continue
		}
		var p Program
		if err := decodeStored(e.Value, &p); err != nil {
			return nil, fmt.Errorf("stored %s: %w", e.Key, err)
		}
		v.Programs = append(v.Programs, p)
	}
	return v, nil
}

// readJSON reads a stored value into v, which stays as it is when there is none.
func readJSON(tx *ledger.Tx, key string, v any) error {
	value, err := tx.Get(key)
	if value == nil || err != nil {
		return err
	}
	if err := decodeStored(value, v); err != nil {
		return fmt.Errorf("stored %s: %w", key, err)
	}
	return nil
}

func decodeStored(value []byte, v any) error {
	return json.Unmarshal(value, v, json.RejectUnknownMembers(true))
}

func putJSON(tx *ledger.Tx, key string, v any) error {
	value, err := canon.Marshal(v)
	if err != nil {
		return err
	}
	tx.Put(key, value)
	return nil
}

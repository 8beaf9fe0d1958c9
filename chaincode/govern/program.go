package govern

import (
	"fmt"
	"slices"

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

// Program is a chaincode program that members have approved: SHA-256 of its file
// in hex, when it was accepted last (0 is never) and by whom, and the approvals
// since then.
type Program struct {
	Digest    string   `json:"digest"`
	Number    uint64   `json:"number"`
	By        []string `json:"by"`
	Approvals []string `json:"approvals"`
}

// Approve is the request of govern:Approve.
type Approve struct {
	Program string `json:"program"`
}

// Apply counts the calling organisation's approval of a program. The K-th makes it
// the current one. One that was accepted before can come back in the same way.
// Errors: fault.NotMember unless the caller is an admin of a member,
// fault.InvalidValue, fault.AlreadyDone.
func (a *Approve) Apply(tx *ledger.Tx, n *Network) error {
	member, err := n.CallingMember(tx)
	if err != nil {
		return err
	}
	if tx.Caller().Role != "admin" {
		return fault.New(fault.NotMember, "only an admin approves a program")
	}
	if err := checkProgram(a.Program); err != nil {
		return err
	}
	current, err := CurrentProgram(tx)
	if err != nil {
		return err
	}
	p, err := readProgram(tx, a.Program)
	if err != nil {
		return err
	}
	if current.Digest == a.Program || slices.Contains(p.Approvals, member.MSP) {
		return fault.New(fault.AlreadyDone, "%s is the current program, or approved by %s", a.Program, member.MSP)
	}
	p.Approvals = append(p.Approvals, member.MSP)
	if len(p.Approvals) < n.K {
		return putJSON(tx, ProgramKey(a.Program), p)
	}
	return accept(tx, p, current.Number+1)
}

// accept makes a program the current one by those who have approved it.
func accept(tx *ledger.Tx, p Program, number uint64) error {
	p.Number, p.By, p.Approvals = number, p.Approvals, []string{}
	if err := putJSON(tx, ProgramKey(p.Digest), p); err != nil {
		return err
	}
	return putJSON(tx, CurrentProgramKey, Current{number, p.Digest})
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

func readProgram(tx *ledger.Tx, digest string) (Program, error) {
	p := Program{Digest: digest, By: []string{}, Approvals: []string{}}
	return p, readJSON(tx, ProgramKey(digest), &p)
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
		if err := json.Unmarshal(e.Value, &p, json.RejectUnknownMembers(true)); err != nil {
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
	if err := json.Unmarshal(value, v, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("stored %s: %w", key, err)
	}
	return nil
}

func putJSON(tx *ledger.Tx, key string, v any) error {
	value, err := canon.Marshal(v)
	if err != nil {
		return err
	}
	tx.Put(key, value)
	return nil
}

package opstest

import (
	"encoding/json"
	"slices"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Step is a function that an organisation calls in a file of vectors: its answer, and
// what it writes.
type Step struct {
	Name     string          `json:"name"`
	Time     uint64          `json:"time,omitempty"` // of checkpoint/head, where the player sets it
	MSP      string          `json:"msp"`
	Role     string          `json:"role"`
	Function string          `json:"function"`
	Request  json.RawMessage `json:"request"`
	Code     string          `json:"code"`
	Answer   string          `json:"answer,omitempty"`
	Writes   [][2]string     `json:"writes"` // key and value, which is empty for a delete
}

// Play runs a step and fills in what came of it.
func (w *World) Play(s *Step) {
	before := w.Store.Clone()
	answer, err := w.Invoke(ledger.Caller{MSP: s.MSP, Role: s.Role}, s.Function, []byte(s.Request))
	s.Code, s.Answer, s.Writes = fault.Of(err).String(), string(answer), [][2]string{}
	for _, e := range append(before.Entries(), w.Store.Entries()...) {
		was, _ := before.Get(e.Key)
		is, _ := w.Store.Get(e.Key)
		if write := [2]string{e.Key, string(is)}; string(was) != string(is) && !slices.Contains(s.Writes, write) {
			s.Writes = append(s.Writes, write)
		}
	}
}

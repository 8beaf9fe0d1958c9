package events_test

import (
	"testing"

	"github.com/killick-ledger/killick/gateway/events"
	"github.com/killick-ledger/killick/gateway/submit"
)

// EV-1: what a member alone has peers find valid, under the chaincode's name and into its own
// collection, is no event and stops no stream.
func TestOfOneMember(t *testing.T) {
	item := []byte("\x01\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00")
	for name, tx := range map[string]submit.Committed{
		"no batch":       {Args: [][]byte{[]byte("ops:Batch"), []byte("none")}},
		"no operation":   {Args: [][]byte{[]byte("ops:Apply"), []byte("none")}},
		"another answer": {Args: [][]byte{[]byte("ops:Batch"), item}, Response: []byte("of other items")},
	} {
		tx.Valid = true
		if found, err := events.Of(9, &tx); err != nil || len(found) != 0 {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}

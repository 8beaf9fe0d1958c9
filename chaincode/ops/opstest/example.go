package opstest

import (
	"fmt"
	"maps"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// Example is an operation that is done if nothing is made wrong about it. What is
// made wrong, and measured, of every operation begins with one.
type Example struct {
	By       *User // alice if nil
	Recovery bool  // its recovery key signs
	Body     ops.Body
	Prior    string
	// Codes are those of kinds of bad input that have another one than of most
	// operations, each by its name as the test of all kinds prints it; fault.OK of a
	// kind that is not bad here.
	Codes map[string]fault.Code
}

// Signer signs the example.
func (e *Example) Signer() Signer {
	if e.Recovery {
		return e.By.With(e.By.Recovery, did.RecoveryFragment)
	}
	return e.By
}

// Scene is a ledger on which each example is done as long as none of the others
// was: all of them are to be applied to copies of it.
type Scene struct {
	*World
	Alice *User // an accredited issuer with money
	Bob   *User // another DID, about which operations of alice are
	Carol *User // a DID that has to do with nothing
	Gone  *User // a DID that is deactivated
	// Examples are those of all operations, by their names.
	Examples map[string]*Example

	working *working
}

// NewScene returns the scene at a time, in seconds since 1970. It fails the test
// for an operation without an example.
func NewScene(t testing.TB, now uint64) *Scene {
	t.Helper()
	s := &Scene{Alice: NewUser("alice"), Bob: NewUser("bob"), Carol: NewUser("carol"), Gone: NewUser("gone"), Examples: map[string]*Example{}}
	s.World = New(t, s.Alice)
	s.Now = now
	for _, u := range []*User{s.Alice, s.Bob, s.Carol, s.Gone} {
		s.Create(u)
	}
	s.Do(s.Gone.With(s.Gone.Recovery, did.RecoveryFragment), &ops.DIDDeactivate{Key: s.Gone.Recovery.Multikey}, "")
	s.Fund(s.Alice, 1000)
	for _, name := range ops.Names() {
		prepare, ok := examples[name]
		if !ok {
			t.Errorf("chaincode/ops/opstest has no example of %s", name)
			continue
		}
		e := prepare(s)
		if e.By == nil {
			e.By = s.Alice
		}
		s.Examples[name] = e
	}
	return s
}

// Item signs the example.
func (s *Scene) Item(e *Example) (ops.Item, ops.Reference) {
	return s.Sign(e.Signer(), e.Body, e.Prior)
}

// Version returns the hash of what is stored under a key: the prior of who replaces it.
func (s *Scene) Version(key string) string {
	value, err := s.Store.Get(key)
	if err != nil {
		panic(err) // memory does not fail
	}
	return ledger.Version(value)
}

var digest = canon.Hex(Seed("digest"))

// examples prepare the scene for each operation, by its name, and return its example.
// What they do must leave the other examples good.
var examples = func() map[string]func(*Scene) *Example {
	all := map[string]func(*Scene) *Example{}
	for _, of := range []map[string]func(*Scene) *Example{didExamples, credentialExamples, recordExamples, rewardExamples, attestExamples, jobExamples} {
		maps.Copy(all, of)
	}
	return all
}()

// Apply runs the operation on a copy of the scene and returns its response byte.
func (s *Scene) Apply(item ops.Item) (fault.Code, error) {
	frame, err := ops.EncodeFrame([]ops.Item{item})
	if err != nil {
		return 0, err
	}
	tx := ledger.Begin(s.Store, s.Now, s.Members[0].Caller())
	answer, err := s.Engine.Invoke(tx, "ops:Batch", [][]byte{frame})
	if err != nil || len(answer) != 1 {
		return 0, fmt.Errorf("batch of one: answer %x, %w", answer, err)
	}
	return fault.Code(answer[0]), nil
}

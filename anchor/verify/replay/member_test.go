package replay_test

import (
	"testing"

	"github.com/killick-ledger/killick/anchor/verify/verifytest"
)

// Validation codes of Fabric, which peers gave to transactions like those below.
const (
	invalidWriteSet  = 24
	invalidChaincode = 25
	invalidOther     = 255
)

// What Fabric lets one member do by itself, however odd, accuses nobody.
func TestOneMember(t *testing.T) {
	tests := []struct {
		name string
		odd  func(s *story, m *verifytest.Member)
	}{
		{"a chaincode that nobody defined", func(s *story, m *verifytest.Member) {
			for _, code := range []byte{invalidChaincode, invalidWriteSet, invalidOther} {
				s.Add([]byte{code}, s.Tx(&verifytest.Proposal{Chaincode: "nowhere", Function: "f"}, m))
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStory(t)
			tt.odd(s, s.Members[0])
			s.honest(s.pay(s.alice, s.bob, 2))
			if r, err := s.run(enough); err != nil || r.Difference != nil {
				t.Errorf("%v, %v", err, r.Difference)
			}
		})
	}
}

package opstest

import (
	"github.com/killick-ledger/killick/chaincode/ops"
)

var attestExamples = map[string]func(*Scene) *Example{
	"attest.use": func(s *Scene) *Example {
		ref, _ := s.record("to be used")
		grant := s.Do(s.Alice, s.allow(ref), "").String()
		s.Fund(s.Bob, 100)
		return &Example{By: s.Bob, Body: &ops.AttestUse{
			Grant: grant, Record: ref, Version: 1, Owner: s.Alice.DID, Operation: "read", Path: "/lab/blood", Asset: "usd", Price: 5, For: "an example",
		}}
	},
}

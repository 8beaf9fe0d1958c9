package opstest

import (
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/record"
)

var recordExamples = map[string]func(*Scene) *Example{
	"record.submit": func(*Scene) *Example {
		return &Example{Body: Submit("the content of a record"), Codes: anySize}
	},
	"record.amend": func(s *Scene) *Example {
		ref, prior := s.record("to be amended")
		return &Example{Body: &ops.RecordAmend{Record: ref, Schema: "plain", Commitment: digest, Size: 1, Location: "https://example.org/"}, Prior: prior, Codes: anySize}
	},
	"record.delete": func(s *Scene) *Example {
		ref, prior := s.record("to be deleted")
		return &Example{Body: &ops.RecordDelete{Record: ref}, Prior: prior}
	},
	"record.allow": func(s *Scene) *Example {
		ref, _ := s.record("to be granted")
		return &Example{Body: s.allow(ref)}
	},
	"record.withdraw": func(s *Scene) *Example {
		ref, _ := s.record("granted")
		return &Example{Body: &ops.RecordWithdraw{Grant: s.Do(s.Alice, s.allow(ref), "").String()}}
	},
}

// allow is the body of a grant of a record to bob.
func (s *Scene) allow(ref string) *ops.RecordAllow {
	uses := uint64(2)
	return &ops.RecordAllow{
		Record: ref, Client: s.Bob.DID, Operation: "read", Scope: []string{"/lab"}, Asset: "usd", Price: 5, Expires: s.Now + 86400, Uses: &uses,
	}
}

// anySize says that content may have any size that is a number.
var anySize = map[string]fault.Code{"out of range: payload/body/size": fault.OK}

// record submits a record of alice and returns its reference and version.
func (s *Scene) record(content string) (ref, version string) {
	ref = s.Do(s.Alice, Submit(content), "").String()
	return ref, s.Version(record.Key(ref))
}

package opstest

import (
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
)

var credentialExamples = map[string]func(*Scene) *Example{
	"credential.schema": func(*Scene) *Example {
		return &Example{Body: &ops.CredentialSchema{Name: "diploma", Digest: digest}}
	},
	"credential.issue": func(s *Scene) *Example {
		return &Example{Body: s.issue(s.schema(), 0), Codes: map[string]fault.Code{
			"out of range: payload/body/validUntil": fault.OK,
			"out of range: payload/body/validFrom":  fault.InvalidValue, // not before validUntil
		}}
	},
	"credential.revoke": func(s *Scene) *Example {
		ref, prior := s.issued(1)
		return &Example{Body: &ops.CredentialRevoke{Credential: ref}, Prior: prior}
	},
	"credential.suspend": func(s *Scene) *Example {
		ref, prior := s.issued(2)
		return &Example{Body: &ops.CredentialSuspend{Credential: ref}, Prior: prior}
	},
	"credential.reinstate": func(s *Scene) *Example {
		ref, prior := s.issued(3)
		s.Do(s.Alice, &ops.CredentialSuspend{Credential: ref}, prior)
		return &Example{Body: &ops.CredentialReinstate{Credential: ref}, Prior: s.Version(credential.Key(ref))}
	},
}

// schema is the reference of a schema of alice.
func (s *Scene) schema() string {
	return s.Do(s.Alice, &ops.CredentialSchema{Name: "membership", Digest: digest}, "").String()
}

// issue is the body of a credential with an entry of the status lists.
func (s *Scene) issue(schema string, entry uint32) *ops.CredentialIssue {
	return &ops.CredentialIssue{
		Schema: schema, Digest: digest, ValidFrom: s.Now, ValidUntil: s.Now + 1000, Evidence: "provider", Endorser: s.Bob.DID, List: 1, Index: entry,
	}
}

// issued issues a credential and returns its reference and version.
func (s *Scene) issued(entry uint32) (ref, version string) {
	ref = s.Do(s.Alice, s.issue(s.schema(), entry), "").String()
	return ref, s.Version(credential.Key(ref))
}

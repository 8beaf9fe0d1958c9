package opstest

import (
	"fmt"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
)

var didExamples = map[string]func(*Scene) *Example{
	"did.create": func(*Scene) *Example {
		u := NewUser("newcomer")
		return &Example{
			By: u, Body: &ops.DIDCreate{Document: u.Doc, Links: []did.Link{u.Link("eip155:1337")}, Payout: u.Account("eip155:1337").String()},
			Codes: map[string]fault.Code{"out of range: payload/body/links/0/proof": fault.BadProof},
		}
	},
	"did.update": func(s *Scene) *Example {
		return &Example{Body: &ops.DIDUpdate{Document: Document("k2", NewKey("next", did.ES256))}, Prior: s.Version(did.Key(s.Alice.ID))}
	},
	"did.recover": func(s *Scene) *Example {
		document := Recoverable(NewKey("spare", did.EdDSA), "k2", NewKey("next", did.EdDSA))
		return &Example{Recovery: true, Body: &ops.DIDRecover{Key: s.Alice.Recovery.Multikey, Document: document}}
	},
	"did.deactivate": func(s *Scene) *Example {
		return &Example{Recovery: true, Body: &ops.DIDDeactivate{Key: s.Alice.Recovery.Multikey}}
	},
	"did.complete": func(s *Scene) *Example {
		leaving := NewUser("leaving")
		s.Create(leaving)
		s.SetElapsed(0)
		s.Do(leaving, &ops.DIDDeactivate{}, "")
		s.SetElapsed(did.Delay)
		return &Example{Body: &ops.DIDComplete{DID: leaving.DID}}
	},
	"did.link": func(s *Scene) *Example {
		return &Example{
			Body: s.LinkNow(s.Alice, "eip155:1337"), Prior: s.Prior(s.Alice),
			Codes: map[string]fault.Code{"out of range: payload/body/proof": fault.BadProof},
		}
	},
	"did.unlink": func(s *Scene) *Example {
		u := NewUser("linked")
		s.Create(u, "eip155:1337")
		identity := u.Hidden(did.KindAccount, u.Account("eip155:1337").String())
		return &Example{By: u, Body: &ops.DIDUnlink{Leaf: identity.Leaf(Network, u.ID).String()}, Prior: s.Prior(u)}
	},
	"did.prefer": func(s *Scene) *Example {
		u := NewUser("choosing")
		s.Create(u, "eip155:1337", "tron:0x2b6653dc")
		return &Example{By: u, Body: &ops.DIDPrefer{Payout: u.Account("tron:0x2b6653dc").String()}}
	},
	"did.bind": func(s *Scene) *Example {
		first, second := NewUser("first verifier"), NewUser("second verifier")
		for i, u := range []*User{first, second} {
			s.Create(u)
			s.Decide("verifier/"+u.ID.String(), fmt.Sprintf(`{"organisation":"Org%dMSP"}`, i+1))
		}
		tag := canon.Hex(Seed("a person"))
		s.Do(first, &ops.DIDBind{DID: s.Bob.DID, Tag: tag}, "")
		return &Example{By: second, Body: &ops.DIDBind{DID: s.Bob.DID, Tag: tag}}
	},
}

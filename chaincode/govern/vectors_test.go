package govern_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// Made by: go test ./chaincode/govern -run Vectors -update
const vectorFile = "../../docs/formats/vectors/govern.json"

// vectors is a history that any implementation can play: founding by Org1MSP, then
// functions in their order, each with its answer and what it writes.
type vectors struct {
	Comment  string         `json:"comment"`
	Founding govern.Init    `json:"founding"`
	Steps    []opstest.Step `json:"steps"`
}

// player plays functions on a ledger.
type player struct {
	*opstest.World
	t *testing.T
}

// newPlayer returns a ledger that was founded with an issuer.
func newPlayer(t *testing.T) (*player, govern.Init) {
	issuer := opstest.NewUser("vector issuer")
	p := &player{opstest.New(t, issuer), t}
	return p, p.Founding(issuer)
}

// play runs a step at its time and fills in what came of it.
func (p *player) play(s *opstest.Step) {
	p.t.Helper()
	head, err := canon.Marshal(checkpoint.Checkpoint{Number: 1, Size: 1, Root: strings.Repeat("0", 64), Time: s.Time, Signers: []string{}})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.Store.Put(checkpoint.HeadKey, head); err != nil {
		p.t.Fatal(err)
	}
	p.Play(s)
}

// maker makes the vectors.
type maker struct {
	*player
	v    vectors
	time uint64
}

func (m *maker) step(name, msp, role, function string, request any) opstest.Step {
	m.t.Helper()
	raw, err := canon.Marshal(request)
	if err != nil {
		m.t.Fatal(err)
	}
	s := opstest.Step{Name: name, Time: m.time, MSP: msp, Role: role, Function: function, Request: raw}
	m.play(&s)
	m.v.Steps = append(m.v.Steps, s)
	return s
}

// propose returns the reference of the proposal that Org1MSP makes.
func (m *maker) propose(name, subject, value string, at uint64) string {
	m.t.Helper()
	s := m.step(name, "Org1MSP", "admin", "govern:Propose", govern.Propose{
		Subject: subject, Prior: history(m.World, subject).Version, Value: jsontext.Value(value), At: at, Expires: opstest.Start + 86400,
	})
	var made govern.Proposed
	if err := json.Unmarshal([]byte(s.Answer), &made); err != nil {
		m.t.Fatalf("%s: %s", name, s.Code)
	}
	return made.Proposal
}

// decide proposes a value and has it enacted.
func (m *maker) decide(subject, value string) {
	m.t.Helper()
	ref := m.propose("propose "+subject, subject, value, 0)
	m.step("second approval", "Org2MSP", "admin", "govern:Approve", govern.Approve{Proposal: ref})
	m.step("third approval", "Org3MSP", "admin", "govern:Approve", govern.Approve{Proposal: ref})
	m.step("enact "+subject, "Org4MSP", "client", "govern:Enact", govern.Enact{Proposal: ref, Approvals: []string{"Org1MSP", "Org2MSP", "Org3MSP"}})
}

func makeVectors(t *testing.T) vectors {
	p, founding := newPlayer(t)
	m := &maker{player: p, time: opstest.Start, v: vectors{
		Comment:  "What members decide, what it answers and what it writes. Made by go test ./chaincode/govern -run Vectors -update",
		Founding: founding,
	}}
	ref := m.propose("propose treasuries, for later", "treasuries", `[ "Org2MSP", "Org3MSP" ]`, opstest.Start+100)
	m.step("second approval", "Org2MSP", "admin", "govern:Approve", govern.Approve{Proposal: ref})
	m.step("again", "Org2MSP", "admin", "govern:Approve", govern.Approve{Proposal: ref})
	m.step("by a client", "Org3MSP", "client", "govern:Approve", govern.Approve{Proposal: ref})
	m.step("third approval", "Org3MSP", "admin", "govern:Approve", govern.Approve{Proposal: ref})
	m.step("withdrawn", "Org2MSP", "admin", "govern:Withdraw", govern.Withdraw{Proposal: ref})
	m.time += 100
	enact := govern.Enact{Proposal: ref, Approvals: []string{"Org1MSP", "Org2MSP", "Org3MSP"}}
	m.step("enact without a quorum", "Org4MSP", "client", "govern:Enact", enact)
	m.step("approved again", "Org2MSP", "admin", "govern:Approve", govern.Approve{Proposal: ref})
	m.time--
	m.step("enact too early", "Org4MSP", "client", "govern:Enact", enact)
	m.time++
	m.step("enact treasuries", "Org4MSP", "client", "govern:Enact", enact)
	m.step("enact again", "Org4MSP", "client", "govern:Enact", enact)
	m.step("propose in place of what was founded", "Org2MSP", "admin", "govern:Propose", govern.Propose{
		Subject: "treasuries", Prior: strings.Repeat("0", 64), Value: jsontext.Value(`[]`), Expires: opstest.Start + 86400,
	})
	m.decide("treasuries", `["Org1MSP"]`)
	m.decide("assets", `["usd","pts","eur"]`)
	m.decide("epochSeconds", `3600`)
	m.decide("heartbeatSeconds", `30`)
	m.decide("stopped", `["credential","reward"]`)
	m.decide("bound", `["usd"]`)
	tag := "tag/" + canon.Hex(opstest.Seed("vector tag"))
	m.step("release a tag that is bound to nobody", "Org1MSP", "admin", "govern:Propose", govern.Propose{
		Subject: tag, Prior: history(m.World, tag).Version, Value: jsontext.Value(`""`), Expires: opstest.Start + 30*86400,
	})
	m.decide("program", `"`+program("vector")+`"`)
	m.decide("issuer/"+opstest.NewUser("vector issuer").ID.String(), `{"schemas":["`+ledger.Reference{Expiry: 0x6553f100, ID: [32]byte{31: 1}}.String()+`"]}`)
	m.decide("issuer/"+opstest.NewUser("vector issuer").ID.String(), `{}`)
	m.decide("verifier/"+opstest.NewUser("vector bob").ID.String(), `{"organisation":"Org2MSP"}`)
	m.decide("operator/"+opstest.NewUser("vector bob").ID.String(), `{"organisation":"Org3MSP"}`)
	m.decide("licence/"+opstest.NewUser("vector bob").ID.String(), `{"organisation":"Org3MSP","pay":"`+opstest.NewUser("vector alice").DID+`"}`)
	m.decide("jobs", m.JSON(policy()))
	m.decide("tee/measurements", `[{"platform":"sgx","measurement":"`+strings.Repeat("ab", 32)+`","operation":"job.mean"}]`)
	m.decide("tee/roots", `[{"certificate":"`+certificate("vector")+`"}]`)
	m.decide("tee/policy", `{"statuses":["UpToDate","SWHardeningNeeded"],"minEvaluation":17}`)
	m.decide("chain/Org2MSP", `{"from":100,"length":1000,"tip":"`+canon.Hex(opstest.Seed("vector tip"))+`"}`)
	m.step("propose a chain for draws that may be waited for", "Org1MSP", "admin", "govern:Propose", govern.Propose{
		Subject: "chain/Org1MSP", Prior: history(m.World, "chain/Org1MSP").Version,
		Value: jsontext.Value(`{"from":4,"length":1,"tip":"` + canon.Hex(opstest.Seed("vector tip")) + `"}`), Expires: opstest.Start + 86400,
	})
	m.step("propose a simulated root", "Org1MSP", "admin", "govern:Propose", govern.Propose{
		Subject: "tee/roots", Prior: history(m.World, "tee/roots").Version,
		Value: jsontext.Value(`[{"certificate":"` + certificate("vector") + `","simulated":true}]`), Expires: opstest.Start + 86400,
	})
	m.decide("emission", m.JSON(fourYears(opstest.NewUser("vector alice").DID, 1_000_000)))
	next := append(slices.Clone(m.Members[:3]), opstest.NewMember(5))
	value := m.Membership(3, next...)
	m.decide("members", m.JSON(value))
	m.step("propose members while a set waits", "Org1MSP", "admin", "govern:Propose", govern.Propose{
		Subject: "members", Prior: history(m.World, "members").Version, Value: jsontext.Value(m.JSON(m.Membership(2, m.Members[:3]...))), Expires: opstest.Start + 86400,
	})
	m.step("propose a treasury that leaves", "Org1MSP", "admin", "govern:Propose", govern.Propose{
		Subject: "treasuries", Prior: history(m.World, "treasuries").Version, Value: jsontext.Value(`["Org4MSP"]`), Expires: opstest.Start + 86400,
	})
	return m.v
}

func TestVectors(t *testing.T) {
	canontest.GoldenJSON(t, vectorFile, "  ", makeVectors(t))
}

// The file alone, played on an empty ledger, gives what it says.
func TestVectorsPlay(t *testing.T) {
	var v vectors
	canontest.ReadJSON(t, vectorFile, &v)
	p, _ := newPlayer(t)
	p.Store = new(ledger.Memory)
	p.Must(p.Members[0].Caller(), "ops:Init", v.Founding)
	for _, s := range v.Steps {
		want := s
		p.play(&s)
		if diff := cmp.Diff(want, s); diff != "" {
			t.Errorf("%s: %s", s.Name, diff)
		}
	}
}

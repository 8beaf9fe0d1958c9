package checkpoint_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// Made by: go test ./chaincode/checkpoint -run Vectors -update
const vectorFile = "../../docs/formats/vectors/rotation.json"

// vectors is a rotation that any implementation can play: founding by Org1MSP, then
// functions in their order, each with its answer and what it writes; and everything that
// is hashed and signed for it.
type vectors struct {
	Comment    string           `json:"comment"`
	Founding   govern.Init      `json:"founding"`
	Steps      []opstest.Step   `json:"steps"`
	Possession vectorPossession `json:"possession"`
	Sets       []vectorSet      `json:"sets"`
	Rotation   string           `json:"rotationDigest"`
}

// vectorPossession is what the keys of the member that joins sign.
type vectorPossession struct {
	Text      string            `json:"text"`
	Keccak256 string            `json:"keccak256"`
	Proof     govern.Possession `json:"proof"`
}

type vectorSet struct {
	Version  uint64 `json:"version"`
	From     uint64 `json:"from"`
	Hash     string `json:"hash"`
	List     string `json:"list"`
	ListHash string `json:"listHash"`
}

type maker struct {
	*opstest.World
	t *testing.T
	v vectors
}

func (m *maker) step(name string, by opstest.Member, function string, request any) {
	caller := by.Caller()
	if function == "govern:Propose" || function == "govern:Approve" {
		caller = by.Admin()
	}
	s := opstest.Step{Name: name, MSP: caller.MSP, Role: caller.Role, Function: function, Request: []byte(m.JSON(request))}
	m.Play(&s)
	m.v.Steps = append(m.v.Steps, s)
}

// point has members cosign a point, and then has it accepted.
func (m *maker) point(size, time uint64, members ...opstest.Member) checkpoint.Accept {
	a := checkpoint.Accept{Size: size, Root: canon.Hex(root[:]), Time: time}
	for _, by := range members {
		m.step("cosign", by, "checkpoint:Cosign", m.Cosign(by, size, root, time))
		a.Signers = append(a.Signers, by.MSP)
	}
	m.step("accept", members[0], "checkpoint:Accept", a)
	return a
}

func makeVectors(t *testing.T) vectors {
	m := &maker{World: opstest.New(t), t: t}
	m.v.Comment = "A rotation of the member set on the ledger. Made by go test ./chaincode/checkpoint -run Vectors -update"
	m.v.Founding = m.Founding()
	old, five := slices.Clone(m.Members), opstest.NewMember(5)
	next := []opstest.Member{old[0], old[1], old[2], five}
	m.point(7, opstest.Start, old[:3]...)

	var h govern.HistoryView
	m.Read("govern:History", govern.HistoryQuery{Subject: "members"}, &h)
	m.step("propose", old[0], "govern:Propose", govern.Propose{
		Subject: "members", Prior: h.Version, Value: jsontext.Value(m.JSON(m.Membership(3, next...))), Expires: opstest.Start + 86400,
	})
	var made govern.Proposed
	if err := json.Unmarshal([]byte(m.v.Steps[len(m.v.Steps)-1].Answer), &made); err != nil {
		t.Fatal(err)
	}
	m.step("approve", old[1], "govern:Approve", govern.Approve(made))
	m.step("approve", old[2], "govern:Approve", govern.Approve(made))
	m.step("cosign in time", old[0], "checkpoint:Cosign", m.Cosign(old[0], 8, root, opstest.Start+1))
	m.step("enact", old[0], "govern:Enact", govern.Enact{Proposal: made.Proposal, Approvals: []string{"Org1MSP", "Org2MSP", "Org3MSP"}})
	m.step("cosign what is the next set's", old[1], "checkpoint:Cosign", m.Cosign(old[1], 8, root, opstest.Start+1))
	waiting := *m.Next()
	digest, err := network(t, m.World).RotationDigest(&waiting)
	if err != nil {
		t.Fatal(err)
	}
	m.v.Rotation = canon.Hex(digest[:])
	rotate := checkpoint.Rotate{Version: 2, Signers: []string{"Org4MSP", "Org1MSP", "Org2MSP"}}
	for _, by := range []opstest.Member{old[0], old[1], five, old[3]} {
		m.step("hand over", by, "checkpoint:SignRotation", m.SignRotation(by))
		m.step("rotate", by, "checkpoint:Rotate", rotate)
	}
	m.step("hand over too late", old[2], "checkpoint:SignRotation", checkpoint.SignRotation{Version: 2, Secp256k1: m.Cosign(old[2], 8, root, 1).Secp256k1})
	m.step("rotate again", old[2], "checkpoint:Rotate", rotate)
	m.step("cosign after leaving", old[3], "checkpoint:Cosign", m.Cosign(old[3], 8, root, opstest.Start+1))
	m.step("cosign a size of the set before", five, "checkpoint:Cosign", m.Cosign(five, 7, root, opstest.Start))
	m.point(8, opstest.Start+1, next[1:]...)
	m.step("all sets", five, "checkpoint:Sets", checkpoint.SetsQuery{})

	m.hashes(t, network(t, m.World), five)
	return m.v
}

func network(t *testing.T, w *opstest.World) *govern.Network {
	t.Helper()
	n, err := govern.Load(ledger.Begin(w.Store, w.Now, ledger.Caller{}))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (m *maker) hashes(t *testing.T, n *govern.Network, five opstest.Member) {
	sets, err := n.Sets(ledger.Begin(m.Store, m.Now, ledger.Caller{}), 0, 9)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sets {
		hash, err := s.Hash()
		if err != nil {
			t.Fatal(err)
		}
		list, listHash := "", s.ListHash()
		for _, member := range s.Members {
			list += member.Line()
		}
		m.v.Sets = append(m.v.Sets, vectorSet{s.Version, s.From, canon.Hex(hash[:]), list, canon.Hex(listHash[:])})
	}
	text := canon.PossessionText(opstest.LogID, five.Public().Line())
	keccak := canon.Keccak(text)
	m.v.Possession = vectorPossession{string(text), canon.Hex(keccak[:]), *five.Joining().Proof}
}

func TestVectors(t *testing.T) {
	canontest.GoldenJSON(t, vectorFile, "  ", makeVectors(t))
}

// The file alone, played on an empty ledger, gives what it says.
func TestVectorsPlay(t *testing.T) {
	var v vectors
	canontest.ReadJSON(t, vectorFile, &v)
	w := opstest.New(t)
	w.Store = new(ledger.Memory)
	w.Must(w.Members[0].Caller(), "ops:Init", v.Founding)
	for _, s := range v.Steps {
		want := s
		w.Play(&s)
		if diff := cmp.Diff(want, s); diff != "" {
			t.Errorf("%s: %s", s.Name, diff)
		}
	}
	var n ops.NetworkView
	if w.Read("ops:Network", nil, &n); n.SetVersion != 2 {
		t.Errorf("set version %d", n.SetVersion)
	}
}

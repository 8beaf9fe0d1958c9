package checkpoint_test

import (
	"encoding/json"
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

// Made by: go test ./chaincode/checkpoint -run DrawVectors -update
const drawFile = "../../docs/formats/vectors/draw.json"

// drawVectors are draws that any implementation can play: founding by Org1MSP, chains
// with their secrets, then functions in their order.
type drawVectors struct {
	Comment  string        `json:"comment"`
	Founding govern.Init   `json:"founding"`
	Chains   []vectorChain `json:"chains"`
	Steps    []drawStep    `json:"steps"`
}

type vectorChain struct {
	MSP    string `json:"msp"`
	Secret string `json:"secret"` // the last element
	govern.Chain
}

// drawStep is a step before which rounds begin to wait.
type drawStep struct {
	Waits []uint64 `json:"waits,omitempty"`
	opstest.Step
}

// thrower makes the vectors.
type thrower struct {
	*maker
	chains []*opstest.Chain
	waits  map[int][]uint64 // by step
	points uint64
}

func (m *thrower) wait(draw uint64) {
	m.waits[len(m.v.Steps)] = append(m.waits[len(m.v.Steps)], draw)
	m.Await(draw)
}

func (m *thrower) register(c *opstest.Chain) {
	m.t.Helper()
	var h govern.HistoryView
	subject := "chain/" + c.By.MSP
	m.Read("govern:History", govern.HistoryQuery{Subject: subject}, &h)
	m.step("propose a chain", c.By, "govern:Propose", govern.Propose{
		Subject: subject, Prior: h.Version, Value: jsontext.Value(m.JSON(c.Value())), Expires: opstest.Start + 86400,
	})
	var made govern.Proposed
	if err := json.Unmarshal([]byte(m.v.Steps[len(m.v.Steps)-1].Answer), &made); err != nil {
		m.t.Fatal(err)
	}
	enact := govern.Enact{Proposal: made.Proposal}
	for _, by := range m.Members {
		if by.MSP != c.By.MSP && len(enact.Approvals) < 3 {
			m.step("approve", by, "govern:Approve", govern.Approve(made))
		}
		if by.MSP == c.By.MSP || len(enact.Approvals) < 3 {
			enact.Approvals = append(enact.Approvals, by.MSP)
		}
	}
	m.step("enact", c.By, "govern:Enact", enact)
}

// to has checkpoints accepted up to the number.
func (m *thrower) to(number uint64) {
	for m.points < number {
		m.points++
		m.point(m.points, opstest.Start+m.points, m.Members[:3]...)
	}
}

func (m *thrower) element(name string, member int, draw uint64, of [32]byte) {
	m.step(name, m.Members[member], "checkpoint:Element", checkpoint.Publish{Draw: draw, Element: canon.Hex(of[:])})
}

func (m *thrower) draw(name string, draw uint64) {
	m.step(name, m.Members[3], "checkpoint:Draw", checkpoint.Draw{Draw: draw})
}

func makeDrawVectors(t *testing.T) drawVectors {
	m := &thrower{maker: &maker{World: opstest.New(t), t: t}, waits: map[int][]uint64{}}
	v := drawVectors{
		Comment:  "Draws on the ledger. Made by go test ./chaincode/checkpoint -run DrawVectors -update",
		Founding: m.Founding(),
	}
	m.to(1)
	const from, length = 5, 8
	for _, by := range m.Members {
		c := m.NewChain(by, from, length, "vector chain")
		m.register(c)
		m.chains = append(m.chains, c)
		last := c.Element(from + length - 1)
		v.Chains = append(v.Chains, vectorChain{by.MSP, canon.Hex(last[:]), c.Value()})
	}
	m.to(4)
	m.wait(5)
	m.element("too early", 0, 5, m.chains[0].Element(5))
	m.to(5)
	m.element("first element", 0, 5, m.chains[0].Element(5))
	m.element("again", 0, 5, m.chains[0].Element(5))
	m.element("of the next draw", 1, 5, m.chains[1].Element(6))
	m.element("of a draw that nobody waits for", 1, 4, m.chains[1].Element(5))
	m.element("second element", 1, 5, m.chains[1].Element(5))
	m.draw("too few, and more may come", 5)
	m.to(6)
	m.wait(7)
	m.to(7)
	m.element("an element of a later draw", 2, 7, m.chains[2].Element(7))
	m.element("and then of the one before", 2, 5, m.chains[2].Element(5))
	m.to(8)
	m.element("too late", 3, 5, m.chains[3].Element(5))
	m.draw("of three", 5)
	m.draw("again", 5)
	for i := range 4 {
		if i != 2 {
			m.element("element", i, 7, m.chains[i].Element(7))
		}
	}
	m.step("what waits", m.Members[0], "checkpoint:Draws", checkpoint.DrawsQuery{})
	m.draw("of all", 7)
	m.wait(9)
	m.to(12)
	m.draw("of nobody", 9)
	m.step("the first one", m.Members[0], "checkpoint:DrawAt", checkpoint.DrawQuery{Draw: 5})
	m.step("the one that never comes", m.Members[0], "checkpoint:DrawAt", checkpoint.DrawQuery{Draw: 9})
	for i, s := range m.v.Steps {
		v.Steps = append(v.Steps, drawStep{m.waits[i], s})
	}
	return v
}

func TestDrawVectors(t *testing.T) {
	canontest.GoldenJSON(t, drawFile, "  ", makeDrawVectors(t))
}

// The file alone, played on an empty ledger, gives what it says.
func TestDrawVectorsPlay(t *testing.T) {
	var v drawVectors
	canontest.ReadJSON(t, drawFile, &v)
	w := opstest.New(t)
	w.Store = new(ledger.Memory)
	w.Must(w.Members[0].Caller(), "ops:Init", v.Founding)
	for _, s := range v.Steps {
		for _, draw := range s.Waits {
			w.Await(draw)
		}
		want := s.Step
		w.Play(&s.Step)
		if diff := cmp.Diff(want, s.Step); diff != "" {
			t.Errorf("%s: %s", s.Name, diff)
		}
	}
	for _, c := range v.Chains {
		last, err := canon.UnHex32(c.Secret)
		if err != nil {
			t.Fatal(err)
		}
		if tip := canon.ChainWalk(opstest.Network, c.MSP, last, c.Length); canon.Hex(tip[:]) != c.Tip {
			t.Errorf("the secret of %s leads to %x", c.MSP, tip)
		}
	}
}

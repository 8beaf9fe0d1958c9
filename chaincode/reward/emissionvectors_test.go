package reward_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Made by: go test ./chaincode/reward -run EmissionVectors -update
const emissionFile = "../../docs/formats/vectors/emission.json"

type emissionVectors struct {
	Comment string          `json:"comment"`
	Network string          `json:"network"`
	Account string          `json:"account"` // of the programme
	Tables  []emissionTable `json:"tables"`
	State   [][2]string     `json:"state"` // keys and values, hex, before the steps
	Steps   []emissionStep  `json:"steps"`
}

type emissionTable struct {
	Policy govern.Emission `json:"policy"`
	Pools  []govern.Price  `json:"pools"` // of the days of each period
	Total  govern.Price    `json:"total"`
}

// emissionStep is ballots that are found right, or a step of the programme at a time.
type emissionStep struct {
	Right  []string    `json:"right,omitempty"` // DIDs of verifiers, who are paid themselves
	Time   uint64      `json:"time,omitempty"`
	Code   string      `json:"code"`
	Step   string      `json:"step,omitempty"`
	Day    uint64      `json:"day,omitempty"`
	Writes [][2]string `json:"writes"` // keys and values, hex
}

// do runs a step and fills in what came of it.
func (s *emissionStep) do(t *testing.T, m *mint) {
	t.Helper()
	before := m.Store.Clone()
	var e reward.Emitted
	m.time = s.Time
	run := m.emitting(&e)
	if len(s.Right) > 0 {
		var merits []reward.Merit
		for _, text := range s.Right {
			_, id, err := did.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			merits = append(merits, reward.Merit{Verifier: id, Payee: id})
		}
		run = func(tx *ledger.Tx, _ *govern.Network) error { return reward.Judged(tx, merits) }
	}
	s.Code = fault.Of(m.Run(run)).String()
	s.Step, s.Day, s.Writes = e.Step, e.Day, [][2]string{}
	for _, entry := range m.Store.Entries() {
		if was, _ := before.Get(entry.Key); string(was) != string(entry.Value) {
			s.Writes = append(s.Writes, [2]string{entry.Key, canon.Hex(entry.Value)})
		}
	}
}

func makeEmissionVectors(t *testing.T) *emissionVectors {
	m := newMint(t)
	v := &emissionVectors{
		Comment: "Pools of an emission programme, and what its steps write. Made by go test ./chaincode/reward -run EmissionVectors -update",
		Network: opstest.Network, Account: did.String(opstest.Network, reward.EmissionAccount(opstest.Network)),
	}
	tokens := govern.Emission{Asset: "usd", Start: opstest.Start, Days: 1440, Pool: 385_850_000_000, Unit: 1_000_000, DecayBasisPoints: 2500, PeriodDays: 180, Residue: m.residue.DID}
	micro := tokens
	micro.Unit = 1
	for _, e := range []govern.Emission{tokens, micro, m.policy} {
		table := emissionTable{Policy: e}
		for day := uint64(1); day <= e.Days; day += e.PeriodDays {
			table.Pools = append(table.Pools, e.DayPool(day))
		}
		var err error
		if table.Total, err = e.Sum(1, e.Days+1); err != nil {
			t.Fatal(err)
		}
		v.Tables = append(v.Tables, table)
	}
	m.endow(1500)
	for _, e := range m.Store.Entries() {
		v.State = append(v.State, [2]string{e.Key, canon.Hex(e.Value)})
	}
	at := func(day uint64) emissionStep { return emissionStep{Time: opstest.Start + (day-1)*86_400} }
	a, b, c := m.verifiers[0].DID, m.verifiers[1].DID, m.verifiers[2].DID
	for _, s := range []emissionStep{
		{Right: []string{a}}, at(0), at(1), {Right: []string{a, b}}, {Right: []string{b}}, at(1), at(2), {Right: []string{c}}, at(2), at(2),
		at(4), at(4), at(7), at(7),
	} {
		s.do(t, m)
		v.Steps = append(v.Steps, s)
	}
	m.Audit()
	return v
}

func TestEmissionVectors(t *testing.T) {
	canontest.GoldenJSON(t, emissionFile, " ", makeEmissionVectors(t))
}

// The file alone, played from its state, gives what it says.
func TestEmissionVectorsPlay(t *testing.T) {
	var v emissionVectors
	canontest.ReadJSON(t, emissionFile, &v)
	m := newMint(t)
	m.Store = new(ledger.Memory)
	for _, e := range v.State {
		if err := m.Store.Put(e[0], unhex(t, e[1])); err != nil {
			t.Fatal(err)
		}
	}
	codes := []string{}
	for i, want := range v.Steps {
		got := want
		got.do(t, m)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("step %d: %s", i, diff)
		}
		codes = append(codes, got.Code)
	}
	for _, code := range []string{"ok", "not_due", "insufficient_funds"} {
		if !slices.Contains(codes, code) {
			t.Errorf("no step ends %s: %q", code, codes)
		}
	}
}

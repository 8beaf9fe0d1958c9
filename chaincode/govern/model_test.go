package govern_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// naive is a second implementation of the rules, in maps: what is in force, how
// often it changed, and the proposals with who approves them. Org4MSP leaves and comes
// back: fourth says that it is a member, next that a set waits and whether it is in that.
type naive struct {
	now       uint64
	fourth    bool
	next      *bool
	fresh     bool // the set in force has no checkpoint of its own
	values    map[string]string
	numbers   map[string]int
	proposals map[string]*naiveProposal
}

type naiveProposal struct {
	by, subject, value string
	number             int // of the change in whose place it was made
	at, expires        uint64
	approvals          map[string]bool
	enacted            bool
}

// open says why a proposal cannot be decided, OK if it can.
func (n *naive) open(p *naiveProposal) fault.Code {
	switch {
	case p == nil:
		return fault.NotFound
	case p.enacted || n.now >= p.expires:
		return fault.Closed
	case n.numbers[p.subject] != p.number:
		return fault.StalePrior
	}
	return fault.OK
}

// k is how many members decide.
func (n *naive) k() int {
	if n.fourth {
		return 3
	}
	return 2
}

func (n *naive) member(msp string) bool { return msp != "Org4MSP" || n.fourth }

// membership is the verdict on a value of members: one that has or has not a proof of
// Org4MSP's keys, or does not have it.
func (n *naive) membership(value string) fault.Code {
	has, proof := strings.Contains(value, "Org4MSP"), strings.Contains(value, "proof")
	switch {
	case n.next != nil || n.fresh:
		return fault.NotDue
	case !has && n.values["treasuries"] == `["Org4MSP"]`, has && proof == n.fourth:
		return fault.InvalidValue
	}
	return fault.OK
}

// verdict says whether a value that has the right form may be put in force now.
func (n *naive) verdict(subject, value string) fault.Code {
	four := strings.Contains(value, "Org4MSP")
	switch {
	case subject == "members":
		return n.membership(value)
	case subject == "treasuries" && four && (!n.fourth || n.next != nil && !*n.next):
		return fault.InvalidValue
	case subject == "assets" && !strings.HasPrefix(value, strings.TrimSuffix(n.values["assets"], "]")):
		return fault.InvalidValue
	case strings.HasPrefix(subject, "verifier/") && four && !n.fourth:
		return fault.InvalidValue
	}
	return fault.OK
}

// propose says what becomes of a proposal; value is the verdict on its value alone.
func (n *naive) propose(p *naiveProposal, value fault.Code) fault.Code {
	switch {
	case !n.member(p.by):
		return fault.NotMember
	case n.now >= p.expires || p.expires-n.now > 90*86400 || p.at >= p.expires:
		return fault.InvalidValue
	case n.numbers[p.subject] != p.number:
		return fault.StalePrior
	case p.subject == "members" && (n.next != nil || n.fresh):
		return fault.NotDue
	case value != fault.OK:
		return value
	case n.verdict(p.subject, p.value) != fault.OK:
		return n.verdict(p.subject, p.value)
	case n.values[p.subject] == p.value:
		return fault.AlreadyDone
	}
	for _, q := range n.proposals { // word for word the same, by the same member
		if q.by == p.by && q.subject == p.subject && q.value == p.value && q.number == p.number && q.at == p.at && q.expires == p.expires {
			return fault.AlreadyDone
		}
	}
	return fault.OK
}

func (n *naive) approve(msp string, p *naiveProposal) fault.Code {
	if !n.member(msp) {
		return fault.NotMember
	}
	code := n.open(p)
	if code == fault.OK && p.approvals[msp] {
		return fault.AlreadyDone
	}
	if code == fault.OK {
		p.approvals[msp] = true
	}
	return code
}

func (n *naive) withdraw(msp string, p *naiveProposal) fault.Code {
	if !n.member(msp) {
		return fault.NotMember
	}
	code := n.open(p)
	if code == fault.OK && !p.approvals[msp] {
		return fault.NotFound
	}
	if code == fault.OK {
		delete(p.approvals, msp)
	}
	return code
}

func (n *naive) enact(by string, p *naiveProposal, named []string) fault.Code {
	code := n.open(p)
	switch {
	case !n.member(by):
		return fault.NotMember
	case code != fault.OK:
		return code
	case n.now < p.at:
		return fault.NotDue
	case len(named) < n.k():
		return fault.NoQuorum
	}
	for _, msp := range named {
		switch {
		case !n.member(msp):
			return fault.NotMember
		case !p.approvals[msp]:
			return fault.NoQuorum
		}
	}
	if code := n.verdict(p.subject, p.value); code != fault.OK {
		return code
	}
	p.enacted = true
	n.numbers[p.subject]++
	if p.subject == "members" {
		with := strings.Contains(p.value, "Org4MSP")
		n.next = &with
	} else {
		n.values[p.subject] = p.value
	}
	return fault.OK
}

// play is one schedule on the ledger and on the naive implementation beside it.
type play struct {
	*opstest.World
	t        *testing.T
	r        *rand.Rand
	n        *naive
	values   map[string][]string // that are good, and after them one that is not
	versions map[string][]string // by number
	refs     []string
	size     uint64
	all      []opstest.Member // also the one that has left
}

// GV-2, GV-3, RO-2: random schedules of proposals, approvals, withdrawals and enactments
// by members who err and lie end as they do in a naive implementation.
func TestAgainstModel(t *testing.T) {
	sets := 0
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := newPlay(t, seed)
			for range 400 {
				p.step()
			}
			p.compare()
			changes := 0
			for _, n := range p.n.numbers {
				changes += n
			}
			sets += p.n.numbers["members"]
			if changes < 3 {
				t.Errorf("%d changes came in force: the schedule tries nothing", changes)
			}
		})
	}
	if sets < 6 {
		t.Errorf("%d sets in all schedules: they try nothing", sets)
	}
}

func newPlay(t *testing.T, seed uint64) *play {
	u := opstest.NewUser("u").ID.String()
	p := &play{World: opstest.New(t), t: t, r: rand.New(rand.NewPCG(seed, 1)), n: &naive{
		values: map[string]string{
			"treasuries": `["Org1MSP"]`, "assets": `["usd","pts"]`, "stopped": `[]`, "epochSeconds": "60", "program": `"` + opstest.Program + `"`,
			"issuer/" + u: "{}", "verifier/" + u: "{}",
		},
		numbers: map[string]int{}, proposals: map[string]*naiveProposal{},
	}, values: map[string][]string{
		"treasuries":   {`["Org1MSP"]`, `["Org2MSP"]`, `["Org4MSP"]`, `[]`, `["Org9MSP"]`},
		"assets":       {`["usd","pts","eur"]`, `["usd","pts","eur","gbp"]`, `["usd","pts","gbp"]`, `["usd"]`},
		"stopped":      {`[]`, `["reward"]`, `["did","reward"]`, `["reward","did"]`},
		"epochSeconds": {"60", "61", "62", "0"}, "program": {`"` + program("a") + `"`, `"` + program("b") + `"`, `"c"`},
		"issuer/" + u:   {`{}`, `{"schemas":["*"]}`, `{"schemas":[]}`, `{"schemas":["x"]}`},
		"verifier/" + u: {`{}`, `{"organisation":"Org1MSP"}`, `{"organisation":"Org4MSP"}`, `{"organisation":"Org9MSP"}`},
	}, versions: map[string][]string{}}
	p.n.fourth, p.n.values["members"] = true, string(history(p.World, "members").Value)
	three := p.Membership(2, p.Members[:3]...)
	four := govern.Membership{K: 3, Members: append(slices.Clone(three.Members), p.Members[3].Joining())}
	p.values["members"] = []string{p.n.values["members"], p.JSON(three), p.JSON(four), p.JSON(govern.Membership{K: 1, Members: three.Members})}
	p.all = slices.Clone(p.Members)
	p.tick(0)
	for subject := range p.values {
		p.versions[subject] = []string{history(p.World, subject).Version}
	}
	return p
}

// tick moves the checkpoints' clock. While a set waits there are no checkpoints: the
// members hand over.
func (p *play) tick(seconds uint64) {
	if p.n.next != nil {
		p.n.fourth, p.n.next, p.n.fresh = *p.n.next, nil, true
		next := p.all[:3]
		if p.n.fourth {
			next = p.all
		}
		p.HandOver(p.Members[:3], next)
		p.n.values["members"] = p.JSON(p.Membership(p.n.k(), next...))
		return
	}
	p.n.fresh = false
	p.size++
	p.n.now = max(p.n.now, opstest.Start) + seconds
	p.Checkpoint(p.size, p.n.now)
}

func (p *play) step() {
	m := p.all[p.r.IntN(4)]
	ref := ledger.Reference{Expiry: 1}.String()
	if len(p.refs) > 0 && p.r.IntN(50) > 0 {
		ref = p.refs[len(p.refs)-1-min(p.r.IntN(len(p.refs)), p.r.IntN(8))]
	}
	switch what := p.r.IntN(20); {
	case what < 1:
		p.tick(1 + p.r.Uint64N(40))
	case what < 5:
		p.propose(m)
	case what < 13:
		p.same(m.Admin(), "govern:Approve", govern.Approve{Proposal: ref}, p.n.approve(m.MSP, p.n.proposals[ref]))
	case what < 15:
		p.same(m.Admin(), "govern:Withdraw", govern.Withdraw{Proposal: ref}, p.n.withdraw(m.MSP, p.n.proposals[ref]))
	default:
		p.enact(m, ref)
	}
}

func (p *play) propose(m opstest.Member) {
	subject := slices.Sorted(maps.Keys(p.values))[p.r.IntN(len(p.values))]
	values := p.values[subject]
	i := p.r.IntN(len(values))
	versions := p.versions[subject]
	number := len(versions) - 1
	if p.r.IntN(10) == 0 {
		number = p.r.IntN(len(versions))
	}
	q := &naiveProposal{
		by: m.MSP, subject: subject, value: values[i], number: number, at: p.n.now + p.r.Uint64N(60) - 20, expires: p.n.now + p.r.Uint64N(400),
		approvals: map[string]bool{m.MSP: true},
	}
	if p.r.IntN(20) == 0 {
		q.expires += 90 * 86400
	}
	verdict := fault.OK
	if i == len(values)-1 {
		verdict = fault.InvalidValue
	}
	answer := p.same(m.Admin(), "govern:Propose", govern.Propose{
		Subject: subject, Prior: versions[number], Value: jsontext.Value(q.value), At: q.at, Expires: q.expires,
	}, p.n.propose(q, verdict))
	if answer != nil {
		var made govern.Proposed
		if err := json.Unmarshal(answer, &made); err != nil {
			p.t.Fatal(err)
		}
		p.n.proposals[made.Proposal] = q
		p.refs = append(p.refs, made.Proposal)
	}
}

// enact names those who approve, or some members at random.
func (p *play) enact(m opstest.Member, ref string) {
	named := []string{}
	all := p.r.IntN(3) > 0
	for _, o := range p.all {
		q := p.n.proposals[ref]
		if all && q != nil && q.approvals[o.MSP] || !all && p.r.IntN(4) > 0 {
			named = append(named, o.MSP)
		}
	}
	code := p.n.enact(m.MSP, p.n.proposals[ref], named)
	p.same(m.Caller(), "govern:Enact", govern.Enact{Proposal: ref, Approvals: named}, code)
	if code == fault.OK {
		subject := p.n.proposals[ref].subject
		p.versions[subject] = append(p.versions[subject], history(p.World, subject).Version)
		p.compare()
	}
}

// same runs a function that has to end with the code.
func (p *play) same(caller ledger.Caller, function string, request any, code fault.Code) []byte {
	p.t.Helper()
	answer, err := p.Invoke(caller, function, request)
	if fault.Of(err) != code {
		p.t.Fatalf("%s by %s at %d: %v, want %v\n%+v", function, caller.MSP, p.n.now, err, code, request)
	}
	return answer
}

// compare compares everything that is in force, and how it came so.
func (p *play) compare() {
	p.t.Helper()
	for subject, want := range p.n.values {
		h := history(p.World, subject)
		if string(h.Value) != want || h.Version != p.versions[subject][p.n.numbers[subject]] {
			p.t.Errorf("%s is %s, want %s", subject, h.Value, want)
		}
		for i, c := range h.Changes {
			if c.Number != uint64(i) || i > 0 && len(c.Approvals) < 2 {
				p.t.Errorf("change %d of %s is %+v", i, subject, c)
			}
		}
	}
	var n ops.NetworkView
	p.Read("ops:Network", nil, &n)
	got := map[string]any{"treasuries": n.Treasuries, "assets": n.Assets, "stopped": n.Stopped, "epochSeconds": n.EpochSeconds}
	for subject, v := range got {
		if text, err := json.Marshal(v); err != nil || string(text) != p.n.values[subject] {
			p.t.Errorf("%s in force is %s, want %s", subject, text, p.n.values[subject])
		}
	}
}

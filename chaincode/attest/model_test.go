package attest_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// schedule plays random moves on the ledger and on the naive jobs.
type schedule struct {
	*jobs
	naive  *naive
	random *rand.Rand
	debug  *simulated.Platform
	refs   []ledger.Reference
	names  map[string]*opstest.User
	closed map[string]int
}

func newSchedule(start *jobs, t *testing.T, seed uint64) *schedule {
	bad := simulated.Default(tee.SGX, "jobs", opstest.Start)
	bad.SGX.Attributes[0] |= 2
	s := &schedule{
		jobs: start.clone(t), naive: newNaive(), random: rand.New(rand.NewPCG(seed, 35)), debug: simulated.New(bad), closed: map[string]int{},
	}
	s.names = map[string]*opstest.User{
		"consumer": s.Consumer, "operator": s.Operator, "treasury": s.Treasury, "residue": s.Residue,
		"first owner": s.Owners[0], "second owner": s.Owners[1],
	}
	for _, u := range s.Verifiers {
		s.names[u.DID] = u
	}
	s.naive.balance["consumer"], s.naive.balance["operator"] = 1_000_000, 1_000_000
	s.look()
	return s
}

// look tells the naive jobs what the newest checkpoint says.
func (s *schedule) look() {
	head := s.Head()
	s.naive.time, s.naive.elapsed, s.naive.head = head.Time, head.Elapsed, head.Number
}

func (s *schedule) same(what string, got, want fault.Code) {
	s.t.Helper()
	if got != want {
		s.t.Fatalf("%s: the ledger says %v, the naive one %v", what, got, want)
	}
}

func (s *schedule) do(by *opstest.User, body ops.Body) (ledger.Reference, fault.Code) {
	item, ref := s.Sign(by, body, "")
	return ref, fault.Code(s.Batch(item)[0])
}

// move makes one random move.
func (s *schedule) move(number int) {
	s.t.Helper()
	var active []int
	for i, j := range s.naive.jobs {
		if j.phase != "closed" {
			active = append(active, i)
		}
	}
	if len(active) == 0 || len(active) < 3 && s.random.IntN(8) == 0 {
		ref, code := s.do(s.Consumer, s.OpenBody(fmt.Sprint(number)))
		s.same("open", code, s.naive.open(ref.ID[:]))
		s.refs = append(s.refs, ref)
		return
	}
	k := s.random.IntN(len(s.refs)) // a job that is closed, as well
	if s.random.IntN(10) > 0 {
		k = active[s.random.IntN(len(active))]
	}
	ref, j := s.refs[k], s.naive.jobs[k]
	verifier := s.Verifiers[s.random.IntN(len(s.Verifiers))]
	if len(j.seats) > 0 && s.random.IntN(8) > 0 {
		verifier = s.names[j.seats[s.random.IntN(len(j.seats))]]
	}
	ballot := []attest.Verdict{valid, valid, valid, valid, valid, valid, malicious, invalid}[s.random.IntN(8)]
	if j.phase == "closed" && s.random.IntN(2) == 0 {
		s.after(ref, j)
		return
	}
	if b := j.committed[verifier.DID]; b != 0 && s.random.IntN(10) > 0 {
		ballot = attest.Verdict(b)
	} else if j.bad && s.random.IntN(4) > 0 {
		ballot = malicious
	}
	var code fault.Code
	what := s.random.IntN(15)
	if s.random.IntN(3) > 0 {
		what = s.likely(j)
	}
	switch what {
	case 0:
		s.Tick(1 + s.random.Uint64N(40))
		s.look()
	case 1:
		if s.random.IntN(2) == 0 {
			_, code = s.do(s.Consumer, &ops.AttestCancel{Job: ref.String()})
			s.same("cancel", code, s.naive.cancel(j))
			if code == fault.OK {
				s.closed[s.Settlement(ref).Verdict]++
			}
		}
	case 2, 3:
		_, code = s.do(s.Operator, s.AcceptBody(ref))
		s.same("accept", code, s.naive.accept(j))
	case 4, 5:
		bad := s.random.IntN(3) == 0
		p := s.Platform
		if bad {
			p = s.debug
		}
		_, code = s.do(s.Operator, s.EvidenceBody(ref, p, opstest.OutputOf(ref.String())))
		s.same("evidence", code, s.naive.evidence(j, bad))
	case 6:
		s.drawOf(ref, j)
	case 7, 8:
		_, err := s.Invoke(s.Members[1].Caller(), "attest:Step", attest.Step{Job: ref.String(), Checkpoint: s.Head().Number})
		s.same("step", fault.Of(err), s.naive.step(j, s.Verifiers, s.Name))
	case 9, 10:
		_, code = s.do(verifier, s.CommitBody(ref, verifier, ballot))
		s.same("commit", code, s.naive.commit(j, verifier.DID, int(ballot)))
	case 11, 12:
		_, code = s.do(verifier, s.RevealBody(ref, verifier, ballot))
		s.same("reveal", code, s.naive.reveal(j, verifier.DID, int(ballot)))
	default:
		_, code = s.do(verifier, &ops.AttestClose{Job: ref.String()})
		s.same("close", code, s.naive.close(j))
		if code == fault.OK {
			s.end(ref, j)
		}
	}
}

// likely is a move that takes a job on.
func (s *schedule) likely(j *naiveJob) int {
	moves := map[string][]int{
		"open": {2, 2, 2, 1, 0}, "accepted": {4, 4, 4, 0}, "drawing": {0, 6, 6, 6, 7}, "commit": {9, 9, 9, 9, 9, 9, 9, 9, 0, 7}, "reveal": {11, 11, 11, 11, 11, 0, 7, 13},
	}[j.phase]
	if len(moves) == 0 {
		return 13
	}
	return moves[s.random.IntN(len(moves))]
}

// drawOf makes a draw when it is due, by the ledger's own elements.
func (s *schedule) drawOf(ref ledger.Reference, j *naiveJob) {
	if j.phase != "drawing" || s.naive.draws[j.draw] != nil || s.naive.head >= j.draw+govern.Reach {
		return
	}
	s.Draw(ref)
	s.look()
	for _, other := range s.refs {
		if r := s.Round(other); r.Draw == j.draw {
			var view struct {
				Seed string `json:"seed"`
			}
			s.Read("checkpoint:DrawAt", map[string]uint64{"draw": j.draw}, &view)
			seed, err := canon.UnHex32(view.Seed)
			if err != nil {
				s.t.Fatal(err)
			}
			s.naive.draws[j.draw] = seed[:]
		}
	}
}

// end compares a verdict, gives back what is left, and forgets the job.
func (s *schedule) end(ref ledger.Reference, j *naiveJob) {
	s.t.Helper()
	v := s.Settlement(ref)
	if v.Verdict != j.verdict {
		s.t.Fatalf("%s, want %s: %+v", v.Verdict, j.verdict, v)
	}
	if int64(v.Refund) != j.hold || int64(v.Returned) != j.deposit {
		s.t.Fatalf("%d and %d are left, want %d and %d", v.Refund, v.Returned, j.hold, j.deposit)
	}
	s.call("reward:Return", reward.HoldQuery{Hold: ref.String()}, fault.OK)
	s.naive.balance["consumer"] += j.hold
	j.hold = 0
	s.closed[v.Verdict]++
}

// after asks for the deposit of a job that is closed, or brings another quote of it.
func (s *schedule) after(ref ledger.Reference, j *naiveJob) {
	s.t.Helper()
	accepted := s.Round(ref).Accepted
	if accepted == "" {
		return
	}
	if s.random.IntN(2) == 0 {
		_, err := s.Invoke(s.Members[1].Caller(), "reward:Return", reward.HoldQuery{Hold: accepted})
		s.same("return", fault.Of(err), s.naive.giveBack(j))
		s.closed["return "+fault.Of(err).String()]++
		return
	}
	_, code := s.do(s.Consumer, s.EvidenceBody(ref, s.Platform, opstest.OutputOf("another")))
	s.same("late evidence", code, s.naive.another(j))
	s.closed["late "+code.String()]++
}

func (s *schedule) compare() {
	s.t.Helper()
	s.Audit()
	for name, u := range s.names {
		b := s.Balance(u)
		if int64(b.Balance) != s.naive.balance[name] || b.Pending != (reward.Sum{Lo: uint64(s.naive.earned[name])}) {
			s.t.Fatalf("%s: %d and %s, want %d and %d", name, b.Balance, b.Pending, s.naive.balance[name], s.naive.earned[name])
		}
	}
	for _, u := range s.Verifiers {
		var v attest.StandingView
		s.Read("attest:Standing", attest.StandingQuery{DID: u.DID}, &v)
		if n := s.naive.score[u.DID]; n != nil && (int(v.Score) != n.points || int(v.Row) != n.row || v.OffUntil != n.off) {
			s.t.Fatalf("standing %+v, want %+v", v, n)
		}
	}
}

// JB-13: whatever is tried in whatever order, phases, verdicts, money and standings are
// those of a naive second implementation, and reward.Audit finds nothing after any move.
func TestJobsAgainstModel(t *testing.T) {
	start := market(t, 2)
	start.Decide("jobs", start.JSON(opstest.JobsPolicy(4, start.Treasury, start.Residue)))
	verdicts := map[string]int{}
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := newSchedule(start, t, seed)
			for i := range 350 {
				s.move(i)
				s.Audit()
				if i%20 == 0 {
					s.compare()
				}
			}
			s.compare()
			for v, n := range s.closed {
				verdicts[v] += n
			}
		})
	}
	for _, v := range []string{"valid", "malicious", "expired", "cancelled", "return ok", "return not_due", "late ok", "late wrong_phase"} {
		if verdicts[v] == 0 && !t.Failed() {
			t.Errorf("no schedule comes to %s: %v", v, verdicts)
		}
	}
}

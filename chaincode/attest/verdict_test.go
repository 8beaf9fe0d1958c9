package attest_test

import (
	"fmt"
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

var (
	good     = attest.Finding{Verdict: attest.Valid}
	unjudged = attest.Finding{Reason: attest.NotJudged}
)

// votes of organisations, seat by seat, per of each; who is not there has cast none.
func votes(per int, ballot attest.Verdict, organisations ...int) []attest.Vote {
	var list []attest.Vote
	for _, o := range organisations {
		for range per {
			list = append(list, attest.Vote{Organisation: o, Committed: true, Ballot: ballot})
		}
	}
	return list
}

// choose passes every set of k of n organisations.
func choose(n, k int, use func([]int)) {
	var pick func(from int, chosen []int)
	pick = func(from int, chosen []int) {
		if len(chosen) == k {
			use(append([]int{}, chosen...))
			return
		}
		for i := from; i < n; i++ {
			pick(i+1, append(chosen, i))
		}
	}
	pick(0, nil)
}

// JB-5: any K organisations are enough for a verdict, and no N - K of them ever are,
// however many seats each has.
func TestThresholds(t *testing.T) {
	for _, c := range []struct{ n, k int }{{4, 3}, {5, 4}, {7, 5}} {
		for _, per := range []int{1, 2, 3, 7} {
			for _, ballot := range []attest.Verdict{valid, invalid, malicious} {
				t.Run(fmt.Sprintf("%d of %d, %d seats, %s", c.k, c.n, per, ballot), func(t *testing.T) {
					finding := unjudged
					if ballot == valid {
						finding = good
					}
					count := attest.Count{Finding: finding, Seats: c.n * per, K: c.k}
					choose(c.n, c.k, func(those []int) {
						count.Votes = votes(per, ballot, those...)
						if o := count.Decide(); o.Verdict != ballot {
							t.Errorf("%v: %s", those, o.Verdict)
						}
					})
					choose(c.n, c.n-c.k, func(those []int) {
						count.Votes = votes(per, ballot, those...)
						if o := count.Decide(); o.Verdict != attest.Expired {
							t.Errorf("%v alone: %s", those, o.Verdict)
						}
					})
					// One organisation fewer, or one seat too few, is not enough.
					if c.k > 1 {
						those := make([]int, c.k-1)
						for i := range those {
							those[i] = i
						}
						count.Votes = votes(per, ballot, those...)
						if o := count.Decide(); o.Verdict == ballot {
							t.Errorf("%v: %s", those, o.Verdict)
						}
					}
				})
			}
		}
	}
}

// The majority is of all seats, taken or empty, and it is more than half.
func TestMajorities(t *testing.T) {
	spread := func(ballots ...attest.Verdict) []attest.Vote {
		var list []attest.Vote
		for i, b := range ballots {
			list = append(list, attest.Vote{Organisation: i % 4, Committed: true, Ballot: b})
		}
		return list
	}
	v, i, m, s := valid, invalid, malicious, silent
	for name, c := range map[string]struct {
		finding attest.Finding
		seats   int
		votes   []attest.Vote
		want    attest.Verdict
		reason  attest.Reason
		right   []attest.Verdict
	}{
		"exactly half":                {good, 8, spread(v, v, v, v), attest.Expired, attest.NoMajority, []attest.Verdict{v}},
		"one more":                    {good, 8, spread(v, v, v, v, v), attest.Valid, attest.BySeats, []attest.Verdict{v}},
		"silent ones do not count":    {good, 4, spread(v, v, s, s), attest.Expired, attest.NoMajority, []attest.Verdict{v}},
		"truth against all":           {good, 4, spread(m, m, m, m), attest.Expired, attest.NoMajority, []attest.Verdict{v}},
		"bad, all say valid":          {attest.Finding{Verdict: malicious, Reason: attest.DebugEnclave}, 4, spread(v, v, v, v), malicious, attest.DebugEnclave, []attest.Verdict{m}},
		"bad, nobody votes":           {attest.Finding{Verdict: invalid, Reason: attest.BelowPolicy}, 4, nil, invalid, attest.BelowPolicy, []attest.Verdict{i}},
		"no collateral, all valid":    {attest.Finding{Reason: attest.NoCollateral}, 4, spread(v, v, v, v), attest.Expired, attest.NoCollateral, nil},
		"no roots, all malicious":     {attest.Finding{Reason: attest.NoRoots}, 4, spread(m, m, m, m), attest.Expired, attest.NoRoots, nil},
		"verifiers alone, valid":      {unjudged, 4, spread(v, v, v, i), attest.Valid, attest.ByMajority, []attest.Verdict{v}},
		"verifiers alone, invalid":    {unjudged, 4, spread(i, i, i, v), invalid, attest.ByMajority, []attest.Verdict{i}},
		"verifiers alone, malicious":  {unjudged, 4, spread(m, m, m, v), malicious, attest.ByMajority, []attest.Verdict{m}},
		"verifiers alone, not valid":  {unjudged, 4, spread(m, m, i, v), invalid, attest.ByMajority, []attest.Verdict{i, m}},
		"verifiers alone, split":      {unjudged, 4, spread(v, v, i, i), attest.Expired, attest.NoMajority, nil},
		"many seats of too few":       {good, 8, votes(4, v, 0, 1), attest.Expired, attest.NoMajority, []attest.Verdict{v}},
		"half of it from one, enough": {good, 6, append(votes(2, v, 0), votes(1, v, 1, 2)...), attest.Valid, attest.BySeats, []attest.Verdict{v}},
	} {
		t.Run(name, func(t *testing.T) {
			count := attest.Count{Finding: c.finding, Seats: c.seats, K: 3, Votes: c.votes}
			o := count.Decide()
			if o.Verdict != c.want || o.Reason != c.reason || o.Judged != (len(c.right) > 0) {
				t.Errorf("%s (%s), judged %t; want %s (%s)", o.Verdict, o.Reason, o.Judged, c.want, c.reason)
			}
			for _, b := range []attest.Verdict{silent, v, i, m} {
				want := false
				for _, r := range c.right {
					want = want || r == b
				}
				if o.Right(b) != want {
					t.Errorf("%s is right: %t", b, !want)
				}
			}
		})
	}
}

// JB-6: a committee is a function of the draw, the job and the licences alone; seats are
// the same for each organisation, and only the operator is left out.
func TestCommittee(t *testing.T) {
	id := func(i int) (id ledger.ID) { h := canon.Sum(fmt.Append(nil, "v", i)); copy(id[:], h[:]); return id }
	d := &attest.Draw{Network: "main-0", Seed: canon.Sum([]byte("seed")), Job: ledger.Reference{ID: canon.Sum([]byte("job"))}, Operator: id(0), Size: 10}
	for _, msp := range []string{"A", "B", "C", "D"} {
		d.Organisations = append(d.Organisations, attest.Organisation{MSP: msp, Withheld: msp == "C"})
	}
	for i := range 23 { // A has 6, B 6, C 6 and D 1 of them, 4 are of nobody here
		msp := "ABC"[i%3 : i%3+1]
		if i >= 18 {
			msp = "E"
		}
		if i == 18 {
			msp = "D"
		}
		d.Candidates = append(d.Candidates, attest.Candidate{Verifier: id(i), Payee: id(i + 100), Organisation: msp})
	}
	benches := attest.Committee(d)
	for i, want := range []struct{ order, sitting int }{{5, 2}, {6, 2}, {6, 0}, {1, 1}} {
		b := benches[i]
		if len(b.Order) != want.order || len(b.Sitting()) != want.sitting || b.Seats != 2 {
			t.Errorf("%s: %d of %d sit on %d seats", b.MSP, len(b.Sitting()), len(b.Order), b.Seats)
		}
		for k, r := range b.Order {
			if r.Verifier == d.Operator {
				t.Error("the operator has a place")
			}
			if r.Digest != canon.SeatDigest(d.Network, d.Seed, d.Job.ID, r.Verifier) {
				t.Error("a digest of something else")
			}
			if k > 0 && string(b.Order[k-1].Digest[:]) >= string(r.Digest[:]) {
				t.Error("out of order")
			}
		}
	}
	// The order in which licences are listed does not matter; seed and job do.
	for i, k := 0, len(d.Candidates)-1; i < k; i, k = i+1, k-1 {
		d.Candidates[i], d.Candidates[k] = d.Candidates[k], d.Candidates[i]
	}
	same := func() bool { return fmt.Sprint(attest.Committee(d)) == fmt.Sprint(benches) }
	if !same() {
		t.Error("another order of licences draws another committee")
	}
	d.Job.ID[0]++
	if same() {
		t.Error("another job has the same committee")
	}
	d.Job.ID[0]--
	d.Seed[31]++
	if same() {
		t.Error("another seed draws the same committee")
	}
	for size, want := range map[int]int{0: 1, 1: 1, 3: 1, 4: 1, 7: 1, 8: 2, 200: 50} {
		if got := attest.SeatsOf(size, 4); got != want {
			t.Errorf("a committee of %d has %d seats each, want %d", size, got, want)
		}
	}
}

// Every verifier is drawn about as often as any other.
func TestCommitteesAreFair(t *testing.T) {
	d := &attest.Draw{Network: "main-0", Size: 1, Operator: ledger.ID{19: 1}, Organisations: []attest.Organisation{{MSP: "A"}}}
	for i := range 10 {
		d.Candidates = append(d.Candidates, attest.Candidate{Verifier: ledger.ID{byte(i)}, Organisation: "A"})
	}
	times := map[ledger.ID]int{}
	for i := range 5000 {
		d.Seed = canon.Sum(fmt.Append(nil, i))
		times[attest.Committee(d)[0].Sitting()[0].Verifier]++
	}
	for id, n := range times {
		if n < 400 || n > 600 {
			t.Errorf("%x is drawn %d times of 5,000", id[0], n)
		}
	}
	if len(times) != 10 {
		t.Errorf("%d are ever drawn", len(times))
	}
}

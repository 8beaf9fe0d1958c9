package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
)

// A job's way by the command line: opened, accepted, proven, judged and settled, with a
// committee that is drawn again and money that adds up.
func TestJobStory(t *testing.T) {
	b := startJobs(t)
	consumer, operator, verifier := b.path("consumer.keys"), b.path("operator.keys"), b.path("verifier.keys")
	fees := []string{"--keys", consumer, "--tee-fee", "1000", "--verification-fee", "401"}
	if exit, _, errOut := b.run(append(append([]string{"job", "open", "--most", "1900"}, fees...), b.grants...)...); exit != 1 || !strings.Contains(errOut, "it comes to 1901") {
		t.Errorf("too dear: exit %d, %s", exit, errOut)
	}
	b.refused("not_found", append([]string{"job", "open"}, append(fees, "00000000-"+strings.Repeat("0", 64))...)...)
	b.refused("invalid_value", append([]string{"job", "open", "--operation", "read"}, append(fees, b.grants...)...)...)
	gone := b.open()
	b.refused("not_party", "job", "cancel", "--keys", operator, gone)
	b.do("job", "cancel", "--keys", consumer, gone)
	if got := b.do("settlement", gone); got["verdict"] != "cancelled" || got["refund"] != "1901" {
		t.Errorf("cancelled %v", got)
	}
	if got := b.do("balance", consumer)["balance"]; got != "1000000" {
		t.Errorf("the consumer has %v", got)
	}

	open := b.open()
	if got := b.do("job", "show", open); got["phase"] != "open" || got["atStake"] != "901" || len(got["lines"].([]any)) != 2 || got["consumer"] != publicDID(t, consumer) {
		t.Errorf("job %v", got)
	}
	if _, out, _ := b.run("job", "show", open); !strings.Contains(out, "deposit      at least 901\n") {
		t.Errorf("for people: %s", out)
	}
	listed := b.do("job", "list", "--consumer", consumer, "--limit", "1")
	if got := items(listed); len(got) != 1 || got[0]["job"] != gone || got[0]["phase"] != "closed" {
		t.Errorf("list %v", listed)
	}
	listed = b.do("job", "list", "--consumer", consumer, "--limit", "1", "--page", listed["next"].(string))
	if got := items(listed); len(got) != 1 || got[0]["job"] != open || got[0]["grants"] != 2.0 || got[0]["operator"] != nil {
		t.Errorf("second page %v", listed)
	}
	if _, out, _ := b.run("job", "list", "--phase", "open"); !strings.HasPrefix(out, open+"  open  job.mean for 1000 usd and a deposit of 901") {
		t.Errorf("for people: %s", out)
	}
	b.refused("missing_field", "job", "list")
	b.refused("invalid_value", "job", "list", "--phase", "done")
	b.refused("not_accredited", "job", "accept", "--keys", consumer, open)
	b.refused("not_found", "settlement", open)
	job := b.evidence(open)
	b.refused("wrong_phase", "job", "cancel", "--keys", consumer, open)
	if exit, out, errOut := b.run("round", open); exit != 0 || !strings.Contains(out, "phase        drawing\n") || !strings.Contains(out, "evidence     sgx quote ") || strings.Contains(out, "drawn again") {
		t.Errorf("before the draw: exit %d, %s%s", exit, out, errOut)
	}
	b.jobs.Draw(job)
	b.jobs.Step(job)

	round := b.do("round", open)
	if again := round["drawnAgain"].(map[string]any); again["result"] != "same" || round["ends"].(float64)-round["clock"].(float64) != 100 {
		t.Errorf("round %v", round)
	}
	if _, out, _ := b.run("round", open, "--explain"); !strings.Contains(out, ", in 100 s by the checkpoints' clock") || !strings.Contains(out, "it is the same committee") ||
		strings.Count(out, " drawn\n") != 4 || strings.Count(out, "has not committed") != 4 {
		t.Errorf("for people: %s", out)
	}

	ballot := []string{"--keys", verifier, "--file", b.path("b")}
	b.do(append([]string{"vote", "commit", open, "valid"}, ballot...)...)
	b.refused("already_done", append([]string{"vote", "commit", open, "invalid"}, ballot...)...)
	if got := b.do(append([]string{"vote", "commit", open, "valid"}, ballot...)...); got["operation"] != nil {
		t.Errorf("sent again: %v", got)
	}
	b.refused("wrong_phase", append([]string{"vote", "reveal", open}, ballot...)...)
	b.jobs.Pull()
	b.jobs.Others(job, func(u *opstest.User) ops.Body { return b.jobs.CommitBody(job, u, attest.Valid) })
	b.jobs.Tick(100)
	b.jobs.Step(job)
	b.do(append([]string{"vote", "reveal", open}, ballot...)...)
	b.jobs.Pull()
	b.jobs.Others(job, func(u *opstest.User) ops.Body { return b.jobs.RevealBody(job, u, attest.Valid) })
	b.jobs.Close(job)

	settled := b.do("settlement", open)
	sums := settled["sums"].([]any)
	hold, deposit := sums[0].(map[string]any), sums[1].(map[string]any)
	if settled["verdict"] != "valid" || hold["setAside"] != "1901" || hold["paid"] != "1901" || hold["back"] != "0" || hold["even"] != true || deposit["back"] != "901" || deposit["even"] != true {
		t.Errorf("settlement %v", settled)
	}
	_, out, _ := b.run("settlement", open)
	if !strings.Contains(out, "hold         1901 set aside = 1901 paid + 0 back\n") || strings.Count(out, "its ballot was right") != 4 || strings.Count(out, ": price of a grant\n") != 2 {
		t.Errorf("for people: %s", out)
	}
	if _, out, _ := b.run("round", open); strings.Count(out, "voted valid\n") != 4 {
		t.Errorf("afterwards: %s", out)
	}
	b.lateQuote(job)
	if got := b.do("vote", "standing", verifier); got["right"] != 1.0 || got["score"] != 100.0 {
		t.Errorf("standing %v", got)
	}

	b.gateway = b.honest
	b.do("data", "export", "--keys", consumer, "--out", b.path("paid"))
	b.do("data", "export", "--keys", operator, "--out", b.path("ran"))
	for folder, want := range map[string]int{"paid": 2, "ran": 1} {
		for _, name := range []string{"jobs.json", "settlements.json"} {
			if text := b.read(filepath.Join(folder, name)); strings.Count(text, `"id":`) != want || !strings.Contains(text, open) {
				t.Errorf("%s of who %s: %s", name, folder, text)
			}
		}
	}
}

// A gateway that says something else of a committee than what its seed draws is found
// out, and so is one by which the money does not add up. (GW-12)
func TestLiesAboutJobs(t *testing.T) {
	b := startJobs(t)
	job := b.toCommit()
	bench := func(r *killickv1.Round, i int) *killickv1.Bench { return r.GetCommittee().GetBenches()[i] }
	for name, c := range map[string]struct {
		lie    func(*killickv1.Round)
		exit   int
		result string
	}{
		"the truth": {func(*killickv1.Round) {}, 0, "same"},
		"another verifier": {func(r *killickv1.Round) {
			bench(r, 0).Taken[0].Verifier, bench(r, 0).Taken[0].Digest = b.jobs.Verifiers[0].DID, strings.Repeat("0", 64)
		}, 1, "differs"},
		"verifiers of another member": {func(r *killickv1.Round) {
			bench(r, 0).Taken, bench(r, 1).Taken = bench(r, 1).Taken, bench(r, 0).Taken
		}, 1, "differs"},
		"an empty seat":       {func(r *killickv1.Round) { bench(r, 2).Taken = nil }, 1, "differs"},
		"withheld":            {func(r *killickv1.Round) { bench(r, 2).Withheld = true }, 1, "differs"},
		"another seed":        {func(r *killickv1.Round) { r.Committee.Seed = strings.Repeat("5", 64) }, 1, "differs"},
		"a verifier twice":    {func(r *killickv1.Round) { bench(r, 2).Taken = append(bench(r, 2).Taken, bench(r, 2).Taken[0]) }, 1, "differs"},
		"more seats":          {func(r *killickv1.Round) { r.Committee.Seats++ }, 1, "differs"},
		"a digest":            {func(r *killickv1.Round) { bench(r, 3).Taken[0].Digest = strings.Repeat("0", 64) }, 1, "differs"},
		"no licence any more": {func(r *killickv1.Round) { bench(r, 1).Order = nil }, 3, "changed"},
		"a new licence": {func(r *killickv1.Round) {
			bench(r, 1).Order = append(bench(r, 1).Order, &killickv1.Ranked{Verifier: b.jobs.Consumer.DID, Digest: strings.Repeat("f", 64), Why: "new"})
		}, 0, "same"},
		"off duty since": {func(r *killickv1.Round) { bench(r, 1).Order[0].Why = "off_duty" }, 0, "same"},
		"its operator":   {func(r *killickv1.Round) { r.Operator = bench(r, 1).Taken[0].Verifier }, 1, "differs"},
		"no DID":         {func(r *killickv1.Round) { bench(r, 1).Taken[0].Verifier = "x" }, 1, ""},
	} {
		b.tamper.round = c.lie
		exit, out, errOut := b.run("round", job.String(), "--json")
		if exit != c.exit || c.result != "" && !strings.Contains(out, `"drawnAgain":{"result":"`+c.result+`"`) || (exit == 1) != (errOut != "") {
			t.Errorf("%s: exit %d, %s%s", name, exit, out, errOut)
		}
		if _, out, _ := b.run("round", job.String()); c.result == "differs" && !strings.Contains(out, "IT IS ANOTHER COMMITTEE") {
			t.Errorf("%s, for people: %s", name, out)
		}
	}
	b.tamper.round = nil
	b.explained(job)

	settled := b.open()
	b.do("job", "cancel", "--keys", b.path("consumer.keys"), settled)
	b.tamper.settlement = func(s *killickv1.Settlement) { s.Refund = "1900" }
	if exit, out, errOut := b.run("settlement", settled); exit != 1 || !strings.Contains(out, "1901 set aside IS NOT 0 paid + 1900 back") || !strings.Contains(errOut, "DOES NOT ADD UP") {
		t.Errorf("exit %d, %s%s", exit, out, errOut)
	}
}

// explained wants the digest by which each licence has its place, and no other one.
func (b *bureau) explained(job ledger.Reference) {
	b.t.Helper()
	var r attest.RoundView
	b.jobs.Read("attest:Round", attest.RoundQuery{Job: job.String(), Explain: true}, &r)
	seed, err := canon.UnHex32(r.Committee.Seed)
	if err != nil {
		b.t.Fatal(err)
	}
	_, people, _ := b.run("round", job.String(), "--explain")
	_, machines, _ := b.run("round", job.String(), "--explain", "--json")
	for _, bench := range r.Committee.Benches {
		id, err := did.ParseOn(b.jobs.Name, bench.Order[0].Verifier)
		if err != nil {
			b.t.Fatal(err)
		}
		sum := canon.SeatDigest(b.jobs.Name, seed, job.ID, id)
		digest := canon.Hex(sum[:])
		if !strings.Contains(people, "    "+digest+" "+bench.Order[0].Verifier+" drawn\n") || !strings.Contains(machines, `{"digest":"`+digest+`","drawn":true`) {
			b.t.Errorf("%s with the digest %s is not in %s%s", bench.Order[0].Verifier, digest, people, machines)
		}
	}
	order := func(r *killickv1.Round, i int) *killickv1.Ranked {
		return r.GetCommittee().GetBenches()[i].GetOrder()[0]
	}
	for name, lie := range map[string]func(*killickv1.Round){
		"a digest":  func(r *killickv1.Round) { order(r, 2).Digest = strings.Repeat("0", 64) },
		"not drawn": func(r *killickv1.Round) { order(r, 1).Drawn = false },
		"a digest of who could not be drawn": func(r *killickv1.Round) {
			bench := r.GetCommittee().GetBenches()[1]
			bench.Order = append(bench.Order, &killickv1.Ranked{Verifier: b.jobs.Consumer.DID, Digest: strings.Repeat("f", 64), Why: "new"})
		},
	} {
		b.tamper.round = lie
		if exit, out, _ := b.run("round", job.String(), "--explain"); exit != 1 || !strings.Contains(out, "IT IS ANOTHER COMMITTEE") {
			b.t.Errorf("%s: exit %d, %s", name, exit, out)
		}
	}
	b.tamper.round = nil
}

// A receipt of a test ledger says what it is, to people and to programs.
func TestSimulatedReceipts(t *testing.T) {
	b := startJobs(t)
	for _, simulated := range []bool{false, true} {
		b.tamper.submit = func(_ string, forward func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
			o, err := forward()
			if err == nil {
				o.Simulated = simulated
			}
			return o, err
		}
		open := append([]string{"job", "open", "--keys", b.path("consumer.keys"), "--tee-fee", "1000", "--verification-fee", "401"}, b.grants...)
		if _, out, errOut := b.run(open...); !strings.Contains(out, "state        done") || strings.Contains(out, "ledger       SIMULATED") != simulated {
			t.Errorf("simulated %t: %s%s", simulated, out, errOut)
		}
		if _, out, errOut := b.run(append(open, "--json")...); !strings.Contains(out, `"state":"done"`) || strings.Contains(out, `"simulated":true`) != simulated {
			t.Errorf("simulated %t: %s%s", simulated, out, errOut)
		}
	}
}

// A ballot is on disk before the commitment to it leaves, and what becomes of that may be
// unknown: the same ballot is committed to once, and another one never. (GW-13)
func TestBallotIsKeptFirst(t *testing.T) {
	b := startJobs(t)
	job := b.toCommit().String()
	path := b.path("ballot")
	vote := func(ballot string) []string {
		return []string{"vote", "commit", "--keys", b.path("verifier.keys"), "--file", path, job, ballot}
	}
	b.refused("not_found", "vote", "commit", "--keys", b.path("verifier.keys"), "--file", b.path("other"), "00000000-"+strings.Repeat("0", 64), "valid")
	if exit, _, errOut := b.run("vote", "commit", "--keys", b.path("verifier.keys"), "../../x", "valid"); exit != 1 || !strings.Contains(errOut, "not the reference of a job") {
		t.Errorf("a job that is a path: exit %d, %s", exit, errOut)
	}
	b.refused("invalid_value", vote("perhaps")...)

	lost := fault.New(fault.Unavailable, "the line broke")
	sent := 0
	kept := func(jws string) {
		sent++
		data, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(data), `"salt":"`) {
			t.Errorf("the commitment left before the ballot was on disk: %s %v", data, err)
		}
	}
	b.tamper.submit = func(jws string, _ func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
		kept(jws)
		return nil, lost
	}
	if exit, _, errOut := b.run(vote("valid")...); exit != 1 {
		t.Errorf("not done: exit %d, %s", exit, errOut)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b.tamper.submit = func(jws string, forward func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
		kept(jws)
		if _, err := forward(); err != nil {
			t.Error(err)
		}
		return nil, lost
	}
	if exit, _, errOut := b.run(vote("valid")...); exit != 1 {
		t.Errorf("done although it failed: exit %d, %s", exit, errOut)
	}
	b.tamper.submit = nil
	if got := b.do(vote("valid")...); got["operation"] != nil || sent != 2 {
		t.Errorf("%d were sent, then %v", sent, got)
	}
	b.tamper.submit = func(string, func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
		t.Error("a ballot left while others still commit to theirs")
		return nil, lost
	}
	b.refused("wrong_phase", "vote", "reveal", "--keys", b.path("verifier.keys"), "--file", path, job)
	b.refused("already_done", vote("malicious")...)
	if again, err := os.ReadFile(path); err != nil || string(again) != string(first) {
		t.Errorf("the ballot changed: %s, was %s (%v)", again, first, err)
	}
	if exit, _, errOut := b.run("vote", "commit", "--keys", b.path("verifier.keys"), "--file", b.path("second"), job, "invalid"); exit != 1 || !strings.Contains(errOut, "another ballot") {
		t.Errorf("another file: exit %d, %s", exit, errOut)
	}
	if exit, _, errOut := b.run("vote", "reveal", "--keys", b.path("operator.keys"), "--file", path, job); exit != 1 || !strings.Contains(errOut, "is the ballot of did:") {
		t.Errorf("another's ballot: exit %d, %s", exit, errOut)
	}
	b.write("ballot", strings.Replace(string(first), `"valid"`, `"invalid"`, 1))
	if exit, _, errOut := b.run("vote", "reveal", "--keys", b.path("verifier.keys"), "--file", path, job); exit != 1 || !strings.Contains(errOut, "was changed") {
		t.Errorf("a changed file: exit %d, %s", exit, errOut)
	}
	drafts, err := filepath.Glob(b.path("*.draft"))
	if err != nil || len(drafts) > 0 {
		t.Errorf("left behind: %v %v", drafts, err)
	}
}

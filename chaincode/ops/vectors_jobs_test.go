package ops_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Made by: go test ./chaincode/ops -run JobVectors -update
const jobVectorFile = "../../docs/formats/vectors/jobs.json"

// jobVectors is a history of jobs on a ledger with a state: signed operations, functions,
// and what else happened in between.
type jobVectors struct {
	Comment string       `json:"comment"`
	Now     uint64       `json:"now"`
	Network string       `json:"network"`
	Digests jobDigests   `json:"digests"`
	State   [][2]string  `json:"state"` // before the first step: key, value in hex
	Steps   []jobVecStep `json:"steps"`
}

// jobDigests are those of docs/formats/job.md, of fixed inputs.
type jobDigests struct {
	Job        string `json:"job"` // op id
	Operator   string `json:"operator"`
	Input      string `json:"inputRoot"`
	Output     string `json:"output"`
	Grants     string `json:"grantsRoot"`
	Nonce      string `json:"nonce"`
	ReportData string `json:"reportData"`
	Verifier   string `json:"verifier"`
	Ballot     uint8  `json:"ballot"`
	Salt       string `json:"salt"`
	Commitment string `json:"commitment"`
	Seed       string `json:"seed"`
	Seat       string `json:"seat"`
	Candidates string `json:"candidates"` // of the verifier alone
}

// jobVecStep is an operation, a function that Org1MSP calls, or something else of which
// the writes are to be taken as they are.
type jobVecStep struct {
	Name     string      `json:"name"`
	JWS      string      `json:"jws,omitempty"`
	Function string      `json:"function,omitempty"`
	Request  string      `json:"request,omitempty"`
	Code     string      `json:"code,omitempty"`
	Answer   string      `json:"answer,omitempty"`
	Writes   [][2]string `json:"writes"` // key, value in hex
}

type jobMaker struct {
	*opstest.Jobs
	v *jobVectors
}

func (m *jobMaker) note(s jobVecStep, run func() (string, fault.Code)) {
	before := m.Store.Clone()
	answer, code := run()
	if s.JWS != "" || s.Function != "" {
		s.Code, s.Answer = code.String(), answer
	}
	s.Writes = writesSince(before, m.Store)
	m.v.Steps = append(m.v.Steps, s)
}

func (m *jobMaker) operation(name string, by *opstest.User, body ops.Body) ledger.Reference {
	item, ref := m.Sign(by, body, "")
	m.note(jobVecStep{Name: name, JWS: item.Compact()}, func() (string, fault.Code) {
		return "", fault.Code(m.Must(ledger.Caller{}, "ops:Apply", item.Compact())[0])
	})
	return ref
}

func (m *jobMaker) function(name, function string, request any) {
	arg := m.JSON(request)
	m.note(jobVecStep{Name: name, Function: function, Request: arg}, func() (string, fault.Code) {
		answer, err := m.Invoke(m.Members[0].Caller(), function, []byte(arg))
		return string(answer), fault.Of(err)
	})
}

func (m *jobMaker) happens(name string, what func()) {
	m.note(jobVecStep{Name: name}, func() (string, fault.Code) { what(); return "", 0 })
}

func (m *jobMaker) step(name string, job ledger.Reference) {
	m.function(name, "attest:Step", attest.Step{Job: job.String(), Checkpoint: m.Head().Number})
}

func makeJobVectors(t *testing.T) *jobVectors {
	m := &jobMaker{opstest.NewJobs(t, 1), &jobVectors{
		Comment: "Jobs from opening to settlement, and what each step writes. Made by go test ./chaincode/ops -run JobVectors -update",
		Now:     opstest.Start, Network: opstest.Network,
	}}
	m.v.Digests = fixedJobDigests()
	for _, e := range m.Store.Entries() {
		m.v.State = append(m.v.State, [2]string{e.Key, canon.Hex(e.Value)})
	}
	job := m.operation("open", m.Consumer, m.OpenBody("vectors"))
	poor := m.OpenBody("too little")
	poor.TEEFee = 1
	m.operation("open, fee too low", m.Consumer, poor)
	m.operation("accept, no operator", m.Consumer, m.AcceptBody(job))
	m.operation("accept", m.Operator, m.AcceptBody(job))
	m.operation("cancel, accepted", m.Consumer, &ops.AttestCancel{Job: job.String()})
	m.operation("evidence", m.Operator, m.EvidenceBody(job, m.Platform, opstest.OutputOf("vectors")))
	m.step("step, no draw yet", job)
	m.happens("the draw is made", func() { m.Draw(job) })
	m.step("step: the committee is drawn", job)
	drawn := m.Drawn(job)
	ballots := []attest.Verdict{attest.Valid, attest.Valid, attest.Valid, attest.Malicious}
	for i, u := range drawn {
		m.operation("commit", u, m.CommitBody(job, u, ballots[i]))
	}
	m.operation("commit, not drawn", m.Consumer, m.CommitBody(job, m.Consumer, attest.Valid))
	m.happens("100 seconds pass", func() { m.Tick(100) })
	m.step("step: the evidence is judged", job)
	m.operation("reveal, another ballot", drawn[0], m.RevealBody(job, drawn[0], attest.Invalid))
	for i, u := range drawn {
		m.operation("reveal", u, m.RevealBody(job, u, ballots[i]))
	}
	m.function("close: valid", "attest:Close", attest.Close{Job: job.String()})
	m.function("close again", "attest:Close", attest.Close{Job: job.String()})
	deposit := reward.HoldQuery{Hold: m.Round(job).Accepted}
	m.function("the deposit is not due", "reward:Return", deposit)
	m.operation("evidence of another output: the deposit is taken", m.Consumer, m.EvidenceBody(job, m.Platform, opstest.OutputOf("another")))
	m.happens("the deposit is due", func() { m.Wait(job) })
	m.function("return, nothing is left", "reward:Return", deposit)
	m.function("job", "attest:Job", attest.JobQuery{Job: job.String()})
	m.function("round", "attest:Round", attest.RoundQuery{Job: job.String(), Explain: true})
	m.function("settlement", "attest:Settlement", attest.JobQuery{Job: job.String()})
	failed := m.operation("open a second one", m.Consumer, m.OpenBody("fails"))
	m.operation("accept it", m.Operator, m.AcceptBody(failed))
	m.happens("100 seconds pass", func() { m.Tick(100) })
	m.step("step: overdue", failed)
	m.operation("close by an operation: expired, owners are paid", m.Consumer, &ops.AttestClose{Job: failed.String()})
	m.function("settlement of it", "attest:Settlement", attest.JobQuery{Job: failed.String()})
	third := m.operation("open a third one", m.Consumer, m.OpenBody("cancelled"))
	m.operation("cancel", m.Consumer, &ops.AttestCancel{Job: third.String()})
	m.Audit()
	return m.v
}

func fixedJobDigests() jobDigests {
	hash := func(name string) [32]byte { return [32]byte(opstest.Seed(name)) }
	id := func(name string) (id [20]byte) { copy(id[:], opstest.Seed(name)); return id }
	e := canon.Evidence{
		Network: opstest.Network, Job: hash("job"), Operator: id("operator"), Input: hash("input"), Output: hash("output"), Grants: hash("grants"), Nonce: hash("nonce"),
	}
	verifier, salt, seed := id("verifier"), hash("salt"), hash("seed")
	data, commitment := e.ReportData(), canon.BallotDigest(opstest.Network, e.Job, verifier, 2, salt)
	seat, candidates := canon.SeatDigest(opstest.Network, seed, e.Job, verifier), canon.CandidatesDigest(verifier)
	return jobDigests{
		Job: canon.Hex(e.Job[:]), Operator: canon.Hex(e.Operator[:]), Input: canon.Hex(e.Input[:]), Output: canon.Hex(e.Output[:]),
		Grants: canon.Hex(e.Grants[:]), Nonce: canon.Hex(e.Nonce[:]), ReportData: canon.Hex(data[:]), Verifier: canon.Hex(verifier[:]),
		Ballot: 2, Salt: canon.Hex(salt[:]), Commitment: canon.Hex(commitment[:]), Seed: canon.Hex(seed[:]), Seat: canon.Hex(seat[:]),
		Candidates: canon.Hex(candidates[:]),
	}
}

func TestJobVectors(t *testing.T) {
	canontest.GoldenJSON(t, jobVectorFile, " ", makeJobVectors(t))
}

// The file alone, played from its state, gives what it says; and its digests are those of
// the words of docs/formats/job.md.
func TestJobVectorsPlay(t *testing.T) {
	var v jobVectors
	canontest.ReadJSON(t, jobVectorFile, &v)
	d := v.Digests
	for name, c := range map[string][]string{
		d.ReportData: {hexText("killick.evidence.v1"), hexText("\x15" + v.Network), d.Job, d.Operator, d.Input, d.Output, d.Grants, d.Nonce},
		d.Commitment: {hexText("killick.ballot.v1"), hexText("\x15" + v.Network), d.Job, d.Verifier, "02", d.Salt},
		d.Seat:       {hexText("killick.seat.v1"), hexText("\x15" + v.Network), d.Seed, d.Job, d.Verifier},
		d.Candidates: {hexText("killick.candidates.v1"), "00000001", d.Verifier},
	} {
		text := strings.Join(c, "")
		data, err := canon.UnHex(text, len(text)/2)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(data); canon.Hex(sum[:]) != name {
			t.Errorf("SHA-256(%s) is %x, the file has %s", text, sum, name)
		}
	}
	w := opstest.New(t)
	w.Store, w.Now = new(ledger.Memory), v.Now
	write := func(list [][2]string) {
		for _, e := range list {
			value, err := canon.UnHex(e[1], len(e[1])/2)
			if err != nil {
				t.Fatal(err)
			}
			if len(value) == 0 {
				err = w.Store.Delete(e[0])
			} else {
				err = w.Store.Put(e[0], value)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	write(v.State)
	for _, s := range v.Steps {
		before := w.Store.Clone()
		var code fault.Code
		answer := []byte{}
		switch {
		case s.JWS != "":
			code = fault.Code(w.Must(ledger.Caller{}, "ops:Apply", s.JWS)[0])
		case s.Function != "":
			var err error
			answer, err = w.Invoke(ledger.Caller{MSP: "Org1MSP", Role: "client"}, s.Function, s.Request)
			code = fault.Of(err)
		default:
			write(s.Writes)
			continue
		}
		if code.String() != s.Code || string(answer) != s.Answer {
			t.Errorf("%s: %v %s, want %s %s", s.Name, code, answer, s.Code, s.Answer)
		}
		if diff := cmp.Diff(s.Writes, writesSince(before, w.Store)); diff != "" {
			t.Errorf("%s: %s", s.Name, diff)
		}
	}
	w.Audit()
}

func hexText(text string) string { return canon.Hex([]byte(text)) }

package opstest

import (
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// working are jobs of the scene, each in the phase in which its example is done.
type working struct {
	*Jobs
	opened, cancelled, accepted, drawn, committing, revealing, ending ledger.Reference
}

// work takes the jobs to their phases. All of them stay there: no checkpoint comes after.
func (s *Scene) work() *working {
	if s.working != nil {
		return s.working
	}
	w := &working{Jobs: NewJobsOn(s.World, 1)}
	w.Register()
	s.working = w
	w.revealing, w.ending = w.ToCommit("reveal"), w.ToCommit("close")
	first := w.Drawn(w.revealing)[0]
	w.Do(first, w.CommitBody(w.revealing, first, attest.Valid), "")
	w.Tick(100)
	w.Step(w.revealing)
	w.Step(w.ending)
	w.committing = w.ToCommit("commit")
	w.drawn = w.Open("step")
	w.Accept(w.drawn)
	w.Show(w.drawn)
	w.Jobs.Draw(w.drawn)
	w.opened, w.cancelled, w.accepted = w.Open("accept"), w.Open("cancel"), w.Open("evidence")
	w.Accept(w.accepted)
	return w
}

var jobExamples = map[string]func(*Scene) *Example{
	"attest.open": func(s *Scene) *Example {
		w := s.work()
		return &Example{By: w.Consumer, Body: w.OpenBody("open")}
	},
	"attest.accept": func(s *Scene) *Example {
		w := s.work()
		return &Example{By: w.Operator, Body: w.AcceptBody(w.opened)}
	},
	"attest.cancel": func(s *Scene) *Example {
		w := s.work()
		return &Example{By: w.Consumer, Body: &ops.AttestCancel{Job: w.cancelled.String()}}
	},
	"attest.evidence": func(s *Scene) *Example {
		w := s.work()
		return &Example{
			By: w.Operator, Body: w.EvidenceBody(w.accepted, w.Platform, OutputOf("one")),
			Codes: map[string]fault.Code{"out of range: payload/body/quote": fault.Malformed},
		}
	},
	"attest.commit": func(s *Scene) *Example {
		w := s.work()
		u := w.Drawn(w.committing)[0]
		return &Example{By: u, Body: w.CommitBody(w.committing, u, attest.Invalid)}
	},
	"attest.reveal": func(s *Scene) *Example {
		w := s.work()
		u := w.Drawn(w.revealing)[0]
		return &Example{By: u, Body: w.RevealBody(w.revealing, u, attest.Valid)}
	},
	"attest.collateral": func(s *Scene) *Example {
		s.work()
		spec := simulated.Default(tee.SGX, "jobs", s.Now)
		for _, part := range []tee.Part{tee.InTCBInfo, tee.InQEIdentity} {
			spec.Times[part] = simulated.Validity{From: s.Now - 86400, Until: s.Now + 20*86400}
		}
		data, err := simulated.New(spec).Collateral().Encode()
		if err != nil {
			panic(err) // it was made well
		}
		return &Example{
			Body:  &ops.AttestCollateral{Collateral: canon.B64(data)},
			Codes: map[string]fault.Code{"out of range: payload/body/collateral": fault.Malformed},
		}
	},
	"attest.step": func(s *Scene) *Example {
		w := s.work()
		return &Example{Body: &ops.AttestStep{Job: w.drawn.String(), Checkpoint: w.Head().Number}}
	},
	"attest.close": func(s *Scene) *Example {
		return &Example{Body: &ops.AttestClose{Job: s.work().ending.String()}}
	},
}

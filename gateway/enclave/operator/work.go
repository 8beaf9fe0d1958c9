package operator

import (
	"sync"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/enclave/inside"
)

// work is one job that the journal knows. The loop alone takes it on; requests bring
// orders and records and read.
type work struct {
	job string

	mu       sync.Mutex
	order    []byte
	accept   *sent
	assigned *client.Assigned // once the acceptance is on the ledger
	records  [][]byte         // of the lines, nil: not brought
	output   *output
	evidence *sent
	refused  string // reference of the last evidence that was refused and is tried again
	proven   bool   // the evidence is on the ledger
	end      *end
	window   uint64 // seconds for the evidence that were left at first sight
}

// States of a job here, as the status shows them.
const (
	stateOrdered   = "ordered"   // there is an order, and no acceptance
	stateAccepting = "accepting" // the acceptance is signed, its outcome not known
	stateAccepted  = "accepted"  // records are awaited
	stateRun       = "run"       // the output is made, the evidence not on the ledger
	stateProven    = "proven"    // the evidence is on the ledger
)

// state is where the job stands. The caller holds mu.
func (w *work) state() string {
	switch {
	case w.end != nil:
		return w.end.State
	case w.proven:
		return stateProven
	case w.output != nil:
		return stateRun
	case w.assigned != nil:
		return stateAccepted
	case w.accept != nil:
		return stateAccepting
	}
	return stateOrdered
}

// assignment is the job as the enclave is told of it. The caller holds mu, and the job is
// accepted.
func (w *work) assignment() *inside.Assignment {
	t := w.assigned.Task
	return &inside.Assignment{Network: t.Network, Ref: t.Job, Operator: t.Operator, Accepted: t.Accepted, Job: w.assigned.Job}
}

// brought is how many lines have a record. The caller holds mu.
func (w *work) brought() (n int) {
	for _, r := range w.records {
		if r != nil {
			n++
		}
	}
	return n
}

// resume reads what the journal has of a job.
func resume(j journal, job string) (*work, error) {
	w := &work{job: job}
	var err error
	if w.order, err = j.read(job, "order"); err != nil {
		return nil, err
	}
	w.accept, w.evidence, w.end = new(sent), new(sent), new(end)
	for _, f := range []struct {
		name  string
		into  any
		clear func()
	}{
		{"accept", w.accept, func() { w.accept = nil }}, {"evidence", w.evidence, func() { w.evidence = nil }}, {"end", w.end, func() { w.end = nil }},
	} {
		ok, err := j.load(job, f.name, f.into)
		if err != nil {
			return nil, err
		}
		if !ok {
			f.clear()
		}
	}
	data, err := j.read(job, "output")
	if data != nil && err == nil {
		w.output, err = decodeOutput(data)
	}
	return w, err
}

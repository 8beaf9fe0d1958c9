package operator

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// Status is how the operator is, for people and monitors.
type Status struct {
	Operator   string      `json:"operator"`
	Network    string      `json:"network"`
	Enclave    string      `json:"enclave"` // SIMULATED, and the kind of platform
	Operations []string    `json:"operations"`
	Since      string      `json:"since"`
	Trouble    string      `json:"trouble,omitzero"` // what the last pass met
	Jobs       []JobStatus `json:"jobs"`             // newest first, at most 1,000
}

// JobStatus is how a job is.
type JobStatus struct {
	Job     string `json:"job"`
	State   string `json:"state"`
	Records int    `json:"records"` // that were brought, or went in
	Of      int    `json:"of"`      // lines of the job, 0 before it is accepted
	Reason  string `json:"reason,omitzero"`
	Output  int    `json:"output,omitzero"` // bytes
}

const maxListed = 1000

// Status returns how the operator is.
func (o *Operator) Status() Status {
	s := Status{
		Operator: o.DID(), Network: o.cfg.Network, Enclave: "SIMULATED " + o.kind, Operations: o.cfg.Operations,
		Since: o.since.UTC().Format(time.RFC3339), Jobs: []JobStatus{},
	}
	for _, w := range o.all() {
		s.Jobs = append(s.Jobs, w.status())
	}
	slices.SortFunc(s.Jobs, func(a, b JobStatus) int { return cmp.Compare(b.Job, a.Job) })
	s.Jobs = s.Jobs[:min(len(s.Jobs), maxListed)]
	o.mu.Lock()
	s.Trouble = o.trip
	o.mu.Unlock()
	return s
}

func (w *work) status() JobStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := JobStatus{Job: w.job, State: w.state(), Records: w.brought(), Of: len(w.records)}
	if w.output != nil {
		s.Output = len(w.output.ciphertext)
	}
	if w.end != nil {
		s.Reason = w.end.Reason
	}
	return s
}

func (o *Operator) getStatus(*http.Request) (*reply, error) { return document(o.Status()) }

func (o *Operator) getJob(r *http.Request) (*reply, error) {
	work, err := o.job(r)
	if err != nil {
		return nil, err
	}
	return document(work.status())
}

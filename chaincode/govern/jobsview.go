package govern

import (
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// JobsView is the answer of govern:Jobs: all that is in force about jobs.
type JobsView struct {
	Version      uint64        `json:"version"`          // of the policy, 0 while there is none
	Policy       *Policy       `json:"policy,omitempty"` // nil while there is none
	Operators    []Verifier    `json:"operators"`        // of members
	Licences     []Licence     `json:"licences"`         // of members
	Measurements []Measurement `json:"measurements"`
	Roots        []Root        `json:"roots"`
	Platforms    *TEEPolicy    `json:"platforms"`
}

// AnswerJobs answers govern:Jobs.
func (n *Network) AnswerJobs(tx *ledger.Tx) (*JobsView, error) {
	v := &JobsView{Licences: []Licence{}}
	var err error
	if v.Policy, v.Version, err = JobPolicy(tx); err != nil && fault.Of(err) != fault.NotFound {
		return nil, err
	}
	if v.Operators, err = n.Operators(tx); err != nil {
		return nil, err
	}
	all, err := Licences(tx)
	if err != nil {
		return nil, err
	}
	for _, l := range all {
		if n.isMember(l.Organisation) {
			v.Licences = append(v.Licences, l)
		}
	}
	if v.Measurements, err = Measurements(tx); err != nil {
		return nil, err
	}
	if v.Roots, err = Roots(tx); err != nil {
		return nil, err
	}
	v.Platforms, err = TEEStatuses(tx)
	return v, err
}

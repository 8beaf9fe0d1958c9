package index

import (
	"bytes"
	"context"
	"fmt"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

func (t *taker) job(ref ledger.Reference, value []byte) error {
	j, err := attest.DecodeJob(value)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO jobs(ref, consumer, phase, time, value) VALUES(?, ?, ?, ?, ?)`,
		pack(ref), j.Consumer[:], attest.Opened, int64(t.time), value)
}

// round notes how far a job is. A transaction that opens a job and goes on with it has the
// job first: its key is before that of the round.
func (t *taker) round(ref ledger.Reference, value []byte) error {
	r, err := attest.DecodeRound(value)
	if err != nil {
		return err
	}
	var operator any // NULL
	if r.Deposit > 0 {
		operator = r.Operator[:]
	}
	return t.exec(`UPDATE jobs SET operator = ?, phase = ? WHERE ref = ?`, operator, r.Phase, pack(ref))
}

// Jobs asks for jobs. Empty members do not narrow it; at least one is set.
type Jobs struct {
	Consumer, Operator string // DIDs
	Phase              string // as attest.Phase has it
	Paging
}

// Job is a job as of the page's block.
type Job struct {
	*attest.JobView
	Operator string // DID, empty before it is accepted
	Time     uint64 // when it was opened
}

// Jobs returns a page of jobs. Errors: fault.MissingField, fault.InvalidValue,
// fault.WrongNetwork, fault.Unavailable.
func (x *Index) Jobs(ctx context.Context, q Jobs) (*Page[Job], error) {
	consumer, err := x.parse("consumer", q.Consumer)
	if err != nil {
		return nil, err
	}
	operator, err := x.parse("operator", q.Operator)
	if err != nil {
		return nil, err
	}
	phase, err := parsePhase(q.Phase)
	if err != nil {
		return nil, err
	}
	l := &list{
		kind: "jobs", filter: []string{q.Consumer, q.Operator, q.Phase},
		query: `SELECT t.seq, t.ref, t.operator, t.phase, t.time, t.value FROM jobs t INDEXED BY jobs_`,
	}
	switch {
	case operator != nil:
		l.query, l.where, l.args = l.query+`operator`, ` AND t.operator = ?`, []any{operator}
	case consumer != nil:
		l.query, l.where, l.args = l.query+`consumer`, ` AND t.consumer = ?`, []any{consumer}
	case q.Phase != "":
		l.query, l.where, l.args = l.query+`phase`, ` AND t.phase = ?`, []any{phase}
	default:
		return nil, fault.New(fault.MissingField, "jobs are asked for by consumer, operator or phase")
	}
	return page(ctx, x, l, q.Paging, func(row scanner) (seq int64, out Job, ok bool, err error) {
		var ref, by, value []byte
		var is attest.Phase
		if err := row.Scan(&seq, &ref, &by, &is, &out.Time, &value); err != nil {
			return 0, out, false, err
		}
		if (consumer != nil || operator != nil) && q.Phase != "" && is != phase {
			return seq, out, false, nil
		}
		name, err := unpack(ref)
		if err != nil {
			return 0, out, false, err
		}
		j, err := attest.DecodeJob(value)
		if err != nil {
			return 0, out, false, fmt.Errorf("job %s: %w", name, err)
		}
		if by != nil {
			out.Operator = did.String(x.cfg.Network, ledger.ID(by))
		}
		out.JobView, err = j.View(x.cfg.Network, name.String(), is)
		return seq, out, consumer == nil || bytes.Equal(consumer, j.Consumer[:]), err
	})
}

// parsePhase reads the phase of a filter.
func parsePhase(word string) (attest.Phase, error) {
	for p := attest.Opened; p <= attest.Closed; p++ {
		if word == "" || p.String() == word {
			return p, nil
		}
	}
	return 0, fault.New(fault.InvalidValue, "phase: %.40q is no phase of a job", word)
}

// Package inside is what runs within the enclave. Its door is narrow: sealed records go
// in; a quoted key, a sealed output and its quote come out. Keys, contents, salts and
// results exist here and nowhere else, in no error either.
//
// The enclave believes nothing that its host says of a job. What it was told is part of
// what the quote of its key binds, so owners find out before they let anything in, and of
// what the quote of the output binds, so the ledger does.
//
// BUG(killick): the platform is simulated. Package and host share a process, and
// whoever knows the platform's seed, or reads its secret, can do all that an enclave
// keeps others from. Ledgers that are not for tests refuse its root when it says what it is.
package inside

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
	"github.com/killick-ledger/killick/gateway/enclave/analysis"
	"github.com/killick-ledger/killick/gateway/sealed"
)

// SecretSize is the length of a platform's secret.
const SecretSize = 32

// Enclave makes keys for tasks, opens what is sealed to them and runs operations.
// It keeps nothing: after a restart it makes the same keys again. It is safe for
// concurrent use.
type Enclave struct {
	platform *simulated.Platform
	secret   []byte
}

// New returns an enclave on a simulated platform. secret has 32 bytes and stands for the
// key that a processor derives for one enclave alone.
func New(platform *simulated.Platform, secret []byte) (*Enclave, error) {
	if len(secret) != SecretSize {
		return nil, errors.New("a platform's secret has 32 bytes")
	}
	return &Enclave{platform, append([]byte(nil), secret...)}, nil
}

// Assignment is a job as the enclave's host tells of it.
type Assignment struct {
	Network  string
	Ref      ledger.Reference // of the job
	Operator ledger.ID
	Accepted ledger.Reference // the operation that accepted it
	Job      *attest.Job
}

// Task returns what keys and seals are bound to.
func (a *Assignment) Task() *sealed.Task {
	j := a.Job
	return &sealed.Task{
		Network: a.Network, Job: a.Ref, Operator: a.Operator, Accepted: a.Accepted, Operation: j.Operation, Output: j.Key, Nonce: j.Nonce,
		Input: j.InputRoot(), Grants: j.GrantsRoot(),
	}
}

// key is the key of a task. Each acceptance of each job has its own.
func (e *Enclave) key(t *sealed.Task) (*ecdh.PrivateKey, error) {
	task := t.Digest()
	seed, err := hkdf.Key(sha256.New, e.secret, task[:], "killick.enclave.task-key.v1", 32)
	if err != nil {
		return nil, err
	}
	return ecdh.X25519().NewPrivateKey(seed)
}

// Key returns the public key of an assignment and the quote that binds it.
func (e *Enclave) Key(a *Assignment) (key [32]byte, quote []byte, err error) {
	t := a.Task()
	own, err := e.key(t)
	if err != nil {
		return key, nil, err
	}
	key = [32]byte(own.PublicKey().Bytes())
	return key, e.platform.Quote(t.ReportData(key)), nil
}

// Check says whether a sealed record opens and is what its line commits to. Errors:
// fault.InvalidValue.
func (e *Enclave) Check(a *Assignment, line int, data []byte) error {
	t := a.Task()
	own, err := e.key(t)
	if err != nil {
		return err
	}
	_, err = admit(t, own, &a.Job.Lines[line], data)
	return err
}

// admit opens a sealed record.
func admit(t *sealed.Task, own *ecdh.PrivateKey, l *attest.Line, data []byte) (*sealed.Record, error) {
	r, err := sealed.OpenRecord(t, own, l.Record, l.Version, data)
	if err != nil {
		return nil, fault.New(fault.InvalidValue, "record %s: it is not sealed to this job's key, or not as an enclave reads it", l.Record)
	}
	if r.Commitment() != l.Commitment {
		return nil, fault.New(fault.InvalidValue, "record %s: it is not what version %d commits to", l.Record, l.Version)
	}
	return r, nil
}

// Output is what leaves the enclave at the end.
type Output struct {
	Ciphertext []byte
	Quote      []byte // over its SHA-256
}

// Run runs the job's operation on the records that were let in and seals the output to
// the consumer. records has one sealed record for each line, or nil for one that its
// owner kept back: the output says which. order is nil for an operation without
// parameters. Run again it makes another ciphertext of the same output: whoever shows two
// of them to the ledger loses the deposit. Errors: those of sealed.DecodeOrder and
// analysis.Of, fault.BadProof when the order is not the job's, fault.InvalidValue.
func (e *Enclave) Run(a *Assignment, order []byte, records [][]byte) (*Output, error) {
	parameters, err := Parameters(a.Job, order)
	if err != nil {
		return nil, err
	}
	operation, err := analysis.Of(a.Job.Operation, parameters)
	if err != nil {
		return nil, err
	}
	t := a.Task()
	opened, absent, err := e.open(a, t, records)
	if err != nil {
		return nil, err
	}
	result, withheld := operation.Run(opened)
	ciphertext, err := sealed.SealOutput(t, document(a, parameters, absent, result, withheld))
	if err != nil {
		return nil, err
	}
	return &Output{ciphertext, e.platform.Quote(a.Job.ReportData(a.Network, a.Ref, a.Operator, canon.Sum(ciphertext)))}, nil
}

// Parameters reads the order of a job and checks that it is the one with which the job
// was opened. Without an order there are none.
func Parameters(j *attest.Job, order []byte) (canon.Object, error) {
	if order == nil {
		return canon.Object{}, nil
	}
	o, err := sealed.DecodeOrder(order)
	if err != nil {
		return nil, err
	}
	if o.Nonce() != j.Nonce {
		return nil, fault.New(fault.BadProof, "the order is not the one with which the job was opened: its digest is not the job's nonce")
	}
	return o.Parameters, nil
}

func (e *Enclave) open(a *Assignment, t *sealed.Task, records [][]byte) (opened []analysis.Record, absent []any, err error) {
	if len(records) != len(a.Job.Lines) {
		return nil, nil, fault.New(fault.InvalidValue, "%d sealed records for %d lines", len(records), len(a.Job.Lines))
	}
	own, err := e.key(t)
	if err != nil {
		return nil, nil, err
	}
	absent = []any{}
	for i := range a.Job.Lines {
		l := &a.Job.Lines[i]
		if records[i] == nil {
			absent = append(absent, l.Record.String())
			continue
		}
		r, err := admit(t, own, l, records[i])
		if err != nil {
			return nil, nil, err
		}
		opened = append(opened, analysis.Record{Owner: l.Owner, Schema: r.Schema, Scope: r.Scope, Content: r.Content})
	}
	return opened, absent, nil
}

// document is the output that the consumer opens: docs/formats/enclave.md section 4.
func document(a *Assignment, parameters canon.Object, absent []any, result canon.Object, withheld string) []byte {
	members := []canon.Member{
		{Name: "format", Value: "killick-output-1"}, {Name: "network", Value: a.Network}, {Name: "job", Value: a.Ref.String()},
		{Name: "operation", Value: a.Job.Operation}, {Name: "parameters", Value: parameters}, {Name: "absent", Value: absent},
	}
	if withheld != "" {
		members = append(members, canon.Member{Name: "withheld", Value: withheld})
	} else {
		members = append(members, canon.Member{Name: "result", Value: result})
	}
	o, err := canon.NewObject(members)
	if err != nil {
		panic(err) // names are constants
	}
	return o.JCS()
}

package story

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// Members are the administrators of the organisations, in member order: what they put
// in force together is a decision of the consortium.
type Members struct {
	admins []*fabric.Client
	msps   []string
}

// Members connects as each organisation's administrator.
func (w *World) Members() (*Members, error) {
	m := &Members{}
	for i, o := range w.Cluster.Orgs() {
		c, err := fabric.Connect(w.Cluster.Client(i, topology.Admin))
		if err != nil {
			return nil, errors.Join(err, m.Close())
		}
		m.admins, m.msps = append(m.admins, c), append(m.msps, o.MSPID)
	}
	return m, nil
}

// Close ends the connections.
func (m *Members) Close() error {
	var errs []error
	for _, c := range m.admins {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Ask evaluates a function at one organisation's peers.
func (m *Members) Ask(ctx context.Context, function string, request, into any) error {
	argument, err := canon.Marshal(request)
	if err != nil {
		return err
	}
	answer, err := m.admins[0].Evaluate(ctx, function, argument)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// Head is the newest checkpoint.
func (m *Members) Head(ctx context.Context) (c checkpoint.Checkpoint, err error) {
	answer, err := m.admins[0].Evaluate(ctx, "checkpoint:Head")
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(answer, &c)
}

// Decide has all but one of four members put a value in force: one proposes, the others
// approve, and one enacts unless an anchor has done so meanwhile.
func (m *Members) Decide(ctx context.Context, subject string, value any) error {
	text, err := canon.Marshal(value)
	if err != nil {
		return err
	}
	var h govern.HistoryView
	if err := m.Ask(ctx, "govern:History", govern.HistoryQuery{Subject: subject}, &h); err != nil {
		return err
	}
	head, err := m.Head(ctx)
	if err != nil {
		return err
	}
	var p govern.Proposed
	answer, err := m.execute(ctx, 0, "govern:Propose", govern.Propose{Subject: subject, Prior: h.Version, Value: jsontext.Value(text), Expires: head.Time + 3600})
	if err != nil {
		return fmt.Errorf("propose %s: %w", subject, err)
	}
	if err := json.Unmarshal(answer, &p); err != nil {
		return err
	}
	approvals := []string{m.msps[0]}
	for i := 1; i < len(m.msps)-1; i++ {
		if _, err := m.execute(ctx, i, "govern:Approve", govern.Approve(p)); err != nil {
			return fmt.Errorf("approve %s: %w", subject, err)
		}
		approvals = append(approvals, m.msps[i])
	}
	_, err = m.execute(ctx, 0, "govern:Enact", govern.Enact{Proposal: p.Proposal, Approvals: approvals})
	var refused *fabric.Refused
	if errors.As(err, &refused) {
		if f, ok := fault.Parse(refused.Message); ok && (f.Code == fault.AlreadyDone || f.Code == fault.Closed) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("enact %s: %w", subject, err)
	}
	return nil
}

func (m *Members) execute(ctx context.Context, member int, function string, request any) ([]byte, error) {
	argument, err := canon.Marshal(request)
	if err != nil {
		return nil, err
	}
	r, err := m.admins[member].Execute(ctx, function, argument)
	if err != nil {
		return nil, err
	}
	return r.Payload, nil
}

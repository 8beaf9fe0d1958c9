// Package trail checks what the links of a trail have to do with each other: that the
// writes which one checkpoint proves lead from a payout, over the settlement that credited
// it, to the verdict, the ballots, the committee and its draw, the evidence, and the grants
// and records behind it. Whatever can be computed again is: the seed from the members'
// elements, the committee from seed and candidates, ballots from their salts, the verdict
// from the ballots, every line of the settlement from verdict and job, and what a quote is
// bound to from job and output.
//
// It does not check the links' own proofs, signatures and chains: anchor/log does. What
// only somebody else can know it says in the text of a line.
package trail

import (
	"fmt"
	"strings"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Lines of the report.
const (
	lineSettlement = "settlement"
	lineJob        = "job"
	lineRound      = "round"
	lineGrants     = "grants"
	lineEvidence   = "evidence"
	lineDraw       = "draw"
	lineCommittee  = "committee"
	lineBallots    = "ballots"
	lineVerdict    = "verdict and money"
	lineCredits    = "credits"
	lineIdentity   = "identity"
	linePayout     = "payout"
	lineStray      = "stray links"
)

// trail is a trail at work. A link that is used is taken out of unused.
type trail struct {
	*log.Trail
	policy  *log.Policy
	network string
	links   map[string]*log.Bundle // by key
	unused  map[string]bool
	checks  []log.Check

	ref        ledger.Reference
	place      *log.Bundle // of the settlement
	settlement *attest.Settlement
	job        *attest.Job
	round      *attest.Round
	draw       *checkpoint.Drawn
	committee  *attest.Drawn
	votes      []attest.Vote
	payee      ledger.ID // of the payout, once a disclosure shows whose it is
}

// Check returns a line for each kind of link. The trail must be one that log.ParseTrail or
// Marshal has taken.
func Check(t *log.Trail, p *log.Policy) []log.Check {
	w := &trail{Trail: t, policy: p, network: t.Links[0].Note.Network, links: map[string]*log.Bundle{}, unused: map[string]bool{}}
	for _, l := range t.Links {
		key := string(l.Write.Record.Key)
		w.links[key], w.unused[key] = l, true
	}
	steps := []struct {
		name string
		run  func() (string, error)
	}{
		{lineSettlement, w.settled}, {lineJob, w.opened}, {lineRound, w.closed}, {lineGrants, w.granted}, {lineEvidence, w.evidence}, {lineDraw, w.drawn},
		{lineCommittee, w.seated}, {lineBallots, w.ballots}, {lineVerdict, w.money}, {lineCredits, w.credited}, {lineIdentity, w.identity}, {linePayout, w.payout}, {lineStray, w.stray},
	}
	for i, s := range steps {
		text, err := s.run()
		switch {
		case err != nil:
			w.checks = append(w.checks, log.Check{Name: s.name, Status: log.Failed, Text: err.Error()})
			if i < 3 {
				return w.checks // nothing can be compared without these
			}
		case text != "":
			w.checks = append(w.checks, log.Check{Name: s.name, Text: text})
		}
	}
	return w.checks
}

// take returns the value of a link that has to be there; an empty one is none, as in state.
func (t *trail) take(key string) ([]byte, error) {
	l := t.links[key]
	if l == nil || len(l.Write.Value) == 0 {
		return nil, fmt.Errorf("there is no link %s", key)
	}
	delete(t.unused, key)
	return l.Write.Value, nil
}

func (t *trail) settled() (string, error) {
	for _, l := range t.Links {
		ref, ok := strings.CutPrefix(string(l.Write.Record.Key), "settlement/")
		if !ok {
			continue
		}
		if t.place != nil {
			return "", fmt.Errorf("there are two settlements")
		}
		var err error
		if t.ref, err = ledger.ParseReference(ref); err != nil {
			return "", err
		}
		if t.settlement, err = attest.DecodeSettlement(l.Write.Value); err != nil {
			return "", err
		}
		t.place = l
		delete(t.unused, string(l.Write.Record.Key))
	}
	if t.place == nil {
		return "", fmt.Errorf("there is no settlement")
	}
	s := t.settlement
	return fmt.Sprintf("job %s ended %s (%s) in block %d, under policy %d", t.ref, s.Verdict, s.Reason, t.place.Block.Number, s.Policy), nil
}

func (t *trail) opened() (string, error) {
	value, err := t.take(attest.JobKey(t.ref.String()))
	if err != nil {
		return "", err
	}
	if t.job, err = attest.DecodeJob(value); err != nil {
		return "", err
	}
	j, s := t.job, t.settlement
	if j.Terms.Version != s.Policy || j.Asset != s.Asset {
		return "", fmt.Errorf("the job was opened under policy %d in %s, the settlement is under policy %d in %s", j.Terms.Version, j.Asset, s.Policy, s.Asset)
	}
	return fmt.Sprintf("%s of %s on %d records, for a TEE fee of %d and a verification fee of %d %s", j.Operation, did.String(t.network, j.Consumer), len(j.Lines), j.TEEFee, j.VerificationFee, j.Asset), nil
}

// closed takes the round as the settlement's transaction left it.
func (t *trail) closed() (string, error) {
	key := attest.RoundKey(t.ref.String())
	l := t.links[key]
	value, err := t.take(key)
	if err != nil {
		return "", err
	}
	if t.round, err = attest.DecodeRound(value); err != nil {
		return "", err
	}
	r, s := t.round, t.settlement
	switch {
	case l.Block.Number != t.place.Block.Number || l.Tx.Index != t.place.Tx.Index:
		return "", fmt.Errorf("the round was not closed by the transaction that settled it")
	case r.Phase != attest.Closed || r.Finding != s.Finding || r.Judged != s.Judged:
		return "", fmt.Errorf("the round is %s, judged at checkpoint %d as %s; the settlement says checkpoint %d and %s", r.Phase, r.Judged, r.Finding.Verdict, s.Judged, s.Finding.Verdict)
	case r.Deposit == 0:
		return "nobody had accepted the job", nil
	}
	return fmt.Sprintf("%s accepted it with a deposit of %d; chaincode found %s (%s)", did.String(t.network, r.Operator), r.Deposit, r.Finding.Verdict, r.Finding.Reason), nil
}

// stray refuses links that nothing leads to: who made the file could hide among them.
func (t *trail) stray() (string, error) {
	for _, l := range t.Links { // in their order
		if key := string(l.Write.Record.Key); t.unused[key] {
			return "", fmt.Errorf("%s has nothing to do with the job", key)
		}
	}
	return "", nil
}

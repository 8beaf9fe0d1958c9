package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/network/fabric"
)

// consortium is the ledger under an organisation's identity. Execute has the effect
// of fabric.Client's: when it returns without an error, Evaluate sees what it did.
type consortium interface {
	Evaluate(ctx context.Context, function string, args ...[]byte) ([]byte, error)
	Execute(ctx context.Context, function string, args ...[]byte) (fabric.Receipt, error)
}

// decider carries out what an operator decides, and says what came of it.
type decider struct {
	ledger consortium
	msp    string // of the own organisation
	out    io.Writer
	now    time.Time
}

// query asks the ledger.
func (d *decider) query(ctx context.Context, function string, request, into any) error {
	var args [][]byte
	if request != nil {
		arg, err := canon.Marshal(request)
		if err != nil {
			return fmt.Errorf("%s: %w", function, err)
		}
		args = append(args, arg)
	}
	answer, err := d.ledger.Evaluate(ctx, function, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", function, advised(err))
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("answer of %s: %w", function, err)
	}
	return nil
}

// do runs a transaction and reads its answer.
func (d *decider) do(ctx context.Context, function string, request, into any) error {
	arg, err := canon.Marshal(request)
	if err != nil {
		return fmt.Errorf("%s: %w", function, err)
	}
	r, err := d.ledger.Execute(ctx, function, arg)
	if err != nil {
		return fmt.Errorf("%s: %w", function, advised(err))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(r.Payload, into); err != nil {
		return fmt.Errorf("answer of %s: %w", function, err)
	}
	return nil
}

// refusal is the chaincode's refusal in an error, nil when there is none.
func refusal(err error) *fault.Error {
	var refused *fabric.Refused
	if errors.As(err, &refused) {
		if f, ok := fault.Parse(refused.Message); ok {
			return f
		}
	}
	return nil
}

// advised adds what to do to a refusal.
func advised(err error) error {
	if f := refusal(err); f != nil {
		return fmt.Errorf("%w (%s)", err, f.Code.Advice())
	}
	return err
}

// subjectOf returns the subject that an operator means: accreditations are of the id
// in a DID.
func subjectOf(text string) string {
	role, name, ok := strings.Cut(text, "/")
	if !ok || !strings.HasPrefix(name, "did:killick:") {
		return text
	}
	return role + "/" + name[strings.LastIndexByte(name, ':')+1:]
}

// moment reads a time, or a duration from now, in seconds since 1970; 0 when empty.
func (d *decider) moment(flag, text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if after, notAfter := time.ParseDuration(text); notAfter == nil {
		t, err = d.now.Add(after), nil
	}
	if err != nil || t.Unix() < 0 {
		return 0, fmt.Errorf("--%s: %q is neither a time such as 2027-01-31T12:00:00Z nor a duration such as 36h", flag, text)
	}
	return uint64(t.Unix()), nil
}

// propose proposes a value in place of the one that is in force now.
func (d *decider) propose(ctx context.Context, subject, value, at, expires string) error {
	if !jsontext.Value(value).IsValid() {
		return fmt.Errorf("VALUE %s is not JSON: strings need quotes of their own, for example '[\"Org1MSP\"]'", value)
	}
	from, err := d.moment("at", at)
	if err != nil {
		return err
	}
	if strings.HasPrefix(subject, "tag/") && expires == openFor {
		expires = openForNotice
	}
	until, err := d.moment("expires", expires)
	if err != nil {
		return err
	}
	subject = subjectOf(subject)
	var h govern.HistoryView
	if err := d.query(ctx, "govern:History", govern.HistoryQuery{Subject: subject}, &h); err != nil {
		return err
	}
	request := govern.Propose{Subject: subject, Prior: h.Version, Value: jsontext.Value(value), At: from, Expires: until}
	var made govern.Proposed
	if err := d.do(ctx, "govern:Propose", request, &made); err != nil {
		return err
	}
	return d.settle(ctx, made.Proposal)
}

// approve gives the own organisation's approval.
func (d *decider) approve(ctx context.Context, ref string) error {
	if err := d.do(ctx, "govern:Approve", govern.Approve{Proposal: ref}, nil); err != nil {
		return err
	}
	return d.settle(ctx, ref)
}

// withdraw takes it back.
func (d *decider) withdraw(ctx context.Context, ref string) error {
	if err := d.do(ctx, "govern:Withdraw", govern.Withdraw{Proposal: ref}, nil); err != nil {
		return err
	}
	return d.showProposal(ctx, ref)
}

// settle enacts a proposal that waits for nothing else, so that an emergency stop
// waits for no anchor. If we stop here, anchors enact it.
func (d *decider) settle(ctx context.Context, ref string) error {
	v, err := d.proposal(ctx, ref)
	if err != nil {
		return err
	}
	if v.Status != govern.Ready {
		return d.showProposal(ctx, ref)
	}
	return d.enact(ctx, ref)
}

// enact puts a proposal in force with the approvals that it has. That somebody else
// was faster is no error.
func (d *decider) enact(ctx context.Context, ref string) error {
	v, err := d.proposal(ctx, ref)
	if err != nil {
		return err
	}
	var n inForce
	if err := d.query(ctx, "ops:Network", nil, &n); err != nil {
		return err
	}
	own := max(0, slices.Index(v.Approvals, d.msp)) // the own one is not taken back meanwhile
	err = d.do(ctx, "govern:Enact", govern.Enact{Proposal: ref, Approvals: govern.Quorum(v.Approvals, n.K, own)}, nil)
	if err == nil {
		return d.showProposal(ctx, ref)
	}
	if now, again := d.proposal(ctx, ref); again == nil && now.Status == govern.Enacted {
		return d.showProposal(ctx, ref)
	}
	return err
}

func (d *decider) proposal(ctx context.Context, ref string) (*govern.ProposalView, error) {
	v := new(govern.ProposalView)
	return v, d.query(ctx, "govern:Proposal", govern.ProposalQuery{Proposal: ref}, v)
}

// inForce is what the query ops:Network answers.
type inForce struct {
	govern.Network
	Issuers   []string          `json:"issuers"`
	Verifiers []govern.Verifier `json:"verifiers"`
}

// jobs tells what is in force about jobs, as far as anything is.
func (d *decider) jobs(ctx context.Context, line func(what string, values ...string)) error {
	var v govern.JobsView
	if err := d.query(ctx, "govern:Jobs", nil, &v); err != nil {
		return err
	}
	if v.Version > 0 {
		line("jobs", fmt.Sprintf("policy %d, committees of %d", v.Version, v.Policy.Committee))
	}
	for _, o := range v.Operators {
		line("operator", o.DID, "for", o.Organisation)
	}
	for _, l := range v.Licences {
		line("licence", l.DID, "for", l.Organisation+",", "paid to", l.Pay)
	}
	for _, m := range v.Measurements {
		line("measurement", m.Platform, m.Measurement, "for", m.Operation)
	}
	for _, r := range v.Roots {
		if r.Simulated {
			line("root", "simulated: quotes of it prove nothing")
		}
	}
	return nil
}

// show prints what is in force and the open proposals.
func (d *decider) show(ctx context.Context) error {
	var n inForce
	if err := d.query(ctx, "ops:Network", nil, &n); err != nil {
		return err
	}
	var program govern.ProgramView
	if err := d.query(ctx, "govern:Program", nil, &program); err != nil {
		return err
	}
	t := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	line := func(what string, values ...string) {
		fmt.Fprintf(t, "%s\t%s\n", what, plain(strings.Join(values, " ")))
	}
	var members []string
	for _, m := range n.Members {
		members = append(members, m.MSP)
	}
	line("members", append(members, fmt.Sprintf("(%d of them decide, set %d)", n.K, n.SetVersion))...)
	if err := d.waiting(ctx, n.K, line); err != nil {
		return err
	}
	line("treasuries", n.Treasuries...)
	line("assets", n.Assets...)
	line("epochSeconds", fmt.Sprint(n.EpochSeconds))
	line("heartbeatSeconds", fmt.Sprint(n.HeartbeatSeconds))
	line("stopped", n.Stopped...)
	line("bound", n.Bound...)
	line("program", program.Current.Digest)
	for _, did := range n.Issuers {
		line("issuer", did)
	}
	for _, v := range n.Verifiers {
		line("verifier", v.DID, "for", v.Organisation)
	}
	if err := d.jobs(ctx, line); err != nil {
		return err
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for after := ""; ; {
		var page []govern.ProposalView
		if err := d.query(ctx, "govern:Proposals", govern.ProposalsQuery{After: after}, &page); err != nil {
			return err
		}
		if len(page) == 0 {
			return nil
		}
		for i := range page {
			if s := page[i].Status; s == govern.Open || s == govern.Ready {
				d.write(&page[i], n.K)
			}
		}
		after = page[len(page)-1].Reference
	}
}

// waiting prints the member set that is decided and not in force yet, if there is one.
func (d *decider) waiting(ctx context.Context, k int, line func(what string, values ...string)) error {
	var sets checkpoint.SetsView
	if err := d.query(ctx, "checkpoint:Sets", checkpoint.SetsQuery{}, &sets); err != nil || sets.Next == nil {
		return err
	}
	var next, signed []string
	for _, m := range sets.Next.Members {
		next = append(next, m.MSP)
	}
	for _, s := range sets.Next.Signatures {
		signed = append(signed, s.MSP)
	}
	line("waiting", fmt.Sprintf("set %d from size %d on: %s (%d of them decide); %d of %d have signed: %s", sets.Next.Version, sets.Next.From,
		strings.Join(next, " "), sets.Next.K, len(signed), k, strings.Join(signed, " ")))
	return nil
}

// members prints the member set in force, in the form in which one is proposed.
func (d *decider) members(ctx context.Context) error {
	var h govern.HistoryView
	if err := d.query(ctx, "govern:History", govern.HistoryQuery{Subject: "members"}, &h); err != nil {
		return err
	}
	if err := h.Value.Indent(jsontext.WithIndent("  ")); err != nil {
		return fmt.Errorf("member set on the ledger: %w", err)
	}
	fmt.Fprintln(d.out, string(h.Value))
	return nil
}

func (d *decider) showProposal(ctx context.Context, ref string) error {
	v, err := d.proposal(ctx, ref)
	if err != nil {
		return err
	}
	var n inForce
	if err := d.query(ctx, "ops:Network", nil, &n); err != nil {
		return err
	}
	d.write(v, n.K)
	return nil
}

// write prints a proposal.
func (d *decider) write(v *govern.ProposalView, k int) {
	fmt.Fprintf(d.out, "proposal %s\n", plain(v.Reference))
	at := "as soon as it is approved"
	if v.At > 0 {
		at = when(v.At)
	}
	for _, line := range [][2]string{
		{"subject", v.Subject}, {"value", string(v.Value)}, {"by", v.By}, {"at", at}, {"notice", notice(v)}, {"expires", when(v.Expires)},
		{"approvals", fmt.Sprintf("%s (%d of %d)", strings.Join(v.Approvals, " "), len(v.Approvals), k)}, {"status", v.Status},
	} {
		if line[1] != "" {
			fmt.Fprintf(d.out, "  %-10s %s\n", line[0], plain(line[1]))
		}
	}
}

// notice says when the notice of a proposal ends, empty where it needs none.
func notice(v *govern.ProposalView) string {
	if v.Elapsed == 0 {
		return ""
	}
	return fmt.Sprintf("until the checkpoints have counted %d s", v.Elapsed)
}

func when(seconds uint64) string { return time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339) }

// history prints the changes of a subject, the oldest first.
func (d *decider) history(ctx context.Context, subject string) error {
	subject = subjectOf(subject)
	for after := (*uint64)(nil); ; {
		var h govern.HistoryView
		if err := d.query(ctx, "govern:History", govern.HistoryQuery{Subject: subject, After: after}, &h); err != nil {
			return err
		}
		if len(h.Changes) == 0 {
			return nil
		}
		for _, c := range h.Changes {
			why := "as founded"
			switch {
			case c.Number == 0 && strings.HasPrefix(subject, "tag/"):
				why = "before any release" // verifiers bind tags, the members found none
			case c.Number > 0:
				why = fmt.Sprintf("%s by %s, proposal %s", when(c.Time), strings.Join(c.Approvals, " "), c.Proposal)
			}
			fmt.Fprintf(d.out, "%d  %s  %s\n", c.Number, plain(string(c.Value)), plain(why))
		}
		after = &h.Changes[len(h.Changes)-1].Number
	}
}

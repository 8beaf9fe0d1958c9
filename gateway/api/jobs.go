package api

import (
	"context"
	"strconv"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/index"
)

// ask runs a query whose request is a JSON object.
func (s *Server) ask(ctx context.Context, v any, function string, request any) error {
	question, err := canon.Marshal(request)
	if err != nil {
		return err
	}
	return s.query(ctx, v, function, question)
}

func decimal(a reward.Amount) string { return strconv.FormatInt(int64(a), 10) }

// GetJob reads a job. Errors: fault.InvalidValue, fault.NotFound.
func (s *Server) GetJob(ctx context.Context, in *killickv1.GetJobRequest) (*killickv1.Job, error) {
	var v attest.JobView
	if err := s.ask(ctx, &v, "attest:Job", attest.JobQuery{Job: in.GetId()}); err != nil {
		return nil, err
	}
	out := &killickv1.Job{
		Id: v.Job, Phase: v.Phase, Consumer: v.Consumer, Operation: v.Operation, Asset: v.Asset, TeeFee: decimal(v.TEEFee),
		VerificationFee: decimal(v.VerificationFee), AtStake: decimal(v.AtStake), Key: v.Key, Nonce: v.Nonce, Expires: uint64(v.Expires),
		Policy: v.Policy, InputRoot: v.InputRoot, GrantsRoot: v.GrantsRoot,
	}
	for _, l := range v.Lines {
		out.Lines = append(out.Lines, &killickv1.JobLine{
			Grant: l.Grant, Record: l.Record, Version: l.Version, Commitment: l.Commitment, Owner: l.Owner, Price: decimal(l.Price),
		})
	}
	return out, nil
}

// ListJobs lists jobs. Errors: fault.MissingField, fault.InvalidValue,
// fault.WrongNetwork, fault.Unavailable.
func (s *Server) ListJobs(ctx context.Context, in *killickv1.ListJobsRequest) (*killickv1.JobPage, error) {
	x, err := s.fresh(ctx, in.GetMinBlock())
	if err != nil {
		return nil, err
	}
	page, err := x.Jobs(ctx, index.Jobs{
		Consumer: in.GetConsumer(), Operator: in.GetOperator(), Phase: in.GetPhase(), Paging: paging(in.GetPageSize(), in.GetPageToken()),
	})
	if err != nil {
		return nil, err
	}
	out := &killickv1.JobPage{NextPageToken: page.Next, Block: page.Block}
	for _, j := range page.Items {
		out.Jobs = append(out.Jobs, &killickv1.ListedJob{
			Id: j.Job, Phase: j.Phase, Consumer: j.Consumer, Operator: j.Operator, Operation: j.Operation, Asset: j.Asset, Grants: uint32(len(j.Lines)),
			TeeFee: decimal(j.TEEFee), VerificationFee: decimal(j.VerificationFee), AtStake: decimal(j.AtStake), Expires: uint64(j.Expires), Time: j.Time,
		})
	}
	return out, nil
}

// GetRound reads how far a job is. Errors: fault.InvalidValue, fault.NotFound.
func (s *Server) GetRound(ctx context.Context, in *killickv1.GetRoundRequest) (*killickv1.Round, error) {
	var v attest.RoundView
	if err := s.ask(ctx, &v, "attest:Round", attest.RoundQuery{Job: in.GetId(), Explain: in.GetExplain()}); err != nil {
		return nil, err
	}
	// Asked for after the round: its clock is not behind what the round was read by.
	var head checkpoint.Checkpoint
	if err := s.query(ctx, &head, "checkpoint:Head"); err != nil && fault.Of(err) != fault.NotFound {
		return nil, err
	}
	out := &killickv1.Round{
		Id: v.Job, Phase: v.Phase, Ends: v.Ends, Checkpoint: head.Number, Clock: head.Elapsed, Operator: v.Operator, Accepted: v.Accepted,
		Deposit: decimal(v.Deposit), Epoch: v.Epoch, Draw: v.Draw, Judged: v.Judged, Evidence: renderEvidence(v.Evidence), Rival: renderEvidence(v.Rival),
		Due: v.Due,
	}
	if l := v.Late; l != nil {
		out.Late = &killickv1.Late{Payee: l.Payee, Amount: decimal(l.Amount), Epoch: l.Epoch, Evidence: renderEvidence(&l.Evidence)}
	}
	if v.Finding != nil {
		out.Finding = renderFinding(*v.Finding)
	}
	if v.Committee != nil {
		out.Committee = renderCommittee(v.Committee)
	}
	if b := v.Basis; b != nil {
		out.Basis = &killickv1.Basis{Time: b.Time, Roots: b.Roots, Statuses: b.Statuses, MinEvaluation: b.MinEvaluation, Collateral: b.Collateral}
		for _, m := range b.Measurements {
			out.Basis.Measurements = append(out.Basis.Measurements, &killickv1.Measurement{Platform: m.Platform, Measurement: m.Measurement})
		}
	}
	return out, nil
}

func renderFinding(v attest.FindingView) *killickv1.Finding {
	return &killickv1.Finding{Verdict: v.Verdict, Reason: v.Reason}
}

func renderEvidence(v *attest.EvidenceView) *killickv1.Evidence {
	if v == nil {
		return nil
	}
	return &killickv1.Evidence{Platform: v.Platform, Output: v.Output, Digest: v.Digest, Operation: v.By, Quote: v.Quote}
}

func renderCommittee(v *attest.CommitteeView) *killickv1.Committee {
	out := &killickv1.Committee{Seed: v.Seed, Checkpoint: v.Checkpoint, Candidates: v.Candidates, Seats: uint32(v.Seats), K: uint32(v.K)}
	for i := range v.Benches {
		b := &v.Benches[i]
		bench := &killickv1.Bench{Organisation: b.Organisation, Withheld: b.Withheld, Seats: uint32(b.Seats)}
		for _, t := range b.Taken {
			bench.Taken = append(bench.Taken, &killickv1.Seat{
				Verifier: t.Verifier, Payee: t.Payee, Digest: t.Digest, Commitment: t.Commitment, Ballot: t.Ballot, Salt: t.Salt,
			})
		}
		for _, r := range b.Order {
			bench.Order = append(bench.Order, &killickv1.Ranked{Verifier: r.Verifier, Digest: r.Digest, Drawn: r.Drawn, Why: r.Why})
		}
		out.Benches = append(out.Benches, bench)
	}
	return out
}

// GetSettlement reads what became of a job. Errors: fault.InvalidValue, fault.NotFound.
func (s *Server) GetSettlement(ctx context.Context, in *killickv1.GetSettlementRequest) (*killickv1.Settlement, error) {
	var v attest.SettlementView
	if err := s.ask(ctx, &v, "attest:Settlement", attest.JobQuery{Job: in.GetId()}); err != nil {
		return nil, err
	}
	out := &killickv1.Settlement{
		Id: v.Job, Verdict: v.Verdict, Reason: v.Reason, Finding: renderFinding(v.Finding), Policy: v.Policy, Judged: v.Judged, Epoch: v.Epoch,
		Asset: v.Asset, Seats: uint32(v.Seats), K: uint32(v.K), Refund: decimal(v.Refund), Returned: decimal(v.Returned),
		Votes: &killickv1.Votes{
			Valid: uint32(v.Votes.Valid), Invalid: uint32(v.Votes.Invalid), Malicious: uint32(v.Votes.Malicious), Unrevealed: uint32(v.Votes.Unrevealed),
		},
	}
	for _, l := range v.Lines {
		out.Lines = append(out.Lines, &killickv1.SettlementLine{
			Role: l.Role, From: l.From, Fate: l.Fate, Who: l.Who, Payee: l.Payee, Amount: decimal(l.Amount),
		})
	}
	return out, nil
}

// GetStanding reads how a verifier has done. Errors: fault.InvalidValue,
// fault.WrongNetwork.
func (s *Server) GetStanding(ctx context.Context, in *killickv1.GetStandingRequest) (*killickv1.Standing, error) {
	var v attest.StandingView
	if err := s.ask(ctx, &v, "attest:Standing", attest.StandingQuery{DID: in.GetDid()}); err != nil {
		return nil, err
	}
	return &killickv1.Standing{
		Did: v.DID, Score: v.Score, Right: v.Right, Wrong: v.Wrong, Unrevealed: v.Unrevealed, Missed: v.Missed, Row: v.Row, OffUntil: v.OffUntil,
	}, nil
}

//go:build e2e

package e2e_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/govern"
	domain "github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
	"github.com/killick-ledger/killick/scripts/story"
)

// What a job costs here.
const (
	ownerPrice  = 2_000
	teeFee      = 10_000
	verifierFee = 4_000
	deposit     = 2*ownerPrice + verifierFee
)

// bench is what jobs need beside a network: people, and a platform that stands for a
// TEE, whose root the members list as they would list Intel's.
type bench struct {
	*network
	t         *testing.T
	admins    *story.Members
	consumer  *person
	operator  *person
	treasurer *person
	owners    [2]*person
	verifiers [4]*person // one of each member
	lines     []attest.OpenLine
	now       uint64
	platform  *simulated.Platform
	salts     map[string][32]byte
}

// jobs has jobs done from the grants to the money, the anchors taking each round on: one
// that verifiers find valid, with a ballot that nobody opens, and one whose quote is of an
// enclave that nobody listed. (AR-1)
func (n *network) jobs(t *testing.T) {
	b := &bench{network: n, t: t, salts: map[string][32]byte{}, now: uint64(time.Now().Unix())}
	b.platform = simulated.New(simulated.Default(tee.SGX, "e2e", b.now))
	var err error
	if b.admins, err = n.Members(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.admins.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := n.Dismiss(t.Context()); err != nil { // those of the main job
		t.Fatal(err)
	}
	b.people()
	b.decisions()
	b.lines = b.grants(b.consumer)
	t.Run("last funds", b.lastFunds)
	t.Run("valid", b.valid)
	t.Run("unlisted", b.unlisted)
	t.Run("late quote", b.late)
}

func (b *bench) people() {
	b.t.Helper()
	b.consumer, b.operator, b.treasurer = b.newPerson(b.t), b.newPerson(b.t), b.newPerson(b.t)
	all := []*person{b.consumer, b.operator, b.treasurer}
	for i := range b.owners {
		b.owners[i] = b.newPerson(b.t)
		all = append(all, b.owners[i])
	}
	for i := range b.verifiers {
		b.verifiers[i] = b.newPerson(b.t)
		all = append(all, b.verifiers[i])
	}
	b.create(b.t, all...)
	b.fund(b.t, b.consumer, 1_000_000)
	b.fund(b.t, b.operator, 1_000_000)
}

// ask evaluates a function at the first organisation's peers.
func (b *bench) ask(function string, request, into any) error {
	return b.admins.Ask(b.t.Context(), function, request, into)
}

// head is the newest checkpoint. There is one soon after anything was done.
func (b *bench) head() (c checkpoint.Checkpoint) {
	b.t.Helper()
	until(b.t, time.Minute, "a checkpoint", func() (err error) {
		c, err = b.admins.Head(b.t.Context())
		return err
	})
	return c
}

// decide has three members put a value in force.
func (b *bench) decide(subject string, value any) {
	b.t.Helper()
	if err := b.admins.Decide(b.t.Context(), subject, value); err != nil {
		b.t.Fatal(err)
	}
}

// policy is how jobs are done here; windows are short.
func (b *bench) policy() govern.Policy {
	return govern.Policy{
		Committee: 4, EvidenceSeconds: 60, CommitSeconds: 8, RevealSeconds: 8, AcceptSeconds: 7200, DepositSeconds: 30, MinTEEFee: 10, MinVerificationFee: 10,
		Treasury: b.treasurer.did, TreasuryBasisPoints: 500, Residue: b.treasurer.did,
		Standing: govern.Standing{Start: 100, Right: 5, Wrong: 30, Missed: 40, OffBelow: 20, MissedOff: 3, LeaveSeconds: 1000},
	}
}

// decisions is all that members decide about these jobs. Their chains for draws are those
// of the main job. Verifiers have seats from the next epoch on.
func (b *bench) decisions() {
	b.t.Helper()
	b.decide("jobs", b.policy())
	b.decide("operator/"+idOfDID(b.operator.did), map[string]string{"organisation": b.Cluster.Orgs()[0].MSPID})
	for i, v := range b.verifiers {
		b.decide("licence/"+idOfDID(v.did), map[string]string{"organisation": b.Cluster.Orgs()[i].MSPID, "pay": v.did})
	}
	b.decide("tee/roots", []govern.Root{{Certificate: base64.StdEncoding.EncodeToString(b.platform.Root()), Simulated: true}})
	q, err := tee.Read(b.platform.Quote([64]byte{}))
	if err != nil {
		b.t.Fatal(err)
	}
	b.decide("tee/measurements", []govern.Measurement{{Platform: "sgx", Measurement: canon.Hex(q.SGX.MREnclave[:]), Operation: "job.mean"}})
	collateral, err := b.platform.Collateral().Encode()
	if err != nil {
		b.t.Fatal(err)
	}
	b.done(b.consumer, &ops.AttestCollateral{Collateral: canon.B64(collateral)})
	licensed := b.epoch()
	b.untilBusy(time.Minute, "the epoch after the licences", func() error {
		if now := b.epoch(); now == licensed {
			return fmt.Errorf("epoch %d", now)
		}
		return nil
	})
}

// epoch is the number of the current one.
func (b *bench) epoch() uint64 {
	b.t.Helper()
	answer, err := b.own[0].Evaluate(b.t.Context(), "reward:Epoch")
	var v reward.EpochView
	if err == nil {
		err = json.Unmarshal(answer, &v)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return v.Number
}

func idOfDID(did string) string { return did[strings.LastIndexByte(did, ':')+1:] }

// done has the gateway bring an operation onto the ledger.
func (b *bench) done(p *person, body ops.Body) ops.Reference {
	b.t.Helper()
	item, ref := p.refer(b.t, body, "")
	if _, err := b.Client.Submit(b.t.Context(), item.Compact()); err != nil {
		b.t.Fatalf("%T: %v", body, err)
	}
	return ref
}

// untilBusy waits while something happens on the ledger once a second, so that there are
// checkpoints.
func (b *bench) untilBusy(limit time.Duration, what string, ok func() error) {
	b.t.Helper()
	last := time.Now()
	until(b.t, limit, what, func() error {
		if time.Since(last) > time.Second {
			last = time.Now()
			b.done(b.treasurer, note(fmt.Sprint("busy ", last.UnixNano())))
		}
		return ok()
	})
}

// grants has the owners allow jobs on a record each.
func (b *bench) grants(to *person) (lines []attest.OpenLine) {
	b.t.Helper()
	for _, o := range b.owners {
		record := b.done(o, note("of "+o.did))
		grant := b.done(o, &ops.RecordAllow{
			Record: record.String(), Client: to.did, Operation: "job.mean", Scope: []string{"/"}, Asset: "usd", Price: ownerPrice,
			Expires: uint64(time.Now().Add(24 * time.Hour).Unix()),
		})
		lines = append(lines, attest.OpenLine{Grant: grant.String(), Record: record.String(), Version: 1, Owner: o.did, Price: ownerPrice})
	}
	return lines
}

// shown opens a job that has evidence of a platform.
func (b *bench) shown(platform *simulated.Platform) ops.Reference {
	b.t.Helper()
	var nonce [32]byte
	_, _ = rand.Read(nonce[:])
	job := b.done(b.consumer, &ops.AttestOpen{
		Operation: "job.mean", Lines: b.lines, Asset: "usd", TEEFee: teeFee, VerificationFee: verifierFee,
		Key: canon.Hex(nonce[:]), Nonce: canon.Hex(nonce[:]), Expires: uint64(time.Now().Add(90 * time.Minute).Unix()),
	})
	b.done(b.operator, &ops.AttestAccept{Job: job.String(), Checkpoint: b.head().Number, Asset: "usd", Deposit: deposit})
	b.done(b.operator, b.evidence(job, platform))
	return job
}

// evidence is a platform's quote of a new output of a job.
func (b *bench) evidence(job ops.Reference, platform *simulated.Platform) *ops.AttestEvidence {
	b.t.Helper()
	var output [32]byte
	_, _ = rand.Read(output[:])
	var v attest.JobView
	if err := b.ask("attest:Job", attest.JobQuery{Job: job.String()}, &v); err != nil {
		b.t.Fatal(err)
	}
	evidence := canon.Evidence{Network: b.name, Job: job.ID, Output: output}
	var err error
	for text, into := range map[string]*[32]byte{v.Nonce: &evidence.Nonce, v.InputRoot: &evidence.Input, v.GrantsRoot: &evidence.Grants} {
		if *into, err = canon.UnHex32(text); err != nil {
			b.t.Fatal(err)
		}
	}
	if evidence.Operator, err = domain.ParseID(idOfDID(b.operator.did)); err != nil {
		b.t.Fatal(err)
	}
	bound := evidence.ReportData()
	var data [64]byte
	copy(data[:], bound[:])
	return &ops.AttestEvidence{Job: job.String(), Platform: "sgx", Output: canon.Hex(output[:]), Quote: canon.B64(platform.Quote(data))}
}

// round returns how far a job is.
func (b *bench) round(job ops.Reference) (v attest.RoundView) {
	b.t.Helper()
	if err := b.ask("attest:Round", attest.RoundQuery{Job: job.String()}, &v); err != nil {
		b.t.Fatal(err)
	}
	return v
}

// in waits until a job is in a phase.
func (b *bench) in(job ops.Reference, phase string) {
	b.t.Helper()
	b.untilBusy(2*time.Minute, "phase "+phase, func() error {
		if at := b.round(job).Phase; at != phase {
			return errors.New(at)
		}
		return nil
	})
}

// vote has all who were drawn commit to a ballot, and all but so many reveal it.
func (b *bench) vote(job ops.Reference, ballot attest.Verdict, silent int) {
	b.t.Helper()
	b.in(job, "commit")
	by := map[string]*person{}
	for _, v := range b.verifiers {
		by[v.did] = v
	}
	var drawn []*person
	for _, bench := range b.round(job).Committee.Benches {
		for _, s := range bench.Taken {
			drawn = append(drawn, by[s.Verifier])
		}
	}
	if len(drawn) != 4 {
		b.t.Fatalf("%d were drawn", len(drawn))
	}
	for _, p := range drawn {
		var salt [32]byte
		_, _ = rand.Read(salt[:])
		id, err := domain.ParseID(idOfDID(p.did))
		if err != nil {
			b.t.Fatal(err)
		}
		b.salts[p.did] = salt
		digest := canon.BallotDigest(b.name, job.ID, id, byte(ballot), salt)
		b.done(p, &ops.AttestCommit{Job: job.String(), Commitment: canon.Hex(digest[:])})
	}
	b.in(job, "reveal")
	for _, p := range drawn[silent:] {
		salt := b.salts[p.did]
		b.done(p, &ops.AttestReveal{Job: job.String(), Ballot: ballot.String(), Salt: canon.Hex(salt[:])})
	}
	b.in(job, "closed")
}

// settled checks the verdict, and that all of the money is somewhere.
func (b *bench) settled(t *testing.T, job ops.Reference, verdict, reason string) attest.SettlementView {
	t.Helper()
	var s attest.SettlementView
	if err := b.ask("attest:Settlement", attest.JobQuery{Job: job.String()}, &s); err != nil {
		t.Fatal(err)
	}
	if s.Verdict != verdict || s.Reason != reason {
		t.Errorf("%s, %s, want %s, %s", s.Verdict, s.Reason, verdict, reason)
	}
	paid := s.Refund + s.Returned
	for _, l := range s.Lines {
		paid += l.Amount
	}
	if want := reward.Amount(2*ownerPrice + teeFee + verifierFee + deposit); paid != want {
		t.Errorf("%d of %d are accounted for", paid, want)
	}
	return s
}

// returned waits until the anchors have given back what is owed.
func (b *bench) returned(p *person, balance int) {
	b.t.Helper()
	b.untilBusy(time.Minute, "the rest is returned", func() error {
		if got, _ := b.money(b.t, p); got != balance {
			return fmt.Errorf("a balance of %d, want %d", got, balance)
		}
		return nil
	})
}

func (b *bench) valid(t *testing.T) {
	job := b.shown(b.platform)
	b.vote(job, attest.Valid, 1)
	s := b.settled(t, job, "valid", "agreed")
	if s.Votes.Valid != 3 || s.Votes.Unrevealed != 1 {
		t.Errorf("%+v", s.Votes)
	}
	for _, o := range b.owners {
		if _, received := b.money(t, o); received != ownerPrice {
			t.Errorf("an owner has %d", received)
		}
	}
	if _, received := b.money(t, b.operator); received != teeFee-teeFee/20 {
		t.Errorf("the operator has %d", received)
	}
	b.returned(b.operator, 1_000_000)
	b.returned(b.consumer, 1_000_000-2*ownerPrice-teeFee-verifierFee)
	b.audited(t, b.consumer)
	b.audited(t, b.owners[0])
	b.traced(t, job)
}

// unlisted is a quote of an enclave that no member listed, by keys of the right platform:
// its deposit pays owners and verifiers, and the consumer has the money back.
func (b *bench) unlisted(t *testing.T) {
	spec := simulated.Default(tee.SGX, "e2e", b.now)
	spec.SGX.MREnclave[0] ^= 1
	before, _ := b.money(t, b.consumer)
	job := b.shown(simulated.New(spec))
	b.vote(job, attest.Malicious, 0)
	b.settled(t, job, "malicious", "unlisted_measurement")
	b.returned(b.consumer, before)
	b.returned(b.operator, 1_000_000-2*ownerPrice-verifierFee)
	for _, o := range b.owners {
		if _, received := b.money(t, o); received != 2*ownerPrice {
			t.Errorf("an owner has %d", received)
		}
	}
}

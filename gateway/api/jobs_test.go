package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	state "github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/index"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// asked serves GET requests before the ledger of jobs.
func asked(t *testing.T, j *opstest.Jobs, configs ...func(*api.Config)) (*submittest.Ledger, killickv1.KillickServer, func(path string) (int, []byte)) {
	t.Helper()
	ledger := submittest.NewOn(j.Store)
	server := serve(t, ledger, configs...)
	rest, err := server.REST()
	if err != nil {
		t.Fatal(err)
	}
	return ledger, server, func(path string) (int, []byte) {
		w := httptest.NewRecorder()
		rest.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		body, err := io.ReadAll(w.Body)
		if err != nil {
			t.Error(err)
		}
		return w.Code, body
	}
}

// same wants REST to say what gRPC says.
func same(t *testing.T, get func(string) (int, []byte), path string, want proto.Message, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	status, body := get(path)
	got := want.ProtoReflect().New().Interface()
	if err := protojson.Unmarshal(body, got); err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %v in %s", path, status, err, body)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("%s: %s", path, diff)
	}
}

// What the ledger says of a job, its round, its settlement and its verifiers is what a
// gateway answers, over REST and gRPC.
func TestJobs(t *testing.T) {
	j := opstest.NewJobs(t, 2)
	job, running, fresh := j.ToCommit("settled"), j.ToCommit("running"), j.Open("fresh")
	drawn := j.Drawn(running)
	j.Do(drawn[0], j.CommitBody(running, drawn[0], attest.Invalid), "")
	j.Vote(job, attest.Valid, attest.Valid, attest.Valid, attest.Valid, attest.Valid, attest.Valid, attest.Invalid, attest.Undecided)
	j.Tick(100)
	j.Step(job)
	settled := j.Close(job)
	j.Do(j.Consumer, j.EvidenceBody(job, j.Platform, opstest.OutputOf("another")), "")
	_, server, get := asked(t, j)
	ctx, ref := t.Context(), job.String()

	v, err := server.GetJob(ctx, &killickv1.GetJobRequest{Id: ref})
	same(t, get, "/v1/jobs/"+ref, v, err)
	if v.GetPhase() != "closed" || v.GetConsumer() != j.Consumer.DID || v.GetTeeFee() != "1000" || v.GetVerificationFee() != "401" || v.GetAtStake() != "901" ||
		len(v.GetLines()) != 2 || v.GetLines()[1].GetOwner() != j.Owners[1].DID || v.GetLines()[1].GetPrice() != "250" || len(v.GetInputRoot()) != 64 {
		t.Errorf("job %v", v)
	}

	r, err := server.GetRound(ctx, &killickv1.GetRoundRequest{Id: running.String(), Explain: true})
	same(t, get, "/v1/jobs/"+running.String()+"/round?explain=true", r, err)
	head, view := j.Head(), j.Round(running)
	if r.GetPhase() != "commit" || r.GetEnds() != view.Ends || r.GetCheckpoint() != head.Number || r.GetClock() != head.Elapsed || r.GetDeposit() != "901" ||
		r.GetOperator() != j.Operator.DID || r.GetEvidence().GetPlatform() != "sgx" || r.GetEvidence().GetQuote() != view.Evidence.Quote || r.GetFinding() != nil || r.GetRival() != nil ||
		r.GetDue() != view.Due || r.GetDue() == 0 || r.GetLate() != nil {
		t.Errorf("round %v", r)
	}
	c := r.GetCommittee()
	if c.GetSeed() != view.Committee.Seed || c.GetSeats() != 8 || c.GetK() != 3 || len(c.GetBenches()) != 4 {
		t.Fatalf("committee %v", c)
	}
	for i, b := range c.GetBenches() {
		want := view.Committee.Benches[i]
		if b.GetOrganisation() != want.Organisation || len(b.GetTaken()) != 2 || len(b.GetOrder()) != 2 || b.GetTaken()[0].GetDigest() != want.Taken[0].Digest ||
			b.GetTaken()[0].GetCommitment() != want.Taken[0].Commitment || b.GetOrder()[1].GetVerifier() != want.Order[1].Verifier || !b.GetOrder()[1].GetDrawn() {
			t.Errorf("bench %d: %v, want %v", i, b, want)
		}
	}
	if c.GetBenches()[0].GetTaken()[0].GetCommitment() == "" {
		t.Error("the commitment is missing")
	}
	short, err := server.GetRound(ctx, &killickv1.GetRoundRequest{Id: ref})
	same(t, get, "/v1/jobs/"+ref+"/round", short, err)
	if b := short.GetCommittee().GetBenches()[0]; len(b.GetOrder()) != 0 || b.GetTaken()[0].GetBallot() != "valid" || b.GetTaken()[0].GetSalt() == "" || short.GetFinding().GetVerdict() != "valid" {
		t.Errorf("round without explain %v", short)
	}
	late, l := short.GetLate(), j.Round(job).Late
	if e := late.GetEvidence(); late.GetPayee() != j.Treasury.DID || late.GetAmount() != "901" || late.GetEpoch() != l.Epoch || l.Epoch == 0 ||
		e.GetOutput() != opstest.OutputOf("another") || e.GetDigest() != l.Evidence.Digest || e.GetOperation() != l.Evidence.By || e.GetQuote() != l.Evidence.Quote {
		t.Errorf("late %v, want %+v", late, l)
	}

	s, err := server.GetSettlement(ctx, &killickv1.GetSettlementRequest{Id: ref})
	same(t, get, "/v1/jobs/"+ref+"/settlement", s, err)
	if s.GetVerdict() != "valid" || s.GetAsset() != "usd" || s.GetVotes().GetInvalid() != 1 || s.GetVotes().GetUnrevealed() != 1 || s.GetReturned() != "901" || len(s.GetLines()) != len(settled.Lines) {
		t.Errorf("settlement %v", s)
	}
	for i, l := range s.GetLines() {
		want := settled.Lines[i]
		if l.GetRole() != want.Role || l.GetFrom() != want.From || l.GetFate() != want.Fate || l.GetWho() != want.Who || l.GetPayee() != want.Payee || l.GetAmount() == "" {
			t.Errorf("line %d: %v, want %v", i, l, want)
		}
	}

	wrong := j.Drawn(job)[6]
	one, err := server.GetStanding(ctx, &killickv1.GetStandingRequest{Did: wrong.DID})
	same(t, get, "/v1/verifiers/"+wrong.DID, one, err)
	if one.GetWrong() != 1 || one.GetScore() != 70 || one.GetDid() != wrong.DID {
		t.Errorf("standing %v", one)
	}
	never, err := server.GetStanding(ctx, &killickv1.GetStandingRequest{Did: j.Consumer.DID})
	if err != nil || never.GetRight() != 0 || never.GetDid() != j.Consumer.DID {
		t.Errorf("of nobody drawn %v %v", never, err)
	}

	none := "00000000-" + zeros
	for path, code := range map[string]fault.Code{
		"/v1/jobs/x":                                           fault.InvalidValue,
		"/v1/jobs/" + none:                                     fault.NotFound,
		"/v1/jobs/" + none + "/round":                          fault.NotFound,
		"/v1/jobs/x/round":                                     fault.InvalidValue,
		"/v1/jobs/" + ref + "/round?explain=maybe":             fault.InvalidValue,
		"/v1/jobs/" + ref + "/round?Explain=true":              fault.UnknownField,
		"/v1/jobs/" + ref + "/round?explain=true&explain=true": fault.DuplicateKey,
		"/v1/jobs/" + ref + "?explain=true":                    fault.UnknownField,
		"/v1/jobs/" + ref + "/settlement?explain=true":         fault.UnknownField,
		"/v1/jobs/" + fresh.String() + "/settlement":           fault.NotFound,
		"/v1/jobs/x/settlement":                                fault.InvalidValue,
		"/v1/verifiers/x":                                      fault.InvalidValue,
		"/v1/verifiers/" + strings.Replace(wrong.DID, submittest.Network, "main-ffffffffffffffff", 1): fault.WrongNetwork,
		"/v1/verifiers/" + wrong.DID + "?job=x":                                                       fault.UnknownField,
	} {
		status, body := get(path)
		var problem struct{ Code string }
		if err := json.Unmarshal(body, &problem); err != nil || problem.Code != code.String() || status != code.HTTP() {
			t.Errorf("%s: %d %s, want %v", path, status, body, code)
		}
	}
}

// A round can be read before there is a checkpoint, and not at all when no peer answers.
func TestRoundsWithoutCheckpoints(t *testing.T) {
	j := opstest.NewJobs(t, 1)
	job := j.Open("early")
	if err := j.Store.Delete(checkpoint.HeadKey); err != nil {
		t.Fatal(err)
	}
	ledger, server, _ := asked(t, j)
	r, err := server.GetRound(t.Context(), &killickv1.GetRoundRequest{Id: job.String()})
	if err != nil || r.GetPhase() != "open" || r.GetCheckpoint() != 0 || r.GetCommittee() != nil || r.GetDeposit() != "0" {
		t.Errorf("%v %v", r, err)
	}
	ledger.SetDown(true)
	if _, err := server.GetRound(t.Context(), &killickv1.GetRoundRequest{Id: job.String()}); fault.Of(err) != fault.Unavailable {
		t.Errorf("no peer: %v", err)
	}
}

// Jobs are listed over REST as over gRPC, with what the ledger says of each.
func TestJobList(t *testing.T) {
	scene := opstest.New(t)
	scene.Now = uint64(time.Now().Unix()) // the ledger below goes by the time that it is
	j := opstest.NewJobsOn(scene, 1)
	j.Register()
	var x *index.Index
	ledger, server, get := asked(t, j, func(c *api.Config) {
		var err error
		if x, err = index.Open(index.Config{File: filepath.Join(t.TempDir(), "index"), Network: submittest.Network, Ledger: c.Ledger.(*submittest.Ledger), Log: c.Log}); err != nil {
			t.Fatal(err)
		}
		c.Index = x
	})
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	j.Through = func(caller state.Caller, name string, args [][]byte) error {
		_, err := ledger.InvokeAs(caller, name, args...)
		return err
	}
	first, second := j.Open("first"), j.Open("second")
	ctx, block := t.Context(), uint64(len(ledger.Chain())-1)
	at := fmt.Sprint("/v1/jobs?phase=open&pageSize=1&minBlock=", block, "&consumer=", j.Consumer.DID)
	page, err := server.ListJobs(ctx, &killickv1.ListJobsRequest{Consumer: j.Consumer.DID, Phase: "open", PageSize: 1, MinBlock: block})
	same(t, get, at, page, err)
	next, err := server.ListJobs(ctx, &killickv1.ListJobsRequest{Consumer: j.Consumer.DID, Phase: "open", PageSize: 1, MinBlock: block, PageToken: page.GetNextPageToken()})
	same(t, get, at+"&pageToken="+page.GetNextPageToken(), next, err)
	if len(page.GetJobs()) != 1 || len(next.GetJobs()) != 1 || next.GetNextPageToken() != "" || page.GetJobs()[0].GetId() != first.String() || next.GetBlock() != block {
		t.Fatalf("%v, then %v", page, next)
	}
	v, err := server.GetJob(ctx, &killickv1.GetJobRequest{Id: second.String()})
	if err != nil {
		t.Fatal(err)
	}
	want := &killickv1.ListedJob{
		Id: v.GetId(), Phase: "open", Consumer: j.Consumer.DID, Operation: "job.mean", Asset: "usd", Grants: 2, TeeFee: v.GetTeeFee(),
		VerificationFee: v.GetVerificationFee(), AtStake: v.GetAtStake(), Expires: v.GetExpires(), Time: next.GetJobs()[0].GetTime(),
	}
	if diff := cmp.Diff(want, next.GetJobs()[0], protocmp.Transform()); diff != "" || want.Time == 0 {
		t.Error(diff)
	}
}

package cli_test

import (
	"context"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/api/apitest"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// bureau is a world in which jobs are done: the consumer, the operator and the only
// verifier of the first member have key files, the other verifiers act by themselves.
type bureau struct {
	*world
	jobs   *submittest.Jobs
	grants []string // to the consumer
	tamper tampering
	honest string // address of the gateway that does not lie
}

// tampering is what a gateway between the program and the honest one does, if anything.
type tampering struct {
	job        func(*killickv1.Job)
	round      func(*killickv1.Round)
	settlement func(*killickv1.Settlement)
	submit     func(jws string, forward func() (*killickv1.Operation, error)) (*killickv1.Operation, error)
}

// startJobs starts a bureau; others have key files and DIDs besides.
func startJobs(t *testing.T, others ...string) *bureau {
	t.Helper()
	names := append([]string{"consumer", "operator", "verifier"}, others...)
	drafts := begin(t)
	b := &bureau{jobs: submittest.NewJobs(t)}
	users := map[string]*opstest.User{}
	for _, name := range names {
		drafts.keys(name)
		users[name] = b.enrol(t, drafts.path(name+".keys"))
	}
	j := b.jobs
	j.Operator = users["operator"]
	j.Decide("operator/"+j.Operator.ID.String(), `{"organisation":"Org2MSP"}`)
	j.License(users["verifier"])
	for _, o := range j.Owners {
		ref := j.Do(o, opstest.Submit("of "+o.DID[len(o.DID)-4:]), "")
		b.grants = append(b.grants, j.Do(o, &ops.RecordAllow{
			Record: ref.String(), Client: users["consumer"].DID, Operation: "job.mean", Scope: []string{"/"}, Asset: "usd", Price: 250, Expires: j.Now + 86400,
		}, "").String())
	}
	j.Start()

	b.world = beginOn(t, j.Ledger)
	for _, name := range names {
		b.keys(name)
	}
	b.intercept()
	return b
}

// enrol creates the DID of a key file and gives it money.
func (b *bureau) enrol(t *testing.T, file string) *opstest.User {
	t.Helper()
	identity, err := client.Load(file, []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	return b.jobs.Enrol(identity.On(submittest.Network))
}

// intercept puts a gateway that can lie between the program and the honest one.
func (b *bureau) intercept() {
	b.t.Helper()
	b.honest = b.gateway
	b.gateway = apitest.Between(b.t, b.honest, func(honest killickv1.KillickClient) killickv1.KillickServer {
		return &between{honest: honest, tamper: &b.tamper}
	})
}

// between tampers with what the commands on jobs ask.
type between struct {
	killickv1.UnimplementedKillickServer
	honest killickv1.KillickClient
	tamper *tampering
}

func (g *between) GetJob(ctx context.Context, in *killickv1.GetJobRequest) (*killickv1.Job, error) {
	j, err := g.honest.GetJob(ctx, in)
	if err == nil && g.tamper.job != nil {
		g.tamper.job(j)
	}
	return j, err
}

func (g *between) GetRound(ctx context.Context, in *killickv1.GetRoundRequest) (*killickv1.Round, error) {
	r, err := g.honest.GetRound(ctx, in)
	if err == nil && g.tamper.round != nil {
		g.tamper.round(r)
	}
	return r, err
}

func (g *between) GetSettlement(ctx context.Context, in *killickv1.GetSettlementRequest) (*killickv1.Settlement, error) {
	s, err := g.honest.GetSettlement(ctx, in)
	if err == nil && g.tamper.settlement != nil {
		g.tamper.settlement(s)
	}
	return s, err
}

func (g *between) Submit(ctx context.Context, in *killickv1.SubmitRequest) (*killickv1.Operation, error) {
	forward := func() (*killickv1.Operation, error) { return g.honest.Submit(ctx, in) }
	if g.tamper.submit != nil {
		return g.tamper.submit(in.GetOperation(), forward)
	}
	return forward()
}

// open opens a job by the command line.
func (b *bureau) open() string {
	b.t.Helper()
	args := append([]string{"job", "open", "--keys", b.path("consumer.keys"), "--tee-fee", "1000", "--verification-fee", "401", "--most", "1901"}, b.grants...)
	return b.do(args...)["job"].(string)
}

// evidence has the operator accept a job and hand in good evidence, by the command line.
func (b *bureau) evidence(job string) ledger.Reference {
	b.t.Helper()
	ref, err := ledger.ParseReference(job)
	if err != nil {
		b.t.Fatal(err)
	}
	operator := b.path("operator.keys")
	b.do("job", "accept", "--keys", operator, job)
	b.jobs.Pull()
	output := canon.Sum([]byte("the output"))
	quote, err := canon.UnB64(b.jobs.EvidenceBody(ref, b.jobs.Platform, canon.Hex(output[:])).Quote)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do("job", "evidence", "--keys", operator, "--output", b.write("output", "the output"), "--quote", b.write("quote", string(quote)), job)
	b.jobs.Pull()
	return ref
}

// toCommit takes a job to its ballots.
func (b *bureau) toCommit() ledger.Reference {
	b.t.Helper()
	job := b.evidence(b.open())
	b.jobs.Draw(job)
	b.jobs.Step(job)
	return job
}

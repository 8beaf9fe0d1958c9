package cli_test

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// bureau is a world in which jobs are done: the consumer, the operator and the only
// verifier of the first member have key files, the other verifiers act by themselves.
type bureau struct {
	*world
	jobs   *opstest.Jobs
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
	scene := opstest.New(t)
	scene.Now = uint64(time.Now().Unix())
	b := &bureau{jobs: opstest.NewJobsOn(scene, 1)}
	users := map[string]*opstest.User{}
	for _, name := range names {
		drafts.keys(name)
		users[name] = b.enrol(t, drafts.path(name+".keys"))
	}
	j := b.jobs
	j.Operator = users["operator"]
	j.Decide("operator/"+j.Operator.ID.String(), `{"organisation":"Org2MSP"}`)
	licences := []govern.Licence{{DID: users["verifier"].DID, Organisation: j.Members[0].MSP, Pay: users["verifier"].DID, Epoch: 1}}
	for i, v := range j.Verifiers[1:] {
		licences = append(licences, govern.Licence{DID: v.DID, Organisation: j.Members[i+1].MSP, Pay: v.DID, Epoch: 1})
	}
	j.SetLicences(licences)
	for _, o := range j.Owners {
		ref := j.Do(o, opstest.Submit("of "+o.DID[len(o.DID)-4:]), "")
		b.grants = append(b.grants, j.Do(o, &ops.RecordAllow{
			Record: ref.String(), Client: users["consumer"].DID, Operation: "job.mean", Scope: []string{"/"}, Asset: "usd", Price: 250, Expires: j.Now + 86400,
		}, "").String())
	}
	j.Register()

	b.world = beginOn(t, submittest.NewOn(j.Store))
	for _, name := range names {
		b.keys(name)
	}
	scene.Through = func(caller ledger.Caller, name string, args [][]byte) error {
		_, err := b.ledger.InvokeAs(caller, name, args...)
		b.pull()
		return err
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
	signer := identity.On(submittest.Network)
	jws, err := signer.Create(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	item, err := ops.ParseCompact(jws)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.jobs.Batch(item); got[0] != 0 {
		t.Fatalf("create: %v", fault.Code(got[0]))
	}
	id, err := did.ParseOn(submittest.Network, signer.DID())
	if err != nil {
		t.Fatal(err)
	}
	u := &opstest.User{DID: signer.DID(), ID: id}
	b.jobs.Fund(u, 1_000_000)
	return u
}

// pull shows the jobs what the ledger has.
func (b *bureau) pull() {
	b.t.Helper()
	store := new(ledger.Memory)
	for _, e := range b.ledger.State() {
		if err := store.Put(e.Key, e.Value); err != nil {
			b.t.Fatal(err)
		}
	}
	b.jobs.Store = store
}

// intercept puts a gateway that can lie between the program and the honest one.
func (b *bureau) intercept() {
	b.t.Helper()
	conn, err := grpc.NewClient(b.gateway, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	server := grpc.NewServer()
	killickv1.RegisterKillickServer(server, &between{honest: killickv1.NewKillickClient(conn), tamper: &b.tamper})
	go func() { _ = server.Serve(listener) }() // ends with Stop
	b.t.Cleanup(func() {
		server.Stop()
		_ = conn.Close()
	})
	b.honest, b.gateway = b.gateway, listener.Addr().String()
}

// between forwards what the commands on jobs ask.
type between struct {
	killickv1.UnimplementedKillickServer
	honest killickv1.KillickClient
	tamper *tampering
}

func (g *between) GetNetwork(ctx context.Context, in *killickv1.GetNetworkRequest) (*killickv1.Network, error) {
	return g.honest.GetNetwork(ctx, in)
}
func (g *between) GetGrant(ctx context.Context, in *killickv1.GetGrantRequest) (*killickv1.Grant, error) {
	return g.honest.GetGrant(ctx, in)
}
func (g *between) GetRecord(ctx context.Context, in *killickv1.GetRecordRequest) (*killickv1.Record, error) {
	return g.honest.GetRecord(ctx, in)
}
func (g *between) GetBalance(ctx context.Context, in *killickv1.GetBalanceRequest) (*killickv1.Balance, error) {
	return g.honest.GetBalance(ctx, in)
}
func (g *between) GetJob(ctx context.Context, in *killickv1.GetJobRequest) (*killickv1.Job, error) {
	j, err := g.honest.GetJob(ctx, in)
	if err == nil && g.tamper.job != nil {
		g.tamper.job(j)
	}
	return j, err
}

func (g *between) ListJobs(ctx context.Context, in *killickv1.ListJobsRequest) (*killickv1.JobPage, error) {
	return g.honest.ListJobs(ctx, in)
}

func (g *between) GetStanding(ctx context.Context, in *killickv1.GetStandingRequest) (*killickv1.Standing, error) {
	return g.honest.GetStanding(ctx, in)
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
	b.pull()
	output := canon.Sum([]byte("the output"))
	quote, err := canon.UnB64(b.jobs.EvidenceBody(ref, b.jobs.Platform, canon.Hex(output[:])).Quote)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do("job", "evidence", "--keys", operator, "--output", b.write("output", "the output"), "--quote", b.write("quote", string(quote)), job)
	b.pull()
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

// others has all but the first verifier act.
func (b *bureau) others(job ledger.Reference, body func(u *opstest.User) ops.Body) {
	b.t.Helper()
	for _, u := range b.jobs.Drawn(job)[1:] {
		b.jobs.Do(u, body(u), "")
	}
}

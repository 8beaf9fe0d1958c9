package operator_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/enclave/analysis"
	"github.com/killick-ledger/killick/gateway/enclave/inside"
	"github.com/killick-ledger/killick/gateway/enclave/operator"
	"github.com/killick-ledger/killick/gateway/sealed"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// owner is somebody with a record, and its secrets.
type owner struct {
	*opstest.User
	content []byte
	salt    [32]byte
	line    attest.OpenLine
}

// stage is a ledger with jobs behind a gateway, an operator, and all that passes between.
type stage struct {
	t          *testing.T
	jobs       *submittest.Jobs
	gateway    *client.Client
	consumer   client.Signer
	operator   *client.Identity
	identities map[string]*client.Identity // by DID
	cfg        operator.Config
	owners     []*owner
	trust      *client.Trust
	wire       wire // what passed the gateway and the service
	log        *bytes.Buffer
	// submit, if set, is between the operator and the ledger.
	submit func(operation string, forward func() (*killickv1.Operation, error)) (*killickv1.Operation, error)
	// hangs, if set, is told of each question about a job, which gets no answer.
	hangs atomic.Pointer[chan struct{}]

	*running
}

// running is the operator's program as it runs.
type running struct {
	*operator.Operator
	web     *httptest.Server
	enclave *client.Enclave
}

// wire keeps all bytes.
type wire struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (w *wire) add(data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(data)
}

// begin has owners with these contents, whose grants are for the operation.
func begin(t *testing.T, operation string, contents ...string) *stage {
	t.Helper()
	s := &stage{t: t, jobs: submittest.NewJobs(t), log: new(bytes.Buffer)}
	j := s.jobs
	s.consumer, j.Consumer = s.enrol()
	var signer client.Signer
	signer, j.Operator = s.enrol()
	j.Decide("operator/"+j.Operator.ID.String(), `{"organisation":"Org2MSP"}`)
	s.operator = s.identities[signer.DID()]
	s.list()
	for i, content := range contents {
		s.owners = append(s.owners, s.newOwner(i, operation, content))
	}
	j.Start()
	s.serve()
	s.cfg = operator.Config{
		Gateway: s.gateway, Identity: s.operator, Network: submittest.Network, Platform: j.Platform, Dir: filepath.Join(t.TempDir(), "journal"), Init: true,
		Assets: []operator.Asset{{Name: "usd"}}, Poll: time.Hour, Log: slog.New(slog.NewJSONHandler(s.log, nil)),
	}
	s.start()
	return s
}

// enrol creates the DID of a new identity and gives it money.
func (s *stage) enrol() (client.Signer, *opstest.User) {
	s.t.Helper()
	identity, _, err := client.Generate("EdDSA", false)
	if err != nil {
		s.t.Fatal(err)
	}
	signer := identity.On(submittest.Network)
	u := s.jobs.Enrol(signer)
	if s.identities == nil {
		s.identities = map[string]*client.Identity{}
	}
	s.identities[u.DID] = identity
	return signer, u
}

// list has the members list the platform for all operations.
func (s *stage) list() {
	s.t.Helper()
	l, err := inside.ListingOf(s.jobs.Platform, analysis.Names())
	if err != nil {
		s.t.Fatal(err)
	}
	var measurements []govern.Measurement
	s.trust = &client.Trust{Roots: []client.TrustedRoot{{Certificate: l.Roots[0].Certificate, Simulated: true}}}
	for _, m := range l.Measurements {
		measurements = append(measurements, govern.Measurement(m))
		s.trust.Measurements = append(s.trust.Measurements, client.TrustedProgram(m))
	}
	s.jobs.Decide("tee/measurements", s.jobs.JSON(measurements))
}

func (s *stage) newOwner(i int, operation, content string) *owner {
	s.t.Helper()
	j := s.jobs
	o := &owner{User: opstest.NewUser("owner of " + content + string(rune('a'+i))), content: []byte(content), salt: [32]byte(opstest.Seed("salt of " + content + string(rune('a'+i))))}
	j.Create(o.User)
	commitment := client.CommitmentWith(o.salt, o.content)
	record := j.Do(o.User, &ops.RecordSubmit{Schema: []string{"heart", "sleep"}[i%2], Commitment: canon.Hex(commitment[:]), Size: uint64(len(content))}, "")
	grant := j.Do(o.User, &ops.RecordAllow{
		Record: record.String(), Client: j.Consumer.DID, Operation: operation, Scope: []string{"/"}, Asset: "usd", Price: 250, Expires: j.Now + 86400,
	}, "")
	o.line = attest.OpenLine{Grant: grant.String(), Record: record.String(), Version: 1, Owner: o.DID, Price: 250}
	return o
}

// start starts the operator's program on its journal.
func (s *stage) start() {
	s.t.Helper()
	o, err := operator.Open(s.cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.cfg.Init = false
	s.running = &running{Operator: o}
	h := o.Handler()
	s.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.wire.add(append([]byte(r.URL.String()), data...))
		r.Body = io.NopCloser(bytes.NewReader(data))
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		s.wire.add(answer.Body.Bytes())
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // the client is gone if this fails
	}))
	s.t.Cleanup(s.web.Close)
	if s.enclave, err = client.DialEnclave(s.web.URL, s.web.Client()); err != nil {
		s.t.Fatal(err)
	}
}

// restart kills the program and starts it again on its journal.
func (s *stage) restart() {
	s.t.Helper()
	s.web.Close()
	s.start()
}

// pass has the operator look at its jobs once.
func (s *stage) pass() {
	s.t.Helper()
	if err := s.Once(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// open has the consumer open a job of parameters, with all owners' grants, and brings the
// order to the operator.
func (s *stage) open(operation, parameters string) string {
	s.t.Helper()
	o := s.order(parameters)
	job := s.openWith(operation, o)
	if err := s.enclave.PutOrder(s.t.Context(), job, o); err != nil {
		s.t.Fatal(err)
	}
	return job
}

func (s *stage) order(parameters string) *sealed.Order {
	s.t.Helper()
	p, err := canon.ParseObject([]byte(parameters))
	if err != nil {
		s.t.Fatal(err)
	}
	return &sealed.Order{Salt: [32]byte(opstest.Seed("order " + s.t.Name() + parameters)), Parameters: p}
}

// openWith opens a job with an order, which the operator does not get.
func (s *stage) openWith(operation string, o *sealed.Order) string {
	s.t.Helper()
	key, _ := s.consumer.OutputKey()
	nonce := o.Nonce()
	body := &ops.AttestOpen{
		Operation: operation, Asset: "usd", TEEFee: opstest.TEEFee, VerificationFee: opstest.VerificationFee, Key: canon.Hex(key), Nonce: canon.Hex(nonce[:]),
	}
	for _, o := range s.owners {
		body.Lines = append(body.Lines, o.line)
	}
	jws, ref, err := s.consumer.OpenJob(body, time.Hour)
	if err != nil {
		s.t.Fatal(err)
	}
	receipt, err := s.gateway.Submit(s.t.Context(), jws)
	if err != nil {
		s.t.Fatal(err)
	}
	// The operator finds it in the gateway's list, which follows blocks.
	if _, err := s.gateway.Jobs(s.t.Context(), &client.ListJobs{Phase: "open", MinBlock: receipt.GetBlock()}); err != nil {
		s.t.Fatal(err)
	}
	s.jobs.Pull()
	return ref
}

// seal has an owner appraise the enclave and seal its record.
func (s *stage) seal(job string, o *owner) ([]byte, error) {
	s.t.Helper()
	a, err := s.gateway.Assigned(s.t.Context(), submittest.Network, job)
	if err != nil {
		return nil, err
	}
	quoted, err := s.enclave.Key(s.t.Context(), job)
	if err != nil {
		return nil, err
	}
	key, err := a.Appraise(quoted, s.trust, time.Now())
	if err != nil {
		return nil, err
	}
	lines, err := a.LinesOf(o.DID)
	if err != nil || len(lines) != 1 {
		s.t.Fatal(len(lines), err)
	}
	return key.Seal(lines[0], &sealed.Record{Salt: o.salt, Schema: "heart", Scope: []string{"/"}, Content: o.content})
}

// release has owners let their records in.
func (s *stage) release(job string, owners ...*owner) {
	s.t.Helper()
	for _, o := range owners {
		data, err := s.seal(job, o)
		if err == nil {
			err = s.enclave.PutRecord(s.t.Context(), job, o.line.Record, data)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// result fetches, checks and opens the output as the consumer.
func (s *stage) result(job string) map[string]any {
	s.t.Helper()
	s.jobs.Pull()
	a, err := s.gateway.Assigned(s.t.Context(), submittest.Network, job)
	if err != nil {
		s.t.Fatal(err)
	}
	data, err := s.enclave.Output(s.t.Context(), job)
	if err == nil {
		err = a.CheckOutput(data)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	plain, err := s.consumer.OpenOutput(a.Task, data)
	if err != nil {
		s.t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(plain, &v); err != nil {
		s.t.Fatal(err)
	}
	return v
}

// state is where a job stands by the operator's own word.
func (s *stage) state(job string) string {
	s.t.Helper()
	for _, j := range s.Status().Jobs {
		if j.Job == job {
			return j.State
		}
	}
	return ""
}

// reference reads the name of a job.
func (s *stage) reference(job string) ledger.Reference {
	s.t.Helper()
	s.jobs.Pull()
	ref, err := ledger.ParseReference(job)
	if err != nil {
		s.t.Fatal(err)
	}
	return ref
}

// settle has verifiers find a proven job valid, and closes it.
func (s *stage) settle(job string) {
	s.t.Helper()
	ref := s.reference(job)
	s.jobs.Draw(ref)
	s.jobs.Step(ref)
	s.jobs.Vote(ref, attest.Valid, attest.Valid, attest.Valid, attest.Valid)
	if got := s.jobs.Close(ref).Verdict; got != "valid" {
		s.t.Fatalf("verdict %s", got)
	}
}

// rival is another operator with money.
func (s *stage) rival() client.Signer {
	s.t.Helper()
	s.jobs.Pull()
	signer, u := s.enrol()
	s.jobs.Decide("operator/"+u.ID.String(), `{"organisation":"Org3MSP"}`)
	return signer
}

package node_test

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/events"
	"github.com/killick-ledger/killick/gateway/index"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
	"github.com/killick-ledger/killick/gateway/verifier/node"
)

// world is a ledger in memory on which jobs are done, with a gateway before it, and others
// before that which can lie. The verifier of the first member is the node's, the others
// act by themselves.
type world struct {
	t        *testing.T
	ledger   *submittest.Ledger
	jobs     *opstest.Jobs
	honest   string
	client   *client.Client
	operator client.Signer
	verifier *client.Identity
	gateways []*between
	config   node.Config
	deliver  http.HandlerFunc // what the operator answers; nil: the output
	output   string
	ca       []byte // PEM, that of the operator
	logged   *log
	later    time.Duration // by which the node's clock is ahead
}

// log keeps what is logged.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

const output = "the output's ciphertext"

// begin makes a world whose node has so many gateways.
func begin(t *testing.T, gateways int) *world {
	t.Helper()
	w := &world{t: t, output: output, logged: new(log)}
	scene := opstest.New(t)
	scene.Now = uint64(time.Now().Unix())
	w.jobs = opstest.NewJobsOn(scene, 1)
	j := w.jobs
	operator, verifier := w.person(), w.person()
	w.operator, w.verifier = operator.On(submittest.Network), verifier
	j.Operator = w.enrol(operator)
	j.Decide("operator/"+j.Operator.ID.String(), `{"organisation":"Org2MSP"}`)
	own := w.enrol(verifier)
	licences := []govern.Licence{{DID: own.DID, Organisation: j.Members[0].MSP, Pay: own.DID, Epoch: 1}}
	for i, v := range j.Verifiers[1:] {
		licences = append(licences, govern.Licence{DID: v.DID, Organisation: j.Members[i+1].MSP, Pay: v.DID, Epoch: 1})
	}
	j.SetLicences(licences)
	j.Register()
	w.ledger = submittest.NewOn(j.Store)
	w.serve()
	scene.Through = func(caller ledger.Caller, name string, args [][]byte) error {
		_, err := w.ledger.InvokeAs(caller, name, args...)
		w.pull()
		return err
	}
	shop := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.deliver != nil {
			w.deliver(rw, r)
			return
		}
		_, _ = rw.Write([]byte(w.output))
	}))
	t.Cleanup(shop.Close)
	w.announce(shop.URL)
	ca := x509.NewCertPool()
	ca.AddCert(shop.Certificate())
	w.ca = pemOf(shop.Certificate())
	w.config = node.Config{
		Identity: verifier, Network: submittest.Network, Dir: filepath.Join(t.TempDir(), "verifier"), Private: true, Poll: time.Nanosecond, Patience: 20 * time.Second,
		Now:        func() time.Time { return time.Now().Add(w.later) },
		OperatorCA: ca, Log: slog.New(slog.NewTextHandler(w.logged, nil)),
	}
	for range gateways {
		w.between()
	}
	return w
}

func (w *world) person() *client.Identity {
	w.t.Helper()
	identity, _, err := client.Generate("EdDSA", false)
	if err != nil {
		w.t.Fatal(err)
	}
	return identity
}

// enrol creates the DID of an identity and gives it money.
func (w *world) enrol(identity *client.Identity) *opstest.User {
	w.t.Helper()
	signer := identity.On(submittest.Network)
	jws, err := signer.Create(nil, "")
	if err != nil {
		w.t.Fatal(err)
	}
	item, err := ops.ParseCompact(jws)
	if err != nil {
		w.t.Fatal(err)
	}
	if got := w.jobs.Batch(item); got[0] != 0 {
		w.t.Fatalf("create: %v", fault.Code(got[0]))
	}
	id, err := did.ParseOn(submittest.Network, signer.DID())
	if err != nil {
		w.t.Fatal(err)
	}
	u := &opstest.User{DID: signer.DID(), ID: id}
	w.jobs.Fund(u, 1_000_000)
	return u
}

// serve serves the honest gateway.
func (w *world) serve() {
	w.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	dir := w.t.TempDir()
	stream := events.New(events.Config{Ledger: w.ledger, Network: submittest.Network, Log: quiet})
	s, err := submit.Open(submit.Config{Journal: filepath.Join(dir, "journal.db"), Network: submittest.Network, Ledger: stream.Watch(w.ledger), Log: quiet, Hold: 4 * time.Millisecond})
	if err != nil {
		w.t.Fatal(err)
	}
	x, err := index.Open(index.Config{File: filepath.Join(dir, "index"), Network: submittest.Network, Ledger: stream, Log: quiet})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := errors.Join(x.Close(), s.Close()); err != nil {
			w.t.Error(err)
		}
	})
	server := api.New(api.Config{Submitter: s, Ledger: w.ledger, Events: stream, Index: x, Network: submittest.Network, Log: quiet}).GRPC()
	w.honest = w.listen(server)
	if w.client, err = client.Dial(w.honest); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = w.client.Close() })
}

func (w *world) listen(server *grpc.Server) string {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }() // ends with Stop
	w.t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// between adds a gateway of the node that can lie.
func (w *world) between() {
	w.t.Helper()
	conn, err := grpc.NewClient(w.honest, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	g := &between{honest: killickv1.NewKillickClient(conn)}
	server := grpc.NewServer(grpc.UnaryInterceptor(g.unary))
	killickv1.RegisterKillickServer(server, g)
	w.gateways = append(w.gateways, g)
	w.config.Gateways = append(w.config.Gateways, w.listen(server))
}

// node opens a node on the world's folder.
func (w *world) node() *node.Node {
	w.t.Helper()
	n, err := node.New(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = n.Close() })
	return n
}

// pass has the node look at everything once, when the gateway's index has what the ledger
// has.
func (w *world) pass(n *node.Node) {
	w.t.Helper()
	height, err := w.ledger.Height(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.client.Jobs(w.t.Context(), &client.ListJobs{Phase: "open", MinBlock: height - 1}); err != nil {
		w.t.Fatal(err)
	}
	n.Pass(w.t.Context())
}

// pull shows the jobs what the ledger has.
func (w *world) pull() {
	w.t.Helper()
	store := new(ledger.Memory)
	for _, e := range w.ledger.State() {
		if err := store.Put(e.Key, e.Value); err != nil {
			w.t.Fatal(err)
		}
	}
	w.jobs.Store = store
}

// submit has the operator do something.
func (w *world) submit(body ops.Body) {
	w.t.Helper()
	jws, _, err := w.operator.Operation(body, "")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.client.Submit(w.t.Context(), jws); err != nil {
		w.t.Fatalf("%T: %v", body, err)
	}
	w.pull()
}

// announce puts where the operator delivers into its document.
func (w *world) announce(url string) {
	w.t.Helper()
	e, err := w.client.Edit(w.t.Context(), w.operator.DID())
	if err != nil {
		w.t.Fatal(err)
	}
	e.SetService("enclave", "KillickEnclave", url)
	jws, err := w.operator.Update(e)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.client.Submit(w.t.Context(), jws); err != nil {
		w.t.Fatal(err)
	}
	w.pull()
}

// accepted opens a job and has the operator accept it.
func (w *world) accepted(nonce string) ledger.Reference {
	w.t.Helper()
	job := w.jobs.Open(nonce)
	w.submit(w.jobs.AcceptBody(job))
	return job
}

func hashOf(text string) string {
	sum := canon.Sum([]byte(text))
	return canon.Hex(sum[:])
}

// toCommit takes a job with evidence to its ballots.
func (w *world) toCommit(nonce string) ledger.Reference {
	w.t.Helper()
	job := w.accepted(nonce)
	w.submit(w.jobs.EvidenceBody(job, w.jobs.Platform, hashOf(output)))
	w.jobs.Draw(job)
	w.jobs.Step(job)
	return job
}

// toReveal ends the commitments.
func (w *world) toReveal(job ledger.Reference) {
	w.t.Helper()
	w.jobs.Tick(100)
	w.jobs.Step(job)
}

// others has the other verifiers act.
func (w *world) others(job ledger.Reference, body func(u *opstest.User) ops.Body) {
	w.t.Helper()
	for _, u := range w.jobs.Drawn(job)[1:] {
		w.jobs.Do(u, body(u), "")
	}
}

// seat is the node's seat in a round.
func (w *world) seat(job ledger.Reference) attest.SeatView {
	w.t.Helper()
	w.pull()
	for _, b := range w.jobs.Round(job).Committee.Benches {
		for _, s := range b.Taken {
			if s.Verifier == w.verifier.DID(submittest.Network) {
				return s
			}
		}
	}
	w.t.Fatal("the node has no seat")
	return attest.SeatView{}
}

// between is a gateway of the node, which forwards what it is asked.
type between struct {
	killickv1.UnimplementedKillickServer
	honest killickv1.KillickClient

	silent, refuses bool
	round           func(*killickv1.Round)
	list            func(*killickv1.JobPage)
	submit          func(jws string, forward func() (*killickv1.Operation, error)) (*killickv1.Operation, error)
	follows         func(cursor string)
	submitted       []string
}

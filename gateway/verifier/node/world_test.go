package node_test

import (
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api/apitest"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
	"github.com/killick-ledger/killick/gateway/verifier/node"
)

// world is a ledger in memory on which jobs are done, with a gateway before it, and others
// before that which can lie. The verifier of the first member is the node's, the others
// act by themselves.
type world struct {
	t        *testing.T
	jobs     *submittest.Jobs
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
	w := &world{t: t, jobs: submittest.NewJobs(t), output: output, logged: new(log)}
	j := w.jobs
	operator, verifier := w.person(), w.person()
	w.operator, w.verifier = operator.On(submittest.Network), verifier
	j.Operator = j.Enrol(w.operator)
	j.Decide("operator/"+j.Operator.ID.String(), `{"organisation":"Org2MSP"}`)
	j.License(j.Enrol(verifier.On(submittest.Network)))
	j.Start()
	w.serve()
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

// serve serves the honest gateway.
func (w *world) serve() {
	w.t.Helper()
	w.honest = apitest.Serve(w.t, w.jobs.Ledger).Address
	var err error
	if w.client, err = client.Dial(w.honest); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = w.client.Close() })
}

// between adds a gateway of the node that can lie.
func (w *world) between() {
	w.t.Helper()
	g := new(between)
	address := apitest.Between(w.t, w.honest, func(honest killickv1.KillickClient) killickv1.KillickServer {
		g.honest = honest
		return g
	}, g.unary)
	w.gateways = append(w.gateways, g)
	w.config.Gateways = append(w.config.Gateways, address)
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
	height, err := w.jobs.Ledger.Height(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.client.Jobs(w.t.Context(), &client.ListJobs{Phase: "open", MinBlock: height - 1}); err != nil {
		w.t.Fatal(err)
	}
	n.Pass(w.t.Context())
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
	w.jobs.Pull()
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
	w.jobs.Pull()
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

// seat is the node's seat in a round.
func (w *world) seat(job ledger.Reference) attest.SeatView {
	w.t.Helper()
	w.jobs.Pull()
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

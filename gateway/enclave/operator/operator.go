package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/enclave/inside"
)

// Operator runs jobs. Make it with Open, have Run work.
type Operator struct {
	cfg        Config
	log        *slog.Logger
	signer     client.Signer
	id         ledger.ID
	enclave    *inside.Enclave
	collateral []byte // of the platform, encoded
	kind       string // of the platform: sgx or tdx
	journal    journal
	listener   net.Listener // nil: the caller serves Handler
	wake       chan struct{}
	requests   chan struct{} // a place for each that is worked on, but orders
	orders     chan struct{}
	arriving   *arriving

	mu    sync.Mutex
	works map[string]*work
	seen  map[string]verdict // open jobs that are not taken, and why, so that it is told once
	trip  string             // what went wrong in the last pass
	since time.Time
}

// Open reads the journal and listens. Nothing is sent before Run. Errors: mistakes in the
// configuration, all of them; a journal that is empty without leave, or does not read.
func Open(cfg Config) (*Operator, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	o := &Operator{
		cfg: cfg, log: cfg.Log, signer: cfg.Identity.On(cfg.Network), journal: journal{cfg.disk}, wake: make(chan struct{}, 1),
		requests: make(chan struct{}, maxRequests), orders: make(chan struct{}, maxOrders), arriving: &arriving{most: maxArriving}, works: map[string]*work{}, seen: map[string]verdict{}, since: time.Now(),
	}
	if o.journal.disk == nil {
		o.journal.disk = folder(cfg.Dir)
	}
	var err error
	if o.id, err = did.ParseOn(cfg.Network, o.signer.DID()); err != nil {
		return nil, err
	}
	if o.collateral, err = cfg.Platform.Collateral().Encode(); err != nil {
		return nil, err
	}
	q, err := tee.Read(cfg.Platform.Quote([64]byte{}))
	if err != nil {
		return nil, err
	}
	o.kind = strings.ToLower(q.Kind.String())
	secret, err := o.journal.open(cfg.Init)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", cfg.Dir, err)
	}
	if o.enclave, err = inside.New(cfg.Platform, secret); err != nil {
		return nil, err
	}
	names, err := o.journal.jobs()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if o.works[name], err = resume(o.journal, name); err != nil {
			return nil, fmt.Errorf("journal %s: %w", cfg.Dir, err)
		}
	}
	if cfg.Listen != "" {
		o.listener, err = net.Listen("tcp", cfg.Listen)
	}
	return o, err
}

// DID returns the operator's DID.
func (o *Operator) DID() string { return o.signer.DID() }

// Address is where the service listens, nil when the caller serves Handler.
func (o *Operator) Address() net.Addr {
	if o.listener == nil {
		return nil
	}
	return o.listener.Addr()
}

// shutdown is how long requests under way may take when the operator ends.
const shutdown = 10 * time.Second

// Run follows jobs and serves until ctx ends. It returns nil then, and an error when the
// service cannot be served. The journal is complete whenever it returns.
func (o *Operator) Run(ctx context.Context) error {
	o.log.Warn("the enclave is SIMULATED: its operator can read all that is let into it", "operator", o.DID(), "jobs", len(o.works))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	served := make(chan error, 1)
	if o.listener != nil {
		server := newServer(o.Handler())
		wait.Go(func() {
			err := server.Serve(o.listener)
			if !errors.Is(err, http.ErrServerClosed) {
				served <- err
				cancel()
			}
		})
		wait.Go(func() {
			<-ctx.Done()
			end, done := context.WithTimeout(context.WithoutCancel(ctx), shutdown)
			defer done()
			_ = server.Shutdown(end) // what is cut off is asked for again
		})
	}
	wait.Go(func() { o.listen(ctx) })
	o.loop(ctx)
	wait.Wait()
	o.log.Info("operator stopped")
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	default:
		return nil
	}
}

// loop takes all jobs on, whenever something may have changed.
func (o *Operator) loop(ctx context.Context) {
	ticker := time.NewTicker(o.cfg.Poll)
	defer ticker.Stop()
	for {
		o.tell(o.pass(ctx))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-o.wake:
		}
	}
}

// tell logs what went wrong, once for as long as it lasts.
func (o *Operator) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	o.mu.Lock()
	before := o.trip
	o.trip = text
	o.mu.Unlock()
	if text != "" && text != before {
		o.log.Warn("jobs wait", "error", text)
	}
}

// poke has the loop look again soon.
func (o *Operator) poke() {
	select {
	case o.wake <- struct{}{}:
	default: // it will
	}
}

// events are operations after which the loop looks again.
var events = []string{"attest.open", "attest.cancel", "attest.accept", "attest.evidence", "attest.close", "attest.collateral"}

// listen wakes the loop when something happened to a job. When the stream breaks for
// good, the loop's own pace is left.
func (o *Operator) listen(ctx context.Context) {
	for ctx.Err() == nil {
		for e, err := range o.cfg.Gateway.Events(ctx, &client.EventsRequest{Now: true, Operation: events}) {
			if err != nil {
				break
			}
			if e.GetId() != "" {
				o.poke()
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(o.cfg.Poll):
		}
	}
}

// find returns a job that the journal knows, nil otherwise.
func (o *Operator) find(job string) *work {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.works[job]
}

// all returns the jobs that the journal knows.
func (o *Operator) all() []*work {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]*work, 0, len(o.works))
	for _, w := range o.works {
		list = append(list, w)
	}
	return list
}

// adopt returns the work for a job, a new one if the journal did not know it.
func (o *Operator) adopt(job string) *work {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := o.works[job]
	if w == nil {
		w = &work{job: job}
		o.works[job] = w
	}
	return w
}

func sumOf(data []byte) [32]byte { return canon.Sum(data) }

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

const (
	hour = time.Hour
	// patience is how long a client waits for one answer. It is less than a change of
	// leaders takes, so that clients ask again while one goes on.
	patience = 4 * time.Second
	again    = 100 * time.Millisecond // pause before the same bytes are sent again
	batched  = 25                     // operations in a request of a client that batches
	funds    = 1_000_000              // of each account, in micro-units
	asset    = "usd"
)

// account is a DID that acts. Its signer implements ops.Signer.
type account struct {
	client.Signer
	identity *client.Identity
}

// newAccount makes a key of one of the algorithms.
func (c *caller) newAccount() (*account, error) {
	identity, _, err := client.Generate(string(did.Algorithms[c.random.IntN(len(did.Algorithms))]), false)
	if err != nil {
		return nil, err
	}
	return &account{identity.On(c.Cluster.Network), identity}, nil
}

// caller is one client. It works for itself, on one goroutine.
type caller struct {
	*world
	kind     string
	home     int // door that it goes to first
	accounts []*account
	payees   []*account
	random   *rand.Rand
	serial   int
	round    func(*caller, context.Context) error
}

// kinds are the clients: how many there are of each, of how many accounts, what each
// does in a round, and how many operations that is.
var kinds = []struct {
	name       string
	count, own int
	operations int
	round      func(*caller, context.Context) error
	what       string
}{
	{"single", 3, 1, 1, (*caller).single, "sends one after the other over gRPC"},
	{"batch", 2, 6, batched, (*caller).batch, "sends batches of 25 over gRPC, one payment of each too large"},
	{"later", 2, 1, 1, (*caller).later, "sends over REST without waiting, and looks up"},
	{"cutter", 2, 1, 1, (*caller).cutter, "cancels requests in the middle and sends the same bytes again, also to the other gateway"},
	{"twin", 1, 1, 1, (*caller).twin, "sends the same operation through both gateways at once"},
	{"rival", 1, 1, 3, (*caller).rival, "amends one version through both gateways at once: one may win"},
	{"chain", 2, 1, 5, (*caller).chain, "submits, amends, deletes a record, and amends the deleted one"},
	{"overdraft", 1, 1, 1, (*caller).overdraft, "pays more than it has"},
	{"newcomer", 1, 1, 3, (*caller).newcomer, "creates a DID, pays it, acts with it"},
	{"leaver", 1, 1, 1, (*caller).leaver, "cancels requests and never asks again"},
	{"hasty", 1, 1, 1, (*caller).hasty, "signs for at most a second"},
}

// open makes the clients' accounts and funds them.
func (w *world) open(ctx context.Context) ([]*caller, error) {
	setup := &caller{world: w, kind: "setup", random: rand.New(rand.NewPCG(w.seed, 1<<32))}
	var payees []*account
	for range 4 {
		p, err := setup.newAccount()
		if err != nil {
			return nil, err
		}
		payees = append(payees, p)
	}
	var callers []*caller
	for _, k := range kinds {
		for range k.count {
			c := &caller{world: w, kind: k.name, home: len(callers) % len(w.doors), payees: payees, round: k.round,
				random: rand.New(rand.NewPCG(w.seed, uint64(1+len(callers))))}
			for range k.own {
				a, err := c.newAccount()
				if err != nil {
					return nil, err
				}
				c.accounts = append(c.accounts, a)
				w.accounts = append(w.accounts, a)
			}
			callers = append(callers, c)
		}
	}
	if err := setup.create(ctx, append(payees, w.accounts...)...); err != nil {
		return nil, err
	}
	return callers, w.fund(ctx)
}

// create makes DIDs.
func (c *caller) create(ctx context.Context, accounts ...*account) error {
	var all []*operation
	for _, a := range accounts {
		op, err := c.book.sign(c.kind, a, &ops.DIDCreate{Document: a.identity.Document()}, "", hour, fault.OK)
		if err != nil {
			return err
		}
		all = append(all, op)
	}
	if err := c.batchToTheEnd(ctx, all); err != nil {
		return err
	}
	for _, op := range all {
		if t := op.Told[0]; t.State != "done" {
			return fmt.Errorf("did.create %s: %s", op.ID, t)
		}
	}
	return nil
}

func (w *world) fund(ctx context.Context) error {
	treasury, err := fabric.Connect(w.Cluster.Client(0, topology.Admin))
	if err != nil {
		return err
	}
	defer treasury.Close()
	id := canon.Sum([]byte("soak"))
	request := reward.Fund{ID: canon.Hex(id[:]), Asset: asset}
	for _, a := range w.accounts {
		request.Lines = append(request.Lines, reward.Line{To: a.DID(), Amount: funds})
	}
	argument, err := canon.Marshal(request)
	if err != nil {
		return err
	}
	_, err = treasury.Execute(ctx, "reward:Fund", argument)
	return err
}

// drive runs all clients. They begin new rounds until load ends, and bring what they
// have begun to its end unless working ends before.
func (w *world) drive(load, working context.Context, callers []*caller) {
	gate := newGate(w.rate)
	var all sync.WaitGroup
	for _, c := range callers {
		n := 1
		for _, k := range kinds {
			if k.name == c.kind {
				n = k.operations
			}
		}
		all.Go(func() {
			for gate.pass(load, n) {
				if err := c.round(c, working); err != nil && working.Err() == nil {
					c.book.find("a %s client: %v", c.kind, err)
					pause(load, time.Second)
				}
			}
		})
	}
	all.Wait()
}

// gate lets a number of operations a second pass.
type gate struct {
	mu    sync.Mutex
	each  time.Duration
	ready time.Time
}

func newGate(rate int) *gate { return &gate{each: time.Second / time.Duration(rate)} }

// pass waits for the turn of n operations. It is false when ctx ends before.
func (g *gate) pass(ctx context.Context, n int) bool {
	g.mu.Lock()
	now := time.Now()
	if g.ready.Before(now) {
		g.ready = now
	}
	wait := g.ready.Sub(now)
	g.ready = g.ready.Add(time.Duration(n) * g.each)
	g.mu.Unlock()
	return pause(ctx, wait) && ctx.Err() == nil
}

// door is where the client goes with a try: the first two at home, then in turn, so
// that it goes on when a gateway is away.
func (c *caller) door(try int) *door {
	if try > 0 {
		try--
	}
	return c.doors[(c.home+try)%len(c.doors)]
}

// brought signs an operation and sends it until it has a receipt.
func (c *caller) brought(ctx context.Context, a *account, body ops.Body, prior string, want ...fault.Code) (*operation, error) {
	op, err := c.book.sign(c.kind, a, body, prior, hour, want...)
	if err != nil {
		return nil, err
	}
	return op, c.toTheEnd(ctx, op)
}

// toTheEnd sends an operation until it has a receipt.
func (c *caller) toTheEnd(ctx context.Context, op *operation) error {
	for try := 0; ; try++ {
		err := c.once(ctx, c.door(try), op, patience)
		if !errors.Is(err, errNotYet) {
			return err
		}
		if !pause(ctx, again) {
			c.book.leave(op)
			return ctx.Err()
		}
	}
}

// once sends an operation and waits for its receipt for a time.
func (c *caller) once(ctx context.Context, d *door, op *operation, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t, err := d.submit(ctx, op)
	if err != nil {
		return err
	}
	c.book.told(op, t)
	return nil
}

// batchToTheEnd sends operations in one request, and those that have no receipt
// again, until each has one.
func (c *caller) batchToTheEnd(ctx context.Context, open []*operation) error {
	for try := 0; len(open) > 0; try++ {
		d := c.door(try)
		var jws []string
		for _, op := range open {
			jws = append(jws, op.jws)
		}
		limited, cancel := context.WithTimeout(ctx, patience)
		answers, err := d.grpc.SubmitAll(limited, jws...)
		cancel()
		var refused *client.Error
		if errors.As(err, &refused) {
			err = d.refusal(refused.Fault.Code, refused.Fault.Text)
		}
		if err != nil && !errors.Is(err, errNotYet) && ctx.Err() == nil && limited.Err() == nil {
			return err
		}
		var left []*operation
		for i, op := range open {
			t, ok := d.final(answers[i])
			if ok {
				c.book.told(op, t)
				continue
			}
			if code := answers[i].GetCode(); answers[i].GetState() == "refused" && code != fault.Unavailable.String() {
				return fmt.Errorf("%s: an operation was not taken: %v", d.name, answers[i])
			}
			left = append(left, op)
		}
		if open = left; len(open) > 0 && !pause(ctx, again) {
			for _, op := range open {
				c.book.leave(op)
			}
			return ctx.Err()
		}
	}
	return nil
}

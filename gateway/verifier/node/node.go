// Package node is a verifier node: it follows the rounds of jobs, and for those whose
// committee has its DID it fetches evidence and output, judges them, commits to a ballot,
// and reveals it.
//
// It never votes on what it could not check: an error of its own ends in no ballot, and
// never in a good one. A ballot and its salt are on disk before the commitment leaves, and
// what is on disk is voted and nothing else, so a node that was killed at any point goes
// on where it was. It believes no gateway alone while others answer, and any one gateway
// that does what it should is enough for its votes to reach the ledger. It holds no key
// but its DID's.
package node

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/killick-ledger/killick/gateway/ballot"
	"github.com/killick-ledger/killick/gateway/client"
)

// Config is what a node works with.
type Config struct {
	// Identity has the key that signs votes, Network is the ledger's name.
	Identity *client.Identity
	Network  string
	// Gateways are gRPC addresses as client.Dial takes them, each of another organisation:
	// N - K + 1 of them, so that no silence or refusal of N - K keeps a vote from the
	// ledger; 2(N - K) + 1, so that no lie does either.
	Gateways []string
	// Dir holds ballots and cursors. It is made when it is not there. Whoever loses it
	// cannot reveal what was committed to.
	Dir string
	// Patience is how long a gateway may take to answer before it counts as silent
	// (0: 5 seconds).
	Patience time.Duration
	// Poll is the pause between two looks at a round (0: 2 seconds), Look that between two
	// at the lists of jobs, which find what the event streams did not tell (0: 1 minute).
	Poll, Look time.Duration
	// Margin is how near the end of the commitments is near, in their second half: what an
	// operator does not deliver by then counts against it (0: 2 minutes).
	Margin time.Duration
	// MaxOutput is the size of the largest output that is fetched, in bytes (0: 64 MiB). On
	// a larger one the node has no vote.
	MaxOutput int64
	// Private lets operators be asked at addresses that are not public. It is for networks of
	// one's own: an operator writes its address into its DID document itself.
	Private bool
	// OperatorCA vouches for operators (nil: the system's CAs do). Operators are endpoints by
	// the operators' DIDs that are asked in place of those in their documents, also without
	// TLS and at any address.
	OperatorCA *x509.CertPool
	Operators  map[string]string
	// Platforms judge evidence of which the ledger has the digest alone, by the name of the
	// platform.
	Platforms map[string]Platform
	Log       *slog.Logger
	// Now is the clock (nil: the system's).
	Now func() time.Time
}

// Node is a verifier node. Make it with New.
type Node struct {
	cfg      Config
	signer   client.Signer
	gateways []*client.Client
	silence  silence
	operator *operators
	status   Status // guarded by mu, as passed
	mu       sync.Mutex

	// What follows belongs to the goroutine of Run.
	tasks   map[string]*task
	passed  map[string]bool // open rounds in which there is nothing left to do
	cursors *cursors

	crash func(point string) error // of tests: what fails at a point, and how
}

// Check reports every mistake of the configuration.
func (c *Config) Check() error {
	var errs []error
	if c.Identity == nil {
		errs = append(errs, errors.New("keys are needed"))
	}
	if c.Network == "" {
		errs = append(errs, errors.New("network: the ledger's name is needed"))
	}
	if c.Dir == "" {
		errs = append(errs, errors.New("dir: a folder is needed"))
	}
	if len(c.Gateways) == 0 {
		errs = append(errs, errors.New("gateways: at least one is needed"))
	}
	for did, endpoint := range c.Operators {
		if !isEndpoint(endpoint, true) {
			errs = append(errs, fmt.Errorf("operators: %q of %s is no http or https URL", endpoint, did))
		}
	}
	seen := map[string]bool{}
	for _, g := range c.Gateways {
		if g == "" || seen[g] {
			errs = append(errs, fmt.Errorf("gateways: %q is empty, or named twice", g))
		}
		seen[g] = true
	}
	if c.Patience < 0 || c.Poll < 0 || c.Look < 0 || c.Margin < 0 || c.MaxOutput < 0 {
		errs = append(errs, errors.New("patience, poll, look, margin and max_output cannot be negative"))
	}
	return errors.Join(errs...)
}

func (c *Config) defaults() {
	for d, v := range map[*time.Duration]time.Duration{
		&c.Patience: 5 * time.Second, &c.Poll: 2 * time.Second, &c.Look: time.Minute, &c.Margin: 2 * time.Minute,
	} {
		if *d == 0 {
			*d = v
		}
	}
	if c.MaxOutput == 0 {
		c.MaxOutput = 64 << 20
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

// New opens a node. It takes up the ballots that are in its folder; nothing is asked of a
// gateway before Run.
func New(c Config) (*Node, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	c.defaults()
	n := &Node{
		cfg: c, signer: c.Identity.On(c.Network), operator: newOperators(&c), tasks: map[string]*task{}, passed: map[string]bool{},
		crash: func(string) error { return nil },
	}
	n.status.DID = n.signer.DID()
	if err := os.MkdirAll(n.folder(doneFolder), 0o700); err != nil {
		return nil, fmt.Errorf("dir: %w", err)
	}
	var err error
	if n.cursors, err = openCursors(n.folder("cursors"), c.Network); err != nil {
		return nil, err
	}
	if err := n.takeUp(); err != nil {
		return nil, err
	}
	for _, g := range c.Gateways {
		conn, err := client.Dial(g)
		if err != nil {
			return nil, errors.Join(err, n.Close())
		}
		n.gateways, n.silence.silent = append(n.gateways, conn), append(n.silence.silent, false)
	}
	return n, nil
}

// Close ends the connections.
func (n *Node) Close() error {
	var errs []error
	for _, g := range n.gateways {
		errs = append(errs, g.Close())
	}
	return errors.Join(errs...)
}

// Folders and files of Dir: JOB.ID.ballot, and once their rounds are over under done.
const doneFolder = "done"

func (n *Node) folder(name string) string { return filepath.Join(n.cfg.Dir, name) }

// takeUp makes tasks of the ballots whose rounds are not over, as far as was known.
func (n *Node) takeUp() error {
	entries, err := os.ReadDir(n.cfg.Dir)
	if err != nil {
		return fmt.Errorf("dir: %w", err)
	}
	for _, e := range entries {
		job, _, ok := strings.Cut(e.Name(), ".")
		if name, err := ballot.Name(job, n.signer.DID()); ok && err == nil && name == e.Name() {
			n.track(job)
		}
	}
	return nil
}

// track begins to attend to a job.
func (n *Node) track(job string) {
	if n.tasks[job] == nil && !n.passed[job] {
		n.tasks[job] = &task{job: job}
	}
}

// Run follows the rounds until ctx ends, and returns when nothing is under way any more.
func (n *Node) Run(ctx context.Context) error {
	var under sync.WaitGroup
	defer under.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	news := make(chan heard)
	for i := range n.gateways {
		cursor := n.cursors.at(n.cfg.Gateways[i])
		under.Go(func() { n.follow(ctx, i, cursor, news) })
	}
	under.Go(func() { n.lookAgain(ctx, news) })
	polls, lines := time.NewTicker(n.cfg.Poll), time.NewTicker(time.Minute)
	defer polls.Stop()
	defer lines.Stop()
	over := make(chan *task)
	for {
		for _, t := range n.due() {
			t.busy = true
			under.Go(func() {
				n.attend(ctx, t)
				select {
				case over <- t:
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case h := <-news:
			n.hear(h)
		case t := <-over:
			t.busy = false
			n.put(t)
		case <-lines.C:
			n.cfg.Log.Info("verifier follows", n.Status().attributes()...)
		case <-polls.C:
		}
	}
}

// maxBusy bounds the tasks that are attended to at a time: a gateway may list what there is
// not.
const maxBusy = 256

// due are tasks whose time has come, in no order.
func (n *Node) due() []*task {
	var list []*task
	now, free := n.cfg.Now(), maxBusy
	for _, t := range n.tasks {
		switch {
		case t.busy:
			free--
		case !now.Before(t.next):
			list = append(list, t)
		}
	}
	return list[:max(0, min(free, len(list)))]
}

// put takes a task back that was attended to.
func (n *Node) put(t *task) {
	if t.over || t.early {
		delete(n.tasks, t.job)
	}
	if t.over {
		n.passed[t.job] = true
	}
	n.count(func(s *Status) { s.Following = len(n.tasks) })
}

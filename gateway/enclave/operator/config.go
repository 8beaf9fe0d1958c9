// Package operator is a TEE operator's side of jobs: it follows them on the ledger,
// accepts those it can run, lets owners bring sealed records to an enclave, has that run
// the operation, hands the evidence in and delivers the output (docs/formats/enclave.md).
//
// What leaves for the ledger is on disk before: an operation with the id under which it is
// looked up, an output with its quote. Killed at any point the operator goes on; it never
// accepts a job twice and never shows two outputs of one job. It sees no key, no content
// and no result: package inside does.
package operator

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/enclave/analysis"
)

// Config is what an operator needs to work.
type Config struct {
	// Gateway is where the ledger is read and written; whoever makes it closes it.
	Gateway *client.Client
	// Identity is that of the operator whom the members have listed (operator/<id>).
	Identity *client.Identity
	// Network is the ledger's name.
	Network string
	// Platform makes quotes. It is a simulation, and everything that shows it says so.
	Platform *simulated.Platform
	// Dir is the folder of the journal. It also has the platform's secret. One process uses
	// it at a time.
	Dir string
	// Init permits an empty folder: without it one that was lost is found out before a
	// second output of a job is made.
	Init bool
	// Listen is host:port of the service for owners, consumers and verifiers. Empty: the
	// caller serves Handler.
	Listen string
	// Operations are those that are run, by name. None: all that there are.
	Operations []string
	// Assets are those in which jobs are taken, with what is asked and risked.
	Assets []Asset
	// Jobs is how many jobs may be under way, accepted and without evidence (0: 8).
	Jobs int
	// Poll is how often the ledger is asked when no event tells of anything (0: 5 s).
	Poll time.Duration
	// Patience is how many seconds of the checkpoints' clock before the time for evidence
	// ends a job is run without the records that were not brought (0: 60, at most a half of
	// what there is of time).
	Patience uint64
	// Keep is how long what is left of a job that has ended is kept, its output with it
	// (0: 30 days). A consumer who comes later finds nothing.
	Keep time.Duration
	Log  *slog.Logger

	disk disk // nil: Dir
}

// Asset is on which terms jobs in an asset are taken.
type Asset struct {
	Name string
	// MinFee is the smallest TEE fee of a job, MaxDeposit the largest deposit for one,
	// MaxAtRisk the largest sum of deposits of jobs under way (0: no limit).
	MinFee, MaxDeposit, MaxAtRisk reward.Amount
}

const (
	defaultJobs     = 8
	defaultPoll     = 5 * time.Second
	defaultPatience = 60
	defaultKeep     = 30 * 24 * time.Hour
)

// check fills in what was left out and reports every mistake.
func (c *Config) check() error {
	var errs []error
	if c.Gateway == nil || c.Identity == nil || c.Platform == nil || c.Network == "" {
		errs = append(errs, errors.New("gateway, identity, platform and network are needed"))
	}
	if c.Dir == "" && c.disk == nil {
		errs = append(errs, errors.New("dir: a folder is needed"))
	}
	if c.Listen != "" {
		if _, _, err := net.SplitHostPort(c.Listen); err != nil {
			errs = append(errs, fmt.Errorf("listen: %q is not host:port", c.Listen))
		}
	}
	if len(c.Operations) == 0 {
		c.Operations = analysis.Names()
	}
	for _, name := range c.Operations {
		if !analysis.Known(name) {
			errs = append(errs, fmt.Errorf("operations: %q is none of %v", name, analysis.Names()))
		}
	}
	for i, a := range c.Assets {
		if a.Name == "" || a.MinFee < 0 || a.MaxDeposit < 0 || a.MaxAtRisk < 0 || slices.ContainsFunc(c.Assets[:i], func(b Asset) bool { return a.Name == b.Name }) {
			errs = append(errs, fmt.Errorf("assets, number %d: an asset needs a name, once, and amounts that are not negative", i+1))
		}
	}
	if c.Jobs < 0 || c.Poll < 0 || c.Keep < 0 {
		errs = append(errs, errors.New("jobs, poll and keep cannot be negative"))
	}
	if c.Keep == 0 {
		c.Keep = defaultKeep
	}
	if c.Jobs == 0 {
		c.Jobs = defaultJobs
	}
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return errors.Join(errs...)
}

// asset returns the terms for an asset, nil when jobs in it are not taken.
func (c *Config) asset(name string) *Asset {
	for i := range c.Assets {
		if c.Assets[i].Name == name {
			return &c.Assets[i]
		}
	}
	return nil
}

// arriveLimit is how long a request may be on its way.
const arriveLimit = 30 * time.Second

// newServer is a server with bounds for clients that take their time.
func newServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: arriveLimit, WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
}

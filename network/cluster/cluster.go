// Package cluster runs a consortium on this machine: it starts Fabric's and our own
// programs as processes, brings them step by step to a ledger that takes operations,
// and ends them. Every step may be run again: it leaves what is done and does what
// is missing, so starting a network that runs restarts what has died and changes
// nothing else.
//
// All state is in one directory: configuration, keys, data, logs, and a run file for
// each process with its pid and start time. The package never ends a process that it
// cannot tell to be its own. It runs on Linux.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/killick-ledger/killick/network/topology"
)

// Options says what to run and where.
type Options struct {
	Consortium topology.Consortium
	Dir        string // state directory
	Bin        string // directory of the programs; empty: <Dir>/bin
	Parts      Part   // what to run; zero: All
	// ChaincodeProgram replaces <Bin>/killick-chaincode.
	ChaincodeProgram string
	// Attached ties the processes to this one: they end when it ends, however it
	// ends. Otherwise they stay until Stop, from this process or a later one.
	Attached bool
	Progress io.Writer // gets a line for each step; nil: nowhere
}

// Cluster is a network on this machine. Its methods are for one goroutine at a time,
// except Kill.
type Cluster struct {
	topology.Layout
	opts  Options
	procs *processes

	mu      sync.Mutex // guards what steps that run at the same time share
	facts   topology.Facts
	senders []string // fee accounts of the anchors, 0x
}

// Start brings the network up, or what is missing of it. When it fails or ctx ends,
// the processes that it started are ended again.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	var err error
	if opts.Dir, err = filepath.Abs(opts.Dir); err != nil {
		return nil, err
	}
	release, err := lock(opts.Dir)
	if err != nil {
		return nil, err
	}
	defer release()
	s, isNew, err := found(opts.Dir, opts.Consortium)
	if err != nil {
		return nil, err
	}
	c, err := open(opts, s)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(c.procs.endStrays(), c.prepare()); err != nil {
		if isNew { // nothing runs on its ports yet: the next start may choose others
			err = errors.Join(err, os.Remove(stateFile(c.Dir)))
		}
		return nil, err
	}
	if err := c.run(ctx); err != nil {
		return nil, errors.Join(err, c.procs.stop(c.procs.started))
	}
	return c, nil
}

// Open finds the network in a state directory without starting anything. It returns
// an error that wraps os.ErrNotExist when there is none.
func Open(opts Options) (*Cluster, error) {
	var err error
	if opts.Dir, err = filepath.Abs(opts.Dir); err != nil {
		return nil, err
	}
	s, err := readState(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("no network in %s: %w", opts.Dir, err)
	}
	return open(opts, s)
}

func open(opts Options, s state) (*Cluster, error) {
	if opts.Bin == "" {
		opts.Bin = filepath.Join(opts.Dir, "bin")
	}
	var err error
	if opts.Bin, err = filepath.Abs(opts.Bin); err != nil {
		return nil, err
	}
	if opts.Parts == 0 {
		opts.Parts = All
	}
	if opts.Progress == nil {
		opts.Progress = io.Discard
	}
	l := opts.Consortium.At(topology.Place{Dir: opts.Dir, Bin: opts.Bin, Base: s.Base, Network: s.Network})
	return &Cluster{
		Layout: l, opts: opts,
		procs: &processes{runDir: l.RunDir(), logDir: l.LogDir(), attached: opts.Attached},
	}, nil
}

// Ensure starts again what has died.
func (c *Cluster) Ensure(ctx context.Context) error {
	release, err := lock(c.Dir)
	if err != nil {
		return err
	}
	defer release()
	if err := errors.Join(c.procs.endStrays(), c.prepare()); err != nil {
		return err
	}
	return c.run(ctx)
}

// Kill ends one process at once, as a crash would (SIGKILL).
func (c *Cluster) Kill(name string) error { return c.procs.kill(name) }

// Beside starts a program that is no part of the network, such as a verifier node, and
// that ends with it. The name has a part for its kind and one for which of them,
// "verifier.1a"; LogDir has its output under it.
func (c *Cluster) Beside(name, program string, args ...string) error {
	path, err := c.program(program)
	if err != nil {
		return err
	}
	_, err = c.procs.start(spec{name: name, path: path, args: args})
	return err
}

// Stop ends all processes; the state stays, and Start continues from it.
func (c *Cluster) Stop() error {
	release, err := lock(c.Dir)
	if err != nil {
		return err
	}
	defer release()
	return c.stop()
}

func (c *Cluster) stop() error {
	return errors.Join(c.procs.stop(c.procs.names()), c.procs.endStrays())
}

// Remove ends all processes and deletes the network with its keys and its ledger.
// Built programs stay.
func (c *Cluster) Remove() error {
	release, err := lock(c.Dir)
	if err != nil {
		return err
	}
	defer release()
	if err := c.stop(); err != nil {
		return err
	}
	// network.json comes last but for the lock: while it is there the directory holds a
	// network, so that Remove can be run again after it was interrupted. What it left
	// would be taken for part of the next one.
	names := []string{"config", "crypto", "crypto.new", "data", "keys", "logs", "run", "deployments.json", "policy.json", "network.json", "lock"}
	unfinished, err := filepath.Glob(filepath.Join(c.Dir, ".new-*")) // of writeFile
	for _, path := range unfinished {
		err = errors.Join(err, os.Remove(path))
	}
	for _, name := range names {
		if err == nil {
			err = os.RemoveAll(filepath.Join(c.Dir, name))
		}
	}
	return err
}

// run takes all steps. What they need of each other is in the list.
func (c *Cluster) run(ctx context.Context) error {
	return runSteps(ctx, []step{
		{"anchor keys", Chains | Anchors, nil, c.anchorKeys},
		{"chain nodes up", Chains, []string{"anchor keys"}, c.startChains},
		{"key material", Fabric, nil, c.keyMaterial},
		{"first block", Fabric, []string{"key material"}, c.firstBlock},
		{"orderers up", Fabric, []string{"first block"}, c.startOrderers},
		{"orderers caught up", Fabric, []string{"orderers up"}, c.orderersCatchUp},
		{"peers up", Fabric, []string{"first block"}, c.startPeers},
		{"chaincode installed", Chaincode, []string{"peers up"}, c.install},
		{"chaincode services up", Chaincode, []string{"key material"}, c.startChaincode},
		{"chaincode defined", Chaincode, []string{"orderers up", "chaincode installed", "chaincode services up"}, c.define},
		{"contracts deployed", Chains, []string{"chain nodes up", "first block"}, c.deploy},
		{"ledger initialised", Ledger, []string{"chaincode defined", "contracts deployed"}, c.initLedger},
		{"anchors up", Anchors, []string{"anchor keys", "first block", "ledger initialised"}, c.startAnchors},
		{"gateways up", Gateways, []string{"ledger initialised"}, c.startGateways},
	}, c.opts.Parts, c.opts.Progress)
}

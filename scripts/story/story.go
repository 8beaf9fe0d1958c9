// Package story runs Killick's main job on a real consortium and two public
// test chains, with the repository's own files as data: identities, a
// certificate, records, payments, an epoch, anchors, claims, and an audit from
// outside. The demo prints it; the end-to-end test runs the same code. Every
// step checks what it did and fails when it is not so.
package story

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/topology"
)

// Options say where the story runs.
type Options struct {
	Bin  string    // folder of the built programs
	Dir  string    // folder of its own; it is not removed
	Data string    // folder whose files are the data
	Out  io.Writer // what happens, for people
	Fund []string  // further addresses with play money on both chains, 0x
}

// World is a running consortium with the people of the story.
type World struct {
	opts    Options
	Cluster *cluster.Cluster
	Client  *client.Client
	Network *client.Network
	Up      time.Duration // what it took the consortium to be ready
	begun   time.Time

	issuer, partner *client.Identity
	alice, bob      *client.Identity // data owners: paid out on Tron and on EVM
	treasurer       *client.Identity // of the consortium's share and of residues
	operators       []party          // of TEEs: one that is honest, and two whose platforms no owner trusts
	verifiers       []party

	draws    uint64 // first checkpoint for which members have elements
	since    uint64 // when the simulated platform was set up
	trust    *client.Trust
	edge     *edge
	services []*service
	metrics  []*metrics
	tasks    []*task
	busied   time.Time

	passphrase string // file that holds the passphrase of the key files
	facts      facts
}

// facts is what later steps and the closing table need of earlier ones.
type facts struct {
	operations    int
	batched       int // operations in large batches, and the time they took
	busy          time.Duration
	records       []record
	amended       string
	credential    string
	payment       string // reference of one payment
	paid          map[*client.Identity]uint64
	voided        string // id of a transaction that Fabric marked invalid
	proofs        map[string]string
	blocks        string // file of all blocks
	bundleBytes   int
	trailBytes    int
	jobs          time.Duration // from when all are open until all are closed
	verified      []time.Duration
	claims        map[string]string
	anchorLatency time.Duration
}

type record struct {
	owner *client.Identity
	ref   string
	path  string
}

// Consortium returns the settings of the story: the default consortium, with
// short periods so that an epoch and its anchors fit into a minute, as a test ledger,
// whose enclaves are simulated.
func Consortium() topology.Consortium {
	c := topology.Default()
	c.Channel = "test"
	c.Ports = 0
	c.Epoch = 12 * time.Second
	c.Cadence = topology.Cadence{Busy: time.Second, Quiet: 3 * time.Second, Post: 2 * time.Second}
	return c
}

// Start makes the people's keys and brings the consortium up. The processes end
// with this one, however it ends.
func Start(ctx context.Context, o Options) (*World, error) {
	w := &World{opts: o, begun: time.Now()}
	w.facts.paid = map[*client.Identity]uint64{}
	w.facts.proofs, w.facts.claims = map[string]string{}, map[string]string{}
	w.since = uint64(w.begun.Unix())
	if err := errors.Join(w.makeKeys(), w.drawParties()); err != nil {
		return nil, err
	}
	c := Consortium()
	c.Issuers = []string{idOf(w.issuer)}
	c.Chains.Fund = append(c.Chains.Fund, o.Fund...)
	for _, owner := range []*client.Identity{w.alice, w.bob} {
		address, _ := owner.Address()
		c.Chains.Fund = append(c.Chains.Fund, "0x"+canon.Hex(address[:]))
	}
	w.step("A consortium of four organisations: peers, BFT orderers, chaincode, anchors, a gateway, an EVM chain, a Tron chain")
	up := time.Now()
	var err error
	w.Cluster, err = cluster.Start(ctx, cluster.Options{
		Consortium: c, Dir: filepath.Join(o.Dir, "net"), Bin: o.Bin, Attached: true, Progress: o.Out,
	})
	if err != nil {
		return nil, fmt.Errorf("start the consortium: %w", err)
	}
	w.Up = time.Since(up)
	gateways := w.Cluster.GatewayAddresses()
	if w.Client, err = client.Dial(gateways[0], gateways[1:]...); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if w.Network, err = w.Client.Network(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("ask the gateway for the network: %w", err), w.Close())
	}
	w.say("network %s, ready in %.1f s", w.Network.GetNetwork(), w.Up.Seconds())
	return w, nil
}

// Close takes everything down.
func (w *World) Close() error {
	errs := []error{w.stopServices()}
	if w.Client != nil {
		errs = append(errs, w.Client.Close())
	}
	if w.Cluster != nil {
		errs = append(errs, w.Cluster.Stop())
	}
	return errors.Join(errs...)
}

// Run tells the whole story and prints the closing table.
func (w *World) Run(ctx context.Context) error {
	for _, step := range []struct {
		title string
		run   func(context.Context) error
	}{
		{"Identities: an issuer, a partner, and two data owners with accounts on Tron and on EVM", w.identities},
		{"The members decide what jobs need: a policy, TEE operators, verifiers, enclaves, hash chains for draws", w.decide},
		{"Certificates: one is issued, one is issued and revoked", w.certificates},
		{"Records: the repository's files, one amended, one deleted", w.submitRecords},
		{"Money: the partner is funded and pays the owners for each record", w.pay},
		{"Three TEE operators and twelve verifiers go to work", w.staff},
		{"Twenty jobs: the partner has operations done on data that it never sees", w.jobs},
		{"Every party's statement, and the whole ledger of money added up again", w.statements},
		{"A transaction that Fabric marks invalid, for the audit", w.conflict},
		{"The epoch closes, is anchored on both chains, and the owners claim", w.claim},
		{"An outsider verifies, with files and the two public chains alone", w.audit},
		{"One file leads from a payout to the verdict, the ballots, the evidence and the grants", w.trail},
		{"The auditor looks deeper: a raw block, and every block executed again", w.deepen},
		{"Forgeries are refused", w.forgeries},
	} {
		w.step(step.title)
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	return w.table(ctx)
}

func (w *World) step(title string) {
	fmt.Fprintf(w.opts.Out, "\n[%5.1f s] %s\n", time.Since(w.begun).Seconds(), title)
}

func (w *World) say(format string, args ...any) {
	fmt.Fprintf(w.opts.Out, "          "+format+"\n", args...)
}

// program runs one of the built programs and returns what it printed and its
// exit code.
func (w *World) program(ctx context.Context, name string, args ...string) (stdout, stderr string, code int, err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(w.opts.Bin, name), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() >= 0 {
		return out.String(), errs.String(), exit.ExitCode(), nil
	}
	return out.String(), errs.String(), 0, err
}

// killick runs the command line against the gateway; it must succeed.
func (w *World) killick(ctx context.Context, args ...string) (string, error) {
	args = append(args, "--gateway", w.Cluster.GatewayAddress(), "--json")
	stdout, stderr, code, err := w.program(ctx, "killick", args...)
	if err != nil {
		return "", err
	}
	if code != 0 {
		return stdout, fmt.Errorf("killick %s: exit %d: %s", strings.Join(args, " "), code, strings.TrimSpace(stderr))
	}
	return stdout, nil
}

// await polls until check says that it is so.
func await(ctx context.Context, limit time.Duration, what string, check func() (bool, error)) error {
	deadline := time.Now().Add(limit)
	var last error
	for time.Now().Before(deadline) {
		ok, err := check()
		if ok && err == nil {
			return nil
		}
		last = err
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.Join(fmt.Errorf("%s: not within %s", what, limit), last)
}

func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

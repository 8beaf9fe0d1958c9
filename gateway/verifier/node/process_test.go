package node_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/verifier/node"
)

const (
	childEnv   = "KILLICK_TEST_VERIFIER" // file with what a child process works with
	passphrase = "correct horse"
)

// child is what a child process works with.
type child struct{ Dir, Keys, CA, Network, Gateway string }

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := follow(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// follow is a node in a process of its own, until it is told to stop or killed.
func follow(path string) error {
	var c child
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return err
	}
	identity, err := client.Load(c.Keys, []byte(passphrase))
	if err != nil {
		return err
	}
	pool, ca := x509.NewCertPool(), []byte(c.CA)
	pool.AppendCertsFromPEM(ca)
	n, err := node.New(node.Config{
		Identity: identity, Network: c.Network, Gateways: []string{c.Gateway}, Dir: c.Dir, Private: true, OperatorCA: pool, Poll: 20 * time.Millisecond, Patience: time.Minute,
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := n.Run(ctx); err != nil {
		return err
	}
	return n.Close()
}

// spawn starts a node in a process of its own.
func (w *world) spawn() *exec.Cmd {
	w.t.Helper()
	dir := filepath.Dir(w.config.Dir)
	c := child{w.config.Dir, filepath.Join(dir, "verifier.keys"), string(w.ca), w.config.Network, w.config.Gateways[0]}
	if _, err := os.Stat(c.Keys); err != nil {
		if err := w.verifier.Save(c.Keys, []byte(passphrase)); err != nil {
			w.t.Fatal(err)
		}
	}
	data, err := json.Marshal(c)
	if err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(dir, "child.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = w.logged
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// A node that is killed by the system while its commitment, and then its ballot, is on the
// way goes on in the next process, whether they arrived or not. (VN-1)
func TestKilledProcess(t *testing.T) {
	w := begin(t, 1)
	job := w.toCommit("one")
	type sent struct {
		jws     string
		forward func() (*killickv1.Operation, error)
	}
	arrived, gone := make(chan sent), make(chan struct{})
	w.gateways[0].submit = func(jws string, forward func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
		select {
		case arrived <- sent{jws, forward}:
			<-gone // the answer never comes
		case <-t.Context().Done():
		}
		return nil, fault.New(fault.Unavailable, "nobody is there")
	}
	kill := func(cmd *exec.Cmd, s sent, done bool) {
		t.Helper()
		if done {
			if _, err := s.forward(); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		gone <- struct{}{}
	}
	kill(w.spawn(), next(t, w, arrived), false)
	if w.seat(job).Commitment != "" {
		t.Error("a commitment that did not arrive")
	}
	kill(w.spawn(), next(t, w, arrived), true)
	committed := w.seat(job).Commitment
	if committed == "" {
		t.Fatalf("no commitment: %s", w.logged)
	}
	w.toReveal(job)
	kill(w.spawn(), next(t, w, arrived), false)
	kill(w.spawn(), next(t, w, arrived), true)
	if seat := w.seat(job); seat.Ballot != attest.Valid.String() || seat.Commitment != committed {
		t.Errorf("%+v: %s", seat, w.logged)
	}
	// The last one finds all done, and stops when it is told to.
	last := w.spawn()
	w.jobs.Tick(100)
	w.jobs.Step(job)
	w.jobs.Close(job)
	if err := last.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := last.Wait(); err != nil && !strings.Contains(err.Error(), "signal: terminated") { // before it listened for it
		t.Errorf("stopped with %v: %s", err, w.logged)
	}
	files := map[string]bool{}
	if w.ballots(files); len(files) != 1 {
		t.Errorf("%d ballots were written", len(files))
	}
}

// next is the next operation that arrives.
func next[T any](t *testing.T, w *world, arrived <-chan T) T {
	t.Helper()
	select {
	case s := <-arrived:
		return s
	case <-time.After(time.Minute):
		t.Fatalf("nothing arrives: %s", w.logged)
	}
	panic("not reached")
}

// pemOf is a certificate as a file has it.
func pemOf(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

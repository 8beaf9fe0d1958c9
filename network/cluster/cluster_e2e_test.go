//go:build e2e

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// network brings up Fabric and the test chaincode. KILLICK_BIN is the directory of
// Fabric's programs, as made by make build.
func network(t *testing.T, cons topology.Consortium) *cluster.Cluster {
	t.Helper()
	built := os.Getenv("KILLICK_BIN")
	if built == "" {
		t.Fatal("KILLICK_BIN does not name the directory of the programs")
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"killick-ccaas": "../ccaas", "kv": "./testdata/kv"} {
		out, err := exec.Command("go", "build", "-o", filepath.Join(bin, name), path).CombinedOutput()
		if err != nil {
			t.Fatalf("build %s: %v\n%s", path, err, out)
		}
	}
	cons.Ports = 0
	cons.Fabric.Binaries = built
	c, err := cluster.Start(t.Context(), cluster.Options{
		Consortium: cons, Dir: filepath.Join(dir, "state"), Bin: bin, ChaincodeProgram: filepath.Join(bin, "kv"),
		Parts: cluster.Fabric | cluster.Chaincode, Attached: true, Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(c.LogDir(), "*.log"))
			for _, l := range logs {
				data, _ := os.ReadFile(l)
				t.Logf("%s:\n%s", l, data[max(0, len(data)-2000):])
			}
		}
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func connect(t *testing.T, conf fabric.Config) *fabric.Client {
	t.Helper()
	client, err := fabric.Connect(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func TestNetwork(t *testing.T) {
	c := network(t, topology.Default())
	client := connect(t, c.Client(0, topology.GatewayUser))
	t.Run("commit and query", func(t *testing.T) { commitAndQuery(t, client) })
	t.Run("refusal", func(t *testing.T) { refusal(t, client) })
	t.Run("too large", func(t *testing.T) { tooLarge(t, client, true) })
	t.Run("organisations differ", func(t *testing.T) { differ(t, client) })
	t.Run("conflict", func(t *testing.T) { conflict(t, client) })
	t.Run("blocks", func(t *testing.T) { blocks(t, client) })
	for _, victim := range []string{"peer.org1", "peer.org3", "orderer.org1", "orderer.org2", "chaincode.org1", "chaincode.org2"} {
		t.Run("kill "+victim, func(t *testing.T) { killWhileBusy(t, c, client, victim) })
	}
}

func commitAndQuery(t *testing.T, client *fabric.Client) {
	receipt, err := client.Execute(t.Context(), "put", []byte("a"), []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	if string(receipt.Payload) != "1" {
		t.Errorf("payload = %q", receipt.Payload)
	}
	got, err := client.Evaluate(t.Context(), "get", []byte("a"))
	if err != nil || string(got) != "1" {
		t.Errorf("get = %q, %v", got, err)
	}
	status, err := client.Lookup(t.Context(), receipt.TxID)
	if err != nil || !status.Found || status.Code != 0 || status.Block != receipt.Block {
		t.Errorf("look-up = %+v, %v; want block %d", status, err, receipt.Block)
	}
	block, err := client.Block(t.Context(), receipt.Block)
	if err != nil || block.GetHeader().GetNumber() != receipt.Block {
		t.Errorf("block %d = %v, %v", receipt.Block, block.GetHeader(), err)
	}
	if status, err := client.Lookup(t.Context(), "00"); err != nil || status.Found {
		t.Errorf("look-up of no transaction = %+v, %v", status, err)
	}
}

func refusal(t *testing.T, client *fabric.Client) {
	for name, err := range map[string]error{
		"evaluate": second(client.Evaluate(t.Context(), "get", []byte("none"))),
		"execute":  second(client.Execute(t.Context(), "get", []byte("none"))),
	} {
		var refused *fabric.Refused
		if !errors.As(err, &refused) || refused.Message != "not_found: no such key" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// tooLarge executes what no block can hold: its bytes stand in the arguments and in the
// writes.
func tooLarge(t *testing.T, client *fabric.Client, unknown bool) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := client.Execute(ctx, "put", []byte("large"), make([]byte, 6<<20))
	var rejected *fabric.Rejected
	var open *fabric.Unknown
	if !errors.As(err, &rejected) || !rejected.TooLarge || errors.As(err, &open) != unknown || ctx.Err() != nil {
		t.Errorf("execute = %v; want it rejected for its size before the time is up, unknown: %v", err, unknown)
	}
}

func second[T any](_ T, err error) error { return err }

func differ(t *testing.T, client *fabric.Client) {
	var diverged *fabric.Diverged
	if _, err := client.Execute(t.Context(), "name"); !errors.As(err, &diverged) || len(diverged.Results) != 4 {
		t.Errorf("execute = %v; want all four organisations to be named", err)
	}
}

func conflict(t *testing.T, client *fabric.Client) {
	var ts []*fabric.Transaction
	for range 2 {
		tx, err := client.Prepare("bump", []byte("b"))
		if err == nil {
			err = tx.Endorse(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		ts = append(ts, tx)
	}
	if _, err := ts[0].Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	var invalid *fabric.Invalid
	if _, err := ts[1].Commit(t.Context()); !errors.As(err, &invalid) || invalid.Code != 11 {
		t.Errorf("second commit = %v; want MVCC_READ_CONFLICT", err)
	}
	// Submitting what is on the ledger again changes nothing.
	if _, err := ts[0].Commit(t.Context()); err != nil {
		t.Errorf("first commit again: %v", err)
	}
}

func blocks(t *testing.T, client *fabric.Client) {
	height, err := client.Height(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var n uint64
	var last error
	for block, err := range client.Blocks(ctx, 0) {
		if err != nil {
			last = err
			break
		}
		if block.GetHeader().GetNumber() != n {
			t.Fatalf("block %d in place of %d", block.GetHeader().GetNumber(), n)
		}
		if n++; n == height {
			cancel()
		}
	}
	if n < height || !errors.Is(last, context.Canceled) {
		t.Errorf("%d blocks of %d, then %v", n, height, last)
	}
}

// killWhileBusy keeps four transactions in flight, ends a process by SIGKILL and
// wants commits to go on and nothing to be lost; then it starts the process again. It
// returns the ids of the transactions.
func killWhileBusy(t *testing.T, c *cluster.Cluster, client *fabric.Client, victim string) []string {
	ctx, cancel := context.WithCancel(t.Context())
	var committed atomic.Int64
	type result struct {
		keys, ids []string
		err       error
	}
	results := make(chan result, 4)
	for w := range 4 {
		go func() {
			var r result
			for i := 0; ctx.Err() == nil && r.err == nil; i++ {
				key := fmt.Sprintf("%s/%d/%d", victim, w, i)
				// Not ctx: what is on its way is seen to its end.
				patience, done := context.WithTimeout(t.Context(), 3*time.Minute)
				var receipt fabric.Receipt
				receipt, r.err = client.Execute(patience, "put", []byte(key), []byte(key))
				done()
				r.keys, r.ids = append(r.keys, key), append(r.ids, receipt.TxID)
				committed.Add(1)
			}
			results <- r
		}()
	}
	waitFor(t, 2*time.Minute, "commits before", func() bool { return committed.Load() >= 8 })
	if err := c.Kill(victim); err != nil {
		t.Fatal(err)
	}
	killed, before := time.Now(), committed.Load()
	// What was endorsed and in the orderers' hands may commit still; eight more did not.
	waitFor(t, 2*time.Minute, "commits after", func() bool { return committed.Load() >= before+8 })
	t.Logf("8 further commits %s after %s was killed", time.Since(killed).Round(10*time.Millisecond), victim)
	cancel()
	var keys, ids []string
	for range 4 {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
		}
		keys, ids = append(keys, r.keys...), append(ids, r.ids...)
	}
	if err := c.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if got, err := client.Evaluate(t.Context(), "get", []byte(key)); err != nil || string(got) != key {
			t.Errorf("get %s = %q, %v", key, got, err)
		}
	}
	caughtUp(t, c)
	return ids
}

// caughtUp waits until all peers are at the same height.
func caughtUp(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	var clients []*fabric.Client
	for i := range c.Orgs() {
		conf := c.Client(i, topology.GatewayUser)
		conf.Peers, conf.Endorsements = conf.Peers[:1], 1
		clients = append(clients, connect(t, conf))
	}
	waitFor(t, 2*time.Minute, "equal heights", func() bool {
		var heights []uint64
		for _, client := range clients {
			h, err := client.Height(t.Context())
			if err != nil {
				return false
			}
			heights = append(heights, h)
		}
		return slices.Min(heights) == slices.Max(heights)
	})
}

func waitFor(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s within %s", what, limit)
		}
	}
}

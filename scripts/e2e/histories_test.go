//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// twoHistories has K organisations sign second histories with their own keys. One of a size
// that is anchored is shown to an auditor, who is not fooled; another one is anchored on
// one chain; then an anchor shows the first. The watch raises its alarm each time, and what
// it kept as evidence freezes first the one contract, then the other: the watch and all
// anchors say so, these pay for nothing any more, and the ledger goes on. It is the last
// test, since nothing is anchored afterwards.
func (n *network) twoHistories(t *testing.T) {
	p := n.newPerson(t)
	n.create(t, p)
	honest, bundle := n.proof(t, documentOf(p))
	c := n.collude(t, bundle)
	t.Run("Auditor", func(t *testing.T) {
		if out := n.verified(t, c.bundle); !strings.Contains(out, "INVALID: chain ") {
			t.Errorf("the other history's bundle:\n%s", out)
		}
		if out := n.verified(t, honest); !strings.Contains(out, "VERIFIED at depth L1") {
			t.Errorf("the honest bundle:\n%s", out)
		}
	})

	w := n.beginWatch(t, c)
	until(t, 2*time.Minute, "a look without alarms", func() error { return w.has("") })
	t.Run("NothingToReport", func(t *testing.T) {
		if out, err := n.report(t, w.config); err == nil || !strings.Contains(out, "no alarm of a fork stands") {
			t.Errorf("without evidence: %v\n%s", err, out)
		}
		if out, err := n.report(t, w.config, honest, honest); err == nil || !strings.Contains(out, "one history") {
			t.Errorf("one bundle twice: %v\n%s", err, out)
		}
		out, err := n.report(t, w.config, honest, c.bundle) // of one size, and nobody pays
		if err != nil || strings.Count(out, " 0xe2b86214") != 2 {
			t.Errorf("what anybody could send: %v\n%s", err, out)
		}
	})
	chains := n.policy(t).Chains
	one, two := chains[0].ID, chains[1].ID
	n.anchorAnother(t, chains[1])
	until(t, 2*time.Minute, "the watch sees the chain", func() error { return w.has("fork " + two) })
	n.allHave(t, two+" is halted: fork: AnchorLog holds root ")
	out, err := n.report(t, w.config, "--key", n.feeKey) // what the contract holds against what the members signed
	if err != nil || !strings.Contains(out, one+": AnchorLog holds the same history") || !strings.Contains(out, two+": frozen in block") {
		t.Fatalf("report: %v\n%s", err, out)
	}
	until(t, 2*time.Minute, "the watch says so", func() error { return w.has("fork "+two, "frozen "+two) })

	c.shown.Store(true)
	until(t, 2*time.Minute, "the watch sees both", func() error { return w.has("fork", "fork "+two, "frozen "+two) })
	out, err = n.report(t, w.config, "--key", n.feeKey) // two notes
	if err != nil || !strings.Contains(out, one+": frozen in block") || !strings.Contains(out, two+": AnchorLog is frozen already") {
		t.Fatalf("report: %v\n%s", err, out)
	}
	topics := []string{"fork", "fork " + two, "frozen " + one, "frozen " + two}
	until(t, 2*time.Minute, "the watch says so", func() error { return w.has(topics...) })
	w.end(t, topics)
	halted := []string{one + " is halted: frozen", two + " is halted: fork"} // what an anchor saw first stays
	n.allHave(t, halted...)
	if out, err := n.report(t, w.config, "--key", n.feeKey); err != nil || strings.Count(out, "frozen already") != len(chains) {
		t.Errorf("again: %v\n%s", err, out)
	}

	// The ledger goes on, and so does its clock; nothing is paid, not after a restart either.
	first := n.Cluster.Orgs()[0]
	if err := n.Cluster.Kill(first.AnchorName()); err != nil {
		t.Fatal(err)
	}
	if err := n.Cluster.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.allHave(t, halted...)
	var head map[string]contracts.Checkpoint
	var held map[string]string
	for round := range 3 {
		last := n.checkpoint(t).Size
		n.create(t, n.newPerson(t))
		until(t, 2*time.Minute, "the next checkpoint", func() error {
			if now := n.checkpoint(t).Size; now <= last {
				return fmt.Errorf("it has size %d", now)
			}
			return nil
		})
		if round == 0 { // what was under way when the contracts froze has come to its end
			head, held = n.anchored(t), n.held(t)
		}
	}
	for chain, now := range n.anchored(t) {
		if now != head[chain] || now.Size < bundle.Note.Size {
			t.Errorf("AnchorLog on %s has %+v, had %+v when it was frozen", chain, now, head[chain])
		}
	}
	if now := n.held(t); !maps.Equal(now, held) {
		t.Errorf("the anchors have paid: they hold %v, before %v", now, held)
	}
	if out := n.verified(t, honest); !strings.Contains(out, "the contract is frozen") || strings.Contains(out, "VERIFIED") {
		t.Errorf("the honest bundle afterwards:\n%s", out)
	}
}

// allHave waits until every anchor has all of these alarms.
func (n *network) allHave(t *testing.T, alarms ...string) {
	t.Helper()
	for i := range n.Cluster.Orgs() {
		for _, text := range alarms {
			n.hasAlarm(t, i, text)
		}
	}
}

// collusion is the other history, and the anchor of an organisation that shows it.
type collusion struct {
	bundle string // of the same claim in the other history
	url    string
	shown  atomic.Bool // whether the anchor shows it; the true one before that
}

// collude has all organisations but the first sign, with their own keys, the checkpoint of
// a bundle as it were if one transaction long before had been invalid.
func (n *network) collude(t *testing.T, b *log.Bundle) *collusion {
	t.Helper()
	sets, err := n.policy(t).Set().Follow(n.rotations(t))
	if err != nil {
		t.Fatal(err)
	}
	set := sets.At(b.Note.Size)
	at := b.Note.Checkpoint
	tree := openLog(t, filepath.Join(t.TempDir(), "log"))
	n.changed(t, tree, at.Size, 1)
	if at.Root, err = tree.Root(at.Size); err != nil || at.Root == b.Note.Root || b.Block.Number == 1 {
		t.Fatalf("no other history: root %x, %v", at.Root, err)
	}
	note, err := set.Note(at, n.colluders(t, set, at))
	if err != nil {
		t.Fatal(err)
	}
	write := log.NoWrite
	if b.Write != nil {
		write = int(b.Write.Index)
	}
	c := &collusion{bundle: filepath.Join(t.TempDir(), "other.anchorproof")}
	other, err := tree.Build(n.block(t, n.own[0], b.Block.Number), int(b.Tx.Index), write,
		log.Evidence{SetVersion: b.SetVersion, Rotations: b.Rotations, Note: note, Anchors: b.Anchors})
	var data []byte
	if err == nil {
		data, err = other.Marshal()
	}
	if err == nil {
		err = os.WriteFile(c.bundle, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.serve(t, n.Cluster.AnchorURL(1), note, tree)
	return c
}

// colluders are what all organisations but the first sign.
func (n *network) colluders(t *testing.T, set *log.Set, c log.Checkpoint) (all []log.Cosignature) {
	t.Helper()
	for _, o := range n.Cluster.Orgs()[1:] {
		cosign, attest := n.secrets(t, o)
		all = append(all, log.Cosignature{MSP: o.MSPID,
			Ed25519: [64]byte(ed25519.Sign(cosign, c.CosignedMessage())), Secp256k1: canon.SignDigest(attest, set.Digest(c))})
	}
	return all
}

// anchorAnother has the colluders anchor on a chain a log that continues what is there
// with a block of theirs.
func (n *network) anchorAnother(t *testing.T, chain log.Chain) {
	t.Helper()
	sets, err := n.policy(t).Set().Follow(n.rotations(t))
	if err != nil {
		t.Fatal(err)
	}
	contract, err := canon.ParseAccount(chain.AnchorLog)
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(t.TempDir(), "log")
	honest := openLog(t, base)
	until(t, 3*time.Minute, "the colluders are faster than the others", func() error {
		head := n.anchored(t)[chain.ID]
		n.changed(t, honest, head.Size, head.Size)
		dir := filepath.Join(t.TempDir(), "other")
		if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
			t.Fatal(err)
		}
		tree := openLog(t, dir)
		n.changed(t, tree, head.Size+1, head.Size)
		at := log.Checkpoint{Network: n.name, LogID: n.policy(t).LogID(), Size: head.Size + 1, Time: max(uint64(time.Now().Unix()), head.Time+1)}
		if at.Root, err = tree.Root(at.Size); err != nil {
			t.Fatal(err)
		}
		growth, err := tree.ProveGrowth(at.Size, head.Size)
		if err != nil {
			t.Fatal(err)
		}
		set := sets.At(at.Size)
		signed := n.colluders(t, set, at)
		s := contracts.Signatures{Set: contracts.Set{Version: set.Version, K: uint(set.K)}, Signers: new(big.Int)}
		members := slices.SortedFunc(slices.Values(set.Members), func(a, b log.Member) int { return strings.Compare(a.Address, b.Address) })
		for i, m := range members {
			s.Members = append(s.Members, [20]byte(bytesOf(t, m.Address)))
			if j := slices.IndexFunc(signed, func(c log.Cosignature) bool { return c.MSP == m.MSP }); j >= 0 {
				s.Signers.SetBit(s.Signers, i, 1)
				s.Bytes = append(s.Bytes, signed[j].Secp256k1[:]...)
			}
		}
		return n.transact(t, chain.ID, contract, contracts.PackSubmit(contracts.Checkpoint{Size: at.Size, Root: at.Root, Time: at.Time}, growth, s))
	})
}

// serve shows the true log, as an organisation's anchor has it, or the other one.
func (c *collusion) serve(t *testing.T, anchor string, note []byte, tree *log.Log) {
	t.Helper()
	to, err := url.Parse(anchor)
	if err != nil {
		t.Fatal(err)
	}
	honest := httputil.NewSingleHostReverseProxy(to)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !c.shown.Load() || r.URL.Path == "/rotations":
			honest.ServeHTTP(w, r)
		case r.URL.Path == "/checkpoint":
			_, _ = w.Write(note)
		default:
			tile, err := tree.Tile(strings.TrimPrefix(r.URL.Path, "/"))
			if err != nil {
				http.NotFound(w, r)
				return
			}
			_, _ = w.Write(tile)
		}
	}))
	t.Cleanup(s.Close)
	c.url = s.URL
}

// watch is `killick-anchor watch` of the first organisation.
type watch struct {
	config, state string
	cmd           *exec.Cmd
	log           bytes.Buffer // complete when it has ended
}

// beginWatch starts the program on the first organisation's anchor and the colluders'.
func (n *network) beginWatch(t *testing.T, c *collusion) *watch {
	t.Helper()
	dir := t.TempDir()
	w := &watch{config: filepath.Join(dir, "watch.yaml"), state: filepath.Join(dir, "watch.json")}
	var chains []string
	for _, ch := range n.policy(t).Chains {
		line := fmt.Sprintf("- {id: %q, kind: evm, rpc: [%q]}", ch.ID, n.Cluster.EVM().RPC[0])
		if strings.HasPrefix(ch.ID, "tron:") {
			e := n.Cluster.Tron()
			line = fmt.Sprintf("- {id: %q, kind: tron, rpc: [%q], grpc: %q, solidity: %q}", ch.ID, e.RPC[0], e.GRPC, e.Solidity)
		}
		chains = append(chains, line)
	}
	text := fmt.Sprintf("policy: %q\nstate: %q\nevery: 500ms\nlag: 24h\nlate: 1h\nanchors: [%q, %q]\nchains:\n%s\n",
		n.Cluster.Policy(), w.state, n.Cluster.AnchorURL(0), c.url, strings.Join(chains, "\n"))
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.cmd = exec.CommandContext(t.Context(), filepath.Join(n.bin, "killick-anchor"), "watch", "--config", w.config)
	w.cmd.Stderr = &w.log
	w.cmd.Cancel = func() error { return w.cmd.Process.Signal(syscall.SIGTERM) }
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return w
}

// has returns an error unless these alarms and no others stand; "" is none.
func (w *watch) has(topics ...string) error {
	data, err := os.ReadFile(w.state)
	if err != nil {
		return err
	}
	var state struct {
		Alarms []struct{ Topic, Text string }
	}
	if err := json.Unmarshal(data, &state); err != nil {
		return err
	}
	var stand []string
	for _, a := range state.Alarms {
		stand = append(stand, a.Topic)
	}
	want := slices.DeleteFunc(slices.Sorted(slices.Values(topics)), func(s string) bool { return s == "" })
	if !slices.Equal(stand, want) {
		return fmt.Errorf("alarms %+v, want %q", state.Alarms, want)
	}
	return nil
}

// end stops the program, which must have logged the alarms and end with the code for them.
func (w *watch) end(t *testing.T, topics []string) {
	t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Wait(); w.cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("watch ended with %v, want exit code 2", err)
	}
	for _, topic := range topics {
		if line := fmt.Sprintf(`"msg":"alarm","topic":%q`, topic); !strings.Contains(w.log.String(), line) {
			t.Errorf("no %s in\n%s", line, w.log.String())
		}
	}
}

// report runs `killick-anchor report` and returns all that it printed.
func (n *network) report(t *testing.T, config string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(n.bin, "killick-anchor"), append([]string{"report", "--config", config}, args...)...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), err
}

// rotations are the hand-overs between member sets, as an anchor serves them.
func (n *network) rotations(t *testing.T) []log.Rotation {
	t.Helper()
	all, err := log.ParseRotations(n.name, n.fetch(t, n.Cluster.AnchorURL(0)+"/rotations"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// checkpoint is the newest one that an anchor serves.
func (n *network) checkpoint(t *testing.T) *log.Note {
	t.Helper()
	note, err := log.ParseNote(n.fetch(t, n.Cluster.AnchorURL(0)+"/checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	return note
}

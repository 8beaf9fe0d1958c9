package story

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/killick-ledger/killick/gateway/client"
)

// verdict is what `killick-verify --json` prints.
type verdict struct {
	Verdict   string `json:"verdict"`
	Exit      int    `json:"exit"`
	Depth     string `json:"depth"`
	Sentence  string `json:"sentence"`
	Simulated bool   `json:"simulated"`
	Checks    []struct {
		Name   string `json:"name"`
		Status string `json:"status"`
		Text   string `json:"text"`
	} `json:"checks"`
}

// verify runs the auditor's program on a file; more flags may take it deeper.
func (w *World) verify(ctx context.Context, path string, more ...string) (verdict, error) {
	begun := time.Now()
	// There is one test node for each chain here; auditors have two endpoints of others.
	args := append([]string{path, "--policy", w.Cluster.Policy(),
		"--evm", w.Cluster.EVM().RPC[0], "--tron", w.Cluster.Tron().RPC[0], "--one-endpoint", "--json"}, more...)
	out, stderr, code, err := w.program(ctx, "killick-verify", args...)
	if err != nil {
		return verdict{}, err
	}
	if len(more) == 0 {
		w.facts.verified = append(w.facts.verified, time.Since(begun))
	}
	var v verdict
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		return v, fmt.Errorf("killick-verify exit %d printed %q: %s", code, out, stderr)
	}
	if v.Exit != code {
		return v, fmt.Errorf("killick-verify printed exit %d and ended with %d", v.Exit, code)
	}
	return v, nil
}

// save fetches a bundle once its checkpoint is anchored.
func (w *World) save(ctx context.Context, name string, s client.Subject) error {
	return await(ctx, 3*time.Minute, "the bundle of the "+name, func() (bool, error) {
		data, err := w.Client.Proof(ctx, s)
		if err != nil {
			return false, err
		}
		w.facts.proofs[name] = w.file(name + ".anchorproof")
		w.facts.bundleBytes = max(w.facts.bundleBytes, len(data))
		return true, writeFile(w.facts.proofs[name], data)
	})
}

// audit verifies a record, a credential, a payment and a payout.
func (w *World) audit(ctx context.Context) error {
	for name, s := range map[string]client.Subject{
		"record":     {Key: "record/" + w.facts.amended},
		"credential": {Key: "credential/" + w.facts.credential},
		"payment":    {Operation: w.facts.payment},
	} {
		if err := w.save(ctx, name, s); err != nil {
			return err
		}
	}
	if err := w.savePayout(ctx); err != nil {
		return err
	}
	for _, name := range []string{"record", "credential", "payment", "payout"} {
		v, err := w.verify(ctx, w.facts.proofs[name])
		if err != nil {
			return err
		}
		if v.Exit != 0 || !v.Simulated {
			return fmt.Errorf("the %s's bundle is not verified, or not as one of a test ledger: %+v", name, v)
		}
		for _, check := range v.Checks {
			w.say("  %-4s %-22s %s", check.Status, check.Name, check.Text)
		}
		w.say("%s (depth %s): %s", v.Verdict, v.Depth, v.Sentence)
	}
	return nil
}

// savePayout saves alice's payout bundle, which is part of what she needs for
// her claim.
func (w *World) savePayout(ctx context.Context) error {
	payout, err := w.payout(ctx, w.owners()[0])
	if err != nil {
		return err
	}
	bundle := payout.GetBundle()
	w.facts.proofs["payout"] = w.file("payout.anchorproof")
	w.facts.bundleBytes = max(w.facts.bundleBytes, len(bundle))
	return writeFile(w.facts.proofs["payout"], []byte(bundle))
}

// forgeries verifies files that must not pass.
func (w *World) forgeries(ctx context.Context) error {
	good, err := os.ReadFile(w.facts.proofs["record"])
	if err != nil {
		return err
	}
	changed := bytes.Clone(good)
	at := bytes.Index(changed, []byte("\nwrite ")) + 40
	changed[at] ^= 1
	if err := writeFile(w.file("changed.anchorproof"), changed); err != nil {
		return err
	}
	unanchored, err := w.unanchored(ctx, good)
	if err != nil {
		return fmt.Errorf("make a bundle whose checkpoint is on no chain: %w", err)
	}
	if err := writeFile(w.file("unanchored.anchorproof"), unanchored); err != nil {
		return err
	}
	if err := w.save(ctx, "voided", client.Subject{Transaction: w.facts.voided}); err != nil {
		return err
	}
	changedBlocks, err := w.revalidated()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		path, what, check string
		more              []string
	}{
		{w.file("changed.anchorproof"), "one byte changed", "form", nil},
		{w.file("unanchored.anchorproof"), "signed by all members, but on no public chain", "chain", nil},
		{w.facts.proofs["voided"], "a transaction that Fabric marked invalid", "validation", nil},
		{w.facts.proofs["payout"], "blocks in which that transaction is marked valid", "blocks", []string{"--blocks", changedBlocks}},
	} {
		v, err := w.verify(ctx, f.path, f.more...)
		if err != nil {
			return err
		}
		if v.Exit != 2 {
			return fmt.Errorf("%s: exit %d, want 2: %+v", f.what, v.Exit, v)
		}
		for _, check := range v.Checks {
			if check.Status == "FAIL" {
				w.say("%s: %s: %s: %s", f.what, v.Verdict, check.Name, check.Text)
				if !strings.HasPrefix(check.Name, f.check) {
					return fmt.Errorf("%s: refused by the check %q, want %q", f.what, check.Name, f.check)
				}
				break
			}
		}
	}
	return nil
}

package story

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// trail follows one payout back, from the chain on which alice claims it over the verdict
// and every ballot to her own grant, with one file; and refuses it with one ballot changed.
func (w *World) trail(ctx context.Context) error {
	alice := w.owners()[0]
	chain, err := w.chain(alice.kind)
	if err != nil {
		return err
	}
	disclosure := w.file("alice.disclosure")
	if _, err := w.killick(ctx, "did", "disclose", "--keys", w.keyFile("alice"), "--passphrase-file", w.passphrase, "--chain", chain, "--out", disclosure); err != nil {
		return err
	}
	path := w.file("trail.anchorproof")
	job := w.tasks[0].ref
	if err := await(ctx, 3*time.Minute, "the chain of proof of job "+job, func() (bool, error) {
		_, err := w.killick(ctx, "proof", "--chain", job, "--disclosure", disclosure, "--out", path)
		return err == nil, err
	}); err != nil {
		return err
	}
	v, err := w.verify(ctx, path)
	if err != nil {
		return err
	}
	if v.Exit != 0 || !v.Simulated {
		return fmt.Errorf("the chain of proof is not verified: %+v", v)
	}
	for _, check := range v.Checks {
		w.say("  %-4s %-22s %.160s", check.Status, check.Name, check.Text)
	}
	w.say("%s (depth %s): %s", v.Verdict, v.Depth, v.Sentence)
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	w.facts.trailBytes = len(data)
	return w.forgedTrail(ctx, data)
}

// forgedTrail changes what a verifier revealed.
func (w *World) forgedTrail(ctx context.Context, trail []byte) error {
	at := bytes.Index(trail, []byte("\nlink reveal/"))
	if at < 0 {
		return fmt.Errorf("the chain of proof names no ballot")
	}
	end := at + 1 + bytes.IndexByte(trail[at+1:], '\n')
	forged := bytes.Replace(trail, trail[at:end], bytes.Replace(trail[at:end], []byte("reveal/"), []byte("ballot/"), 1), 1)
	path := w.file("forged.anchorproof")
	if err := writeFile(path, forged); err != nil {
		return err
	}
	v, err := w.verify(ctx, path)
	if err != nil {
		return err
	}
	if v.Exit != 2 {
		return fmt.Errorf("a chain of proof with another ballot: exit %d, want 2: %+v", v.Exit, v)
	}
	for _, check := range v.Checks {
		if check.Status == "FAIL" {
			w.say("with one of its links changed: %s: %s", check.Name, strings.TrimSpace(check.Text))
			break
		}
	}
	return nil
}

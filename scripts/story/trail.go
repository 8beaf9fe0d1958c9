package story

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
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

// forgedTrail has a file refused in which a verifier revealed something else.
func (w *World) forgedTrail(ctx context.Context, data []byte) error {
	forged, key, err := otherBallot(data)
	if err != nil {
		return err
	}
	path := w.file("forged.anchorproof")
	if err := writeFile(path, forged); err != nil {
		return err
	}
	v, err := w.verify(ctx, path)
	if err != nil {
		return err
	}
	w.say("with another ballot in %.40s..., in a file of good form:", key)
	refused := false
	for _, check := range v.Checks {
		if check.Status == "FAIL" {
			w.say("  %-4s %-22.40s %.160s", check.Status, check.Name, strings.TrimSpace(check.Text))
			refused = refused || check.Name == "link "+key
		}
	}
	if v.Exit != 2 || !refused {
		return fmt.Errorf("a chain of proof with another ballot: exit %d, want 2 for its link: %+v", v.Exit, v)
	}
	return nil
}

// otherBallot turns the first ballot that a verifier revealed, and names its link. All that
// can be made to fit without keys does: the file is well-formed, and the link's own record
// has the digest of the new value. What is left to refuse it is the tree of writes that the
// members signed, and the commitment that the verifier made before.
func otherBallot(data []byte) (forged []byte, key string, err error) {
	made, err := log.ParseTrail(data)
	if err != nil {
		return nil, "", err
	}
	for i, l := range made.Links {
		key = string(l.Write.Record.Key)
		if !strings.HasPrefix(key, "reveal/") {
			continue
		}
		ballot, err := attest.DecodeRevealed(l.Write.Value)
		if err != nil {
			return nil, "", err
		}
		if ballot.Ballot == attest.Valid {
			ballot.Ballot = attest.Invalid
		} else {
			ballot.Ballot = attest.Valid
		}
		link, write := *l, *l.Write
		write.Value = ballot.Encode()
		write.Record.ValueHash = canon.Sum(write.Value)
		link.Write, made.Links[i] = &write, &link
		forged, err = made.Marshal()
		return forged, key, err
	}
	return nil, "", fmt.Errorf("the chain of proof has no ballot")
}

package story

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
)

// passphrase seals the key files of the story; they live as long as its folder.
const passphrase = "a passphrase for play keys"

// makeKeys draws the people's keys. The owners' are kept in files, for the
// command line.
func (w *World) makeKeys() error {
	w.passphrase = filepath.Join(w.opts.Dir, "passphrase")
	if err := writeFile(w.passphrase, []byte(passphrase+"\n")); err != nil {
		return err
	}
	for _, p := range []struct {
		who   **client.Identity
		name  string
		chain bool
	}{{&w.issuer, "issuer", false}, {&w.partner, "partner", false}, {&w.alice, "alice", true}, {&w.bob, "bob", true}} {
		identity, _, err := client.Generate("EdDSA", p.chain)
		if err != nil {
			return err
		}
		if err := identity.Save(w.keyFile(p.name), []byte(passphrase)); err != nil {
			return err
		}
		*p.who = identity
	}
	return nil
}

func (w *World) keyFile(name string) string { return filepath.Join(w.opts.Dir, name+".key") }

// idOf is the last part of an identity's DID.
func idOf(i *client.Identity) string {
	did := i.DID("net")
	return did[strings.LastIndexByte(did, ':')+1:]
}

// on is an identity as a signer of this network.
func (w *World) on(i *client.Identity) client.Signer { return i.On(w.Network.GetNetwork()) }

// submit signs and submits one operation, which must be done.
func (w *World) submit(ctx context.Context, who *client.Identity, body ops.Body, prior string) (string, error) {
	jws, ref, err := w.on(who).Operation(body, prior)
	if err != nil {
		return "", err
	}
	w.facts.operations++
	receipt, err := w.Client.Submit(ctx, jws)
	if err != nil {
		return "", err
	}
	if !receipt.GetSimulated() {
		return "", fmt.Errorf("the receipt of %s does not say that the ledger is a test ledger", ref)
	}
	return ref, nil
}

// submitAll submits signed operations, all of which must be done, and counts the
// time.
func (w *World) submitAll(ctx context.Context, jws []string) error {
	begun := time.Now()
	receipts, err := w.Client.SubmitAll(ctx, jws...)
	if err != nil {
		return err
	}
	w.facts.operations += len(jws)
	if len(jws) >= minRecords {
		w.facts.busy += time.Since(begun)
		w.facts.batched += len(jws)
	}
	blocks := map[uint64]bool{}
	for _, r := range receipts {
		if r.GetState() != "done" || r.GetRepeated() {
			return fmt.Errorf("operation %s is %s: %s: %s", r.GetId(), r.GetState(), r.GetCode(), r.GetText())
		}
		blocks[r.GetBlock()] = true
	}
	w.say("%d operations done in %.1f s, in %d blocks", len(jws), time.Since(begun).Seconds(), len(blocks))
	return nil
}

// chain returns the CAIP-2 id of the chain of that kind: "eip155" or "tron".
func (w *World) chain(kind string) (string, error) {
	for _, v := range w.Network.GetVaults() {
		account, err := canon.ParseAccount(v.GetId())
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(account.Chain, kind+":") {
			return account.Chain, nil
		}
	}
	return "", errors.New("the network has no vault on " + kind)
}

func (w *World) identities(ctx context.Context) error {
	tron, err := w.chain("tron")
	if err != nil {
		return err
	}
	evm, err := w.chain("eip155")
	if err != nil {
		return err
	}
	var batch []string
	for _, p := range []struct {
		who    *client.Identity
		chains []string
		payout string
	}{{w.issuer, nil, ""}, {w.partner, nil, ""}, {w.alice, []string{tron}, tron}, {w.bob, []string{evm}, evm}} {
		jws, err := w.on(p.who).Create(p.chains, p.payout)
		if err != nil {
			return err
		}
		batch = append(batch, jws)
	}
	for _, who := range w.parties() {
		jws, err := w.on(who).Create(nil, "")
		if err != nil {
			return err
		}
		batch = append(batch, jws)
	}
	if err := w.submitAll(ctx, batch); err != nil {
		return err
	}
	did := w.on(w.alice).DID()
	resolved, err := w.Client.Resolve(ctx, did)
	if err != nil {
		return err
	}
	if got := resolved.GetDidDocument().GetFields()["id"].GetStringValue(); got != did {
		return fmt.Errorf("%s resolves to %q", did, got)
	}
	linked, err := w.Client.Identity(ctx, did)
	if err != nil {
		return err
	}
	w.say("%s resolves; %d accounts are linked under its identity root %s", did, len(linked.GetLeaves()), linked.GetRoot())
	return nil
}

func (w *World) certificates(ctx context.Context) error {
	schema := canon.Sum([]byte("a schema document"))
	schemaRef, err := w.submit(ctx, w.issuer, &ops.CredentialSchema{Name: "data-owner", Digest: canon.Hex(schema[:])}, "")
	if err != nil {
		return err
	}
	issue := func(about string) (string, error) {
		digest := canon.Sum([]byte("a credential about " + about))
		now := uint64(time.Now().Unix())
		return w.submit(ctx, w.issuer, &ops.CredentialIssue{
			Schema: schemaRef, Digest: canon.Hex(digest[:]), ValidFrom: now, ValidUntil: now + 365*86400, Evidence: "provider", Endorser: w.on(w.issuer).DID(),
			Index: rand.Uint32N(credential.ListEntries),
		}, "")
	}
	if w.facts.credential, err = issue(w.on(w.alice).DID()); err != nil {
		return err
	}
	revoked, err := issue(w.on(w.bob).DID())
	if err != nil {
		return err
	}
	state, err := w.Client.Credential(ctx, revoked)
	if err != nil {
		return err
	}
	if _, err := w.submit(ctx, w.issuer, &ops.CredentialRevoke{Credential: revoked}, state.GetHash()); err != nil {
		return err
	}
	for ref, want := range map[string]string{w.facts.credential: "active", revoked: "revoked"} {
		state, err := w.Client.Credential(ctx, ref)
		if err != nil {
			return err
		}
		if state.GetStatus() != want {
			return fmt.Errorf("credential %s is %q, want %q", ref, state.GetStatus(), want)
		}
		w.say("credential %s... is %s", ref[:17], state.GetStatus())
	}
	return nil
}

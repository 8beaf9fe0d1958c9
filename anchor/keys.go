package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// keys are an organisation's private keys. Those of a coming member set lie beside
// the present ones, in files whose names end in .next; which of them sign, the set in
// force says.
type keys struct {
	msp    string
	cosign ed25519.PrivateKey
	attest *signer.Key
	sender *signer.Key

	nextCosign ed25519.PrivateKey // nil when there is no such file
	nextAttest *signer.Key
}

// nextSuffix ends the names of the files with the keys of a coming member set.
const nextSuffix = signer.Next

// in returns the keys that a set names for the organisation. Each is looked for among
// the present and the coming ones, so that files may be renamed one after the other.
func (k *keys) in(s *log.Set) (*keys, error) {
	m := s.Members[placeIn(s, k.msp)]
	out := &keys{msp: k.msp, sender: k.sender}
	for _, c := range []ed25519.PrivateKey{k.cosign, k.nextCosign} {
		if c != nil && log.CosignerKey(k.msp, s.Network, c.Public().(ed25519.PublicKey)) == m.Cosign {
			out.cosign = c
		}
	}
	for _, a := range []*signer.Key{k.attest, k.nextAttest} {
		if a != nil && address(a) == m.Address {
			out.attest = a
		}
	}
	if out.cosign == nil || out.attest == nil {
		return nil, fmt.Errorf("member set %d names %s and %s for %s, and no key files hold them: put those files where keys.cosign and keys.attest name them, or beside these with %s at the end of the name",
			s.Version, m.Cosign, m.Address, k.msp, nextSuffix)
	}
	return out, nil
}

// signerTopic is that of the alarm that the key which attests does not sign. It lasts
// until it does, while the loops that asked for a signature wait before they ask again.
const signerTopic = "signer"

// answered notes whether the signer signed. One that hangs takes seconds to fail, in
// which nothing is accepted either: it is asked again after a pause, whatever is there
// to sign.
func (w *witness) answered(err error) error {
	w.alarms.set(signerTopic, err)
	w.unsigned = time.Time{}
	if err != nil {
		w.unsigned = w.now()
	}
	return err
}

// rests reports whether that pause lasts.
func (w *witness) rests() bool { return w.now().Sub(w.unsigned) < again }

// sign makes both signatures of a cosignature, as a member of the set.
func (k *keys) sign(ctx context.Context, s *log.Set, c log.Checkpoint) (log.Cosignature, error) {
	attested, err := k.attest.Sign(ctx, s.Digest(c))
	return log.Cosignature{
		MSP:       k.msp,
		Ed25519:   [64]byte(ed25519.Sign(k.cosign, c.CosignedMessage())),
		Secp256k1: attested,
	}, err
}

// vkey returns the verifier key of the cosigning key.
func (k *keys) vkey(network string) string {
	return log.CosignerKey(k.msp, network, k.cosign.Public().(ed25519.PublicKey))
}

// openKeys reads the key files.
func openKeys(msp, network string, files keyFiles) (*keys, error) {
	return readKeys(msp, network, files, signer.Open)
}

// readKeys reads the key files, the secp256k1 keys by open.
func readKeys(msp, network string, files keyFiles, open func(path string) (*signer.Key, error)) (*keys, error) {
	k := &keys{msp: msp}
	var err error
	if k.cosign, err = readCosignKey(files.Cosign, msp+"."+network); err != nil {
		return nil, err
	}
	if k.attest, err = open(files.Attest); err != nil {
		return nil, err
	}
	if k.nextCosign, err = readCosignKey(files.Cosign+nextSuffix, msp+"."+network); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if k.nextAttest, err = open(files.Attest + nextSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	k.sender, err = open(files.Sender)
	return k, err
}

// coming returns the keys that the organisation has after the present ones: those of
// files that end in .next, where there are some.
func (k *keys) coming() *keys {
	out := *k
	if k.nextCosign != nil {
		out.cosign = k.nextCosign
	}
	if k.nextAttest != nil {
		out.attest = k.nextAttest
	}
	return &out
}

// printKeys makes the key files that are missing and prints what others need to
// know of them as one line of JSON. With next it makes those of a coming member set.
func printKeys(w io.Writer, c *config, next bool) error {
	for _, path := range []string{c.Keys.Cosign, c.Keys.Attest, c.Keys.Sender} {
		if err := signer.CheckName(path); err != nil {
			return err
		}
	}
	name := c.Organisation + "." + c.Network
	cosign, _, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return fmt.Errorf("make cosigning key: %w", err)
	}
	suffix := ""
	if next {
		suffix = nextSuffix
	}
	if err := createSecret(c.Keys.Cosign+suffix, cosign+"\n"); err != nil {
		return err
	}
	for _, path := range []string{c.Keys.Attest + suffix, c.Keys.Sender} {
		if _, err := os.Stat(path); err == nil {
			continue
		}
		text, err := signer.NewFile(path)
		if err != nil {
			return err
		}
		if err := createSecret(path, string(text)); err != nil {
			return err
		}
	}
	if err := makeDice(c.Keys.Draws); err != nil {
		return err
	}
	k, err := openKeys(c.Organisation, c.Network, c.Keys)
	if err != nil {
		return err
	}
	if next {
		k = k.coming()
	}
	return json.NewEncoder(w).Encode(struct {
		member
		Sender string `json:"sender"`
	}{
		member: member{
			MSPID:     c.Organisation,
			CosignKey: k.vkey(c.Network),
			Address:   address(k.attest),
		},
		Sender: address(k.sender),
	})
}

func address(k *signer.Key) string {
	a := k.Address()
	return "0x" + canon.Hex(a[:])
}

// createSecret writes a file that only its user may read, unless it exists. A
// crash leaves the whole file or none.
func createSecret(path, text string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("create key: %w", err)
	}
	if err := replaceFile(path, []byte(text)); err != nil {
		return fmt.Errorf("create key: %w", err)
	}
	return nil
}

// replaceFile writes a file so that after a crash there is the old one or the
// new one, on disk.
func replaceFile(path string, data []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readCosignKey reads a note signer key, PRIVATE+KEY+<name>+<id>+<key>.
func readCosignKey(path, name string) (ed25519.PrivateKey, error) {
	text, err := signer.ReadSecret(path)
	if err != nil {
		return nil, err
	}
	// The note package checks the form and the id.
	s, err := note.NewSigner(text)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	if s.Name() != name {
		return nil, fmt.Errorf("key %s is named %q, want %q", path, s.Name(), name)
	}
	parts := strings.SplitN(text, "+", 5) // base64 may hold a plus, names do not
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return nil, fmt.Errorf("key %s: not an Ed25519 note signer key", path)
	}
	return ed25519.NewKeyFromSeed(raw[1:]), nil
}

//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/jwe"
	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/topology"
	"golang.org/x/sync/errgroup"
)

// privateContent keeps contents with the members and deletes them: a recipient opens
// one through another gateway, a peer that was away fetches what it missed, and one that
// was away during the deletion purges once it is back. After the deletion the stopped and compacted peers of all organisations hold nothing of
// them, nor does any gateway, log or other file of the network, while bundles prove
// that the record existed and was deleted. The same search finds them before. (PV-1 to
// PV-5)
func (n *network) privateContent(t *testing.T) {
	other, err := client.Dial(n.Cluster.GatewayAddresses()[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	owner, reader, stranger := n.identity(t), n.identity(t), n.identity(t)
	recipients, err := other.Recipients(t.Context(), reader.DID())
	if err != nil {
		t.Fatal(err)
	}
	first, second := newSecret(t, "first", owner, recipients), newSecret(t, "second", owner, recipients)

	// One peer is away while the content comes: it has to fetch it from the others.
	away := n.Cluster.Orgs()[3].Peer().Name
	if err := n.Cluster.Kill(away); err != nil {
		t.Fatal(err)
	}
	// Two gateways race, so that there may be a void transaction with the content too.
	ref := first.submit(t, owner, &ops.RecordSubmit{
		Schema: "note", Commitment: first.commitment, Size: uint64(len(first.content)), Private: first.sealed.Digest,
	}, "", n.Client, other)
	if err := n.Cluster.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.keptByAll(t, owner, ref, first)
	first.opens(t, other, reader, ref)
	if _, err := other.Content(t.Context(), stranger, ref); fault.Of(err) != fault.NotOwner {
		t.Errorf("a stranger fetches it: %v", err)
	}
	if holders := n.search(t, first.needles); !n.allPeers(holders) {
		t.Fatalf("the search finds the content in %q only: it would prove nothing", holders)
	}

	v, err := n.Client.Record(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	second.submit(t, owner, &ops.RecordAmend{
		Record: ref, Schema: "note", Commitment: second.commitment, Size: uint64(len(second.content)), Private: second.sealed.Digest,
	}, v.GetHash(), other)
	n.keptByAll(t, owner, ref, second)
	second.opens(t, n.Client, reader, ref)

	if v, err = n.Client.Record(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	jws, _, err := owner.Operation(&ops.RecordDelete{Record: ref}, v.GetHash())
	if err != nil {
		t.Fatal(err)
	}
	missing := n.Cluster.Orgs()[2].Peer()
	if err := n.Cluster.Kill(missing.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Submit(t.Context(), jws); err != nil {
		t.Fatal(err)
	}
	data, _ := filepath.Rel(n.Cluster.Dir, missing.Data)
	if holders := n.search(t, second.needles); !slices.ContainsFunc(holders, func(file string) bool { return strings.HasPrefix(file, data) }) {
		t.Errorf("a peer that missed the deletion has no content to purge: %q", holders)
	}
	if err := n.Cluster.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, who := range []client.Signer{owner, reader} {
		if _, err := n.Client.Content(t.Context(), who, ref); fault.Of(err) != fault.Deleted {
			t.Errorf("after the deletion: %v", err)
		}
	}
	n.forgotten(t, owner, slices.Concat(first.needles, second.needles))
	for _, s := range []client.Subject{{Operation: ref}, {Key: "record/" + ref}} {
		n.proven(t, s)
	}
}

// identity is a new DID with a key to which content is encrypted.
func (n *network) identity(t *testing.T) client.Signer {
	t.Helper()
	i, _, err := client.Generate("EdDSA", false)
	if err != nil {
		t.Fatal(err)
	}
	s := i.On(n.name)
	jws, err := s.Create(nil, "")
	if err == nil {
		_, err = n.Client.Submit(t.Context(), jws)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// secret is a content, and what to look for when it has to be gone.
type secret struct {
	content    []byte
	commitment string
	sealed     *client.Sealed
	needles    [][]byte
}

func newSecret(t *testing.T, name string, owner client.Signer, readers []jwe.Recipient) *secret {
	t.Helper()
	s := &secret{content: []byte(strings.Repeat("the "+name+" finding about the patient is private; ", 40))}
	commitment, salt, err := client.Commitment(s.content)
	if err != nil {
		t.Fatal(err)
	}
	s.commitment = canon.Hex(commitment[:])
	if s.sealed, err = owner.Seal(salt, s.content, readers...); err != nil {
		t.Fatal(err)
	}
	form, err := record.DecodeContent(s.sealed.Data)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(form.Ciphertext)
	if err != nil {
		t.Fatal(err)
	}
	// LevelDB cuts what it writes into blocks of 32 kB and compresses what repeats:
	// short pieces from everywhere cannot all be hidden by that.
	s.needles = append(s.needles, s.content[:40], []byte(canon.Hex(salt[:])), salt[:], []byte(form.Recipients[0].EncryptedKey))
	for at := 0; at+24 <= len(raw); at += 96 {
		s.needles = append(s.needles, raw[at:at+24], []byte(form.Ciphertext[at:at+24]))
	}
	return s
}

// submit brings an operation with the content onto the ledger, through all of the
// gateways at once, and returns its reference.
func (s *secret) submit(t *testing.T, by client.Signer, body ops.Body, prior string, through ...*client.Client) (ref string) {
	t.Helper()
	jws, ref, err := by.Operation(body, prior)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := through[0].Submit(t.Context(), jws); fault.Of(err) != fault.ContentMissing {
		t.Errorf("without its content: %v", err)
	}
	var g errgroup.Group
	for _, c := range through {
		g.Go(func() error {
			_, err := c.SubmitWith(t.Context(), jws, s.sealed.Data)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return ref
}

// opens wants somebody to get the content.
func (s *secret) opens(t *testing.T, c *client.Client, who client.Signer, ref string) {
	t.Helper()
	sealed, err := c.Content(t.Context(), who, ref)
	if err != nil {
		t.Fatal(err)
	}
	if _, got, err := who.Open(sealed); err != nil || !bytes.Equal(got, s.content) {
		t.Errorf("opened: %q, %v", got, err)
	}
}

// keptByAll waits until each organisation's own peer answers the content.
func (n *network) keptByAll(t *testing.T, owner client.Signer, ref string, s *secret) {
	t.Helper()
	for i, c := range n.own {
		until(t, 2*time.Minute, "the content on the peer of "+n.Cluster.Orgs()[i].Name, func() error {
			request, err := ops.SignRead(owner.Algorithm(), n.name, ref, uint64(time.Now().Unix()), owner)
			if err != nil {
				return err
			}
			answer, err := c.Evaluate(t.Context(), "record:Content", []byte(request.Compact()))
			if err == nil && !bytes.Contains(answer, []byte(s.sealed.Digest)) {
				err = errors.New("it is another one")
			}
			return err
		})
	}
}

// search looks for any of the needles in every file of the network: peers, orderers,
// chaincode services, gateways, anchors, chains and logs. It returns the files that
// have one, relative to the network's folder.
func (n *network) search(t *testing.T, needles [][]byte) (holders []string) {
	t.Helper()
	root := n.Cluster.Dir
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // running programs remove files
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if slices.ContainsFunc(needles, func(needle []byte) bool { return bytes.Contains(data, needle) }) {
			name, _ := filepath.Rel(root, path)
			holders = append(holders, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return holders
}

// allPeers says that the files are those of peers, at least one of each.
func (n *network) allPeers(files []string) bool {
	all := true
	of := func(file string) int {
		return slices.IndexFunc(n.Cluster.Orgs(), func(o topology.Org) bool {
			data, _ := filepath.Rel(n.Cluster.Dir, o.Peer().Data)
			return strings.HasPrefix(file, data+string(filepath.Separator))
		})
	}
	seen := map[int]bool{}
	for _, file := range files {
		seen[of(file)] = true
	}
	for i := range n.Cluster.Orgs() {
		all = all && seen[i]
	}
	return all && !seen[-1]
}

// retention is how many blocks peers keep what was endorsed and never ordered
// (transientstoreMaxBlockRetention): that goes after twice as many at the latest.
const retention = 200

// forgotten stops all peers, compacts their stores and looks for what has to be gone.
// Peers remove what was purged some moments after the block, so it looks again once
// blocks have come; and at last when so many have come that what a batch left that was
// endorsed and not ordered, on a slow machine, is forgotten too.
func (n *network) forgotten(t *testing.T, by client.Signer, needles [][]byte) {
	t.Helper()
	var holders []string
	deleted := n.height(t)
	for try, blocks := range []uint64{3, 6, 2 * retention} {
		for i := 0; n.height(t) < deleted+blocks; i++ {
			jws, _, err := by.Operation(note(fmt.Sprint("after the deletion ", try, i)), "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := n.Client.Submit(t.Context(), jws); err != nil {
				t.Fatal(err)
			}
		}
		n.caughtUp(t)
		for _, o := range n.Cluster.Orgs() {
			if err := n.Cluster.Kill(o.Peer().Name); err != nil {
				t.Fatal(err)
			}
		}
		stores := 0
		for _, o := range n.Cluster.Orgs() {
			// A peer that was killed holds its files until the system has ended it.
			until(t, time.Minute, "compacting the stores of "+o.Peer().Name, func() error {
				compacted, err := cluster.Compact(o.Peer().Data)
				stores += len(compacted)
				return err
			})
		}
		holders = n.search(t, needles)
		if err := n.Cluster.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.caughtUp(t)
		if t.Logf("%d stores compacted, found in %q", stores, holders); len(holders) == 0 {
			return
		}
	}
	t.Errorf("after the deletion the content is in %q", holders)
}

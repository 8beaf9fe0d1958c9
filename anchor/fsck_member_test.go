package main

import (
	"context"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
	"github.com/killick-ledger/killick/anchor/log"
)

// A mistake of this program is no difference.
func TestFsckPanics(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	a.write(0, 9, 1)
	s := &blockSource{name: "peer", height: 1, blocks: func(context.Context) iter.Seq2[piece, error] {
		return func(yield func(piece, error) bool) {
			yield(piece{1, "peer", func() (*block.Block, error) { panic("boom") }}, nil)
		}
	}}
	audit := blocktest.Must(log.NewAudit(filepath.Join(a.cfg.Dir, "log")))
	defer audit.Close() //nolint:errcheck // of a test
	err := (&fsckReport{Signatures: true}).against(t.Context(), a.cfg, audit, s, io.Discard)
	if err == nil || exitCode(err) != 1 || !strings.Contains(err.Error(), "boom") {
		t.Errorf("got %v", err)
	}
}

// What a member writes into its own collection, and what other chaincodes write, asks
// nobody else; what touches the keys of Killick's chaincode does, whoever is called.
func TestFsckOneMember(t *testing.T) {
	t.Parallel()
	hash := make([]byte, 32)
	apart := &rwset.NsReadWriteSet{Namespace: "killick", CollectionHashedRwset: []*rwset.CollectionHashedReadWriteSet{{
		CollectionName: "_implicit_org_Org1MSP", HashedRwset: blocktest.Wire(&kvrwset.HashedRWSet{HashedWrites: []*kvrwset.KVWriteHash{{KeyHash: hash, ValueHash: hash}}}),
	}}}
	public := func(namespace string) *rwset.NsReadWriteSet {
		return &rwset.NsReadWriteSet{Namespace: namespace, Rwset: blocktest.Wire(&kvrwset.KVRWSet{Writes: []*kvrwset.KVWrite{put("a", "b")}})}
	}
	for name, tt := range map[string]struct {
		chaincode string
		set       *rwset.NsReadWriteSet
		endorsers int
		want      string
	}{
		"its own collection":                 {"killick", apart, 1, ""},
		"another chaincode":                  {"other", public("other"), 0, ""},
		"another chaincode to Killick's":     {"other", public("killick"), 1, "endorsed by 1 organisations, want 2"},
		"Killick's chaincode writes nothing": {"killick", &rwset.NsReadWriteSet{Namespace: "killick"}, 1, "endorsed by 1 organisations, want 2"},
		"reads that are none":                {"other", &rwset.NsReadWriteSet{Namespace: "killick", Rwset: append(public("killick").Rwset, 1<<3|2, 1, 0xff)}, 1, "endorsed by 1 organisations, want 2"},
		"a definition":                       {"_lifecycle", public("_lifecycle"), 0, "endorsed by 0 organisations, want 1"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t)
			a.add([]byte{0}, a.called(tt.chaincode, nil, tt.set, a.members[:tt.endorsers]...))
			a.write(0, 9, 2)
			r, err := a.fsck(fsckOptions{})
			if d := r.Difference; (d == nil) != (tt.want == "") || d != nil && d.Found != tt.want {
				t.Errorf("%v, %+v", err, d)
			}
		})
	}
}

// createdBy is an archive with a transaction that a member of another organisation of the
// channel created, which is added to a member of the archive.
func createdBy(t *testing.T, add func(*blocktest.Member) *blocktest.Member) *archive {
	a := newArchive(t)
	m := a.members[0]
	other := add(m)
	a.add([]byte{0}, blocktest.Config(a.members, nil, "V3_0"))
	m.Client = other.Client
	a.add([]byte{0}, a.called("other", nil, &rwset.NsReadWriteSet{Namespace: "other"}, m))
	a.write(0, 9, 3)
	return a
}

// An organisation that orders has no peers; its members create transactions all the same,
// which peers find valid.
func TestFsckOrderersClient(t *testing.T) {
	t.Parallel()
	a := createdBy(t, func(m *blocktest.Member) *blocktest.Member {
		m.Orderers = blocktest.NewMember("Org1OrdererMSP")
		return m.Orderers
	})
	if r, err := a.fsck(fsckOptions{}); err != nil || r.Difference != nil {
		t.Errorf("%v, %+v", err, r.Difference)
	}
}

// The signature of an anonymous creator is not checked, which is said.
func TestFsckAnonymousClient(t *testing.T) {
	t.Parallel()
	a := createdBy(t, func(m *blocktest.Member) *blocktest.Member {
		m.Anonymous = blocktest.NewMember("IdemixMSP")
		return m.Anonymous
	})
	r, err := a.fsck(fsckOptions{})
	if exitCode(err) != 3 || r.Difference != nil || !slices.ContainsFunc(r.Unchecked, func(s string) bool { return strings.HasPrefix(s, "the creators of 1 transactions") }) {
		t.Errorf("%v, %+v, %q", err, r.Difference, r.Unchecked)
	}
}

package did

import (
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	identityType = 0x15 // what a commitment is the hash of
	leafType     = 0x16
	rootType     = 0x17
	saltSize     = 32
	// maxLeaves bounds the identities that are linked to a DID at a time.
	maxLeaves = 16
	// maxIdentity bounds what names one, in bytes.
	maxIdentity = 256
)

// Kind says what an identity is, and with it who has checked it.
type Kind uint8

// The kinds of identities.
const (
	// KindAccount is an account on a public chain (CAIP-10): the ledger has seen the
	// signature of its key.
	KindAccount Kind = 1
	// KindWeb is any other identity, a URI such as https://social.example/@alice: the
	// ledger has seen a commitment and nothing else.
	KindWeb Kind = 2
)

var kindNames = map[Kind]string{KindAccount: "account", KindWeb: "web"}

// String returns the name of the kind.
func (k Kind) String() string { return kindNames[k] }

// Identity is something that belongs to the holder of a DID, with the salt without
// which nobody can guess it from its leaf.
type Identity struct {
	Kind Kind
	Text string // CAIP-10 id of an account, or a URI
	Salt [saltSize]byte
}

// Check looks at what names the identity. Errors: fault.InvalidValue.
func (i *Identity) Check() error {
	switch {
	case i.Kind == KindAccount:
		_, err := canon.ParseAccount(i.Text)
		return err
	case i.Kind != KindWeb:
		return fault.New(fault.InvalidValue, "there is no identity of kind %d", i.Kind)
	case len(i.Text) > maxIdentity || !printable(i.Text) || strings.IndexByte(i.Text, ':') < 1:
		return fault.New(fault.InvalidValue, "an identity is a URI of at most %d printable ASCII characters", maxIdentity)
	}
	return nil
}

// Commitment is what the ledger gets to see of a web identity. It names the DID, so
// that nobody can show it as an identity of another one.
func (i *Identity) Commitment(network string, id ledger.ID) [32]byte {
	r := canon.NewRecord(identityType).Var8([]byte(network)).Fixed(id[:]).U8(uint8(i.Kind)).Fixed(i.Salt[:]).Var16([]byte(i.Text))
	return canon.Sum([]byte("killick.identity.v1"), r.Bytes())
}

// Leaf returns the leaf of an identity in the tree under the identity root.
func (i *Identity) Leaf(network string, id ledger.ID) Leaf {
	return leafOf(i.Kind, i.Commitment(network, id))
}

// Leaf is the hash of a leaf in the tree under an identity root, that of RFC 6962.
type Leaf [32]byte

// leafOf stamps the kind on a commitment, which the ledger has checked for accounts
// only: a commitment of one kind makes no leaf of the other.
func leafOf(kind Kind, commitment [32]byte) Leaf {
	return Leaf(tlog.RecordHash(canon.NewRecord(leafType).U8(uint8(kind)).Fixed(commitment[:]).Bytes()))
}

// String returns the leaf in hex.
func (l Leaf) String() string { return canon.Hex(l[:]) }

// tree is all hashes of a tree of RFC 6962, in the order of tlog.
type tree struct{ stored []tlog.Hash }

// ReadHashes implements tlog.HashReader.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at < 0 || at >= int64(len(t.stored)) {
			return nil, fault.New(fault.Internal, "hash %d of a tree of %d hashes", at, len(t.stored))
		}
		out[i] = t.stored[at]
	}
	return out, nil
}

func treeOf(leaves []Leaf) (*tree, error) {
	t := new(tree)
	for n, leaf := range leaves {
		stored, err := tlog.StoredHashesForRecordHash(int64(n), tlog.Hash(leaf), t)
		if err != nil {
			return nil, err
		}
		t.stored = append(t.stored, stored...)
	}
	return t, nil
}

// Root returns the identity root over leaves in hex, empty without any.
func Root(leaves []Leaf) (string, error) {
	if len(leaves) == 0 {
		return "", nil
	}
	t, err := treeOf(leaves)
	if err != nil {
		return "", err
	}
	hash, err := tlog.TreeHash(int64(len(leaves)), t)
	return rootOf(uint64(len(leaves)), hash), err
}

// rootOf returns the identity root, which says of how many leaves its tree is: the same
// path may fit trees of several sizes.
func rootOf(size uint64, hash tlog.Hash) string {
	root := canon.Sum([]byte("killick.identities.v1"), canon.NewRecord(rootType).U64(size).Fixed(hash[:]).Bytes())
	return canon.Hex(root[:])
}

// parseLeaf reads a leaf in hex. Errors: fault.InvalidValue.
func parseLeaf(text string) (Leaf, error) {
	h, err := canon.UnHex32(text)
	if err != nil {
		return Leaf{}, fault.New(fault.InvalidValue, "leaf: %s", fault.Text(err))
	}
	return Leaf(h), nil
}

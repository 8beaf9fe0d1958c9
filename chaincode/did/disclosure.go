package did

import (
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"golang.org/x/mod/sumdb/tlog"
)

// Disclosure shows that one identity is linked to a DID, and says nothing of the
// others but how many there are (docs/formats/identity.md).
type Disclosure struct {
	Format   string   `json:"format"`
	DID      string   `json:"did"`
	Kind     string   `json:"kind"`     // account or web
	Identity string   `json:"identity"` // CAIP-10 id, or URI
	Salt     string   `json:"salt"`     // base64url of 32 bytes
	Index    uint64   `json:"index"`    // of the leaf, from 0
	Size     uint64   `json:"size"`     // number of leaves
	Tree     string   `json:"tree"`     // hash of the tree in hex
	Path     []string `json:"path"`     // hashes in hex, as RFC 6962 orders them
}

const disclosureFormat = "killick-disclosure-1"

// Disclose makes the disclosure of an identity of the DID, given all leaves that count.
// Errors: those of Parse, fault.InvalidValue, fault.NotFound when its leaf is not among
// them.
func Disclose(did string, identity Identity, leaves []Leaf) (*Disclosure, error) {
	network, id, err := Parse(did)
	if err != nil {
		return nil, err
	}
	if err := identity.Check(); err != nil {
		return nil, err
	}
	at := slices.Index(leaves, identity.Leaf(network, id))
	if at < 0 {
		return nil, fault.New(fault.NotFound, "%s is not linked to %s with this salt", identity.Text, did)
	}
	t, err := treeOf(leaves)
	if err != nil {
		return nil, err
	}
	proof, err := tlog.ProveRecord(int64(len(leaves)), int64(at), t)
	if err != nil {
		return nil, err
	}
	d := &Disclosure{
		Format: disclosureFormat, DID: did, Kind: identity.Kind.String(), Identity: identity.Text, Salt: canon.B64(identity.Salt[:]),
		Index: uint64(at), Size: uint64(len(leaves)), Path: []string{},
	}
	hash, err := tlog.TreeHash(int64(len(leaves)), t)
	if err != nil {
		return nil, err
	}
	d.Tree = canon.Hex(hash[:])
	for _, hash := range proof {
		d.Path = append(d.Path, canon.Hex(hash[:]))
	}
	return d, nil
}

// DecodeDisclosure reads a disclosure strictly. What it shows is not checked before
// Verify. Errors: the codes of bad forms.
func DecodeDisclosure(data []byte) (*Disclosure, error) {
	d := new(Disclosure)
	if err := canon.Decode(data, d, "format", "did", "kind", "identity", "salt", "index", "size", "tree", "path"); err != nil {
		return nil, err
	}
	_, err := d.parts()
	return d, err
}

// shown is what a disclosure says in binary form.
type shown struct {
	leaf  Leaf
	tree  tlog.Hash
	proof tlog.RecordProof
}

// parts reads the members.
func (d *Disclosure) parts() (*shown, error) {
	bad := func(format string, args ...any) (*shown, error) {
		return nil, fault.New(fault.InvalidValue, format, args...)
	}
	if d.Format != disclosureFormat {
		return bad("format must be %s", disclosureFormat)
	}
	network, id, err := Parse(d.DID)
	if err != nil {
		return bad("did: %s", fault.Text(err))
	}
	identity := Identity{Text: d.Identity}
	for kind, name := range kindNames {
		if name == d.Kind {
			identity.Kind = kind
		}
	}
	if err := identity.Check(); err != nil {
		return bad("identity: %s", fault.Text(err))
	}
	salt, err := canon.UnB64(d.Salt)
	if err != nil || len(salt) != saltSize {
		return bad("salt must be base64url of %d bytes", saltSize)
	}
	identity.Salt = [saltSize]byte(salt)
	if d.Size < 1 || d.Size > maxLeaves || d.Index >= d.Size {
		return bad("leaf %d of %d", d.Index, d.Size)
	}
	if len(network) > 255 || len(d.Path) > maxLeaves {
		return bad("a network name of %d characters, a path of %d hashes", len(network), len(d.Path))
	}
	tree, err := canon.UnHex32(d.Tree)
	if err != nil {
		return bad("tree: %s", fault.Text(err))
	}
	s := &shown{leaf: identity.Leaf(network, id), tree: tree}
	for _, text := range d.Path {
		hash, err := canon.UnHex32(text)
		if err != nil {
			return bad("path: %s", fault.Text(err))
		}
		s.proof = append(s.proof, tlog.Hash(hash))
	}
	return s, nil
}

// Verify says whether the identity is linked to the DID under the identity root, in
// hex, that its state or its resolution has. Of a web identity that means that who
// controls the DID has said so, of an account that its key has, too; of neither, that
// who shows the disclosure controls the DID. Errors: fault.InvalidValue,
// fault.BadProof.
func (d *Disclosure) Verify(root string) error {
	s, err := d.parts()
	if err != nil {
		return err
	}
	if _, err := canon.UnHex32(root); err != nil {
		return fault.New(fault.InvalidValue, "root: %s", fault.Text(err))
	}
	err = tlog.CheckRecord(s.proof, int64(d.Size), s.tree, int64(d.Index), tlog.Hash(s.leaf))
	if err != nil || rootOf(d.Size, s.tree) != root {
		return fault.New(fault.BadProof, "%s is not linked to %s under the root %s", d.Identity, d.DID, root)
	}
	return nil
}

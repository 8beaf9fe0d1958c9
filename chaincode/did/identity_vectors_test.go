package did_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

const identityFile = "../../docs/formats/vectors/identity.json"

// identityVectors are what docs/formats/identity.md and did-method.md say of links, by
// example.
type identityVectors struct {
	Comment     string             `json:"comment"`
	DID         string             `json:"did"`
	Links       []linkVector       `json:"links"`
	Identities  []identityVector   `json:"identities"`
	Roots       []string           `json:"roots"` // over the first 1, 2, ... leaves
	Disclosures []disclosureVector `json:"disclosures"`
	Accounts    []string           `json:"accounts"`    // values under account/<id>, in hex
	Preferences []string           `json:"preferences"` // values under preference/<id>, in hex
}

type linkVector struct {
	Account string `json:"account"`
	Version string `json:"version"`
	Secret  string `json:"secret"` // of the account's key, in hex
	Text    string `json:"text"`
	Digest  string `json:"digest"`
	Proof   string `json:"proof"`
}

type identityVector struct {
	Kind       string `json:"kind"`
	Identity   string `json:"identity"`
	Salt       string `json:"salt"` // in hex
	Commitment string `json:"commitment"`
	Leaf       string `json:"leaf"`
}

type disclosureVector struct {
	Disclosure *did.Disclosure `json:"disclosure"`
	Root       string          `json:"root"`
	Code       string          `json:"code"`
}

func makeIdentityVectors(t *testing.T) *identityVectors {
	u := opstest.NewUser("vector frank")
	v := &identityVectors{
		Comment: "What the keys of accounts sign, leaves, roots and disclosures. Made by go test ./chaincode/did -run Vectors -update", DID: u.DID,
	}
	version := canon.Hex(opstest.Seed("version"))
	for _, c := range []struct{ chain, version string }{{"eip155:1337", "new"}, {"eip155:1", version}, {"tron:0x2b6653dc", version}} {
		account := u.Account(c.chain)
		digest := canon.LinkDigest(u.DID, account, c.version)
		v.Links = append(v.Links, linkVector{
			account.String(), c.version, canon.Hex(u.Chain.Serialize()), canon.LinkText(u.DID, account, c.version), canon.Hex(digest[:]),
			u.LinkIn(c.chain, c.version).Proof,
		})
	}
	identities := []did.Identity{
		u.Hidden(did.KindAccount, u.Account("eip155:1337").String()), u.Hidden(did.KindAccount, u.Account("tron:0x2b6653dc").String()),
		u.Hidden(did.KindWeb, "https://social.example/@frank"), u.Hidden(did.KindWeb, "mailto:frank@mail.example"), u.Hidden(did.KindWeb, "acct:frank@forge.example"),
	}
	var leaves []did.Leaf
	for _, i := range identities {
		commitment, leaf := i.Commitment(opstest.Network, u.ID), i.Leaf(opstest.Network, u.ID)
		v.Identities = append(v.Identities, identityVector{i.Kind.String(), i.Text, canon.Hex(i.Salt[:]), canon.Hex(commitment[:]), leaf.String()})
		leaves = append(leaves, leaf)
		root, err := did.Root(leaves)
		if err != nil {
			t.Fatal(err)
		}
		v.Roots = append(v.Roots, root)
	}
	add := func(i did.Identity, root string, spoil func(*did.Disclosure)) {
		d, err := did.Disclose(u.DID, i, leaves)
		if err != nil {
			t.Fatal(err)
		}
		spoil(d)
		v.Disclosures = append(v.Disclosures, disclosureVector{d, root, fault.Of(d.Verify(root)).String()})
	}
	root := v.Roots[len(v.Roots)-1]
	for _, i := range identities {
		add(i, root, func(*did.Disclosure) {})
	}
	add(identities[2], v.Roots[2], func(*did.Disclosure) {})
	add(identities[2], root, func(d *did.Disclosure) { d.Identity = "https://social.example/@grace" })
	add(identities[2], root, func(d *did.Disclosure) { d.Kind = "account" })
	add(identities[2], root, func(d *did.Disclosure) { d.Size = 6 })
	for _, a := range []*did.Accounts{
		{},
		{
			Changed: 8,
			Linked: []did.Linked{
				{Leaf: leaves[0], Until: 9, Account: identities[0].Text}, {Leaf: leaves[1], From: 7, Account: identities[1].Text}, {Leaf: leaves[2], From: 8},
			},
			Payouts: []did.Payout{{Account: identities[0].Text}, {Epoch: 7, Account: identities[1].Text}, {Epoch: 9}},
		},
	} {
		v.Accounts = append(v.Accounts, canon.Hex(a.Encode()))
		settled := did.Settled{Epoch: a.Changed, Payouts: a.Payouts}
		v.Preferences = append(v.Preferences, canon.Hex(settled.Encode()))
	}
	return v
}

func TestIdentityVectors(t *testing.T) {
	canontest.GoldenJSON(t, identityFile, " ", makeIdentityVectors(t))
}

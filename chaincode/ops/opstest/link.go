package opstest

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Link returns a link to the account on the chain, proven for did.create.
func (u *User) Link(chain string) did.Link { return u.LinkIn(chain, "new") }

// LinkIn returns a link to the account on the chain, proven for a version of the DID.
func (u *User) LinkIn(chain, version string) did.Link {
	account := u.Account(chain)
	proof := canon.SignDigest(u.Chain, canon.LinkDigest(u.DID, account, version))
	identity := u.Hidden(did.KindAccount, account.String())
	return did.Link{Account: account.String(), Proof: canon.B64(proof[:]), Salt: canon.B64(identity.Salt[:])}
}

// Hidden is an identity of the user with a salt that is made from it.
func (u *User) Hidden(kind did.Kind, text string) did.Identity {
	return did.Identity{Kind: kind, Text: text, Salt: [32]byte(Seed("salt " + u.DID + text))}
}

// SetEpoch puts the current epoch into the state, by hand.
func (w *World) SetEpoch(number uint64) {
	w.t.Helper()
	epoch, err := canon.Marshal(reward.Epoch{Number: number, Start: w.Now})
	if err == nil {
		err = w.Store.Put(reward.CurrentKey, epoch)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// Prior is the hash of the newest version of a DID.
func (w *World) Prior(u *User) string {
	w.t.Helper()
	value, err := w.Store.Get(did.Key(u.ID))
	if err != nil || value == nil {
		w.t.Fatalf("no DID: %v", err)
	}
	return ledger.Version(value)
}

// LinkNow returns the body that links the user's account on a chain to the DID in its
// newest version.
func (w *World) LinkNow(u *User, chain string) *ops.DIDLink {
	w.t.Helper()
	l := u.LinkIn(chain, w.Prior(u))
	return &ops.DIDLink{Account: l.Account, Proof: l.Proof, Salt: l.Salt}
}

// LinkWeb returns the body that links another identity to the user's DID.
func LinkWeb(u *User, uri string) *ops.DIDLink {
	identity := u.Hidden(did.KindWeb, uri)
	commitment := identity.Commitment(Network, u.ID)
	return &ops.DIDLink{Commitment: canon.Hex(commitment[:])}
}

// Accounts returns what the ledger holds of a DID's accounts.
func (w *World) Accounts(u *User) *did.Accounts {
	w.t.Helper()
	a, err := did.ReadAccounts(ledger.Begin(w.Store, w.Now, ledger.Caller{}), u.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// Linked returns what anyone may know of a DID's links.
func (w *World) Linked(u *User) *did.IdentityView {
	w.t.Helper()
	v := new(did.IdentityView)
	w.Read("did:Identity", u.DID, v)
	return v
}

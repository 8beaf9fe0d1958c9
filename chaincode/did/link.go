package did

import (
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Link joins a chain account to a DID: Proof is base64url of the account's signature
// over canon.LinkText, Salt base64url of the 32 bytes that hide it in its leaf.
type Link struct {
	Account string `json:"account"`
	Proof   string `json:"proof"`
	Salt    string `json:"salt"`
}

// ofCreation is what proofs in did.create have in the place of a version.
const ofCreation = "new"

// read reads the members. Errors: fault.InvalidValue.
func (l *Link) read() (account canon.Account, proof []byte, identity Identity, err error) {
	if account, err = canon.ParseAccount(l.Account); err != nil {
		return account, nil, identity, err
	}
	if proof, err = canon.UnB64(l.Proof); err != nil {
		return account, nil, identity, fault.New(fault.InvalidValue, "proof: %s", fault.Text(err))
	}
	salt, err := canon.UnB64(l.Salt)
	if err != nil || len(salt) != saltSize {
		return account, nil, identity, fault.New(fault.InvalidValue, "salt must be base64url of %d bytes", saltSize)
	}
	return account, proof, Identity{KindAccount, l.Account, [saltSize]byte(salt)}, nil
}

// prove checks that the account's own key links it to the DID in this version of it,
// and gives it to the DID. Errors: fault.BadProof, fault.LinkTaken.
func (l *Link) prove(tx *ledger.Tx, call ledger.Call, version string, epoch uint64) (Leaf, error) {
	account, proof, identity, err := l.read()
	if err != nil {
		return Leaf{}, err
	}
	signer, err := canon.Recover(canon.LinkDigest(String(call.Network, call.Actor), account, version), proof)
	if err != nil || signer != account.Address {
		return Leaf{}, fault.New(fault.BadProof, "the proof is not by the key of %s over the text for this version of the DID", l.Account)
	}
	return identity.Leaf(call.Network, call.Actor), take(tx, l.Account, call.Actor, epoch)
}

// Add is the body of did.link: an account with its proof and salt, or the commitment to
// another identity, in hex.
type Add struct {
	Account    string `json:"account,omitempty"`
	Proof      string `json:"proof,omitempty"`
	Salt       string `json:"salt,omitempty"`
	Commitment string `json:"commitment,omitempty"`
}

func (a *Add) link() *Link { return &Link{a.Account, a.Proof, a.Salt} }

// Check looks at what the body says by itself. Errors: fault.MissingField,
// fault.InvalidValue.
func (a *Add) Check(ledger.Call) error {
	if a.Commitment == "" {
		if a.Account == "" {
			return fault.New(fault.MissingField, "account with proof and salt, or commitment")
		}
		_, _, _, err := a.link().read()
		return err
	}
	if a.Account != "" || a.Proof != "" || a.Salt != "" {
		return fault.New(fault.InvalidValue, "a commitment stands alone: its identity and salt are for nobody to see")
	}
	_, err := canon.UnHex32(a.Commitment)
	return err
}

// Keys returns the state keys that Apply reads, without that of the epoch.
func (a *Add) Keys(call ledger.Call) []string {
	keys := []string{Key(call.Actor), AccountsKey(call.Actor)}
	if a.Account != "" {
		keys = append(keys, LinkKey(a.Account))
	}
	return keys
}

// Apply puts the identity under the DID's root. An account can be paid from the next
// epoch on. Errors: fault.StalePrior, fault.AlreadyDone, fault.LimitReached,
// fault.BadProof, fault.LinkTaken.
func (a *Add) Apply(tx *ledger.Tx, call ledger.Call, epoch uint64) error {
	state, accounts, stored, err := readAll(tx, call.Actor)
	if err != nil {
		return err
	}
	if err := call.Replaces(stored); err != nil {
		return err
	}
	if a.Account != "" && accounts.holds(a.Account) {
		return fault.New(fault.AlreadyDone, "%s is linked", a.Account)
	}
	if n := len(accounts.live()); n >= maxLeaves {
		return fault.New(fault.LimitReached, "%d identities are linked, at most %d may be", n, maxLeaves)
	}
	leaf, err := a.leaf(tx, call, epoch)
	if err != nil {
		return err
	}
	if accounts.at(leaf) >= 0 {
		return fault.New(fault.AlreadyDone, "the leaf %s is there", leaf)
	}
	accounts.add(leaf, a.Account, epoch)
	return state.writeLinks(tx, call, stored, accounts, epoch)
}

// leaf makes the leaf of an account that is proven, or of a commitment.
func (a *Add) leaf(tx *ledger.Tx, call ledger.Call, epoch uint64) (Leaf, error) {
	if a.Account != "" {
		return a.link().prove(tx, call, call.Prior, epoch)
	}
	commitment, err := canon.UnHex32(a.Commitment)
	return leafOf(KindWeb, commitment), err
}

// readAll returns the state of a DID and its accounts.
func readAll(tx *ledger.Tx, id ledger.ID) (*State, *Accounts, []byte, error) {
	state, stored, err := Read(tx, id)
	if err != nil {
		return nil, nil, nil, err
	}
	accounts, err := ReadAccounts(tx, id)
	return state, accounts, stored, err
}

// writeLinks writes what is linked, and the next version of the DID with its root.
func (s *State) writeLinks(tx *ledger.Tx, call ledger.Call, stored []byte, a *Accounts, epoch uint64) (err error) {
	a.prune(epoch)
	if s.Root, err = Root(a.live()); err != nil {
		return err
	}
	a.change(tx, call.Actor, epoch)
	return s.write(tx, call, call.Actor, stored)
}

// Unlink is the body of did.unlink.
type Unlink struct {
	Leaf string `json:"leaf"` // in hex
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (u *Unlink) Check(ledger.Call) error {
	_, err := parseLeaf(u.Leaf)
	return err
}

// Keys returns the state keys that Apply reads, without that of the epoch.
func (u *Unlink) Keys(call ledger.Call) []string {
	return []string{Key(call.Actor), AccountsKey(call.Actor)}
}

// Apply takes an identity from under the DID's root. An account is paid until the epoch
// ends, if it was to be, and then nobody is until another one is preferred; another DID
// may have it from the next epoch on. Errors: fault.StalePrior, fault.NotFound.
func (u *Unlink) Apply(tx *ledger.Tx, call ledger.Call, epoch uint64) error {
	state, accounts, stored, err := readAll(tx, call.Actor)
	if err != nil {
		return err
	}
	if err := call.Replaces(stored); err != nil {
		return err
	}
	leaf, err := parseLeaf(u.Leaf)
	if err != nil {
		return err
	}
	at := accounts.at(leaf)
	if at < 0 {
		return fault.New(fault.NotFound, "no identity is linked as %s", u.Leaf)
	}
	l := accounts.Linked[at]
	if l.From > epoch {
		accounts.Linked = slices.Delete(accounts.Linked, at, at+1)
		err = accounts.giveBack(tx, call.Actor, l.Account)
	} else {
		accounts.Linked[at].Until = epoch + 1
		if l.Account != "" {
			err = putHolder(tx, l.Account, call.Actor, epoch+1)
		}
	}
	if err != nil {
		return err
	}
	if l.Account != "" && accounts.last() == l.Account {
		accounts.pay("", epoch+1)
	}
	return state.writeLinks(tx, call, stored, accounts, epoch)
}

// giveBack ends an account's link that has not taken effect. Where it was linked before
// in this epoch, it stays the DID's until the epoch ends.
func (a *Accounts) giveBack(tx *ledger.Tx, id ledger.ID, account string) error {
	if account == "" {
		return nil
	}
	for _, l := range a.Linked {
		if l.Account == account {
			return putHolder(tx, account, id, l.Until)
		}
	}
	tx.Delete(LinkKey(account))
	return nil
}

// Prefer is the body of did.prefer: the linked account (CAIP-10) that is to be paid, or
// empty for none.
type Prefer struct {
	Payout string `json:"payout"`
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (p *Prefer) Check(ledger.Call) error { return checkPayout(p.Payout) }

func checkPayout(account string) error {
	if account == "" {
		return nil
	}
	if _, err := canon.ParseAccount(account); err != nil {
		return fault.New(fault.InvalidValue, "payout: %s", fault.Text(err))
	}
	return nil
}

// Keys returns the state keys that Apply reads, without that of the epoch.
func (p *Prefer) Keys(call ledger.Call) []string { return []string{AccountsKey(call.Actor)} }

// Apply has the account paid from the next epoch on. What the current epoch brings goes
// where it would have gone. Errors: fault.NotFound, fault.AlreadyDone.
func (p *Prefer) Apply(tx *ledger.Tx, call ledger.Call, epoch uint64) error {
	accounts, err := ReadAccounts(tx, call.Actor)
	if err != nil {
		return err
	}
	if p.Payout != "" && !accounts.holds(p.Payout) {
		return fault.New(fault.NotFound, "%s is not linked to the DID", p.Payout)
	}
	if accounts.last() == p.Payout {
		return fault.New(fault.AlreadyDone, "that is the preference")
	}
	accounts.pay(p.Payout, epoch+1)
	accounts.change(tx, call.Actor, epoch)
	return nil
}

// cancel takes back what has not taken effect in the current epoch: links are gone,
// unlinks have not been, payout preferences neither. The preference in force stays where
// did.create stated it; another one may be that of who stole a key, and nobody is paid
// from the current epoch on, but for confirmed, if that is an account that is linked in
// it. Errors: fault.NotFound.
func (a *Accounts) cancel(tx *ledger.Tx, id ledger.ID, confirmed string, epoch uint64) error {
	a.Linked = slices.DeleteFunc(a.Linked, func(l Linked) bool {
		if l.From > epoch && l.Account != "" {
			tx.Delete(LinkKey(l.Account))
		}
		return l.From > epoch
	})
	for i, l := range a.Linked {
		if l.Until <= epoch {
			continue
		}
		a.Linked[i].Until = 0
		if l.Account != "" {
			if err := putHolder(tx, l.Account, id, 0); err != nil {
				return err
			}
		}
	}
	a.prune(epoch)
	if confirmed != "" && !a.holds(confirmed) {
		return fault.New(fault.NotFound, "%s was not linked to the DID when this epoch began", confirmed)
	}
	if confirmed == "" {
		confirmed = a.founding(epoch)
	}
	a.pay(confirmed, epoch)
	return nil
}

// founding returns the account that did.create had paid, if that is in force still.
func (a *Accounts) founding(epoch uint64) string {
	if len(a.Payouts) > 0 && a.Payouts[0].Epoch == 0 && (len(a.Payouts) == 1 || a.Payouts[1].Epoch > epoch) {
		return a.Payouts[0].Account
	}
	return ""
}

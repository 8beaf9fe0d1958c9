package reward

import (
	"fmt"
	"strings"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// claim is what is due to one payee and can be assigned to a vault.
type claim struct {
	key     string // of what is due
	id      string // of the payee
	due     Sum
	vault   *foldVault
	address [20]byte
}

// claims reads the next page of what is due and leaves out payees that have
// not said where they want to be paid.
func (f *folder) claims() ([]claim, bool, error) {
	entries, last, err := f.page(duePrefix)
	if err != nil {
		return nil, false, err
	}
	if err := f.prefetch(entries, duePayee); err != nil {
		return nil, false, err
	}
	var claims []claim
	for _, e := range entries {
		due, err := decodeSum(dueType, e.Value)
		if err != nil {
			return nil, false, fmt.Errorf("stored %s: %w", e.Key, err)
		}
		id, asset := splitDue(e.Key)
		c, ok, err := f.claim(id, asset)
		if err != nil {
			return nil, false, err
		}
		if ok {
			c.key, c.due = e.Key, due
			claims = append(claims, c)
		}
	}
	return claims, last, nil
}

// prefetch reads in two goes where the payees in the keys of entries want to be paid.
func (f *folder) prefetch(entries []ledger.Entry, payee func(key string) string) error {
	ids := make([]ledger.ID, len(entries))
	for i, e := range entries {
		id, err := ledger.ParseID(payee(e.Key))
		if err != nil {
			return fmt.Errorf("stored %s: %w", e.Key, err)
		}
		ids[i] = id
	}
	return did.PrefetchPaid(f.tx, ids, f.state.Epoch)
}

// duePayee returns the payee in the key of what is due.
func duePayee(key string) string {
	id, _ := splitDue(key)
	return id
}

// restPayee returns the payee in the key of a remainder.
func restPayee(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }

// claim says what a payee can be assigned: by the preference that counts in the epoch
// that is folded, which nothing has changed since that epoch was cut.
func (f *folder) claim(idText, asset string) (claim, bool, error) {
	id, err := ledger.ParseID(idText)
	if err != nil {
		return claim{}, false, err
	}
	account, ok, err := did.PaidIn(f.tx, id, f.state.Epoch)
	if !ok || err != nil {
		return claim{}, false, err
	}
	vault, ok := f.network.VaultFor(account.Chain, asset)
	if !ok {
		return claim{}, false, nil
	}
	for i := range f.state.Vaults {
		if f.state.Vaults[i].ID == vault.ID {
			return claim{id: idText, vault: &f.state.Vaults[i], address: account.Address}, true, nil
		}
	}
	// A vault that was added while this epoch is folded takes part in the next.
	return claim{}, false, nil
}

// wants sums what payees want from each vault and compares it with what K
// members have confirmed there.
func (f *folder) wants() error {
	claims, last, err := f.claims()
	if err != nil {
		return err
	}
	for _, c := range claims {
		c.vault.Want = c.vault.Want.Add(c.due)
	}
	if !last {
		return nil
	}
	for i := range f.state.Vaults {
		v := &f.state.Vaults[i]
		if v.Want.IsZero() {
			continue
		}
		if v.Available, err = available(f.tx, f.network, v.ID); err != nil {
			return err
		}
		if v.Want.Cmp(Sum{Lo: uint64(v.Available)}) < 0 {
			v.Available = Amount(v.Want.Lo)
		}
		v.Left = v.Available
	}
	f.enter(stageAssign)
	return nil
}

// scarce says that the vault cannot cover what is wanted.
func (v *foldVault) scarce() bool { return v.Want.Cmp(Sum{Lo: uint64(v.Available)}) > 0 }

// assign gives each payee its share: all of it where the reserve covers
// everything, else in proportion, rounded down.
func (f *folder) assign() error {
	claims, last, err := f.claims()
	if err != nil {
		return err
	}
	var totals []string
	for _, c := range claims {
		totals = append(totals, totalKey(c.vault.ID, c.address))
	}
	if err := f.tx.Prefetch(totals); err != nil {
		return err
	}
	for _, c := range claims {
		if c.vault.Available == 0 {
			continue
		}
		give, remainder := Amount(c.due.Lo), Sum{}
		if c.vault.scarce() {
			give, remainder = share(c.due, c.vault.Available, c.vault.Want)
		}
		if err := f.give(c, give); err != nil {
			return err
		}
		if !remainder.IsZero() {
			f.tx.Put(restKey(c.vault.ID, remainder, c.id), []byte{1})
		}
	}
	if last {
		f.enter(stageRest)
	}
	return nil
}

// give moves an amount from what is due to the vault's cumulative total. What is
// given to a payee who cannot have a leaf stays due and goes to nobody else.
func (f *folder) give(c claim, amount Amount) (err error) {
	if amount == 0 {
		return nil
	}
	if c.vault.Left, err = c.vault.Left.Sub(amount); err != nil {
		return err
	}
	key := totalKey(c.vault.ID, c.address)
	if ok, err := f.leaf(c, key); !ok || err != nil {
		return err
	}
	total, err := readAmount(f.tx, key, totalType)
	if err != nil {
		return err
	}
	if total, err = total.Add(amount); err != nil {
		return err
	}
	f.tx.Put(key, encodeAmount(totalType, total))
	due, err := readSum(f.tx, c.key)
	if err != nil {
		return err
	}
	if due, err = due.Minus(amount); err != nil {
		return err
	}
	if due.IsZero() {
		f.tx.Delete(c.key)
	} else {
		f.tx.Put(c.key, encodeSum(dueType, due))
	}
	subtree := SubtreeOf(c.address)
	f.dirty[c.vault.ID][subtree/8] |= 1 << (subtree % 8)
	return nil
}

// leaf says whether the payee has a leaf or gets one now. A full subtree gives
// none: who makes addresses for one subtree must not make a tree that no fold
// can hash.
func (f *folder) leaf(c claim, key string) (bool, error) {
	if has, err := f.tx.Has(key); has || err != nil {
		return has, err
	}
	t, err := f.treesOf(c.vault.ID)
	if err != nil {
		return false, err
	}
	subtree := SubtreeOf(c.address)
	if t.leaves[subtree] >= maxSubtree {
		return false, nil
	}
	t.leaves[subtree]++
	return true, nil
}

// rest gives one unit each to the largest remainders until nothing is left of
// what the vault may assign, and clears the list of remainders.
func (f *folder) rest() error {
	for i := range f.state.Vaults {
		v := &f.state.Vaults[i]
		vault, err := f.network.Vault(v.ID)
		if err != nil {
			return err
		}
		f.state.After = "" // what was read is deleted
		entries, last, err := f.page(restPrefix(v.ID))
		if err != nil {
			return err
		}
		if v.Left > 0 {
			if err := f.prefetch(entries, restPayee); err != nil {
				return err
			}
		}
		for _, e := range entries {
			f.tx.Delete(e.Key)
			if v.Left == 0 {
				continue
			}
			id := restPayee(e.Key)
			c, ok, err := f.claim(id, vault.Asset)
			if err != nil {
				return fmt.Errorf("remainder %s: %w", e.Key, err)
			}
			if !ok {
				continue // its preference is from so long ago that it was forgotten meanwhile
			}
			c.key, c.id = dueKey(id, vault.Asset), id
			if err := f.give(c, 1); err != nil {
				return err
			}
		}
		if !last {
			return nil
		}
	}
	f.enter(stageRoots)
	return nil
}

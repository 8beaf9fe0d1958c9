package reward

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Books are the sums of one asset over the whole ledger. Funded is what treasuries
// brought; the others are where it is now.
type Books struct {
	Asset    string `json:"asset"`
	Funded   Sum    `json:"funded"`
	Balances Sum    `json:"balances"`
	Held     Sum    `json:"held"`    // what holds have left: open ones, and released ones whose owner has not asked yet
	Pending  Sum    `json:"pending"` // credits of epochs that are not folded
	Due      Sum    `json:"due"`     // folded and not assigned
	Assigned Sum    `json:"assigned"`
	// What became of everything that was ever set aside: SetAside = Paid + Refunded + Held.
	SetAside Sum `json:"setAside"`
	Paid     Sum `json:"paid"`
	Refunded Sum `json:"refunded"`
}

// All is the sum of all places in which money is.
func (b *Books) All() Sum { return b.Balances.Add(b.Held).Add(b.Pending).Add(b.Due).Add(b.Assigned) }

// Report is what an audit finds.
type Report struct {
	Books  []Books // by asset, ascending
	Broken []error // every invariant that does not hold, by its id in docs/invariants.md
}

// Audit reads the whole reward ledger and reports every invariant that does not
// hold; docs/invariants.md states them under the ids in these errors. It reads
// ranges without bound and is for audits and tests, never for an operation.
func Audit(tx *ledger.Tx, n *govern.Network) error { return errors.Join(Examine(tx, n).Broken...) }

// Examine is Audit with the sums that it comes to. What cannot be read is broken too.
func Examine(tx *ledger.Tx, n *govern.Network) *Report {
	a := &audit{tx: tx, network: n, books: map[string]*Books{}, endowed: map[string]Sum{}}
	for _, step := range []func() error{a.fundings, a.balances, a.holds, a.posts, a.dues, a.vaults, a.rests, a.emission} {
		if err := step(); err != nil {
			a.report("RW-3: %w", err)
		}
	}
	out := &Report{}
	for _, asset := range slices.Sorted(maps.Keys(a.books)) {
		b := a.books[asset]
		if !slices.Contains(n.Assets, asset) {
			a.report("RW-2: money in the unknown asset %s", asset)
		} else if b.Funded != b.All() {
			a.report("RW-1: %s: %s were funded, %s are held", asset, b.Funded, b.All())
		}
		if b.SetAside != b.Paid.Add(b.Refunded).Add(b.Held) {
			a.report("RW-13: %s: %s were set aside, %s are paid, %s refunded, %s left", asset, b.SetAside, b.Paid, b.Refunded, b.Held)
		}
		out.Books = append(out.Books, *b)
	}
	out.Broken = a.broken
	return out
}

type audit struct {
	tx      *ledger.Tx
	network *govern.Network
	books   map[string]*Books
	endowed map[string]Sum // what of Funded went to the account of the emission programme
	broken  []error
}

func (a *audit) of(asset string) *Books {
	b := a.books[asset]
	if b == nil {
		b = &Books{Asset: asset}
		a.books[asset] = b
	}
	return b
}

func (a *audit) report(format string, args ...any) {
	a.broken = append(a.broken, fmt.Errorf(format, args...))
}

// each passes every entry under a prefix.
func (a *audit) each(prefix string, use func(e ledger.Entry) error) error {
	for after := ""; ; {
		entries, err := a.tx.Prefix(prefix, after, maxAnswer)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := use(e); err != nil {
				return fmt.Errorf("stored %s: %w", e.Key, err)
			}
			after = e.Key
		}
		if len(entries) < maxAnswer {
			return nil
		}
	}
}

func (a *audit) fundings() error {
	return a.each("fund/", func(e ledger.Entry) error {
		f, err := decodeFunding(e.Value)
		if err != nil {
			return err
		}
		for _, line := range f.lines {
			b := a.of(f.asset)
			b.Funded = b.Funded.Plus(line.Amount)
			if line.Payee == EmissionAccount(a.network.Name) {
				a.endowed[f.asset] = a.endowed[f.asset].Plus(line.Amount)
			}
		}
		return nil
	})
}

func (a *audit) balances() error {
	return a.each("balance/", func(e ledger.Entry) error {
		amount, err := decodeAmount(balanceType, e.Value)
		b := a.of(e.Key[strings.LastIndexByte(e.Key, '/')+1:])
		b.Balances = b.Balances.Plus(amount)
		return err
	})
}

// holds counts what holds have left, and looks whether any gives what it does not have.
func (a *audit) holds() error {
	return a.each("hold/", func(e ledger.Entry) error {
		h, err := DecodeHold(e.Value)
		if err != nil {
			return err
		}
		if err := h.check(); err != nil {
			a.report("RW-13: %s: %v", e.Key, err)
			return nil
		}
		b := a.of(h.Asset)
		b.SetAside, b.Paid, b.Refunded = b.SetAside.Plus(h.Amount), b.Paid.Plus(h.Paid), b.Refunded.Plus(h.Returned)
		b.Held = b.Held.Plus(h.Left())
		return nil
	})
}

func (a *audit) posts() error {
	fold, err := loadFold(a.tx)
	if err != nil {
		return err
	}
	current, err := Current(a.tx)
	if err != nil {
		return err
	}
	if fold.Epoch > current.Number {
		a.report("RW-5: epoch %d is folded, %d is current", fold.Epoch, current.Number)
	}
	return a.each("post/", func(e ledger.Entry) error {
		asset, err := postedAsset(e.Key)
		if err != nil {
			return err
		}
		credits, err := decodePosting(e.Value) // refuses what is below 1: RW-3
		for _, c := range credits {
			if !strings.HasPrefix(e.Key[len(postPrefix(0)):], canon.Hex([]byte{c.Payee[0] % shards})+"/") {
				a.report("RW-3: %s credits %s, who is of another shard", e.Key, c.Payee)
			}
			if !fold.passed(e.Key) {
				b := a.of(asset)
				b.Pending = b.Pending.Plus(c.Amount)
			}
		}
		if e.Key >= ledger.PrefixEnd(postPrefix(current.Number)) {
			a.report("RW-5: %s is in an epoch that has not begun", e.Key)
		}
		return err
	})
}

func (a *audit) dues() error {
	return a.each(duePrefix, func(e ledger.Entry) error {
		due, err := decodeSum(dueType, e.Value)
		if due.IsZero() {
			a.report("RW-3: %s is zero", e.Key)
		}
		_, asset := splitDue(e.Key)
		b := a.of(asset)
		b.Due = b.Due.Add(due)
		return err
	})
}

// vaults checks that totals, subtrees and the last root of each vault agree,
// and that nothing is assigned beyond the reserve.
func (a *audit) vaults() error {
	fold, err := loadFold(a.tx)
	if err != nil {
		return err
	}
	for _, v := range a.network.Vaults {
		var subtrees [Subtrees][]Payee
		var total Sum
		err := a.each(totalPrefix(v.ID), func(e ledger.Entry) error {
			p, err := decodePayee(e)
			s := SubtreeOf(p.Address)
			if !strings.HasPrefix(e.Key, totalPrefix(v.ID)+canon.Hex([]byte{s})+"/") {
				a.report("RW-6: %s lies in the wrong subtree", e.Key)
			}
			subtrees[s] = append(subtrees[s], p)
			total = total.Plus(p.Cumulative)
			return err
		})
		if err != nil {
			return err
		}
		b := a.of(v.Asset)
		b.Assigned = b.Assigned.Add(total)
		funded, err := a.confirmed(v.ID)
		if err != nil {
			return err
		}
		if total.Cmp(Sum{Lo: uint64(funded)}) > 0 {
			a.report("RW-4: %s are assigned in %s, its reserve is %s", total, v.ID, Sum{Lo: uint64(funded)})
		}
		if fold.Stage == stagePosts || fold.Stage == stageWants {
			if err := a.tree(v.ID, &subtrees, total); err != nil {
				return err
			}
		}
	}
	return nil
}

// confirmed bounds what K members can have confirmed for a vault when something was
// assigned: words never fall, but those who gave them may have left since.
func (a *audit) confirmed(vault string) (Amount, error) {
	sets, err := a.network.Sets(a.tx, 0, int(a.network.SetVersion))
	if err != nil {
		return 0, err
	}
	k := sets[0].K
	for _, s := range sets {
		k = min(k, s.K)
	}
	var words []Amount
	err = a.each(reserveKey(vault, ""), func(e ledger.Entry) error {
		word, err := decodeAmount(reserveType, e.Value)
		words = append(words, word)
		return err
	})
	if err != nil || len(words) < k {
		return 0, err
	}
	slices.Sort(words)
	return words[len(words)-k], nil
}

// tree computes a vault's tree from nothing and compares it with what is
// stored.
func (a *audit) tree(vault string, subtrees *[Subtrees][]Payee, total Sum) error {
	domain, err := vaultDomain(a.network, vault)
	if err != nil {
		return err
	}
	stored, err := a.tx.Get(treesKey(vault))
	if stored == nil || err != nil {
		if !total.IsZero() {
			a.report("RW-6: %s has totals and no tree", vault)
		}
		return err
	}
	t, err := decodeTrees(stored)
	if err != nil {
		return err
	}
	var nodes [Subtrees]Node
	for i := range subtrees {
		SortPayees(subtrees[i])
		nodes[i] = Subtree(domain, subtrees[i])
		if nodes[i] != t.nodes[i] || int(t.leaves[i]) != len(subtrees[i]) {
			a.report("RW-6: subtree %d of %s is not that of its leaves", i, vault)
		}
	}
	root, err := readRoot(a.tx, a.network, vault, t.epoch, firstAttempt)
	if err != nil {
		return err
	}
	want := Root(&nodes)
	if root.Root != want.Hash || root.Total != want.Sum || root.Total != total {
		a.report("RW-6: the root of %s for epoch %d is not that of its totals", vault, t.epoch)
	}
	return nil
}

// rests checks that lists of remainders exist only while they are needed.
func (a *audit) rests() error {
	fold, err := loadFold(a.tx)
	if err != nil {
		return err
	}
	return a.each("rest/", func(e ledger.Entry) error {
		if fold.Stage != stageAssign && fold.Stage != stageRest {
			a.report("RW-7: %s outside of folding", e.Key)
		}
		return nil
	})
}

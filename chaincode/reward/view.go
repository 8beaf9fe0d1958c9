package reward

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const maxAnswer = 1000

// RootView is a root as queries answer it.
type RootView struct {
	Vault   string `json:"vault"`
	Epoch   uint64 `json:"epoch"`
	Attempt uint32 `json:"attempt"`
	Root    string `json:"root"`
	Total   Sum    `json:"total"`
	Leaves  uint32 `json:"leaves"`
}

func (p *PayoutRoot) view(vault string) RootView {
	return RootView{vault, p.Epoch, p.Attempt, canon.Hex(p.Root[:]), p.Total, p.Leaves}
}

// RootQuery is the request of reward:Root. Epoch 0 asks for the newest root.
type RootQuery struct {
	Vault string `json:"vault"`
	Epoch uint64 `json:"epoch,omitzero"`
}

// Answer returns the root. Errors: fault.VaultUnknown, fault.NotFound.
func (q *RootQuery) Answer(tx *ledger.Tx, n *govern.Network) (*RootView, error) {
	epoch := q.Epoch
	if epoch == 0 {
		value, err := tx.Get(treesKey(q.Vault))
		if err != nil {
			return nil, err
		}
		t, err := decodeTrees(value)
		if err != nil {
			return nil, err
		}
		epoch = t.epoch
	}
	root, err := readRoot(tx, n, q.Vault, epoch, firstAttempt)
	if err != nil {
		return nil, err
	}
	view := root.view(q.Vault)
	return &view, nil
}

// LeavesQuery is the request of reward:Leaves: the leaves of one subtree, or
// of all where Subtree is left out, in the order of subtree and address, after
// an address.
type LeavesQuery struct {
	Vault   string `json:"vault"`
	Subtree *uint8 `json:"subtree,omitempty"`
	After   string `json:"after,omitempty"`
	Limit   int    `json:"limit,omitzero"`
}

// LeafView is a leaf as queries answer it; Payee is 40 hex digits.
type LeafView struct {
	Payee      string `json:"payee"`
	Cumulative Amount `json:"cumulative"`
}

// Answer returns at most Limit leaves (default and largest 1,000). They are the
// present ones: compare their root with the one that you want to prove.
// Errors: fault.VaultUnknown, fault.InvalidValue.
func (q *LeavesQuery) Answer(tx *ledger.Tx, n *govern.Network) ([]LeafView, error) {
	if _, err := n.Vault(q.Vault); err != nil {
		return nil, err
	}
	limit := q.Limit
	if limit < 0 || limit > maxAnswer {
		return nil, fault.New(fault.InvalidValue, "limit must be at most %d", maxAnswer)
	}
	if limit == 0 {
		limit = maxAnswer
	}
	prefix, after := totalPrefix(q.Vault), ""
	if q.Subtree != nil {
		prefix += canon.Hex([]byte{*q.Subtree}) + "/"
	}
	if q.After != "" {
		address, err := canon.UnHex(q.After, 20)
		if err != nil {
			return nil, fault.New(fault.InvalidValue, "after: %s", fault.Text(err))
		}
		if q.Subtree != nil && *q.Subtree != SubtreeOf([20]byte(address)) {
			return nil, fault.New(fault.InvalidValue, "after is not in the subtree %d", *q.Subtree)
		}
		after = totalKey(q.Vault, [20]byte(address))
	}
	entries, err := tx.Prefix(prefix, after, limit)
	if err != nil {
		return nil, err
	}
	leaves := make([]LeafView, len(entries))
	for i, e := range entries {
		p, err := decodePayee(e)
		if err != nil {
			return nil, err
		}
		leaves[i] = LeafView{canon.Hex(p.Address[:]), p.Cumulative}
	}
	return leaves, nil
}

// SignaturesQuery is the request of reward:Signatures.
type SignaturesQuery struct {
	Vault   string `json:"vault"`
	Epoch   uint64 `json:"epoch"`
	Attempt uint32 `json:"attempt"`
}

// SignatureView is one member's signature over a root.
type SignatureView struct {
	MSP       string `json:"msp"`
	Signature string `json:"signature"`
}

// Answer returns the signatures of the set in force, in the order of its members.
// Errors: fault.VaultUnknown.
func (q *SignaturesQuery) Answer(tx *ledger.Tx, n *govern.Network) ([]SignatureView, error) {
	if _, err := n.Vault(q.Vault); err != nil {
		return nil, err
	}
	found := []SignatureView{}
	for _, m := range n.Members {
		value, err := tx.Get(SignatureKey(q.Vault, q.Epoch, q.Attempt, n.SetVersion, m.MSP))
		if err != nil {
			return nil, err
		}
		if value != nil {
			found = append(found, SignatureView{m.MSP, string(value)})
		}
	}
	return found, nil
}

// BalanceQuery is the request of reward:Balance.
type BalanceQuery struct {
	DID   string `json:"did"`
	Asset string `json:"asset"`
}

// BalanceView is an account: what it can spend, what was credited in epochs
// that are not folded, what is due and not assigned, and all that was ever
// assigned to its address in the vault from which it is paid what the current epoch
// brings. Vault, address and what is assigned tell which account is the DID's: they are
// for members, and gateways keep them to themselves.
type BalanceView struct {
	DID      string `json:"did"`
	Asset    string `json:"asset"`
	Balance  Amount `json:"balance"`
	Pending  Sum    `json:"pending"`
	Due      Sum    `json:"due"`
	Vault    string `json:"vault,omitempty"`
	Address  string `json:"address,omitempty"`
	Assigned Amount `json:"assigned"`
}

// Answer returns the account. Errors: fault.InvalidValue, fault.WrongNetwork,
// fault.AssetUnknown, fault.DIDUnknown.
func (q *BalanceQuery) Answer(tx *ledger.Tx, n *govern.Network) (*BalanceView, error) {
	id, err := did.ParseOn(n.Name, q.DID)
	if err != nil {
		return nil, err
	}
	if err := n.CheckAsset(q.Asset); err != nil {
		return nil, err
	}
	if _, _, err := did.Read(tx, id); err != nil {
		return nil, err
	}
	v := &BalanceView{DID: q.DID, Asset: q.Asset}
	if v.Balance, err = readAmount(tx, BalanceKey(id, q.Asset), balanceType); err != nil {
		return nil, err
	}
	if v.Due, err = readSum(tx, dueKey(id.String(), q.Asset)); err != nil {
		return nil, err
	}
	if v.Pending, err = pending(tx, id, q.Asset); err != nil {
		return nil, err
	}
	current, err := Current(tx)
	if err != nil {
		return nil, err
	}
	accounts, err := did.ReadAccounts(tx, id)
	if err != nil {
		return nil, err
	}
	account, ok := accounts.Paid(current.Number)
	if !ok {
		return v, nil
	}
	if vault, ok := n.VaultFor(account.Chain, q.Asset); ok {
		v.Vault, v.Address = vault.ID, account.String()
		v.Assigned, err = readAmount(tx, totalKey(vault.ID, account.Address), totalType)
	}
	return v, err
}

// maxPending bounds the postings that one answer looks through; beyond it the
// account can be asked for again once folding has caught up.
const maxPending = 100_000

// pending sums a payee's credits that are not folded. An answer covers at most
// 64 epochs; folding does not fall behind so far unless nobody folds.
// Errors: fault.TooLarge.
func pending(tx *ledger.Tx, id ledger.ID, asset string) (Sum, error) {
	fold, err := loadFold(tx)
	if err != nil {
		return Sum{}, err
	}
	current, err := Current(tx)
	if err != nil {
		return Sum{}, err
	}
	var sum Sum
	seen := 0
	for epoch := fold.Epoch; epoch <= min(current.Number, fold.Epoch+63); epoch++ {
		prefix := shardPrefix(epoch, id, asset)
		for after := ""; ; {
			postings, err := tx.Prefix(prefix, after, maxAnswer)
			if err != nil {
				return sum, err
			}
			for _, e := range postings {
				after = e.Key
				if at, found := findLine(e.Value, id); found && !fold.passed(e.Key) {
					sum = sum.Plus(amountOf(e.Value[at : at+lineSize]))
				}
			}
			if seen += len(postings); seen > maxPending {
				return sum, fault.New(fault.TooLarge, "more than %d postings of the payee's shard wait to be folded", maxPending)
			}
			if len(postings) < maxAnswer {
				break
			}
		}
	}
	return sum, nil
}

// passed says that folding has added this credit to what is due.
func (s foldState) passed(postKey string) bool {
	switch prefix := postPrefix(s.Epoch); {
	case postKey < prefix:
		return true
	case postKey >= ledger.PrefixEnd(prefix):
		return false
	}
	return s.Stage != stagePosts || postKey <= s.After
}

// EpochView is the answer of reward:Epoch. Due says that Cut will do
// something, Waiting that Fold will, Emission that Emit will.
type EpochView struct {
	Number   uint64   `json:"number"`
	Start    uint64   `json:"start"`
	Seconds  uint64   `json:"seconds"`
	Due      bool     `json:"due"`
	Fold     FoldView `json:"fold"`
	Emission bool     `json:"emission"`
}

// FoldView says which epoch is folded next and in which stage that is.
type FoldView struct {
	Epoch   uint64 `json:"epoch"`
	Stage   string `json:"stage"`
	Waiting bool   `json:"waiting"`
}

// AnswerEpoch answers reward:Epoch. Errors: fault.NotInitialised.
func AnswerEpoch(tx *ledger.Tx, n *govern.Network, clock Clock) (*EpochView, error) {
	e, err := Current(tx)
	if err != nil {
		return nil, err
	}
	fold, err := loadFold(tx)
	if err != nil {
		return nil, err
	}
	waits, err := emissionWaits(tx, n, clock)
	return &EpochView{
		e.Number, e.Start, n.EpochSeconds, e.Due(n, clock),
		FoldView{fold.Epoch, fold.Stage, fold.Epoch < e.Number}, waits,
	}, err
}

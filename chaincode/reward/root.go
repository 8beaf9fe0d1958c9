package reward

import (
	"encoding/base64"
	"fmt"
	"sort"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// firstAttempt numbers the only attempt that an epoch has in this version.
const firstAttempt = 1

// maxSubtree bounds the leaves of one subtree, so that a fold can hash them in
// one call: 256 times as many payees fit a vault.
const maxSubtree = 50000

// PayoutRoot is a stored root of a vault and epoch.
type PayoutRoot struct {
	Epoch   uint64
	Attempt uint32
	Root    [32]byte
	Total   Sum
	Leaves  uint32
}

// Encode returns the layout of docs/formats/payout.md.
func (p *PayoutRoot) Encode() []byte {
	return canon.NewRecord(epochType).U64(p.Epoch).U32(p.Attempt).Fixed(p.Root[:]).Fixed(p.Total.Bytes()).U32(p.Leaves).Bytes()
}

// DecodeRoot reads a stored root. Errors: fault.Malformed, fault.TrailingData.
func DecodeRoot(value []byte) (*PayoutRoot, error) {
	r := canon.OpenRecord(value, epochType)
	p := &PayoutRoot{Epoch: r.U64(), Attempt: r.U32(), Root: r.Hash()}
	total := r.Fixed(16)
	p.Leaves = r.U32()
	if err := r.Done(); err != nil {
		return nil, err
	}
	p.Total = SumOf(total)
	return p, nil
}

// RootKey returns the state key of a root.
func RootKey(vault string, epoch uint64, attempt uint32) string {
	return "epoch/" + rootPath(vault, epoch, attempt)
}

// SignatureKey returns the state key of a member's signature over a root, given as a
// member of the set with the version: the set is in what is signed, so each signs anew
// what the one before has not brought to the chain.
func SignatureKey(vault string, epoch uint64, attempt uint32, set uint64, msp string) string {
	return "payoutsig/" + rootPath(vault, epoch, attempt) + "/" + ledger.Hex64(set) + "/" + msp
}

func rootPath(vault string, epoch uint64, attempt uint32) string {
	return string(ledger.AppendHex32([]byte(vault+"/"+ledger.Hex64(epoch)+"/"), attempt))
}

func treesKey(vault string) string { return "subtrees/" + vault }

func totalPrefix(vault string) string { return "total/" + vault + "/" }

func totalKey(vault string, address [20]byte) string {
	return totalPrefix(vault) + canon.Hex([]byte{SubtreeOf(address)}) + "/" + canon.Hex(address[:])
}

// roots hashes the changed subtrees and writes the root of each vault of which
// something changed. It ends the epoch's folding.
func (f *folder) roots() error {
	for i := range f.state.Vaults {
		v := &f.state.Vaults[i]
		dirty := f.dirty[v.ID]
		if *dirty == ([Subtrees / 8]byte{}) {
			continue
		}
		done, err := f.hashVault(v.ID, dirty)
		if err != nil {
			return err
		}
		if !done {
			return nil
		}
	}
	f.state = foldState{Epoch: f.state.Epoch + 1, Stage: stagePosts, Vaults: []foldVault{}}
	f.folded.Done = true
	return nil
}

// hashVault hashes changed subtrees while the budget lasts, and the root after
// the last of them.
func (f *folder) hashVault(vault string, dirty *[Subtrees / 8]byte) (done bool, err error) {
	t, err := f.treesOf(vault)
	if err != nil {
		return false, err
	}
	domain, err := vaultDomain(f.network, vault)
	if err != nil {
		return false, err
	}
	for s := range Subtrees {
		if dirty[s/8]&(1<<(s%8)) == 0 {
			continue
		}
		if f.budget <= 0 {
			return false, nil
		}
		payees, err := subtreePayees(f.tx, vault, byte(s))
		if err != nil {
			return false, err
		}
		f.budget -= len(payees)
		t.nodes[s], t.leaves[s] = Subtree(domain, payees), uint32(len(payees))
		dirty[s/8] &^= 1 << (s % 8)
	}
	root := Root(&t.nodes)
	_, leaves := t.total()
	payout := &PayoutRoot{f.state.Epoch, firstAttempt, root.Hash, root.Sum, leaves}
	f.tx.Put(RootKey(vault, f.state.Epoch, firstAttempt), payout.Encode())
	t.epoch = f.state.Epoch
	f.tx.Put(treesKey(vault), t.encode())
	f.folded.Roots = append(f.folded.Roots, payout.view(vault))
	return true, nil
}

// treesOf reads a vault's tree once for a call; Fold or hashVault stores it.
func (f *folder) treesOf(vault string) (*trees, error) {
	if t := f.trees[vault]; t != nil {
		return t, nil
	}
	stored, err := f.tx.Get(treesKey(vault))
	if err != nil {
		return nil, err
	}
	t, err := decodeTrees(stored)
	f.trees[vault] = t
	return t, err
}

func vaultDomain(n *govern.Network, vault string) ([32]byte, error) {
	v, err := n.Vault(vault)
	if err != nil {
		return [32]byte{}, err
	}
	logID, err := n.LogID()
	if err != nil {
		return [32]byte{}, err
	}
	return Domain(v.ID, v.Token, logID)
}

// subtreePayees returns the sorted leaves of a subtree.
func subtreePayees(tx *ledger.Tx, vault string, subtree byte) ([]Payee, error) {
	prefix := totalPrefix(vault) + canon.Hex([]byte{subtree}) + "/"
	entries, err := tx.Prefix(prefix, "", maxSubtree+1)
	if err != nil {
		return nil, err
	}
	if len(entries) > maxSubtree {
		return nil, fault.New(fault.Internal, "subtree %d of %s has more than %d leaves", subtree, vault, maxSubtree)
	}
	payees := make([]Payee, len(entries))
	for i, e := range entries {
		if payees[i], err = decodePayee(e); err != nil {
			return nil, err
		}
	}
	SortPayees(payees)
	return payees, nil
}

func decodePayee(e ledger.Entry) (Payee, error) {
	amount, err := decodeAmount(totalType, e.Value)
	if err != nil {
		return Payee{}, fmt.Errorf("stored %s: %w", e.Key, err)
	}
	address, err := canon.UnHex(e.Key[strings.LastIndexByte(e.Key, '/')+1:], 20)
	if err != nil {
		return Payee{}, fmt.Errorf("stored %s: %w", e.Key, err)
	}
	return Payee{[20]byte(address), amount}, nil
}

// Reserve is the request of reward:Reserve: Funded is all that ever reached the
// vault, its token balance and what it has paid out.
type Reserve struct {
	Vault  string `json:"vault"`
	Funded Amount `json:"funded"`
}

func reserveKey(vault, msp string) string { return "reserve/" + vault + "/" + msp }

// Apply stores the calling organisation's word about a vault. What reached a
// vault does not leave it but to payees, so the word never falls.
// Errors: fault.NotMember, fault.VaultUnknown, fault.NotGrowing, fault.NotDue
// while a cut epoch waits to be folded.
func (r *Reserve) Apply(tx *ledger.Tx, n *govern.Network) error {
	member, err := n.CallingMember(tx)
	if err != nil {
		return err
	}
	if _, err := n.Vault(r.Vault); err != nil {
		return err
	}
	key := reserveKey(r.Vault, member.MSP)
	before, err := readAmount(tx, key, reserveType)
	if err != nil {
		return err
	}
	if r.Funded <= before {
		return fault.New(fault.NotGrowing, "%s has confirmed %d already", member.MSP, before)
	}
	// Folding reads the members' words: one that kept changing would void every
	// page that does. A first word is let in, as it comes only once.
	if before > 0 {
		if err := refuseWhileFolding(tx); err != nil {
			return err
		}
	}
	tx.Put(key, encodeAmount(reserveType, r.Funded))
	return nil
}

func refuseWhileFolding(tx *ledger.Tx) error {
	state, err := loadFold(tx)
	if err != nil {
		return err
	}
	current, err := Current(tx)
	if err != nil {
		return err
	}
	if state.Epoch < current.Number {
		return fault.New(fault.NotDue, "epoch %d is being folded", state.Epoch)
	}
	return nil
}

// reserve returns the largest amount that at least K members confirmed.
func reserve(tx *ledger.Tx, n *govern.Network, vault string) (Amount, error) {
	var confirmed []Amount
	for _, m := range n.Members {
		a, err := readAmount(tx, reserveKey(vault, m.MSP), reserveType)
		if err != nil {
			return 0, err
		}
		confirmed = append(confirmed, a)
	}
	sort.Slice(confirmed, func(i, j int) bool { return confirmed[i] < confirmed[j] })
	return confirmed[len(confirmed)-n.K], nil
}

// available returns what may still be assigned to a vault.
func available(tx *ledger.Tx, n *govern.Network, vault string) (Amount, error) {
	funded, err := reserve(tx, n, vault)
	if err != nil {
		return 0, err
	}
	stored, err := tx.Get(treesKey(vault))
	if err != nil {
		return 0, err
	}
	t, err := decodeTrees(stored)
	if err != nil {
		return 0, err
	}
	assigned, _ := t.total()
	if assigned.Cmp(Sum{Lo: uint64(funded)}) >= 0 {
		return 0, nil
	}
	return funded - Amount(assigned.Lo), nil
}

// Sign is the request of reward:Sign: the calling organisation's signature
// over the payout digest, base64 of r, s, v.
type Sign struct {
	Vault     string `json:"vault"`
	Epoch     uint64 `json:"epoch"`
	Attempt   uint32 `json:"attempt"`
	Signature string `json:"signature"`
}

// Apply stores the signature after checking it. Errors: fault.NotMember,
// fault.VaultUnknown, fault.NotFound, fault.InvalidValue, fault.BadSignature.
func (s *Sign) Apply(tx *ledger.Tx, n *govern.Network) error {
	member, err := n.CallingMember(tx)
	if err != nil {
		return err
	}
	digest, err := PayoutDigest(tx, n, s.Vault, s.Epoch, s.Attempt)
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(s.Signature)
	if err != nil || base64.StdEncoding.EncodeToString(signature) != s.Signature {
		return fault.New(fault.InvalidValue, "signature must be base64")
	}
	address, err := member.AddressBytes()
	if err != nil {
		return err
	}
	signer, err := canon.Recover(digest, signature)
	if err != nil || signer != address {
		return fault.New(fault.BadSignature, "not a signature of %s over this payout", member.MSP)
	}
	tx.Put(SignatureKey(s.Vault, s.Epoch, s.Attempt, n.SetVersion, member.MSP), []byte(s.Signature))
	return nil
}

// PayoutDigest returns what members sign for a stored root.
// Errors: fault.VaultUnknown, fault.NotFound.
func PayoutDigest(tx *ledger.Tx, n *govern.Network, vault string, epoch uint64, attempt uint32) ([32]byte, error) {
	root, err := readRoot(tx, n, vault, epoch, attempt)
	if err != nil {
		return [32]byte{}, err
	}
	account, err := canon.ParseAccount(vault)
	if err != nil {
		return [32]byte{}, err
	}
	number, err := canon.ChainNumber(account.Chain)
	if err != nil {
		return [32]byte{}, err
	}
	logID, err := n.LogID()
	if err != nil {
		return [32]byte{}, err
	}
	set, err := n.SetHash()
	if err != nil {
		return [32]byte{}, err
	}
	return canon.PayoutDigest(number, account.Address, logID, n.SetVersion, set, epoch, root.Root, root.Total.Lo), nil
}

func readRoot(tx *ledger.Tx, n *govern.Network, vault string, epoch uint64, attempt uint32) (*PayoutRoot, error) {
	if _, err := n.Vault(vault); err != nil {
		return nil, err
	}
	value, err := tx.Get(RootKey(vault, epoch, attempt))
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, fault.New(fault.NotFound, "no root of %s for epoch %d, attempt %d", vault, epoch, attempt)
	}
	return DecodeRoot(value)
}

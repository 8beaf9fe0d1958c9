package reward

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// pageEntries bounds the entries that one call of Fold reads.
const pageEntries = 1000

const (
	foldKey   = "fold/state"
	duePrefix = "due/"
)

// The stages of folding an epoch, in their order.
const (
	stagePosts  = "posts"  // credits of the epoch into what is due
	stageWants  = "wants"  // what is wanted from each vault
	stageAssign = "assign" // each payee's share into the vault's totals
	stageRest   = "rest"   // the units that rounding left, by largest remainder
	stageRoots  = "roots"  // changed subtrees and the roots
)

// foldState is where folding stands. After is the last key that was read in
// this stage; shards precede payees in keys, so one cursor passes them all.
type foldState struct {
	Epoch  uint64      `json:"epoch"`
	Stage  string      `json:"stage"`
	After  string      `json:"after"`
	Vaults []foldVault `json:"vaults"`
}

// foldVault is one vault in the epoch being folded: what payees want, what may
// be assigned at most, what is left of that, and a bit for each changed
// subtree.
type foldVault struct {
	ID        string `json:"id"`
	Want      Sum    `json:"want"`
	Available Amount `json:"available"`
	Left      Amount `json:"left"`
	Dirty     string `json:"dirty"`
}

// Folded is the answer of Fold.
type Folded struct {
	Epoch uint64     `json:"epoch"`
	Done  bool       `json:"done"`
	Roots []RootView `json:"roots"`
}

type folder struct {
	tx      *ledger.Tx
	network *govern.Network
	state   foldState
	dirty   map[string]*[Subtrees / 8]byte
	budget  int
	folded  Folded
}

// Fold works on the oldest epoch that is cut and not folded, for one bounded
// page. Anyone may ask for it; state alone decides what it does.
// Errors: fault.NotDue when no cut epoch waits.
func Fold(tx *ledger.Tx, n *govern.Network) (*Folded, error) {
	state, err := loadFold(tx)
	if err != nil {
		return nil, err
	}
	current, err := Current(tx)
	if err != nil {
		return nil, err
	}
	if state.Epoch >= current.Number {
		return nil, fault.New(fault.NotDue, "no cut epoch waits to be folded")
	}
	f := &folder{
		tx: tx, network: n, state: state, budget: pageEntries,
		dirty: map[string]*[Subtrees / 8]byte{}, folded: Folded{Epoch: state.Epoch, Roots: []RootView{}},
	}
	for _, v := range state.Vaults {
		bits, err := canon.UnHex(v.Dirty, Subtrees/8)
		if err != nil {
			return nil, fmt.Errorf("stored fold: %w", err)
		}
		f.dirty[v.ID] = (*[Subtrees / 8]byte)(bits)
	}
	for f.budget > 0 && !f.folded.Done {
		if err := f.step(); err != nil {
			return nil, fmt.Errorf("fold epoch %d, %s: %w", state.Epoch, f.state.Stage, err)
		}
	}
	for i := range f.state.Vaults {
		v := &f.state.Vaults[i]
		v.Dirty = canon.Hex(f.dirty[v.ID][:])
	}
	return &f.folded, putJSON(tx, foldKey, f.state)
}

func loadFold(tx *ledger.Tx) (foldState, error) {
	state := foldState{Epoch: 1, Stage: stagePosts, Vaults: []foldVault{}}
	value, err := tx.Get(foldKey)
	if value == nil || err != nil {
		return state, err
	}
	if err := json.Unmarshal(value, &state, json.RejectUnknownMembers(true)); err != nil {
		return state, fmt.Errorf("stored fold: %w", err)
	}
	return state, nil
}

func (f *folder) step() error {
	switch f.state.Stage {
	case stagePosts:
		return f.posts()
	case stageWants:
		return f.wants()
	case stageAssign:
		return f.assign()
	case stageRest:
		return f.rest()
	case stageRoots:
		return f.roots()
	}
	return fault.New(fault.Internal, "stage %q", f.state.Stage)
}

// page reads the next entries under the prefix, within the budget, and moves
// the cursor. last says that the prefix is exhausted.
func (f *folder) page(prefix string) (entries []ledger.Entry, last bool, err error) {
	asked := f.budget
	entries, err = f.tx.Prefix(prefix, f.state.After, asked)
	if err != nil {
		return nil, false, err
	}
	f.budget -= len(entries)
	if len(entries) > 0 {
		f.state.After = entries[len(entries)-1].Key
	}
	return entries, len(entries) < asked, nil
}

func (f *folder) enter(stage string) { f.state.Stage, f.state.After = stage, "" }

// posts adds the epoch's credits to what is due to each payee.
func (f *folder) posts() error {
	entries, last, err := f.page(postPrefix(f.state.Epoch))
	if err != nil {
		return err
	}
	sums := map[string]Sum{}
	var keys []string
	for _, e := range entries {
		parts := strings.Split(e.Key, "/") // post, epoch, shard, payee, op, line
		asset, amount, err := decodePost(e.Value)
		if err != nil || len(parts) != 6 {
			return fmt.Errorf("stored %s: %w", e.Key, err)
		}
		key := dueKey(parts[3], asset)
		if _, seen := sums[key]; !seen {
			keys = append(keys, key)
		}
		sums[key] = sums[key].Plus(amount)
	}
	if err := f.tx.Prefetch(keys); err != nil {
		return err
	}
	for _, key := range keys {
		due, err := readSum(f.tx, key)
		if err != nil {
			return err
		}
		f.tx.Put(key, encodeSum(dueType, due.Add(sums[key])))
	}
	if last {
		f.enter(stageWants)
		f.state.Vaults = []foldVault{}
		for _, v := range f.network.Vaults {
			f.state.Vaults = append(f.state.Vaults, foldVault{ID: v.ID})
			f.dirty[v.ID] = new([Subtrees / 8]byte)
		}
	}
	return nil
}

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
	var docs []string
	for _, e := range entries {
		id, _ := splitDue(e.Key)
		docs = append(docs, "did/"+id)
	}
	if err := f.tx.Prefetch(docs); err != nil {
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

func (f *folder) claim(idText, asset string) (claim, bool, error) {
	id, err := ledger.ParseID(idText)
	if err != nil {
		return claim{}, false, err
	}
	payee, _, err := did.Read(f.tx, id)
	if err != nil {
		return claim{}, false, err
	}
	account, ok := payee.PayoutAccount()
	if !ok {
		return claim{}, false, nil
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

// give moves an amount from what is due to the vault's cumulative total.
func (f *folder) give(c claim, amount Amount) error {
	if amount == 0 {
		return nil
	}
	key := totalKey(c.vault.ID, c.address)
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
	if c.vault.Left, err = c.vault.Left.Sub(amount); err != nil {
		return err
	}
	subtree := SubtreeOf(c.address)
	f.dirty[c.vault.ID][subtree/8] |= 1 << (subtree % 8)
	return nil
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
		for _, e := range entries {
			f.tx.Delete(e.Key)
			if v.Left == 0 {
				continue
			}
			id := e.Key[strings.LastIndexByte(e.Key, '/')+1:]
			c, ok, err := f.claim(id, vault.Asset)
			if err != nil || !ok {
				return fmt.Errorf("remainder %s: %w", e.Key, err)
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

func dueKey(id, asset string) string { return duePrefix + id + "/" + asset }

func splitDue(key string) (id, asset string) {
	id, asset, _ = strings.Cut(key[len(duePrefix):], "/")
	return id, asset
}

func restPrefix(vault string) string { return "rest/" + vault + "/" }

// restKey sorts by falling remainder, then by id.
func restKey(vault string, remainder Sum, id string) string {
	inverse := Sum{^remainder.Hi, ^remainder.Lo}
	return restPrefix(vault) + canon.Hex(inverse.Bytes()) + "/" + id
}

// readSum reads what is due; an absent key is zero.
func readSum(tx *ledger.Tx, key string) (Sum, error) {
	value, err := tx.Get(key)
	if value == nil || err != nil {
		return Sum{}, err
	}
	return decodeSum(dueType, value)
}

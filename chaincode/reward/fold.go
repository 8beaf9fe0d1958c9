package reward

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const (
	// pageEntries bounds the entries that one call of Fold takes in, each line of a
	// posting being one.
	pageEntries = 1000
	// pagePostings is how many postings are read at a time; those that do not fit
	// were read for nothing.
	pagePostings = 100
)

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
	trees   map[string]*trees // those that were looked at, by vault
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
		dirty: map[string]*[Subtrees / 8]byte{}, trees: map[string]*trees{}, folded: Folded{Epoch: state.Epoch, Roots: []RootView{}},
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
		if t := f.trees[v.ID]; t != nil {
			tx.Put(treesKey(v.ID), t.encode())
		}
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

// posts adds the epoch's credits to what is due to each payee. It takes whole
// postings, and ends the page at the first that does not fit.
func (f *folder) posts() error {
	postings, err := f.tx.Prefix(postPrefix(f.state.Epoch), f.state.After, min(f.budget, pagePostings))
	if err != nil {
		return err
	}
	last := len(postings) < min(f.budget, pagePostings)
	sums := map[string]Sum{}
	var keys []string
	for _, e := range postings {
		asset, err := postedAsset(e.Key)
		if err != nil {
			return err
		}
		credits, err := decodePosting(e.Value)
		if err != nil {
			return fmt.Errorf("stored %s: %w", e.Key, err)
		}
		if len(credits) > f.budget {
			f.budget, last = 0, false
			break
		}
		f.budget -= len(credits)
		f.state.After = e.Key
		for _, c := range credits {
			key := dueKey(c.Payee.String(), asset)
			if _, seen := sums[key]; !seen {
				keys = append(keys, key)
			}
			sums[key] = sums[key].Plus(c.Amount)
		}
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

// postedAsset returns the asset in the key of a posting.
func postedAsset(key string) (string, error) {
	parts := strings.Split(key, "/") // post, epoch, shard, asset, op
	if len(parts) != 5 {
		return "", fmt.Errorf("stored %s: not the key of a posting", key)
	}
	return parts[3], nil
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

// Package status keeps what committed blocks say of every issuer's status lists, and
// renders the lists as credentials. It decides nothing and signs with what its caller
// gives it.
//
// The gateway's submitter reads its blocks through Watch, and a block is in the index
// before the submitter hears of it: whoever knows that a credential was revoked finds
// it in the list. The index is kept in a file that can be lost: it is made of blocks,
// and reads those that it has not seen.
package status

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/vc"
)

// List names a status list of an issuer; it stands for one list of each purpose.
type List struct {
	Issuer ledger.ID
	Number uint32
}

// Index holds the bits of all lists. Make it with Open.
type Index struct {
	store *store

	mu    sync.RWMutex
	began bool   // it has every block that the submitter has been given
	next  uint64 // number of the block to come
	seen  uint64 // the submitter has been given the blocks before this
	saved uint64 // next on disk
	lists map[List]*bits
}

// bits are those of one list of each purpose.
type bits struct {
	entries int            // given so far
	of      [2]purposeBits // by purposes
}

type purposeBits struct {
	changed uint64 // block
	set     marks
}

func (b *bits) purpose(purpose vc.StatusPurpose) *purposeBits {
	return &b.of[slices.Index(purposes[:], purpose)]
}

// purposes of the lists.
var purposes = [2]vc.StatusPurpose{vc.Suspension, vc.Revocation}

// saveEvery is after how many blocks without credentials the place is saved.
const saveEvery = 1000

// Open opens or makes the index of a network.
func Open(path, network string) (*Index, error) {
	s, err := openStore(path, network)
	if err != nil {
		return nil, fmt.Errorf("open status index %s: %w", path, err)
	}
	i := &Index{store: s}
	if i.next, i.lists, err = s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("read status index %s: %w", path, err), s.close())
	}
	i.saved = i.next
	return i, nil
}

// Close saves the place and closes the file.
func (i *Index) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	var err error
	if i.next > i.saved {
		err = i.store.save(i.next, nil, nil)
	}
	return errors.Join(err, i.store.close())
}

// place is an entry of a list.
type place struct {
	List
	index uint32
}

// take takes a block in, if it is the next one. Blocks that are in the index already are
// passed over, and so are those that come while earlier ones are still missing. The
// caller holds mu.
func (i *Index) take(block submit.Block) error {
	if block.Number != i.next {
		return nil
	}
	changes, issued, err := changesOf(block)
	if err != nil {
		return err
	}
	for p := range changes {
		if i.lists[p.List] == nil && issued[p.List] == 0 || p.index >= credential.ListEntries {
			return fmt.Errorf("status index: block %d changes entry %d of list %d, which was not given", block.Number, p.index, p.Number)
		}
	}
	// The file first: if we stop here, the block is read again and finds itself there.
	if len(changes)+len(issued) > 0 || block.Number+1-i.saved >= saveEvery {
		if err := i.store.save(block.Number+1, changes, issued); err != nil {
			return fmt.Errorf("status index: %w", err)
		}
		i.saved = block.Number + 1
	}
	i.next = block.Number + 1
	for l, n := range issued {
		if i.lists[l] == nil {
			i.lists[l] = newBits(block.Number)
		}
		i.lists[l].entries += n
	}
	for p, status := range changes {
		if err := i.apply(p, status, block.Number); err != nil {
			return err
		}
	}
	return nil
}

// changesOf returns the status that each credential has after a block that writes it,
// and how many entries of each list it gave.
func changesOf(block submit.Block) (map[place]string, map[List]int, error) {
	changes, issued := map[place]string{}, map[List]int{}
	for _, tx := range block.Transactions {
		if !tx.Valid {
			continue
		}
		for _, w := range tx.Writes {
			prefix, rest, _ := strings.Cut(w.Key, "/")
			if w.Delete || prefix != "credential" && prefix != "entry" {
				continue
			}
			var l List
			var err error
			if prefix == "entry" { // one for each credential that is issued
				if l, err = listOf(rest); err == nil {
					issued[l]++
				}
			} else {
				err = statusOf(w.Value, changes)
			}
			if err != nil {
				return nil, nil, fmt.Errorf("block %d, %s: %w", block.Number, w.Key, err)
			}
		}
	}
	return changes, issued, nil
}

// listOf reads the list from what follows entry/ in a key.
func listOf(rest string) (List, error) {
	parts := strings.Split(rest, "/")
	if len(parts) != 3 {
		return List{}, errors.New("a key of an entry has an issuer, a list and an index")
	}
	issuer, err := ledger.ParseID(parts[0])
	if err != nil {
		return List{}, err
	}
	number, err := strconv.ParseUint(parts[1], 16, 32)
	return List{issuer, uint32(number)}, err
}

// statusOf notes the status that a credential has.
func statusOf(value []byte, changes map[place]string) error {
	var c credential.Credential
	if err := json.Unmarshal(value, &c); err != nil {
		return err
	}
	_, issuer, err := did.Parse(c.Issuer)
	if err != nil {
		return err
	}
	changes[place{List{issuer, c.List}, c.Index}] = c.Status
	return nil
}

// apply sets the bits of an entry of a list that is there. The caller holds mu.
func (i *Index) apply(p place, status string, block uint64) error {
	b := i.lists[p.List]
	for _, purpose := range purposes {
		if err := b.purpose(purpose).put(p.index, means(purpose, status), block); err != nil {
			return err
		}
	}
	return nil
}

// means says whether a status sets the bit of a purpose.
func means(purpose vc.StatusPurpose, status string) bool {
	return purpose == vc.Suspension && status == credential.Suspended || purpose == vc.Revocation && status == credential.Revoked
}

func newBits(block uint64) *bits {
	return &bits{of: [2]purposeBits{{changed: block}, {changed: block}}}
}

func (p *purposeBits) put(index uint32, set bool, block uint64) error {
	had, err := p.set.has(index)
	if err != nil || had == set {
		return err
	}
	p.changed = block
	return p.set.put(index, set)
}

// Bits returns a copy of the bits of a list, and the last block that changed them.
// Errors: fault.NotFound for a list that has no entry yet, fault.Unavailable while blocks
// are read that were missed.
func (i *Index) Bits(l List, purpose vc.StatusPurpose) (*vc.Bits, uint64, error) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	b, err := i.find(l)
	if err != nil {
		return nil, 0, err
	}
	p := b.purpose(purpose)
	set, err := p.set.bits()
	return set, p.changed, err
}

// Changed returns the last block that changed a list. Errors: as for Bits.
func (i *Index) Changed(l List, purpose vc.StatusPurpose) (uint64, error) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	b, err := i.find(l)
	if err != nil {
		return 0, err
	}
	return b.purpose(purpose).changed, nil
}

// find returns a list. The caller holds mu.
func (i *Index) find(l List) (*bits, error) {
	if !i.began {
		return nil, fault.New(fault.Unavailable, "the gateway does not know the ledger yet")
	}
	b := i.lists[l]
	if b == nil {
		return nil, fault.New(fault.NotFound, "the issuer has no credential in list %d", l.Number)
	}
	return b, nil
}

// Free returns the number of the first list of an issuer that is at most half full:
// an entry of it that is drawn at random is free more often than not. Errors:
// fault.Unavailable.
func (i *Index) Free(issuer ledger.ID) (uint32, error) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	if !i.began {
		return 0, fault.New(fault.Unavailable, "the gateway does not know the ledger yet")
	}
	for number := uint32(0); ; number++ {
		if b := i.lists[List{issuer, number}]; b == nil || b.entries <= credential.ListEntries/2 {
			return number, nil
		}
	}
}

// Next is the number of the block to come.
func (i *Index) Next() uint64 {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.next
}

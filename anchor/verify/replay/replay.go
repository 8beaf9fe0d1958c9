// Package replay re-executes a channel from its first block: depth L3. It follows the
// chain of headers, the orderers' signatures and the configuration; recomputes which
// transactions are valid from forms, signatures, endorsement policies, ids and versions;
// runs every valid transaction of Killick's chaincode again, with the chaincode's own
// rules, on the state that the blocks before it make; and compares what it wrote, key by
// key, and the commit hash that peers chain over blocks.
//
// It trusts nothing but the log id, which pins the first block: with enough cooperating
// members anything can be signed, and it is found here. What it cannot see is what is in
// no block: private contents, of which only hashes are compared, and whether an endorser's
// clock agreed with the time that a transaction claims.
//
// State is held in memory, about 160 bytes above its keys and values, and never more than
// a stated limit. Besides there are the blocks at work and what is made of them.
package replay

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// Config says what is replayed.
type Config struct {
	LogID log.Hash
	Size  uint64 // blocks; what comes after them is not looked at
	Limit int64  // bytes of state, about
	// Progress, if not nil, is told how far it is, every few seconds.
	Progress func(Report)
}

// Report is what was replayed. Counters stand still from a difference on.
type Report struct {
	Blocks       uint64 // whose leaves are in Root
	Bytes        uint64
	Transactions uint64
	Invalid      uint64 // of these, rightly marked so
	Executed     uint64 // of Killick's chaincode, run again
	Operations   uint64 // in these
	Foreign      uint64 // of other chaincodes and Fabric's own, which are not run again
	Believed     uint64 // of these, refused for reasons that only peers know
	CommitHashes uint64 // recomputed
	Keys         int
	StateBytes   int64
	Policy       int // organisations that the chaincode's policy asks for; 0: not simple
	Root         log.Hash
	// Difference is the first thing found against the rules, nil when there is none.
	Difference *log.Difference
}

// Errors of Run, besides those of reading and *block.TornError. They say nothing of the
// channel.
var (
	ErrOtherChannel = errors.New("the first block is not the one that the log id pins")
	ErrShort        = errors.New("the blocks end before the checkpoint")
	ErrTooLarge     = errors.New("the state is larger than the limit")
)

// run is a replay under way.
type run struct {
	cfg    Config
	report Report
	engine *ops.Engine
	state  *state
	ids    map[[32]byte]struct{} // of all transactions so far

	policy      *block.Policy // of Killick's chaincode, made of policyOf
	policyOf    string
	unread      error         // what of a block cannot be checked here, such as that policy
	definitions *block.Policy // of chaincode definitions; nil: none of signatures
	commit      []byte        // hash of the block before
	uncommitted bool          // some block had none

	tree log.Tree // of the leaves so far
}

// Run replays the first cfg.Size blocks. A difference is in the report, and the leaves of
// the blocks after it are still computed, so that Root says whether these are the blocks
// that the members signed; an error says that it could not get that far.
func Run(ctx context.Context, blocks iter.Seq2[block.Stored, error], cfg Config) (Report, error) {
	r := &run{cfg: cfg, engine: ops.New(), state: newState(), ids: map[[32]byte]struct{}{}}
	ctx, cancel := context.WithCancel(ctx)
	line := pipeline(ctx, blocks, cfg)
	defer func() {
		cancel()
		for i := range line {
			<-i.verified
		}
	}()
	begun := time.Now()
	for i := range line {
		<-i.verified
		if err := r.take(i); err != nil {
			return r.report, err
		}
		close(i.done)
		if r.cfg.Progress != nil && time.Since(begun) > 2*time.Second {
			r.cfg.Progress(r.report)
			begun = time.Now()
		}
		if r.report.Blocks == cfg.Size {
			return r.report, nil
		}
	}
	if err := context.Cause(ctx); err != nil {
		return r.report, err
	}
	return r.report, fmt.Errorf("%w: %d of %d", ErrShort, r.report.Blocks, cfg.Size)
}

// take adds a block.
func (r *run) take(i *item) error {
	if err := cmp.Or(i.err, i.mistake); err != nil {
		return err
	}
	if r.report.Difference == nil {
		var err error
		if r.report.Difference, err = r.check(i); err != nil {
			return fmt.Errorf("block %d: %w", i.block.Number, err)
		}
		if r.report.Difference == nil {
			r.report.Bytes += uint64(len(i.stored.Raw))
			r.report.Transactions += uint64(len(i.block.Txs))
		}
		r.report.StateBytes = r.state.size + 100*int64(len(r.ids))
		if r.report.StateBytes > r.cfg.Limit {
			return fmt.Errorf("%w: %d bytes after block %d", ErrTooLarge, r.report.StateBytes, i.block.Number)
		}
	}
	r.tree.Add(i.leaf.Hash())
	r.report.Blocks++
	r.report.Root = r.tree.Root()
	return nil
}

// check replays one block.
func (r *run) check(i *item) (*log.Difference, error) {
	b := i.block
	differs := func(where string, a *against) (*log.Difference, error) {
		return &log.Difference{Where: where, Block: b.Number, Field: a.field, Found: a.found, Want: a.want}, nil
	}
	if i.broken != nil {
		return differs("block", i.broken)
	}
	if i.configures {
		r.definitions = i.definitions
	}
	r.state.written = map[space]map[string]value{}
	rulings := r.before(b, i.examined)
	if r.unread != nil {
		return nil, r.unread
	}
	for n := range b.Txs {
		t, x, ruling := &b.Txs[n], &i.examined[n], rulings[n]
		where := fmt.Sprintf("transaction %d (%s)", n, t.ID)
		if ruling.code == 0 {
			ruling = r.versions(x)
		}
		if a := disagrees(t, ruling); a != nil {
			return differs(where, a)
		}
		if t.Code != block.CodeValid {
			r.report.Invalid++
			continue
		}
		if t.Type == block.TypeEndorser {
			var a *against
			if err := r.execute(i.members, t, x); errors.As(err, &a) {
				return differs(where, a)
			} else if err != nil {
				return nil, err
			}
		}
		at := block.Height{Block: b.Number, Tx: uint64(n)}
		if t.Type == block.TypeConfig {
			r.state.put(space{}, configKey, value{[]byte{1}, at})
		}
		r.state.apply(at, x.effects)
	}
	r.remember(b)
	if a := r.committed(b); a != nil {
		return differs("block", a)
	}
	r.report.Keys = len(r.state.in(space{namespace: log.Namespace}).values)
	if r.policy != nil {
		r.report.Policy = r.policy.Organisations()
	}
	return nil, nil
}

// disagrees compares a ruling with the validation code in the block.
func disagrees(t *block.Tx, want ruling) *against {
	found := log.CodeName(t.Code)
	switch {
	case want.code == 0 && t.Code != 0:
		return &against{"validation code", found, "VALID: nothing is wrong with it"}
	case want.code == anyCode && t.Code == 0:
		return &against{"validation code", found, "not valid: " + want.why}
	case want.code > 0 && int(t.Code) != want.code:
		return &against{"validation code", found, log.CodeName(uint8(want.code)) + ": " + want.why}
	}
	return nil
}

// committed compares the commit hash, where peers had one from the first block on.
func (r *run) committed(b *block.Block) *against {
	if b.Number == 0 || r.uncommitted {
		return nil
	}
	if b.CommitHash == nil {
		r.uncommitted = true
		return nil
	}
	r.commit = r.state.commitHash(b.Filter, r.commit)
	if !bytes.Equal(r.commit, b.CommitHash) {
		return &against{"commit hash", canon.Hex(b.CommitHash), canon.Hex(r.commit)}
	}
	r.report.CommitHashes++
	return nil
}

// remember notes the ids of all transactions, invalid ones too: none counts again.
func (r *run) remember(b *block.Block) {
	for n := range b.Txs {
		if id, ok := b.Txs[n].NominalID(); ok {
			if key, err := canon.UnHex32(id); err == nil {
				r.ids[key] = struct{}{}
			}
		}
	}
}

func (r *run) seen(id string) bool {
	key, err := canon.UnHex32(id)
	_, ok := r.ids[key]
	return err == nil && ok
}

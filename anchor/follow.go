package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/network/fabric"
)

// fabricLedger is the ledger over Fabric. own speaks to the own peer only.
type fabricLedger struct{ all, own *fabric.Client }

func connect(cfg *config) (ledger, func(), error) {
	all, err := fabric.Connect(cfg.Fabric)
	if err != nil {
		return nil, nil, err
	}
	one := cfg.Fabric
	one.Peers, one.Endorsements = one.Peers[:1], 1
	own, err := fabric.Connect(one)
	if err != nil {
		return nil, nil, errors.Join(err, all.Close())
	}
	return &fabricLedger{all: all, own: own}, func() { _ = errors.Join(own.Close(), all.Close()) }, nil
}

func (l *fabricLedger) Blocks(ctx context.Context, from uint64) iter.Seq2[*block.Block, error] {
	return func(yield func(*block.Block, error) bool) {
		for m, err := range l.own.Blocks(ctx, from) {
			var b *block.Block
			if err == nil {
				b, err = decode(m)
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

func (l *fabricLedger) Block(ctx context.Context, number uint64) (*block.Block, error) {
	m, err := l.own.Block(ctx, number)
	if err != nil {
		return nil, err
	}
	return decode(m)
}

func (l *fabricLedger) Past(ctx context.Context, number uint64, good func(*block.Block) error) (b *block.Block, err error) {
	_, err = l.all.BlockThat(ctx, number, func(m *common.Block) (err error) {
		if b, err = decode(m); err == nil {
			err = good(b)
		}
		return err
	})
	return b, err
}

// decode reads a message of the client library with our own strict decoder, which
// is what auditors use.
func decode(m proto.Message) (*block.Block, error) {
	raw, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode block: %w", err)
	}
	return block.Decode(raw)
}

func (l *fabricLedger) Height(ctx context.Context) (uint64, error) { return l.own.Height(ctx) }

func (l *fabricLedger) Evaluate(ctx context.Context, msp, function string, args ...[]byte) ([]byte, error) {
	return l.all.EvaluateAt(ctx, msp, function, args...)
}

func (l *fabricLedger) Execute(ctx context.Context, function string, args ...[]byte) ([]byte, error) {
	r, err := l.all.Execute(ctx, function, args...)
	return r.Payload, err
}

// maxBatch bounds the blocks that are appended at once when catching up.
const maxBatch = 256

// follow extends log and index by the own peer's blocks, for ever.
func (a *anchor) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		err := a.followOnce(ctx)
		if ctx.Err() != nil {
			return nil
		}
		a.alarms.set("blocks", err)
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
	return nil
}

// followOnce follows until something is wrong with a block or with the disk.
func (a *anchor) followOnce(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	from, err := a.index.next(ctx)
	if err != nil {
		return err
	}
	// The index may be behind the log, or new; the log is never behind the index
	// unless it was removed.
	from = min(from, a.log.Size())
	if a.bft != nil {
		a.bft.loaded = false // it may have seen blocks that were not stored
	}
	if from, err = a.skip(ctx, from); err != nil {
		return err
	}
	type item struct {
		b   *block.Block
		err error
	}
	blocks := make(chan item, maxBatch)
	go func() {
		defer close(blocks)
		for b, err := range a.ledger.Blocks(ctx, from) {
			select {
			case blocks <- item{b, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() { // wait for the reader
		stop()
		for range blocks {
		}
	}()
	for first := range blocks {
		batch := []item{first}
		for more := true; more && len(batch) < maxBatch; {
			select {
			case next, ok := <-blocks:
				if more = ok; ok {
					batch = append(batch, next)
				}
			default:
				more = false
			}
		}
		var good []*block.Block
		for _, i := range batch {
			if i.err != nil {
				err = i.err
				break
			}
			good = append(good, i.b)
		}
		if e := a.extend(ctx, good); e != nil {
			return e
		}
		if err != nil {
			return err
		}
		a.alarms.set("blocks", nil)
		a.bell.ring()
	}
	return ctx.Err()
}

// skip returns the first block from which on the own peer can be followed: a stream would
// wait for ever for one that it will never have, as it joined from a snapshot. What it lacks
// and the log has is indexed before, as other organisations' peers have it; what the log does
// not have is believed of the own peer alone.
func (a *anchor) skip(ctx context.Context, from uint64) (uint64, error) {
	_, err := a.ledger.Block(ctx, from)
	if err == nil {
		return from, nil
	}
	first, ok := afterSnapshot(err)
	switch {
	case !ok:
		return from, nil // it is still to come, or the stream says what is wrong
	case first > a.log.Size():
		return 0, fmt.Errorf("block %d of the own peer: %w", from, err)
	}
	slog.Info("blocks that the own peer does not have are indexed as other peers have them", "from", from, "to", first)
	for from < first {
		var blocks []*block.Block
		for ; from < first && len(blocks) < maxBatch; from++ {
			b, err := a.past(ctx, from)
			if err != nil {
				return 0, fmt.Errorf("block %d, which the own peer does not have: %w", from, err)
			}
			blocks = append(blocks, b)
		}
		if err := a.extend(ctx, blocks); err != nil {
			return 0, err
		}
	}
	return from, nil
}

// extend appends blocks to the log, then to the index. Blocks that either has
// already must be the same; stopping between the two is made up for by the next
// start.
func (a *anchor) extend(ctx context.Context, blocks []*block.Block) error {
	size := a.log.Size()
	indexed, err := a.index.next(ctx)
	if err != nil {
		return err
	}
	var fresh, unindexed []*block.Block
	for _, b := range blocks {
		if a.bft != nil {
			if err := a.bft.check(ctx, b); err != nil {
				return err
			}
		}
		if b.Number >= size {
			fresh = append(fresh, b)
		} else if err := a.same(b); err != nil {
			return err
		}
		if b.Number >= indexed {
			unindexed = append(unindexed, b)
		}
	}
	if err := a.log.Append(fresh...); err != nil {
		return err
	}
	if id, ok := a.log.ID(); ok && id != a.policy.LogID() {
		return fmt.Errorf("the peer's first block gives log %x, the configuration says %x", id, a.policy.LogID())
	}
	if err := a.index.add(ctx, unindexed...); err != nil {
		return err
	}
	return a.reload(ctx)
}

// orderers checks that enough of the ordering nodes signed each block: those
// that the last configuration block before it names.
type orderers struct {
	*anchor
	of     block.Signers
	loaded bool
}

func (o *orderers) check(ctx context.Context, b *block.Block) error {
	if b.Number > 0 {
		if err := o.load(ctx, b.Number); err != nil {
			return err
		}
		if err := o.of.Check(b); err != nil {
			return err
		}
	}
	next, is, err := b.Signers()
	if is && err == nil {
		o.of, o.loaded = next, true
	}
	return err
}

// load reads the configuration block that was in force when the anchor stopped. It is in
// the log, so any peer's serves that is the same.
func (o *orderers) load(ctx context.Context, before uint64) error {
	if o.loaded {
		return nil
	}
	number, err := o.index.lastConfig(ctx, before)
	if err != nil {
		return err
	}
	b, err := o.past(ctx, number)
	if err != nil {
		return err
	}
	of, is, err := b.Signers()
	if err == nil && !is {
		err = fmt.Errorf("block %d is no configuration block", number)
	}
	o.of, o.loaded = of, err == nil
	return err
}

// past returns a block that the log has, whichever peer still has it. A peer whose block
// is not the log's is passed over: the leaf binds its header, its data, its validation
// codes and its commit hash.
func (a *anchor) past(ctx context.Context, number uint64) (*block.Block, error) {
	return a.ledger.Past(ctx, number, func(b *block.Block) error {
		if b.Number != number {
			return fmt.Errorf("a peer sent block %d in place of %d", b.Number, number)
		}
		return a.same(b)
	})
}

// same reports as an error when the peer now has another block than the one in
// the log.
func (a *anchor) same(b *block.Block) error {
	had, err := a.log.Leaf(b.Number)
	if err != nil {
		return err
	}
	leaf, err := log.Leaf(had.LogID, b)
	if err != nil {
		return err
	}
	if leaf != had {
		return fmt.Errorf("the peer's block %d is not the one in the log: the peer or the log was replaced", b.Number)
	}
	return nil
}

// size returns the number of blocks that are both in the log and in the index.
func (a *anchor) size(ctx context.Context) (uint64, error) {
	indexed, err := a.index.next(ctx)
	return min(indexed, a.log.Size()), err
}

package fabric

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	minPause = 100 * time.Millisecond
	maxPause = time.Second
	// awayFor is how long blocks come from another organisation's peer before the
	// own one is tried again: it may be back, and the other may hold blocks back.
	awayFor = 5 * time.Second
	// confirmFor is how long other organisations may take to have a block too.
	confirmFor = 2 * time.Second
	// compareEvery is how often the own peer's stream is held against what the others
	// have.
	compareEvery = 4 * time.Second
	// farBehind is how many blocks a stream that moves may be behind without getting
	// any nearer.
	farBehind = 50
)

// Blocks yields all blocks from number from on, complete, in order and without gaps,
// and waits for those that do not exist yet. They come from the own peer; when its
// stream breaks, stands still or stays far behind while others have more, they come
// from the next peer that answers, after a pause that grows from 0.1 s to 1 s. The
// first pair with an error is the last one: the context's error, or an
// own peer that answers with something that is not the next block.
//
// Validation codes are the word of the peer that sent them. The own peer is trusted;
// a block of another one counts when as many organisations as endorse have it alike,
// since one of them is honest. A client that must trust nobody else is configured
// with its own peer only.
func (c *Client) Blocks(ctx context.Context, from uint64) iter.Seq2[*common.Block, error] {
	return func(yield func(*common.Block, error) bool) {
		pause, every := minPause, c.pace.compare
		for turn := 0; ; turn++ {
			// The own peer has every second turn: it may be back.
			r := c.peers[0]
			if n := len(c.peers); turn%2 == 1 && n > 1 {
				r = c.peers[1+(turn/2)%(n-1)]
			}
			next, stop, err := c.deliver(ctx, r, from, every, yield)
			switch {
			case stop:
				return
			case ctx.Err() != nil:
				yield(nil, fmt.Errorf("blocks from %d: %w", next, ctx.Err()))
				return
			case errors.Is(err, errWrongBlock) && r == c.peers[0]:
				yield(nil, err)
				return
			}
			r.failed()
			if r == c.peers[0] {
				every = c.pace.compare
				if errors.Is(err, errLags) {
					every /= 4 // it may still, and should cost less time when it has its turn
				}
			}
			if next > from {
				pause = minPause
			}
			from = next
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			pause = min(2*pause, maxPause)
		}
	}
}

var (
	errWrongBlock = errors.New("not the block that was asked for")
	errLags       = errors.New("behind the other organisations' peers")
)

// deliver yields blocks from one peer until its stream ends; the own one is compared
// with the others from time to time. It returns the number of the next block, and
// whether the consumer stopped.
func (c *Client) deliver(ctx context.Context, r *remote, next uint64, every time.Duration, yield func(*common.Block, error) bool) (uint64, bool, error) {
	foreign := r != c.peers[0]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if foreign {
		defer time.AfterFunc(awayFor, cancel).Stop()
	}
	request, err := c.seek(next)
	if err != nil {
		return next, false, err
	}
	stream, err := peer.NewDeliverClient(r.conn).Deliver(ctx)
	if err != nil {
		return next, false, err
	}
	if err := stream.Send(request); err != nil {
		return next, false, err
	}
	var at position
	if !foreign && len(c.peers) > 1 {
		var watching sync.WaitGroup
		watching.Go(func() { c.compare(ctx, cancel, &at, every) })
		defer watching.Wait()
		defer cancel()
	}
	for {
		at.wait(next)
		response, err := stream.Recv()
		if at.got() {
			return next, false, fmt.Errorf("%s: %w", r.Name, errLags)
		}
		if err != nil {
			return next, false, err
		}
		block := response.GetBlock()
		if block == nil {
			return next, false, fmt.Errorf("%s ended the stream: %s", r.Name, response.GetStatus())
		}
		if n := block.GetHeader().GetNumber(); n != next {
			return next, false, fmt.Errorf("%s sent block %d in place of %d: %w", r.Name, n, next, errWrongBlock)
		}
		if foreign {
			if err := c.confirm(ctx, r, block); err != nil {
				return next, false, err
			}
		}
		if !yield(block, nil) {
			return next, true, nil
		}
		next++
	}
}

// position is where a stream stands.
type position struct {
	mu     sync.Mutex
	next   uint64
	since  time.Time     // of the wait for next; zero while the consumer has a block
	waited time.Duration // all that was spent on waiting for blocks
	lags   bool          // the stream was ended for that
}

func (p *position) wait(next uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next, p.since = next, time.Now()
}

func (p *position) got() (lags bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waited += time.Since(p.since)
	p.since = time.Time{}
	return p.lags
}

func (p *position) behind() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lags = true
}

func (p *position) now() (next uint64, waited time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	waited = p.waited
	if !p.since.IsZero() {
		waited += time.Since(p.since)
	}
	return p.next, waited
}

// compare ends the own peer's stream when it stands still although there was more to
// send, or is far behind and comes no nearer. What there is, is what as many
// organisations have as endorse: one alone could make it up. Time in which the
// consumer was busy with a block is not held against the peer.
func (c *Client) compare(ctx context.Context, end func(), at *position, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var before, behind uint64
	var waited time.Duration
	for first := true; ; first = false {
		next, spent := at.now()
		there := c.common(ctx)
		missing := there - min(there, next)
		idle := spent-waited > every/2
		if !first && idle && behind > 0 && missing > 0 && (next == before || behind > farBehind && missing >= behind) {
			at.behind()
			end()
			return
		}
		before, behind, waited = next, missing, spent
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// common is the height that as many other organisations' peers have at least as
// endorse, 0 when fewer answer.
func (c *Client) common(ctx context.Context) uint64 {
	ctx, cancel := context.WithTimeout(ctx, c.pace.compare)
	defer cancel()
	others := c.peers[1:]
	found := make(chan uint64, len(others))
	for _, p := range others {
		go func() {
			h, err := c.height(ctx, []*remote{p})
			if err != nil {
				h = 0
			}
			found <- h
		}()
	}
	var heights []uint64
	for range others {
		heights = append(heights, <-found)
	}
	slices.Sort(heights)
	if c.cfg.Endorsements > len(heights) {
		return 0
	}
	return heights[len(heights)-c.cfg.Endorsements]
}

// confirm asks the others for a block that did not come from the own peer, again
// where they lag, until with its sender as many organisations as endorse have it.
func (c *Client) confirm(ctx context.Context, from *remote, block *common.Block) error {
	ctx, cancel := context.WithTimeout(ctx, confirmFor)
	defer cancel()
	have := 1
	answers := make(chan bool, len(c.peers))
	for _, p := range c.peers {
		if p != from {
			go func() { answers <- c.has(ctx, p, block) }()
		}
	}
	for asked := 1; have < c.cfg.Endorsements && asked < len(c.peers); asked++ {
		if <-answers {
			have++
		}
	}
	if have < c.cfg.Endorsements {
		return fmt.Errorf("block %d of %s: %d of %d needed organisations have it", block.GetHeader().GetNumber(), from.Name, have, c.cfg.Endorsements)
	}
	return nil
}

// has says whether a peer has the same block, with the same validation codes. It
// asks until there is an answer.
func (c *Client) has(ctx context.Context, p *remote, block *common.Block) bool {
	for {
		other, err := c.block(ctx, p, block.GetHeader().GetNumber())
		if err == nil {
			return proto.Equal(block.GetHeader(), other.GetHeader()) && proto.Equal(block.GetData(), other.GetData()) &&
				bytes.Equal(flags(block), flags(other))
		}
		select {
		case <-time.After(minPause):
		case <-ctx.Done():
			return false
		}
	}
}

func flags(block *common.Block) []byte {
	metadata := block.GetMetadata().GetMetadata()
	if i := int(common.BlockMetadataIndex_TRANSACTIONS_FILTER); i < len(metadata) {
		return metadata[i]
	}
	return nil
}

// seek is a signed request for all blocks from a number on.
func (c *Client) seek(from uint64) (*common.Envelope, error) {
	position := func(n uint64) *orderer.SeekPosition {
		return &orderer.SeekPosition{Type: &orderer.SeekPosition_Specified{Specified: &orderer.SeekSpecified{Number: n}}}
	}
	var e encoder
	payload := e.encode(&common.Payload{
		Header: &common.Header{
			ChannelHeader: e.encode(&common.ChannelHeader{
				Type: int32(common.HeaderType_DELIVER_SEEK_INFO), Timestamp: timestamppb.Now(), ChannelId: c.cfg.Channel,
			}),
			SignatureHeader: e.encode(&common.SignatureHeader{Creator: c.creator}),
		},
		Data: e.encode(&orderer.SeekInfo{
			Start: position(from), Stop: position(math.MaxUint64), Behavior: orderer.SeekInfo_BLOCK_UNTIL_READY,
		}),
	})
	if e.err != nil {
		return nil, fmt.Errorf("encode block request: %w", e.err)
	}
	return c.envelope(payload)
}

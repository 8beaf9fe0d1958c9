package fabric

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
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
)

// Blocks yields all blocks from number from on, complete, in order and without gaps,
// and waits for those that do not exist yet. They come from the own peer; when its
// stream breaks, from the next peer that answers, after a pause that grows from 0.1 s
// to 1 s. The first pair with an error is the last one: the context's error, or an
// own peer that answers with something that is not the next block.
//
// Validation codes are the word of the peer that sent them. The own peer is trusted;
// a block of another one counts when as many organisations as endorse have it alike,
// since one of them is honest. A client that must trust nobody else is configured
// with its own peer only.
func (c *Client) Blocks(ctx context.Context, from uint64) iter.Seq2[*common.Block, error] {
	return func(yield func(*common.Block, error) bool) {
		pause := minPause
		for turn := 0; ; turn++ {
			// The own peer has every second turn: it may be back.
			r := c.peers[0]
			if n := len(c.peers); turn%2 == 1 && n > 1 {
				r = c.peers[1+(turn/2)%(n-1)]
			}
			next, stop, err := c.deliver(ctx, r, from, yield)
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

var errWrongBlock = errors.New("not the block that was asked for")

// deliver yields blocks from one peer until its stream ends. It returns the number
// of the next block, and whether the consumer stopped.
func (c *Client) deliver(ctx context.Context, r *remote, next uint64, yield func(*common.Block, error) bool) (uint64, bool, error) {
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
	for {
		response, err := stream.Recv()
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
		other, err := c.block(ctx, []*remote{p}, block.GetHeader().GetNumber())
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

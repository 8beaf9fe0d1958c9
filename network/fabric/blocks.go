package fabric

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	minPause = 100 * time.Millisecond
	maxPause = time.Second
)

// Blocks yields all blocks from number from on, complete, in order and without gaps,
// and waits for those that do not exist yet. They come from the own peer; when its
// stream breaks, from the next peer that answers, after a pause that grows from 0.1 s
// to 1 s. The first pair with an error is the last one: the context's error, or a
// peer that answers with something that is not the next block.
//
// Validation codes are the word of the peer that sent them. A client that must trust
// nobody else is configured with its own peer only.
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
			case errors.Is(err, errWrongBlock):
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
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
		if !yield(block, nil) {
			return next, true, nil
		}
		next++
	}
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

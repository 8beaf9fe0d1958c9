package fabric

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
)

// broadcaster keeps a stream to one orderer. The orderer answers in the order of
// requests, and closes the stream after any answer but success.
type broadcaster struct {
	Endpoint
	conn   *grpc.ClientConn
	client orderer.AtomicBroadcastClient
	ctx    context.Context
	cancel context.CancelFunc
	queue  chan *request
	room   *semaphore.Weighted // bytes
	done   sync.WaitGroup
}

// request is one envelope waiting for an answer; reply has room for it, so that
// nobody has to wait for a caller that gave up.
type request struct {
	ctx      context.Context
	envelope *common.Envelope
	reply    chan error
	brief    bool // not worth sending once its caller gave up
	sent     bool // some stream had it: the orderer may have taken it
	resent   bool
}

// What waits for an orderer that does not read, or for its answers: so many requests
// each, and so many bytes together, which an orderer that takes all and says nothing
// costs.
const (
	queueLength = 256
	queueBytes  = 64 << 20
)

func newBroadcaster(e Endpoint, conn *grpc.ClientConn) *broadcaster {
	ctx, cancel := context.WithCancel(context.Background())
	b := &broadcaster{
		Endpoint: e, conn: conn, client: orderer.NewAtomicBroadcastClient(conn),
		ctx: ctx, cancel: cancel, queue: make(chan *request, queueLength), room: semaphore.NewWeighted(queueBytes),
	}
	b.done.Go(b.run)
	return b
}

func (b *broadcaster) close() error {
	b.cancel()
	err := b.conn.Close()
	b.done.Wait()
	return err
}

// send hands an envelope over and waits for the answer. A brief one is dropped when
// ctx ends before its turn; another is sent all the same, since the caller may have
// enough answers and the network still needs every orderer to have it. It returns
// *rejection, or an error that wraps errNotSent when the orderer never saw it.
func (b *broadcaster) send(ctx context.Context, envelope *common.Envelope, brief bool) error {
	r := &request{ctx: ctx, envelope: envelope, reply: make(chan error, 1), brief: brief}
	if err := b.take(ctx, r.size()); err != nil {
		return fmt.Errorf("%s: %w: %w", b.Name, errNotSent, err)
	}
	select {
	case b.queue <- r:
	case <-ctx.Done():
		b.room.Release(r.size())
		return fmt.Errorf("%s: %w: %w", b.Name, errNotSent, ctx.Err())
	case <-b.ctx.Done():
		return fmt.Errorf("%s: %w: client is closed", b.Name, errNotSent)
	}
	select {
	case err := <-r.reply:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", b.Name, ctx.Err())
	case <-b.ctx.Done():
		return fmt.Errorf("%s: client is closed", b.Name)
	}
}

// take waits for room until ctx or the client ends.
func (b *broadcaster) take(ctx context.Context, size int64) error {
	if b.room.TryAcquire(size) {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	return b.room.Acquire(ctx, size)
}

// size is what a request takes of the room.
func (r *request) size() int64 { return int64(min(len(r.envelope.GetPayload()), queueBytes)) }

// end answers a request that was queued, and gives back its room.
func (b *broadcaster) end(r *request, answer error) {
	b.room.Release(r.size())
	r.reply <- answer
}

// run serves the queue, one stream after the other. What a broken stream leaves
// unanswered goes once more over the next: orderers drop a request they have.
func (b *broadcaster) run() {
	var again []*request
	for {
		var first *request
		if len(again) > 0 {
			first, again = again[0], again[1:]
		} else {
			select {
			case first = <-b.queue:
			case <-b.ctx.Done():
				return
			}
		}
		unanswered, err := b.stream(append([]*request{first}, again...))
		again = nil
		for _, r := range unanswered {
			if r.resent || r.ctx.Err() != nil || b.ctx.Err() != nil {
				why := err
				if !r.sent {
					why = fmt.Errorf("%w: %w", errNotSent, err)
				}
				b.end(r, fmt.Errorf("%s: %w", b.Name, why))
				continue
			}
			r.resent = true
			again = append(again, r)
		}
	}
}

// stream opens a stream, sends first and then what is queued, and returns what was
// not answered when the stream ended.
func (b *broadcaster) stream(first []*request) ([]*request, error) {
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	s, err := b.client.Broadcast(ctx)
	if err != nil {
		return first, err
	}
	// sent holds what waits for an answer, in order. Its room bounds what is in
	// flight; the sender below is its only writer.
	sent := make(chan *request, queueLength)
	ended := make(chan error, 1)
	var left []*request // what did not get as far as sent
	go func() {
		for {
			response, err := s.Recv()
			if err != nil {
				ended <- err
				return
			}
			select {
			case r := <-sent:
				b.end(r, b.judge(response))
			default:
				ended <- errors.New("an answer that nobody waits for")
				return
			}
		}
	}()
	push := func(r *request) bool {
		if r.brief && r.ctx.Err() != nil {
			b.end(r, r.ctx.Err()) // nobody waits for it
			return true
		}
		r.sent = true
		select {
		case sent <- r: // before Send: the answer may come at once
		case err = <-ended:
			left = append(left, r)
			return false
		}
		if s.Send(r.envelope) != nil {
			cancel()
			err = <-ended // tells why, which Send does not
			return false
		}
		return true
	}
	alive := true
	for i, r := range first {
		if alive = push(r); !alive {
			left = append(left, first[i+1:]...)
			break
		}
	}
	for alive {
		select {
		case r := <-b.queue:
			alive = push(r)
		case err = <-ended:
			alive = false
		}
	}
	close(sent)
	var unanswered []*request
	for r := range sent {
		unanswered = append(unanswered, r)
	}
	return append(unanswered, left...), err
}

func (b *broadcaster) judge(r *orderer.BroadcastResponse) error {
	if r.GetStatus() == common.Status_SUCCESS {
		return nil
	}
	if strings.Contains(r.GetInfo(), "request already exists") {
		return nil // it has it from an earlier attempt
	}
	err := fmt.Errorf("%s: %s: %s", b.Name, r.GetStatus(), cut(r.GetInfo()))
	switch r.GetStatus() {
	case common.Status_BAD_REQUEST, common.Status_FORBIDDEN, common.Status_REQUEST_ENTITY_TOO_LARGE:
		// An orderer that has not joined the channel yet says BAD_REQUEST too.
		if !strings.Contains(r.GetInfo(), "channel does not exist") {
			// BAD_REQUEST is any reason that has no status of its own.
			size := r.GetStatus() == common.Status_REQUEST_ENTITY_TOO_LARGE || strings.Contains(r.GetInfo(), "exceeds maximum allowed")
			return &rejection{err, size}
		}
	}
	return err
}

// rejection is an orderer's answer that it will not order this envelope, whenever it
// is asked, while the channel's configuration is what it is.
type rejection struct {
	error
	size bool // it is too large
}

// errNotSent says that the orderer never saw the envelope.
var errNotSent = errors.New("not sent")

package fabric

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/grpc"
)

// Submit hands the endorsed transaction to all orderers. A nil error means that
// f + 1 of them took it (f the number of orderers that may lie), so an honest one
// did and it will be ordered; it does not mean that it is or will be valid. With any
// error the outcome is unknown, and submitting the same transaction again is safe:
// an id commits once.
func (t *Transaction) Submit(ctx context.Context) error {
	if t.envelope == nil {
		return fmt.Errorf("submit transaction %s: it is not endorsed", t.ID())
	}
	orderers := t.client.orderers
	results := make(chan error, len(orderers))
	for _, o := range orderers {
		go func() { results <- o.send(ctx, t.envelope) }()
	}
	need := (len(orderers)-1)/3 + 1
	var errs []error
	for took := 0; took+len(errs) < len(orderers); {
		if err := <-results; err != nil {
			errs = append(errs, err)
			continue
		}
		if took++; took == need {
			return nil
		}
	}
	return &Unknown{TxID: t.ID(), Cause: errors.Join(errs...)}
}

// broadcaster keeps a stream to one orderer. The orderer answers in the order of
// requests, and closes the stream after any answer but success.
type broadcaster struct {
	Endpoint
	conn   *grpc.ClientConn
	client orderer.AtomicBroadcastClient
	ctx    context.Context
	cancel context.CancelFunc
	queue  chan *request
	done   sync.WaitGroup
}

// request is one envelope waiting for an answer; reply has room for it, so that
// nobody has to wait for a caller that gave up.
type request struct {
	ctx      context.Context
	envelope *common.Envelope
	reply    chan error
	resent   bool
}

// queueLength bounds what waits for an orderer that does not read.
const queueLength = 256

func newBroadcaster(e Endpoint, conn *grpc.ClientConn) *broadcaster {
	ctx, cancel := context.WithCancel(context.Background())
	b := &broadcaster{
		Endpoint: e, conn: conn, client: orderer.NewAtomicBroadcastClient(conn),
		ctx: ctx, cancel: cancel, queue: make(chan *request, queueLength),
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

func (b *broadcaster) send(ctx context.Context, envelope *common.Envelope) error {
	r := &request{ctx: ctx, envelope: envelope, reply: make(chan error, 1)}
	select {
	case b.queue <- r:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", b.Name, ctx.Err())
	case <-b.ctx.Done():
		return fmt.Errorf("%s: client is closed", b.Name)
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
				r.reply <- fmt.Errorf("%s: %w", b.Name, err)
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
				r.reply <- b.judge(response)
			default:
				ended <- errors.New("an answer that nobody waits for")
				return
			}
		}
	}()
	push := func(r *request) bool {
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
	return fmt.Errorf("%s: %s: %s", b.Name, r.GetStatus(), r.GetInfo())
}

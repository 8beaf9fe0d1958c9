package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
)

// Event is an operation that has run, with its result; one with an empty Id is a
// mark of progress. EventsRequest says where to begin and which events to send.
type (
	Event         = killickv1.Event
	EventsRequest = killickv1.EventsRequest
)

const (
	// Gateways send something every 10 seconds; one that is silent for longer than
	// silence is taken for dead.
	silence = 45 * time.Second
	// The pause before a broken stream is taken up again grows from minAgain to
	// maxAgain.
	minAgain = 100 * time.Millisecond
	maxAgain = 3 * time.Second
)

// Events follows operations and their results in the order of the ledger. When the
// connection breaks, or a gateway stops, it goes on where it was, at the same
// gateway or at the next of those that Dial was given: each event comes once. Keep
// the cursor of what you have dealt with, of events and marks alike, to go on there
// after a restart of your own.
//
// The pair with an error is the last: the context's error, a refusal of the
// request, or any error before the first answer.
func (c *Client) Events(ctx context.Context, request *EventsRequest) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		at := &EventsRequest{
			Cursor: request.GetCursor(), Block: request.Block, Now: request.GetNow(), Actor: request.GetActor(), Operation: request.GetOperation(),
		}
		begun, pause := false, minAgain
		for {
			got, more, err := c.events(ctx, at, yield)
			if !more {
				return
			}
			if got {
				begun, pause = true, minAgain
			}
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if !begun || !resumable(err) {
				yield(nil, err)
				return
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			pause = min(2*pause, maxAgain)
		}
	}
}

// resumable says whether an error is about the gateway or the way to it. A gateway
// that lags behind the one before calls the cursor invalid: it may have caught up
// later.
func resumable(err error) bool {
	var refused *Error
	if !errors.As(err, &refused) {
		return true // a broken connection
	}
	switch refused.Fault.Code {
	case fault.Unavailable, fault.Overloaded, fault.Unknown, fault.InvalidValue:
		return true
	}
	return false
}

// events follows until the stream breaks, and keeps in at where to go on. got says
// that something came, more is false when the consumer has enough.
func (c *Client) events(ctx context.Context, at *EventsRequest, yield func(*Event, error) bool) (got, more bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.api.Events(ctx, at)
	if err != nil {
		return false, true, refusal(err)
	}
	silent := time.AfterFunc(silence, cancel)
	defer silent.Stop()
	for {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) { // streams of events have no end
			return got, true, &Error{Fault: fault.Error{Code: fault.Unavailable, Text: "the gateway ended the stream"}}
		}
		if err != nil {
			return got, true, refusal(err)
		}
		got = true
		silent.Stop() // the consumer may take its time
		at.Cursor, at.Block, at.Now = event.GetCursor(), nil, false
		if !yield(event, nil) {
			return true, false, nil
		}
		silent.Reset(silence)
	}
}

package operator

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
)

const (
	// maxRequests is how many requests are worked on at a time. A place is taken once the
	// body is there and given back before the answer is written, so that clients who send
	// or read slowly hold none.
	maxRequests = 64
	// maxOrders is how many orders are worked on at a time, on places of their own and each
	// for orderLimit at most: the gateway is asked about each, and one that hangs, or is
	// asked about jobs that nobody opened, keeps only orders out.
	maxOrders  = 16
	orderLimit = 10 * time.Second
	// maxArriving bounds what bodies that are on their way, or worked on, take in memory
	// together. A body is charged for what has come of it and not for what it announces:
	// one that trickles costs its sender a connection and us a few kilobytes.
	//
	// What is left to an attacker: who really sends half of that within each arriveLimit (1
	// MB a second), or holds 16,000 connections, keeps others from bringing orders and
	// records, who are told to come again; keys, outputs and evidence are served all the
	// while. Connections are not counted. Clients are told apart and limited at the edge
	// where TLS ends: here all come from its address.
	maxArriving = 64 << 20
	// firstPiece is what a body gets before anything of it has come; the next pieces double
	// what it has.
	firstPiece = 4 << 10
)

// arriving is the memory that bodies have together.
type arriving struct {
	mu   sync.Mutex
	most int
	held int
}

func (a *arriving) take(n int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n > a.most-a.held {
		return fault.New(fault.Overloaded, "too much is being brought at a time")
	}
	a.held += n
	return nil
}

func (a *arriving) free(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held -= n
}

// read reads a body of at most so many bytes. What it takes is held until done is called,
// which is never nil. Errors: fault.TooLarge, fault.Overloaded, fault.Malformed for one
// that was cut off or took too long.
func (a *arriving) read(from io.Reader, most int) (data []byte, done func(), err error) {
	held := 0
	done = func() { a.free(held) }
	for {
		if len(data) == held {
			// One more than may come, to see that nothing follows.
			room := min(max(firstPiece, 2*held), most+1)
			if err := a.take(room - held); err != nil {
				return nil, done, err
			}
			grown := make([]byte, len(data), room)
			copy(grown, data)
			data, held = grown, room
		}
		n, err := from.Read(data[len(data):held])
		data = data[:len(data)+n]
		switch {
		case len(data) > most:
			return nil, done, tooLarge(most)
		case errors.Is(err, io.EOF):
			return data, done, nil
		case err != nil:
			return nil, done, fault.New(fault.Malformed, "the body did not come whole")
		}
	}
}

func tooLarge(most int) error {
	return fault.New(fault.TooLarge, "the body has more than %d bytes", most)
}

// body reads a request of a media type. done gives the memory back and is never nil.
func (o *Operator) body(r *http.Request, media string, most int) (data []byte, done func(), err error) {
	done = func() {}
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != media {
		return nil, done, fault.New(fault.InvalidValue, "the body is %s", media)
	}
	if r.ContentLength > int64(most) {
		return nil, done, tooLarge(most)
	}
	return o.arriving.read(r.Body, most)
}

package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/tap"
)

const (
	// callLimit is how long a gRPC call may take from its first byte to the last one
	// of its answer; Events has no end.
	callLimit = 2 * time.Minute
	// arrivalLimit is how long a larger message may be on its way, as over REST.
	arrivalLimit = 30 * time.Second
	// smallMessage is what may come of each call without being counted: no more than
	// the call itself costs.
	smallMessage = callCost
	// maxArriving bounds what one connection may hold of messages that are not whole.
	maxArriving = maxHeld / 2
	// maxStreams is how many calls a connection may have at a time.
	maxStreams = 1000
)

// limited gives a call its end. It is called before anything of the call is read.
func limited(ctx context.Context, call *tap.Info) (context.Context, error) {
	var end context.CancelFunc
	if call.FullMethodName == killickv1.Killick_Events_FullMethodName {
		ctx, end = context.WithCancel(ctx)
	} else {
		ctx, end = context.WithTimeout(ctx, callLimit)
	}
	return context.WithValue(ctx, endOf{}, end), nil
}

// endOf is the key of what ends a call, even while it reads or sends.
type endOf struct{}

// metered counts what comes of gRPC messages before they are whole and our code sees
// them: gRPC itself keeps all that clients send.
type metered struct {
	credentials.TransportCredentials
	budget *budget
	log    *slog.Logger
}

// ServerHandshake returns a connection that counts.
func (m metered) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := m.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	return &arriving{Conn: conn, budget: m.budget, log: m.log, skip: len(clientPreface), parts: map[uint32]*part{}}, info, nil
}

// clientPreface is what a client's HTTP/2 connection begins with (RFC 9113 section
// 3.4); frames follow (section 4.1).
const clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

const (
	frameHead    = 9
	frameData    = 0x0
	frameHeaders = 0x1
	frameReset   = 0x3
	flagEnd      = 0x1 // of data and headers: nothing more comes on the stream
)

// arriving is a connection that ends when too much has come of messages that are not
// whole, or when one takes too long.
type arriving struct {
	net.Conn
	budget *budget
	log    *slog.Logger

	mu     sync.Mutex
	closed bool
	skip   int // bytes until the next frame's head
	head   [frameHead]byte
	got    int // of head
	parts  map[uint32]*part
	held   int64 // of the budget
}

// part is what came of a message.
type part struct {
	size int64
	late *time.Timer // of larger ones, which are counted
}

// Read reads, and fails when the connection holds too much.
func (c *arriving) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	over := c.scan(b[:n])
	c.mu.Unlock()
	if over != nil {
		c.log.Warn("connection ends", "peer", c.RemoteAddr().String(), "error", over)
		return 0, over
	}
	return n, err
}

// Close closes the connection and gives back what it holds.
func (c *arriving) Close() error {
	c.mu.Lock()
	c.closed = true
	for id := range c.parts {
		c.whole(id)
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

// scan reads frames' heads from what came.
func (c *arriving) scan(b []byte) error {
	if c.closed {
		return nil
	}
	for len(b) > 0 {
		if c.skip > 0 {
			n := min(c.skip, len(b))
			c.skip, b = c.skip-n, b[n:]
			continue
		}
		n := copy(c.head[c.got:], b)
		c.got, b = c.got+n, b[n:]
		if c.got < frameHead {
			return nil
		}
		h := c.head
		c.got, c.skip = 0, int(h[0])<<16|int(h[1])<<8|int(h[2])
		stream := (uint32(h[5])<<24 | uint32(h[6])<<16 | uint32(h[7])<<8 | uint32(h[8])) & 0x7fffffff
		switch kind, end := h[3], h[4]&flagEnd != 0; {
		case kind == frameReset, end && (kind == frameData || kind == frameHeaders):
			c.whole(stream)
		case kind == frameData:
			if err := c.grow(stream, int64(c.skip)); err != nil {
				return err
			}
		}
	}
	return nil
}

// grow counts more of a message.
func (c *arriving) grow(stream uint32, size int64) error {
	p := c.parts[stream]
	if p == nil {
		if len(c.parts) >= 2*maxStreams { // some of them are over for us and not for the client
			return errors.New("too many messages that are not whole")
		}
		p = new(part)
		c.parts[stream] = p
	}
	p.size += size
	if p.size <= smallMessage {
		return nil
	}
	if p.late == nil {
		size = p.size
	}
	if c.held+size > maxArriving || !c.budget.reserve(size) {
		p.size -= size
		return fmt.Errorf("%d bytes of messages that are not whole, and no room for more", c.held)
	}
	c.held += size
	if p.late == nil {
		p.late = time.AfterFunc(arrivalLimit, func() {
			c.log.Warn("connection ends", "peer", c.RemoteAddr().String(), "error", "a message is not whole after "+arrivalLimit.String())
			_ = c.Close() // whoever reads from it says so
		})
	}
	return nil
}

// whole ends a message: it is with the server now, which counts it with its call, or
// nobody waits for it any more.
func (c *arriving) whole(stream uint32) {
	p := c.parts[stream]
	if p == nil {
		return
	}
	delete(c.parts, stream)
	if p.late != nil {
		p.late.Stop()
		c.budget.free(p.size)
		c.held -= p.size
	}
}

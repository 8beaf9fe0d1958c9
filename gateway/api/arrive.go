package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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
	return &arriving{Conn: conn, budget: m.budget, log: m.log, in: frames{skip: len(clientPreface)}, parts: map[uint32]*part{}}, info, nil
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

// frames reads the heads of the frames that go one way.
type frames struct {
	skip int // bytes until the next frame's head
	head [frameHead]byte
	got  int // of head
}

// each calls do for each frame whose head ends in b, with the length of what follows.
func (f *frames) each(b []byte, do func(kind, flags byte, stream uint32, size int) error) error {
	for len(b) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(b))
			f.skip, b = f.skip-n, b[n:]
			continue
		}
		n := copy(f.head[f.got:], b)
		f.got, b = f.got+n, b[n:]
		if f.got < frameHead {
			return nil
		}
		h := f.head
		f.got, f.skip = 0, int(h[0])<<16|int(h[1])<<8|int(h[2])
		stream := (uint32(h[5])<<24 | uint32(h[6])<<16 | uint32(h[7])<<8 | uint32(h[8])) & 0x7fffffff
		if err := do(h[3], h[4], stream, f.skip); err != nil {
			return err
		}
	}
	return nil
}

// ends says that nothing more comes of a stream from that side.
func ends(kind, flags byte) bool {
	return kind == frameReset || flags&flagEnd != 0 && (kind == frameData || kind == frameHeaders)
}

// arriving is a connection that ends when too much has come of messages that are not
// whole, or when one takes too long.
type arriving struct {
	net.Conn
	budget *budget
	log    *slog.Logger

	mu      sync.Mutex
	closed  bool
	in, out frames
	parts   map[uint32]*part // of the streams on which the client has more to say
	held    int64            // of the budget
}

// part is what came of a message.
type part struct {
	size int64
	late *time.Timer // of larger ones, which are counted
	over bool        // the server has answered: what still comes is kept by nobody
}

// Read reads, and fails when the connection holds too much.
func (c *arriving) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	over := c.in.each(b[:n], c.came)
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

// came looks at a frame of the client.
func (c *arriving) came(kind, flags byte, stream uint32, size int) error {
	switch {
	case c.closed:
	case ends(kind, flags):
		c.whole(stream)
	case kind == frameHeaders:
		return c.begin(stream)
	case kind == frameData:
		return c.grow(stream, int64(size))
	}
	return nil
}

// Write writes, and learns which calls the server has ended.
func (c *arriving) Write(b []byte) (int, error) {
	c.mu.Lock()
	_ = c.out.each(b, func(kind, flags byte, stream uint32, _ int) error {
		if p := c.parts[stream]; p != nil && ends(kind, flags) {
			c.release(p)
			p.over = true
		}
		return nil
	})
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// begin opens a message. Clients need not end a call that the server has ended, so
// what is kept of those goes when there are too many.
func (c *arriving) begin(stream uint32) error {
	if len(c.parts) >= 2*maxStreams {
		maps.DeleteFunc(c.parts, func(_ uint32, p *part) bool { return p.over })
	}
	if len(c.parts) >= 2*maxStreams {
		return errors.New("too many messages that are not whole")
	}
	if c.parts[stream] == nil {
		c.parts[stream] = new(part)
	}
	return nil
}

// grow counts more of a message.
func (c *arriving) grow(stream uint32, size int64) error {
	p := c.parts[stream]
	if p == nil || p.over {
		return nil // of no call that gRPC has
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
	c.release(p)
}

// release gives back what is counted of a message.
func (c *arriving) release(p *part) {
	if p.late != nil {
		p.late.Stop()
		c.budget.free(p.size)
		c.held -= p.size
		p.late = nil
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/fabric"
)

// request is one transaction, or one request to the gateway, signed beforehand.
type request struct {
	function string
	args     [][]byte
	jws      []string // operations in compact form, for the gateway
}

// stream is a part of a load: requests in their order, and how many of them are
// in flight.
type stream struct {
	requests []request
	inFlight int
	pace     time.Duration // between two requests; 0: as fast as they go

	mu   sync.Mutex
	sent int
}

func (s *stream) next() (request, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent == len(s.requests) {
		return request{}, false
	}
	s.sent++
	return s.requests[s.sent-1], true
}

// act takes one request to its receipt; its latency counts from begun.
type act func(ctx context.Context, m *meter, q request, begun time.Time) error

// drained is how long the rest of a load may take after the last block that
// counts.
const drained = time.Minute

// grace is how long after the window a last block may come before the load ends
// without it.
const grace = 10 * time.Second

// afterFailure is the pause of a worker whose request failed.
const afterFailure = 100 * time.Millisecond

// warmUp is how long a load runs before it is measured.
const warmUp = 1500 * time.Millisecond

// drive runs a load and measures it.
func drive(ctx context.Context, c *cluster.Cluster, client *fabric.Client, s spec, window time.Duration, do act, streams ...*stream) row {
	r := row{spec: s}
	ctx, cancel := context.WithTimeout(ctx, warmUp+window+drained)
	defer cancel()
	height, err := client.Height(ctx)
	if err != nil {
		r.err = err
		return r
	}
	list := programs(c)
	resetPeaks(list)
	m := newMeter(list, warmUp, window)
	following, stop := context.WithCancel(ctx)
	follow := make(chan error, 1)
	go func() {
		err := m.follow(following, client, height)
		if following.Err() == nil {
			cancel() // nothing would end the load
		}
		follow <- err
	}()
	b := newBalance(len(streams), m.done, ctx.Done())
	var all sync.WaitGroup
	var mu sync.Mutex
	var behind error
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() == nil {
			r.failed, r.failure = r.failed+1, err
		}
	}
	for i, st := range streams {
		if st.pace > 0 {
			all.Go(func() {
				if err := paced(ctx, m, st, do, fail); err != nil {
					mu.Lock()
					defer mu.Unlock()
					behind = err
				}
			})
			continue
		}
		for range st.inFlight {
			all.Go(func() {
				for !m.over() && time.Now().Before(m.end.Add(grace)) && ctx.Err() == nil && b.wait(i) {
					q, ok := st.next()
					if !ok {
						b.end()
						return
					}
					if err := do(ctx, m, q, time.Now()); err != nil {
						fail(err)
						time.Sleep(afterFailure)
					}
				}
			})
		}
	}
	all.Wait()
	ended := ctx.Err() // of the load itself
	stop()
	if err := <-follow; err != nil && !errors.Is(err, context.Canceled) {
		r.err = fmt.Errorf("follow blocks: %w", err)
		return r
	}
	r.memory = peaks(list)
	if r.err = m.result(&r); r.err == nil {
		r.err = r.check(window)
	}
	if r.err == nil {
		r.err = behind
	}
	if r.err != nil && ended != nil {
		r.err = fmt.Errorf("%w: %w", ended, r.err)
	}
	return r
}

// mostLate is how many paced requests may be under way before the load counts as
// more than the network takes.
const mostLate = 100

// errBehind is a paced load that the network does not take.
var errBehind = fmt.Errorf("%d requests are under way at this pace", mostLate)

// paced sends requests at fixed times, whatever became of those before. Latencies
// count from those times, so a network that falls behind cannot hide it. It returns
// errBehind when it gave up.
func paced(ctx context.Context, m *meter, st *stream, do act, fail func(error)) error {
	var all sync.WaitGroup
	defer all.Wait()
	places := make(chan struct{}, mostLate)
	for due := time.Now(); !m.over() && due.Before(m.end.Add(grace)) && ctx.Err() == nil; due = due.Add(st.pace) {
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return nil
		}
		select {
		case places <- struct{}{}:
		default:
			return errBehind
		}
		q, ok := st.next()
		if !ok {
			return nil
		}
		all.Go(func() {
			if err := do(ctx, m, q, due); err != nil {
				fail(err)
			}
			<-places
		})
	}
	return nil
}

// balance keeps streams side by side: none gets more than two requests ahead of
// the slowest.
type balance struct {
	mu    sync.Mutex
	turn  *sync.Cond
	begun []int
	ended bool
}

const ahead = 2

func newBalance(streams int, ends ...<-chan struct{}) *balance {
	b := &balance{begun: make([]int, streams)}
	b.turn = sync.NewCond(&b.mu)
	for _, end := range ends {
		go func() {
			<-end
			b.end()
		}()
	}
	return b
}

func (b *balance) end() {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.turn.Broadcast()
}

// wait waits until stream i may send its next request; false: it is over.
func (b *balance) wait(i int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.ended && !b.mayBegin(i) {
		b.turn.Wait()
	}
	if b.ended {
		return false
	}
	b.begun[i]++
	b.turn.Broadcast()
	return true
}

func (b *balance) mayBegin(i int) bool {
	for _, n := range b.begun {
		if b.begun[i]-n >= ahead {
			return false
		}
	}
	return true
}

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
	"google.golang.org/protobuf/proto"
)

// meter follows the ledger during a row. It measures from the first block after
// the warm-up, which it does not count, to the last block that it counts, so that
// neither filling nor emptying the pipeline is in the result, and rate and CPU
// time are of the same interval.
type meter struct {
	programs []program
	begin    time.Time // end of the warm-up
	end      time.Time // the first block after it is the last that counts, if they are not few

	mu        sync.Mutex
	tickets   map[string]ticket // by transaction id
	open      bool
	closed    bool
	from, to  time.Time
	first     usage
	last      usage
	count     count
	all       int // operations that took effect since the beginning of the load
	blocks    int // that count
	latencies []time.Duration
	done      chan struct{} // closed when the last block is counted
}

// A load that fills few blocks is measured for patience longer, until there are
// fewBlocks: rates and CPU times are those between two blocks.
const (
	fewBlocks = 5
	patience  = 5 * time.Second
)

// ticket follows one transaction until its block.
type ticket struct {
	begun time.Time
	done  chan struct{}
}

func newMeter(list []program, warm, window time.Duration) *meter {
	now := time.Now()
	return &meter{
		programs: list, begin: now.Add(warm), end: now.Add(warm + window),
		tickets: map[string]ticket{}, done: make(chan struct{}),
	}
}

// follow takes blocks in until ctx ends.
func (m *meter) follow(ctx context.Context, client *fabric.Client, from uint64) error {
	for raw, err := range client.Blocks(ctx, from) {
		if err != nil {
			return err
		}
		b, size, err := decode(raw)
		if err != nil {
			return err
		}
		if err := m.take(b, size, time.Now()); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func decode(raw *common.Block) (*block.Block, int, error) {
	data, err := proto.Marshal(raw)
	if err != nil {
		return nil, 0, err
	}
	b, err := block.Decode(data)
	return b, len(data), err
}

// take counts one block.
func (m *meter) take(b *block.Block, size int, now time.Time) error {
	c, err := tally(b, size)
	if err != nil {
		return fmt.Errorf("block %d: %w", b.Number, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all += c.valid
	counts := m.open && !m.closed && (c.valid+c.refused+c.void > 0)
	for _, tx := range b.Txs {
		if t, ok := m.tickets[tx.ID]; ok {
			delete(m.tickets, tx.ID)
			close(t.done)
			if counts && tx.Code == block.CodeValid {
				m.latencies = append(m.latencies, now.Sub(t.begun))
			}
		}
	}
	if c.valid+c.refused+c.void == 0 || m.closed || now.Before(m.begin) {
		return nil
	}
	used, err := cpuOf(m.programs)
	if err != nil {
		return err
	}
	if !m.open {
		m.open, m.from, m.to, m.first, m.last = true, now, now, used, used
		return nil
	}
	m.count.add(c)
	m.to, m.last, m.blocks = now, used, m.blocks+1
	if late := now.Sub(m.end); late >= 0 && m.blocks >= fewBlocks || late >= patience {
		m.closed = true
		close(m.done)
	}
	return nil
}

// tally counts the operations of one block.
func tally(b *block.Block, size int) (count, error) {
	var c count
	for _, tx := range b.Txs {
		if tx.Type != block.TypeEndorser || tx.Chaincode != topology.Chaincode || len(tx.Args) == 0 {
			continue
		}
		if tx.Code != block.CodeValid {
			c.void++
			continue
		}
		if string(tx.Args[0]) != "ops:Batch" {
			c.valid++
		} else {
			items, err := ops.DecodeFrame(tx.Args[1])
			if err != nil {
				return c, err
			}
			if len(items) != len(tx.Response) {
				return c, fmt.Errorf("transaction %s has %d operations and %d results", tx.ID, len(items), len(tx.Response))
			}
			for _, code := range tx.Response {
				if code == 0 {
					c.valid++
				} else {
					c.refused++
				}
			}
		}
		c.writes += len(tx.Writes)
		for _, w := range tx.Writes {
			c.writeBytes += len(w.Key) + len(w.Value)
		}
	}
	if c.valid+c.refused+c.void > 0 {
		c.blockBytes = size
	}
	return c, nil
}

func (c *count) add(d count) {
	c.valid += d.valid
	c.refused += d.refused
	c.void += d.void
	c.writes += d.writes
	c.writeBytes += d.writeBytes
	c.blockBytes += d.blockBytes
}

// arrived notes the latency of a request that ended inside the interval.
func (m *meter) arrived(begun time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open && !m.closed {
		m.latencies = append(m.latencies, time.Since(begun))
	}
}

// over says that the last block has been counted.
func (m *meter) over() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// result fills a row.
func (m *meter) result(r *row) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open || !m.to.After(m.from) {
		return errors.New("fewer than two blocks with operations came after the warm-up")
	}
	r.count, r.window, r.latencies, r.cpu = m.count, m.to.Sub(m.from), m.latencies, m.last.since(m.first)
	r.all = m.all
	r.finish()
	return nil
}

// errNoBlock is a transaction that was handed over and is in no block.
var errNoBlock = errors.New("no block within 30 seconds")

// one takes a transaction from proposal to its block. Its latency counts from
// begun.
func (m *meter) one(ctx context.Context, client *fabric.Client, q request, begun time.Time) error {
	tx, err := client.Prepare(q.function, q.args...)
	if err != nil {
		return err
	}
	t := ticket{begun: begun, done: make(chan struct{})}
	m.mu.Lock()
	m.tickets[tx.ID()] = t
	m.mu.Unlock()
	forget := func() {
		m.mu.Lock()
		delete(m.tickets, tx.ID())
		m.mu.Unlock()
	}
	if err := tx.Endorse(ctx); err != nil {
		forget()
		return err
	}
	if err := tx.Submit(ctx); err != nil {
		forget()
		return err
	}
	select {
	case <-t.done:
		return nil
	case <-time.After(30 * time.Second):
		forget()
		return errNoBlock
	case <-ctx.Done():
		return ctx.Err()
	}
}

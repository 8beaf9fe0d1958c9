package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/fabric"
	"google.golang.org/protobuf/proto"
)

// request is one transaction of a load: function, argument, and how many
// operations it carries.
type request struct {
	function string
	args     [][]byte
	ops      int
}

// row is one line of the table.
type row struct {
	name       string
	batch      int
	inFlight   int
	window     time.Duration
	valid      int // operations that took effect inside the window
	invalid    int // operations that were refused or voided
	failed     int // transactions that found no endorsement or no orderer
	latencies  []time.Duration
	cpu        map[string]time.Duration // by kind of program, the load generator's included
	memory     map[string]uint64
	blockBytes int
}

func (r row) perSecond() float64 { return float64(r.valid) / r.window.Seconds() }

func (r row) percentile(p float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	slices.Sort(r.latencies)
	return r.latencies[int(p*float64(len(r.latencies)-1))]
}

// ticket follows one transaction until its block.
type ticket struct {
	begun time.Time
	ops   int
	done  chan struct{}
}

// load runs requests from next, inFlight at a time, for the window, and counts
// what committed blocks say of them.
func load(ctx context.Context, c *cluster.Cluster, client *fabric.Client, name string, batch, inFlight int, window time.Duration, next func() (request, bool)) (row, error) {
	r := row{name: name, batch: batch, inFlight: inFlight, window: window}
	height, err := client.Height(ctx)
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex // guards r and tickets
	tickets := map[string]ticket{}
	counting := true
	follow := make(chan error, 1)
	go func() {
		follow <- blocks(ctx, client, height, func(b *block.Block, size int) {
			mu.Lock()
			defer mu.Unlock()
			for _, tx := range b.Txs {
				t, ok := tickets[tx.ID]
				if !ok {
					continue
				}
				delete(tickets, tx.ID)
				close(t.done)
				if !counting {
					continue
				}
				good := accepted(tx, t.ops)
				r.valid += good
				r.invalid += t.ops - good
				r.latencies = append(r.latencies, time.Since(t.begun))
				r.blockBytes += size / len(b.Txs)
			}
		})
	}()
	cpu, err := cpuOf(c)
	if err != nil {
		return r, err
	}
	end := time.Now().Add(window)
	var workers sync.WaitGroup
	var source sync.Mutex
	for range inFlight {
		workers.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				source.Lock()
				q, ok := next()
				source.Unlock()
				if !ok {
					return
				}
				if err := one(ctx, client, q, &mu, tickets); err != nil {
					mu.Lock()
					r.failed++
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	mu.Lock()
	counting = false
	mu.Unlock()
	after, err := cpuOf(c)
	if err != nil {
		return r, err
	}
	r.cpu = map[string]time.Duration{}
	for kind := range after {
		r.cpu[kind] = after[kind] - cpu[kind]
	}
	r.window = window + time.Since(end)
	r.memory = c.Memory()
	cancel()
	<-follow
	fmt.Fprintf(os.Stderr, "  %-28s batch %4d, %3d in flight: %6.0f valid/s, %d invalid, %d failed\n", name, batch, inFlight, r.perSecond(), r.invalid, r.failed)
	return r, nil
}

// one takes a transaction from proposal to its block.
func one(ctx context.Context, client *fabric.Client, q request, mu *sync.Mutex, tickets map[string]ticket) error {
	tx, err := client.Prepare(q.function, q.args...)
	if err != nil {
		return err
	}
	t := ticket{begun: time.Now(), ops: q.ops, done: make(chan struct{})}
	mu.Lock()
	tickets[tx.ID()] = t
	mu.Unlock()
	forget := func() {
		mu.Lock()
		delete(tickets, tx.ID())
		mu.Unlock()
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
		return errors.New("no block within 30 seconds")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// accepted counts the operations of a transaction that took effect: all or none
// of a plain one, the zero bytes of a batch's response.
func accepted(tx block.Tx, ops int) int {
	if tx.Code != block.CodeValid {
		return 0
	}
	if len(tx.Response) != ops {
		return ops // the baseline returns nothing
	}
	n := 0
	for _, code := range tx.Response {
		if code == 0 {
			n++
		}
	}
	return n
}

func blocks(ctx context.Context, client *fabric.Client, from uint64, each func(*block.Block, int)) error {
	for raw, err := range client.Blocks(ctx, from) {
		if err != nil {
			return err
		}
		b, size, err := decode(raw)
		if err != nil {
			return err
		}
		each(b, size)
	}
	return nil
}

func decode(raw *common.Block) (*block.Block, int, error) {
	data, err := proto.Marshal(raw)
	if err != nil {
		return nil, 0, err
	}
	b, err := block.Decode(data)
	return b, len(data), err
}

// cpuOf is the CPU time that the network's processes and this one have used, by
// kind of program.
func cpuOf(c *cluster.Cluster) (map[string]time.Duration, error) {
	used := map[string]time.Duration{}
	add := func(kind string, pid int) error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return err
		}
		// The name in brackets may hold blanks; fields are counted behind it.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, f := range fields[11:13] { // utime, stime in ticks of 10 ms
			ticks, err := strconv.Atoi(f)
			if err != nil {
				return err
			}
			used[kind] += time.Duration(ticks) * 10 * time.Millisecond
		}
		return nil
	}
	if err := add("load generator", os.Getpid()); err != nil {
		return nil, err
	}
	for _, p := range c.Processes() {
		kind, _, _ := strings.Cut(p.Name, ".")
		if !p.Alive {
			continue
		}
		if err := add(kind, p.PID); err != nil {
			return nil, err
		}
	}
	return used, nil
}

// cpuPerOp is the CPU time of all programs for one valid operation, in
// milliseconds.
func (r row) cpuPerOp() float64 {
	total := time.Duration(0)
	for _, d := range r.cpu {
		total += d
	}
	return total.Seconds() * 1000 / float64(max(r.valid, 1))
}

// machine describes what the run ran on.
func machine() string {
	model := "unknown CPU"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				model = strings.TrimSpace(strings.TrimLeft(name, " \t:"))
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s, %s", model, runtime.NumCPU(), runtime.GOOS, runtime.Version())
}

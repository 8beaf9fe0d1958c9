package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// fullQueue is the load that fills a gateway's queue while the chaincode services
// stand still, and measures the gateway's memory. Its gateway is ended with the
// queue full.
const fullQueue = "full queue"

// queueSize is how many operations a gateway holds at most.
const queueSize = 100_000

func (r *results) fillQueue(ctx context.Context, n *network, b *bank, s spec) (got row) {
	got = row{spec: s}
	streams, err := b.signLoad(spec{load: records, algorithm: s.algorithm, batch: s.batch, gateway: true}, queueSize)
	if err != nil {
		got.err = err
		return got
	}
	release, err := n.pause("chaincode")
	defer func() {
		got.err = errors.Join(got.err, n.killGateway(), release())
	}()
	if err != nil {
		got.err = err
		return got
	}
	list := programs(n.Cluster)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	// The client of partners waits where a gateway is full; here that is the end.
	conn, err := grpc.NewClient(n.GatewayAddress(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		got.err = err
		return got
	}
	defer conn.Close()
	api, wait := killickv1.NewKillickClient(conn), false
	begun := time.Now()
	var taken atomic.Int64
	var g errgroup.Group
	for range 4 {
		g.Go(func() error {
			for {
				q, ok := streams[0].next()
				if !ok {
					return nil
				}
				answer, err := api.SubmitBatch(ctx, &killickv1.SubmitBatchRequest{Operations: q.jws, Wait: &wait})
				if err != nil {
					return err
				}
				for _, o := range answer.GetOperations() {
					if o.GetState() == "pending" {
						taken.Add(1)
					}
				}
			}
		})
	}
	got.err = g.Wait()
	got.window = time.Since(begun)
	pending, err := n.pending(ctx)
	got.err = errors.Join(got.err, err)
	got.pending, got.memory = pending, peaks(list)
	if got.err == nil && pending < queueSize*95/100 {
		got.err = fmt.Errorf("the gateway holds %d of %d operations that it was sent, and took %d", pending, queueSize, taken.Load())
	}
	return got
}

// pause stops all processes of a kind until release is called.
func (n *network) pause(kind string) (release func() error, err error) {
	var stopped []int
	for _, p := range n.Processes() {
		if strings.HasPrefix(p.Name, kind+".") && p.Alive {
			err = errors.Join(err, syscall.Kill(p.PID, syscall.SIGSTOP))
			stopped = append(stopped, p.PID)
		}
	}
	return func() error {
		var errs []error
		for _, pid := range stopped {
			errs = append(errs, syscall.Kill(pid, syscall.SIGCONT))
		}
		return errors.Join(errs...)
	}, err
}

// pending is how many operations the gateway says are not final.
func (n *network) pending(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.GatewayURL()+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "killick_operations_pending "); ok {
			f, err := strconv.ParseFloat(value, 64)
			return int(f), err
		}
	}
	return 0, errors.Join(lines.Err(), errors.New("the gateway does not say how many operations are pending"))
}

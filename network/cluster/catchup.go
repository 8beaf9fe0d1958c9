package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/killick-ledger/killick/network/topology"
)

// stuckAfter is how long an orderer may stay at one height while others are ahead.
const stuckAfter = time.Minute

const (
	// inStep is how often in a row orderers must be found within a block of each other.
	inStep = 3
	// inStepWithin bounds the wait for that: under a load that fills the machine it may
	// not come, and the network works all the same.
	inStepWithin = 20 * time.Second
)

// orderersCatchUp waits until every orderer is as far as the furthest was at first,
// and then, under SmartBFT, until they go in step. One that was started again counts
// for nothing until then: if the leader failed meanwhile, too few would be left to
// choose another, and up would have said that all is well.
func (c *Cluster) orderersCatchUp(ctx context.Context) error {
	var nodes []topology.Node
	for _, o := range c.Orgs() {
		nodes = append(nodes, o.Orderers()...)
	}
	heights := make([]uint64, len(nodes))
	for i, n := range nodes {
		if err := c.ready(ctx, n.Name, func() (err error) {
			heights[i], err = ordererHeight(ctx, n, c.Channel)
			return err
		}); err != nil {
			return err
		}
	}
	target := slices.Max(heights)
	for i, n := range nodes {
		moved := time.Now()
		for heights[i] < target {
			select {
			case <-time.After(againAfter):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			now, err := ordererHeight(ctx, n, c.Channel)
			if err == nil && now > heights[i] {
				heights[i], moved = now, time.Now()
			}
			if time.Since(moved) > stuckAfter {
				return fmt.Errorf("%s stays at %d blocks while others have %d (%v); its log is %s", n.Name, heights[i], target, err, c.procs.logFile(n.Name))
			}
		}
	}
	if c.Ordering == topology.SmartBFT {
		return c.orderersInStep(ctx, nodes)
	}
	return nil
}

// orderersInStep waits until no orderer is more than a block behind, some times in a
// row. What one that is two or more behind says in a change of leaders does not
// count, and fetching blocks from others it may stay so for as long as they order
// faster than it fetches.
func (c *Cluster) orderersInStep(ctx context.Context, nodes []topology.Node) error {
	deadline := time.Now().Add(inStepWithin)
	for good := 0; good < inStep && time.Now().Before(deadline); {
		select {
		case <-time.After(againAfter):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		heights := make([]uint64, len(nodes))
		var all sync.WaitGroup
		for i, n := range nodes {
			all.Go(func() {
				if h, err := ordererHeight(ctx, n, c.Channel); err == nil {
					heights[i] = h
				}
			})
		}
		all.Wait()
		// A channel has a block from the start: 0 is one that does not answer.
		if lowest := slices.Min(heights); lowest > 0 && slices.Max(heights)-lowest <= 1 {
			good++
		} else {
			good = 0
		}
	}
	return nil
}

// ordererHeight asks an orderer's channel participation service for its number of
// blocks.
func ordererHeight(ctx context.Context, n topology.Node, channel string) (uint64, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(n.TLS, "server.crt"), filepath.Join(n.TLS, "server.key"))
	if err != nil {
		return 0, err
	}
	pem, err := os.ReadFile(filepath.Join(n.TLS, "ca.crt"))
	if err != nil {
		return 0, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.AdminURL()+"/participation/v1/channels/"+channel, nil)
	if err != nil {
		return 0, err
	}
	client := http.Client{Transport: transport, Timeout: 2 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s answers %s about the channel", n.Name, response.Status)
	}
	var info struct {
		Height uint64 `json:"height"`
	}
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil {
		return 0, fmt.Errorf("%s: %w", n.Name, err)
	}
	return info.Height, nil
}

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// inFlightAll is how many transactions are in flight, whatever number of channels
// they are on.
const inFlightAll = 8

// checkChannels refuses numbers of channels that what is in flight cannot be shared
// among in equal parts.
func (s settings) checkChannels() error {
	if s.channels < 0 || s.channels > inFlightAll || s.channels > 0 && inFlightAll%s.channels != 0 {
		return fmt.Errorf("-channels %d: the limit is %d, and 1, 2, 4 and %d are taken: all channels share %d transactions in flight", s.channels, inFlightAll, inFlightAll, inFlightAll)
	}
	return nil
}

// channels measures records and transfers on one channel, and on so many of the same
// peers and orderers at once with as many transactions in flight in all.
func channels(ctx context.Context, s settings, c consortium) error {
	first, err := start(ctx, s.bin, "", c)
	if err != nil {
		return err
	}
	defer first.stop()
	networks := []*network{first}
	for len(networks) < s.channels {
		n, err := first.channel(ctx, fmt.Sprintf("line%d", len(networks)+1))
		if err != nil {
			return err
		}
		defer n.client.Close()
		networks = append(networks, n)
	}
	var banks []*bank
	for _, n := range networks {
		b, err := openBank(ctx, n, []string{edDSA}, s.accounts)
		if err != nil {
			return err
		}
		banks = append(banks, b)
	}
	fmt.Printf("\n%s, batches of 500, %d in flight in all:\n\n| load | channels | valid/s, all | p99 ms | CPU us/op | peer us/op | orderer us/op | peer MB | orderer MB |\n|---|---|---|---|---|---|---|---|---|\n", c, inFlightAll)
	for _, load := range []string{records, transfers} {
		for _, k := range slices.Compact([]int{1, s.channels, 1}) {
			rows, err := together(ctx, s, networks[:k], banks[:k], spec{consortium: c, load: load, algorithm: edDSA, accounts: s.accounts, batch: 500, inFlight: inFlightAll / k})
			if err != nil {
				return fmt.Errorf("%s on %d channels: %w", load, k, err)
			}
			printTogether(load, rows)
		}
	}
	return nil
}

// channel opens another channel on the network's peers and orderers, with a ledger
// of its own.
func (n *network) channel(ctx context.Context, name string) (*network, error) {
	o := n.options
	o.Consortium.Channel = name
	o.Parts = cluster.Fabric | cluster.Chaincode
	added := &network{consortium: n.consortium, options: o}
	var err error
	if added.Cluster, err = cluster.Open(o); err != nil {
		return nil, err
	}
	// A ledger is named after its channel.
	added.Network = name + n.Network[strings.LastIndexByte(n.Network, '-'):]
	if err := added.Ensure(ctx); err != nil {
		return nil, fmt.Errorf("channel %s: %w", name, err)
	}
	added.client, err = fabric.Connect(added.Client(0, topology.Admin))
	return added, err
}

// together measures the load on all networks at the same time.
func together(ctx context.Context, s settings, networks []*network, banks []*bank, p spec) ([]row, error) {
	streams := make([][]*stream, len(networks))
	for i := range networks {
		var err error
		if streams[i], err = banks[i].signLoad(p, p.queued(warmUp, s.window, 0)/len(networks)); err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
	}
	rows := make([]row, len(networks))
	var all sync.WaitGroup
	for i, n := range networks {
		all.Go(func() { rows[i] = drive(ctx, n.Cluster, n.client, p, s.window, direct(n), streams[i]...) })
	}
	all.Wait()
	for _, r := range rows {
		if r.err != nil {
			return nil, r.err
		}
	}
	return rows, nil
}

// printTogether prints what rows of the same interval say together. Each has the CPU
// time of all programs; the intervals differ by a block, so what counts is time for
// each second.
func printTogether(load string, rows []row) {
	perSecond, latest := 0.0, time.Duration(0)
	for _, r := range rows {
		perSecond += r.perSecond()
		latest = max(latest, r.percentile(.99))
	}
	first := rows[0]
	cpu := func(d time.Duration) float64 { return float64(d.Microseconds()) / first.window.Seconds() / perSecond }
	fmt.Printf("| %s | %d | %.0f | %d | %.0f | %.0f | %.0f | %d | %d |\n", load, len(rows), perSecond, latest.Milliseconds(),
		cpu(first.cpu.total()), cpu(first.cpu["peer"]), cpu(first.cpu["orderer"]), largest(first.memory, "peer")>>20, largest(first.memory, "orderer")>>20)
}

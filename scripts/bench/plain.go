package main

import (
	"context"
	"math/rand/v2"
	"strconv"

	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// measurePlain measures the baseline with several numbers of transactions in
// flight, so that its best is what batches are compared with.
func measurePlain(ctx context.Context, c *cluster.Cluster, s settings) ([]row, error) {
	client, err := fabric.Connect(c.Client(0, topology.Admin))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	number := func(n int) []byte { return []byte(strconv.Itoa(n)) }
	const chunk = 1000
	for first := 0; first < s.accounts; first += chunk {
		last := min(first+chunk, s.accounts)
		if _, err := client.Execute(ctx, "Mint", number(first), number(last), number(1_000_000)); err != nil {
			return nil, err
		}
	}
	var rows []row
	for _, inFlight := range []int{64, 256, 512} {
		r, err := load(ctx, c, client, "plain transfer", 1, inFlight, s.window, func() (request, bool) {
			from := rand.IntN(s.accounts)
			to := (from + 1 + rand.IntN(s.accounts-1)) % s.accounts
			return request{"Transfer", [][]byte{number(from), number(to), number(1)}, 1}, true
		})
		if err != nil {
			return rows, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

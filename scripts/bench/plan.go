package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The loads of ours.
const (
	records   = "records"
	transfers = "transfers"
	mixed     = "mixed"
)

// The loads of the baseline.
const (
	plainCreate   = "plain create"
	plainTransfer = "plain transfer"
)

// consortium is the network that a row runs on.
type consortium struct {
	ordering      string
	organisations int
	endorsements  int
	interval      time.Duration // after which a block is cut; 0: as topology has it
}

func (c consortium) String() string {
	text := fmt.Sprintf("%s, %d of %d", c.ordering, c.endorsements, c.organisations)
	if c.interval > 0 {
		text += fmt.Sprintf(", blocks of %s", c.interval)
	}
	return text
}

// spec says what one row measures.
type spec struct {
	consortium
	load      string
	plain     string // the baseline's load, the same as load; empty: ours
	algorithm string // of users' signatures
	accounts  int
	batch     int
	inFlight  int     // transactions, or requests to the gateway
	bad       int     // one operation in so many is bad; 0: none
	skew      bool    // one account in every second operation
	gateway   bool    // through killick-gateway
	pace      float64 // share of the highest rate of the same load at which batches are sent; 0: as fast as they go
	quick     bool    // part of a quick run
}

func (s spec) name() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", s.consortium, s.load)
	if s.plain != "" {
		fmt.Fprintf(&b, ", %d accounts", s.accounts)
	} else {
		fmt.Fprintf(&b, ", %s, batch %d", s.algorithm, s.batch)
	}
	if s.bad > 0 {
		fmt.Fprintf(&b, ", 1 in %d bad", s.bad)
	}
	if s.skew {
		b.WriteString(", skewed")
	}
	if s.gateway {
		b.WriteString(", gateway")
	}
	if s.pace > 0 {
		fmt.Fprintf(&b, ", paced at %.0f %%", s.pace*100)
	} else {
		fmt.Fprintf(&b, ", %d in flight", s.inFlight)
	}
	return b.String()
}

// queued is what is signed for a row at most: about as much as the fastest
// machine of the kind takes; when it runs dry the row is shorter.
func (s spec) queued(warm, window time.Duration, fastest float64) int {
	guess := 9000.0
	switch {
	case s.plain != "" || s.batch == 1:
		guess = 800
	case s.batch <= 10:
		guess = 4000
	}
	if fastest > 0 {
		guess = min(guess, max(1.5*fastest, 800))
	}
	return int(guess*(warm+window).Seconds()) + 2*s.batch*s.inFlight
}

// plan is the rows of a run, in the order in which they are measured and printed.
// Those that targets are about come first, on a ledger as young as the baseline's;
// what age does is measured by itself (-age).
func plan(networks []consortium, algorithms []string, accounts int) []spec {
	var rows []spec
	for _, n := range networks {
		for _, r := range slices.Concat(baselines(accounts), special(accounts), gatewayRows(accounts), singlyAndBatched(algorithms, accounts)) {
			r.consortium = n
			rows = append(rows, r)
		}
	}
	return rows
}

// fewAccounts is the number of accounts that make plain transfers conflict.
const fewAccounts = 100

func baselines(accounts int) []spec {
	row := func(load string, accounts, inFlight int, quick bool) spec {
		return spec{load: load, plain: load, accounts: accounts, batch: 1, inFlight: inFlight, quick: quick}
	}
	return []spec{
		row(plainCreate, accounts, 256, true), row(plainCreate, fewAccounts, 256, false),
		row(plainTransfer, accounts, 64, false), row(plainTransfer, accounts, 256, true),
		row(plainTransfer, fewAccounts, 16, false), row(plainTransfer, fewAccounts, 64, false),
	}
}

// gatewayRequests is how many requests of 500 operations are with the gateway at
// a time: twice what it has in flight, so that its batches are full.
const gatewayRequests = 8

func gatewayRows(accounts int) []spec {
	row := func(load string, skew, quick bool) spec {
		return spec{load: load, algorithm: edDSA, accounts: accounts, batch: 500, inFlight: gatewayRequests, gateway: true, skew: skew, quick: quick}
	}
	return []spec{
		row(records, false, true), row(transfers, false, true), row(transfers, true, true), row(mixed, false, false), row(mixed, true, false),
		row(fullQueue, false, false), // last: it ends the gateway
	}
}

// oneInHundred is the share of bad operations.
const oneInHundred = 100

func singlyAndBatched(algorithms []string, accounts int) []spec {
	var rows []spec
	for _, a := range algorithms {
		for _, load := range []string{records, transfers} {
			for _, shape := range []struct{ batch, inFlight int }{{1, 64}, {10, 32}, {100, 16}, {500, 8}, {1000, 4}} {
				rows = append(rows, spec{
					load: load, algorithm: a, accounts: accounts, batch: shape.batch, inFlight: shape.inFlight, bad: oneInHundred,
					quick: a == edDSA && shape.batch == 500,
				})
			}
		}
	}
	return rows
}

// special are the rows that targets are about besides: valid operations only, the
// mixed load, and a rate that leaves room.
func special(accounts int) []spec {
	row := func(load string) spec {
		return spec{load: load, algorithm: edDSA, accounts: accounts, batch: 500, inFlight: 8, quick: true}
	}
	var rows []spec
	for _, load := range []string{records, transfers} {
		fast, four, paced := row(load), row(load), row(load)
		four.inFlight = 4
		paced.pace, paced.inFlight = 0.7, 16
		rows = append(rows, fast, four, paced)
	}
	hundred := row(transfers)
	hundred.batch, hundred.inFlight = 100, 16 // as many as of those with bad ones among them
	rows = append(rows, hundred)
	for _, load := range []string{transfers, mixed} {
		even, skewed := row(load), row(load)
		even.quick, skewed.quick = false, false
		skewed.skew = true
		if load == mixed {
			rows = append(rows, even)
		}
		rows = append(rows, skewed)
	}
	return rows
}

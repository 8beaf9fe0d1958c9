// Command bench measures what the ledger does on this machine: plain contract-api
// transactions against batches of signed operations, with SmartBFT and with Raft,
// through network/fabric and through a gateway, and prints one table from one run
// with the targets beside it. Everything shares the machine, the load generator
// included; operations are signed before they are measured. docs/benchmarks.md
// explains the columns.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// settings are those of one run; they are printed with the table.
type settings struct {
	bin      string
	accounts int
	window   time.Duration // that each row is measured for
	limit    time.Duration // of the whole run; rows that it does not come to have failed
	out      string        // file in which the table is replaced
	write    bool
	quick    bool
	only     string
	ordering string
	orgs     string
	endorse  string
	latency  bool
	model    bool
	age      int
	soak     time.Duration
	rate     int
	channels int
}

func main() {
	s, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parse reads the flags. It has said what is wrong with them when it returns an error.
func parse(args []string) (s settings, err error) {
	var seconds float64
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.bin, "bin", ".killick/bin", "folder of the built programs, killick-plain among them")
	flags.IntVar(&s.accounts, "accounts", 10_000, "accounts of each signature algorithm")
	flags.Float64Var(&seconds, "seconds", 0, "how long each row is measured, after a warm-up of 1.5 s; 0: 7, with -quick 4, with -latency 20")
	flags.DurationVar(&s.limit, "limit", 30*time.Minute, "how long the table's run may take")
	flags.StringVar(&s.out, "out", "docs/benchmarks.md", "file in which a complete run replaces the table")
	flags.BoolVar(&s.write, "write", false, "replace the table in the file although the run is not the complete one")
	flags.BoolVar(&s.quick, "quick", false, "only the rows that targets are about, 4 s each (about 4 minutes)")
	flags.StringVar(&s.only, "only", "", "only rows whose name matches this regular expression; -only list prints the names")
	flags.StringVar(&s.ordering, "ordering", smartBFT+","+raft, "ordering services")
	flags.StringVar(&s.orgs, "orgs", "4", "numbers of organisations")
	flags.StringVar(&s.endorse, "endorse", "0", "numbers of endorsements; 0: f + 1 of the organisations")
	flags.BoolVar(&s.latency, "latency", false, "instead of the table: what lowers the latency with four batches in flight (smaller and fewer batches, blocks cut sooner), about 15 minutes; -only picks rows of it")
	flags.BoolVar(&s.model, "model", false, "instead of the table: what the model of the ceiling says of other networks, by this machine's primitives")
	flags.IntVar(&s.age, "age", 0, "instead of the table: the rate on a ledger before and after so many operations")
	flags.DurationVar(&s.soak, "soak", 0, "instead of the table: memory of every program under steady load through the gateway for so long")
	flags.IntVar(&s.rate, "rate", 1000, "operations a second of -soak")
	flags.IntVar(&s.channels, "channels", 0, "instead of the table: the rate on one channel and on so many (at most 8) of the same nodes at once")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	switch {
	case seconds > 0:
	case s.latency:
		seconds = latencyWindow.Seconds()
	case s.quick:
		seconds = 4
	default:
		seconds = 7
	}
	s.window = time.Duration(seconds * float64(time.Second))
	return s, nil
}

func run(ctx context.Context, s settings) error {
	if err := s.checkChannels(); err != nil {
		return err
	}
	networks, err := s.networks()
	if err != nil {
		return err
	}
	if s.bin, err = filepath.Abs(s.bin); err != nil {
		return err
	}
	switch {
	case s.model:
		fmt.Print(measurePrices().modelTable())
		return nil
	case s.age > 0:
		return each(ctx, networks, func(c consortium) error { return age(ctx, s, c) })
	case s.channels > 0:
		return each(ctx, networks, func(c consortium) error { return channels(ctx, s, c) })
	case s.soak > 0:
		return each(ctx, networks[:1], func(c consortium) error { return soak(ctx, s, c) })
	}
	all := plan(networks, algorithms, s.accounts)
	if s.latency {
		all = latencyPlan(networks, s.accounts)
	}
	rows, err := s.selected(all)
	if err != nil {
		return err
	}
	if s.only == "list" {
		for _, r := range rows {
			fmt.Println(r.name())
		}
		return nil
	}
	r := runAll(ctx, s, rows)
	return r.publish(ctx)
}

// each runs a measurement on one network after the other.
func each(ctx context.Context, networks []consortium, f func(consortium) error) error {
	for _, c := range networks {
		if err := f(c); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// networks are all combinations of the flags about them.
func (s settings) networks() ([]consortium, error) {
	numbers := func(list string) (out []int, err error) {
		for text := range strings.SplitSeq(list, ",") {
			n, err := strconv.Atoi(text)
			if err != nil {
				return nil, fmt.Errorf("%q is not a list of numbers", list)
			}
			out = append(out, n)
		}
		return out, nil
	}
	organisations, err := numbers(s.orgs)
	if err != nil {
		return nil, err
	}
	endorsements, err := numbers(s.endorse)
	if err != nil {
		return nil, err
	}
	var all []consortium
	for ordering := range strings.SplitSeq(s.ordering, ",") {
		for _, n := range organisations {
			for _, e := range endorsements {
				c := consortium{ordering: ordering, organisations: n, endorsements: e}
				d, err := c.describe()
				if err != nil {
					return nil, err
				}
				c.endorsements = d.Endorsements()
				all = append(all, c)
			}
		}
	}
	return all, nil
}

// selected are the rows that the flags ask for.
func (s settings) selected(rows []spec) ([]spec, error) {
	only := s.only
	if only == "list" {
		only = ""
	}
	match, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	var kept []spec
	for _, r := range rows {
		if match.MatchString(r.name()) && (r.quick || !s.quick) {
			kept = append(kept, r)
		}
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("no row's name matches %q; -only list prints all", s.only)
	}
	return kept, nil
}

// complete says that a run is one that docs/benchmarks.md shows.
func (s settings) complete() bool {
	least := 5 * time.Second
	if s.latency {
		least = latencyWindow
	}
	return !s.quick && s.only == "" && s.ordering == smartBFT+","+raft && s.orgs == "4" && s.endorse == "0" && s.window >= least
}

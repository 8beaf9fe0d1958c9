// Command conformance runs the W3C's suites against a gateway on a network of its own
// and says what passed. The suites are the user's clones (docs/conformance.md names
// them); nothing of them is here, and nothing is fetched.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
)

func main() {
	suites := flag.String("suites", "", "folder with the clones of the suites, each after npm install (required)")
	bin := flag.String("bin", ".killick/bin", "folder of the built programs")
	only := flag.String("only", "", "run the suites alone whose name has this text")
	keep := flag.String("keep", "", "folder to keep the network's logs and the gateway's in (default: none)")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: conformance -suites DIR [flags]\n\nExit code 0: nothing failed but what docs/conformance.md explains; 1: something did.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *suites == "" {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, *bin, *suites, *only, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, suites, only, dir string) (err error) {
	for _, path := range []*string{&bin, &suites} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "killick-conformance-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	} else if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	s := &subject{bin: bin, dir: dir, suites: suites}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.start(ctx); err != nil {
		return err
	}
	var outcomes []*outcome
	for _, suite := range all {
		if !strings.Contains(suite.name, only) {
			continue
		}
		o, err := s.measure(ctx, suite)
		if err != nil {
			return fmt.Errorf("%s: %w", suite.name, err)
		}
		outcomes = append(outcomes, o)
	}
	if len(outcomes) == 0 {
		return fmt.Errorf("no suite has %q in its name", only)
	}
	return report(outcomes)
}

// report prints what came out, and is an error when something failed that no one has
// explained, or an explained failure is none any more.
func report(outcomes []*outcome) error {
	var unexplained int
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "suite\tpassed\tfailed\tof these explained\tskipped")
	for _, o := range outcomes {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", o.suite.name, o.passed, len(o.failed), len(o.failed)-len(o.unexplained()), o.skipped)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, o := range outcomes {
		for _, title := range o.unexplained() {
			unexplained++
			fmt.Printf("\n%s: %s\n  %s\n", o.suite.name, title, o.failed[title])
		}
		for title := range o.suite.explained {
			if _, ok := o.failed[title]; !ok {
				unexplained++
				fmt.Printf("\n%s: %s\n  no longer fails: take it out of the list and of docs/conformance.md\n", o.suite.name, title)
			}
		}
	}
	if unexplained > 0 {
		return fmt.Errorf("%d outcomes are not as docs/conformance.md says", unexplained)
	}
	return nil
}

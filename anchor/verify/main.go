// Command killick-verify checks a bundle against a pinned policy and public
// chains. It trusts no member, no partner and no server of the consortium: it
// needs the file, the policy and RPC endpoints, and nothing else. It holds no
// keys and writes nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
)

// Exit codes. Nothing but exitVerified means that the claim holds.
const (
	exitVerified = 0
	exitInvalid  = 2
	exitPartly   = 3
)

const usage = `usage: killick-verify BUNDLE --policy FILE [--evm URL]... [--tron URL]... [--json] [--offline]

Checks a .anchorproof file down from the public chains of the policy to one write.
Give --evm and --tron a JSON-RPC endpoint each (Tron's is .../jsonrpc); given
several times, all that answer must agree.

exit 0: verified   2: invalid   3: not fully checked (a chain was not read)
`

type urls []string

func (u *urls) String() string     { return fmt.Sprint(*u) }
func (u *urls) Set(s string) error { *u = append(*u, s); return nil }

// options are the command line.
type options struct {
	bundle, policy string
	evm, tron      urls
	json, offline  bool
	timeout        time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitVerified
	}
	if err != nil {
		fmt.Fprintf(stderr, "killick-verify: %v\n", err)
		return exitPartly
	}
	data, err := readFile(o.bundle, log.MaxBundle)
	if err != nil {
		fmt.Fprintf(stderr, "killick-verify: %v\n", err)
		return exitPartly
	}
	text, err := readFile(o.policy, log.MaxBundle)
	if err != nil {
		fmt.Fprintf(stderr, "killick-verify: %v\n", err)
		return exitPartly
	}
	policy, err := log.ParsePolicy(text)
	if err != nil {
		fmt.Fprintf(stderr, "killick-verify: %v\n", err)
		return exitPartly
	}
	f := examine(ctx, data, policy, o)
	if o.json {
		err = f.writeJSON(stdout)
	} else {
		err = f.writeText(stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "killick-verify: write the finding: %v\n", err)
		return exitPartly
	}
	return f.Exit
}

// parse reads flags before and after the bundle's name.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("killick-verify", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(stderr, usage); fs.PrintDefaults() }
	fs.StringVar(&o.policy, "policy", "", "policy `file`: log, members, contracts")
	fs.Var(&o.evm, "evm", "JSON-RPC `URL` of an EVM chain of the policy (may be repeated)")
	fs.Var(&o.tron, "tron", "JSON-RPC `URL` of Tron (may be repeated)")
	fs.BoolVar(&o.json, "json", false, "print the finding as JSON")
	fs.BoolVar(&o.offline, "offline", false, "read no chain; then nothing is verified, only signatures and paths are checked")
	fs.DurationVar(&o.timeout, "timeout", 30*time.Second, "give up on an endpoint after this `time`")
	var names []string
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return o, err
		}
		if args = fs.Args(); len(args) > 0 {
			names, args = append(names, args[0]), args[1:]
		}
	}
	if len(names) != 1 || o.policy == "" {
		return o, errors.New("want one BUNDLE and --policy FILE (--help says more)")
	}
	if o.offline && len(o.evm)+len(o.tron) > 0 {
		return o, errors.New("--offline reads no chain: leave out --evm and --tron")
	}
	o.bundle = names[0]
	return o, nil
}

func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return data, err
}

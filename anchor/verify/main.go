//go:build !js

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
)

const usage = `usage: killick-verify BUNDLE --policy FILE --evm URL --evm URL --tron URL --tron URL
       killick-verify BUNDLE --policy FILE --offline [--header CHAIN=SIZE,0xROOT]...

Checks a .anchorproof file down from the public chains of the policy to one write.
Give --evm and --tron two JSON-RPC endpoints each (Tron's is .../jsonrpc) that do not
belong together: all that answer must agree, and two at different hosts or
ports must answer.
With --one-endpoint one is enough; you then trust it.

--block and --config go deeper, to L2: the raw block as a peer gave it, and the
channel's configuration blocks from the genesis block to the one that was in charge.

--blocks goes deepest, to L3: all blocks from the first one on, as a peer stores them. A
peer's folder <ledger>/chains/chains/<channel> or a copy of it; one file; or - for what
another program sends, such as a member's killick-anchor blocks. The whole channel is
executed again up to the bundle's checkpoint, with its state in memory.

exit 0: verified   2: invalid   3: not fully checked, or matches the supplied header, or
nothing checked at all, as for --help
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (exit int) {
	defer func() { // Go would exit with 2, as for what is invalid
		if p := recover(); p != nil {
			exit = complain(stderr, fmt.Errorf("nothing was verified, for a mistake of this program: %v", p))
			_, _ = stderr.Write(debug.Stack())
		}
	}()
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitPartly // a bundle's file may be called --help
	}
	if err != nil {
		return complain(stderr, err)
	}
	data, err := readFile(o.bundle, log.MaxTrail)
	if err != nil {
		return complain(stderr, err)
	}
	text, err := readFile(o.policy, log.MaxBundle)
	if err != nil {
		return complain(stderr, err)
	}
	policy, err := log.ParsePolicy(text)
	if err != nil {
		return complain(stderr, err)
	}
	if o.deeper, err = o.depths(ctx, stderr); err != nil {
		return complain(stderr, err)
	}
	f := examine(ctx, data, policy, o)
	if o.json {
		err = f.writeJSON(stdout)
	} else {
		err = f.writeText(stdout)
	}
	if err != nil {
		return complain(stderr, fmt.Errorf("write the finding: %w", err))
	}
	return f.Exit
}

// complain says why nothing was checked. Nobody waits for it, so it does not matter if it
// cannot be written.
func complain(stderr io.Writer, err error) int {
	_, _ = fmt.Fprintf(stderr, "killick-verify: %s\n", log.Plain(err.Error()))
	return exitPartly
}

// parse reads flags before and after the bundle's name.
func parse(args []string, stderr io.Writer) (options, error) {
	o := options{headers: heads{}, net: post}
	fs := flag.NewFlagSet("killick-verify", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(stderr, usage); fs.PrintDefaults() }
	fs.StringVar(&o.policy, "policy", "", "policy `file`: log, members, contracts")
	fs.Var(&o.evm, "evm", "JSON-RPC `URL` of an EVM chain of the policy (may be repeated)")
	fs.Var(&o.tron, "tron", "JSON-RPC `URL` of Tron (may be repeated)")
	fs.BoolVar(&o.oneEndpoint, "one-endpoint", false, "trust a single endpoint for a chain, such as a node of your own")
	fs.Var(o.headers, "header", "with --offline: `CHAIN=SIZE,0xROOT`, what you know that the chain's AnchorLog holds (for each chain)")
	fs.StringVar(&o.block, "block", "", "the bundle's raw block, a `file` from a peer, for depth L2")
	fs.Var(&o.config, "config", "with --block: the `file` of a configuration block, the genesis block first (may be repeated)")
	fs.StringVar(&o.blocks, "blocks", "", "all blocks of the channel, a `folder`, a file or -, for depth L3")
	fs.UintVar(&o.memory, "memory", 4096, "with --blocks: give up when state takes more than so many `MB`; blocks at work take some hundred MB besides")
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
	if len(o.headers) > 0 && !o.offline {
		return o, errors.New("--header goes with --offline: where chains are read they are asked")
	}
	if (o.block == "") != (len(o.config) == 0) {
		return o, errors.New("--block and --config go together")
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

// openRaw reads the files; nil without them. A file that is no block is an error:
// that says nothing of the bundle.
func openRaw(name string, config []string) (*rawBlock, error) {
	if name == "" {
		return nil, nil
	}
	r := &rawBlock{}
	for i, file := range append([]string{name}, config...) {
		data, err := readFile(file, maxRaw)
		if err != nil {
			return nil, err
		}
		b, err := block.Decode(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if i == 0 {
			r.block = b
		} else {
			r.config = append(r.config, b)
		}
	}
	return r, nil
}

//go:build !js

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/verify/replay"
)

// openBlocks opens the folder of a peer's block files, one such file, or standard input
// for "-". It returns nil for no name.
func openBlocks(name string, stdin io.Reader) (iter.Seq2[block.Stored, error], error) {
	switch name {
	case "":
		return nil, nil
	case "-":
		return block.ReadStored(stdin, "standard input"), nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return block.ReadFiles(os.DirFS(name)), nil
	}
	return func(yield func(block.Stored, error) bool) {
		f, err := os.Open(name)
		if err != nil {
			yield(block.Stored{}, err)
			return
		}
		defer f.Close()
		block.ReadStored(f, name)(yield)
	}, nil
}

// depths returns the checks beyond L1 that the files allow, nil when there are none. A
// file that is not what it should be is an error: that says nothing of the bundle.
func (o options) depths(ctx context.Context, progress io.Writer) (func(*log.Bundle, *log.Policy) []log.Check, error) {
	raw, err := openRaw(o.block, o.config)
	if err != nil {
		return nil, err
	}
	source, err := openBlocks(o.blocks, os.Stdin)
	if err != nil || raw == nil && source == nil {
		return nil, err
	}
	return func(b *log.Bundle, p *log.Policy) (checks []log.Check) {
		if raw != nil {
			checks = raw.check(b, p)
		}
		if source != nil && log.Worst(checks) != log.Failed {
			checks = append(checks, o.replay(ctx, source, b, p, progress)...)
		}
		return checks
	}, nil
}

// replay re-executes the channel up to the bundle's checkpoint. The blocks come from
// anybody: what they say against the rules counts against the bundle only when they are
// those that the members signed, which the root over all of them shows.
func (o options) replay(ctx context.Context, source iter.Seq2[block.Stored, error], b *log.Bundle, p *log.Policy, progress io.Writer) []log.Check {
	begun := time.Now()
	r, err := replay.Run(ctx, source, replay.Config{
		LogID: p.LogID(), Size: b.Note.Size, Limit: int64(o.memory) << 20,
		Progress: func(r replay.Report) {
			seconds := time.Since(begun).Seconds()
			// Nobody waits for it, so it does not matter if it cannot be written.
			_, _ = fmt.Fprintf(progress, "block %d of %d, %d operations, %.0f blocks/s, %d MB of state\n",
				r.Blocks, b.Note.Size, r.Operations, float64(r.Blocks)/seconds, r.StateBytes>>20)
		},
	})
	d := r.Difference
	switch {
	case errors.Is(err, context.Canceled):
		return []log.Check{unchecked(lineBlocks, "interrupted after block %d of %d", r.Blocks, b.Note.Size)}
	case err != nil:
		return []log.Check{unchecked(lineBlocks, "%v (after %d blocks)", err, r.Blocks)}
	case r.Root != b.Note.Root && d != nil:
		return []log.Check{failed(lineBlocks, "they are not those that the members signed: another root of size %d; the first that is wrong: %v", r.Blocks, d)}
	case r.Root != b.Note.Root:
		return []log.Check{failed(lineBlocks, "they are not those that the members signed: another root of size %d", r.Blocks)}
	}
	checks := []log.Check{{Name: lineBlocks, Text: fmt.Sprintf("the records of blocks 0 to %d, computed from the files, have the root that the members signed", r.Blocks-1)}}
	if d != nil {
		return append(checks, failed(lineReplay, "%v", d))
	}
	return append(checks, log.Check{Name: lineReplay, Text: replayed(r, time.Since(begun))})
}

// replayed says what a replay without a difference has seen.
func replayed(r replay.Report, took time.Duration) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d transactions with %d operations executed again in %.1f s: all codes, keys and values are what the rules make (%d rightly marked invalid",
		r.Executed, r.Operations, took.Seconds(), r.Invalid)
	if r.Foreign > 0 {
		fmt.Fprintf(&s, "; %d of other chaincodes and of chaincode definitions, which are not executed", r.Foreign)
	}
	if r.Believed > 0 {
		fmt.Fprintf(&s, "; of these %d refused for reasons that only peers know", r.Believed)
	}
	fmt.Fprintf(&s, "); %d commit hashes recomputed", r.CommitHashes)
	if r.Policy > 0 {
		fmt.Fprintf(&s, "; the chaincode's policy asks for %d organisations", r.Policy)
	}
	return s.String()
}

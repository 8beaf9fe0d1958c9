package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/network/fabric"
)

// Exit codes of fsck. 1 says that the check itself failed.
const (
	exitDifference = 2
	exitIncomplete = 3
)

// errIncomplete says that nothing differs, and that something could not be checked.
var errIncomplete = errors.New("not everything could be checked")

// exitCode is what the program ends with after an error.
func exitCode(err error) int {
	var d *log.Difference
	switch {
	case errors.As(err, &d):
		return exitDifference
	case errors.Is(err, errIncomplete):
		return exitIncomplete
	case errors.Is(err, errAlarm):
		return exitAlarm
	}
	return 1
}

type fsckOptions struct {
	files        string // folder of block files; empty to ask the own peer
	noSignatures bool
	json         bool
}

func fsckCommand() *cobra.Command {
	var o fsckOptions
	c := command("fsck", "recompute the whole log from the own peer, and name the first difference", func(ctx context.Context, path string) error {
		cfg, err := readConfig(path)
		if err != nil {
			return err
		}
		return fsck(ctx, cfg, o, os.Stdout, os.Stderr)
	})
	c.Long = `Recomputes every leaf of the log from the blocks of the organisation's own peer and
compares: leaves, hashes and head on disk, what this organisation signed last
(signed.json), the checkpoints and the organisation's own cosignatures on the ledger.
Checks the chain of headers, data hashes, and the signatures of orderers, creators and
endorsers. It writes nothing, and can run beside the anchor.

Exit codes: 0 all the same, 1 the check failed, 2 a difference, 3 nothing differs but
something could not be checked (it says what).`
	c.Flags().StringVar(&o.files, "block-files", "", "folder of a stopped peer's block files, to read in place of asking it: <ledger>/chains/chains/<channel>")
	c.Flags().BoolVar(&o.noSignatures, "no-signatures", false, "do not check signatures")
	c.Flags().BoolVar(&o.json, "json", false, "print the result as JSON")
	return c
}

// fsckReport is the result, and what --json prints.
type fsckReport struct {
	Result      string          `json:"result"` // same, incomplete, different or failed
	Source      string          `json:"source"`
	First       uint64          `json:"firstBlock"` // of the source
	Blocks      uint64          `json:"blocks"`
	LogSize     uint64          `json:"logSize"`
	Bytes       uint64          `json:"bytes"`
	Txs         uint64          `json:"transactions"`
	Checkpoints uint64          `json:"checkpoints"` // writes of them
	Cosigned    uint64          `json:"cosignatures"`
	SignedSize  uint64          `json:"signedSize"`
	Signatures  bool            `json:"signaturesChecked"`
	Seconds     float64         `json:"seconds"`
	CPUSeconds  float64         `json:"cpuSeconds"`
	Unchecked   []string        `json:"unchecked"`
	Notes       []string        `json:"notes"`
	Difference  *log.Difference `json:"difference,omitempty"`
	Error       string          `json:"error,omitempty"`

	signed signedFile
	mu     sync.Mutex
}

func (r *fsckReport) skip(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Unchecked = append(r.Unchecked, fmt.Sprintf(format, args...))
}

func (r *fsckReport) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *fsckReport) count(i *item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Blocks++
	r.Bytes += uint64(i.size)
	r.Txs += uint64(len(i.block.Txs))
}

// fsck checks the log, prints what it found to out and progress to progress.
func fsck(ctx context.Context, cfg *config, o fsckOptions, out, progress io.Writer) error {
	r := &fsckReport{Signatures: !o.noSignatures, Unchecked: []string{}, Notes: []string{}}
	begun, cpu := time.Now(), cpuTime()
	err := r.check(ctx, cfg, o, progress)
	r.Seconds, r.CPUSeconds = time.Since(begun).Seconds(), (cpuTime() - cpu).Seconds()
	r.Result = "same"
	switch {
	case errors.As(err, &r.Difference):
		r.Result = "different"
	case err != nil:
		r.Result, r.Error = "failed", err.Error()
	case len(r.Unchecked) > 0:
		r.Result, err = "incomplete", errIncomplete
	}
	if o.json {
		text, e := json.MarshalIndent(r, "", "  ")
		if e == nil {
			_, e = out.Write(append(log.PlainJSON(text), '\n'))
		}
		return errors.Join(err, e)
	}
	return errors.Join(err, r.print(out))
}

// check opens what is to be compared in such an order that a running anchor cannot be
// taken for one that signed or logged too much: each thing is made of the next.
func (r *fsckReport) check(ctx context.Context, cfg *config, o fsckOptions, progress io.Writer) (err error) {
	defer mended(&err)
	s, err := openSigned(filepath.Join(cfg.Dir, "signed.json"))
	var unread *fs.PathError
	switch {
	case errors.As(err, &unread): // the disk, or rights: nothing is known to differ
		return err
	case err != nil:
		return &log.Difference{Where: "signed.json", Field: "file", Found: err.Error(), Want: "what was signed last"}
	}
	r.signed, r.SignedSize = s.file, s.file.Size
	audit, err := log.NewAudit(filepath.Join(cfg.Dir, "log"))
	if err != nil {
		return err
	}
	defer audit.Close() //nolint:errcheck // it was only read
	r.LogSize = audit.Size()
	var from *blockSource
	if o.files != "" {
		from, err = fileBlocks(o.files)
	} else {
		one := cfg.Fabric
		one.Peers, one.Endorsements = one.Peers[:1], 1
		var own *fabric.Client
		if own, err = fabric.Connect(one); err != nil {
			return err
		}
		defer own.Close() //nolint:errcheck // nothing was sent that counts
		from, err = peerBlocks(ctx, own, "the peer of "+cfg.Organisation)
	}
	if err != nil {
		return err
	}
	return r.against(ctx, cfg, audit, from, progress)
}

// against compares with the blocks of one source.
func (r *fsckReport) against(ctx context.Context, cfg *config, audit *log.Audit, from *blockSource, progress io.Writer) error {
	r.Source, r.First = from.name, from.first
	c := &check{cfg: cfg, from: from, audit: audit, signatures: r.Signatures, report: r}
	ctx, stop := context.WithCancel(ctx)
	var reporter sync.WaitGroup
	reporter.Go(func() { r.progress(ctx, progress) })
	defer reporter.Wait()
	defer stop()
	return c.run(ctx)
}

// progress prints a line every two seconds.
func (r *fsckReport) progress(ctx context.Context, to io.Writer) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	begun := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.mu.Lock()
		blocks, mb := r.Blocks, float64(r.Bytes)/1e6
		r.mu.Unlock()
		// Nobody waits for it, so it does not matter if it cannot be written.
		_, _ = fmt.Fprintf(to, "block %d, log of %d, %.1f MB, %.1f MB/s\n", r.First+blocks, r.LogSize, mb, mb/time.Since(begun).Seconds())
	}
}

func (r *fsckReport) print(out io.Writer) error {
	signatures := "with signatures"
	if !r.Signatures {
		signatures = "WITHOUT signatures, as asked"
	}
	mb := float64(r.Bytes) / 1e6
	lines := fmt.Sprintf("%s: %d blocks from %d, %d transactions, %.1f MB, %s, in %.1f s (%.1f MB/s), %.1f s of CPU\n", r.Source,
		r.Blocks, r.First, r.Txs, mb, signatures, r.Seconds, mb/r.Seconds, r.CPUSeconds)
	lines += fmt.Sprintf("log of %d blocks, signed up to %d, %d checkpoints and %d own cosignatures on the ledger\n", r.LogSize, r.SignedSize, r.Checkpoints, r.Cosigned)
	for _, n := range r.Notes {
		lines += "note: " + log.Plain(n) + "\n"
	}
	for _, u := range r.Unchecked {
		lines += "not checked: " + log.Plain(u) + "\n"
	}
	if d := r.Difference; d != nil {
		lines += fmt.Sprintf("DIFFERENT at block %d\n  where: %s\n  field: %s\n  found: %s\n  want:  %s\n", d.Block,
			log.Plain(d.Where), d.Field, log.Plain(d.Found), log.Plain(d.Want))
	} else {
		lines += r.Result + "\n"
	}
	_, err := io.WriteString(out, lines)
	return err
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

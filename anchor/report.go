package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/anchor/tron"
)

// reportWithin bounds how long a report may take to come into a block of one chain.
const reportWithin = 3 * time.Minute

func reportCommand() *cobra.Command {
	var keyFile string
	c := command("report [FILE FILE]", "bring proof that the members signed two histories to the contracts, which freezes them", nil)
	path := c.Flags().Lookup("config")
	c.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 2 {
			return fmt.Errorf("%d files, at most 2 can be compared", len(args))
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, files []string) error {
		cfg, policy, err := readMonitorConfig(path.Value.String())
		if err != nil {
			return err
		}
		r := &reporter{out: c.OutOrStdout()}
		if keyFile != "" {
			key, err := signer.Open(keyFile)
			if err != nil {
				return err
			}
			r.send = func(ctx context.Context, c *publicChain, data []byte) (send.Outcome, error) {
				d, err := dial(ctx, c.cfg, key)
				if err != nil {
					return send.Outcome{}, err
				}
				defer d.Close()
				return d.Transact(ctx, c.anchorLog.Address, data)
			}
		}
		m, shut, err := startMonitor(cfg, policy)
		if err != nil {
			return err
		}
		defer shut()
		r.monitorLook = newLook(m)
		if err := r.read(c.Context(), files); err != nil {
			return err
		}
		return r.report(c.Context())
	}
	c.Long = `Proves to the AnchorLog contracts that the members signed two histories. A contract
checks that by itself and freezes for ever: it takes no checkpoint any more, and its
vaults no payout root. Nobody can freeze anything with checkpoints of one history.

The two histories are two files, each a checkpoint note or a bundle (.anchorproof). Without
files they are those that ` + "`killick-anchor watch`" + ` kept as evidence of its alarms: for each
contract the first that proves something to it, and what is passed over is said. With one
file, or the evidence of an alarm "fork CHAIN", each contract's own head is the other
history, and contracts that hold the same one are left alone. The configuration is that of
watch; its anchors are asked for the members' rotations and, where sizes differ, for tiles.

With --key the account of that key pays for a transaction on each chain. Use one that no
anchor that runs pays with. Without it the contract and the calldata of each chain are
printed, for anybody who can send them. Running it again is safe.`
	c.Flags().StringVar(&keyFile, "key", "", "`file` of the key that pays, of any form that an anchor's may have")
	return c
}

// reporter makes proofs of what a look compares.
type reporter struct {
	*monitorLook
	out   io.Writer
	cases []histories
	// send pays for a transaction to a chain's AnchorLog and waits until it is in a block;
	// nil: what would be sent is printed.
	send func(ctx context.Context, c *publicChain, data []byte) (send.Outcome, error)
}

// histories are one or two checkpoints that K members signed, which may prove two
// histories.
type histories struct {
	of    string // who says so
	notes []contracts.Statement
}

// read reads the histories and checks who signed them.
func (r *reporter) read(ctx context.Context, files []string) error {
	var texts []string
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		texts = append(texts, string(data))
	}
	var unread error
	for _, url := range r.cfg.Anchors {
		if err := r.follow(ctx, url); err != nil { // one that is away matters when a set is missing
			unread = errors.Join(unread, fmt.Errorf("%s: %w", host(url), err))
		}
	}
	if len(files) == 0 {
		return r.kept(unread)
	}
	h := histories{of: strings.Join(files, " and ")}
	for i, text := range texts {
		s, err := r.statement([]byte(text))
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", files[i], err), unread)
		}
		h.notes = append(h.notes, s)
	}
	r.cases = append(r.cases, h)
	return nil
}

// kept takes the evidence of each alarm of a fork, and says of which it is none.
func (r *reporter) kept(unread error) error {
	var useless []error
	for _, a := range r.state.alarms() { // sorted: "fork" comes before those of chains
		if !lasts(a.Topic) {
			continue
		}
		h := histories{of: fmt.Sprintf("the alarm %q", a.Topic)}
		err := errors.New("it kept no checkpoint")
		for _, text := range a.Evidence {
			var s contracts.Statement
			if err = nil; text == "" {
				err = errors.New("a note is empty")
			} else if _, rotations := log.ParseRotations(r.policy.Network, []byte(text)); rotations == nil {
				err = fmt.Errorf("members handed over to two sets: AnchorLog takes no proof of that, only of two checkpoints; both rotations are in %s", r.cfg.State)
			} else if s, err = r.statement([]byte(text)); err == nil {
				h.notes = append(h.notes, s)
			}
			if err != nil {
				break
			}
		}
		if err != nil {
			useless = append(useless, fmt.Errorf("%s: %w", h.of, err))
			continue
		}
		r.cases = append(r.cases, h)
	}
	if len(useless) > 0 && unread != nil {
		useless = append(useless, unread)
	}
	switch {
	case len(r.cases) > 0:
		for _, err := range useless {
			fmt.Fprintf(r.out, "passed over: %v\n", err)
		}
		return nil
	case len(useless) > 0:
		return errors.Join(fmt.Errorf("no alarm in %s has evidence that AnchorLog takes: name the files of two checkpoints", r.cfg.State), errors.Join(useless...))
	}
	return fmt.Errorf("no alarm of a fork stands in %s: name the files of two checkpoints", r.cfg.State)
}

// statement reads a checkpoint that K members signed, from a note or a bundle, in the
// form that contracts take.
func (r *reporter) statement(data []byte) (contracts.Statement, error) {
	n, err := log.ParseNote(data)
	if err != nil {
		b, other := log.ParseBundle(data)
		if other != nil {
			return contracts.Statement{}, fmt.Errorf("neither a note nor a bundle: %w; %w", err, other)
		}
		n = &b.Note
		if more, err := r.sets[len(r.sets)-1].Follow(b.Rotations); err == nil {
			r.sets = append(r.sets, more[1:]...)
		}
	}
	set := r.sets.At(n.Size)
	if n.Size == 0 || set == nil {
		return contracts.Statement{}, fmt.Errorf("note of size %d: no member set signs it", n.Size)
	}
	if _, err := set.CheckNote(n); err != nil {
		return contracts.Statement{}, err
	}
	by := map[string][65]byte{}
	for _, l := range n.Lines {
		by[l.MSP] = l.Secp256k1
	}
	signatures, err := collect(set, set.Digest(n.Checkpoint), by)
	return contracts.Statement{Checkpoint: contracts.Checkpoint{Size: n.Size, Root: n.Root, Time: n.Time}, Signatures: signatures}, err
}

// report hands the proof to each chain. One that fails does not keep it from the others.
func (r *reporter) report(ctx context.Context) error {
	var errs []error
	for _, c := range r.chains {
		if err := r.reportTo(ctx, c); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.cfg.ID, err))
		}
	}
	return errors.Join(errs...)
}

// errOneHistory says that two checkpoints accuse nobody.
var errOneHistory = errors.New("both are of one history: nothing to report")

// reportTo hands a chain the first proof that there is.
func (r *reporter) reportTo(ctx context.Context, c *publicChain) error {
	var same int
	var errs []error
	for _, h := range r.cases {
		data, err := r.proof(ctx, c, h)
		switch {
		case err == nil:
			for _, err := range errs {
				fmt.Fprintf(r.out, "%s: passed over: %v\n", c.cfg.ID, err)
			}
			return r.bring(ctx, c, data)
		case errors.Is(err, errOneHistory) && len(h.notes) == 1:
			same++
		default:
			errs = append(errs, fmt.Errorf("%s: %w", h.of, err))
		}
	}
	if same == len(r.cases) {
		fmt.Fprintf(r.out, "%s: AnchorLog holds the same history\n", c.cfg.ID)
	}
	return errors.Join(errs...)
}

// proof returns the calldata that proves two histories to a chain: where there is one
// checkpoint, the other one is what AnchorLog there has.
func (r *reporter) proof(ctx context.Context, c *publicChain, h histories) ([]byte, error) {
	if len(h.notes) == 2 {
		return r.prove(ctx, h.notes[0], h.notes[1])
	}
	head, err := c.anchored(ctx)
	if err != nil {
		return nil, err
	}
	return r.prove(ctx, h.notes[0], contracts.Statement{Checkpoint: head})
}

// bring brings a proof to a chain's AnchorLog.
func (r *reporter) bring(ctx context.Context, c *publicChain, data []byte) error {
	if r.send == nil {
		fmt.Fprintf(r.out, "%s 0x%x\n", c.anchorLog, data)
		return nil
	}
	// One node's word, or a block that may be dropped, keeps no report back: a second one
	// costs a fee, without one the contract stays open.
	newest, err := c.members(ctx)
	switch {
	case err != nil && !errors.Is(err, send.ErrAlone):
		return err
	case newest.Frozen:
		fmt.Fprintf(r.out, "%s: AnchorLog is frozen already\n", c.cfg.ID)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reportWithin)
	defer cancel()
	done, err := r.send(ctx, c, data)
	if err != nil {
		return refused(err)
	}
	unit := "wei"
	if c.cfg.Kind == "tron" {
		unit = "sun"
	}
	fmt.Fprintf(r.out, "%s: frozen in block %d, for %s %s\n", c.cfg.ID, done.Block, done.Fee, unit)
	return nil
}

// refusals are the reasons by which AnchorLog refuses a report that this program made.
var refusals = []struct{ name, why string }{
	{"WrongSetForSize", "a checkpoint is of a member set that can sign nothing there: its last size is anchored, and who has its keys since then accuses nobody, or that set is not brought there yet"},
	{"NotAnchored", "it has no more what was set against the signed checkpoint: final blocks were left, or a node lies"},
	{"WrongMemberSet", "it knows other members than those that signed"},
	{"OneHistory", "it finds both checkpoints to be of one history"},
	{"Inconsistent", "it finds no proof that the checkpoints are of two histories"},
}

// refused says in words why AnchorLog refuses a report.
func refused(err error) error {
	reason := err.Error()
	if failed := (*tron.FailedError)(nil); errors.As(err, &failed) {
		reason = contracts.Reason(failed.Data)
		err = fmt.Errorf("%w: %s", err, reason)
	}
	for _, r := range refusals {
		if strings.Contains(reason, r.name+"[") {
			return fmt.Errorf("AnchorLog refuses the report, nothing is paid: %s (%w)", r.why, err)
		}
	}
	return err
}

// prove returns the calldata that shows AnchorLog two histories.
func (r *reporter) prove(ctx context.Context, a, b contracts.Statement) ([]byte, error) {
	if a.Size > b.Size {
		a, b = b, a
	}
	if a.Size == 0 {
		return nil, errOneHistory // every history begins with nothing
	}
	whole := log.Checkpoint{Size: b.Size, Root: b.Root}
	root, ok := r.rootAt(ctx, served{Checkpoint: whole}, a.Size)
	switch {
	case !ok:
		return nil, fmt.Errorf("no anchor's tiles prove which root the history of size %d has for size %d", b.Size, a.Size)
	case root == a.Root:
		return nil, errOneHistory
	case a.Size == b.Size:
		return contracts.PackReport(a, b, root, nil), nil
	}
	var err error
	for _, url := range r.cfg.Anchors {
		var growth [][32]byte
		if growth, err = r.growth(ctx, url, whole, a.Size, root); err == nil {
			return contracts.PackReport(a, b, root, growth), nil
		}
	}
	return nil, err
}

// growth returns the proof that a log has a root for a smaller size, made from an
// anchor's tiles.
func (r *reporter) growth(ctx context.Context, url string, of log.Checkpoint, size uint64, root log.Hash) ([][32]byte, error) {
	tree := tlog.Tree{N: int64(of.Size), Hash: tlog.Hash(of.Root)}
	path, err := tlog.ProveTree(tree.N, int64(size), tlog.TileHashReader(tree, tiles{ctx, r.monitorLook, url}))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", host(url), err)
	}
	var proof [][32]byte
	for _, h := range path {
		proof = append(proof, h)
	}
	return proof, log.CheckGrowth(size, root, of.Size, of.Root, proof)
}

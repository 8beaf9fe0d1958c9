package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

// Exit codes of an audit, those of killick-verify.
const (
	exitBroken  = exitCode(2)
	exitPartial = exitCode(3)
)

func (a *app) auditCommand() *cobra.Command {
	var blocks string
	c := &cobra.Command{
		Use: "ledger", Short: "Add the whole ledger of money up again", Args: cobra.NoArgs,
		Long: `Read the ledger of money as of one block and add all of it up here: what treasuries brought of each
asset is in balances, holds, credits, dues and vaults, to the last micro-unit; whatever was set aside
is paid, given back or still held; nothing is negative; trees and roots of vaults are those of their
totals; each payment out of a hold belongs to a job with a verdict and a version of the policy, and
is credited where its settlement says.

The state is the gateway's word. With --blocks it is made from a peer's blocks in place of that: the
folder <ledger>/chains/chains/<channel> or a copy of it, a file, or - for what a member's
killick-anchor blocks sends; whether these are the blocks that the members signed, and were executed
by the rules, killick-verify --blocks tells.

exit 0: everything adds up   2: something does not   3: it could not be looked at`,
		RunE: func(c *cobra.Command, _ []string) error {
			store, block, err := a.moneyFrom(c, blocks)
			if err != nil {
				a.fail(err)
				return exitPartial
			}
			r, err := auditMoney(store, block)
			if err != nil {
				a.fail(err)
				return exitPartial
			}
			if err := a.show(r, func(w io.Writer) { printAudit(w, r) }); err != nil {
				return exitPartial
			}
			if len(r.Broken) > 0 {
				return exitBroken
			}
			return nil
		},
	}
	c.Flags().StringVar(&blocks, "blocks", "", "`folder` or file of blocks, or -, in place of a gateway")
	return group("audit", "Check the ledger as a whole", c)
}

// moneyFrom reads state from blocks, or from the gateway.
func (a *app) moneyFrom(c *cobra.Command, blocks string) (store *ledger.Memory, block uint64, err error) {
	if blocks != "" {
		return moneyOfBlocks(c.Context(), blocks, a.in)
	}
	store = new(ledger.Memory)
	err = a.connected(c, func(ctx context.Context, gateway *client.Client) error {
		block, err = gateway.Money(ctx, 0, func(e *client.MoneyEntry) error { return store.Put(e.GetKey(), e.GetValue()) })
		return err
	})
	return store, block, err
}

// moneyOfBlocks makes state of the writes of all valid transactions in block files.
func moneyOfBlocks(ctx context.Context, name string, stdin io.Reader) (*ledger.Memory, uint64, error) {
	var source iter.Seq2[block.Stored, error]
	switch info, err := os.Stat(name); {
	case name == "-":
		source = block.ReadStored(stdin, "standard input")
	case err != nil:
		return nil, 0, err
	case info.IsDir():
		source = block.ReadFiles(os.DirFS(name))
	default:
		f, err := os.Open(name)
		if err != nil {
			return nil, 0, err
		}
		defer f.Close()
		source = block.ReadStored(f, name)
	}
	store, next := new(ledger.Memory), uint64(0)
	for stored, err := range source {
		var torn *block.TornError
		if errors.As(err, &torn) {
			break // a copy made while the peer wrote: it ends with the block before
		}
		if err != nil {
			return nil, 0, err
		}
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		b, err := block.DecodeStored(stored.Raw)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", stored.Where, err)
		}
		if b.Number != next {
			return nil, 0, fmt.Errorf("%s: block %d stands where block %d belongs", stored.Where, b.Number, next)
		}
		next++
		if err := write(store, b); err != nil {
			return nil, 0, fmt.Errorf("block %d: %w", b.Number, err)
		}
	}
	if next == 0 {
		return nil, 0, errors.New("there are no blocks")
	}
	return store, next - 1, nil
}

// write applies the public writes of a block's valid transactions.
func write(store *ledger.Memory, b *block.Block) error {
	for i := range b.Txs {
		t := &b.Txs[i]
		if t.Code != block.CodeValid {
			continue
		}
		for _, w := range t.Writes {
			if w.Namespace != log.Namespace || w.Private {
				continue
			}
			err := store.Delete(string(w.Key))
			if w.Delete == block.Put {
				err = store.Put(string(w.Key), w.Value)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// auditView is what an audit found, as --json prints it.
type auditView struct {
	Network     string         `json:"network"`
	Block       uint64         `json:"block"`
	Books       []reward.Books `json:"books"`
	Settlements int            `json:"settlements"`
	Broken      []string       `json:"broken"`
	Verdict     string         `json:"verdict"` // agrees or broken
}

// auditMoney adds up. An error means that there is nothing to add up.
func auditMoney(store *ledger.Memory, block uint64) (*auditView, error) {
	tx := ledger.Begin(store, 0, ledger.Caller{})
	n, err := govern.Load(tx)
	if err != nil {
		return nil, fmt.Errorf("read the ledger's parameters: %w", err)
	}
	money, jobs := reward.Examine(tx, n), attest.Examine(tx)
	v := &auditView{Network: n.Name, Block: block, Books: money.Books, Settlements: jobs.Settlements, Broken: []string{}, Verdict: "agrees"}
	if v.Books == nil {
		v.Books = []reward.Books{}
	}
	for _, err := range append(money.Broken, jobs.Broken...) {
		v.Broken = append(v.Broken, err.Error())
	}
	if len(v.Broken) > 0 {
		v.Verdict = "broken"
	}
	return v, nil
}

func printAudit(w io.Writer, v *auditView) {
	fmt.Fprintf(w, "ledger       %s as of block %d\n", v.Network, v.Block)
	for i := range v.Books {
		b := &v.Books[i]
		fmt.Fprintf(w, "\nasset %s\n", b.Asset)
		for _, row := range []struct {
			name   string
			amount reward.Sum
		}{
			{"funded", b.Funded}, {"  balances", b.Balances}, {"  held", b.Held}, {"  pending", b.Pending}, {"  due", b.Due}, {"  assigned", b.Assigned},
			{"  in all", b.All()}, {"set aside", b.SetAside}, {"  paid", b.Paid}, {"  refunded", b.Refunded}, {"  held", b.Held},
		} {
			fmt.Fprintf(w, "  %-12s %24s\n", row.name, row.amount)
		}
	}
	fmt.Fprintf(w, "\n%d settlements, each with its job, verdict and policy\n", v.Settlements)
	for _, text := range v.Broken {
		fmt.Fprintf(w, "BROKEN       %s\n", text)
	}
	if len(v.Broken) > 0 {
		fmt.Fprintf(w, "BROKEN: %d invariants do not hold\n", len(v.Broken))
		return
	}
	fmt.Fprintln(w, "AGREES: every micro-unit is in exactly one place, and every payment says why")
}

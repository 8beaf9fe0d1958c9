// Command killick-anchor is one organisation's anchor. It follows the blocks of
// the organisation's own peer, keeps the log over them, cosigns checkpoints that
// it recomputed itself, takes a selection of them to the AnchorLog contract on
// each public chain, signs and activates payout epochs, and serves proofs.
//
// What it signed last is on disk before it leaves; everything else can be lost
// and is recomputed from the peer, the ledger and the chains.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	root := &cobra.Command{
		Use:           "killick-anchor",
		Short:         "cosign the ledger's checkpoints and take them to public chains",
		SilenceErrors: true, SilenceUsage: true,
	}
	root.AddCommand(
		command("run", "follow the ledger and anchor it until stopped", func(ctx context.Context, path string) error {
			cfg, err := readConfig(path)
			if err != nil {
				return err
			}
			return run(ctx, cfg)
		}),
		keysCommand(),
		command("member", "print the own organisation, with the proof of its keys, as a member to be proposed", func(ctx context.Context, path string) error {
			cfg, err := readKeysConfig(path)
			if err != nil {
				return err
			}
			return printMember(ctx, os.Stdout, cfg)
		}),
		command("deploy", "deploy the contracts on each chain unless they are there", func(ctx context.Context, path string) error {
			cfg, err := readDeployConfig(path)
			if err != nil {
				return err
			}
			return deploy(ctx, cfg)
		}),
		chainCommand(),
		fsckCommand(),
		blocksCommand(),
		watchCommand(),
		reportCommand(),
	)
	if err := root.ExecuteContext(ctx); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "killick-anchor:", err)
		os.Exit(exitCode(err))
	}
}

func keysCommand() *cobra.Command {
	var next bool
	c := command("keys", "make the key files unless they exist, and print the public parts", func(_ context.Context, path string) error {
		cfg, err := readKeysConfig(path)
		if err != nil {
			return err
		}
		return printKeys(os.Stdout, cfg, next)
	})
	c.Flags().BoolVar(&next, "next", false, "make the files of a coming member set, beside the present ones")
	return c
}

func chainCommand() *cobra.Command {
	var from, length uint64
	c := command("chain", "print a chain of the organisation for draws, as the value to propose for chain/<msp id>", func(_ context.Context, path string) error {
		cfg, err := readKeysConfig(path)
		if err != nil {
			return err
		}
		return printChain(os.Stdout, cfg, from, length)
	})
	c.Flags().Uint64Var(&from, "from", 0, "first draw that has an element: more than 3 after the newest checkpoint's number when the proposal is enacted")
	c.Flags().Uint64Var(&length, "length", 1<<19, "number of draws, at most 1048576; a busy ledger has one every 5 seconds")
	_ = c.MarkFlagRequired("from") // the flag was defined above
	return c
}

func command(use, short string, do func(ctx context.Context, config string) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs}
	path := c.Flags().String("config", "", "YAML file with the settings")
	_ = c.MarkFlagRequired("config") // the flag was defined above
	c.RunE = func(c *cobra.Command, _ []string) error { return do(c.Context(), *path) }
	return c
}

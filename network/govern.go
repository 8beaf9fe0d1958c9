package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/killick-ledger/killick/network/configuration"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

const (
	// decideWithin is how long one command may take.
	decideWithin = time.Minute
	// openFor is how long a proposal is open unless --expires says otherwise.
	openFor = "168h"
	// openForNotice is that of proposals that need seven days' notice first.
	openForNotice = "720h"
)

// governing are the flags of the commands by which an operator decides with the
// other members.
type governing struct {
	*settings
	org, connection string
	at, expires     string
}

func (s *settings) governCommand() *cobra.Command {
	g := &governing{settings: s}
	root := &cobra.Command{
		Use: "govern", Short: "Decide with the other members, as an organisation's admin",
		Long: "What the consortium decides changes by proposals that K members approve.\n" +
			"Subjects: members, treasuries, assets, epochSeconds, heartbeatSeconds, stopped, bound, program,\n" +
			"issuer/<DID>, verifier/<DID>, operator/<DID>, licence/<DID>, tag/<TAG>, chain/<MSP id>, jobs,\n" +
			"tee/measurements, tee/roots, tee/policy. Values are JSON; docs/formats/govern.md has them all.",
	}
	flags := root.PersistentFlags()
	flags.StringVar(&g.org, "org", "", "`MSP id` of the organisation to act for, of the network in --dir (default: the first)")
	flags.StringVar(&g.connection, "connection", "", "YAML `file` with an admin's connection (the section fabric of gateway.yaml), in place of --dir and --org")

	show := g.command("show [PROPOSAL]", "Show what is in force and the open proposals, or one proposal", cobra.MaximumNArgs(1),
		func(ctx context.Context, d *decider, args []string) error {
			if len(args) == 1 {
				return d.showProposal(ctx, args[0])
			}
			return d.show(ctx)
		})
	history := g.command("history SUBJECT", "Show what was decided on a subject, when and by whom", cobra.ExactArgs(1),
		func(ctx context.Context, d *decider, args []string) error { return d.history(ctx, args[0]) })
	propose := g.command("propose SUBJECT VALUE", "Propose a value; the own organisation approves it", cobra.ExactArgs(2),
		func(ctx context.Context, d *decider, args []string) error {
			value, err := valueOf(args[1])
			if err != nil {
				return err
			}
			return d.propose(ctx, args[0], value, g.at, g.expires)
		})
	propose.Long = "Propose a value; the own organisation approves it. VALUE is JSON, or @FILE for that of a file."
	propose.Flags().StringVar(&g.at, "at", "", "not before this `time` (RFC 3339, or from now: 36h); default: as soon as K members approve")
	propose.Flags().StringVar(&g.expires, "expires", openFor, "not after this `time` (RFC 3339, or from now: 36h), at most 90 days from now")
	approve := g.command("approve PROPOSAL", "Approve a proposal; it is enacted at once when that is the last approval it waits for", cobra.ExactArgs(1),
		func(ctx context.Context, d *decider, args []string) error { return d.approve(ctx, args[0]) })
	withdraw := g.command("withdraw PROPOSAL", "Take the own organisation's approval back", cobra.ExactArgs(1),
		func(ctx context.Context, d *decider, args []string) error { return d.withdraw(ctx, args[0]) })
	enact := g.command("enact PROPOSAL", "Put a proposal in force whose time has come (anchors do so by themselves)", cobra.ExactArgs(1),
		func(ctx context.Context, d *decider, args []string) error { return d.enact(ctx, args[0]) })
	members := g.command("members", "Print the member set in force as a value of the subject members, to be changed and proposed", cobra.NoArgs,
		func(ctx context.Context, d *decider, _ []string) error { return d.members(ctx) })
	root.AddCommand(show, members, history, propose, approve, withdraw, enact)
	return root
}

// valueOf returns a value, or that of a file that is named by @FILE.
func valueOf(text string) (string, error) {
	name, isFile := strings.CutPrefix(text, "@")
	if !isFile {
		return text, nil
	}
	data, err := os.ReadFile(name)
	return string(data), err
}

// command makes one of the commands.
func (g *governing) command(use, short string, args cobra.PositionalArgs, run func(context.Context, *decider, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ctx, cancel := context.WithTimeout(cmd.Context(), decideWithin)
			defer cancel()
			cfg, err := g.admin()
			if err != nil {
				return err
			}
			client, err := fabric.Connect(cfg)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, client.Close()) }()
			return run(ctx, &decider{ledger: client, msp: cfg.MSPID, out: os.Stdout, now: time.Now()}, args)
		},
	}
}

// admin returns how to reach the ledger as an organisation's admin.
func (g *governing) admin() (fabric.Config, error) {
	if g.connection != "" {
		data, err := os.ReadFile(g.connection)
		if err != nil {
			return fabric.Config{}, err
		}
		return parseConnection(g.connection, data)
	}
	c, err := g.open()
	if err != nil {
		return fabric.Config{}, err
	}
	var known []string
	for i, o := range c.Orgs() {
		if g.org == "" || g.org == o.MSPID {
			return c.Client(i, topology.Admin), nil
		}
		known = append(known, o.MSPID)
	}
	return fabric.Config{}, fmt.Errorf("--org: %q is none of %s", g.org, strings.Join(known, ", "))
}

// parseConnection reads a connection strictly. Whether it is complete, fabric.Connect
// says.
func parseConnection(file string, data []byte) (c fabric.Config, err error) {
	if err := configuration.Decode(data, &c); err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

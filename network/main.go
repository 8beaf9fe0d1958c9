// Command network runs a consortium on this machine: it brings it up, shows it, and
// takes it down; consortium.yaml beside it documents every setting. Its commands
// under govern are for operators of any member, wherever the network runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/topology"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "network:", lines(err.Error()))
		os.Exit(1)
	}
}

// settings are the flags that all commands share.
type settings struct {
	dir, bin, file, ports, chaincode string
	only                             []string
	keep                             bool
}

func command() *cobra.Command {
	var s settings
	root := &cobra.Command{
		Use: "network", Short: "Run a Killick consortium on this machine.",
		SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&s.dir, "dir", ".killick", "state `directory`: configuration, keys, ledger, logs")
	flags.StringVar(&s.bin, "bin", "", "`directory` of the programs (default <dir>/bin)")
	flags.StringVar(&s.file, "file", "", "consortium.yaml to run (default: network/consortium.yaml here, else its defaults)")
	flags.StringVar(&s.ports, "ports", "", "base `port`, or auto, in place of the setting ports")

	up := &cobra.Command{
		Use: "up", Short: "Bring the network up, or start again what has died", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.up(cmd.Context()) },
	}
	up.Flags().StringSliceVar(&s.only, "only", nil, "only these `parts`: fabric, chaincode, chains, ledger, anchors, gateways")
	up.Flags().StringVar(&s.chaincode, "chaincode", "", "chaincode `program` (default <bin>/killick-chaincode)")
	down := &cobra.Command{
		Use: "down", Short: "Take the network down and delete its ledger and keys", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return s.down() },
	}
	down.Flags().BoolVar(&s.keep, "keep", false, "only stop it; up continues from its state")
	status := &cobra.Command{
		Use: "status", Short: "Show the network's processes; fails when one has died", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return s.status() },
	}
	compact := &cobra.Command{
		Use: "compact FOLDER", Short: "Remove deleted data from the files of a stopped peer", Args: cobra.ExactArgs(1),
		Long: `Rewrite the LevelDB stores below FOLDER, the data folder of a peer that is stopped, so
that what was deleted, purged or replaced is in none of their files any more. LevelDB does
so by itself, but in its own time. Afterwards the peer starts as before.`,
		RunE: func(_ *cobra.Command, args []string) error {
			stores, err := cluster.Compact(args[0])
			for _, store := range stores {
				fmt.Println(store)
			}
			return err
		},
	}
	root.AddCommand(up, down, status, compact, s.governCommand())
	return root
}

// options reads the description and the flags.
func (s *settings) options() (cluster.Options, error) {
	o := cluster.Options{Dir: s.dir, Bin: s.bin, ChaincodeProgram: s.chaincode, Progress: os.Stdout}
	for _, name := range s.only {
		p, err := cluster.ParsePart(name)
		if err != nil {
			return o, err
		}
		o.Parts |= p
	}
	file := s.file
	if file == "" {
		file = "network/consortium.yaml"
	}
	data, err := os.ReadFile(file)
	if err != nil && (s.file != "" || !errors.Is(err, os.ErrNotExist)) {
		return o, err
	}
	if o.Consortium, err = topology.Parse(data); err != nil {
		return o, fmt.Errorf("%s:\n%w", file, err)
	}
	switch s.ports {
	case "":
	case "auto":
		o.Consortium.Ports = 0
	default:
		base, err := strconv.Atoi(s.ports)
		if err != nil {
			return o, fmt.Errorf("--ports: %q is neither a number nor auto", s.ports)
		}
		o.Consortium.Ports = topology.Ports(base)
		if err := o.Consortium.Check(); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (s *settings) up(ctx context.Context) error {
	o, err := s.options()
	if err != nil {
		return err
	}
	for _, w := range o.Consortium.Warnings() {
		fmt.Fprintln(os.Stderr, "network: not tolerated:", w)
	}
	c, err := cluster.Start(ctx, o)
	if err != nil {
		return err
	}
	s.endpoints(c)
	return nil
}

// endpoints prints where people and programs find the network.
func (s *settings) endpoints(c *cluster.Cluster) {
	fmt.Printf("network  %s in %s\n", c.Network, c.Dir)
	addresses := c.GatewayAddresses()
	for i, url := range c.GatewayURLs() {
		fmt.Printf("gateway  REST %s  gRPC %s\n", url, addresses[i])
	}
	fmt.Printf("evm      %s\n", strings.Join(c.EVM().RPC, " "))
	fmt.Printf("tron     %s  gRPC %s  solidity %s\n", strings.Join(c.Tron().RPC, " "), c.Tron().GRPC, c.Tron().Solidity)
	fmt.Printf("policy   %s\n", c.Policy())
}

func (s *settings) down() error {
	c, err := s.open()
	if errors.Is(err, os.ErrNotExist) {
		fmt.Println("there is no network in", s.dir)
		return nil
	}
	if err != nil {
		return err
	}
	if s.keep {
		return c.Stop()
	}
	return c.Remove()
}

func (s *settings) status() error {
	c, err := s.open()
	if err != nil {
		return err
	}
	s.endpoints(c)
	for _, url := range c.GatewayURLs() {
		writeDivergences(os.Stdout, url)
	}
	for i := range c.Orgs() {
		writeAlarms(os.Stdout, c.AnchorURL(i))
	}
	return c.WriteStatus(os.Stdout)
}

func (s *settings) open() (*cluster.Cluster, error) {
	o, err := s.options()
	if err != nil {
		return nil, err
	}
	return cluster.Open(o)
}

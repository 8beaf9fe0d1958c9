// Package cli is the command line of killick: it reads arguments and files, asks
// a gateway, and prints for people or, with --json, for programs. Keys are read
// from sealed files and never printed. Exit codes: 0 done, 1 refused or failed
// (with the code, what was wrong and what to do), 2 wrong usage, 3 a check that could
// not be made in full.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// defaultGateway is the first organisation's gateway in the network that
// network/consortium.yaml describes.
const defaultGateway = "127.0.0.1:17029"

// app is what all commands share.
type app struct {
	in       io.Reader
	out, err io.Writer

	gateway    string
	json       bool
	passphrase string // path
	keys       string // path
	timeout    time.Duration
	started    bool   // arguments were good
	warning    string // told with what was done
}

// Run runs the program and returns its exit code.
func Run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	a := &app{in: in, out: out, err: errOut}
	root := a.root()
	a.mark(root)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if code := exitCode(0); errors.As(err, &code) {
		return int(code)
	}
	if !a.started {
		fmt.Fprintf(errOut, "error: %v\n\n%s\n", err, command.UsageString())
		return 2
	}
	a.fail(err)
	return 1
}

// mark notes when a command runs: an error before that is one of usage.
func (a *app) mark(c *cobra.Command) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			a.started = true
			return run(c, args)
		}
	}
	for _, child := range c.Commands() {
		a.mark(child)
	}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "killick",
		Short: "Work with a Killick ledger: keys, DIDs, records, jobs, credentials, money, proofs",
		Long: `Work with a Killick ledger through the gateway of any of its organisations.

Operations are signed here with a key file and sent to the gateway, which never
sees a key. Amounts are micro-units: 1000000 is one unit of the asset.`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.gateway, "gateway", defaultGateway, "gRPC `address` of the gateway: host:port, or https://host[:port] with TLS")
	flags.BoolVar(&a.json, "json", false, "print one JSON object, also for errors")
	flags.StringVar(&a.passphrase, "passphrase-file", "", "`file` whose first line is the passphrase of key files (default: ask)")
	flags.DurationVar(&a.timeout, "timeout", time.Minute, "how long to wait for the gateway or a chain")
	root.AddCommand(a.keysCommand(), a.didCommand(), a.recordCommand(), a.credentialCommand(), a.payCommand(), a.withdrawCommand(), a.balanceCommand(),
		a.claimCommand(), a.proofCommand(), a.dataCommand(), a.operationCommand(), a.eventsCommand(), a.networkCommand(), a.governCommand(), a.loginCommand(), a.callCommand(),
		a.jobCommand(), a.roundCommand(), a.voteCommand(), a.settlementCommand(), a.statementCommand(), a.auditCommand())
	return root
}

// group makes a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(commands...)
	return c
}

// signing adds the flag that names the key file.
func (a *app) signing(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&a.keys, "keys", "", "key `file` of who signs (required)")
	if err := c.MarkFlagRequired("keys"); err != nil {
		panic(err) // the flag was added above
	}
	return c
}

// connected runs f with a connection to the gateway.
func (a *app) connected(c *cobra.Command, f func(ctx context.Context, gateway *client.Client) error) error {
	ctx, cancel := context.WithTimeout(c.Context(), a.timeout)
	defer cancel()
	gateway, err := client.Dial(a.gateway)
	if err != nil {
		return err
	}
	return errors.Join(f(ctx, gateway), gateway.Close())
}

// signed runs f with a connection and the keys on the ledger's network.
func (a *app) signed(c *cobra.Command, f func(ctx context.Context, gateway *client.Client, signer client.Signer) error) error {
	return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
		network, err := gateway.Network(ctx)
		if err != nil {
			return err
		}
		identity, err := a.load(a.keys)
		if err != nil {
			return err
		}
		return f(ctx, gateway, identity.On(network.GetNetwork()))
	})
}

func (a *app) load(path string) (*client.Identity, error) {
	passphrase, err := a.ask("passphrase of "+path, false)
	if err != nil {
		return nil, err
	}
	return client.Load(path, passphrase)
}

// ask reads a passphrase: from the file that was named, else from the terminal,
// twice when it is new.
func (a *app) ask(what string, fresh bool) ([]byte, error) {
	if a.passphrase != "" {
		return client.FirstLine(a.passphrase)
	}
	terminal, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return nil, errors.New("there is no terminal to ask for the passphrase; name a --passphrase-file")
	}
	read := func(prompt string) ([]byte, error) {
		fmt.Fprintf(a.err, "%s: ", prompt)
		defer fmt.Fprintln(a.err)
		return term.ReadPassword(int(terminal.Fd()))
	}
	first, err := read(what)
	if err != nil || !fresh {
		return first, err
	}
	second, err := read("the same again")
	if err == nil && string(first) != string(second) {
		err = errors.New("the two passphrases differ")
	}
	return first, err
}

// show prints v as JSON, or lets text print it for people.
func (a *app) show(v any, text func(w io.Writer)) error {
	if !a.json {
		text(a.out)
		return nil
	}
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// failure is an error as --json prints it.
type failure struct {
	Code      string   `json:"code,omitempty"`
	Text      string   `json:"text"`
	Advice    string   `json:"advice,omitempty"`
	Instance  string   `json:"instance,omitempty"`
	Operation *receipt `json:"operation,omitempty"`
}

func (a *app) fail(err error) {
	f := failure{Text: err.Error()}
	var known *fault.Error
	if errors.As(err, &known) {
		f.Code, f.Text, f.Advice = known.Code.String(), known.Text, known.Code.Advice()
	}
	var refused *client.Error
	if errors.As(err, &refused) {
		f.Instance = refused.Instance
		f.Operation = receiptOf(refused.Receipt)
	}
	var keys *kept
	if errors.As(err, &keys) {
		f.Text += keys.note()
	}
	if a.json {
		e := json.NewEncoder(a.err)
		e.SetEscapeHTML(false)
		_ = e.Encode(map[string]failure{"error": f}) // nobody is left to tell
		return
	}
	if f.Code == "" {
		fmt.Fprintf(a.err, "error: %s\n", f.Text)
		return
	}
	fmt.Fprintf(a.err, "error: %s: %s\nwhat to do: %s\n", f.Code, f.Text, f.Advice)
	if f.Operation != nil {
		fmt.Fprintf(a.err, "operation: %s\n", f.Operation.Reference)
	}
	if f.Instance != "" && f.Code == fault.Internal.String() {
		fmt.Fprintf(a.err, "answer id: %s\n", f.Instance)
	}
}

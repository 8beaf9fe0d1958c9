package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

// receipt is a receipt as it is printed.
type receipt struct {
	ID          string `json:"id"`
	Reference   string `json:"reference"`
	State       string `json:"state"`
	Code        string `json:"code"`
	Advice      string `json:"advice,omitempty"`
	Transaction string `json:"transaction,omitempty"`
	Validation  string `json:"validation,omitempty"` // Fabric's code of the transaction; not VALID: the operation goes again
	Block       uint64 `json:"block,omitempty"`
	Repeated    bool   `json:"repeated,omitempty"`
	Simulated   bool   `json:"simulated,omitempty"` // of a test ledger
}

func receiptOf(o *client.Operation) *receipt {
	if o == nil {
		return nil
	}
	r := &receipt{
		ID: o.GetId(), Reference: o.GetReference(), State: o.GetState(), Code: o.GetCode(), Transaction: o.GetTransaction(), Validation: o.GetValidation(),
		Block: o.GetBlock(), Repeated: o.GetRepeated(), Simulated: o.GetSimulated(),
	}
	if r.State == "refused" {
		r.Advice = o.GetAdvice()
	}
	return r
}

func (r *receipt) print(w io.Writer) {
	fmt.Fprintf(w, "operation    %s\nstate        %s", r.Reference, r.State)
	if r.State == "refused" {
		fmt.Fprintf(w, ": %s\nwhat to do   %s", r.Code, r.Advice)
	}
	if r.Repeated {
		fmt.Fprint(w, " (executed before; this is its first result)")
	}
	fmt.Fprintln(w)
	if r.Transaction != "" {
		fmt.Fprintf(w, "transaction  %s\n", r.Transaction)
	}
	if r.Validation != "" {
		fmt.Fprintf(w, "validation   %s\n", r.Validation)
	}
	if r.Block != 0 {
		fmt.Fprintf(w, "block        %d\n", r.Block)
	}
	if r.Simulated {
		fmt.Fprintln(w, "ledger       SIMULATED: a test ledger, whose enclaves may be none")
	}
}

func (a *app) operationCommand() *cobra.Command {
	show := &cobra.Command{
		Use: "operation ID", Short: "Look an operation up by its id or reference", Args: cobra.ExactArgs(1),
		Long: "Look an operation up by its id (64 hex digits) or its reference (second of expiry and id). The gateway\nknows what came through it and what is in the blocks that it has seen.",
		RunE: func(c *cobra.Command, args []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				o, err := gateway.Operation(ctx, args[0])
				if err != nil {
					return err
				}
				r := receiptOf(o)
				return a.show(r, r.print)
			})
		},
	}
	var content string
	submit := &cobra.Command{
		Use: "submit FILE", Short: "Submit an operation that was signed elsewhere", Args: cobra.ExactArgs(1),
		Long: "Submit an operation that was signed elsewhere: FILE holds one compact JWS, or - for standard\ninput. Submitting the same operation again answers its first result. --content is the JWE of the\nprivate content that it names.",
		RunE: func(c *cobra.Command, args []string) error {
			jws, err := a.readText(args[0])
			if err != nil {
				return err
			}
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				o, err := submitWith(ctx, gateway, jws, content)
				if err != nil {
					return err
				}
				r := receiptOf(o)
				return a.show(r, r.print)
			})
		},
	}
	submit.Flags().StringVar(&content, "content", "", "`file` with the private content of the operation")
	show.AddCommand(submit)
	return show
}

func submitWith(ctx context.Context, gateway *client.Client, jws, path string) (*client.Operation, error) {
	if path == "" {
		return gateway.Submit(ctx, jws)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read content: %w", err)
	}
	return gateway.SubmitWith(ctx, jws, content)
}

// readText reads a file, or standard input for "-", without its last line break.
func (a *app) readText(path string) (string, error) {
	var data []byte
	var err error
	if path == "-" {
		data, err = io.ReadAll(a.in)
	} else {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return "", fmt.Errorf("read operation: %w", err)
	}
	return strings.TrimSuffix(string(data), "\n"), nil
}

func (a *app) networkCommand() *cobra.Command {
	return &cobra.Command{
		Use: "network", Short: "Describe the ledger behind the gateway", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				n, err := gateway.Network(ctx)
				if err != nil {
					return err
				}
				view := struct {
					Network    string   `json:"network"`
					Log        string   `json:"log"`
					Height     uint64   `json:"height"`
					Assets     []string `json:"assets"`
					Operations []string `json:"operations"`
					Members    []string `json:"members"`
					K          uint32   `json:"k"`
					Vaults     []string `json:"vaults"`
				}{n.GetNetwork(), n.GetLog(), n.GetHeight(), n.GetAssets(), n.GetOperations(), nil, n.GetK(), nil}
				for _, m := range n.GetMembers() {
					view.Members = append(view.Members, m.GetMsp())
				}
				for _, v := range n.GetVaults() {
					view.Vaults = append(view.Vaults, v.GetId())
				}
				return a.show(view, func(w io.Writer) {
					fmt.Fprintf(w, "network     %s\nlog         %s\nheight      %d blocks\nassets      %s\noperations  %s\nmembers     %s (%d of them make a quorum)\n",
						view.Network, view.Log, view.Height, strings.Join(view.Assets, " "), strings.Join(view.Operations, " "), strings.Join(view.Members, " "), view.K)
					for _, v := range view.Vaults {
						fmt.Fprintf(w, "vault       %s\n", v)
					}
				})
			})
		},
	}
}

package cli

import (
	"fmt"
	"io"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

func (a *app) keysCommand() *cobra.Command {
	var chain bool
	var out, alg string
	create := &cobra.Command{
		Use: "new", Short: "Make the keys of a new DID", Args: cobra.NoArgs,
		Long: `Make the keys of a new DID and write them to two sealed files:

  NAME.keys      the key that signs operations, and with --chain one for an account
                 on public chains
  NAME.recovery  the key that can replace all others; keep it elsewhere

It prints the id of the DID, which is the last part of its name on every ledger.
Nothing is sent. Existing files are never overwritten.`,
		RunE: func(*cobra.Command, []string) error {
			identity, recovery, err := client.Generate(alg, chain)
			if err != nil {
				return err
			}
			passphrase, err := a.ask("new passphrase", true)
			if err != nil {
				return err
			}
			var view struct {
				ID       string `json:"id"` // of the DID, on every ledger
				Keys     string `json:"keys"`
				Recovery string `json:"recovery"`
				Address  string `json:"address,omitempty"`
				Tron     string `json:"tron,omitempty"`
			}
			view.ID = identity.ID()
			if view.Keys, view.Recovery, err = savePair(identity, recovery, out, passphrase); err != nil {
				return err
			}
			if address, ok := identity.Address(); ok {
				view.Address, view.Tron = "0x"+canon.Hex(address[:]), canon.TronAddress(address)
			}
			return a.show(view, func(w io.Writer) {
				fmt.Fprintf(w, "id        %s\nkeys      %s\nrecovery  %s (keep it elsewhere)\n", view.ID, view.Keys, view.Recovery)
				if view.Address != "" {
					fmt.Fprintf(w, "address   %s\ntron      %s\n", view.Address, view.Tron)
				}
			})
		},
	}
	create.Flags().StringVar(&out, "out", "", "`name` of the files, for example alice (required)")
	create.Flags().StringVar(&alg, "alg", "EdDSA", "`algorithm` of the signing key: EdDSA, ES256 or ES256K")
	create.Flags().BoolVar(&chain, "chain", false, "add a secp256k1 key for an account on public chains")
	require(create, "out")
	return group("keys", "Make key files", create)
}

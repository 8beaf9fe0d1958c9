package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/evm"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/anchor/tron"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

// The chain nodes of the network that network/consortium.yaml describes.
const (
	defaultEVM      = "http://127.0.0.1:17000"
	defaultTron     = "127.0.0.1:17001"
	defaultSolidity = "127.0.0.1:17002"
)

// chain is what a claim does on a public chain.
type chain interface {
	Address() send.Address
	Call(ctx context.Context, to send.Address, data []byte, at send.Head) ([]byte, error)
	Transact(ctx context.Context, to send.Address, data []byte) (send.Outcome, error)
	Close()
}

// nodes says where public chains are reached.
type nodes struct {
	evm            []string
	tron, solidity string
}

func (a *app) claimCommand() *cobra.Command {
	var n nodes
	var chainID, account, asset string
	c := a.signing(&cobra.Command{
		Use: "claim --chain CHAIN", Short: "Claim on a public chain what a vault holds for an account", Args: cobra.NoArgs,
		Long: `Claim on a public chain what a vault holds for an account. The proof comes from the
gateway; the transaction is signed and its fee paid with the chain key of the key file.
Without --account it claims for that key's own account; anyone may claim for another,
and the money always goes to the payee.

The vault decides: it pays each amount once. Claiming again answers already_done.`,
		Example: "  killick claim --keys alice.keys --chain eip155:1337 --evm http://127.0.0.1:17000",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				key, err := signer.ChainKey()
				if err != nil {
					return err
				}
				payee, err := signer.Account(chainID)
				if err != nil {
					return err
				}
				if account != "" {
					if payee, err = canon.ParseAccount(account); err != nil {
						return err
					}
				}
				if payee.Chain != chainID {
					return fault.New(fault.InvalidValue, "the account is on %s, not on %s", payee.Chain, chainID)
				}
				on, err := n.dial(ctx, chainID, key)
				if err != nil {
					return err
				}
				defer on.Close()
				return a.claim(ctx, gateway, on, payee, asset)
			})
		},
	})
	c.Flags().StringVar(&chainID, "chain", "", "`chain` (CAIP-2 id) to claim on (required)")
	c.Flags().StringVar(&account, "account", "", "`payee` (CAIP-10 id), default the account of the chain key")
	c.Flags().StringVar(&asset, "asset", defaultAsset, "`name` of the asset: it decides about the vault")
	c.Flags().StringArrayVar(&n.evm, "evm", []string{defaultEVM}, "JSON-RPC `URL` of a node of an eip155 chain; may be repeated")
	c.Flags().StringVar(&n.tron, "tron", defaultTron, "gRPC `address` of a Tron full node: host:port, or https://host:port with TLS")
	c.Flags().StringVar(&n.solidity, "tron-solidity", defaultSolidity, "gRPC `address` of a Tron solidity node: host:port, or https://host:port with TLS")
	if err := c.MarkFlagRequired("chain"); err != nil {
		panic(err) // the flag was added above
	}
	return c
}

func (n nodes) dial(ctx context.Context, chainID string, key []byte) (chain, error) {
	payer, err := signer.FromBytes(key)
	if err != nil {
		return nil, fmt.Errorf("chain key: %w", err)
	}
	if _, err := canon.ChainNumber(chainID); err != nil {
		return nil, err
	}
	if onTron(chainID) {
		return tron.Dial(ctx, tron.Config{Chain: chainID, GRPC: n.tron, Solidity: n.solidity, Key: payer})
	}
	return evm.Dial(ctx, evm.Config{Chain: chainID, URLs: n.evm, Key: payer})
}

// claimed is a claim that was paid. Fee is in wei or sun.
type claimed struct {
	Vault      string `json:"vault"`
	Payee      string `json:"payee"`
	Token      string `json:"token"`
	Cumulative string `json:"cumulative"`
	Before     string `json:"before"`
	After      string `json:"after"`
	Amount     string `json:"amount"`
	Block      uint64 `json:"block"`
	Cost       uint64 `json:"cost"`
	Unit       string `json:"unit"` // gas or energy
	Bandwidth  uint64 `json:"bandwidth,omitempty"`
	Fee        string `json:"fee"`
}

func (a *app) claim(ctx context.Context, gateway *client.Client, on chain, payee canon.Account, asset string) error {
	network, err := gateway.Network(ctx)
	if err != nil {
		return err
	}
	vault := ""
	for _, v := range network.GetVaults() {
		if v.GetAsset() == asset && strings.HasPrefix(v.GetId(), payee.Chain+":") {
			vault = v.GetId()
		}
	}
	if vault == "" {
		return fault.New(fault.VaultUnknown, "no vault on %s pays %s", payee.Chain, asset)
	}
	payouts, err := gateway.Payouts(ctx, payee.String())
	if err != nil {
		return err
	}
	for _, p := range payouts {
		if p.GetVault() != vault {
			continue
		}
		r, err := claimOne(ctx, on, payee, p)
		if err != nil {
			return err
		}
		return a.show(r, func(w io.Writer) {
			fmt.Fprintf(w, "vault        %s\npayee        %s\ntoken        %s\nbefore       %s\nafter        %s\npaid         %s\nblock        %d\ncost         %d %s, fee %s\n",
				r.Vault, r.Payee, r.Token, r.Before, r.After, r.Amount, r.Block, r.Cost, r.Unit, r.Fee)
		})
	}
	return fault.New(fault.NotFound, "vault %s holds nothing for %s", vault, payee)
}

// claimOne claims from one vault. It asks the vault what it has paid and refuses
// to spend a fee on nothing. The call is made here and not taken from the gateway.
func claimOne(ctx context.Context, on chain, payee canon.Account, p *client.Payout) (r claimed, err error) {
	vault, err := canon.ParseAccount(p.GetVault())
	if err != nil || vault.Chain != payee.Chain || p.GetAddress() != payee.String() {
		return r, fmt.Errorf("the gateway answered with a payout from %q to %q", p.GetVault(), p.GetAddress())
	}
	cumulative, ok := new(big.Int).SetString(p.GetCumulative(), 10)
	sides, okSides := new(big.Int).SetString(p.GetSides(), 10)
	levels, levelsErr := canon.UnHex(p.GetLevels(), len(p.GetLevels())/2)
	if !ok || !okSides || cumulative.Sign() < 0 || sides.Sign() < 0 || levelsErr != nil {
		return r, errors.New("the gateway answered with a payout that cannot be read")
	}
	to := send.Address(vault.Address)
	paid, err := number(ctx, on, to, contracts.PackClaimed(payee.Address))
	if err != nil {
		return r, fmt.Errorf("ask vault %s: %w", vault, err)
	}
	if paid.Cmp(cumulative) >= 0 {
		return r, fault.New(fault.AlreadyDone, "nothing to claim: vault %s has paid %s of %s to %s", vault, paid, cumulative, payee)
	}
	word, err := on.Call(ctx, to, contracts.PackToken(), send.Latest)
	if err != nil || len(word) != 32 {
		return r, errors.Join(fmt.Errorf("ask vault %s for its token", vault), err)
	}
	token := send.Address(word[12:])
	before, err := number(ctx, on, token, contracts.PackBalanceOf(payee.Address))
	if err != nil {
		return r, fmt.Errorf("balance before: %w", err)
	}
	outcome, err := on.Transact(ctx, to, contracts.PackClaim(contracts.Claim{Payee: payee.Address, Cumulative: cumulative, Sides: sides, Levels: levels}))
	if err != nil {
		return r, fmt.Errorf("claim from vault %s: %w", vault, err)
	}
	after, err := number(ctx, on, token, contracts.PackBalanceOf(payee.Address))
	if err != nil {
		return r, fmt.Errorf("balance after: %w", err)
	}
	unit := "gas"
	if onTron(payee.Chain) {
		unit = "energy"
	}
	return claimed{
		Vault: p.GetVault(), Payee: p.GetAddress(), Token: canon.Account{Chain: payee.Chain, Address: token}.String(), Cumulative: p.GetCumulative(),
		Before: before.String(), After: after.String(), Amount: new(big.Int).Sub(after, before).String(),
		Block: outcome.Block, Cost: outcome.Cost, Unit: unit, Bandwidth: outcome.Bandwidth, Fee: outcome.Fee,
	}, nil
}

func onTron(chainID string) bool { return strings.HasPrefix(chainID, "tron:") }

// number reads a view that returns one number.
func number(ctx context.Context, on chain, to send.Address, data []byte) (*big.Int, error) {
	word, err := on.Call(ctx, to, data, send.Latest)
	if err != nil {
		return nil, err
	}
	return contracts.UnpackUint(word)
}

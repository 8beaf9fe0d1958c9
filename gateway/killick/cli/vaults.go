package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/gateway/client"
)

// preferring warns, once it is done, of a preference by which nobody would be paid. The
// ledger takes it: a vault may come later.
func (a *app) preferring(ctx context.Context, gateway *client.Client, account string) error {
	if account == "" {
		return nil
	}
	network, err := gateway.Network(ctx)
	if err == nil {
		a.warning = unpaid(network.GetVaults(), account)
	}
	return err
}

// unpaid says what no vault pays out on the chain of an account (CAIP-10), or on a chain
// (CAIP-2): nothing when each asset that has a vault at all has one there.
func unpaid(vaults []*client.Vault, account string) string {
	chain := chainOf(account)
	var there, missing, elsewhere []string
	for _, v := range vaults {
		if chainOf(v.GetId()) == chain {
			there = append(there, v.GetAsset())
		}
	}
	for _, v := range vaults {
		if !slices.Contains(there, v.GetAsset()) {
			missing, elsewhere = append(missing, v.GetAsset()), append(elsewhere, v.GetAsset()+" on "+chainOf(v.GetId()))
		}
	}
	const until = "what the account earns of it stays on the ledger until there is a vault, or an account on another chain is preferred"
	switch {
	case len(vaults) == 0:
		return "no vault pays out on any chain; what accounts earn stays on the ledger until there is one"
	case len(missing) == 0:
		return ""
	}
	slices.Sort(missing)
	slices.Sort(elsewhere)
	return fmt.Sprintf("no vault on %s pays out %s; %s; vaults: %s",
		chain, strings.Join(slices.Compact(missing), ", "), until, strings.Join(slices.Compact(elsewhere), ", "))
}

// chainOf is the chain of an account, or the chain itself.
func chainOf(account string) string {
	namespace, rest, _ := strings.Cut(account, ":")
	number, _, _ := strings.Cut(rest, ":")
	return namespace + ":" + number
}

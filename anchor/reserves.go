package main

import (
	"context"
	"fmt"
	"math/big"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/payout"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// reserves tells the ledger how much money ever reached each vault, when that
// has changed. Payouts are assigned up to what K members confirm.
func (w *watch) reserves(ctx context.Context) error {
	if !w.members().member() {
		return nil
	}
	for i, vault := range w.chain.vaults {
		funded, err := w.funded(ctx, vault)
		if err != nil {
			return err
		}
		id := w.chain.cfg.Vaults[i]
		stored, ok, err := w.index.state(ctx, "reserve/"+id+"/"+w.cfg.Organisation)
		if err != nil {
			return err
		}
		if ok {
			last, err := payout.ParseReserve(stored)
			if err != nil {
				return err
			}
			if uint64(last) == funded {
				continue
			}
		} else if funded == 0 {
			continue
		}
		if err := w.submit(ctx, "reward:Reserve", struct {
			Vault  string `json:"vault"`
			Funded string `json:"funded"`
		}{id, fmt.Sprint(funded)}); err != nil {
			return err
		}
	}
	return nil
}

// funded returns a vault's balance and what it has paid, at the final head. What
// was paid is read before and after: a claim between the two would show twice or
// not at all.
func (w *watch) funded(ctx context.Context, vault canon.Account) (uint64, error) {
	number := func(to send.Address, data []byte) (*big.Int, error) {
		answer, err := w.chain.driver.Call(ctx, to, data, send.Final)
		if err != nil {
			return nil, err
		}
		return contracts.UnpackUint(answer)
	}
	token, err := number(vault.Address, contracts.PackToken())
	if err != nil {
		return 0, fmt.Errorf("vault %s at the final head (is it the right address, and final?): %w", vault, err)
	}
	for range 3 {
		before, err := number(vault.Address, contracts.PackClaimedTotal())
		if err != nil {
			return 0, err
		}
		balance, err := number(send.Address(token.FillBytes(make([]byte, 32))[12:]), contracts.PackBalanceOf(vault.Address))
		if err != nil {
			return 0, err
		}
		paid, err := number(vault.Address, contracts.PackClaimedTotal())
		if err != nil {
			return 0, err
		}
		if before.Cmp(paid) != 0 {
			continue
		}
		sum := balance.Add(balance, paid)
		if sum.BitLen() > 63 {
			return 0, fmt.Errorf("vault %s: %s is more than the ledger can count", vault, sum)
		}
		return sum.Uint64(), nil
	}
	return 0, fmt.Errorf("vault %s: claims arrive faster than it can be read", vault)
}

package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/govern"
)

// printMember prints this organisation with its keys as a member that joins a ledger, or
// that gets new keys (those of files that end in .next): what the other members propose (docs/formats/govern.md).
func printMember(ctx context.Context, w io.Writer, c *config) error {
	logID, err := canon.UnHex32(c.LogID)
	if err != nil {
		return fmt.Errorf("log_id: %w", err)
	}
	k, err := openKeys(c.Organisation, c.Network, c.Keys)
	if err != nil {
		return err
	}
	k = k.coming()
	j := govern.Joiner{MSP: c.Organisation, Cosign: k.vkey(c.Network), Address: address(k.attest)}
	text := canon.PossessionText(logID, canon.MemberLine(j.MSP, j.Cosign, j.Address))
	signature, err := k.attest.Sign(ctx, canon.Keccak(text))
	if err != nil {
		return err
	}
	j.Proof = &govern.Possession{
		Ed25519:   base64.StdEncoding.EncodeToString(ed25519.Sign(k.cosign, text)),
		Secp256k1: base64.StdEncoding.EncodeToString(signature[:]),
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(j)
}

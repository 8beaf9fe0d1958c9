package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// head is what the auditor says that an AnchorLog holds: its root for a size, as
// rootAt(size) answers. Where it comes from is the auditor's matter, so a bundle that
// matches it is never verified.
type head struct {
	size uint64
	root log.Hash
}

// heads are the supplied ones by chain (CAIP-2).
type heads map[string]head

func (h heads) String() string { return "" }

// Set reads CHAIN=SIZE,ROOT with the root as 0x and 64 hex digits.
func (h heads) Set(text string) error {
	chain, rest, _ := strings.Cut(text, "=")
	size, root, ok := strings.Cut(rest, ",")
	n, err := strconv.ParseUint(size, 10, 62)
	digits, prefixed := strings.CutPrefix(strings.ToLower(root), "0x")
	if !ok || !prefixed || err != nil || n == 0 {
		return fmt.Errorf("%q is not CHAIN=SIZE,0xROOT", text)
	}
	if _, err := canon.ChainNumber(chain); err != nil {
		return err
	}
	if _, twice := h[chain]; twice {
		return fmt.Errorf("%s was given before", chain)
	}
	r, err := canon.UnHex32(digits)
	h[chain] = head{n, r}
	return err
}

// check compares the bundle with the head, and reports whether it matches. Its first
// line is never passed. What the chain says of a payout is in no header.
func (h head) check(b *log.Bundle, p *log.Policy, chain string) (checks []log.Check, matches bool) {
	c := log.Check{Name: "chain " + chain, Status: log.Unchecked}
	_, anchored := b.AnchorOn(chain)
	switch {
	case !anchored:
		return b.CheckReading(p, chain, log.Reading{}), false
	case h.size != b.Note.Size:
		c.Text = fmt.Sprintf("the supplied header is of size %d, the checkpoint of size %d", h.size, b.Note.Size)
	case h.root != b.Note.Root:
		c.Status, c.Text = log.Failed, fmt.Sprintf("the supplied header has another root for size %d", h.size)
	default:
		matches = true
		c.Text = fmt.Sprintf("matches the supplied header: root 0x%x for size %d", h.root, h.size)
	}
	checks = []log.Check{c}
	if vault, _, ok := b.Vault(); ok && vault.Chain == chain {
		checks = append(checks, log.Check{Name: "vault " + chain, Status: log.Unchecked, Text: "whether the vault activated the epoch is in no supplied header"})
	}
	return checks, matches
}

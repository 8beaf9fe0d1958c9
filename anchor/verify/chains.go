package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/trail"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// agreeing is how many endpoints must tell the same of a chain, unless the auditor
// says that one is enough.
const agreeing = 2

// examine checks the bundle offline, raw blocks if there are any, and then every chain
// of the policy. Blocks and chains are looked at only for a bundle whose form and
// signatures hold: what else it says could come from anybody.
func examine(ctx context.Context, data []byte, p *log.Policy, o options) *finding {
	b, claim, checks, err := open(data, p)
	if err != nil {
		return conclude(nil, []log.Check{{Name: "form", Status: log.Failed, Text: err.Error()}}, nil, 0)
	}
	checks = append([]log.Check{{Name: "form", Text: fmt.Sprintf("%d bytes; the claim follows from the records", len(data))}}, checks...)
	if o.deeper != nil && log.Worst(checks) != log.Failed {
		checks = append(checks, o.deeper(b, p)...)
	}
	if log.Worst(checks) == log.Failed {
		return conclude(claim, checks, nil, 0)
	}
	var notes []string
	matched := 0
	for _, c := range p.Chains {
		more, silent := o.onChain(ctx, b, p, c.ID)
		if h, ok := o.headers[c.ID]; ok {
			matches := false
			if more, matches = h.check(b, p, c.ID); matches {
				matched++
			}
		}
		checks, notes = append(checks, more...), append(notes, silent...)
	}
	if len(p.Chains) == 0 {
		checks = append(checks, log.Check{Name: "chains", Status: log.Unchecked, Text: "the policy names no public chain"})
	}
	return conclude(claim, checks, notes, matched)
}

// open reads a bundle, or a trail, and checks what needs no chain. Chains are asked about the
// bundle: of a trail that is its head, since all links are under one checkpoint.
func open(data []byte, p *log.Policy) (b *log.Bundle, c claimant, checks []log.Check, err error) {
	if !log.IsTrail(data) {
		if b, err = log.ParseBundle(data); err != nil {
			return nil, nil, nil, err
		}
		return b, b, b.Verify(p), nil
	}
	t, err := log.ParseTrail(data)
	if err != nil {
		return nil, nil, nil, err
	}
	if checks = t.Verify(p); log.Worst(checks) != log.Failed {
		checks = append(checks, trail.Check(t, p)...)
	}
	return t.Head(), t, checks, nil
}

// claimant is what makes a claim.
type claimant interface{ Claim() (*log.Claim, error) }

// onChain asks every endpoint given for a chain. All that answer for it must agree
// with the bundle, and so with each other, and there must be two at different hosts
// or ports, or the auditor's word that one is enough. Endpoints of other chains are passed
// over: a policy may name several EVM chains. Each has a time of its own, so that one
// that hangs does not use up that of the others.
func (o options) onChain(ctx context.Context, b *log.Bundle, p *log.Policy, chain string) (checks []log.Check, notes []string) {
	name, endpoints := "chain "+chain, o.evm
	if isTron(chain) {
		endpoints = o.tron
	}
	if len(endpoints) == 0 {
		return []log.Check{{Name: name, Status: log.Unchecked, Text: "no endpoint was given"}}, nil
	}
	if _, ok := b.AnchorOn(chain); !ok {
		return b.CheckReading(p, chain, log.Reading{}), nil
	}
	var hosts []string
	var silent []log.Check
	for _, url := range endpoints {
		one, cancel := context.WithTimeout(ctx, o.timeout)
		r, err := o.read(one, url, b, p, chain)
		cancel()
		if err != nil {
			silent = append(silent, log.Check{Name: name, Status: log.Unchecked, Text: err.Error()})
			continue
		}
		found := b.CheckReading(p, chain, r)
		for i := range found {
			found[i].Text += "; read from " + host(url)
		}
		if number, err := canon.ChainNumber(chain); err != nil || r.ChainNumber != number {
			silent = append(silent, found[0])
			continue
		}
		if h := party(url); !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
		checks = append(checks, found...)
	}
	if len(hosts) == 0 {
		return silent, nil
	}
	for _, s := range silent {
		notes = append(notes, s.Name+": "+s.Text)
	}
	return append(checks, o.agreement(chain, hosts)), notes
}

// agreement says on whose word the reading of a chain rests. It stands after lines
// that say what each endpoint told; one that told something else failed there.
func (o options) agreement(chain string, hosts []string) log.Check {
	c := log.Check{Name: "endpoints " + chain}
	switch {
	case len(hosts) >= agreeing:
		c.Text = fmt.Sprintf("%d endpoints answered: %s", len(hosts), strings.Join(hosts, ", "))
	case o.oneEndpoint:
		c.Text = fmt.Sprintf("the word of %s alone, which --one-endpoint takes as enough", hosts[0])
	default:
		c.Status = log.Unchecked
		c.Text = fmt.Sprintf("%s alone answered: %d at different hosts or ports must agree (--one-endpoint if it is a node of your own)", hosts[0], agreeing)
	}
	return c
}

func isTron(chain string) bool { return strings.HasPrefix(chain, "tron:") }

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// question is what the page asks: the command line's arguments, with files as bytes.
// The page goes no deeper than L1.
type question struct {
	bundle, policy []byte
	evm, tron      []string
	oneEndpoint    bool
	headers        []string
}

// report is the answer. Exactly one of Finding and Error is there.
type report struct {
	Finding *finding `json:"finding,omitempty"`
	Error   string   `json:"error,omitempty"` // why there was nothing to check
	Last    string   `json:"last"`            // the line that ends killick-verify's report
	Bundle  string   `json:"bundle"`          // SHA-256, hex
	Policy  string   `json:"policy"`
}

// patience is how long the page waits for all answers of one endpoint.
const patience = 30 * time.Second

// answer does what the program does with its arguments. A panic is a mistake of ours
// that a file or an endpoint found: it ends as invalid, for nothing was verified.
func (q question) answer(ctx context.Context, net transport) (r report) {
	bundle, policy := canon.Sum(q.bundle), canon.Sum(q.policy)
	defer func() {
		if p := recover(); p != nil {
			r = report{Finding: conclude(nil, []log.Check{failed("verifier", "it stopped, which no file should make it do: %v", p)}, nil, 0)}
		}
		if r.Finding != nil {
			r.Last = r.Finding.last()
		} else {
			r.Last = "NOT CHECKED: " + r.Error
		}
		r.Bundle, r.Policy = canon.Hex(bundle[:]), canon.Hex(policy[:])
	}()
	o, p, err := q.options(net)
	if err != nil {
		return report{Error: err.Error()}
	}
	return report{Finding: examine(ctx, q.bundle, p, o)}
}

func (q question) options(net transport) (o options, p *log.Policy, err error) {
	o = options{evm: q.evm, tron: q.tron, oneEndpoint: q.oneEndpoint, headers: heads{}, timeout: patience, net: net}
	o.offline = len(q.evm)+len(q.tron) == 0
	if len(q.headers) > 0 && !o.offline {
		return o, nil, errors.New("supplied headers go without endpoints: where chains are read they are asked")
	}
	for _, h := range q.headers {
		if err := o.headers.Set(h); err != nil {
			return o, nil, fmt.Errorf("supplied header: %w", err)
		}
	}
	p, err = log.ParsePolicy(q.policy)
	return o, p, err
}

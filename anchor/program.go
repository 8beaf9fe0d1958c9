package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
)

const (
	// programsEvery is how often the organisations' services are asked what they run.
	programsEvery = 30 * time.Second
	// programWithin bounds how long one of them may take to answer.
	programWithin = 5 * time.Second
)

// programs compares the chaincode program that each organisation's service says it
// runs with the one that the ledger has. It raises an alarm for each that differs
// and decides nothing. A service that lies about itself is not found so.
type programs struct {
	*anchor
	look  time.Time       // when to look next
	asked map[string]bool // organisations that may have an alarm
}

func newPrograms(a *anchor) *programs { return &programs{anchor: a, asked: map[string]bool{}} }

// step asks every organisation when it is time.
func (p *programs) step(ctx context.Context) error {
	if p.now().Before(p.look) {
		return nil
	}
	value, ok, err := p.index.state(ctx, "program/current")
	if err != nil || !ok || p.members() == nil {
		return err
	}
	var current struct {
		Digest string `json:"digest"`
	}
	if err := json.Unmarshal(value, &current); err != nil {
		return fmt.Errorf("program on the ledger: %w", err)
	}
	p.look = p.now().Add(programsEvery)
	members := p.members().set().Members
	for msp := range p.asked {
		if !slices.ContainsFunc(members, func(m log.Member) bool { return m.MSP == msp }) {
			p.alarms.set("program of "+msp, nil) // it has left
			delete(p.asked, msp)
		}
	}
	for _, m := range members {
		p.asked[m.MSP] = true
		running, accepted, err := p.ask(ctx, m.MSP)
		if err != nil {
			continue // what it runs is not known; that it is away, others say
		}
		p.alarms.set("program of "+m.MSP, compare(running, current.Digest, accepted))
	}
	return ctx.Err()
}

// ask returns what an organisation's service runs, and whether the members have
// ever accepted that.
func (p *programs) ask(ctx context.Context, msp string) (running string, accepted bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, programWithin)
	defer cancel()
	answer, err := p.ledger.Evaluate(ctx, msp, "govern:Program")
	if err != nil {
		return "", false, err
	}
	var v struct {
		Running string `json:"running"`
	}
	if err := json.Unmarshal(answer, &v); err != nil {
		return "", false, err
	}
	value, ok, err := p.index.state(ctx, "program/"+v.Running)
	if err != nil || !ok {
		return v.Running, false, err
	}
	var known struct {
		Number uint64 `json:"number"`
	}
	err = json.Unmarshal(value, &known)
	return v.Running, known.Number > 0, err
}

// compare says what is wrong with a running program, nil when it is the current
// one.
func compare(running, current string, accepted bool) error {
	switch {
	case running == current:
		return nil
	case running == "":
		return fmt.Errorf("its chaincode service does not say which program it runs; the ledger has %s", current)
	case accepted:
		return fmt.Errorf("its chaincode service runs %.80s, which %s has replaced: it is to be upgraded", running, current)
	}
	return fmt.Errorf("its chaincode service runs %.80s, which the members have not accepted; the ledger has %s", running, current)
}

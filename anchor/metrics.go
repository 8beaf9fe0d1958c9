package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
)

// metricDays is for how many days costs are shown, today included.
const metricDays = 7

// metrics writes the Prometheus text format. Labels are bounded: the chains, the last
// days, and the topics of alarms, which are loops, chains and members.
type metrics struct {
	bytes.Buffer
	named map[string]bool
}

// add writes a value; labels are pairs of name and value.
func (m *metrics) add(name, help string, value any, labels ...string) {
	if m.named == nil {
		m.named = map[string]bool{}
	}
	if !m.named[name] {
		m.named[name] = true
		fmt.Fprintf(m, "# HELP killick_%s %s\n# TYPE killick_%s gauge\n", name, help, name)
	}
	fmt.Fprintf(m, "killick_%s", name)
	for i := 0; i < len(labels); i += 2 {
		fmt.Fprintf(m, "%c%s=%q", "{,"[min(i, 1)], labels[i], labels[i+1])
	}
	if len(labels) > 0 {
		m.WriteByte('}')
	}
	fmt.Fprintf(m, " %v\n", value)
}

func (m *metrics) reply(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = w.Write(m.Bytes())
}

func (a *anchor) serveMetrics(w http.ResponseWriter, r *http.Request) {
	m := &metrics{}
	if err := a.measure(r.Context(), m); err != nil {
		a.fail(w, r, "metrics", err)
		return
	}
	m.reply(w)
}

func (a *anchor) measure(ctx context.Context, m *metrics) error {
	head, err := a.index.head(ctx)
	if err != nil {
		return err
	}
	m.add("anchor_blocks", "Blocks in the log.", a.log.Size())
	m.add("anchor_checkpoint_size", "Size of the newest accepted checkpoint.", head.Size)
	m.add("anchor_checkpoint_time", "Its time, in seconds since 1970.", head.Time)
	topics := a.alarms.topics()
	m.add("anchor_alarms", "Alarms that stand.", len(topics))
	for _, topic := range topics {
		m.add("anchor_alarm", "1 while the alarm of the topic stands.", 1, "topic", topic)
	}
	ids := slices.Sorted(maps.Keys(a.chains))
	each := func(name, help string, value func(c *publicChain) any) {
		for _, id := range ids {
			if v := value(a.chains[id]); v != nil {
				m.add(name, help, v, "chain", id)
			}
		}
	}
	each("anchor_chain_final_block", "Number of the final head.", func(c *publicChain) any { final, _ := c.seen(); return final })
	each("anchor_chain_size", "Size of the newest checkpoint in AnchorLog at the final head.", func(c *publicChain) any { _, head := c.seen(); return head.Size })
	each("anchor_chain_time", "Its time, in seconds since 1970.", func(c *publicChain) any { _, head := c.seen(); return head.Time })
	each("anchor_funds", "What the own account holds, in wei or sun.", func(c *publicChain) any {
		if held := c.holding(); held != nil {
			return held
		}
		return nil
	})
	each("anchor_funds_low", "Below this there is an alarm.", func(c *publicChain) any { return c.cfg.low() })
	each("anchor_budget", "What may be spent on a day (UTC), in wei or sun.", func(c *publicChain) any {
		if c.cfg.Budget == "" {
			return nil
		}
		return c.cfg.Budget
	})
	return a.costs(ctx, m, ids)
}

// cost is what a chain's transactions of one day came to.
type cost struct {
	txs     int
	gas     uint64
	fee     *big.Int
	chain   string
	daysAgo string
}

// costs writes the costs of the last days, days without any included: a series that
// ends cannot be told from an anchor that is down.
func (a *anchor) costs(ctx context.Context, m *metrics, chains []string) error {
	today := a.now().UTC().Truncate(24 * time.Hour)
	var all []cost
	for _, id := range chains {
		days, err := a.sender.Days(ctx, id, today.AddDate(0, 0, 1-metricDays))
		if err != nil {
			return err
		}
		for ago := range metricDays {
			c := cost{fee: new(big.Int), chain: id, daysAgo: fmt.Sprint(ago)}
			for _, d := range days {
				if d.Day.Equal(today.AddDate(0, 0, -ago)) {
					c.txs, c.gas, c.fee = d.Txs, d.Cost, d.Fee
				}
			}
			all = append(all, c)
		}
	}
	for _, s := range []struct {
		name, help string
		value      func(cost) any
	}{
		{"anchor_spent", "Fees of the own transactions in final blocks on a day (UTC; 0 is today), in wei or sun.", func(c cost) any { return c.fee }},
		{"anchor_spent_gas", "Gas, or energy on Tron, of these.", func(c cost) any { return c.gas }},
		{"anchor_spent_transactions", "How many these are.", func(c cost) any { return c.txs }},
	} {
		for _, c := range all {
			m.add(s.name, s.help, s.value(c), "chain", c.chain, "days_ago", c.daysAgo)
		}
	}
	return nil
}

// serveRotations answers with the rotations from the founding set to the one in force,
// as bundles carry them. Who pins any of these sets finds the newest by them.
func (a *anchor) serveRotations(w http.ResponseWriter, r *http.Request) {
	m := a.members()
	if m == nil {
		a.fail(w, r, "a member set", errNone)
		return
	}
	data, err := log.MarshalRotations(a.cfg.Network, m.rotations)
	if err != nil {
		a.fail(w, r, "rotations", err)
		return
	}
	text(w, data)
}

package main

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
)

func (m *fakeMember) alarmed(text string) bool {
	return strings.Contains(strings.Join(m.alarms.list(), "\n"), text)
}

// MO-1: too little money is an alarm that names the account's chain, and ends with it.
func TestLowFunds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	ch, m := w.chains[0], w.members[0]
	for _, c := range []struct {
		held  int64
		alarm bool
	}{{5e16, false}, {5e16 - 1, true}, {5e16, false}, {1, true}, {6e16, false}} {
		ch.held = c.held
		w.tickFor(time.Second)
		if m.alarmed("funds on "+ch.id+": the fee account holds") != c.alarm || m.alarmed("funds on "+w.chains[1].id) {
			t.Errorf("%d held: alarms %q", c.held, m.alarms.list())
		}
	}
	ch.held = 1
	m.chains[ch.id].cfg.LowFunds = "1"
	w.tickFor(time.Second)
	if m.alarmed("funds on") {
		t.Errorf("enough by the configuration: alarms %q", m.alarms.list())
	}
	m.chains[ch.id].cfg.LowFunds = "2"
	w.tickFor(time.Second)
	left := *m.members()
	left.index = -1
	m.roster.now.Store(&left)
	w.tickFor(time.Second)
	if m.alarmed("funds on") {
		t.Errorf("no member any more: alarms %q", m.alarms.list())
	}
}

// MO-2: an anchor whose day's budget is spent sends nothing more and says so, also after
// a start, until the next day; the others go on.
func TestBudgetOfTheAnchor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, m := range w.members {
		m.stop()
		for i := range m.cfg.Chains {
			m.cfg.Chains[i].Budget = "1" // every transaction costs 1
		}
		m.start()
	}
	w.until("all is spent", 20*time.Minute, func() bool {
		if w.now.Nanosecond() == 0 && w.now.Unix()%20 == 0 {
			w.cutRecord()
		}
		for _, m := range w.members {
			if !m.alarmed("the day's budget is spent") {
				return false
			}
		}
		return true
	})
	ch, m := w.chains[0], w.members[0]
	if ch.paid[m.keys.msp] != 1 || ch.fees() != len(w.members) {
		t.Errorf("paid %v", ch.paid)
	}
	m.stop()
	m.start()
	w.tickFor(10 * time.Second)
	if !m.alarmed("the day's budget is spent") || ch.paid[m.keys.msp] != 1 {
		t.Errorf("after a start: alarms %q, paid %v", m.alarms.list(), ch.paid)
	}
	v, err := m.status(t.Context())
	if err != nil || v.Chains[0].Spent != "1" || v.Chains[0].Budget != "1" || v.Chains[0].Funds != "1000000000000000000" {
		t.Errorf("status %+v, %v", v.Chains, err)
	}
	w.now = w.now.UTC().Truncate(24 * time.Hour).Add(24*time.Hour + time.Minute)
	fees := ch.fees()
	w.until("sent on the next day", 5*time.Minute, func() bool { return ch.fees() > fees })
}

// MO-3: what everything costs is in the metrics, for each day.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	w.tickFor(35 * time.Second) // senders want to be sure
	paid := map[string]int{}
	scrape := func(m *fakeMember) string {
		s := httptest.NewServer(m.handler())
		defer s.Close()
		status, kind, body := get(t, s.URL+"/metrics")
		if status != 200 || !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
			t.Errorf("%d %s", status, kind)
		}
		return string(body)
	}
	for _, m := range w.members {
		text := scrape(m)
		for _, ch := range w.chains {
			n := ch.paid[m.keys.msp]
			paid[ch.id] += n
			for _, line := range []string{
				fmt.Sprintf("killick_anchor_spent{chain=%q,days_ago=\"0\"} %d\n", ch.id, n),
				fmt.Sprintf("killick_anchor_spent_gas{chain=%q,days_ago=\"0\"} %d\n", ch.id, n),
				fmt.Sprintf("killick_anchor_spent_transactions{chain=%q,days_ago=\"0\"} %d\n", ch.id, n),
				fmt.Sprintf("killick_anchor_spent{chain=%q,days_ago=\"6\"} 0\n", ch.id),
				fmt.Sprintf("killick_anchor_funds{chain=%q} 1000000000000000000\n", ch.id),
				"killick_anchor_alarms 0\n", "# TYPE killick_anchor_spent gauge\n",
			} {
				if !strings.Contains(text, line) {
					t.Errorf("%s: no %q in %s", m.keys.msp, line, text)
				}
			}
		}
	}
	if paid[w.chains[0].id] != 1 || paid[w.chains[1].id] != 1 {
		t.Errorf("paid %v", paid)
	}
	w.now = w.now.Add(48 * time.Hour)
	w.chains[0].held = 1
	w.tickFor(time.Second)
	text := scrape(w.members[0])
	for _, line := range []string{fmt.Sprintf("killick_anchor_alarm{topic=\"funds on %s\"} 1\n", w.chains[0].id),
		fmt.Sprintf("killick_anchor_spent{chain=%q,days_ago=\"2\"} %d\n", w.chains[0].id, w.chains[0].paid[w.members[0].keys.msp])} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in %s", line, text)
		}
	}
}

// MO-4: an endpoint that invents a checkpoint stops no scan and is named; one that the
// contract has is waited for, and after a minute that is an alarm.
func TestChainIsAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	ch, m := w.chains[0], w.members[0]
	ch.lie = event{Contract: ch.anchorLog, Number: 1 << 40, Root: [32]byte{6}, Landing: log.Landing{Block: 1}}
	of := w.recorded() // with receipts, which need the scan
	if !m.alarmed("events of " + ch.id + ": an endpoint shows a checkpoint of size 1099511627776") {
		t.Errorf("alarms %q", m.alarms.list())
	}
	ch.mute = true
	w.tickFor(2 * time.Second)
	if !m.alarmed("events of " + ch.id) {
		t.Error("events that were not read end the alarm about them")
	}
	ch.mute = false
	if e, ok, err := m.index.newestEvent(t.Context(), ch.anchorLog.String()); err != nil || !ok || e.Number <= of || e.Number == 1<<40 {
		t.Errorf("newest event %+v, %v", e, err)
	}
	ch.lie = event{}
	w.tickFor(3 * time.Second)
	w.quiet()

	m.height = len(w.blocks)
	w.cutRecord()
	w.until("ahead", 4*time.Minute, func() bool {
		return ch.block(0).head.Size > uint64(m.height) && ch.block(1).head.Size > uint64(m.height)
	})
	w.tickFor(30 * time.Second)
	if m.alarmed("AnchorLog has a checkpoint of size") {
		t.Errorf("alarms %q at once", m.alarms.list())
	}
	w.tickFor(40 * time.Second)
	if !m.alarmed("AnchorLog has a checkpoint of size") {
		t.Errorf("alarms %q after a minute", m.alarms.list())
	}
	m.height = -1
	w.tickFor(5 * time.Second)
	w.quiet()
}

func (c *fakeAccount) silent() error { return c.away }

// MO-9: an endpoint that does not answer, where enough others do, is an alarm while it
// lasts, and holds up nothing.
func TestSilentEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chains[0].away = errors.New("node n: refused")
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	m, text := w.members[0], "endpoints of "+w.chains[0].id+": node n: refused"
	if !m.alarmed(text) || m.alarmed("endpoints of "+w.chains[1].id) {
		t.Errorf("alarms %q", m.alarms.list())
	}
	w.chains[0].away = nil
	if w.tickFor(11 * time.Second); m.alarmed(text) {
		t.Errorf("it stays: %q", m.alarms.list())
	}
}

// What was spent on days that the clock went back from is shown as spent, as it counts for
// the budget.
func TestSpentAfterTheClockWentBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ch, first := w.chains[0], w.now
	twice := func() *fakeMember {
		for _, m := range w.members {
			if ch.paid[m.keys.msp] > 1 {
				return m
			}
		}
		return nil
	}
	for twice() == nil { // each pays on a day of its own
		w.now = w.now.Add(24 * time.Hour)
		fees := ch.fees()
		w.cutRecord()
		w.until("sent", 5*time.Minute, func() bool { return ch.fees() > fees })
	}
	w.tickFor(35 * time.Second) // senders want to be sure
	m := twice()
	m.now = func() time.Time { return first }
	if v, err := m.status(t.Context()); err != nil || v.Chains[0].Spent != fmt.Sprint(ch.paid[m.keys.msp]) {
		t.Errorf("%+v, %v; want %d", v.Chains, err, ch.paid[m.keys.msp])
	}
}

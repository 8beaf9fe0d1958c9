package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// final and read implement chainEvents.
func (c *fakeChain) final(context.Context) (heads, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if c.down {
		return heads{}, errDown
	}
	n := c.ends
	if n == 0 {
		n = uint64(max(len(c.blocks)-1-c.depth, 0))
	}
	return heads{least: n, most: n}, nil
}

func (c *fakeChain) read(_ context.Context, from, to uint64, _ []canon.Account) (shown, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if c.down || c.mute {
		return shown{}, errDown
	}
	got := shown{next: to + 1}
	for n := from; n <= to && n < uint64(len(c.blocks)) && !c.lags; n++ {
		got.events = append(got.events, c.blocks[n].events...)
	}
	if c.lie.Number > 0 {
		got.events = append(got.events, c.lie)
	}
	return got, nil
}

// endpoint serves the events of a fakeChain as a node does, unless it lies.
type endpoint struct {
	*fakeChain
	off     int    // its final head is so many blocks higher
	omits   bool   // it leaves out events
	also    event  // it shows this one
	pruned  bool   // it has no logs, and says so
	away    bool   // it does not answer
	foreign bool   // it shows events that it was not asked for
	who     string // host and port
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q struct {
		ID     json.RawMessage
		Method string
		Params []json.RawMessage
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || e.away {
		http.Error(w, "away", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	answer := map[string]any{"jsonrpc": "2.0", "id": q.ID}
	switch {
	case q.Method == "eth_getBlockByNumber":
		answer["result"] = map[string]any{"number": hexutil.Uint64(len(e.blocks) - 1 - e.depth + e.off)}
	case e.pruned:
		answer["error"] = map[string]any{"code": 4444, "message": "pruned history unavailable"}
	default:
		answer["result"] = e.logs(q.Params[0])
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (e *endpoint) logs(query json.RawMessage) []map[string]any {
	var q struct{ FromBlock, ToBlock hexutil.Uint64 }
	_ = json.Unmarshal(query, &q)
	var events []event
	for n := uint64(q.FromBlock); n <= uint64(q.ToBlock) && n < uint64(len(e.blocks)) && !e.omits; n++ {
		events = append(events, e.blocks[n].events...)
	}
	if n := e.also.Block; n >= uint64(q.FromBlock) && n <= uint64(q.ToBlock) && n > 0 || e.foreign {
		events = append(events, e.also)
	}
	all := []map[string]any{}
	for _, ev := range events {
		all = append(all, map[string]any{
			"address": common.Address(ev.Contract.Address), "topics": []common.Hash{contracts.AnchoredTopic, common.BigToHash(hexutil.MustDecodeBig(hexutil.EncodeUint64(ev.Number)))},
			"data": hexutil.Bytes(append(ev.Root[:], make([]byte, 32)...)), "blockNumber": hexutil.Uint64(ev.Block), "blockHash": common.Hash(ev.BlockHash),
			"transactionHash": common.Hash(ev.Tx),
		})
	}
	return all
}

// endpoints makes a member read a chain's events from so many.
func (m *fakeMember) endpoints(t *testing.T, ch *fakeChain, n int) (*watch, []*endpoint) {
	t.Helper()
	c := m.chains[ch.id]
	r := &eventReader{chain: ch.id, timeout: time.Minute}
	t.Cleanup(r.close)
	var all []*endpoint
	for range n {
		e := &endpoint{fakeChain: ch}
		s := httptest.NewServer(e)
		t.Cleanup(s.Close)
		e.who = where(s.URL)
		all, r.urls = append(all, e), append(r.urls, s.URL)
	}
	c.events = r
	return &watch{anchor: m.anchor, chain: c}, all
}

// anchorAt has somebody anchor the whole ledger on a chain and lets the chain go on.
func (w *world) anchorAt(m *fakeMember, ch *fakeChain, blocks int) (size uint64) {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	w.cutRecord()
	if err := m.catchUp(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	size = m.log.Size()
	root, err := m.log.Root(size)
	if err != nil {
		w.t.Fatal(err)
	}
	data := w.submit(ch, point{Size: size, Root: root, Time: uint64(w.now.Unix())})
	ch.pool = append(ch.pool, chainTx{ID: canon.Sum(data), By: "stranger", To: send.Address(ch.anchorLog.Address), Raw: data})
	for range blocks {
		ch.mine()
	}
	return size
}

// Of several endpoints one hides no event, whatever it says or does not say: the scan goes
// as far as all that answer agree, names who does not, and misses nothing afterwards.
func TestOneEndpointHidesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, ch := w.members[0], w.chains[0]
	for range 300 {
		ch.mine()
	}
	for _, tc := range []struct {
		name  string
		of    int
		bad   func(e *endpoint)
		knows bool   // the new event, while it lasts
		err   string // meanwhile
		alarm string // meanwhile; LIAR is the endpoint, OTHER the next one
		later string // the alarm after a minute
	}{
		{name: "none", of: 2, knows: true},
		{name: "a final head too high", of: 2, bad: func(e *endpoint) { e.off = 150 }, knows: true,
			later: "final head of eip155:1337: OTHER says that block "},
		{name: "a final head that will never be", of: 2, bad: func(e *endpoint) { e.off = 1 << 60 }, knows: true,
			later: "final head of eip155:1337: OTHER says that block "},
		{name: "it lags", of: 2, bad: func(e *endpoint) { e.off = -200 },
			later: "final head of eip155:1337: LIAR says that block "},
		{name: "it leaves events out", of: 2, bad: func(e *endpoint) { e.omits = true }, alarm: "events of eip155:1337: in block "},
		{name: "it leaves events out, of three", of: 3, bad: func(e *endpoint) { e.omits = true }, alarm: "and not LIAR"},
		{name: "it invents one", of: 2, bad: func(e *endpoint) {
			e.also = event{Contract: ch.anchorLog, Number: 2, Root: [32]byte{6}, Landing: log.Landing{Block: uint64(len(ch.blocks)) + 20}}
		}, knows: true, alarm: "only LIAR shows 2 of "},
		{name: "it shows another transaction", of: 2, bad: func(e *endpoint) {
			e.omits, e.also = true, event{Contract: ch.anchorLog, Number: 2, Root: [32]byte{6}, Landing: log.Landing{Block: uint64(len(ch.blocks))}}
		}, alarm: "events are read up to that block"},
		{name: "it shows what it was not asked for", of: 3, bad: func(e *endpoint) {
			e.foreign, e.also = true, event{Contract: ch.token, Number: 2, Landing: log.Landing{Block: 1}}
		}, knows: true},
		{name: "it is down, of two", of: 2, bad: func(e *endpoint) { e.away = true }, err: "fewer than two of the endpoints answer"},
		{name: "it is down, of three", of: 3, bad: func(e *endpoint) { e.away = true }, knows: true},
		{name: "it has no old logs, of two", of: 2, bad: func(e *endpoint) { e.pruned = true }, err: "LIAR: pruned history unavailable"},
		{name: "it has no old logs, of three", of: 3, bad: func(e *endpoint) { e.pruned = true }, knows: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			watcher, all := m.endpoints(t, ch, tc.of)
			names := strings.NewReplacer("LIAR", all[0].who, "OTHER", all[1].who)
			look := func(want, alarm string) {
				t.Helper()
				err := watcher.look(t.Context())
				if want = names.Replace(want); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
					t.Errorf("got %v, want %q", err, want)
				}
				got := strings.Join(m.alarms.list(), "\n")
				if alarm = names.Replace(alarm); !strings.Contains(got, alarm) || alarm == "" && got != "" {
					t.Errorf("alarms %q, want %q", got, alarm)
				}
				next, err := m.index.scanned(t.Context(), ch.id)
				if final := uint64(len(ch.blocks) - 1 - ch.depth); err != nil || next > final+1 {
					t.Errorf("scanned up to %d, %d is final: %v", next, final, err)
				}
				if head := watcher.chain.head; head != ch.block(send.Final).head {
					t.Errorf("the head is %+v", head)
				}
			}
			knows := func(size uint64, want bool) {
				t.Helper()
				e, _, err := m.index.newestEvent(t.Context(), ch.anchorLog.String())
				if err != nil || (e.Number == size) != want {
					t.Errorf("the newest event is %d; want %d: %v, %v", e.Number, size, want, err)
				}
			}
			look("", "")
			if tc.bad != nil {
				tc.bad(all[0])
			}
			_ = watcher.look(t.Context())
			size := w.anchorAt(m, ch, 150)
			look(tc.err, tc.alarm)
			knows(size, tc.knows)
			w.now = w.now.Add(2 * aheadWithin)
			look(tc.err, tc.alarm+tc.later)
			*all[0] = endpoint{fakeChain: ch, who: all[0].who}
			look("", "")
			knows(size, true)
		})
	}
}

// The only endpoint of a chain hides no event for ever, by naming a final block that will
// come much later or by leaving events out: what the contract has is looked for again.
func TestAloneAndLying(t *testing.T) {
	t.Parallel()
	for name, lies := range map[string]func(ch *fakeChain, lie bool){
		"final too high": func(ch *fakeChain, lie bool) {
			if ch.ends = 0; lie {
				ch.ends = uint64(len(ch.blocks)) + 150
			}
		},
		"final never": func(ch *fakeChain, lie bool) {
			if ch.ends = 0; lie {
				ch.ends = 1 << 17
			}
		},
		"leaves out": func(ch *fakeChain, lie bool) { ch.lags = lie },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m, ch := w.members[0], w.chains[0]
			watcher := &watch{anchor: m.anchor, chain: m.chains[ch.id]}
			size := w.anchorAt(m, ch, 60)
			look := func(alarm string, knows bool) {
				t.Helper()
				if err := watcher.look(t.Context()); err != nil {
					t.Error(err)
				}
				e, _, err := m.index.newestEvent(t.Context(), ch.anchorLog.String())
				if got := strings.Join(m.alarms.list(), "\n"); err != nil || (e.Number == size) != knows || !strings.Contains(got, alarm) || alarm == "" && got != "" {
					t.Errorf("the newest event is %d of %d, alarms %q, want %q: %v", e.Number, size, got, alarm, err)
				}
			}
			look("", true)
			lies(ch, true)
			look("", true)
			size = w.anchorAt(m, ch, 60)
			if name != "leaves out" {
				lies(ch, false)
			}
			look("", false)
			for range 200 {
				ch.mine()
			}
			look("", false)
			w.now = w.now.Add(2 * aheadWithin)
			look("no event of eip155:1337: AnchorLog has a checkpoint of size ", false)
			lies(ch, false)
			look("", true)
		})
	}
}

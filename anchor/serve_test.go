package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
)

func get(t *testing.T, url string) (status int, contentType string, body []byte) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, err = io.ReadAll(r.Body); err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, r.Header.Get("Content-Type"), body
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.members[1]
	s := httptest.NewServer(m.handler())
	defer s.Close()
	if status, _, _ := get(t, s.URL+"/checkpoint"); status != http.StatusNotFound {
		t.Errorf("/checkpoint before the first: %d", status)
	}
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	w.tickFor(4 * time.Second)

	t.Run("status", func(t *testing.T) {
		status, kind, body := get(t, s.URL+"/status")
		var v statusView
		decodeJSON(t, body, &v)
		if status != 200 || kind != "application/json" || v.Organisation != "Org2MSP" || v.Height == 0 || v.Head.Number == 0 ||
			len(v.Chains) != 2 || v.Chains[0].Anchored == 0 || len(v.Alarms) != 0 {
			t.Errorf("%d %s %s", status, kind, body)
		}
	})
	t.Run("checkpoint", func(t *testing.T) {
		_, kind, body := get(t, s.URL+"/checkpoint")
		c, signers, err := w.policy().Set().OpenNote(body)
		if err != nil || len(signers) < 3 || c.Size != w.head().Size || !strings.HasPrefix(kind, "text/plain") {
			t.Errorf("%+v by %v: %v", c, signers, err)
		}
	})
	t.Run("tile", func(t *testing.T) {
		_, _, body := get(t, s.URL+"/tile/0/000.p/2")
		leaf, err := m.log.Leaf(1)
		if err != nil || len(body) != 64 || tlog.Hash(body[32:]) != tlog.RecordHash(leaf.Bytes()) {
			t.Errorf("%d bytes, %v", len(body), err)
		}
	})
	t.Run("bundle", func(t *testing.T) {
		tx := w.blocks[1].Txs[0].ID
		_, kind, body := get(t, s.URL+"/bundle?tx="+tx)
		b, err := log.ParseBundle(body)
		if err != nil || !strings.HasPrefix(kind, "text/plain") {
			t.Fatalf("%v in %s", err, body)
		}
		if log.Worst(b.Verify(w.policy())) != log.Passed {
			t.Error("the bundle does not verify")
		}
	})
	t.Run("problems", func(t *testing.T) {
		w.cutRecord()
		newest := w.blocks[len(w.blocks)-1]
		w.tick()
		key := ""
		for _, wr := range newest.Txs[0].Writes {
			if strings.HasPrefix(string(wr.Key), "did/") {
				key = string(wr.Key)
			}
		}
		for path, want := range map[string]struct {
			status       int
			code, detail string
		}{
			"/":       {404, "not_found", "there is no GET / here"},
			"/bundle": {400, "missing_field", "give key"},
			"/trail":  {400, "invalid_value", "reference of a job"},
			"/trail?job=00000001-" + strings.Repeat("a", 64):                {404, "not_found", "is not on the ledger"},
			"/trail?disclosure=e30&job=00000001-" + strings.Repeat("a", 64): {400, "invalid_value", "disclosure"},
			"/bundle?tx=12":                                       {400, "invalid_value", "64 lower-case"},
			"/bundle?tx=" + strings.Repeat("a", 64):               {404, "not_found", "is not on the ledger"},
			"/bundle?key=record/none":                             {404, "not_found", "record/none is not on the ledger"},
			"/bundle?key=network":                                 {400, "invalid_value", "no proof can be made"},
			"/bundle?key=" + key:                                  {404, "not_anchored", "not yet anchored, next at 20"},
			"/bundle?key=" + key + "&tx=" + newest.Txs[0].ID:      {404, "not_anchored", key + " of transaction " + newest.Txs[0].ID},
			"/bundle?key=" + key + "&tx=" + w.blocks[1].Txs[0].ID: {404, "not_found", "is not on the ledger"},
			"/tile/0/999":                                         {404, "not_found", "no such tile"},
			"/tile/../signed.json":                                {404, "not_found", ""},
			"/payout?account=nonsense":                            {400, "invalid_value", "account: "},
			"/payout?account=" + w.chains[0].vault.String():       {404, "not_found", "a payout for"},
		} {
			status, kind, body := get(t, s.URL+path)
			var p struct{ Code, Detail, Advice, Type string }
			if err := json.Unmarshal(body, &p); err != nil {
				t.Errorf("%s: %s", path, body)
				continue
			}
			if status != want.status || p.Code != want.code || !strings.Contains(p.Detail, want.detail) || p.Advice == "" ||
				kind != "application/problem+json" || p.Type != "urn:killick:problem:"+want.code {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
		if r, err := http.Post(s.URL+"/status", "", nil); err != nil || r.StatusCode != 404 {
			t.Errorf("POST /status: %v, %v", r, err)
		} else {
			r.Body.Close()
		}
	})
	t.Run("costs", func(t *testing.T) {
		w.tickFor(32 * time.Second) // senders want to be sure
		spent := 0
		for _, m := range w.members {
			v, err := m.status(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range v.Intents {
				if i.Phase == send.PhaseRecorded.String() && i.Cost == 1 && i.Fee == "1" {
					spent++
				}
			}
		}
		if spent != 2 {
			t.Errorf("%d anchors with a cost, want one for each chain", spent)
		}
	})
}

// After a restart the status says what is anchored on a chain that is frozen, has a fork,
// or does not answer, and nothing is planned there.
func TestStatusOfAChainThatHalts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("anchored", 20*time.Second, func() bool { return w.anchored(1) })
	w.tickFor(2 * time.Second)
	m, ch := w.members[0], w.chains[0]
	ch.full, m.asleep = true, true
	w.cutRecord()
	w.tickFor(70 * time.Second) // there is something to anchor
	planned := func() (n int) {
		p := newPoster(m.anchor)
		for range 2 {
			_ = p.step(t.Context()) // what halts is an alarm
			w.now = w.now.Add(time.Minute)
		}
		open, err := m.sender.Unrecorded(t.Context())
		for _, st := range open {
			if st.Chain == ch.id && st.Phase == send.PhasePlanned {
				n++
			}
		}
		if err != nil {
			t.Error(err)
		}
		return n
	}
	again := func() error {
		m.stop()
		m.start()
		return errors.Join(m.catchUp(t.Context()), (&watch{anchor: m.anchor, chain: m.chains[ch.id]}).look(t.Context()))
	}
	for name, tc := range map[string]struct {
		begin func() (end func())
		set   uint64
	}{
		"frozen": {func() func() { return ch.change(func(b *chainBlock) { b.sets[0].Frozen = true }) }, 1},
		"forked": {func() func() { return ch.change(func(b *chainBlock) { b.head.Root[0] ^= 1 }) }, 1},
		"away": {func() func() {
			ch.down = true
			return func() { ch.down = false }
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			defer tc.begin()()
			if err := again(); err == nil || planned() > 0 {
				t.Errorf("%d intents: %v", planned(), err)
			}
			v, err := m.status(t.Context())
			head := ch.block(send.Final).head
			if err != nil || v.Chains[0].Anchored != head.Size || v.Chains[0].Time != head.Time || v.Chains[0].Final == 0 || v.Chains[0].Set != tc.set {
				t.Errorf("%+v, want %+v: %v", v.Chains[0], head, err)
			}
		})
	}
	if err := again(); err != nil || planned() != 1 {
		t.Errorf("%d intents of a chain that is good: %v", planned(), err)
	}
}

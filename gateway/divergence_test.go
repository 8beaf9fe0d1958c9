package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/network/fabric"
)

// Disputes are looked into one at a time and not too often, and nobody waits.
func TestDisputesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDivergence(new(fabric.Client), []fabric.Endpoint{{MSPID: "Org1MSP"}}, slog.New(slog.DiscardHandler))
		asked, now := 0, 0
		d.explain = func(context.Context, *fabric.Dispute, string, ...[]byte) fabric.Finding {
			asked++
			if now++; now > 1 {
				t.Error("two at a time")
			}
			time.Sleep(5 * time.Second)
			now--
			return fabric.Finding{}
		}
		begun := time.Now()
		for range 10 * waitingDisputes {
			d.look(&fabric.Dispute{TxID: "x"}, nil)
		}
		d.look(nil, nil)
		if waited := time.Since(begun); waited > 0 {
			t.Errorf("a batch waited %s", waited)
		}
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if asked != otherPerMinute {
			t.Errorf("peers were asked %d times in a minute, want %d", asked, otherPerMinute)
		}
		time.Sleep(time.Minute)
		d.look(&fabric.Dispute{TxID: "y"}, nil)
		synctest.Wait()
		if asked != otherPerMinute+1 {
			t.Errorf("asked %d times after another minute", asked)
		}
		d.close()
	})
}

func TestFindingsAreToldOnce(t *testing.T) {
	var log bytes.Buffer
	d := newDivergence(new(fabric.Client), []fabric.Endpoint{{MSPID: "Org1MSP"}, {MSPID: "Org2MSP"}}, slog.New(slog.NewJSONHandler(&log, nil)))
	d.close()
	at := time.Unix(1_700_000_000, 0)
	d.note(fabric.Finding{TxID: "t", Deviations: []fabric.Deviation{{
		Organisation: "Org2MSP", Items: []fabric.Item{{Index: 3, ID: "aa", Text: "expired in place of ok"}}, Count: 1, Text: "it differs",
	}}}, true, at)
	d.note(fabric.Finding{TxID: "u", Deviations: []fabric.Deviation{{Organisation: "Org2MSP"}}}, false, at.Add(time.Second))
	d.note(fabric.Finding{TxID: "v"}, true, at)
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil { // exactly one line
		t.Fatalf("%v in %s", err, log.Bytes())
	}
	delete(line, "time")
	want := map[string]any{
		"level": "ERROR", "msg": "an organisation's chaincode differs", "organisation": "Org2MSP", "tx": "t",
		"items": []any{3.0}, "operations": []any{"aa"}, "differing": 1.0, "how": "it differs; expired in place of ok",
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]api.Divergence{{Organisation: "Org1MSP"}, {
		Organisation: "Org2MSP", Count: 2, Time: at, Transaction: "t", Operations: []string{"aa"}, Text: "it differs; expired in place of ok",
	}}, d.newest()); diff != "" {
		t.Error(diff)
	}
}

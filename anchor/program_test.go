package main

import (
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// Every anchor names the organisation whose service runs another program than the
// ledger has, until it does, through an upgrade of all.
func TestProgramAlarms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	next, other := canon.Hex(opstest.Seed("next")), canon.Hex(opstest.Seed("other"))
	w.running = map[string]string{}
	// alarms waits until all members have looked, and compares their alarms.
	alarms := func(when string, want ...string) {
		t.Helper()
		w.now = w.now.Add(programsEvery)
		w.tickFor(time.Second)
		for _, m := range w.members {
			var got []string
			for _, a := range m.alarms.list() {
				if strings.HasPrefix(a, "program of ") {
					got = append(got, a)
				}
			}
			if len(got) != len(want) {
				t.Fatalf("%s: %s has the alarms %q", when, m.keys.msp, got)
			}
			for i := range want {
				org, text, _ := strings.Cut(want[i], " ")
				if !strings.HasPrefix(got[i], "program of "+org+": ") || !strings.Contains(got[i], text) {
					t.Errorf("%s: %s has the alarm %q, want one of %s about %q", when, m.keys.msp, got[i], org, text)
				}
			}
		}
	}
	alarms("as founded")
	w.running["Org3MSP"] = other
	alarms("with a program of its own", "Org3MSP "+other+", which the members have not accepted")
	w.running["Org3MSP"], w.silent = opstest.Program, "Org3MSP"
	alarms("while it does not answer", "Org3MSP not accepted")
	w.silent, w.running["Org2MSP"] = "", ""
	alarms("without a word", "Org2MSP does not say")
	delete(w.running, "Org2MSP")
	w.decide("program", `"`+next+`"`)
	w.running["Org1MSP"] = next
	alarms("in an upgrade", "Org2MSP to be upgraded", "Org3MSP to be upgraded", "Org4MSP to be upgraded")
	for _, m := range w.members {
		w.running[m.keys.msp] = next
	}
	alarms("after it")
	w.running["Org4MSP"] = other
	alarms("again", "Org4MSP "+other)
	w.until("a checkpoint", time.Minute, func() bool { return w.head().Number > 0 })
	w.decide("members", w.membership(2, w.members[:3]...))
	w.until("in force", time.Minute, func() bool { return w.inForce().SetVersion == 2 })
	alarms("after it left")
}

package submit_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/submit"
)

// A result that was swept from the state is told for good, by the gateway that
// brought it there and by one that has the blocks only; what comes too late for the
// state to know whether it ran is expired, and pays nobody. (GW-2)
func TestSweptResults(t *testing.T) {
	h := start(t)
	paid, broke := h.alice.Pay(7, h.bob), h.alice.Pay(5_000_000, h.bob)
	done, refused := h.want(paid, submit.Done, fault.OK), h.want(broke, submit.Refused, fault.InsufficientFunds)
	if err := h.ledger.Sweep(time.Now().Add(24 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, e := range h.ledger.State() {
		if strings.HasPrefix(e.Key, "op/") {
			t.Fatalf("%s is left", e.Key)
		}
	}
	late := h.want(h.alice.Pay(8, h.bob), submit.Refused, fault.Expired)
	other := *h
	other.path = filepath.Join(t.TempDir(), "other.db")
	other.open()
	other.until("the blocks", func() bool { return other.s.Status().Next >= uint64(len(h.ledger.Chain())) })
	for name, g := range map[string]*harness{"the same gateway": h, "another one": &other} {
		for _, first := range []submit.Receipt{done, refused} {
			want := first
			want.Key = "op/" + strings.Replace(first.Reference, "-", "/", 1)
			if got, err := g.s.Lookup(first.ID); err != nil || got != want {
				t.Errorf("%s: look-up %+v %v, want %+v", name, got, err, want)
			}
		}
		for jws, first := range map[string]submit.Receipt{paid: done, broke: refused} {
			first.Repeated = true
			if got := g.want(jws, first.State, first.Code); got != first {
				t.Errorf("%s: again %+v, want %+v", name, got, first)
			}
		}
	}
	if got, err := h.s.Lookup(late.ID); err != nil || got.Code != fault.Expired || got.Key != "" {
		t.Errorf("look-up of what came late: %+v %v", got, err)
	}
	if got, err := other.s.Lookup(late.ID); fault.Of(err) != fault.NotFound {
		t.Errorf("look-up of what left nothing, elsewhere: %+v %v", got, err)
	}
}

package evm_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/evm"
	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
)

// KE-5: while the signer fails, however, nothing leaves, nothing is in the journal, and it
// is an alarm; afterwards the intent is brought to the chain once, by one transaction.
func TestSignerFails(t *testing.T) {
	t.Parallel()
	for _, fault := range signertest.Faults {
		t.Run(fault, func(t *testing.T) {
			d := &desk{world: newWorld(t), path: filepath.Join(t.TempDir(), "journal"), now: time.Unix(1_800_000_000, 0)}
			device := &signertest.Faulty{Key: signertest.Key(keyOf("one")), Fault: fault, Failing: true}
			var err error
			d.c, err = evm.Dial(d.ctx, evm.Config{Chain: chain, URLs: []string{d.node.URL()}, Key: signer.New(device.Key.Address(), device)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(d.c.Close)
			d.open()
			in := d.intent(5)
			if err := d.sender.Plan(d.ctx, chain, in); err != nil {
				t.Fatal(err)
			}
			for i := range 4 {
				if i == 2 {
					d.close()
					d.open()
				}
				d.step()
				d.blocks(1)
				st, err := d.sender.Status(d.ctx, in.ID)
				if err != nil || len(st.Tries) != 0 {
					t.Fatalf("%d attempts without a signature: %v", len(st.Tries), err)
				}
				alarms, err := d.sender.Alarms(d.ctx)
				if err != nil || !strings.Contains(strings.Join(alarms, "\n"), "sign as 0x") {
					t.Errorf("alarms %q, %v", alarms, err)
				}
			}
			device.Failing = false
			d.now = d.now.Add(time.Minute)
			for range 12 {
				d.step()
				d.blocks(1)
			}
			st, err := d.sender.Status(d.ctx, in.ID)
			if err != nil || !st.Phase.Done() || len(st.Tries) != 1 || st.Tries[0].Nonce != 0 {
				t.Errorf("%s with %d attempts, %v", st.Phase, len(st.Tries), err)
			}
			if alarms, err := d.sender.Alarms(d.ctx); err != nil || len(alarms) > 0 {
				t.Errorf("alarms %q afterwards, %v", alarms, err)
			}
			if got := d.anchored(); len(got) != 1 || device.Asked < 3 {
				t.Errorf("%d events, %d signatures asked for", len(got), device.Asked)
			}
			d.close()
		})
	}
}

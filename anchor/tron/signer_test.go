package tron_test

import (
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
	"github.com/killick-ledger/killick/anchor/tron"
	"github.com/killick-ledger/killick/anchor/tronnode/node/nodetest"
)

// KE-6: a signer that fails gives no attempt; one that signs gives one that the chain
// takes, from the key's account, and says what it may cost.
func TestSignerFails(t *testing.T) {
	t.Parallel()
	for _, fault := range signertest.Faults {
		t.Run(fault, func(t *testing.T) {
			p := newPlay(t, true)
			device := &signertest.Faulty{Key: signertest.Key(nodetest.Key("alice")), Fault: fault, Failing: true}
			c := p.dial(func(c *tron.Config) { c.Key = signer.New(device.Key.Address(), device) })
			a, err := c.Arm(t.Context(), p.in, nil, nil)
			if err == nil || !strings.Contains(err.Error(), "sign as 0x") || len(a.Raw) > 0 || device.Asked != 1 {
				t.Fatalf("%x, %v", a.Raw, err)
			}
			device.Failing = false
			if a, err = c.Arm(t.Context(), p.in, nil, nil); err != nil {
				t.Fatal(err)
			}
			if err := c.Send(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			p.produce(5)
			o, err := c.Look(t.Context(), a)
			if err != nil || o.State != send.StateMined || len(a.Most) < len(o.Fee) || a.Most == "0" {
				t.Errorf("%+v, %v; at most %s", o, err, a.Most)
			}
		})
	}
}

//go:build e2e

package e2e_test

import (
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/network/fabric"
)

// lastFunds has two jobs race for money that is enough for one: through the gateway at the
// same time, by two organisations at the same time, and one after the other. One is opened,
// the other is refused, and no money is left. (JB-15)
func (b *bench) lastFunds(t *testing.T) {
	const cost = 2*ownerPrice + teeFee + verifierFee
	p := b.newPerson(t)
	b.create(t, p)
	lines := b.grants(p)
	open := func() (jws string, ref ops.Reference) {
		var nonce [32]byte
		_, _ = rand.Read(nonce[:])
		item, ref := p.refer(t, &ops.AttestOpen{
			Operation: "job.mean", Lines: lines, Asset: "usd", TEEFee: teeFee, VerificationFee: verifierFee,
			Key: canon.Hex(nonce[:]), Nonce: canon.Hex(nonce[:]), Expires: uint64(time.Now().Add(90 * time.Minute).Unix()),
		}, "")
		return item.Compact(), ref
	}
	for _, race := range []struct {
		name string
		run  func(t *testing.T, first, second string)
	}{
		{"in one batch", func(t *testing.T, first, second string) {
			receipts, err := b.Client.SubmitAll(t.Context(), first, second)
			if err != nil {
				t.Fatal(err)
			}
			codes := map[string]int{}
			for _, r := range receipts {
				codes[r.GetState()+" "+r.GetCode()]++
			}
			if codes["refused insufficient_funds"] != 1 {
				t.Errorf("%v", codes)
			}
			if first, second := receipts[0].GetTransaction(), receipts[1].GetTransaction(); first != second {
				t.Errorf("they came in %s and %s", first, second)
			}
		}},
		{"in one block", func(t *testing.T, first, second string) { b.together(t, first, second) }},
		{"in two blocks", func(t *testing.T, first, second string) {
			if code, err := b.apply(0, first); code != fault.OK || err != nil {
				t.Errorf("the first: %v, %v", code, err)
			}
			if code, err := b.apply(1, second); code != fault.InsufficientFunds || err != nil {
				t.Errorf("the second: %v, %v", code, err)
			}
		}},
	} {
		t.Run(race.name, func(t *testing.T) {
			id := canon.Sum([]byte(race.name), []byte(p.did))
			argument, err := canon.Marshal(reward.Fund{ID: canon.Hex(id[:]), Asset: "usd", To: p.did, Amount: cost})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.treasury.Execute(t.Context(), "reward:Fund", argument); err != nil {
				t.Fatal(err)
			}
			first, one := open()
			second, two := open()
			race.run(t, first, second)
			opened := 0
			for _, ref := range []ops.Reference{one, two} {
				var v attest.JobView
				if err := b.ask("attest:Job", attest.JobQuery{Job: ref.String()}, &v); err == nil {
					opened++
				}
			}
			if balance, _ := b.money(t, p); opened != 1 || balance != 0 {
				t.Errorf("%d jobs are open, %d are left", opened, balance)
			}
		})
	}
}

// apply has an organisation bring one operation onto the ledger in a transaction of its
// own, past the gateways.
func (b *bench) apply(organisation int, jws string) (fault.Code, error) {
	r, err := b.members[organisation].Execute(b.t.Context(), "ops:Apply", []byte(jws))
	if err != nil {
		return 0, err
	}
	return fault.Code(r.Payload[0]), nil
}

// together has both operations endorsed while each has the money, by different
// organisations, and orders them at the same time: the one that is ordered later is void,
// and refused once it is sent again.
func (b *bench) together(t *testing.T, jws ...string) {
	t.Helper()
	var endorsed []*fabric.Transaction
	for i := range jws {
		tx, err := b.members[i].Prepare("ops:Apply", []byte(jws[i]))
		if err == nil {
			err = tx.Endorse(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		if code := fault.Code(tx.Payload()[0]); code != fault.OK {
			t.Fatalf("operation %d is endorsed as %v", i, code)
		}
		endorsed = append(endorsed, tx)
	}
	errs := make([]error, len(jws))
	var done sync.WaitGroup
	for i := range endorsed {
		done.Go(func() { _, errs[i] = endorsed[i].Commit(t.Context()) })
	}
	done.Wait()
	void, blocks := 0, map[uint64]int{}
	for i := range endorsed {
		at, err := b.members[0].Lookup(t.Context(), endorsed[i].ID())
		if err != nil {
			t.Fatal(err)
		}
		blocks[at.Block]++
		var invalid *fabric.Invalid
		if !errors.As(errs[i], &invalid) {
			if errs[i] != nil {
				t.Fatal(errs[i])
			}
			continue
		}
		void++
		if code, err := b.apply(i, jws[i]); code != fault.InsufficientFunds || err != nil {
			t.Errorf("sent again it is %v, %v", code, err)
		}
	}
	if t.Logf("blocks %v", blocks); void != 1 {
		t.Errorf("%d of two are void", void)
	}
}

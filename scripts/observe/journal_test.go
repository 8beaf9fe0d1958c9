package observe_test

import (
	"crypto/sha256"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
	"github.com/killick-ledger/killick/scripts/observe"
)

// What a gateway writes into its journal is what this package reads from it.
func TestReadJournal(t *testing.T) {
	ledger := submittest.New()
	if err := ledger.Found(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "journal.db")
	s, err := submit.Open(submit.Config{Journal: path, Network: submittest.Network, Ledger: ledger, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	alice, bob := submittest.NewPerson("alice"), submittest.NewPerson("bob")
	want := map[string]fault.Code{}
	for _, step := range []struct {
		jws  string
		code fault.Code
	}{{alice.Create(), fault.OK}, {bob.Create(), fault.OK}, {alice.Pay(1, bob), fault.InsufficientFunds}} {
		for _, ticket := range s.Submit(step.jws) {
			ticket.Wait(t.Context())
		}
		want[step.jws] = step.code
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	j, err := observe.ReadJournal("gateway", path)
	if err != nil {
		t.Fatal(err)
	}
	if len(j.Submissions) != len(want) || len(j.Results) != len(want) || j.Open != 0 || len(j.UnderWay) != 0 {
		t.Errorf("%d submissions, %d results, %d open, %d under way", len(j.Submissions), len(j.Results), j.Open, len(j.UnderWay))
	}
	for jws, code := range want {
		if o := j.Submissions[sha256.Sum256([]byte(jws))]; !o.Final || o.Code != code || o.Tx == "" || o.Block == 0 {
			t.Errorf("%+v, want the code %s", o, code)
		}
	}
}

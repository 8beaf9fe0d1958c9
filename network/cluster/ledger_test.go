package cluster_test

import (
	"strings"
	"testing"

	"github.com/killick-ledger/killick/network/cluster"
)

// A member that founds the ledger first, with itself as the quorum or the
// treasury, is found out.
func TestLedgerFoundedByAnother(t *testing.T) {
	const set = `"members":[{"msp":"A","cosign":"a","address":"0x1"},{"msp":"B","cosign":"b","address":"0x2"}]`
	const want = `{"network":"main-0011223344556677","log":"ab","rules":1,` + set +
		`,"k":2,"vaults":[],"treasuries":["A"],"assets":["usd"],"epochSeconds":60,"heartbeatSeconds":60}`
	const treasuries = `{"changes":[{"number":0,"value":["A"]},{"number":1,"value":["B"]}]}` // B by the members since
	const members = `{"changes":[{"number":0,"value":{"k":2,` + set + `}},` +
		`{"number":1,"value":{"k":1,"members":[{"msp":"C","cosign":"c","address":"0x3","proof":{"ed25519":"","secp256k1":""}}]}}]}`
	same := func(ledger, treasuries, members string) error {
		return cluster.SameFounding([]byte(want), []byte(ledger), []byte(treasuries), []byte(members))
	}
	founded := strings.Replace(want, `"rules":1`, `"rules":1,"setVersion":1`, 1)
	decided := strings.Replace(founded, `"treasuries":["A"]`, `"treasuries":["B"]`, 1)
	rotated := strings.Replace(founded, `"msp":"B"`, `"msp":"C"`, 1)
	for _, ledger := range []string{founded, decided, rotated} {
		if err := same(ledger, treasuries, members); err != nil {
			t.Error(err)
		}
	}
	for _, other := range []string{`{"changes":[{"number":0,"value":["A","B"]}]}`, `{"changes":[]}`, `{}`} {
		if err := same(founded, other, members); err == nil {
			t.Errorf("%s was taken", other)
		}
	}
	for _, other := range []string{`{"changes":[]}`, `{}`} {
		if err := same(founded, treasuries, other); err == nil {
			t.Errorf("%s was taken", other)
		}
	}
	for _, change := range [][2]string{
		{`"k":2`, `"k":1`}, {`"msp":"B"`, `"msp":"C"`}, {`"address":"0x2"`, `"address":"0x3"`}, {`"cosign":"b"`, `"cosign":"c"`},
	} {
		if err := same(founded, treasuries, strings.Replace(members, change[0], change[1], 1)); err == nil {
			t.Errorf("%s in place of %s was taken", change[1], change[0])
		}
	}
	for _, change := range [][2]string{{`"log":"ab"`, `"log":"ac"`}, {`main-0011223344556677`, `main-1011223344556677`}} {
		if err := same(strings.Replace(founded, change[0], change[1], 1), treasuries, members); err == nil {
			t.Errorf("%s in place of %s was taken", change[1], change[0])
		}
	}
}

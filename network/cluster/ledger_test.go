package cluster_test

import (
	"strings"
	"testing"

	"github.com/killick-ledger/killick/network/cluster"
)

// A member that founds the ledger first, with itself as the quorum or the
// treasury, is found out.
func TestLedgerFoundedByAnother(t *testing.T) {
	const want = `{"network":"main-0011223344556677","log":"ab","rules":1,"members":[{"msp":"A","cosign":"a","address":"0x1"},{"msp":"B","cosign":"b","address":"0x2"}],` +
		`"k":2,"vaults":[],"treasuries":["A"],"assets":["usd"],"epochSeconds":60,"heartbeatSeconds":60}`
	const history = `{"changes":[{"number":0,"value":["A"]},{"number":1,"value":["B"]}]}` // B by the members since
	founded := strings.Replace(want, `"rules":1`, `"rules":1,"setVersion":1`, 1)
	decided := strings.Replace(founded, `"treasuries":["A"]`, `"treasuries":["B"]`, 1)
	for _, ledger := range []string{founded, decided} {
		if err := cluster.SameFounding([]byte(want), []byte(ledger), []byte(history)); err != nil {
			t.Error(err)
		}
	}
	for _, other := range []string{`{"changes":[{"number":0,"value":["A","B"]}]}`, `{"changes":[]}`, `{}`} {
		if err := cluster.SameFounding([]byte(want), []byte(founded), []byte(other)); err == nil {
			t.Errorf("%s was taken", other)
		}
	}
	for _, change := range [][2]string{
		{`"k":2`, `"k":1`}, {`"log":"ab"`, `"log":"ac"`}, {`"msp":"B"`, `"msp":"C"`},
		{`"address":"0x2"`, `"address":"0x3"`}, {`"cosign":"b"`, `"cosign":"c"`}, {`main-0011223344556677`, `main-1011223344556677`},
	} {
		if err := cluster.SameFounding([]byte(want), []byte(strings.Replace(founded, change[0], change[1], 1)), []byte(history)); err == nil {
			t.Errorf("%s in place of %s was taken", change[1], change[0])
		}
	}
}

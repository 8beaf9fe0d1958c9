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
	founded := strings.Replace(want, `"rules":1`, `"rules":1,"setVersion":1`, 1)
	if err := cluster.SameFounding([]byte(want), []byte(founded)); err != nil {
		t.Error(err)
	}
	for _, change := range [][2]string{
		{`"k":2`, `"k":1`}, {`"treasuries":["A"]`, `"treasuries":["A","B"]`}, {`"log":"ab"`, `"log":"ac"`}, {`"msp":"B"`, `"msp":"C"`},
		{`"address":"0x2"`, `"address":"0x3"`}, {`"cosign":"b"`, `"cosign":"c"`}, {`main-0011223344556677`, `main-1011223344556677`},
	} {
		if err := cluster.SameFounding([]byte(want), []byte(strings.Replace(founded, change[0], change[1], 1))); err == nil {
			t.Errorf("%s in place of %s was taken", change[1], change[0])
		}
	}
}

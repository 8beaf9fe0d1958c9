//go:build e2e

package cluster_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// TestRaft runs four organisations on three Raft orderers and kills the leader while
// transactions are under way.
func TestRaft(t *testing.T) {
	none := 0
	cons := topology.Default()
	cons.Ordering, cons.Profile = topology.Raft, topology.CrashOnly
	cons.Organisations[3].Orderers = &none
	cons.Fabric.Log = "error:orderer.consensus.etcdraft=info" // says who leads
	c := network(t, cons)
	client := connect(t, c.Client(0, topology.GatewayUser))
	t.Run("commit and query", func(t *testing.T) { commitAndQuery(t, client) })
	t.Run("ordered twice", func(t *testing.T) { orderedTwice(t, client) })
	t.Run("too large", func(t *testing.T) { tooLarge(t, client, false) })
	before, err := client.Height(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	victim := raftLeader(t, c)
	var done []string
	if !t.Run("kill the leader "+victim, func(t *testing.T) { done = killWhileBusy(t, c, client, victim) }) {
		return
	}
	t.Run("exactly once", func(t *testing.T) { exactlyOnce(t, client, before, done) })
}

var leaderChanged = regexp.MustCompile(`Raft leader changed: \d+ -> (\d+)`)

// raftLeader is the orderer that the others follow, as the first one's log says.
// Orderers have the numbers of their place in the channel's configuration.
func raftLeader(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	var names []string
	for _, o := range c.Orgs() {
		for _, n := range o.Orderers() {
			names = append(names, n.Name)
		}
	}
	data, err := os.ReadFile(filepath.Join(c.LogDir(), names[0]+".log"))
	if err != nil {
		t.Fatal(err)
	}
	found := leaderChanged.FindAllSubmatch(data, -1)
	if len(found) == 0 {
		t.Fatal("the log names no leader")
	}
	i, err := strconv.Atoi(string(found[len(found)-1][1]))
	if err != nil || i < 1 || i > len(names) {
		t.Fatalf("leader %d of %v, %v", i, names, err)
	}
	return names[i-1]
}

// orderedTwice hands one transaction over three times. Raft orders what it is given:
// the ledger has it each time, once with effect.
func orderedTwice(t *testing.T, client *fabric.Client) {
	before, err := client.Height(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tx, err := client.Prepare("put", []byte("twice"), []byte("1"))
	if err == nil {
		err = tx.Endorse(t.Context())
	}
	for range 3 {
		if err == nil {
			err = tx.Submit(t.Context())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	var codes []peer.TxValidationCode
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for block, err := range client.Blocks(ctx, before) {
		if err != nil {
			t.Fatal(err)
		}
		for id, code := range codesOf(t, block) {
			if id.tx == tx.ID() {
				codes = append(codes, code)
			}
		}
		if len(codes) == 3 {
			break
		}
	}
	valid := 0
	for _, code := range codes {
		switch code {
		case peer.TxValidationCode_VALID:
			valid++
		case peer.TxValidationCode_DUPLICATE_TXID:
		default:
			t.Errorf("code %s", code)
		}
	}
	status, err := client.Lookup(t.Context(), tx.ID())
	if valid != 1 || err != nil || !status.Found || status.Code != 0 {
		t.Errorf("%d of 3 are valid; look-up = %+v, %v", valid, status, err)
	}
}

// entry is one place on the ledger.
type entry struct {
	tx    string
	index int
}

// codesOf are a block's transactions with their validation codes.
func codesOf(t *testing.T, block *common.Block) map[entry]peer.TxValidationCode {
	t.Helper()
	filter := block.GetMetadata().GetMetadata()[common.BlockMetadataIndex_TRANSACTIONS_FILTER]
	out := map[entry]peer.TxValidationCode{}
	for i, data := range block.GetData().GetData() {
		var envelope common.Envelope
		var payload common.Payload
		var header common.ChannelHeader
		for _, err := range []error{
			proto.Unmarshal(data, &envelope), proto.Unmarshal(envelope.GetPayload(), &payload),
			proto.Unmarshal(payload.GetHeader().GetChannelHeader(), &header),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		out[entry{header.GetTxId(), i}] = peer.TxValidationCode(filter[i])
	}
	return out
}

// exactlyOnce wants each of the transactions on the ledger with effect, once, and none
// besides them.
func exactlyOnce(t *testing.T, client *fabric.Client, from uint64, ids []string) {
	height, err := client.Height(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	valid, again := map[string]int{}, 0
	for n := from; n < height; n++ {
		block, err := client.Block(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		for id, code := range codesOf(t, block) {
			switch code {
			case peer.TxValidationCode_VALID:
				valid[id.tx]++
			case peer.TxValidationCode_DUPLICATE_TXID:
				again++
			default:
				t.Errorf("transaction %s has code %s", id.tx, code)
			}
		}
	}
	for _, id := range ids {
		if valid[id] != 1 {
			t.Errorf("transaction %s took effect %d times", id, valid[id])
		}
	}
	if len(valid) != len(ids) {
		t.Errorf("%d transactions took effect, %d were made", len(valid), len(ids))
	}
	t.Logf("%d transactions, %d further entries of the same ids", len(ids), again)
}

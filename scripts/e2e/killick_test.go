//go:build e2e

// Package e2e_test drives the built programs on the real network: four
// organisations, their peers, orderers, chaincode services and anchors, a gateway
// and two public test chains. KILLICK_BIN names the folder of the programs.
package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	feekey "github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
	"github.com/killick-ledger/killick/scripts/story"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// TestKillick runs everything that shares one consortium, in this order.
func TestKillick(t *testing.T) {
	n := start(t)
	t.Run("MainJob", n.mainJob)
	t.Run("BadInput", n.badInput)
	t.Run("ChangedSignature", n.changedSignature)
	t.Run("LargeBody", n.largeBody)
	t.Run("SameOperationTwice", n.sameOperationTwice)
	t.Run("LifeOfADID", n.lifeOfADID)
	t.Run("Privacy", n.privacy)
	t.Run("Login", n.login)
	t.Run("NewKeys", n.newKeys)
	t.Run("MembersChange", n.membersChange)
	t.Run("Grants", n.grants)
	t.Run("ChaincodeDoor", n.chaincodeDoor)
	t.Run("Strangers", n.strangers)
	t.Run("OneMemberAlone", n.oneMemberAlone)
	t.Run("Govern", n.govern)
	t.Run("ProvenAcross", n.provenAcross) // what MembersChange has begun
	t.Run("Configuration", n.configuration)
	t.Run("Certificates", n.certificates)
	t.Run("Jobs", n.jobs)
	t.Run("HostileUser", n.hostileUser)
	t.Run("Events", n.events)
	t.Run("PrivateContent", n.privateContent)
	t.Run("Faults", n.faults)
	t.Run("AnchorsKilled", n.anchorsKilled)
	t.Run("NobodyDiffers", n.nobodyDiffers)
	t.Run("Endorsement", n.endorsement) // one organisation does
	t.Run("WriteSets", n.writeSets)
	t.Run("Audited", n.audited)     // all of the above, executed again
	t.Run("Colluding", n.colluding) // f + 1 organisations
	t.Run("SnapshotPeer", n.snapshotPeer)
	t.Run("TwoHistories", n.twoHistories)
}

// network is a running consortium and all the ways to it.
type network struct {
	*story.World
	bin  string
	name string // of the ledger
	// feeKey is the file of a key with money on both chains, which belongs to no member.
	feeKey string

	api      killickv1.KillickClient // the gateway, without the Go client's help
	members  []*fabric.Client        // a client of each organisation, endorsing as the policy asks
	own      []*fabric.Client        // a client of each organisation that uses its own peer alone
	treasury *fabric.Client
	across   map[uint64]*person // made under member sets, by version
}

func programs(t *testing.T) string {
	t.Helper()
	bin := os.Getenv("KILLICK_BIN")
	if bin == "" {
		t.Fatal("KILLICK_BIN does not name the folder of the built programs; make test sets it")
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// repository is the root of the repository; its files are the story's data.
const repository = "../.."

func start(t *testing.T) *network {
	t.Helper()
	bin := programs(t)
	feeKey := filepath.Join(t.TempDir(), "fee.key")
	text, err := feekey.NewFile(feeKey)
	if err == nil {
		err = os.WriteFile(feeKey, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	fee, err := feekey.Open(feeKey)
	if err != nil {
		t.Fatal(err)
	}
	w, err := story.Start(t.Context(), story.Options{
		Bin: bin, Dir: t.TempDir(), Data: repository, Out: t.Output(), Fund: []string{fmt.Sprintf("0x%x", fee.Address())},
	})
	if err != nil {
		t.Fatal(err)
	}
	n := &network{World: w, bin: bin, name: w.Network.GetNetwork(), feeKey: feeKey}
	t.Cleanup(func() {
		if t.Failed() {
			n.logTails(t)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient(w.Cluster.GatewayAddress(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	n.api = killickv1.NewKillickClient(conn)
	for i := range w.Cluster.Orgs() {
		conf := w.Cluster.Client(i, topology.GatewayUser)
		n.members = append(n.members, connect(t, conf))
		conf.Peers, conf.Endorsements = conf.Peers[:1], 1
		n.own = append(n.own, connect(t, conf))
	}
	n.treasury = connect(t, w.Cluster.Client(0, topology.Admin))
	return n
}

func connect(t *testing.T, conf fabric.Config) *fabric.Client {
	t.Helper()
	c, err := fabric.Connect(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// logTails prints the end of each process's log.
func (n *network) logTails(t *testing.T) {
	logs, _ := filepath.Glob(filepath.Join(n.Cluster.LogDir(), "*.log"))
	for _, l := range logs {
		data, _ := os.ReadFile(l)
		t.Logf("%s:\n%s", filepath.Base(l), bytes.TrimSpace(data[max(0, len(data)-2000):]))
	}
}

// mainJob is the demo's story, from keys to the audit.
func (n *network) mainJob(t *testing.T) {
	if err := n.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// create makes DIDs of people.
func (n *network) create(t *testing.T, people ...*person) {
	t.Helper()
	var jws []string
	for _, p := range people {
		jws = append(jws, p.sign(t, &ops.DIDCreate{Document: p.document}, "").Compact())
	}
	receipts, err := n.Client.SubmitAll(t.Context(), jws...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts {
		if r.GetState() != "done" {
			t.Fatalf("did.create of %s is %s: %s", people[i].did, r.GetState(), r.GetCode())
		}
	}
}

// fund gives a person money.
func (n *network) fund(t *testing.T, p *person, amount int) {
	t.Helper()
	id := canon.Sum([]byte("fund"), []byte(p.did))
	argument, err := canon.Marshal(reward.Fund{ID: canon.Hex(id[:]), Asset: "usd", To: p.did, Amount: reward.Amount(amount)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.treasury.Execute(t.Context(), "reward:Fund", argument); err != nil {
		t.Fatal(err)
	}
}

// money is what a person can spend, and what others have paid to that person.
func (n *network) money(t *testing.T, p *person) (balance, received int) {
	t.Helper()
	b, err := n.Client.Balance(t.Context(), p.did, "usd")
	if err != nil {
		t.Fatal(err)
	}
	var pending, due int
	if _, err := fmt.Sscan(b.GetBalance()+" "+b.GetPending()+" "+b.GetDue(), &balance, &pending, &due); err != nil {
		t.Fatalf("balance %v: %v", b, err)
	}
	return balance, pending + due
}

// until polls until ok says that it is so, and fails the test after the limit. A
// condition may say by its error why it is not so yet.
func until(t *testing.T, limit time.Duration, what string, ok func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

package contract_test

import (
	"slices"
	"testing"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/killick-ledger/killick/chaincode/contract"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/network/topology"
)

// PV-1: contents come as transient data, are kept in the collection that the network
// defines, and are purged from it; none is in the answer or among the arguments.
func TestContentsOnFabric(t *testing.T) {
	if contract.Collection != topology.ContentsCollection {
		t.Errorf("the chaincode's collection is %s, the network's %s", contract.Collection, topology.ContentsCollection)
	}
	c := newChannel(t)
	c.done("ops:Init", c.founding())
	alice := opstest.NewUser("alice")
	content := opstest.Content(5, alice.DID+"#a")
	run := func(private committed, transient map[string][]byte, args ...string) (*stub, *fault.Error, []byte) {
		t.Helper()
		s := &stub{state: c.state, writes: map[string][]byte{}, creator: c.identity, claimed: c.claimed, transient: transient, private: private}
		for _, a := range args {
			s.args = append(s.args, []byte(a))
		}
		r := c.chaincode.Invoke(s)
		if r.GetStatus() != shim.OK {
			refusal, _ := fault.Parse(r.GetMessage())
			return s, refusal, nil
		}
		s.commit()
		return s, nil, r.GetPayload()
	}
	batch := func(transient map[string][]byte, item ops.Item) (*stub, fault.Code) {
		t.Helper()
		frame, err := ops.EncodeFrame([]ops.Item{item})
		if err != nil {
			t.Fatal(err)
		}
		s, refusal, answer := run(nil, transient, "ops:Batch", string(frame))
		if refusal != nil {
			t.Fatal(refusal)
		}
		return s, fault.Code(answer[0])
	}
	create, _ := c.world.Sign(alice, &ops.DIDCreate{Document: alice.Doc}, "")
	batch(nil, create)
	body := opstest.Submit("five5")
	body.Private = opstest.Digest(content)
	submit, ref := c.world.Sign(alice, body, "")
	key := "contents content/" + ref.String() + "/" + body.Private
	if s, code := batch(nil, submit); code != fault.ContentMissing || len(s.changes)+len(s.writes) != 0 {
		t.Errorf("without: %v, %q", code, s.changes)
	}
	frame, err := ops.EncodeFrame([]ops.Item{submit})
	if err != nil {
		t.Fatal(err)
	}
	full := map[string][]byte{body.Private: content, "more": make([]byte, ops.MaxContents-len(content)+1)}
	if s, refusal, _ := run(nil, full, "ops:Batch", string(frame)); refusal == nil || refusal.Code != fault.TooLarge || len(s.changes) != 0 {
		t.Errorf("more than a transaction may bring: %v, %q", refusal, s.changes)
	}
	given := map[string][]byte{body.Private: content}
	if s, code := batch(given, submit); code != fault.OK || !slices.Equal(s.changes, []string{"put " + key}) {
		t.Fatalf("%v, %q", code, s.changes)
	}
	read, err := ops.SignRead(alice.Alg(), opstest.Network, ref.String(), opstest.Start, alice)
	if err != nil {
		t.Fatal(err)
	}
	if _, refusal, answer := run(committed{key: content}, nil, "record:Content", read.Compact()); refusal != nil || len(answer) < len(content) {
		t.Errorf("read: %v %s", refusal, answer)
	}
	if _, refusal, _ := run(committed{key: nil}, nil, "record:Content", read.Compact()); refusal == nil || refusal.Code != fault.Unavailable {
		t.Errorf("a peer that has not got it: %v", refusal)
	}
	stored := c.state["record/"+ref.String()]
	deletion, _ := c.world.Sign(alice, &ops.RecordDelete{Record: ref.String()}, opstest.Digest(stored))
	if s, code := batch(nil, deletion); code != fault.OK || !slices.Equal(s.changes, []string{"purge " + key}) {
		t.Errorf("%v, %q", code, s.changes)
	}
	if _, refusal, _ := run(committed{key: content}, nil, "record:Content", read.Compact()); refusal == nil || refusal.Code != fault.Deleted {
		t.Errorf("deleted: %v", refusal)
	}
}

package block_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
	"google.golang.org/protobuf/proto"
)

// Who endorsed a recorded transaction, and whom a changed one is not counted for.
func TestEndorsers(t *testing.T) {
	members, err := recorded(t, "0.block").Members()
	if err != nil || len(members.Peers) != 4 || members.Peers[0].MSP != "Org1MSP" || members.Enough() != 2 {
		t.Fatalf("%+v, %v", members, err)
	}
	raw, err := os.ReadFile("testdata/40.block")
	if err != nil {
		t.Fatal(err)
	}
	others, err := recorded(t, "raft/0.block").Members()
	if err != nil {
		t.Fatal(err)
	}
	endorser := func(a *peer.ChaincodeActionPayload, edit func(id *msp.SerializedIdentity)) {
		var id msp.SerializedIdentity
		e := a.Action.Endorsements[0]
		if err := proto.Unmarshal(e.Endorser, &id); err != nil {
			t.Fatal(err)
		}
		edit(&id)
		e.Endorser = blocktest.Wire(&id)
	}
	for _, tt := range []struct {
		name    string
		members block.Members
		want    string
		edit    func(a *peer.ChaincodeActionPayload)
	}{
		{"as recorded", members, "[Org2MSP Org3MSP] <nil>", func(*peer.ChaincodeActionPayload) {}},
		{"in another order", members, "[Org2MSP Org3MSP] <nil>", func(a *peer.ChaincodeActionPayload) { slices.Reverse(a.Action.Endorsements) }},
		{"one twice", members, "[Org2MSP] <nil>", func(a *peer.ChaincodeActionPayload) { a.Action.Endorsements[1] = a.Action.Endorsements[0] }},
		{"none", members, "[] <nil>", func(a *peer.ChaincodeActionPayload) { a.Action.Endorsements = nil }},
		{"a changed signature", members, "[Org3MSP] <nil>", func(a *peer.ChaincodeActionPayload) { a.Action.Endorsements[0].Signature[9]++ }},
		{"no signature", members, "[Org3MSP] <nil>", func(a *peer.ChaincodeActionPayload) { a.Action.Endorsements[0].Signature = nil }},
		{"in another's name", members, "[Org3MSP] <nil>", func(a *peer.ChaincodeActionPayload) {
			endorser(a, func(id *msp.SerializedIdentity) { id.Mspid = "Org4MSP" })
		}},
		{"of a stranger", members, "[Org3MSP] <nil>", func(a *peer.ChaincodeActionPayload) {
			endorser(a, func(id *msp.SerializedIdentity) { id.Mspid = "Org9MSP" })
		}},
		{"without certificate", members, "[Org3MSP] <nil>", func(a *peer.ChaincodeActionPayload) {
			endorser(a, func(id *msp.SerializedIdentity) { id.IdBytes = nil })
		}},
		{"another channel's authorities", others, "[] <nil>", func(*peer.ChaincodeActionPayload) {}},
		{"another proposal", members, "[] transaction 0: the endorsed result answers another proposal", func(a *peer.ChaincodeActionPayload) {
			a.ChaincodeProposalPayload = nil
		}},
		{"no result", members, "[] transaction 0: proposal hash of 0 bytes", func(a *peer.ChaincodeActionPayload) { a.Action.ProposalResponsePayload = nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b common.Block
			var e common.Envelope
			var p common.Payload
			var tx peer.Transaction
			var a peer.ChaincodeActionPayload
			if proto.Unmarshal(raw, &b) != nil || proto.Unmarshal(b.Data.Data[0], &e) != nil || proto.Unmarshal(e.Payload, &p) != nil ||
				proto.Unmarshal(p.Data, &tx) != nil || proto.Unmarshal(tx.Actions[0].Payload, &a) != nil {
				t.Fatal("recorded block")
			}
			tt.edit(&a)
			tx.Actions[0].Payload = blocktest.Wire(&a)
			p.Data = blocktest.Wire(&tx)
			e.Payload = blocktest.Wire(&p)
			by, err := tt.members.Endorsers(&block.Tx{Type: block.TypeEndorser, Envelope: blocktest.Wire(&e)})
			if got := fmt.Sprint(by, " ", err); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if _, err := members.Endorsers(&recorded(t, "0.block").Txs[0]); err == nil {
		t.Error("a configuration transaction has endorsers")
	}
	if _, err := recorded(t, "40.block").Members(); err == nil {
		t.Error("a block without configuration names members")
	}
}

// What a peer would not have found valid does not pass, whoever endorsed it.
func TestCheck(t *testing.T) {
	members, err := recorded(t, "0.block").Members()
	if err != nil {
		t.Fatal(err)
	}
	other := recorded(t, "23.block").Txs[0]
	for _, tt := range []struct {
		name    string
		members block.Members
		want    int
		err     string // in the error; empty: good
		edit    func(t *block.Tx)
	}{
		{"as recorded", members, 2, "", func(*block.Tx) {}},
		{"too few", members, 3, "endorsed by 2 organisations, want 3", func(*block.Tx) {}},
		{"void", members, 3, "", func(t *block.Tx) { t.Code = 11 }},
		{"another id", members, 1, "nonce and creator give", func(t *block.Tx) { t.ID = other.ID }},
		{"another nonce", members, 1, "nonce and creator give", func(t *block.Tx) { t.Nonce = other.Nonce }},
		{"another's envelope", members, 1, "the creator's signature does not match", func(t *block.Tx) { t.Envelope = other.Envelope }},
		{"no envelope", members, 1, "0 actions", func(t *block.Tx) { t.Envelope = nil }},
		{"creator of no member", block.Members{}, 1, "is no organisation of the configuration", func(*block.Tx) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tx := recorded(t, "40.block").Txs[0]
			tt.edit(&tx)
			if err := tt.members.Check(&tx, tt.want); err == nil != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}

//go:build e2e

package e2e_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hyperledger/fabric-admin-sdk/pkg/chaincode"
	"github.com/hyperledger/fabric-chaincode-go/v2/pkg/statebased"
	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

const (
	policyChaincode = "policies"
	pair            = "pair" // collection of the first two organisations
)

// policyStore is a chaincode that keeps values: of the channel, of the collection,
// and of keys with a policy of their own. Killick's has one collection, without a policy of
// its own, and no such keys.
type policyStore struct{}

func (policyStore) Init(shim.ChaincodeStubInterface) *peer.Response { return shim.Success(nil) }

func (policyStore) Invoke(stub shim.ChaincodeStubInterface) *peer.Response {
	args := stub.GetStringArgs()
	var value []byte
	var err error
	switch {
	case len(args) == 3 && args[0] == "Put":
		err = stub.PutState(args[1], []byte(args[2]))
	case len(args) == 2 && args[0] == "Read":
		value, err = stub.GetState(args[1])
	case len(args) == 3 && args[0] == "PutPrivate":
		err = stub.PutPrivateData(pair, args[1], []byte(args[2]))
	case len(args) == 2 && args[0] == "ReadPrivate":
		value, err = stub.GetPrivateData(pair, args[1])
	case len(args) > 2 && args[0] == "Require": // a key, and the organisations that must endorse its changes
		var policy statebased.KeyEndorsementPolicy
		if policy, err = statebased.NewStateEP(nil); err == nil {
			err = policy.AddOrgs(statebased.RoleTypePeer, args[2:]...)
		}
		var encoded []byte
		if err == nil {
			encoded, err = policy.Policy()
		}
		if err == nil {
			err = stub.SetStateValidationParameter(args[1], encoded)
		}
	default:
		err = errors.New("no such function")
	}
	if err != nil {
		return shim.Error(err.Error())
	}
	return shim.Success(value)
}

// policies puts a second chaincode on the channel and writes with endorsements of
// different organisations under policies of all three levels.
func (n *network) policies(t *testing.T) {
	n.definePolicies(t)
	write := func(function string, args ...string) func(t *testing.T, want string, endorsers ...int) {
		return func(t *testing.T, want string, endorsers ...int) {
			t.Helper()
			if got := n.endorsedBy(t, endorsers, function, args...); got != want {
				t.Errorf("%s %q endorsed by %v: %s, want %s", function, args, endorsers, got, want)
			}
		}
	}
	const valid, void = "VALID", "ENDORSEMENT_POLICY_FAILURE"
	t.Run("chaincode", func(t *testing.T) {
		want := "OutOf(2, 'Org1MSP.peer', 'Org2MSP.peer', 'Org3MSP.peer', 'Org4MSP.peer')"
		if got := n.Cluster.EndorsementPolicy(); got != want {
			t.Errorf("the chaincode's policy is %s, want %s", got, want)
		}
		put := write("Put", "plain", "1")
		put(t, void, 1)
		put(t, void, 4)
		put(t, valid, 1, 2)
		put(t, valid, 3, 4)
		put(t, valid, 1, 2, 3, 4)
	})
	t.Run("collection", func(t *testing.T) {
		put := write("PutPrivate", "secret", "2")
		put(t, void, 1)
		put(t, void, 1, 3) // two, as the chaincode's policy asks, and not the collection's
		put(t, void, 3, 4)
		put(t, valid, 1, 2)
		for i := range n.Cluster.Orgs() {
			member := i < 2
			until(t, 30*time.Second, "the collection's value", func() error {
				value, err := n.policyClient(t, i+1).Evaluate(t.Context(), "ReadPrivate", []byte("secret"))
				if !member && err != nil || member && err == nil && string(value) == "2" {
					return nil
				}
				return errors.Join(errors.New("it reads "+string(value)), err)
			})
		}
	})
	t.Run("key", func(t *testing.T) {
		write("Put", "guarded", "3")(t, valid, 1, 2)
		write("Require", "guarded", "Org3MSP", "Org4MSP")(t, valid, 1, 2)
		put := write("Put", "guarded", "4")
		put(t, void, 1, 2) // satisfies the chaincode's policy
		put(t, void, 2, 3)
		put(t, valid, 3, 4)
		// The key's policy guards itself, and no other key.
		write("Require", "guarded", "Org1MSP")(t, void, 1, 2)
		write("Put", "beside", "5")(t, valid, 1, 2)
		write("Require", "guarded", "Org1MSP")(t, valid, 3, 4)
		put(t, valid, 1) // a key's policy may ask for less than the chaincode's
	})
	n.noMetadata(t)
}

// policyClient is a client of the chaincode whose transactions the organisations
// endorse, numbered from 1.
func (n *network) policyClient(t *testing.T, endorsers ...int) *fabric.Client {
	t.Helper()
	conf := n.Cluster.Client(endorsers[0]-1, topology.Admin)
	all := conf.Peers
	conf.Chaincode, conf.Peers, conf.Endorsements = policyChaincode, nil, len(endorsers)
	for _, e := range endorsers {
		for _, p := range all {
			if p.MSPID == n.Cluster.Orgs()[e-1].MSPID {
				conf.Peers = append(conf.Peers, p)
			}
		}
	}
	return connect(t, conf)
}

// endorsedBy runs a transaction and returns its validation code.
func (n *network) endorsedBy(t *testing.T, endorsers []int, function string, args ...string) string {
	t.Helper()
	c := n.policyClient(t, endorsers...)
	var encoded [][]byte
	for _, a := range args {
		encoded = append(encoded, []byte(a))
	}
	_, err := c.Execute(t.Context(), function, encoded...)
	var invalid *fabric.Invalid
	switch {
	case err == nil:
		return peer.TxValidationCode_VALID.String()
	case errors.As(err, &invalid):
		return peer.TxValidationCode(invalid.Code).String()
	}
	t.Fatalf("%s %q endorsed by %v: %v", function, args, endorsers, err)
	return ""
}

// definePolicies serves the chaincode from here to all peers, with the first
// organisation's certificate, and defines it.
func (n *network) definePolicies(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := n.Cluster.Orgs()[0].ChaincodeTLS()
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pack, err := topology.Package(policyChaincode, listener.Addr().String(), "localhost", ca)
	if err != nil {
		t.Fatal(err)
	}
	tls, err := credentials.NewServerTLSFromFile(filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(tls))
	peer.RegisterChaincodeServer(server, &shim.ChaincodeServer{CCID: topology.LabelledID(policyChaincode, pack), CC: policyStore{}})
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)

	members, err := policy("OR('Org1MSP.member', 'Org2MSP.member')")
	if err != nil {
		t.Fatal(err)
	}
	both, err := chaincode.NewApplicationPolicy("AND('Org1MSP.peer', 'Org2MSP.peer')", "")
	if err != nil {
		t.Fatal(err)
	}
	collection := &peer.StaticCollectionConfig{
		Name: pair, MemberOrgsPolicy: &peer.CollectionPolicyConfig{Payload: &peer.CollectionPolicyConfig_SignaturePolicy{SignaturePolicy: members}},
		MaximumPeerCount: 1, MemberOnlyRead: true, EndorsementPolicy: both,
	}
	err = n.Cluster.Define(t.Context(), cluster.Definition{
		Name: policyChaincode, Policy: n.Cluster.EndorsementPolicy(),
		Collections: &peer.CollectionConfigPackage{Config: []*peer.CollectionConfig{{
			Payload: &peer.CollectionConfig_StaticCollectionConfig{StaticCollectionConfig: collection},
		}}},
		Package: func(topology.Org) ([]byte, error) { return bytes.Clone(pack), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n.Cluster.Orgs() {
		until(t, 30*time.Second, "the chaincode answers", func() error {
			_, err := n.policyClient(t, i+1).Evaluate(t.Context(), "Read", []byte("plain"))
			return err
		})
	}
}

// policy parses Fabric's policy language.
func policy(text string) (*common.SignaturePolicyEnvelope, error) {
	application, err := chaincode.NewApplicationPolicy(text, "")
	if err != nil {
		return nil, err
	}
	return application.GetSignaturePolicy(), nil
}

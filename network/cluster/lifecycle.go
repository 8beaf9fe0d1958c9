package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hyperledger/fabric-admin-sdk/pkg/chaincode"
	"github.com/hyperledger/fabric-admin-sdk/pkg/identity"
	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// The definition of the chaincode on the channel. An upgrade of its program changes
// neither: what the ledger binds is the rules number in state.
const (
	chaincodeVersion  = "1"
	chaincodeSequence = 1
)

// Definition is a chaincode as the channel and its organisations know it.
type Definition struct {
	Name        string // on the channel, and label of its packages
	Policy      string // endorsement policy, in Fabric's policy language
	Collections *peer.CollectionConfigPackage
	Package     func(topology.Org) ([]byte, error) // of an organisation (topology.Package)
}

// Define installs a chaincode, has every organisation approve it, and commits its
// definition. What is done is left. Its services are not started.
func (c *Cluster) Define(ctx context.Context, d Definition) error {
	if err := c.installPackages(ctx, d); err != nil {
		return err
	}
	return c.commitDefinition(ctx, d)
}

// killick is our own chaincode.
func (c *Cluster) killick() (Definition, error) {
	contents, err := collection(c.Contents())
	return Definition{
		Name: topology.Chaincode, Policy: c.EndorsementPolicy(), Package: c.pack,
		Collections: &peer.CollectionConfigPackage{Config: []*peer.CollectionConfig{contents}},
	}, err
}

// collection is a collection as a definition carries it. Its transactions are endorsed
// as the chaincode's policy says.
func collection(c topology.Collection) (*peer.CollectionConfig, error) {
	members, err := chaincode.NewApplicationPolicy(c.Policy, "")
	if err != nil {
		return nil, fmt.Errorf("members of the collection %s: %w", c.Name, err)
	}
	return &peer.CollectionConfig{Payload: &peer.CollectionConfig_StaticCollectionConfig{StaticCollectionConfig: &peer.StaticCollectionConfig{
		Name:              c.Name,
		MemberOrgsPolicy:  &peer.CollectionPolicyConfig{Payload: &peer.CollectionPolicyConfig_SignaturePolicy{SignaturePolicy: members.GetSignaturePolicy()}},
		RequiredPeerCount: c.RequiredPeerCount, MaximumPeerCount: c.MaxPeerCount, BlockToLive: c.BlockToLive,
		MemberOnlyRead: c.MemberOnlyRead, MemberOnlyWrite: c.MemberOnlyWrite,
	}}}, nil
}

// pack makes the organisation's package of our own chaincode.
func (c *Cluster) pack(o topology.Org) ([]byte, error) {
	ca, err := os.ReadFile(filepath.Join(o.ChaincodeTLS(), "ca.crt"))
	if err != nil {
		return nil, err
	}
	return o.Package(ca)
}

func (c *Cluster) install(ctx context.Context) error {
	for _, o := range c.Orgs() {
		pack, err := c.pack(o)
		if err != nil {
			return err
		}
		if err := writeFile(o.PackageFile(), pack, 0o644); err != nil {
			return err
		}
	}
	d, err := c.killick()
	if err != nil {
		return err
	}
	return c.installPackages(ctx, d)
}

// installPackages puts each organisation's package on its peer.
func (c *Cluster) installPackages(ctx context.Context, d Definition) error {
	var g errgroup.Group
	for _, o := range c.Orgs() {
		g.Go(func() error {
			pack, err := d.Package(o)
			if err != nil {
				return err
			}
			return c.asAdmin(o, func(conn *grpc.ClientConn, admin identity.SigningIdentity) error {
				p := chaincode.NewPeer(conn, admin)
				installed, err := p.QueryInstalled(ctx)
				if err != nil {
					return fmt.Errorf("%s: %w", o.Peer().Name, err)
				}
				for _, i := range installed.GetInstalledChaincodes() {
					if i.GetPackageId() == topology.LabelledID(d.Name, pack) {
						return nil
					}
				}
				if _, err := p.Install(ctx, bytes.NewReader(pack)); err != nil {
					return fmt.Errorf("%s: %w", o.Peer().Name, err)
				}
				return nil
			})
		})
	}
	return g.Wait()
}

// startChaincode starts each organisation's chaincode service.
func (c *Cluster) startChaincode(ctx context.Context) error {
	path, err := c.program("killick-chaincode")
	if err != nil {
		return err
	}
	var g errgroup.Group
	for _, o := range c.Orgs() {
		g.Go(func() error {
			pack, err := c.pack(o)
			if err != nil {
				return err
			}
			file, err := o.Chaincode(topology.PackageID(pack))
			if err != nil {
				return err
			}
			if err := writeFiles(file); err != nil {
				return err
			}
			return c.startProgram(ctx, o.ChaincodeName(), path, []string{"--config", o.ChaincodeFile()}, o.ChaincodeAddress())
		})
	}
	return g.Wait()
}

// startProgram starts one of our daemons and waits until it listens everywhere.
func (c *Cluster) startProgram(ctx context.Context, name, path string, args []string, listens ...string) error {
	s := spec{name: name, path: path, args: args}
	for _, a := range listens {
		s.ports = append(s.ports, portOf(a))
	}
	if _, err := c.procs.start(s); err != nil {
		return err
	}
	return c.ready(ctx, name, func() error {
		for _, a := range listens {
			conn, err := net.DialTimeout("tcp", a, time.Second)
			if err != nil {
				return err
			}
			conn.Close()
		}
		return nil
	})
}

func (c *Cluster) define(ctx context.Context) error {
	d, err := c.killick()
	if err != nil {
		return err
	}
	return c.commitDefinition(ctx, d)
}

// commitDefinition has every organisation approve the definition and commits it.
// Orderers and peers may still be finding each other, so what fails is tried again
// until the context or defineWithin ends it; each try looks first at what is done.
func (c *Cluster) commitDefinition(ctx context.Context, d Definition) error {
	ctx, cancel := context.WithTimeout(ctx, defineWithin)
	defer cancel()
	policy, err := chaincode.NewApplicationPolicy(d.Policy, "")
	if err != nil {
		return fmt.Errorf("endorsement policy: %w", err)
	}
	parameter, err := proto.Marshal(policy)
	if err != nil {
		return err
	}
	first, err := c.lifecycle(c.Orgs()[0], c.K())
	if err != nil {
		return err
	}
	defer first.Close()
	if done, err := committed(ctx, first, d.Name); err != nil || done {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, o := range c.Orgs() {
		g.Go(func() error { return again(gctx, func() error { return c.approve(gctx, o, d, parameter) }) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	args, err := proto.Marshal(&lifecycle.CommitChaincodeDefinitionArgs{
		Name: d.Name, Version: chaincodeVersion, Sequence: chaincodeSequence, ValidationParameter: parameter, Collections: d.Collections,
	})
	if err != nil {
		return err
	}
	return again(ctx, func() error {
		if done, err := committed(ctx, first, d.Name); err != nil || done {
			return err
		}
		if _, err := first.Execute(ctx, "CommitChaincodeDefinition", args); err != nil {
			return fmt.Errorf("commit definition: %w", err)
		}
		return nil
	})
}

const (
	defineWithin = 2 * time.Minute
	againAfter   = 100 * time.Millisecond
)

// again repeats f until it succeeds or the context ends.
func again(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(againAfter):
		case <-ctx.Done():
			return err
		}
	}
}

// lifecycle is a client of Fabric's chaincode lifecycle as the organisation's admin,
// whose transactions this many organisations endorse.
func (c *Cluster) lifecycle(o topology.Org, endorsements int) (*fabric.Client, error) {
	conf := o.Connection(topology.Admin)
	conf.Chaincode = "_lifecycle"
	conf.Endorsements = endorsements
	if endorsements == 1 {
		conf.Peers = conf.Peers[:1]
	}
	return fabric.Connect(conf)
}

// committed reports whether the channel has the chaincode's definition.
func committed(ctx context.Context, client *fabric.Client, name string) (bool, error) {
	args, err := proto.Marshal(&lifecycle.QueryChaincodeDefinitionArgs{Name: name})
	if err != nil {
		return false, err
	}
	data, err := client.Evaluate(ctx, "QueryChaincodeDefinition", args)
	var refused *fabric.Refused
	if errors.As(err, &refused) && strings.Contains(refused.Message, "is not defined") {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("query definition: %w", err)
	}
	var result lifecycle.QueryChaincodeDefinitionResult
	if err := proto.Unmarshal(data, &result); err != nil {
		return false, fmt.Errorf("query definition: %w", err)
	}
	return result.GetSequence() >= chaincodeSequence, nil
}

// approve approves the definition for one organisation, unless it has.
func (c *Cluster) approve(ctx context.Context, o topology.Org, d Definition, parameter []byte) error {
	client, err := c.lifecycle(o, 1)
	if err != nil {
		return err
	}
	defer client.Close()
	query, err := proto.Marshal(&lifecycle.QueryApprovedChaincodeDefinitionArgs{Name: d.Name, Sequence: chaincodeSequence})
	if err != nil {
		return err
	}
	if _, err := client.Evaluate(ctx, "QueryApprovedChaincodeDefinition", query); err == nil {
		return nil
	}
	pack, err := d.Package(o)
	if err != nil {
		return err
	}
	args, err := proto.Marshal(&lifecycle.ApproveChaincodeDefinitionForMyOrgArgs{
		Name: d.Name, Version: chaincodeVersion, Sequence: chaincodeSequence, ValidationParameter: parameter, Collections: d.Collections,
		Source: &lifecycle.ChaincodeSource{Type: &lifecycle.ChaincodeSource_LocalPackage{
			LocalPackage: &lifecycle.ChaincodeSource_Local{PackageId: topology.LabelledID(d.Name, pack)},
		}},
	})
	if err != nil {
		return err
	}
	if _, err := client.Execute(ctx, "ApproveChaincodeDefinitionForMyOrg", args); err != nil {
		return fmt.Errorf("approve for %s: %w", o.Name, err)
	}
	return nil
}

// headerHash is Fabric's hash of a block header, in hex: SHA-256 of the DER sequence
// of number, previous hash and data hash.
func headerHash(h *common.BlockHeader) (string, error) {
	der, err := asn1.Marshal(struct {
		Number       *big.Int
		PreviousHash []byte
		DataHash     []byte
	}{new(big.Int).SetUint64(h.GetNumber()), h.GetPreviousHash(), h.GetDataHash()})
	if err != nil {
		return "", fmt.Errorf("encode block header: %w", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

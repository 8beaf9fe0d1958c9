package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// network is a consortium that runs for a while: Fabric and one chaincode, without
// anchors; a gateway only while its rows are measured.
type network struct {
	consortium
	*cluster.Cluster
	options cluster.Options
	client  *fabric.Client
	gateway *client.Client
}

// describe renders the consortium as topology reads it.
func (c consortium) describe() (topology.Consortium, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "ports: auto\nordering: %s\nthresholds: {endorse: %d}\n", c.ordering, c.endorsements)
	if c.interval > 0 {
		fmt.Fprintf(&b, "block: {interval: %s}\n", c.interval)
	}
	if c.ordering == raft {
		// Raft orderers do not bear one that lies, and topology wants that said.
		b.WriteString("profile: crash-only\n")
	}
	b.WriteString("organisations:\n")
	for i := range c.organisations {
		fmt.Fprintf(&b, "  - {name: Org%d, gateway: %t}\n", i+1, i == 0)
	}
	return topology.Parse([]byte(b.String()))
}

// The ordering services.
const (
	smartBFT = "smartbft"
	raft     = "raft"
)

// start brings up Fabric and one chaincode, in a folder that stop removes.
func start(ctx context.Context, bin, program string, c consortium) (*network, error) {
	begun := time.Now()
	description, err := c.describe()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "killick-bench-")
	if err != nil {
		return nil, err
	}
	n := &network{consortium: c, options: cluster.Options{
		Consortium: description, Dir: dir, Bin: bin, Attached: true,
		Parts: cluster.Fabric | cluster.Chaincode, ChaincodeProgram: program,
	}}
	if n.Cluster, err = cluster.Start(ctx, n.options); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if n.client, err = fabric.Connect(n.Client(0, topology.Admin)); err != nil {
		return nil, errors.Join(err, n.stop())
	}
	progress("network %s up in %.0f s", c, time.Since(begun).Seconds())
	return n, nil
}

// stop ends the network and leaves nothing of it.
func (n *network) stop() error {
	var errs []error
	if n.gateway != nil {
		errs = append(errs, n.gateway.Close())
	}
	if n.client != nil {
		errs = append(errs, n.client.Close())
	}
	errs = append(errs, n.Cluster.Stop())
	return errors.Join(append(errs, os.RemoveAll(n.options.Dir))...)
}

// startGateway adds the first organisation's gateway.
func (n *network) startGateway(ctx context.Context) error {
	o := n.options
	o.Parts = cluster.Gateways
	gateways, err := cluster.Open(o)
	if err != nil {
		return err
	}
	if err := gateways.Ensure(ctx); err != nil {
		return err
	}
	n.gateway, err = client.Dial(n.GatewayAddress())
	return err
}

// killGateway ends the gateway: it would follow every block of rows that are not
// about it.
func (n *network) killGateway() error {
	err := n.gateway.Close()
	n.gateway = nil
	return errors.Join(err, n.Kill(n.Orgs()[0].GatewayName()))
}

// found initialises the ledger with keys of members that nothing is anchored with,
// so they are forgotten at once.
func (n *network) found(ctx context.Context, issuers []string) error {
	type member struct {
		MSP     string `json:"msp"`
		Cosign  string `json:"cosign"`
		Address string `json:"address"`
	}
	var members []member
	for _, o := range n.Orgs() {
		public, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			return err
		}
		key, err := secp256k1.GeneratePrivateKey()
		if err != nil {
			return err
		}
		address := canon.KeyAddress(key.PubKey())
		members = append(members, member{o.MSPID, log.CosignerKey(o.MSPID, n.Network, public), "0x" + canon.Hex(address[:])})
	}
	program, err := os.ReadFile(filepath.Join(n.options.Bin, "killick-chaincode"))
	if err != nil {
		return err
	}
	digest := canon.Sum(program)
	argument, err := json.Marshal(map[string]any{
		"network": n.Network, "log": canon.Hex(make([]byte, 32)), "rules": 1, "members": members, "k": n.K(),
		"vaults": []string{}, "issuers": issuers, "treasuries": []string{members[0].MSP}, "assets": []string{asset},
		"program":      canon.Hex(digest[:]),
		"epochSeconds": 86400, "heartbeatSeconds": 60,
	})
	if err != nil {
		return err
	}
	_, err = n.client.Execute(ctx, "ops:Init", argument)
	return err
}

// asset is what accounts pay with.
const asset = "usd"

// stored is the bytes on disk of the first organisation's peer, orderer and gateway.
func (n *network) stored() (map[string]int64, error) {
	o := n.Orgs()[0]
	found := map[string]int64{}
	for kind, name := range map[string]string{"peer": o.Peer().Name, "orderer": o.Orderers()[0].Name, "gateway": o.GatewayName()} {
		size, err := disk(filepath.Join(n.Dir, "data", name))
		if err != nil {
			return nil, err
		}
		found[kind] = size
	}
	return found, nil
}

// growth says what each operation added to the disks.
func (n *network) growth(before map[string]int64, operations int) (string, error) {
	now, err := n.stored()
	if err != nil {
		return "", err
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(now)) {
		if more := now[kind] - before[kind]; more > 0 {
			parts = append(parts, fmt.Sprintf("%s %d bytes", kind, more/int64(max(operations, 1))))
		}
	}
	return "\nOn disk for each operation: " + strings.Join(parts, ", ") + ".\n", nil
}

// disk is the bytes on disk below a folder; 0 when there is none.
func disk(root string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(root, func(_ string, d os.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, os.ErrNotExist) {
				return nil // it never was, or a database has just removed it
			}
			return err
		}
		if d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum, err
}

// progress prints a line for whoever waits.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

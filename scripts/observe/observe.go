// Package observe looks at a running consortium from outside: how far its
// processes are, what their blocks say, which orderer leads. It changes nothing.
// Heights are numbers of blocks.
package observe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// Network is the ways to look at each organisation of a consortium.
type Network struct {
	Cluster *cluster.Cluster
	Own     []*fabric.Client // a client of each organisation that uses its own peer alone
}

// Connect prepares the clients of all organisations.
func Connect(c *cluster.Cluster) (*Network, error) {
	n := &Network{Cluster: c}
	for i := range c.Orgs() {
		conf := c.Client(i, topology.GatewayUser)
		conf.Peers, conf.Endorsements = conf.Peers[:1], 1
		client, err := fabric.Connect(conf)
		if err != nil {
			return nil, errors.Join(err, n.Close())
		}
		n.Own = append(n.Own, client)
	}
	return n, nil
}

// Close ends the connections.
func (n *Network) Close() error {
	var errs []error
	for _, c := range n.Own {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Furthest is the largest height of the peers that answer.
func (n *Network) Furthest(ctx context.Context) uint64 {
	var target uint64
	for _, c := range n.Own {
		if h, err := c.Height(ctx); err == nil {
			target = max(target, h)
		}
	}
	return target
}

// Behind asks every process of the ledger how far it is, and whether it answers at
// all. It returns an error that names those that have not reached the target.
func (n *Network) Behind(ctx context.Context, target uint64) error {
	var errs []error
	reached := func(who string, height uint64, err error) {
		if err == nil && height < target {
			err = fmt.Errorf("height %d of %d", height, target)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", who, err))
		}
	}
	for i, o := range n.Cluster.Orgs() {
		h, err := n.Own[i].Height(ctx)
		reached(o.Peer().Name, h, err)
		for _, orderer := range o.Orderers() {
			h, err := OrdererHeight(ctx, n.Cluster.Channel, orderer)
			reached(orderer.Name, h, err)
		}
		_, err = n.Own[i].EvaluateAt(ctx, o.MSPID, "ops:Network")
		reached(o.ChaincodeName(), target, err)
		var anchor struct{ Height uint64 }
		err = JSON(ctx, n.Cluster.AnchorURL(i)+"/status", &anchor)
		reached(o.AnchorName(), anchor.Height, err)
	}
	for _, url := range n.Cluster.GatewayURLs() {
		var gateway struct {
			Next uint64 `json:"next_block"`
		}
		err := JSON(ctx, url+"/healthz", &gateway)
		reached(url, gateway.Next, err)
	}
	return errors.Join(errs...)
}

// Pending is how many operations a gateway holds that are not final.
func Pending(ctx context.Context, url string) (int, error) {
	var status struct{ Pending int }
	err := JSON(ctx, url+"/healthz", &status)
	return status.Pending, err
}

// SameChains compares the peers' chains: the newest block that all have, by its
// hash, and by the hash of all that was committed up to it. It returns that block.
func (n *Network) SameChains(ctx context.Context) (*block.Block, error) {
	var heights []uint64
	for _, c := range n.Own {
		h, err := c.Height(ctx)
		if err != nil {
			return nil, err
		}
		heights = append(heights, h)
	}
	lowest := slices.Min(heights)
	var blocks []*block.Block
	var owners []string
	for i, c := range n.Own {
		b, err := Block(ctx, c, lowest-1)
		if err != nil {
			return nil, err
		}
		blocks, owners = append(blocks, b), append(owners, n.Cluster.Orgs()[i].Name)
	}
	return blocks[0], Alike(owners, blocks)
}

// Alike says which owner's block has another hash than the first one's, or another hash
// of all that was committed up to it, or none. They are blocks of one number.
func Alike(owners []string, blocks []*block.Block) error {
	first := blocks[0]
	for i, b := range blocks {
		if b.HeaderHash != first.HeaderHash || len(b.CommitHash) != 32 || !slices.Equal(b.CommitHash, first.CommitHash) {
			return fmt.Errorf("block %d: %s has hash %x and commit hash %x, %s has %x and %x", b.Number,
				owners[i], b.HeaderHash, b.CommitHash, owners[0], first.HeaderHash, first.CommitHash)
		}
	}
	return nil
}

// answers is how long a service may take to answer.
const answers = 15 * time.Second

// JSON reads the answer of a service.
func JSON(ctx context.Context, url string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answers)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// OrdererHeight asks an orderer's channel participation service. An orderer that
// does not take part in ordering is an error.
func OrdererHeight(ctx context.Context, channel string, o topology.Node) (uint64, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(o.TLS, "server.crt"), filepath.Join(o.TLS, "server.key"))
	if err != nil {
		return 0, err
	}
	pem, err := os.ReadFile(filepath.Join(o.TLS, "ca.crt"))
	if err != nil {
		return 0, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: roots, Certificates: []tls.Certificate{cert}, ServerName: o.CN, MinVersion: tls.VersionTLS12,
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.AdminURL()+"/participation/v1/channels/"+channel, nil)
	if err != nil {
		return 0, err
	}
	web := http.Client{Timeout: answers, Transport: transport}
	response, err := web.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var info struct {
		Height uint64
		Status string
	}
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil {
		return 0, err
	}
	if info.Status != "active" {
		return info.Height, fmt.Errorf("it is %q", info.Status)
	}
	return info.Height, nil
}

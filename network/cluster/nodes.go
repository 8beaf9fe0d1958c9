package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/hyperledger/fabric-admin-sdk/pkg/channel"
	"github.com/hyperledger/fabric-admin-sdk/pkg/identity"
	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// prepare renders what follows from the description and checks that the ports of
// what is not running are free.
func (c *Cluster) prepare() error {
	founding, err := c.Founding()
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.GenesisBlock()); err == nil {
		for _, f := range founding {
			if old, err := os.ReadFile(f.Path); err != nil || !bytes.Equal(old, f.Data) {
				return fmt.Errorf("the network in %s was founded with another description (%s would change): take it down first, or use another directory", c.Dir, filepath.Base(f.Path))
			}
		}
	}
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	if err := writeFiles(append(founding, nodes...)...); err != nil {
		return err
	}
	return c.checkPorts()
}

// program is the path of one of our programs, or an error that says how it is made.
func (c *Cluster) program(name string) (string, error) {
	path := c.Program(name)
	if name == "killick-chaincode" && c.opts.ChaincodeProgram != "" {
		path = c.opts.ChaincodeProgram
	}
	return executable(path)
}

// fabricProgram is the path of one of Fabric's programs.
func (c *Cluster) fabricProgram(name string) (string, error) {
	if c.Consortium.Fabric.Binaries != "" {
		return executable(filepath.Join(c.Consortium.Fabric.Binaries, name))
	}
	return executable(c.Program(name))
}

func executable(path string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("program %s is missing: run make build, or set --bin: %w", path, err)
	}
	return path, nil
}

// tool runs one of Fabric's tools to its end.
func (c *Cluster) tool(ctx context.Context, name string, args ...string) error {
	path, err := c.fabricProgram(name)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "FABRIC_LOGGING_SPEC=error", "FABRIC_CFG_PATH="+c.ChannelConfig())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := c.procs.run(cmd); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}

// keyMaterial makes keys and certificates of all organisations, once, and the
// builder's three names.
func (c *Cluster) keyMaterial(ctx context.Context) error {
	if err := c.linkBuilder(); err != nil {
		return err
	}
	if _, err := os.Stat(c.CryptoDir()); err == nil {
		return nil
	}
	making := c.CryptoDir() + ".new"
	if err := os.RemoveAll(making); err != nil {
		return err
	}
	if err := c.tool(ctx, "cryptogen", "generate", "--config", c.CryptoConfig(), "--output", making); err != nil {
		return err
	}
	for _, o := range c.Orgs() {
		identity, err := filepath.Rel(c.CryptoDir(), o.ChaincodeIdentity())
		if err != nil {
			return err
		}
		if err := os.RemoveAll(filepath.Join(making, identity)); err != nil {
			return err
		}
	}
	// Complete or absent: a half-made set of keys is never used.
	return os.Rename(making, c.CryptoDir())
}

// linkBuilder gives the builder program the three names that peers call it by.
func (c *Cluster) linkBuilder() error {
	path, err := c.program("killick-ccaas")
	if err != nil {
		return err
	}
	dir := filepath.Join(c.Builder(), "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"detect", "build", "release"} {
		link := filepath.Join(dir, name)
		if old, err := os.Readlink(link); err == nil && old == path {
			continue
		}
		if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.Symlink(path, link); err != nil {
			return err
		}
	}
	return nil
}

// firstBlock makes the channel's block 0, once, and takes the log id from it.
func (c *Cluster) firstBlock(ctx context.Context) error {
	if _, err := os.Stat(c.GenesisBlock()); err != nil {
		making := c.GenesisBlock() + ".new"
		if err := c.tool(ctx, "configtxgen", "-profile", "Killick", "-channelID", c.Channel, "-outputBlock", making); err != nil {
			return err
		}
		if err := os.Rename(making, c.GenesisBlock()); err != nil {
			return err
		}
	}
	block, err := c.genesis()
	if err != nil {
		return err
	}
	id, err := headerHash(block.GetHeader())
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.facts.LogID = id
	return nil
}

func (c *Cluster) genesis() (*common.Block, error) {
	data, err := os.ReadFile(c.GenesisBlock())
	if err != nil {
		return nil, err
	}
	var block common.Block
	if err := proto.Unmarshal(data, &block); err != nil {
		return nil, fmt.Errorf("%s: %w", c.GenesisBlock(), err)
	}
	return &block, nil
}

// startOrderers starts the orderers that do not run and joins those that have not
// joined.
func (c *Cluster) startOrderers(ctx context.Context) error {
	path, err := c.fabricProgram("orderer")
	if err != nil {
		return err
	}
	block, err := c.genesis()
	if err != nil {
		return err
	}
	var g errgroup.Group
	for _, o := range c.Orgs() {
		for _, n := range o.Orderers() {
			g.Go(func() error {
				if err := c.startNode(ctx, n, path); err != nil {
					return err
				}
				return c.joinOrderer(ctx, n, block)
			})
		}
	}
	return g.Wait()
}

func (c *Cluster) joinOrderer(ctx context.Context, n topology.Node, block *common.Block) error {
	cert, err := tls.LoadX509KeyPair(filepath.Join(n.TLS, "server.crt"), filepath.Join(n.TLS, "server.key"))
	if err != nil {
		return fmt.Errorf("join %s: %w", n.Name, err)
	}
	pem, err := os.ReadFile(filepath.Join(n.TLS, "ca.crt"))
	if err != nil {
		return fmt.Errorf("join %s: %w", n.Name, err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	// A node says that it is well before it listens everywhere.
	var list channel.ChannelList
	if err := c.ready(ctx, n.Name, func() (err error) {
		list, err = channel.ListChannel(n.AdminURL(), pool, cert)
		return err
	}); err != nil {
		return fmt.Errorf("list channels of %s: %w", n.Name, err)
	}
	for _, ch := range list.Channels {
		if ch.Name == c.Channel {
			return nil
		}
	}
	response, err := channel.CreateChannel(n.AdminURL(), block, pool, cert)
	if err != nil {
		return fmt.Errorf("join %s: %w", n.Name, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("join %s: %s", n.Name, response.Status)
	}
	return nil
}

// startPeers starts the peers that do not run and joins those that have not joined.
func (c *Cluster) startPeers(ctx context.Context) error {
	path, err := c.fabricProgram("peer")
	if err != nil {
		return err
	}
	block, err := c.genesis()
	if err != nil {
		return err
	}
	var g errgroup.Group
	for _, o := range c.Orgs() {
		g.Go(func() error {
			n := o.Peer()
			if err := c.startNode(ctx, n, path, "node", "start"); err != nil {
				return err
			}
			return c.asAdmin(o, func(conn *grpc.ClientConn, admin identity.SigningIdentity) error {
				var joined []*peer.ChannelInfo
				if err := c.ready(ctx, n.Name, func() (err error) {
					joined, err = channel.ListChannelOnPeer(ctx, conn, admin)
					return err
				}); err != nil {
					return fmt.Errorf("list channels of %s: %w", n.Name, err)
				}
				for _, ch := range joined {
					if ch.GetChannelId() == c.Channel {
						return nil
					}
				}
				if err := channel.JoinChannel(ctx, conn, admin, block); err != nil {
					return fmt.Errorf("join %s: %w", n.Name, err)
				}
				return nil
			})
		})
	}
	return g.Wait()
}

// asAdmin runs f with a connection to the organisation's peer and its admin's
// identity.
func (c *Cluster) asAdmin(o topology.Org, f func(*grpc.ClientConn, identity.SigningIdentity) error) error {
	conf := o.Connection(topology.Admin)
	cert, err := identity.ReadCertificate(conf.Cert)
	if err != nil {
		return fmt.Errorf("admin of %s: %w", o.Name, err)
	}
	key, err := identity.ReadPrivateKey(conf.Key)
	if err != nil {
		return fmt.Errorf("admin of %s: %w", o.Name, err)
	}
	admin, err := identity.NewPrivateKeySigningIdentity(o.MSPID, cert, key)
	if err != nil {
		return fmt.Errorf("admin of %s: %w", o.Name, err)
	}
	conn, err := fabric.Dial(o.Peer().Endpoint())
	if err != nil {
		return err
	}
	defer conn.Close()
	return f(conn, admin)
}

// startNode starts a peer or an orderer and waits until it says that it is well.
func (c *Cluster) startNode(ctx context.Context, n topology.Node, path string, args ...string) error {
	// A node that was ended while it made its databases cannot open them again, and
	// holds nothing yet: it begins anew. Once it has served, it survives any crash.
	wasReady := filepath.Join(n.Data, ".ready")
	_, alive := c.procs.find(n.Name)
	if _, err := os.Stat(wasReady); errors.Is(err, os.ErrNotExist) && !alive {
		if err := os.RemoveAll(n.Data); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(n.Data, 0o755); err != nil {
		return err
	}
	s := spec{
		name: n.Name, path: path, args: args, ports: nodePorts(n),
		env: []string{"FABRIC_CFG_PATH=" + n.Config, "FABRIC_LOGGING_SPEC=" + c.Consortium.Fabric.Log, "KILLICK_CCAAS_CLIENT=" + n.TLS},
	}
	if _, err := c.procs.start(s); err != nil {
		return err
	}
	if err := c.ready(ctx, n.Name, func() error { return errors.Join(well(n), serves(ctx, n)) }); err != nil {
		return err
	}
	return os.WriteFile(wasReady, nil, 0o644)
}

// well asks a node's health service.
func well(n topology.Node) error {
	response, err := health.Get(n.HealthURL())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", n.HealthURL(), response.Status)
	}
	return nil
}

// serves finds out whether a node answers at its address, which it does once its
// databases are there; its health service says that all is well before it has made them.
func serves(ctx context.Context, n topology.Node) error {
	e := n.Endpoint()
	ca, err := os.ReadFile(e.TLSCA)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return fmt.Errorf("%s holds no certificate", e.TLSCA)
	}
	ctx, cancel := context.WithTimeout(ctx, health.Timeout)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: e.ServerName, NextProtos: []string{"h2"}}}
	conn, err := d.DialContext(ctx, "tcp", e.Address)
	if err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	return conn.Close()
}

var health = http.Client{Timeout: 2 * time.Second}

// readyWithin is how long a process may take until it is ready, on a machine that does
// much else.
const readyWithin = 2 * time.Minute

// ready waits until probe succeeds. It ends early when the process ends.
func (c *Cluster) ready(ctx context.Context, name string, probe func() error) error {
	deadline := time.Now().Add(readyWithin)
	for {
		err := probe()
		if err == nil {
			return nil
		}
		if _, alive := c.procs.find(name); !alive {
			return fmt.Errorf("%s ended while it started; the end of its log:\n%s", name, c.procs.tail(name))
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %s: %w; its log is %s", name, readyWithin, err, c.procs.logFile(name))
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

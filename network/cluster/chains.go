package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/killick-ledger/killick/network/topology"
)

// anchorKeys has each organisation's anchor make its keys, or read those it has.
func (c *Cluster) anchorKeys(ctx context.Context) error {
	path, err := c.program("killick-anchor")
	if err != nil {
		return err
	}
	type keys struct {
		topology.Member
		Sender string `json:"sender"`
	}
	orgs := c.Orgs()
	made := make([]keys, len(orgs))
	g, ctx := errgroup.WithContext(ctx)
	for i, o := range orgs {
		g.Go(func() error {
			file, err := o.Anchor(topology.Facts{})
			if err != nil {
				return err
			}
			if err := writeFiles(file); err != nil {
				return err
			}
			out, err := c.output(ctx, path, "keys", "--config", o.AnchorFile())
			if err != nil {
				return fmt.Errorf("keys of %s: %w", o.Name, err)
			}
			if err := json.Unmarshal(out, &made[i]); err != nil {
				return fmt.Errorf("keys of %s: %w", o.Name, err)
			}
			if made[i].MSPID != o.MSPID || made[i].Address == "" || made[i].CosignKey == "" || made[i].Sender == "" {
				return fmt.Errorf("keys of %s: %s lacks something", o.Name, bytes.TrimSpace(out))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.facts.Members, c.senders = nil, nil
	for _, k := range made {
		c.facts.Members = append(c.facts.Members, k.Member)
		c.senders = append(c.senders, k.Sender)
	}
	return c.foundingMembers()
}

// foundingMembers puts the members into the facts with whom the contracts were deployed
// and the ledger is founded, once there is a policy: an organisation's keys may be others
// by now.
func (c *Cluster) foundingMembers() error {
	data, err := os.ReadFile(c.Policy())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var policy struct {
		Members []member `json:"members"`
	}
	if err == nil {
		err = json.Unmarshal(data, &policy)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.Policy(), err)
	}
	c.facts.Members = nil
	for _, m := range policy.Members {
		c.facts.Members = append(c.facts.Members, topology.Member{MSPID: m.MSP, CosignKey: m.Cosign, Address: m.Address})
	}
	return nil
}

// output runs a program to its end and returns what it printed.
func (c *Cluster) output(ctx context.Context, path string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := c.procs.run(cmd); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", path, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

// startChains starts the test nodes, and learns the chains' ids from their nodes.
func (c *Cluster) startChains(ctx context.Context) error {
	files, err := c.ChainNodes(c.senders)
	if err != nil {
		return err
	}
	if err := writeFiles(files...); err != nil {
		return err
	}
	var evm, tron string
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		evm, err = c.chain(ctx, c.Chains.EVM, "evmnode", c.EVMFile(), c.EVM().RPC[0], c.EVMAddress())
		return err
	})
	g.Go(func() (err error) {
		tron, err = c.chain(ctx, c.Chains.Tron, "tronnode", c.TronFile(), c.Tron().RPC[0],
			c.TronHTTPAddress(), c.TronGRPCAddress(), c.TronSolidityAddress())
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	id, err := strconv.ParseUint(strings.TrimPrefix(evm, "0x"), 16, 64)
	if err != nil {
		return fmt.Errorf("chain id of the EVM node: %w", err)
	}
	e, t := c.EVM(), c.Tron()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.facts.Chains = []topology.AnchorChain{
		{ID: "eip155:" + strconv.FormatUint(id, 10), Kind: "evm", RPC: e.RPC},
		// CAIP-2 of Tron is the last four bytes of the genesis block's id, which is
		// what its JSON-RPC calls the chain id.
		{ID: "tron:" + tron, Kind: "tron", RPC: t.RPC, GRPC: t.GRPC, Solidity: t.Solidity, Also: t.Also},
	}
	return nil
}

// chain starts a test node unless another endpoint is configured, and asks for the
// chain's id.
func (c *Cluster) chain(ctx context.Context, conf topology.Chain, name, config, rpc string, listens ...string) (string, error) {
	if conf.Own() {
		path, err := c.program("killick-" + name)
		if err != nil {
			return "", err
		}
		if err := c.startProgram(ctx, name, path, []string{"--config", config}, listens...); err != nil {
			return "", err
		}
	}
	// A machine that starts all programs at once may be slow to answer.
	ctx, cancel := context.WithTimeout(ctx, chainIDWithin)
	defer cancel()
	var id string
	err := again(ctx, func() (err error) {
		id, err = chainID(ctx, rpc)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", rpc, err)
	}
	return id, nil
}

// chainIDWithin is how long a node may take to tell its chain's id.
const chainIDWithin = 30 * time.Second

// chainID asks a node for eth_chainId.
func chainID(ctx context.Context, url string) (string, error) {
	body := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}`)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := health.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err != nil {
		return "", err
	}
	var answer struct {
		Result string `json:"result"`
	}
	if err := json.Unmarshal(data, &answer); err != nil || !strings.HasPrefix(answer.Result, "0x") {
		return "", fmt.Errorf("eth_chainId answers %q", data)
	}
	return answer.Result, nil
}

// Deployments is what `killick-anchor deploy` wrote: the contracts on each chain.
type Deployments struct {
	Chains []Deployed `json:"chains"`
}

// Deployed is the contracts on one chain. Token is the account of the token contract
// that the vault pays in, in CAIP-10 form like the others.
type Deployed struct {
	ID        string   `json:"id"`
	AnchorLog string   `json:"anchor_log"`
	Token     string   `json:"token"`
	Vaults    []string `json:"vaults"`
}

// deploy puts the contracts on the chains, once, and adds them to the facts. The
// policy file is the last thing that the program writes: without it, it goes on
// where it was interrupted.
func (c *Cluster) deploy(ctx context.Context) error {
	if _, err := os.Stat(c.Policy()); errors.Is(err, os.ErrNotExist) {
		path, err := c.program("killick-anchor")
		if err != nil {
			return err
		}
		file, err := c.Deploy(c.facts)
		if err != nil {
			return err
		}
		if err := writeFiles(file); err != nil {
			return err
		}
		if _, err := c.output(ctx, path, "deploy", "--config", c.DeployFile()); err != nil {
			return err
		}
	}
	d, err := c.deployed()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, ch := range c.facts.Chains {
		for _, on := range d.Chains {
			if on.ID == ch.ID {
				c.facts.Chains[i].AnchorLog, c.facts.Chains[i].Vaults = on.AnchorLog, on.Vaults
			}
		}
		if c.facts.Chains[i].AnchorLog == "" {
			return fmt.Errorf("%s names no contracts on %s: the chain is another one than when they were deployed", c.Deployments(), ch.ID)
		}
	}
	return nil
}

func (c *Cluster) deployed() (Deployments, error) {
	var d Deployments
	data, err := os.ReadFile(c.Deployments())
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return d, fmt.Errorf("%s: %w", c.Deployments(), err)
	}
	return d, nil
}

// startAnchors starts each organisation's anchor.
func (c *Cluster) startAnchors(ctx context.Context) error {
	path, err := c.program("killick-anchor")
	if err != nil {
		return err
	}
	var g errgroup.Group
	for _, o := range c.Orgs() {
		g.Go(func() error {
			file, err := o.Anchor(c.facts)
			if err != nil {
				return err
			}
			if err := writeFiles(file); err != nil {
				return err
			}
			return c.startProgram(ctx, o.AnchorName(), path, []string{"run", "--config", o.AnchorFile()}, o.AnchorAddress())
		})
	}
	return g.Wait()
}

// startGateways starts the gateways of the organisations that have one.
func (c *Cluster) startGateways(ctx context.Context) error {
	path, err := c.program("killick-gateway")
	if err != nil {
		return err
	}
	var g errgroup.Group
	for _, o := range c.Orgs() {
		if !o.HasGateway {
			continue
		}
		g.Go(func() error {
			file, err := o.Gateway()
			if err != nil {
				return err
			}
			if err := writeFiles(file); err != nil {
				return err
			}
			return c.startProgram(ctx, o.GatewayName(), path, []string{"--config", o.GatewayFile()}, o.GatewayHTTP(), o.GatewayGRPC())
		})
	}
	return g.Wait()
}

// Package evm brings the sender's intents to an EVM chain over JSON-RPC. It
// keeps nothing: what it knows comes from its arguments and from the chain's
// nodes.
//
// With several nodes, transactions go to all of them. What is said of the
// finalized head counts only when at least two nodes answer and all that do agree on it;
// of what they say of a nonce the least counts; other reads take the first that answers.
// A node that lets the others wait has not answered. Fees are EIP-1559; amounts are in
// wei.
package evm

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer"
)

// ErrWrongChain is returned when a node serves another chain than configured.
var ErrWrongChain = errors.New("the node serves another chain")

// DefaultMaxFee is the default of Config.MaxFee: 200 gwei.
const DefaultMaxFee = 200_000_000_000

// Config says which chain to speak to, through which nodes, and as whom.
type Config struct {
	// Chain is the CAIP-2 id, "eip155:" and a decimal number. Required.
	Chain string
	// URLs are JSON-RPC endpoints of independent nodes. At least one.
	URLs []string
	// Key signs and pays. Nil makes a client that only reads.
	Key *signer.Key
	// MaxFee is the most that is ever paid for a unit of gas, in wei, tip
	// included. Nil is DefaultMaxFee.
	MaxFee *big.Int
	// Poll is the time between two looks at a transaction that Deploy and Transact
	// wait for; 0 means 200 milliseconds.
	Poll time.Duration
}

// Client is a connection to one chain. It implements send.Chain and is safe for
// concurrent use.
type Client struct {
	chain  string
	id     *big.Int
	nodes  []*node
	key    *signer.Key
	from   common.Address
	maxFee *big.Int
	poll   time.Duration

	silent atomic.Pointer[error] // who did not answer, though enough others did
}

var _ send.Chain = (*Client)(nil)

// node is one endpoint. Its name is the host: a URL may hold an access key.
type node struct {
	*ethclient.Client
	name    string
	checked atomic.Bool // it serves the right chain
}

// Dial connects to a chain. At least one node must answer, and none of those
// that do may serve another chain: that is ErrWrongChain. A node that does not
// answer is asked for its chain before it is used.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	id, err := chainNumber(cfg.Chain)
	if err != nil {
		return nil, err
	}
	if len(cfg.URLs) == 0 {
		return nil, fmt.Errorf("chain %s: no node is configured", cfg.Chain)
	}
	c := &Client{chain: cfg.Chain, id: id, maxFee: cfg.MaxFee, poll: cfg.Poll}
	if c.maxFee == nil {
		c.maxFee = big.NewInt(DefaultMaxFee)
	}
	if c.poll == 0 {
		c.poll = pollEvery
	}
	if cfg.Key != nil {
		c.key, c.from = cfg.Key, cfg.Key.Address()
	}
	for _, text := range cfg.URLs {
		n, err := dialNode(ctx, text)
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("chain %s: %w", cfg.Chain, err)
		}
		c.nodes = append(c.nodes, n)
	}
	if err := c.checkNodes(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func chainNumber(chain string) (*big.Int, error) {
	digits, ok := strings.CutPrefix(chain, "eip155:")
	n, err := strconv.ParseUint(digits, 10, 63)
	if !ok || err != nil || n == 0 || strconv.FormatUint(n, 10) != digits {
		return nil, fmt.Errorf("chain %q: want eip155: and a decimal number", chain)
	}
	return new(big.Int).SetUint64(n), nil
}

func dialNode(ctx context.Context, text string) (*node, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("a node's URL is not of the form http(s)://host")
	}
	client, err := DialRPC(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", u.Host, hideURL(err))
	}
	return &node{Client: ethclient.NewClient(client), name: u.Host}, nil
}

// maxAnswer bounds what is read of one answer of a node.
const maxAnswer = 8 << 20

// DialRPC connects to a node of which no answer is read beyond a limit: go-ethereum's
// client would keep in memory whatever is sent.
func DialRPC(ctx context.Context, url string) (*rpc.Client, error) {
	return rpc.DialOptions(ctx, url, rpc.WithHTTPClient(&http.Client{Transport: bounded{}}))
}

type bounded struct{}

// RoundTrip implements http.RoundTripper.
func (bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}

func (c *Client) checkNodes(ctx context.Context) error {
	ok, err := every(ctx, c, func(context.Context, *node) (bool, error) { return true, nil })
	if errors.Is(err, ErrWrongChain) || len(ok) == 0 {
		return err
	}
	return nil
}

// Close lets go of the connections.
func (c *Client) Close() {
	for _, n := range c.nodes {
		n.Close()
	}
}

// ID returns the CAIP-2 id of the chain.
func (c *Client) ID() string { return c.chain }

// Address returns the account that signs and pays, zero without a key.
func (c *Client) Address() send.Address { return send.Address(c.from) }

// Balance returns an account's balance in wei at the latest head.
func (c *Client) Balance(ctx context.Context, account send.Address) (*big.Int, error) {
	return first(ctx, c, func(ctx context.Context, n *node) (*big.Int, error) {
		return n.BalanceAt(ctx, common.Address(account), nil)
	})
}

// Call returns what a view returns. At the final head all nodes that answer
// must return the same, and it is an error when they do not, and send.ErrAlone when one
// of several answers. A view that reverts is an error that names the reason.
func (c *Client) Call(ctx context.Context, to send.Address, data []byte, at send.Head) ([]byte, error) {
	call := func(ctx context.Context, n *node) (answer, error) { return n.view(ctx, to, data, at) }
	if at == send.Latest {
		a, err := first(ctx, c, call)
		if err != nil {
			return nil, err
		}
		return a.data, a.reverted
	}
	answers, err := agreed(ctx, c, call)
	if err != nil {
		return nil, err
	}
	for _, a := range answers[1:] {
		if !a.equal(answers[0]) {
			return nil, fmt.Errorf("chain %s: nodes return different values for a view of %x at the final head", c.chain, to)
		}
	}
	return answers[0].data, answers[0].reverted
}

// Holds reports whether in.Check returns in.Want. At the final head all nodes
// that answer must say so, and of several at least two.
func (c *Client) Holds(ctx context.Context, in send.Intent, at send.Head) (bool, error) {
	want := answer{data: in.Want}
	call := func(ctx context.Context, n *node) (answer, error) { return n.view(ctx, in.To, in.Check, at) }
	if at == send.Latest {
		a, err := first(ctx, c, call)
		return err == nil && a.equal(want), err
	}
	answers, err := agreed(ctx, c, call)
	if err != nil {
		return false, err
	}
	for _, a := range answers {
		if !a.equal(want) {
			return false, nil
		}
	}
	return true, nil
}

// answer is what a node says a view returns, or that it reverts.
type answer struct {
	data     []byte
	reverted error
}

func (a answer) equal(b answer) bool {
	return string(a.data) == string(b.data) && (a.reverted == nil) == (b.reverted == nil)
}

func (n *node) view(ctx context.Context, to send.Address, data []byte, at send.Head) (answer, error) {
	address := common.Address(to)
	block := big.NewInt(rpc.LatestBlockNumber.Int64())
	if at == send.Final {
		block = big.NewInt(rpc.FinalizedBlockNumber.Int64())
	}
	out, err := n.CallContract(ctx, ethereum.CallMsg{To: &address, Data: data}, block)
	if reason := revertReason(err); reason != nil {
		return answer{reverted: reason}, nil
	}
	return answer{data: out}, err
}

// revertReason returns the reason in a node's error of a reverted execution, nil
// for any other error.
func revertReason(err error) error {
	if data, ok := ethclient.RevertErrorData(err); ok {
		return fmt.Errorf("execution reverted: %s", contracts.Reason(data))
	}
	if err != nil && strings.Contains(err.Error(), "execution reverted") {
		return errors.New("execution reverted without a reason")
	}
	return nil
}

// signer returns the signing rules of the chain.
func (c *Client) signer() types.Signer { return types.LatestSignerForChainID(c.id) }

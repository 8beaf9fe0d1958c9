// Package tron is the sender's driver for Tron: it builds and signs
// transactions itself, and asks a full node and a solidity node what became of
// them. It never retries and keeps no state.
//
// Tron has no nonce. A transaction that is signed anew is a second one, which can
// land beside the first; so a second attempt is made only when no earlier one
// can land any more. That is proved by time: a transaction can be in no block
// later than its expiration, and a solidified block after that moment means that
// every block which could hold it is final and known.
//
// Fees are sun, costs energy. Prices are the chain's own at the time of asking.
package tron

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer"
)

// Config says where the chain is and what may be spent there. A node's address is
// host:port, where it is spoken to in plain text, or https://host:port, with TLS.
type Config struct {
	// Chain is the CAIP-2 id that the network must have, for example
	// tron:0x2b6653dc. Empty accepts any: for a network that has just been made.
	Chain string
	// GRPC is the address of a full node's API (protocol.Wallet).
	GRPC string
	// Solidity is the address of protocol.WalletSolidity, best on another node;
	// empty means GRPC, where java-tron serves it too.
	Solidity string
	// Also holds further nodes (addresses of protocol.WalletSolidity), best of
	// other operators: what is final, or dead, must be so on all that answer, and
	// one of them must.
	Also []string
	// Key signs and pays. It may be nil for a chain that is only read.
	Key *signer.Key
	// MaxFee is the most sun that one transaction's energy may cost; 0 means
	// 1,000 TRX.
	MaxFee uint64
	// Expiry is how long after the head block's time a transaction is good; 0
	// means 60 seconds. Tron allows up to 24 hours.
	Expiry time.Duration
	// Poll is the time between two looks at a transaction that Deploy and Transact
	// wait for; 0 means 200 milliseconds.
	Poll time.Duration
	// Dial is for connections that need more, such as an API key.
	Dial []grpc.DialOption
}

// Client speaks to a Tron network. It implements send.Chain.
type Client struct {
	cfg      Config
	id       string
	genesis  []byte // id of block 0
	from     send.Address
	wallet   api.WalletClient
	solidity api.WalletSolidityClient
	also     []*further
	conns    []*grpc.ClientConn
	silent   atomic.Pointer[error] // which further nodes did not answer, though one did

	mu    sync.Mutex
	stamp int64 // guarded by mu: timestamp of the last transaction built
}

var _ send.Chain = (*Client)(nil)

// ErrWrongChain is returned when the nodes serve another network than configured.
var ErrWrongChain = errors.New("the node serves another chain")

// ErrAlive says that an earlier attempt may still land.
var ErrAlive = errors.New("an earlier attempt may still land")

// ErrFunds says that the account cannot pay.
var ErrFunds = errors.New("the account's balance does not cover the fees")

// ErrFee says that the energy costs more than Config.MaxFee.
var ErrFee = errors.New("the fee is above the configured limit")

// ErrFails says that the call would fail if it were made now.
var ErrFails = errors.New("the call would fail")

// Dial connects and finds out which network it is. All nodes must be of the same
// one, and all but the further ones must answer; these are asked for their network
// before they are believed.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.Solidity == "" {
		cfg.Solidity = cfg.GRPC
	}
	if cfg.MaxFee == 0 {
		cfg.MaxFee = 1_000_000_000
	}
	if cfg.Expiry == 0 {
		cfg.Expiry = time.Minute
	}
	if cfg.Poll == 0 {
		cfg.Poll = pollEvery
	}
	c := &Client{cfg: cfg}
	if cfg.Key != nil {
		c.from = cfg.Key.Address()
	}
	for _, addr := range append([]string{cfg.GRPC, cfg.Solidity}, cfg.Also...) {
		conn, err := connect(addr, cfg.Dial)
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("connect to tron node %s: %w", addr, err)
		}
		c.conns = append(c.conns, conn)
	}
	c.wallet, c.solidity = api.NewWalletClient(c.conns[0]), api.NewWalletSolidityClient(c.conns[1])
	for i, conn := range c.conns[2:] {
		c.also = append(c.also, &further{WalletSolidityClient: api.NewWalletSolidityClient(conn), addr: cfg.Also[i]})
	}
	if err := c.identify(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func connect(addr string, more []grpc.DialOption) (*grpc.ClientConn, error) {
	if err := CheckAddress(addr); err != nil {
		return nil, err
	}
	target, secure := strings.CutPrefix(addr, "https://")
	transport := insecure.NewCredentials()
	if secure {
		transport = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	return grpc.NewClient(target, append([]grpc.DialOption{grpc.WithTransportCredentials(transport)}, more...)...)
}

// CheckAddress reports whether a node's address has one of the forms of Config.
func CheckAddress(addr string) error {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(addr, "https://"))
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n == 0 || host == "" || strings.ContainsAny(host, "/@") {
		return fmt.Errorf("%q is neither host:port nor https://host:port", addr)
	}
	return nil
}

// identify derives the CAIP-2 id: the last four bytes of the genesis block's id.
func (c *Client) identify(ctx context.Context) error {
	full, err := c.wallet.GetBlockByNum2(ctx, &api.NumberMessage{})
	if err != nil {
		return fmt.Errorf("read genesis block from %s: %w", c.cfg.GRPC, err)
	}
	solid, err := c.solidity.GetBlockByNum2(ctx, &api.NumberMessage{})
	if err != nil {
		return fmt.Errorf("read genesis block from %s: %w", c.cfg.Solidity, err)
	}
	id := full.GetBlockid()
	if len(id) != 32 || !bytes.Equal(id, solid.GetBlockid()) {
		return fmt.Errorf("%w: %s and %s differ", ErrWrongChain, c.cfg.GRPC, c.cfg.Solidity)
	}
	c.genesis, c.id = id, fmt.Sprintf("tron:0x%x", id[28:])
	if c.cfg.Chain != "" && c.cfg.Chain != c.id {
		return fmt.Errorf("%w: %s, not %s", ErrWrongChain, c.id, c.cfg.Chain)
	}
	_, errs := each(ctx, c, func(context.Context, *further) (bool, error) { return true, nil })
	for _, err := range errs { // a mistake of the configuration, whatever the others are
		if errors.Is(err, ErrWrongChain) {
			return fmt.Errorf("chain %s: %w", c.id, err)
		}
	}
	return nil
}

// Close ends the connections.
func (c *Client) Close() {
	for _, conn := range c.conns {
		_ = conn.Close() // it only says that it was closed before
	}
}

// ID returns the CAIP-2 id, for example tron:0x2b6653dc.
func (c *Client) ID() string { return c.id }

// Address returns the account that pays.
func (c *Client) Address() send.Address { return c.from }

// Balance returns the sun that an account holds at the head.
func (c *Client) Balance(ctx context.Context, a send.Address) (*big.Int, error) {
	acct, err := c.wallet.GetAccount(ctx, &core.Account{Address: wire(a)})
	if err != nil {
		return nil, fmt.Errorf("read account %s: %w", Base58(a), err)
	}
	return big.NewInt(acct.GetBalance()), nil
}

// succeeded reads the outcome of a call that changes nothing: the node says
// success when the call was run, and the contract's own failure stands in the
// transaction.
func succeeded(ext *api.TransactionExtention) error {
	if r := ext.GetResult(); r.GetCode() != api.Return_SUCCESS || !r.GetResult() {
		return fmt.Errorf("%w: %s: %s", ErrFails, r.GetCode(), r.GetMessage())
	}
	for _, ret := range ext.GetTransaction().GetRet() {
		if ret.GetRet() != core.Transaction_Result_SUCESS {
			return &FailedError{Message: string(ext.GetResult().GetMessage()), Data: bytes.Join(ext.GetConstantResult(), nil)}
		}
	}
	return nil
}

// FailedError is a call that the contract itself refuses. It is an ErrFails.
type FailedError struct {
	Message string
	Data    []byte // what the contract returned with REVERT
}

func (e *FailedError) Error() string { return ErrFails.Error() + ": " + e.Message }

// Is makes FailedError an ErrFails.
func (e *FailedError) Is(target error) bool { return target == ErrFails }

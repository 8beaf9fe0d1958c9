package fabric

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
)

// Evaluate runs a query on the own organisation's peer, and on the others' when
// that one is down. It trusts the one peer that answers. It returns *Refused,
// *Unavailable or the context's error.
func (c *Client) Evaluate(ctx context.Context, function string, args ...[]byte) ([]byte, error) {
	return c.query(ctx, c.inOrder(), c.cfg.Chaincode, function, args)
}

// EvaluateAt runs a query on the peers of one organisation only.
func (c *Client) EvaluateAt(ctx context.Context, mspID, function string, args ...[]byte) ([]byte, error) {
	var peers []*remote
	for _, p := range c.peers {
		if p.MSPID == mspID {
			peers = append(peers, p)
		}
	}
	if len(peers) == 0 {
		return nil, fmt.Errorf("fabric: organisation %q has no peer in the configuration", mspID)
	}
	return c.query(ctx, peers, c.cfg.Chaincode, function, args)
}

// query asks the peers in turn until one answers.
func (c *Client) query(ctx context.Context, peers []*remote, chaincode, function string, args [][]byte) ([]byte, error) {
	p, err := c.propose(c.cfg.Channel, chaincode, function, args, nil)
	if err != nil {
		return nil, fmt.Errorf("fabric: %w", err)
	}
	causes := map[string]string{}
	for _, r := range peers {
		a := c.ask(ctx, r, p)
		switch {
		case a.refused != nil:
			return nil, a.refused
		case a.err == nil:
			return a.response.GetResponse().GetPayload(), nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("fabric: query %s: %w", function, ctx.Err())
		}
		causes[r.MSPID] = cut(a.err.Error())
	}
	return nil, &Unavailable{Need: 1, Causes: causes}
}

// Status is what the ledger says of a transaction. Found false means only that the
// peer that was asked has not seen it yet.
type Status struct {
	Found bool
	Code  int32 // peer.TxValidationCode; 0 is valid
	Block uint64
}

// qscc is the peer's system chaincode for the ledger.
const qscc = "qscc"

// Lookup finds a transaction by its id on the own peer, or on another one when that
// one is down.
func (c *Client) Lookup(ctx context.Context, txID string) (Status, error) {
	return c.lookup(ctx, c.inOrder(), txID)
}

func (c *Client) lookup(ctx context.Context, peers []*remote, txID string) (Status, error) {
	args := [][]byte{[]byte(c.cfg.Channel), []byte(txID)}
	data, err := c.query(ctx, peers, qscc, "GetTransactionByID", args)
	var refused *Refused
	if errors.As(err, &refused) && strings.Contains(refused.Message, "no such transaction ID") {
		return Status{}, nil
	}
	if err != nil {
		return Status{}, fmt.Errorf("look up transaction %s: %w", txID, err)
	}
	var processed peer.ProcessedTransaction
	if err := proto.Unmarshal(data, &processed); err != nil {
		return Status{}, fmt.Errorf("look up transaction %s: %w", txID, err)
	}
	data, err = c.query(ctx, peers, qscc, "GetBlockByTxID", args)
	if err != nil {
		return Status{}, fmt.Errorf("look up block of transaction %s: %w", txID, err)
	}
	var block common.Block
	if err := proto.Unmarshal(data, &block); err != nil {
		return Status{}, fmt.Errorf("look up block of transaction %s: %w", txID, err)
	}
	return Status{Found: true, Code: processed.GetValidationCode(), Block: block.GetHeader().GetNumber()}, nil
}

// Height is the number of blocks on the own peer, or on another one when that one
// is down.
func (c *Client) Height(ctx context.Context) (uint64, error) { return c.height(ctx, c.inOrder()) }

func (c *Client) height(ctx context.Context, peers []*remote) (uint64, error) {
	data, err := c.query(ctx, peers, qscc, "GetChainInfo", [][]byte{[]byte(c.cfg.Channel)})
	if err != nil {
		return 0, fmt.Errorf("height of channel %s: %w", c.cfg.Channel, err)
	}
	var info common.BlockchainInfo
	if err := proto.Unmarshal(data, &info); err != nil {
		return 0, fmt.Errorf("height of channel %s: %w", c.cfg.Channel, err)
	}
	return info.GetHeight(), nil
}

// blockWithin is how long a peer may take for one block before the next one is asked: one
// of another organisation may take the question and never answer.
const blockWithin = 10 * time.Second

// Block returns one block with its metadata, of the own peer or, when that one is down
// or does not have it, as after it joined from a snapshot, of the next one that has. It
// trusts the one peer that answers: a caller that knows more of the block asks for
// BlockThat. Without any it returns what the first peer in turn refused it for.
func (c *Client) Block(ctx context.Context, number uint64) (*common.Block, error) {
	return c.BlockThat(ctx, number, func(*common.Block) error { return nil })
}

// BlockThat is Block for a caller who knows a good block from another one: a peer whose
// block good refuses is passed over. Without any that is good the error is good's own,
// where it refused one.
func (c *Client) BlockThat(ctx context.Context, number uint64, good func(*common.Block) error) (*common.Block, error) {
	peers := c.inOrder()
	var wrong error
	ask := func(p *remote) (*common.Block, error) {
		ctx, cancel := context.WithTimeout(ctx, c.pace.block)
		defer cancel()
		b, err := c.block(ctx, p, number)
		if err == nil {
			if err = good(b); err != nil {
				b, wrong = nil, cmp.Or(wrong, err)
			}
		}
		return b, err
	}
	b, err := ask(peers[0])
	for _, p := range peers[1:] {
		if err == nil || ctx.Err() != nil {
			break
		}
		other, also := ask(p)
		if also == nil {
			return other, nil
		}
		var refused *Refused
		if !errors.As(err, &refused) {
			err = also
		}
	}
	return b, cmp.Or(wrong, err)
}

func (c *Client) block(ctx context.Context, p *remote, number uint64) (*common.Block, error) {
	args := [][]byte{[]byte(c.cfg.Channel), []byte(strconv.FormatUint(number, 10))}
	data, err := c.query(ctx, []*remote{p}, qscc, "GetBlockByNumber", args)
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", number, err)
	}
	var block common.Block
	if err := proto.Unmarshal(data, &block); err != nil {
		return nil, fmt.Errorf("block %d: %w", number, err)
	}
	return &block, nil
}

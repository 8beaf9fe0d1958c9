package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/evm"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// event is Anchored of an AnchorLog or Activated of a RewardVault in a final
// block: Number is the size or the epoch.
type event struct {
	Contract canon.Account
	Number   uint64
	Root     [32]byte
	log.Landing
}

// eventReader reads events over JSON-RPC, which EVM nodes and Tron nodes serve
// alike. Where an event is proves nothing: auditors look it up themselves.
type eventReader struct {
	chain   string
	urls    []string
	timeout time.Duration // of one question to one endpoint

	mu      sync.Mutex
	clients map[string]*rpc.Client
}

// maxRange is the number of blocks asked for at once; Tron nodes allow 5,000,
// public EVM endpoints often no more than 2,000.
const maxRange = 2000

// final returns the number of the final head.
func (r *eventReader) final(ctx context.Context) (uint64, error) {
	var head *struct {
		Number hexutil.Uint64 `json:"number"`
	}
	if err := r.call(ctx, &head, "eth_getBlockByNumber", "finalized", false); err != nil {
		return 0, err
	}
	if head == nil {
		return 0, fmt.Errorf("chain %s: no final block yet", r.chain)
	}
	return uint64(head.Number), nil
}

// read returns the events of the contracts in a range of final blocks, in order.
func (r *eventReader) read(ctx context.Context, from, to uint64, of []canon.Account) ([]event, error) {
	addresses := make([]common.Address, len(of))
	for i, a := range of {
		addresses[i] = a.Address
	}
	var found []struct {
		Address   common.Address `json:"address"`
		Topics    []common.Hash  `json:"topics"`
		Data      hexutil.Bytes  `json:"data"`
		Block     hexutil.Uint64 `json:"blockNumber"`
		BlockHash common.Hash    `json:"blockHash"`
		Tx        common.Hash    `json:"transactionHash"`
	}
	err := r.call(ctx, &found, "eth_getLogs", map[string]any{
		"fromBlock": hexutil.EncodeUint64(from), "toBlock": hexutil.EncodeUint64(to), "address": addresses,
		"topics": [][]common.Hash{{contracts.AnchoredTopic, contracts.ActivatedTopic}},
	})
	if err != nil {
		return nil, err
	}
	var events []event
	for _, l := range found {
		if len(l.Topics) != 2 || len(l.Data) != 64 {
			return nil, fmt.Errorf("chain %s: an event of %s with %d topics and %d bytes", r.chain, l.Address, len(l.Topics), len(l.Data))
		}
		number := l.Topics[1].Big()
		if !number.IsUint64() {
			return nil, fmt.Errorf("chain %s: an event of %s about number %s", r.chain, l.Address, number)
		}
		events = append(events, event{
			Contract: canon.Account{Chain: r.chain, Address: l.Address},
			Number:   number.Uint64(), Root: [32]byte(l.Data[:32]),
			Landing: log.Landing{Tx: l.Tx, Block: uint64(l.Block), BlockHash: l.BlockHash},
		})
	}
	return events, nil
}

// call asks the endpoints in turn and takes the first answer.
func (r *eventReader) call(ctx context.Context, result any, method string, args ...any) error {
	var errs []error
	for i, url := range r.urls {
		err := r.ask(ctx, url, result, method, args...)
		if err == nil {
			return nil
		}
		// An error of the HTTP client quotes the URL, which may hold a key.
		text := strings.ReplaceAll(err.Error(), url, "(url)")
		errs = append(errs, fmt.Errorf("chain %s: %s at endpoint %d: %s", r.chain, method, i, text))
	}
	return errors.Join(errs...)
}

func (r *eventReader) ask(ctx context.Context, url string, result any, method string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	c, err := r.client(ctx, url)
	if err != nil {
		return err
	}
	return c.CallContext(ctx, result, method, args...)
}

func (r *eventReader) client(ctx context.Context, url string) (*rpc.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.clients[url]; c != nil {
		return c, nil
	}
	c, err := evm.DialRPC(ctx, url)
	if err != nil {
		return nil, err
	}
	if r.clients == nil {
		r.clients = map[string]*rpc.Client{}
	}
	r.clients[url] = c
	return c, nil
}

func (r *eventReader) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.clients {
		c.Close()
	}
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/evm"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
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
// alike. Where an event is proves nothing: auditors look it up themselves. But one that is
// left out would be missed, so of several endpoints two must answer, and all that do agree.
type eventReader struct {
	chain   string
	urls    []string
	timeout time.Duration // of one question to all endpoints

	mu      sync.Mutex
	clients map[string]*rpc.Client
}

// maxRange is the number of blocks asked for at once; Tron nodes allow 5,000,
// public EVM endpoints often no more than 2,000.
const maxRange = 2000

// heads are the numbers of the final head as endpoints name them: the least and the
// greatest, and who says so.
type heads struct {
	least, most uint64
	slow, fast  string
}

// final asks for the number of the final head.
func (r *eventReader) final(ctx context.Context) (heads, error) {
	all, err := every(ctx, r, func(ctx context.Context, c *rpc.Client) (uint64, error) {
		var head *struct {
			Number hexutil.Uint64 `json:"number"`
		}
		err := c.CallContext(ctx, &head, "eth_getBlockByNumber", "finalized", false)
		if err != nil || head == nil {
			return 0, cmp.Or(err, errors.New("no final block yet"))
		}
		return uint64(head.Number), nil
	})
	if err != nil {
		return heads{}, fmt.Errorf("chain %s: final head: %w", r.chain, err)
	}
	by := func(a, b said[uint64]) int { return cmp.Compare(a.v, b.v) }
	least, most := slices.MinFunc(all, by), slices.MaxFunc(all, by)
	return heads{least: least.v, most: most.v, slow: least.who, fast: most.who}, nil
}

// shown are events in order that all endpoints show alike: those of the blocks before next.
// Where that is not the end of what was asked for, differ says who shows what there.
type shown struct {
	events []event
	next   uint64
	differ error
}

// read returns the events of the contracts in a range of final blocks.
func (r *eventReader) read(ctx context.Context, from, to uint64, of []canon.Account) (shown, error) {
	addresses := make([]common.Address, len(of))
	for i, a := range of {
		addresses[i] = a.Address
	}
	all, err := every(ctx, r, func(ctx context.Context, c *rpc.Client) (events []event, err error) {
		var found []foundLog
		err = c.CallContext(ctx, &found, "eth_getLogs", map[string]any{
			"fromBlock": hexutil.EncodeUint64(from), "toBlock": hexutil.EncodeUint64(to), "address": addresses,
			"topics": [][]common.Hash{{contracts.AnchoredTopic, contracts.ActivatedTopic}},
		})
		for _, l := range found {
			e, bad := l.event(r.chain)
			if bad == nil && (e.Block < from || e.Block > to || !slices.Contains(of, e.Contract)) {
				bad = fmt.Errorf("an event of %s in block %d, which was not asked for", l.Address, e.Block)
			}
			if bad != nil {
				return nil, bad
			}
			events = append(events, e)
		}
		return events, err
	})
	if err != nil {
		return shown{}, fmt.Errorf("chain %s: events of blocks %d to %d: %w", r.chain, from, to, err)
	}
	return alike(all, to), nil
}

// alike compares what endpoints show of blocks up to to.
func alike(all []said[[]event], to uint64) shown {
	by := map[event][]string{}
	for _, s := range all {
		for _, e := range s.v {
			if !slices.Contains(by[e], s.who) {
				by[e] = append(by[e], s.who)
			}
		}
	}
	var odd event
	next := to + 1
	for e, who := range by {
		if len(who) < len(all) && (e.Block < next || e.Block == next && bytes.Compare(e.Tx[:], odd.Tx[:]) < 0) {
			odd, next = e, e.Block
		}
	}
	got := shown{next: next, events: slices.DeleteFunc(all[0].v, func(e event) bool { return e.Block >= next })}
	if next > to {
		return got
	}
	var silent []string
	for _, s := range all {
		if !slices.Contains(by[odd], s.who) {
			silent = append(silent, s.who)
		}
	}
	got.differ = fmt.Errorf("in block %d only %s shows %d of %s with root %x, in transaction %x, and not %s: events are read up to that block, until all agree",
		next, strings.Join(by[odd], ", "), odd.Number, odd.Contract, odd.Root, odd.Tx, strings.Join(silent, ", "))
	return got
}

// foundLog is an event as nodes send it.
type foundLog struct {
	Address   common.Address `json:"address"`
	Topics    []common.Hash  `json:"topics"`
	Data      hexutil.Bytes  `json:"data"`
	Block     hexutil.Uint64 `json:"blockNumber"`
	BlockHash common.Hash    `json:"blockHash"`
	Tx        common.Hash    `json:"transactionHash"`
}

func (l foundLog) event(chain string) (event, error) {
	if len(l.Topics) != 2 || len(l.Data) != 64 {
		return event{}, fmt.Errorf("an event of %s with %d topics and %d bytes", l.Address, len(l.Topics), len(l.Data))
	}
	number := l.Topics[1].Big()
	if !number.IsUint64() {
		return event{}, fmt.Errorf("an event of %s about number %s", l.Address, number)
	}
	return event{
		Contract: canon.Account{Chain: chain, Address: l.Address},
		Number:   number.Uint64(), Root: [32]byte(l.Data[:32]),
		Landing: log.Landing{Tx: l.Tx, Block: uint64(l.Block), BlockHash: l.BlockHash},
	}, nil
}

// said is what an endpoint says, which is named by its host.
type said[T any] struct {
	who string
	v   T
}

// every asks all endpoints at once and returns what those said that answered, of several
// at least two. Once that many have, the others are waited for an eighth of the time.
func every[T any](ctx context.Context, r *eventReader, do func(context.Context, *rpc.Client) (T, error)) ([]said[T], error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	enough := min(len(r.urls), 2)
	values, errs := send.Ask(ctx, r.urls, enough, func(ctx context.Context, url string) (v T, err error) {
		c, err := r.client(ctx, url)
		if err == nil {
			v, err = do(ctx, c)
		}
		if slow := context.Cause(ctx); err != nil && slow != nil {
			err = slow
		}
		return v, err
	})
	var all []said[T]
	for i, url := range r.urls {
		if errs[i] == nil {
			all = append(all, said[T]{where(url), values[i]})
		} else { // an error of the HTTP client quotes the URL, which may hold a key
			errs[i] = fmt.Errorf("%s: %s", where(url), strings.ReplaceAll(errs[i].Error(), url, "(url)"))
		}
	}
	switch err := errors.Join(errs...); {
	case len(all) >= enough:
		return all, nil
	case len(all) > 0:
		return nil, fmt.Errorf("%w: %w", send.ErrAlone, err)
	default:
		return nil, err
	}
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

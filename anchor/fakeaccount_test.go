package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// fakeAccount is a member's account on a fakeChain.
type fakeAccount struct {
	*fakeChain
	msp string
}

func (c *fakeAccount) ID() string { return c.id }

func (c *fakeAccount) funds(context.Context) (*big.Int, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if err := c.fails("funds"); err != nil {
		return nil, err
	}
	if c.held > 0 {
		return big.NewInt(c.held), nil
	}
	return big.NewInt(1e18), nil
}

func (c *fakeAccount) Holds(ctx context.Context, in send.Intent, at send.Head) (bool, error) {
	got, err := c.Call(ctx, in.To, in.Check, at)
	return bytes.Equal(got, in.Want), err
}

func (c *fakeAccount) Call(_ context.Context, to send.Address, data []byte, at send.Head) ([]byte, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if err := c.fails("call"); err != nil {
		return nil, err
	}
	b := c.block(at)
	word := func(n uint64) []byte { return new(big.Int).SetUint64(n).FillBytes(make([]byte, 32)) }
	truth := func(ok bool) []byte {
		if ok {
			return word(1)
		}
		return word(0)
	}
	is := func(call []byte) bool { return bytes.Equal(data[:4], call[:4]) }
	switch {
	case is(contracts.PackHead()):
		return append(append(word(b.head.Size), b.head.Root[:]...), word(b.head.Time)...), nil
	case to == c.anchorLog.Address && is(contracts.PackSizeReached(0)):
		return truth(b.head.Size >= binary.BigEndian.Uint64(data[28:])), nil
	case to == c.anchorLog.Address && is(contracts.PackRootAt(0)):
		root := c.rootAt(chainBlock{}, binary.BigEndian.Uint64(data[28:]))
		return root[:], nil
	case is(contracts.PackNewest()):
		n := b.newest()
		if len(c.says) > 0 {
			n = c.says[len(c.says)-1]
		}
		return slices.Concat(word(n.Version), n.Hash[:], word(n.From), truth(n.Frozen)), nil
	case is(contracts.PackSetHash(0)):
		var hash [32]byte
		if v := binary.BigEndian.Uint64(data[28:]); v <= uint64(len(b.sets)) {
			hash = b.sets[v-1].Hash
		}
		return hash[:], nil
	case is(contracts.PackEpochReached(0)):
		return truth(b.epoch >= binary.BigEndian.Uint64(data[28:])), nil
	case is(contracts.PackLate(0)):
		n := b.newest()
		return truth(n.Frozen || binary.BigEndian.Uint64(data[28:]) < n.Version), nil
	case is(contracts.PackToken()):
		return append(make([]byte, 12), c.token.Address[:]...), nil
	case is(contracts.PackClaimedTotal()):
		return word(uint64(b.claims)), nil
	case is(contracts.PackBalanceOf([20]byte{})):
		return word(uint64(supply - b.claims)), nil
	}
	return nil, fmt.Errorf("unexpected call %x", data)
}

func (c *fakeAccount) Arm(_ context.Context, in send.Intent, earlier []send.Attempt, _ []uint64) (send.Attempt, error) {
	if err := c.fails("arm"); err != nil {
		return send.Attempt{}, err
	}
	c.w.at(c.msp, "arm "+kindOf(in.Data))
	if !c.works(c.block(send.Latest), in.To, in.Data) {
		return send.Attempt{}, errors.New("the call would fail")
	}
	var nonce uint64
	if len(earlier) > 0 {
		nonce = earlier[0].Nonce
	} else {
		nonce = c.armed.Add(1)
	}
	raw, err := json.Marshal(chainTx{By: c.msp, Nonce: nonce, To: in.To, Raw: in.Data})
	id := canon.Sum(raw, fmt.Append(nil, len(earlier), c.w.now))
	return send.Attempt{ID: id[:], Raw: raw, Nonce: nonce, Most: "1", Made: c.w.now}, err
}

func (c *fakeAccount) Send(_ context.Context, a send.Attempt) error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	not, though := c.broken("send")
	if not != nil {
		return not
	}
	var t chainTx
	decodeJSON(c.w.t, a.Raw, &t)
	t.ID = [32]byte(a.ID)
	c.w.at(c.msp, "before "+kindOf(t.Raw))
	if _, there := c.landed(t); !there {
		c.pool = append(slices.DeleteFunc(c.pool, t.replaces), t)
	}
	c.w.at(c.msp, "after "+kindOf(t.Raw))
	return though
}

// broken says how a call fails: without an effect, or in spite of it.
func (c *fakeAccount) broken(call string) (not, though error) {
	switch {
	case c.down:
		return errDown, nil
	case c.ill != nil:
		return c.ill(c.msp, call)
	}
	return nil, nil
}

// fails returns the error of a call that has no effect.
func (c *fakeAccount) fails(call string) error { return errors.Join(c.broken(call)) }

func (c *fakeAccount) Look(_ context.Context, a send.Attempt) (send.Outcome, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if err := c.fails("look"); err != nil {
		return send.Outcome{}, err
	}
	for n, b := range c.blocks {
		if succeeded, there := b.txs[[32]byte(a.ID)]; there {
			state := send.StateMined
			if !succeeded {
				state = send.StateReverted
			}
			return send.Outcome{State: state, Final: n < len(c.blocks)-c.depth, Block: uint64(n), Cost: 1, Fee: "1"}, nil
		}
	}
	for _, t := range c.pool {
		if t.ID == [32]byte(a.ID) {
			return send.Outcome{State: send.StatePending}, nil
		}
	}
	if n, there := c.landed(chainTx{ID: [32]byte(a.ID), By: c.msp, Nonce: a.Nonce}); there && n < len(c.blocks)-c.depth {
		return send.Outcome{State: send.StateDead}, nil
	}
	return send.Outcome{}, nil
}

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// read asks an endpoint for everything that the bundle says of its chain. The
// contracts asked are the policy's, never the bundle's. On EVM chains state is
// read at the finalized block. java-tron reads state at its head only; there
// finality comes from the event, whose block must not be above the solidified
// one.
func (o options) read(ctx context.Context, address string, b *log.Bundle, p *log.Policy, chain string) (log.Reading, error) {
	e, err := dial(address, o.net)
	if err != nil {
		return log.Reading{}, err
	}
	r, err := e.read(ctx, b, p, chain)
	if err != nil {
		return log.Reading{}, fmt.Errorf("%s: %w", host(address), err)
	}
	return r, nil
}

func (e *endpoint) read(ctx context.Context, b *log.Bundle, p *log.Policy, chain string) (r log.Reading, err error) {
	var number quantity
	if err := e.call(ctx, &number, "eth_chainId"); err != nil {
		return r, err
	}
	r.ChainNumber = uint64(number)
	if want, err := canon.ChainNumber(chain); err != nil || r.ChainNumber != want {
		return r, err // another chain; CheckReading says so
	}
	if r.Final, err = e.final(ctx); err != nil {
		return r, err
	}
	tag := "finalized"
	if isTron(chain) {
		tag = "latest"
	}
	contract, _ := p.AnchorLog(chain)
	anchor, _ := b.AnchorOn(chain)
	if anchor.Block > r.Final {
		return r, nil // nothing to read yet; CheckReading says so
	}
	if r.LogID, err = e.view(ctx, tag, contract, "logId()"); err != nil {
		return r, err
	}
	if err := e.members(ctx, tag, contract, b.SetVersion, &r); err != nil {
		return r, err
	}
	if r.Root, err = e.view(ctx, tag, contract, "rootAt(uint64)", b.Note.Size); err != nil {
		return r, err
	}
	r.Anchored, err = e.events(ctx, contract, "Anchored(uint64,bytes32,uint64)", b.Note.Size, anchor.Block)
	if err != nil {
		return r, err
	}
	if vault, epoch, ok := b.Vault(); ok && vault.Chain == chain && b.Payout.Activated.Block <= r.Final {
		r.Activated, err = e.events(ctx, vault, "Activated(uint64,bytes32,uint128)", epoch, b.Payout.Activated.Block)
	}
	return r, err
}

// members reads what the contract knows of a member set, and whether it is frozen.
func (e *endpoint) members(ctx context.Context, tag string, contract canon.Account, version uint64, r *log.Reading) (err error) {
	if r.SetHash, err = e.view(ctx, tag, contract, "setHash(uint256)", version); err != nil {
		return err
	}
	if r.From, err = e.number(ctx, tag, contract, "fromOf(uint256)", version); err != nil {
		return err
	}
	if version < math.MaxUint64 { // there is no set after the last number
		if r.Next, err = e.number(ctx, tag, contract, "fromOf(uint256)", version+1); err != nil {
			return err
		}
	}
	frozen, err := e.number(ctx, tag, contract, "frozen()")
	r.Frozen = frozen != 0
	return err
}

// number is view for functions that return an integer of 64 bits, or a truth value.
func (e *endpoint) number(ctx context.Context, tag string, to canon.Account, signature string, args ...uint64) (uint64, error) {
	word, err := e.view(ctx, tag, to, signature, args...)
	if err == nil && uintWord(binary.BigEndian.Uint64(word[24:])) != word {
		err = fmt.Errorf("%s: eth_call: not a number of 64 bits", signature)
	}
	return binary.BigEndian.Uint64(word[24:]), err
}

// final returns the number of the finalized (on Tron, solidified) block.
func (e *endpoint) final(ctx context.Context) (uint64, error) {
	var head struct {
		Number *quantity `json:"number"`
	}
	if err := e.call(ctx, &head, "eth_getBlockByNumber", "finalized", false); err != nil {
		return 0, err
	}
	if head.Number == nil {
		return 0, fmt.Errorf("eth_getBlockByNumber: the finalized block has no number")
	}
	return uint64(*head.Number), nil
}

// view calls a contract's function of integers that returns one word. Where there
// is no contract the answer is zeros.
func (e *endpoint) view(ctx context.Context, tag string, to canon.Account, signature string, args ...uint64) (word [32]byte, err error) {
	selector := canon.Keccak([]byte(signature))
	data := append([]byte(nil), selector[:4]...)
	for _, a := range args {
		w := uintWord(a)
		data = append(data, w[:]...)
	}
	call := struct {
		To   octets `json:"to"`
		Data octets `json:"data"`
	}{to.Address[:], data}
	var out octets
	if err := e.call(ctx, &out, "eth_call", call, tag); err != nil {
		return word, fmt.Errorf("%s: %w", signature, err)
	}
	if len(out) != 0 && len(out) != 32 {
		return word, fmt.Errorf("%s: eth_call: %d bytes", signature, len(out))
	}
	copy(word[:], out)
	return word, nil
}

// events returns the contract's events of one signature and first topic in one
// block, as (word, word) after the topics.
func (e *endpoint) events(ctx context.Context, of canon.Account, signature string, topic, block uint64) ([]log.Event, error) {
	name, first := canon.Keccak([]byte(signature)), uintWord(topic)
	filter := struct {
		From    quantity `json:"fromBlock"`
		To      quantity `json:"toBlock"`
		Address octets   `json:"address"`
		Topics  []octets `json:"topics"`
	}{quantity(block), quantity(block), of.Address[:], []octets{name[:], first[:]}}
	var logs []struct {
		Address   octets   `json:"address"`
		Topics    []octets `json:"topics"`
		Data      octets   `json:"data"`
		Block     quantity `json:"blockNumber"`
		BlockHash octets   `json:"blockHash"`
		Tx        octets   `json:"transactionHash"`
		Removed   bool     `json:"removed"`
	}
	if err := e.call(ctx, &logs, "eth_getLogs", filter); err != nil {
		return nil, fmt.Errorf("%s: %w", signature, err)
	}
	var out []log.Event
	for _, l := range logs {
		// Filters are the endpoint's promise: what it returns is checked again.
		if l.Removed || string(l.Address) != string(of.Address[:]) || len(l.Topics) != 2 ||
			string(l.Topics[0]) != string(name[:]) || string(l.Topics[1]) != string(first[:]) {
			continue
		}
		if len(l.Data) != 64 || len(l.BlockHash) != 32 || len(l.Tx) != 32 {
			return nil, fmt.Errorf("%s: eth_getLogs: an entry of another form", signature)
		}
		out = append(out, log.Event{
			Landing: log.Landing{Tx: [32]byte(l.Tx), Block: uint64(l.Block), BlockHash: [32]byte(l.BlockHash)},
			Root:    [32]byte(l.Data[:32]),
			Total:   log.Sum{Hi: binary.BigEndian.Uint64(l.Data[48:]), Lo: binary.BigEndian.Uint64(l.Data[56:])},
		})
	}
	return out, nil
}

func uintWord(v uint64) (w [32]byte) {
	binary.BigEndian.PutUint64(w[24:], v)
	return w
}

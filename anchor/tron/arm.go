package tron

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"strconv"
	"time"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/killick-ledger/killick/anchor/send"
)

const (
	// resultBytes is what Tron adds to a transaction's size for its result when it
	// charges bandwidth.
	resultBytes = 64
	// signatureBytes is a signature with its field's tag and length.
	signatureBytes = 67
	// A fifth is added to the energy that a trial run used: the state may change
	// before the block, and a call passes on at most 63 64ths of what is left.
	marginParts = 5
	// maxAhead is how far the head block's time may be ahead of the solidified one's, a
	// minute as a rule. A transaction that expires late cannot be made anew until then.
	maxAhead = time.Hour
)

// Arm builds and signs an attempt. It refuses with ErrAlive while any earlier
// attempt may land, with ErrFails when the call would fail now, with ErrFee or
// ErrFunds when it may not or cannot be paid.
func (c *Client) Arm(ctx context.Context, in send.Intent, earlier []send.Attempt, _ []uint64) (send.Attempt, error) {
	for _, a := range earlier {
		o, err := c.Look(ctx, a)
		if err != nil && !errors.Is(err, send.ErrAlone) {
			return send.Attempt{}, fmt.Errorf("look at earlier attempt %x: %w", a.ID, err)
		}
		// One that failed in a final block has been used up, as a dead one has.
		if o.State != send.StateDead && !(o.State == send.StateReverted && o.Final) {
			return send.Attempt{}, fmt.Errorf("%w: %x", ErrAlive, a.ID)
		}
	}
	msg := &core.TriggerSmartContract{OwnerAddress: wire(c.from), ContractAddress: wire(in.To), Data: in.Data}
	trial, err := c.wallet.TriggerConstantContract(ctx, msg)
	if err != nil {
		return send.Attempt{}, fmt.Errorf("estimate energy: %w", err)
	}
	return c.build(ctx, msg, core.Transaction_Contract_TriggerSmartContract, trial)
}

// build makes the attempt for a contract whose trial run is known.
func (c *Client) build(ctx context.Context, contract proto.Message, kind core.Transaction_Contract_ContractType, trial *api.TransactionExtention) (send.Attempt, error) {
	if c.cfg.Key == nil {
		return send.Attempt{}, errors.New("no key to sign with")
	}
	if err := succeeded(trial); err != nil {
		return send.Attempt{}, err
	}
	prices, err := c.prices(ctx)
	if err != nil {
		return send.Attempt{}, err
	}
	limit, err := c.feeLimit(trial.GetEnergyUsed(), prices)
	if err != nil {
		return send.Attempt{}, err
	}
	param, err := anypb.New(contract)
	if err != nil {
		return send.Attempt{}, fmt.Errorf("encode contract: %w", err)
	}
	raw := &core.TransactionRaw{
		FeeLimit: int64(limit),
		Contract: []*core.Transaction_Contract{{Type: kind, Parameter: param}},
	}
	if err := c.refer(ctx, raw); err != nil {
		return send.Attempt{}, err
	}
	most, err := c.affords(ctx, raw, limit, prices)
	if err != nil {
		return send.Attempt{}, err
	}
	return c.sign(ctx, raw, most)
}

// refer fills in what ties a transaction to the chain and to a time: a
// solidified block, so that no fork can make the reference void, and an
// expiration counted from the head block's time, which is the chain's clock.
func (c *Client) refer(ctx context.Context, raw *core.TransactionRaw) error {
	solid, err := c.solidity.GetNowBlock2(ctx, &api.EmptyMessage{})
	if err != nil {
		return fmt.Errorf("read solidified block: %w", err)
	}
	head, err := c.wallet.GetNowBlock2(ctx, &api.EmptyMessage{})
	if err != nil {
		return fmt.Errorf("read head block: %w", err)
	}
	id := solid.GetBlockid()
	if len(id) != 32 {
		return fmt.Errorf("read solidified block: id of %d bytes", len(id))
	}
	raw.RefBlockBytes, raw.RefBlockHash = id[6:8], id[8:16]
	raw.Timestamp = c.timestamp()
	at, from := head.GetBlockHeader().GetRawData().GetTimestamp(), solid.GetBlockHeader().GetRawData()
	// The genesis block's time may be any.
	if ahead := at - from.GetTimestamp(); ahead > maxAhead.Milliseconds() && from.GetNumber() > 0 {
		return fmt.Errorf("the full node's head block is %d ms ahead of the solidified one: one of the nodes is wrong about the time", ahead)
	}
	raw.Expiration = at + c.cfg.Expiry.Milliseconds()
	return nil
}

// timestamp returns the time in milliseconds, never the same one twice: two
// calls with equal data would be one transaction otherwise.
func (c *Client) timestamp() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stamp = max(time.Now().UnixMilli(), c.stamp+1)
	return c.stamp
}

// sign makes the attempt.
func (c *Client) sign(ctx context.Context, raw *core.TransactionRaw, most uint64) (send.Attempt, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(raw)
	if err != nil {
		return send.Attempt{}, fmt.Errorf("encode transaction: %w", err)
	}
	id := sha256.Sum256(data)
	// What a signer that does not answer may have made stays with it: nothing has left.
	sig, err := c.cfg.Key.Sign(ctx, id)
	if err != nil {
		return send.Attempt{}, err
	}
	sig[64] -= 27
	tx, err := proto.Marshal(&core.Transaction{RawData: raw, Signature: [][]byte{sig[:]}})
	if err != nil {
		return send.Attempt{}, fmt.Errorf("encode transaction: %w", err)
	}
	return send.Attempt{ID: id[:], Raw: tx, Most: strconv.FormatUint(most, 10), Expires: time.UnixMilli(raw.GetExpiration()), Made: time.Now()}, nil
}

// prices are the chain's own, in sun.
type prices struct {
	energy uint64 // for a unit
	byte   uint64 // of bandwidth
	maxFee uint64 // the highest fee limit the chain takes
}

func (c *Client) prices(ctx context.Context) (prices, error) {
	params, err := c.wallet.GetChainParameters(ctx, &api.EmptyMessage{})
	if err != nil {
		return prices{}, fmt.Errorf("read chain parameters: %w", err)
	}
	var p prices
	for _, kv := range params.GetChainParameter() {
		if kv.GetValue() <= 0 {
			continue
		}
		switch kv.GetKey() {
		case "getEnergyFee":
			p.energy = uint64(kv.GetValue())
		case "getTransactionFee":
			p.byte = uint64(kv.GetValue())
		case "getMaxFeeLimit":
			p.maxFee = uint64(kv.GetValue())
		}
	}
	if p.energy == 0 || p.byte == 0 || p.maxFee == 0 {
		return prices{}, errors.New("read chain parameters: the node does not state the prices of energy and bandwidth")
	}
	return p, nil
}

// feeLimit is the most that the energy may cost.
func (c *Client) feeLimit(used int64, p prices) (uint64, error) {
	if used < 0 {
		return 0, errors.New("estimate energy: negative")
	}
	energy := uint64(used) + uint64(used)/marginParts
	over, limit := bits.Mul64(energy, p.energy)
	if over != 0 || limit > min(c.cfg.MaxFee, p.maxFee) {
		return 0, fmt.Errorf("%w: %d energy at %d sun, limit %d sun", ErrFee, energy, p.energy, min(c.cfg.MaxFee, p.maxFee))
	}
	return limit, nil
}

// affords checks that the account can pay the fee limit and the bytes that its
// free and staked bandwidth do not cover. Too little balance would not be
// refused by the chain but shrink the energy limit and burn it. It returns what the
// account may have to pay.
func (c *Client) affords(ctx context.Context, raw *core.TransactionRaw, limit uint64, p prices) (uint64, error) {
	me := &core.Account{Address: wire(c.from)}
	res, err := c.wallet.GetAccountResource(ctx, me)
	if err != nil {
		return 0, fmt.Errorf("read bandwidth: %w", err)
	}
	balance, err := c.Balance(ctx, c.from)
	if err != nil {
		return 0, err
	}
	size := int64(proto.Size(&core.Transaction{RawData: raw}) + signatureBytes + resultBytes)
	need := limit
	if size > res.GetFreeNetLimit()-res.GetFreeNetUsed() && size > res.GetNetLimit()-res.GetNetUsed() {
		over, fee := bits.Mul64(uint64(size), p.byte)
		sum, carry := bits.Add64(limit, fee, 0)
		if over != 0 || carry != 0 {
			return 0, fmt.Errorf("%w: bandwidth price %d", ErrFee, p.byte)
		}
		need = sum
	}
	if balance.Cmp(new(big.Int).SetUint64(need)) < 0 {
		return 0, fmt.Errorf("%w: %s holds %d sun, up to %d are needed", ErrFunds, Base58(c.from), balance, need)
	}
	return need, nil
}

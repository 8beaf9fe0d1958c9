package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// words are new each time.
func (c *caller) words() string {
	c.serial++
	return fmt.Sprintf("%s %d of %s", c.kind, c.serial, c.accounts[0].DID()[len(c.accounts[0].DID())-8:])
}

func (c *caller) payee() *account { return c.payees[c.random.IntN(len(c.payees))] }

func (c *caller) payment(to *account, amount int64) *ops.RewardPay {
	return &ops.RewardPay{Asset: asset, Lines: []reward.Line{{To: to.DID(), Amount: reward.Amount(amount)}}, For: c.words()}
}

func (c *caller) note() *ops.RecordSubmit {
	words := c.words()
	commitment := canon.Sum([]byte(words))
	return &ops.RecordSubmit{Schema: "note", Commitment: canon.Hex(commitment[:]), Size: uint64(len(words)), Location: "urn:soak:" + strings.ReplaceAll(words, " ", "-")}
}

func (c *caller) amendment(record string) *ops.RecordAmend {
	n := c.note()
	return &ops.RecordAmend{Record: record, Schema: n.Schema, Commitment: n.Commitment, Size: n.Size, Location: n.Location}
}

// any signs a payment or a record, of an account of the client.
func (c *caller) any(life time.Duration, want ...fault.Code) (*operation, error) {
	a := c.accounts[c.random.IntN(len(c.accounts))]
	if c.random.IntN(2) == 0 {
		return c.book.sign(c.kind, a, c.note(), "", life, want...)
	}
	return c.book.sign(c.kind, a, c.payment(c.payee(), 1+c.random.Int64N(7)), "", life, want...)
}

func (c *caller) single(ctx context.Context) error {
	op, err := c.any(hour, fault.OK)
	if err != nil {
		return err
	}
	return c.toTheEnd(ctx, op)
}

func (c *caller) batch(ctx context.Context) error {
	var all []*operation
	for i := range batched {
		var op *operation
		var err error
		if i == batched/2 {
			op, err = c.book.sign(c.kind, c.accounts[0], c.payment(c.payee(), 2*funds), "", hour, fault.InsufficientFunds)
		} else {
			op, err = c.any(hour, fault.OK)
		}
		if err != nil {
			return err
		}
		all = append(all, op)
	}
	return c.batchToTheEnd(ctx, all)
}

// later leaves an operation with its gateway over REST and asks the same one later.
// Once that one has taken it, it is not sent again: that journal alone knows of it.
func (c *caller) later(ctx context.Context) error {
	op, err := c.any(hour, fault.OK)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"operation": op.jws, "wait": false})
	if err != nil {
		return err
	}
	d := c.doors[c.home]
	method, path := http.MethodPost, "/v1/operations"
	for {
		limited, cancel := context.WithTimeout(ctx, patience)
		t, taken, err := d.rest(limited, method, path, body)
		cancel()
		if err == nil {
			c.book.told(op, t)
			return nil
		}
		if !errors.Is(err, errNotYet) {
			return err
		}
		if taken {
			method, path, body = http.MethodGet, "/v1/operations/"+op.ID, nil
		}
		if !pause(ctx, again) {
			c.book.leave(op)
			return ctx.Err()
		}
	}
}

// cutter cancels up to three requests after a moment before it waits for one.
func (c *caller) cutter(ctx context.Context) error {
	op, err := c.any(hour, fault.OK)
	if err != nil {
		return err
	}
	for range 1 + c.random.IntN(3) {
		d := c.doors[c.random.IntN(len(c.doors))]
		err := c.once(ctx, d, op, time.Duration(1+c.random.IntN(150))*time.Millisecond)
		if err != nil && !errors.Is(err, errNotYet) {
			return err
		}
	}
	return c.toTheEnd(ctx, op)
}

// twin sends an operation through all gateways at once until each has given a
// receipt.
func (c *caller) twin(ctx context.Context) error {
	op, err := c.any(hour, fault.OK)
	if err != nil {
		return err
	}
	return c.atOnce(ctx, func(int) *operation { return op })
}

// atOnce sends an operation through each gateway at once, until each has answered.
func (c *caller) atOnce(ctx context.Context, which func(door int) *operation) error {
	errs := make([]error, len(c.doors))
	var all sync.WaitGroup
	for i, d := range c.doors {
		all.Go(func() {
			op := which(i)
			for {
				errs[i] = c.once(ctx, d, op, patience)
				if !errors.Is(errs[i], errNotYet) {
					return
				}
				if !pause(ctx, again) {
					c.book.leave(op)
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// rival submits a record, and amends its first version through each gateway at once.
func (c *caller) rival(ctx context.Context) error {
	a := c.accounts[0]
	record, err := c.brought(ctx, a, c.note(), "", fault.OK)
	if err != nil {
		return err
	}
	version, err := c.version(ctx, record.ref, 1)
	if err != nil {
		return err
	}
	rivals := make([]*operation, len(c.doors))
	for i := range rivals {
		if rivals[i], err = c.book.sign(c.kind, a, c.amendment(record.ref), version, hour, fault.OK, fault.StalePrior); err != nil {
			return err
		}
		rivals[i].Race = record.ID
	}
	return c.atOnce(ctx, func(door int) *operation { return rivals[door] })
}

// chain takes a record through its life. Each step states the version before it.
func (c *caller) chain(ctx context.Context) error {
	a := c.accounts[0]
	record, err := c.brought(ctx, a, c.note(), "", fault.OK)
	if err != nil {
		return err
	}
	for step, body := range []ops.Body{
		c.amendment(record.ref), c.amendment(record.ref), &ops.RecordDelete{Record: record.ref}, c.amendment(record.ref),
	} {
		version, err := c.version(ctx, record.ref, uint32(1+step))
		if err != nil {
			return err
		}
		want := fault.OK
		if step == 3 {
			want = fault.Deleted
		}
		if _, err := c.brought(ctx, a, body, version, want); err != nil {
			return err
		}
	}
	return nil
}

// version reads the hash of a record's version. A peer that was just started may be
// behind: it is asked until it knows that version.
func (c *caller) version(ctx context.Context, record string, number uint32) (string, error) {
	for try := 0; ; try++ {
		limited, cancel := context.WithTimeout(ctx, patience)
		r, err := c.door(try).grpc.Record(limited, record)
		cancel()
		if err == nil && r.GetVersion() == number {
			return r.GetHash(), nil
		}
		if err == nil && r.GetVersion() > number {
			return "", fmt.Errorf("record %s has version %d, want %d", record, r.GetVersion(), number)
		}
		if !pause(ctx, again) {
			return "", ctx.Err()
		}
	}
}

func (c *caller) overdraft(ctx context.Context) error {
	_, err := c.brought(ctx, c.accounts[0], c.payment(c.payee(), funds+1+c.random.Int64N(1000)), "", fault.InsufficientFunds)
	return err
}

func (c *caller) newcomer(ctx context.Context) error {
	a, err := c.newAccount()
	if err != nil {
		return err
	}
	if err := c.create(ctx, a); err != nil {
		return err
	}
	if _, err := c.brought(ctx, c.accounts[0], c.payment(a, 1), "", fault.OK); err != nil {
		return err
	}
	_, err = c.brought(ctx, a, c.note(), "", fault.OK)
	return err
}

// leaver cancels its one request after a moment; the reply may come before.
func (c *caller) leaver(ctx context.Context) error {
	op, err := c.any(hour, fault.OK)
	if err != nil {
		return err
	}
	err = c.once(ctx, c.doors[c.random.IntN(len(c.doors))], op, time.Duration(1+c.random.IntN(100))*time.Millisecond)
	c.book.leave(op)
	if errors.Is(err, errNotYet) {
		pause(ctx, 200*time.Millisecond) // it never waits, and would be the fastest client by far
		return nil
	}
	return err
}

// hasty signs for so short a time that its operations may expire on their way. A
// gateway that does not take it any more says so without a receipt: another one may
// have executed it in time.
func (c *caller) hasty(ctx context.Context) error {
	op, err := c.any(time.Second, fault.OK, fault.Expired)
	if err != nil {
		return err
	}
	err = c.toTheEnd(ctx, op)
	if errors.Is(err, &fault.Error{Code: fault.Expired}) {
		c.book.leave(op)
		return nil
	}
	return err
}

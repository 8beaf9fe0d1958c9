package evm

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
)

// ready checks once that a node serves the right chain.
func (n *node) ready(ctx context.Context, c *Client) error {
	if n.checked.Load() {
		return nil
	}
	id, err := n.ChainID(ctx)
	if err != nil {
		return err
	}
	if id.Cmp(c.id) != 0 {
		return fmt.Errorf("%w: eip155:%s instead of %s", ErrWrongChain, id, c.chain)
	}
	n.checked.Store(true)
	return nil
}

// ask puts a question to one node.
func ask[T any](ctx context.Context, c *Client, n *node, do func(context.Context, *node) (T, error)) (T, error) {
	err := n.ready(ctx, c)
	var v T
	if err == nil {
		v, err = do(ctx, n)
	}
	if err != nil {
		if slow := context.Cause(ctx); slow != nil {
			err = slow
		}
		return v, fmt.Errorf("chain %s: node %s: %w", c.chain, n.name, hideURL(err))
	}
	return v, nil
}

// enough is how many nodes must say that something is final.
func (c *Client) enough() int { return min(len(c.nodes), 2) }

// first asks the nodes in turn and returns the first answer. When one keeps the others
// waiting, the next is asked beside it.
func first[T any](ctx context.Context, c *Client, do func(context.Context, *node) (T, error)) (T, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		v   T
		err error
	}
	answers := make(chan answer, len(c.nodes))
	rest := c.nodes
	next := func() {
		if len(rest) > 0 {
			n := rest[0]
			rest = rest[1:]
			go func() { v, err := ask(ctx, c, n, do); answers <- answer{v, err} }()
		}
	}
	next()
	var errs []error
	for len(errs) < len(c.nodes) {
		var slow <-chan time.Time
		if len(rest) > 0 {
			slow = time.After(send.Patience(ctx))
		}
		select {
		case a := <-answers:
			if a.err == nil {
				return a.v, nil
			}
			errs = append(errs, a.err)
		case <-slow:
		}
		next()
	}
	var none T
	return none, errors.Join(errs...)
}

// agreed asks all nodes about the final head. It returns the answers when there are
// enough of them; that they agree, the caller sees.
func agreed[T any](ctx context.Context, c *Client, do func(context.Context, *node) (T, error)) ([]T, error) {
	answers, err := every(ctx, c, do)
	switch {
	case len(answers) == 0:
		return nil, err
	case len(answers) < c.enough():
		return nil, fmt.Errorf("%w: %w", send.ErrAlone, err)
	}
	c.silent.Store(&err)
	return answers, nil
}

// Silent names, as an error, the nodes that did not answer when enough others last said
// something about the final head; nil when all did.
func (c *Client) Silent() error {
	if err := c.silent.Load(); err != nil {
		return *err
	}
	return nil
}

// every asks all nodes at once and returns the answers that came, and the errors
// of the others. Once one has answered the others are not waited for for long.
func every[T any](ctx context.Context, c *Client, do func(context.Context, *node) (T, error)) ([]T, error) {
	values, errs := send.Ask(ctx, c.nodes, 1, func(ctx context.Context, n *node) (T, error) { return ask(ctx, c, n, do) })
	var answers []T
	for i, err := range errs {
		if err == nil {
			answers = append(answers, values[i])
		}
	}
	return answers, errors.Join(errs...)
}

// hideURL drops the URL from the error of an HTTP request.
func hideURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

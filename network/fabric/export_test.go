package fabric

import (
	"errors"
	"time"

	"golang.org/x/sync/semaphore"
)

// Quicken divides every wait of the client by n, so that tests of what happens after
// one need not last.
func Quicken(c *Client, n time.Duration) {
	p := &c.pace
	for _, d := range []*time.Duration{&p.answer, &p.election, &p.submit, &p.failed, &p.again, &p.compare, &p.block} {
		*d /= n
	}
}

// Wait has the client wait for every answer, so that a test of what nodes say does not
// depend on how fast they say it.
func Wait(c *Client) {
	p := &c.pace
	for _, d := range []*time.Duration{&p.answer, &p.election, &p.submit, &p.hedge, &p.catchUp} {
		*d = 10 * time.Minute
	}
}

// Hurry has the client hardly pause before it asks peers that differ once more, for tests
// that count how often it does.
func Hurry(c *Client) {
	c.pace.round, c.pace.explain = time.Millisecond, time.Millisecond
}

// Narrow leaves each orderer's queue room for one transaction of the size of this one,
// which must be the first.
func Narrow(c *Client, t *Transaction) {
	for _, o := range c.orderers {
		o.room = semaphore.NewWeighted((&request{envelope: t.envelope}).size() * 3 / 2) // signatures differ by a few bytes
	}
}

// NotSent says that an orderer never saw the transaction.
func NotSent(err error) bool { return errors.Is(err, errNotSent) }

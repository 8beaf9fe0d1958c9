// Package sendtest is the suite for drivers of anchor/send that are given several
// endpoints.
package sendtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
)

// Two is a chain behind two endpoints that say the same.
type Two struct {
	send.Chain
	Done         send.Intent  // has happened, at both heads
	Landed, Lost send.Attempt // in a final block; unable to land any more
	// Second says how long the second endpoint takes for an answer from now on, and whether
	// it ever answers about a transaction.
	Second func(each time.Duration, transactions bool)
}

// Alone checks what a driver says while its second endpoint is too slow for the several
// questions of Look, or has no answer to them, and answers the one of Holds: nothing ends,
// and never without send.ErrAlone; the rest is said all the same. open is called where
// time does not pass while anybody works.
func Alone(t *testing.T, open func(t *testing.T) Two) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t)
		look := func(a send.Attempt) (o send.Outcome, alone bool) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // as the sender does
			defer cancel()
			o, err := c.Look(ctx, a)
			if alone = errors.Is(err, send.ErrAlone); err != nil && !alone {
				t.Error(err)
			}
			return o, alone
		}
		for _, tt := range []struct {
			name         string
			each         time.Duration
			transactions bool
			alone        bool
		}{
			{"both answer", 0, true, false},
			{"one is slow", 2 * time.Second, true, true},
			{"one says nothing of transactions", 0, false, true},
			{"both answer again", 0, true, false},
		} {
			c.Second(tt.each, tt.transactions)
			o, alone := look(c.Landed)
			// Where one question is enough, a slow answer to it is one.
			if alone != tt.alone && tt.each == 0 || o.State != send.StateMined || o.Final == alone || o.Block == 0 || o.Fee == "" {
				t.Errorf("%s: in a final block: %+v, alone %v", tt.name, o, alone)
			}
			ended := map[bool]send.State{false: send.StateDead, true: send.StateUnknown}[tt.alone]
			if o, alone := look(c.Lost); alone != tt.alone || o.State != ended {
				t.Errorf("%s: dead: %+v, alone %v", tt.name, o, alone)
			}
			for _, at := range []send.Head{send.Latest, send.Final} {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				if held, err := c.Holds(ctx, c.Done, at); !held || err != nil {
					t.Errorf("%s: the change at head %d: %v, %v", tt.name, at, held, err)
				}
				cancel()
			}
		}
	})
}

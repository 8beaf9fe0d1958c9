package fabric_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/killick-ledger/killick/network/fabric"
)

// endorsed prepares a transaction that can be submitted.
func endorsed(t *testing.T, c *fabric.Client) *fabric.Transaction {
	t.Helper()
	tx, err := c.Prepare("f")
	if err == nil {
		err = tx.Endorse(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// What waits for an orderer that takes all and says nothing is bounded in bytes. Who
// finds no room waits for it: he gives up before the orderer saw anything, or has his
// turn when the orderer answers.
func TestQueueIsBoundedInBytes(t *testing.T) {
	seen, answer := make(chan int, 10), make(chan struct{})
	a := result("a")
	c := client(t, peers(a, a, a, a), orderers(func(i int) *orderer.BroadcastResponse { seen <- i; <-answer; return yes(i) }))
	first, second, third := endorsed(t, c), endorsed(t, c), endorsed(t, c)
	fabric.Narrow(c, first)
	results := make(chan error, 2)
	go func() { results <- first.Submit(t.Context()) }()
	<-seen
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := second.Submit(ctx)
	var unknown *fabric.Unknown
	if !errors.As(err, &unknown) || !errors.Is(err, context.DeadlineExceeded) || !fabric.NotSent(err) {
		t.Errorf("without room: %v", err)
	}
	go func() { results <- third.Submit(t.Context()) }()
	close(answer)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if <-seen; len(seen) > 0 {
		t.Errorf("the orderer got %d envelopes, want 2", 2+len(seen))
	}
}

// However a request ends, it gives its room back.
func TestRoomIsGivenBack(t *testing.T) {
	for name, answer := range map[string]func(int) *orderer.BroadcastResponse{
		"taken": yes, "refused": no(400, "no"), "the stream breaks": silence, "it is down": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := result("a")
			c := client(t, peers(a, a, a, a), orderers(answer))
			for i := range 3 {
				tx := endorsed(t, c)
				if i == 0 {
					fabric.Narrow(c, tx)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				err := tx.Submit(ctx)
				cancel()
				if (err == nil) != (name == "taken") || errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("submission %d: %v", i, err)
				}
			}
		})
	}
}

// Of what a node says no more is kept than a log bears, whoever it is and however it
// says it.
func TestNodesWithMuchToSay(t *testing.T) {
	much := strings.Repeat("x", 1<<20)
	a, fails := result("a"), func(context.Context) (*peer.ProposalResponse, error) { return nil, errors.New(much) }
	for name, c := range map[string]*fabric.Client{
		"orderers refuse": client(t, peers(a, a, a, a), orderers(no(400, much))),
		"orderers break":  client(t, peers(a, a, a, a), []*fakeOrderer{{answer: silence, ends: errors.New(much)}}),
		"peers refuse":    client(t, peers(refuse(much), refuse("no: "+much), nil, nil), orderers(yes)),
		"peers fail":      client(t, peers(fails, fails, fails, fails), orderers(yes)),
	} {
		tx, err := c.Prepare("f")
		if err == nil {
			err = tx.Endorse(t.Context())
		}
		if err == nil {
			err = tx.Submit(t.Context())
		}
		if n := len(fmt.Sprint(err)); err == nil || n > 32<<10 {
			t.Errorf("%s: an error of %d bytes", name, n)
		}
	}
}

//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
)

const (
	tryFor   = 3 * time.Second        // patience of one request of a client: less than a change of leaders takes
	tryAgain = 100 * time.Millisecond // pause before the same bytes are sent again
	batched  = 25                     // operations in a request of a client that batches
)

// sent is an operation that a client has signed and sees to its end.
type sent struct {
	jws, ref, id string
	payer        *person // nil: it submits a record
	amount       int
	begun        time.Time
	done         time.Time // when its receipt came
	tries        int
	receipt      *killickv1.Operation
}

// load is clients that send operations all the time: some one by one, one in
// batches, one without waiting. Each sends the same bytes again until it has a
// receipt, as clients of a gateway do.
type load struct {
	n     *network
	payee *person
	until context.Context // of the test that began the load: whatever was sent is seen to its end
	more  context.Context // begin further operations until it ends
	stop  context.CancelFunc
	all   sync.WaitGroup

	mu   sync.Mutex
	sent []*sent
	errs []error
}

// beginLoad starts a client for each payer.
func (n *network) beginLoad(t *testing.T, payers []*person, payee *person) *load {
	l := &load{n: n, payee: payee, until: t.Context()}
	l.more, l.stop = context.WithCancel(t.Context())
	for i, p := range payers {
		client := l.one
		switch i {
		case 0:
			client = l.many
		case 1:
			client = l.withoutWaiting
		}
		l.all.Go(func() {
			for round := 0; l.more.Err() == nil; round++ {
				if err := client(t.Context(), p, round); err != nil {
					l.fail(err)
					return
				}
			}
		})
	}
	return l
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

// drain ends the clients and waits until each has its last receipt.
func (l *load) drain(t *testing.T) []*sent {
	t.Helper()
	l.stop()
	l.all.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, err := range l.errs {
		t.Error(err)
	}
	return l.sent
}

// sign makes the next operation of a person: payments and records in turn.
func (l *load) sign(p *person, round, item int) (*sent, error) {
	s := &sent{begun: time.Now()}
	var body ops.Body = note(fmt.Sprintf("load %s %d %d", p.did[len(p.did)-8:], round, item))
	if (round+item)%2 == 0 {
		s.payer, s.amount = p, 1+(round+item)%7
		body = payment(l.payee, s.amount, fmt.Sprintf("load %d %d", round, item))
	}
	signed, ref, err := p.operation(body, "")
	if err != nil {
		return nil, err
	}
	s.jws, s.ref, s.id = signed.Compact(), ref.String(), ref.String()[9:]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, s)
	return s, nil
}

// ended notes a receipt.
func (l *load) ended(s *sent, r *killickv1.Operation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.receipt, s.done = r, time.Now()
}

// finished counts the operations with a receipt, and the time when the first of
// those came that were signed after a moment.
func (l *load) finished(after time.Time) (count int, first time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sent {
		if s.receipt == nil {
			continue
		}
		count++
		if s.begun.After(after) && (first.IsZero() || s.done.Before(first)) {
			first = s.done
		}
	}
	return count, first
}

// retry says whether the same bytes are to be sent again after an error; others
// are faults of the gateway.
func retry(err error) bool {
	var refused *client.Error
	if !errors.As(err, &refused) {
		return false
	}
	switch refused.Fault.Code {
	case fault.Unknown, fault.Unavailable, fault.Overloaded:
		return true
	}
	return false
}

// again calls f until it succeeds, as long as its errors are those of a gateway
// that is away or slow.
func again(ctx context.Context, what string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		try, done := context.WithTimeout(ctx, tryFor)
		err := f(try)
		done()
		if err == nil {
			return nil
		}
		if !retry(err) {
			return fmt.Errorf("%s: %w", what, err)
		}
		select {
		case <-time.After(tryAgain):
		case <-ctx.Done():
			return fmt.Errorf("%s: no receipt: %w", what, err)
		}
	}
}

// one sends one operation over gRPC and waits for its receipt.
func (l *load) one(ctx context.Context, p *person, round int) error {
	s, err := l.sign(p, round, 0)
	if err != nil {
		return err
	}
	return l.deliver(ctx, s)
}

func (l *load) deliver(ctx context.Context, s *sent) error {
	return again(ctx, s.ref, func(ctx context.Context) error {
		s.tries++
		r, err := l.n.Client.Submit(ctx, s.jws)
		if err == nil {
			l.ended(s, r)
		}
		return err
	})
}

// many sends operations in one request.
func (l *load) many(ctx context.Context, p *person, round int) error {
	var mine []*sent
	var jws []string
	for i := range batched {
		s, err := l.sign(p, round, i)
		if err != nil {
			return err
		}
		mine, jws = append(mine, s), append(jws, s.jws)
	}
	return again(ctx, "batch of "+mine[0].ref, func(ctx context.Context) error {
		receipts, err := l.n.Client.SubmitAll(ctx, jws...)
		if err != nil {
			return err
		}
		for i, r := range receipts {
			if r.GetState() != "done" && r.GetState() != "refused" {
				return &client.Error{Fault: fault.Error{Code: fault.Unknown, Text: r.GetState()}}
			}
			mine[i].tries++
			l.ended(mine[i], r)
		}
		return nil
	})
}

// withoutWaiting leaves an operation with the first gateway over REST, and asks
// the same gateway later what became of it. It is not sent again once that one
// has taken it: its journal alone knows of it.
func (l *load) withoutWaiting(ctx context.Context, p *person, round int) error {
	s, err := l.sign(p, round, 0)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"operation": s.jws, "wait": false})
	if err != nil {
		return err
	}
	var receipt struct{ State, Code, Transaction, Block string }
	err = again(ctx, s.ref, func(ctx context.Context) error {
		s.tries++
		return l.rest(ctx, http.MethodPost, "/v1/operations", body, &receipt)
	})
	if err != nil {
		return err
	}
	return again(ctx, s.ref, func(ctx context.Context) error {
		if err := l.rest(ctx, http.MethodGet, "/v1/operations/"+s.id, nil, &receipt); err != nil {
			return err
		}
		if receipt.State == "pending" {
			return errAway
		}
		block, err := strconv.ParseUint(receipt.Block, 10, 64)
		l.ended(s, &killickv1.Operation{State: receipt.State, Code: receipt.Code, Transaction: receipt.Transaction, Block: block})
		return err
	})
}

// errAway says that the same request may succeed later.
var errAway = &client.Error{Fault: fault.Error{Code: fault.Unavailable, Text: "not yet"}}

func (l *load) rest(ctx context.Context, method, path string, body []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, l.n.Cluster.GatewayURL()+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return errAway
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	switch {
	case err != nil, response.StatusCode == http.StatusServiceUnavailable, response.StatusCode == http.StatusTooManyRequests:
		return errAway
	case response.StatusCode != http.StatusOK && response.StatusCode != http.StatusAccepted: // it may be done already
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, data)
	}
	return json.Unmarshal(data, into)
}

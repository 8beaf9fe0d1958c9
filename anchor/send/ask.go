package send

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errSlow is why a node was asked no further.
var errSlow = errors.New("no answer in time, while others have answered")

// Patience is how long one node may hold up the others: an eighth of the caller's time,
// so that a node which takes questions and never answers leaves enough of it for all that
// the caller wants to know.
func Patience(ctx context.Context) time.Duration {
	if until, ok := ctx.Deadline(); ok {
		return time.Until(until) / 8
	}
	return 5 * time.Second
}

// Ask puts a question to all nodes at once and returns, by node, what it said, or why it
// said nothing. Once enough of them have answered, the others are waited for as long as
// Patience says; where none is enough, that is from the start. Whoever is asked no further
// finds the reason in the cause of its context.
func Ask[N, T any](ctx context.Context, nodes []N, enough int, do func(context.Context, N) (T, error)) ([]T, []error) {
	values, errs := make([]T, len(nodes)), make([]error, len(nodes))
	patience := Patience(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	answered := 0
	hurry := func() {
		if answered == enough {
			time.AfterFunc(patience, func() { cancel(errSlow) })
		}
	}
	hurry()
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() {
			values[i], errs[i] = do(ctx, n)
			if errs[i] == nil {
				mu.Lock()
				defer mu.Unlock()
				answered++
				hurry()
			}
		})
	}
	wg.Wait()
	return values, errs
}

package send_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
)

// TestAsk asks nodes of which some never answer: they cost an eighth of the caller's time
// once enough of the others have answered, all of it when too few do, and where none is
// enough never more than an eighth.
func TestAsk(t *testing.T) {
	const never = -1
	refused := errors.New("refused")
	for _, test := range []struct {
		name   string
		after  []int // seconds until each node answers
		enough int
		took   int // seconds
		said   int // how many answered
	}{
		{"all at once", []int{0, 0, 0}, 2, 0, 3},
		{"one slower than others, within patience", []int{0, 0, 9}, 2, 9, 3},
		{"one never", []int{1, 2, never}, 2, 2 + 10, 2},
		{"enough is one", []int{1, never, never}, 1, 1 + 10, 1},
		{"too few", []int{1, never, never}, 2, 80, 1},
		{"nobody", []int{never}, 1, 80, 0},
		{"none is enough", []int{1, 9, never}, 0, 10, 2},
		{"no nodes", nil, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 80*time.Second)
				defer cancel()
				start := time.Now()
				values, errs := send.Ask(ctx, test.after, test.enough, func(ctx context.Context, after int) (int, error) {
					if after == never {
						<-ctx.Done()
						return 0, refused
					}
					time.Sleep(time.Duration(after) * time.Second)
					return after + 1, nil
				})
				if took := time.Since(start); took != time.Duration(test.took)*time.Second {
					t.Errorf("took %s, want %d s", took, test.took)
				}
				said := 0
				for i, after := range test.after {
					switch {
					case after == never:
						if !errors.Is(errs[i], refused) {
							t.Errorf("node %d: %v", i, errs[i])
						}
					case errs[i] != nil || values[i] != after+1:
						t.Errorf("node %d said %d, %v", i, values[i], errs[i])
					default:
						said++
					}
				}
				if said != test.said {
					t.Errorf("%d nodes answered, want %d", said, test.said)
				}
			})
		})
	}
}

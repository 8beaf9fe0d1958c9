package govern_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/govern"
)

func TestQuorumOfApprovals(t *testing.T) {
	for _, test := range []struct {
		approvals string
		first     int
		want      string
	}{
		{"", 0, ""}, {"", 3, ""}, {"A", 2, "A"}, {"A B C", 1, "A B C"}, {"A B C", 3, "A B C"},
		{"A B C D", 0, "A B C"}, {"A B C D", 1, "B C D"}, {"A B C D", 3, "A B D"}, {"A B C D", 4, "A B C"},
	} {
		if got := strings.Join(govern.Quorum(strings.Fields(test.approvals), 3, test.first), " "); got != test.want {
			t.Errorf("of %q from %d on: %q, want %q", test.approvals, test.first, got, test.want)
		}
	}
	// Whichever of four keeps taking its approval back, another one does not count on it.
	all := []string{"A", "B", "C", "D"}
	for i, msp := range all {
		if !slices.ContainsFunc([]int{0, 1, 2, 3}, func(first int) bool {
			return first != i && !slices.Contains(govern.Quorum(all, 3, first), msp)
		}) {
			t.Errorf("all others count on %s", msp)
		}
	}
}

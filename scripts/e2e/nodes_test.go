//go:build e2e

package e2e_test

import (
	"testing"
	"time"

	"github.com/killick-ledger/killick/scripts/observe"
)

// leader finds the orderer that leads now: the one that the view of the newest
// block names.
func (n *network) leader(t *testing.T) string {
	t.Helper()
	name, view := observe.Leader(n.block(t, n.own[0], n.height(t)-1), n.Cluster.Orgs())
	t.Logf("view %d: %s leads", view, name)
	return name
}

// caughtUp waits until every process is as far as the furthest peer was when it
// began to wait.
func (n *network) caughtUp(t *testing.T) {
	t.Helper()
	all := observe.Network{Cluster: n.Cluster, Own: n.own}
	target := all.Furthest(t.Context())
	until(t, 2*time.Minute, "catching up", func() error { return all.Behind(t.Context(), target) })
}

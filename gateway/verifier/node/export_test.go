package node

import "context"

// Pass looks at the lists of jobs, and attends to every job once, one after the other.
func (n *Node) Pass(ctx context.Context) {
	n.hear(n.lookAll(ctx))
	for _, t := range n.tasks {
		n.attend(ctx, t)
		n.put(t)
	}
}

// Crash has points of the work fail.
func (n *Node) Crash(at func(point string) error) { n.crash = at }

// Tasks is how many jobs are attended to.
func (n *Node) Tasks() int { return len(n.tasks) }

// PublicOnly says whether an operator may be asked at an address.
func PublicOnly(address string) error { return publicOnly("tcp", address, nil) }

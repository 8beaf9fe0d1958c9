package cluster

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// step is one idempotent piece of bringing the network up: what it finds done, it
// leaves. It begins when the steps in after have ended.
type step struct {
	name  string
	part  Part
	after []string
	run   func(context.Context) error
}

// runSteps runs the steps of the wanted parts, each as soon as it can, and prints a
// line for each. The first error stops the others.
func runSteps(ctx context.Context, steps []step, parts Part, out io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	begin := time.Now()
	done := map[string]chan struct{}{}
	for _, s := range steps {
		if parts&s.part != 0 {
			done[s.name] = make(chan struct{})
		}
	}
	var all sync.WaitGroup
	var print sync.Mutex
	for _, s := range steps {
		if parts&s.part == 0 {
			continue
		}
		all.Go(func() {
			for _, name := range s.after {
				wait := done[name]
				if wait == nil {
					continue // of a part that is not wanted
				}
				select {
				case <-wait:
				case <-ctx.Done():
					return
				}
			}
			start := time.Now()
			if err := s.run(ctx); err != nil {
				cancel(fmt.Errorf("%s: %w", s.name, err))
				return
			}
			if ctx.Err() != nil {
				return
			}
			print.Lock()
			fmt.Fprintf(out, "%6.1fs  %s (%.1fs)\n", time.Since(begin).Seconds(), s.name, time.Since(start).Seconds())
			print.Unlock()
			close(done[s.name])
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// Part is a set of parts of the network.
type Part uint

// The parts. Each needs those before it.
const (
	Fabric    Part = 1 << iota // key material, orderers, peers, the channel
	Chaincode                  // the chaincode's definition and services
	Chains                     // test nodes and contracts; needs the anchor's program
	Ledger                     // initialisation of the ledger
	Anchors
	Gateways

	All = Fabric | Chaincode | Chains | Ledger | Anchors | Gateways
)

var partNames = []string{"fabric", "chaincode", "chains", "ledger", "anchors", "gateways"}

// ParsePart reads one name of a part.
func ParsePart(name string) (Part, error) {
	if i := slices.Index(partNames, name); i >= 0 {
		return 1 << i, nil
	}
	return 0, fmt.Errorf("part %q is none of %v", name, partNames)
}

package node

import (
	"context"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
)

// heard is what an event stream told: that rounds may have begun, and up to where all is
// known once they were looked for.
type heard struct {
	gateway int
	cursor  string
	rounds  bool
}

// Phases in which there is something to do.
var openPhases = []attest.Phase{attest.Revealing, attest.Committing, attest.Drawing}

const (
	maxPages    = 100 // of a list of jobs; the next look reads on from the beginning
	streamPause = 3 * time.Second
)

// follow follows the events of one gateway until ctx ends. Each gateway is followed by
// itself: one that leaves events out hides nothing.
func (n *Node) follow(ctx context.Context, i int, cursor string, news chan<- heard) {
	for ctx.Err() == nil {
		request := &client.EventsRequest{Cursor: cursor, Now: cursor == "", Operation: []string{"attest.evidence"}}
		for event, err := range n.gateways[i].Events(ctx, request) {
			if err != nil {
				if code := fault.Of(err); code == fault.InvalidValue || code == fault.WrongNetwork {
					cursor = "" // of another ledger, or of a gateway that was ahead: the lists have all of it
				}
				n.cfg.Log.Debug("event stream ends", "gateway", n.cfg.Gateways[i], "error", err)
				break
			}
			cursor = event.GetCursor()
			h := heard{i, cursor, event.GetId() != "" && event.GetCode() == fault.OK.String()}
			select {
			case news <- h:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-time.After(streamPause):
		case <-ctx.Done():
		}
	}
}

// hear looks for rounds when there may be new ones, and keeps the cursor once it has.
func (n *Node) hear(ctx context.Context, h heard) {
	if h.rounds {
		if err := n.look(ctx, h.gateway, n.track); err != nil {
			return // the cursor stays, and so do the lists
		}
	}
	if err := n.cursors.keep(n.cfg.Gateways[h.gateway], h.cursor); err != nil {
		n.cfg.Log.Error("cursors cannot be kept", "error", err)
	}
}

// lookAll looks at the lists of every gateway: what one of them tells of is attended to.
func (n *Node) lookAll(ctx context.Context) {
	lists, errs := make([][]string, len(n.gateways)), make([]error, len(n.gateways))
	var under sync.WaitGroup
	for i := range n.gateways {
		under.Go(func() { errs[i] = n.look(ctx, i, func(job string) { lists[i] = append(lists[i], job) }) })
	}
	under.Wait()
	listed, whole := map[string]bool{}, true
	for i, list := range lists {
		if errs[i] != nil {
			whole = false
			n.cfg.Log.Debug("jobs cannot be listed", "gateway", n.cfg.Gateways[i], "error", errs[i])
		}
		for _, job := range list {
			listed[job] = true
		}
	}
	for job := range n.passed {
		if whole && !listed[job] {
			delete(n.passed, job) // it does not come back
		}
	}
	for job := range listed {
		n.track(job)
	}
	n.count(func(s *Status) { s.Following = len(n.tasks) })
}

// look names the rounds that a gateway lists as open.
func (n *Node) look(ctx context.Context, i int, found func(job string)) error {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Patience)
	defer cancel()
	for _, phase := range openPhases {
		page := ""
		for range maxPages {
			list, err := n.gateways[i].Jobs(ctx, &client.ListJobs{Phase: phase.String(), PageToken: page})
			if err != nil {
				return err
			}
			for _, j := range list.GetJobs() {
				if _, err := ops.ParseReference(j.GetId()); err == nil { // it becomes the name of a file
					found(j.GetId())
				}
			}
			if page = list.GetNextPageToken(); page == "" {
				break
			}
		}
	}
	return nil
}

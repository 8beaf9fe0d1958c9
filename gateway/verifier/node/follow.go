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

// heard is what was learned of open rounds: of one gateway after an event, with the cursor
// up to which all is known then; or of all gateways, with an empty one.
type heard struct {
	gateway int
	cursor  string
	jobs    []string
	lists   bool // these are all rounds that the gateways list which answered
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
			h := heard{gateway: i, cursor: event.GetCursor()}
			if event.GetId() != "" && event.GetCode() == fault.OK.String() {
				if h.jobs, err = n.look(ctx, i); err != nil {
					break // the event comes again
				}
			}
			cursor = h.cursor
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

// lookAgain looks at the lists of all gateways, at once and then at intervals, until ctx
// ends.
func (n *Node) lookAgain(ctx context.Context, news chan<- heard) {
	looks := time.NewTicker(n.cfg.Look)
	defer looks.Stop()
	for {
		select {
		case news <- n.lookAll(ctx):
		case <-ctx.Done():
			return
		}
		select {
		case <-looks.C:
		case <-ctx.Done():
			return
		}
	}
}

// hear attends to what was heard of, and keeps the cursor then.
func (n *Node) hear(h heard) {
	listed := map[string]bool{}
	for _, job := range h.jobs {
		listed[job] = true
	}
	for job := range n.passed {
		if h.lists && !listed[job] {
			delete(n.passed, job) // it comes back from a gateway that did not answer, at most
		}
	}
	for _, job := range h.jobs {
		n.track(job)
	}
	n.count(func(s *Status) { s.Following = len(n.tasks) })
	if h.cursor == "" {
		return
	}
	if err := n.cursors.keep(n.cfg.Gateways[h.gateway], h.cursor); err != nil {
		n.cfg.Log.Error("cursors cannot be kept", "error", err)
	}
}

// lookAll looks at the lists of every gateway: what one of them tells of is attended to.
func (n *Node) lookAll(ctx context.Context) heard {
	lists, errs := make([][]string, len(n.gateways)), make([]error, len(n.gateways))
	var under sync.WaitGroup
	for i := range n.gateways {
		under.Go(func() { lists[i], errs[i] = n.look(ctx, i) })
	}
	under.Wait()
	h := heard{}
	for i, list := range lists {
		h.lists = h.lists || errs[i] == nil
		if errs[i] != nil {
			n.cfg.Log.Debug("jobs cannot be listed", "gateway", n.cfg.Gateways[i], "error", errs[i])
		}
		h.jobs = append(h.jobs, list...)
	}
	return h
}

// look names the rounds that a gateway lists as open.
func (n *Node) look(ctx context.Context, i int) (jobs []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Patience)
	defer cancel()
	for _, phase := range openPhases {
		page := ""
		for range maxPages {
			list, err := n.gateways[i].Jobs(ctx, &client.ListJobs{Phase: phase.String(), PageToken: page})
			if err != nil {
				return jobs, err
			}
			for _, j := range list.GetJobs() {
				if _, err := ops.ParseReference(j.GetId()); err == nil { // it becomes the name of a file
					jobs = append(jobs, j.GetId())
				}
			}
			if page = list.GetNextPageToken(); page == "" {
				break
			}
		}
	}
	return jobs, nil
}

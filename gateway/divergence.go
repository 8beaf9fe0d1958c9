package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/network/fabric"
)

const (
	// waitingDisputes is how many disputes may wait; more are dropped, for what
	// causes one causes more.
	waitingDisputes = 4
	// Explaining a batch costs every peer as much as running it, so it is limited by
	// the minute: disputes in which somebody is proved wrong by its own answer, and
	// all others, most of which are peers a block apart.
	provedPerMinute = 12
	otherPerMinute  = 2
	explainFor      = 20 * time.Second
)

// divergence finds out which organisation was wrong when organisations differed on
// a batch. It works in the background, on one dispute at a time, and no batch
// waits for it.
type divergence struct {
	explain func(context.Context, *fabric.Dispute, string, ...[]byte) fabric.Finding
	log     *slog.Logger
	queue   chan disputed
	cancel  context.CancelFunc
	ended   chan struct{}

	mu    sync.Mutex
	found map[string]api.Divergence // by organisation; of each that has a peer
}

type disputed struct {
	dispute *fabric.Dispute
	frame   []byte
}

func newDivergence(client *fabric.Client, organisations []fabric.Endpoint, log *slog.Logger) *divergence {
	ctx, cancel := context.WithCancel(context.Background())
	d := &divergence{
		explain: client.Explain, log: log, queue: make(chan disputed, waitingDisputes), cancel: cancel, ended: make(chan struct{}),
		found: map[string]api.Divergence{},
	}
	for _, o := range organisations {
		d.found[o.MSPID] = api.Divergence{Organisation: o.MSPID}
	}
	go d.run(ctx)
	return d
}

// close ends the work; disputes that wait are dropped.
func (d *divergence) close() {
	d.cancel()
	<-d.ended
}

// look hands a dispute over. It never waits.
func (d *divergence) look(dispute *fabric.Dispute, frame []byte) {
	if dispute == nil {
		return
	}
	select {
	case d.queue <- disputed{dispute, frame}:
	default:
	}
}

func (d *divergence) run(ctx context.Context) {
	defer close(d.ended)
	proved, other := perMinute{most: provedPerMinute}, perMinute{most: otherPerMinute}
	for {
		select {
		case q := <-d.queue:
			f := q.dispute.Finding()
			limit := &other
			if len(f.Deviations) > 0 {
				limit = &proved
			}
			explained := limit.take(time.Now())
			if explained {
				limited, cancel := context.WithTimeout(ctx, explainFor)
				f = d.explain(limited, q.dispute, "ops:Explain", q.frame)
				cancel()
			}
			if ctx.Err() != nil {
				return // what was found is cut short
			}
			d.note(f, explained, time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// note counts a finding, and logs it when it was explained: what comes too often
// to be explained was in the log a moment ago.
func (d *divergence) note(f fabric.Finding, explained bool, now time.Time) {
	for _, v := range f.Deviations {
		var ids, items []string
		var indices []int
		for _, i := range v.Items {
			indices, items = append(indices, i.Index), append(items, i.Text)
			if i.ID != "" {
				ids = append(ids, i.ID)
			}
		}
		text := strings.Join(append([]string{v.Text}, items...), "; ")
		d.mu.Lock()
		newest := d.found[v.Organisation]
		newest.Count++
		if explained {
			newest.Organisation, newest.Time, newest.Transaction, newest.Operations, newest.Text = v.Organisation, now, f.TxID, ids, text
		}
		d.found[v.Organisation] = newest
		d.mu.Unlock()
		if explained {
			d.log.Error("an organisation's chaincode differs", "organisation", v.Organisation, "tx", f.TxID,
				"items", indices, "operations", ids, "differing", v.Count, "how", text)
		}
	}
	if f.Undecided != nil {
		d.log.Error("organisations differ and too few agree", "tx", f.TxID, "answers", f.Undecided)
	}
}

// newest returns what is known of each organisation, in the order of their names.
func (d *divergence) newest() []api.Divergence {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]api.Divergence, 0, len(d.found))
	for _, f := range d.found {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b api.Divergence) int { return strings.Compare(a.Organisation, b.Organisation) })
	return all
}

// perMinute allows so many events in any minute.
type perMinute struct {
	most int
	last []time.Time
}

func (p *perMinute) take(now time.Time) bool {
	p.last = slices.DeleteFunc(p.last, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if len(p.last) >= p.most {
		return false
	}
	p.last = append(p.last, now)
	return true
}

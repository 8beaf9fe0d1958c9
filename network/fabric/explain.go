package fabric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// Finding is what became known about a dispute.
type Finding struct {
	TxID string
	// Deviations names the organisations that are wrong, or run something else than
	// the others, in the order of their names.
	Deviations []Deviation
	// Undecided is set when no f + 1 organisations agree: what each answered.
	Undecided map[string]string
	// Unknown are organisations that could not be compared with the others: they
	// were behind all the time, did not answer, or cannot explain.
	Unknown []string
}

// Deviation is how one organisation differs from f + 1 others.
type Deviation struct {
	Organisation string
	Items        []Item // the first of those that differ; empty: it is no item by itself
	Count        int    // of all items that differ
	Text         string
}

// Item is one item of a batch on which an organisation differs.
type Item struct {
	Index int    // in the batch, from 0
	ID    string // of the operation; empty when nobody could be asked
	Text  string
}

func (d *Deviation) add(i Item) {
	d.Count++
	if len(d.Items) < maxNamed {
		d.Items = append(d.Items, i)
	}
}

const (
	// explainRounds is how often peers are asked, with pauses that grow: those that
	// have different heights see different ledgers, and are asked again when their
	// heights may be equal.
	explainRounds = 6
	explainPause  = 200 * time.Millisecond
)

// Finding returns what the answers prove by themselves. Peers sign their answers,
// so it holds whatever they say later; which items differ is known only as far as
// the response shows it, and only of organisations that were asked to endorse.
func (d *Dispute) Finding() Finding { return Finding{TxID: d.TxID, Deviations: d.signed()} }

// Explain asks every peer what the disputed batch does and tells which
// organisations differ from the others, and on which items. function is the
// chaincode's function that explains a batch (docs/endorsement.md); args is what
// the disputed call had. It changes nothing. It takes some seconds when peers lag
// or are down; when ctx ends it returns what is known by then.
func (c *Client) Explain(ctx context.Context, d *Dispute, function string, args ...[]byte) Finding {
	f := Finding{TxID: d.TxID}
	explained := map[string]Deviation{}
	var views []view
	var reference *view
	for round := 1; ; round++ {
		views = c.explanations(ctx, function, args)
		reference = majority(views, c.cfg.Endorsements)
		f.Unknown = compare(views, reference, c.cfg.Endorsements, explained)
		if len(f.Unknown) == 0 || round == explainRounds {
			break
		}
		select {
		case <-time.After(time.Duration(round) * c.pace.explain):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	for _, s := range d.signed() {
		if e, ok := explained[s.Organisation]; ok && len(e.Items) > 0 {
			s.Items, s.Count = e.Items, e.Count
		} else if reference != nil {
			for i, item := range s.Items {
				if item.Index < len(reference.explanation.Items) {
					s.Items[i].ID = reference.explanation.Items[item.Index].ID
				}
			}
		}
		explained[s.Organisation] = s
	}
	for _, e := range explained {
		f.Deviations = append(f.Deviations, e)
	}
	slices.SortFunc(f.Deviations, func(a, b Deviation) int { return strings.Compare(a.Organisation, b.Organisation) })
	f.Unknown = slices.DeleteFunc(f.Unknown, func(o string) bool { _, named := explained[o]; return named })
	if reference == nil && len(d.accepted) == 0 {
		f.Undecided = map[string]string{}
		for _, v := range views {
			f.Undecided[v.organisation] = v.String()
		}
	}
	return f
}

// explanation is the chaincode's answer. Its bytes are the same wherever program
// and state are.
type explanation struct {
	State string `json:"state"`
	Items []struct {
		ID     string `json:"id"`
		Result string `json:"result"`
		Writes string `json:"writes"`
	} `json:"items"`
}

// view is what one peer says. Its height was from before and to afterwards.
type view struct {
	organisation string
	from, to     uint64
	raw          string
	explanation  explanation
	err          error
}

func (v *view) String() string {
	if v.err != nil {
		return v.err.Error()
	}
	return fmt.Sprintf("at height %d to %d: %d items on state %.16s", v.from, v.to, len(v.explanation.Items), v.explanation.State)
}

// at says that two views are of the same height for certain: a peer shows a height
// only when the state of its last block is committed.
func (v *view) at(o *view) bool {
	return v.from == v.to && o.from == o.to && v.from == o.from && v.from > 0
}

func (c *Client) explanations(ctx context.Context, function string, args [][]byte) []view {
	views := make([]view, len(c.peers))
	// One proposal for all, so that they run at the same claimed time.
	p, err := c.propose(c.cfg.Channel, c.cfg.Chaincode, function, args, nil)
	done := make(chan struct{})
	for i, r := range c.peers {
		views[i] = view{organisation: r.MSPID, err: err}
		go func() {
			defer func() { done <- struct{}{} }()
			if err == nil {
				c.explanation(ctx, r, p, &views[i])
			}
		}()
	}
	for range c.peers {
		<-done
	}
	return views
}

func (c *Client) explanation(ctx context.Context, r *remote, p *proposal, v *view) {
	if v.from, v.err = c.height(ctx, []*remote{r}); v.err != nil {
		return
	}
	a := c.ask(ctx, r, p)
	switch {
	case a.refused != nil:
		v.err = a.refused
	case a.err != nil:
		v.err = a.err
		return
	default:
		v.raw = string(a.response.GetResponse().GetPayload())
		if err := json.Unmarshal([]byte(v.raw), &v.explanation); err != nil {
			v.err = fmt.Errorf("explanation: %s", cut(err.Error()))
		}
	}
	to, err := c.height(ctx, []*remote{r})
	if err != nil {
		to = 0 // equal to nobody's
	}
	v.to = to
}

// majority is the view that most organisations share, when it is at least need of
// them and no other one is shared by as many.
func majority(views []view, need int) *view {
	count := map[string]int{}
	for _, v := range views {
		if v.err == nil {
			count[v.raw]++
		}
	}
	var most *view
	tie := false
	for i, v := range views {
		if v.err != nil || count[v.raw] < need || most != nil && most.raw == v.raw {
			continue
		}
		switch {
		case most == nil || count[v.raw] > count[most.raw]:
			most, tie = &views[i], false
		case count[v.raw] == count[most.raw]:
			tie = true
		}
	}
	if tie {
		return nil
	}
	return most
}

// compare finds what is wrong with each view that is not the reference, and returns
// the organisations of which that cannot be said now. That a view is of the reference's
// height, need organisations have to show: one alone could claim a height that it does
// not have, and have an honest peer blamed that is ahead of the others.
func compare(views []view, reference *view, need int, found map[string]Deviation) (unknown []string) {
	for i := range views {
		v := &views[i]
		if _, ok := found[v.organisation]; ok {
			continue
		}
		if reference == nil {
			unknown = append(unknown, v.organisation)
			continue
		}
		if v.err == nil && v.raw == reference.raw {
			continue
		}
		level := 0
		for k := range views {
			if o := &views[k]; o.err == nil && o.raw == reference.raw && v.at(o) {
				level++
			}
		}
		if d, ok := v.deviation(reference, level >= need); ok {
			found[v.organisation] = d
		} else {
			unknown = append(unknown, v.organisation)
		}
	}
	return unknown
}

// deviation compares a view with the reference; level says that they are of the
// same height. It returns false when that does not show who is wrong.
func (v *view) deviation(reference *view, level bool) (Deviation, bool) {
	d := Deviation{Organisation: v.organisation}
	var refused *Refused
	if errors.As(v.err, &refused) {
		d.Text = "refuses the batch: " + refused.Message
		e, ok := fault.Parse(refused.Message)
		return d, level && !(ok && e.Code == fault.UnknownFunction) // an older program, and no proof
	}
	if v.err != nil || v.explanation.State != reference.explanation.State && !level {
		return d, false
	}
	for i, want := range reference.explanation.Items {
		if i >= len(v.explanation.Items) {
			break
		}
		got := v.explanation.Items[i]
		switch {
		case got.Result != want.Result:
			d.add(Item{Index: i, ID: want.ID, Text: fmt.Sprintf("%s in place of %s", cut(got.Result), want.Result)})
		case got.Writes != want.Writes:
			d.add(Item{Index: i, ID: want.ID, Text: "writes something else"})
		}
	}
	d.Text = "on the same state it has other results"
	if v.explanation.State != reference.explanation.State {
		d.Text = fmt.Sprintf("at height %d its state is another one, or it reads something else", v.from)
	}
	return d, true
}

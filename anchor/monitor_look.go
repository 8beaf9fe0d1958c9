package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// monitorLook is one look at everything. What it could not find out it neither raises
// nor clears: that an endpoint is silent does not end the alarm about what it said.
type monitorLook struct {
	*monitor
	seen     monitorState // becomes the state when the look is finished
	raised   map[string]string
	cleared  map[string]bool
	evidence map[string][]string

	notes   []served         // that K members signed, largest first
	newest  served           // the largest that continues what was seen before; of size 0 when there is none
	heads   map[string]point // what AnchorLogs have, of the chains that answered
	members map[string]contracts.Newest
	slow    map[string]bool // anchors that took too long to prove something
}

func newLook(m *monitor) *monitorLook {
	return &monitorLook{
		monitor: m, seen: m.state.copy(),
		raised: map[string]string{}, cleared: map[string]bool{}, evidence: map[string][]string{},
		heads: map[string]point{}, members: map[string]contracts.Newest{}, slow: map[string]bool{},
	}
}

// served is a checkpoint as an anchor served it.
type served struct {
	log.Checkpoint
	note []byte
}

// set raises an alarm, or clears it when the text is empty.
func (l *monitorLook) set(topic, text string) {
	if text == "" {
		l.cleared[topic] = true
		return
	}
	l.raised[topic] = short(text)
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (l *monitorLook) look(ctx context.Context) {
	for i, url := range l.cfg.Anchors {
		n, err := l.checkpoint(ctx, url)
		if err != nil {
			err = fmt.Errorf("%s: %w", host(url), err)
		} else {
			l.notes = append(l.notes, n)
		}
		l.set(anchorTopic(i), textOf(err))
	}
	for _, c := range l.chains {
		err := l.chain(ctx, c)
		l.set("chain "+c.cfg.ID, textOf(err))
		if err == nil { // else what the driver knows is older than the look
			l.set("endpoints "+c.cfg.ID, textOf(c.driver.silent()))
		}
	}
	if len(l.notes) == len(l.cfg.Anchors) && len(l.heads) == len(l.chains) {
		l.set("tiles", "") // unless raised below; who is silent may have what nobody proves
	}
	l.sameLog(ctx)
	l.heartbeat()
	for _, c := range l.chains {
		if head, ok := l.heads[c.cfg.ID]; ok {
			l.keepsUp(c, head)
			l.sameSet(c)
			if l.compare(ctx, c, head) {
				l.seen.Chains[c.cfg.ID] = seen{Size: head.Size, Root: canon.Hex(head.Root[:]), Time: head.Time}
			}
		}
	}
}

// heartbeat looks at the time of the newest checkpoint.
func (l *monitorLook) heartbeat() {
	last, late, clock := time.Unix(int64(l.seen.Ledger.Time), 0).UTC(), "", ""
	switch age := l.now().Sub(last); {
	case l.seen.Ledger.Size == 0:
		late = "no checkpoint has been seen yet"
	case age > l.cfg.Late:
		late = fmt.Sprintf("the newest checkpoint, of size %d, is of %s: none came for %v", l.seen.Ledger.Size, last.Format(time.RFC3339), age.Truncate(time.Second))
	case age < -2*maxSkew:
		clock = fmt.Sprintf("the newest checkpoint is of %s, which lies ahead: this machine's clock is wrong, and no heartbeat can be missed", last.Format(time.RFC3339))
	}
	l.set("heartbeat", late)
	l.set("clock", clock)
}

// checkpoint reads an anchor's newest checkpoint and checks the members' signatures. A
// set that is not known yet is looked for in the anchor's rotations.
func (l *monitorLook) checkpoint(ctx context.Context, url string) (served, error) {
	data, err := l.get(ctx, url, "/checkpoint")
	if err != nil {
		return served{}, err
	}
	n, err := log.ParseNote(data)
	if err == nil && (n.Size == 0 || l.sets.At(n.Size) == nil) {
		err = fmt.Errorf("note of size %d: no member set signs it", n.Size)
	}
	if err != nil {
		return served{}, err
	}
	if _, err = l.sets[len(l.sets)-1].CheckNote(n); err != nil {
		if _, older := l.sets.At(n.Size).CheckNote(n); older == nil {
			return served{n.Checkpoint, data}, nil // an anchor that is behind
		}
		if more := l.follow(ctx, url); more != nil {
			return served{}, errors.Join(err, more)
		}
		_, err = l.sets.At(n.Size).CheckNote(n)
	}
	return served{n.Checkpoint, data}, err
}

// follow reads an anchor's rotations. Each is proved by the set before it, so whose
// they are makes no difference; sets that are known stay, and another one to which the
// members handed over as well is a fork.
func (l *monitorLook) follow(ctx context.Context, url string) error {
	data, err := l.get(ctx, url, "/rotations")
	if err != nil {
		return err
	}
	all, err := log.ParseRotations(l.policy.Network, data)
	if err != nil {
		return err
	}
	newest := l.sets[len(l.sets)-1]
	for _, r := range all {
		if r.Version <= l.policy.SetVersion || r.Version > newest.Version {
			continue
		}
		at := r.Version - l.policy.SetVersion
		own, before := l.sets[at], l.sets[at-1]
		if other, err := before.CheckRotation(r); err == nil && before.RotationDigest(other) != before.RotationDigest(own) {
			l.set("fork", fmt.Sprintf("the members of set %d handed over twice: to set %d %x from size %d on, and to %x from size %d on",
				before.Version, r.Version, own.Hash(), own.From, other.Hash(), other.From))
			one, _ := log.MarshalRotations(l.policy.Network, l.rotations[at-1:at]) // both were parsed
			two, _ := log.MarshalRotations(l.policy.Network, []log.Rotation{r})
			l.evidence["fork"] = []string{string(one), string(two)}
			break
		}
	}
	more, err := newest.Follow(all)
	for _, set := range more[1:] {
		at := slices.IndexFunc(all, func(r log.Rotation) bool { return r.Version == set.Version })
		l.sets, l.rotations = append(l.sets, set), append(l.rotations, all[at])
	}
	return err
}

// chain reads what a chain's AnchorLog has at the final head.
func (l *monitorLook) chain(ctx context.Context, c *publicChain) error {
	head, err := c.anchored(ctx)
	if err != nil {
		return err
	}
	l.heads[c.cfg.ID] = point{Size: head.Size, Root: head.Root, Time: head.Time}
	newest, err := c.members(ctx)
	if err == nil {
		l.members[c.cfg.ID] = newest
	}
	return err
}

// sameLog compares every checkpoint that was served, and the one seen before, with each
// other. What continues the one seen before is believed; another history of it never.
func (l *monitorLook) sameLog(ctx context.Context) {
	slices.SortStableFunc(l.notes, func(a, b served) int { return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(b.Time, a.Time)) })
	before := served{log.Checkpoint{Size: l.seen.Ledger.Size, Root: l.seen.Ledger.root(), Time: l.seen.Ledger.Time}, []byte(l.seen.Ledger.Note)}
	l.newest = before
	for _, n := range l.notes {
		if before.Size > n.Size {
			break
		}
		if root, ok := l.rootAt(ctx, n, before.Size); before.Size == 0 || ok && root == before.Root {
			l.newest = n
			break
		}
	}
	for _, n := range append(slices.Clone(l.notes), before) {
		small, large := n, l.newest
		if small.Size > large.Size {
			small, large = large, small
		}
		if small.Size == 0 {
			continue
		}
		root, ok := l.rootAt(ctx, large, small.Size)
		switch {
		case !ok:
			l.set("tiles", fmt.Sprintf("K members signed sizes %d and %d, and no anchor's tiles prove that they are of one history", small.Size, large.Size))
		case root != small.Root:
			l.set("fork", fmt.Sprintf("K members signed two histories: size %d with root %x, and size %d with root %x, which has root %x for size %d",
				small.Size, small.Root, large.Size, large.Root, root, small.Size))
			l.evidence["fork"] = []string{string(small.note), string(large.note)}
		}
	}
	if l.seen.Began == 0 && l.newest.Size > 0 {
		l.seen.Began = l.now().Unix()
	}
	if l.newest.Size > before.Size || l.newest.Size == before.Size && l.newest.Time > before.Time {
		l.seen.Ledger = seen{Size: l.newest.Size, Root: canon.Hex(l.newest.Root[:]), Time: l.newest.Time, Note: string(l.newest.note)}
	}
}

// compare compares a contract's head with the log, with what the contract had before,
// and with the other contracts. It reports whether all that could be done.
func (l *monitorLook) compare(ctx context.Context, c *publicChain, head point) (done bool) {
	id := c.cfg.ID
	done = true
	fork := func(format string, args ...any) {
		l.set("fork "+id, fmt.Sprintf(format, args...))
		if l.newest.Size > 0 {
			l.evidence["fork "+id] = []string{string(l.newest.note)}
		}
	}
	if head.Size > l.newest.Size {
		done = false
	} else if head.Size > 0 {
		root, ok := l.rootAt(ctx, l.newest, head.Size)
		if !ok {
			l.set("tiles", fmt.Sprintf("no anchor's tiles prove which root the log of size %d has for size %d", l.newest.Size, head.Size))
		}
		if done = ok && root == head.Root; ok && !done {
			fork("AnchorLog holds root %x for size %d; the log that K members signed at size %d has %x", head.Root, head.Size, l.newest.Size, root)
		}
	}
	had, back := l.seen.Chains[id], ""
	if head.Size < had.Size {
		back = fmt.Sprintf("AnchorLog has size %d at the final head and had %d: final blocks were left, or a node lies", head.Size, had.Size)
	}
	root, ok := l.anchoredAt(ctx, c, head, had.Size)
	switch none := (log.Hash{}); {
	case had.Size > 0 && !ok:
		done = false
	case ok && root == none:
		back, done = fmt.Sprintf("AnchorLog has no root for size %d at the final head and had one: final blocks were left, or a node lies", had.Size), false
	case ok && root != had.root():
		fork("AnchorLog holds root %x for size %d and held %s", root, had.Size, had.Root)
	}
	if ok || back != "" || had.Size == 0 {
		l.set("back "+id, back)
	}
	for _, other := range l.chains {
		theirs, ok := l.heads[other.cfg.ID]
		if !ok || other == c || theirs.Size > head.Size {
			continue
		}
		if root, ok := l.anchoredAt(ctx, c, head, theirs.Size); ok && root != (log.Hash{}) && root != theirs.Root {
			fork("AnchorLog holds root %x for size %d, the one on %s holds %x", root, theirs.Size, other.cfg.ID, theirs.Root)
		}
	}
	return done
}

// anchoredAt returns the root that a contract holds for a size up to its head, zero when
// it holds none, and false when it does not answer.
func (l *monitorLook) anchoredAt(ctx context.Context, c *publicChain, head point, size uint64) (log.Hash, bool) {
	if size == 0 || size > head.Size {
		return log.Hash{}, false
	}
	answer, err := c.driver.Call(ctx, c.anchorLog.Address, contracts.PackRootAt(size), send.Final)
	var root log.Hash
	if err == nil {
		root, err = contracts.UnpackWord(answer)
	}
	if err != nil {
		l.set("chain "+c.cfg.ID, err.Error())
	}
	return root, err == nil
}

// keepsUp looks whether a chain has what it should have by now.
func (l *monitorLook) keepsUp(c *publicChain, head point) {
	id, behind, stale, ahead := c.cfg.ID, "", "", ""
	want := l.wants(c, head)
	if age := l.now().Sub(time.Unix(int64(want.Time), 0)); want.Size > 0 && age > l.cfg.Lag {
		behind = fmt.Sprintf("AnchorLog has size %d, another chain's size %d for %v: nobody brings it here", head.Size, want.Size, age.Truncate(time.Second))
	}
	anchored := time.Unix(int64(head.Time), 0).UTC()
	since := fmt.Sprintf("its newest is of %s", anchored.Format(time.RFC3339))
	if head.Size == 0 {
		anchored, since = time.Unix(l.seen.Began, 0), "it never had one" // waited for since then
	}
	if age := l.now().Sub(anchored); l.seen.Ledger.Size > head.Size && age > l.cfg.Stale {
		stale = fmt.Sprintf("AnchorLog has size %d, the ledger %d: nothing was anchored for %v, %s", head.Size, l.seen.Ledger.Size, age.Truncate(time.Second), since)
	}
	if head.Size > l.seen.Ledger.Size && l.now().Sub(anchored) > l.cfg.Late {
		ahead = fmt.Sprintf("AnchorLog has size %d, and no anchor shows more than %d: they are behind, or K members signed what they do not show", head.Size, l.seen.Ledger.Size)
	}
	l.set("behind "+id, behind)
	l.set("stale "+id, stale)
	l.set("ahead "+id, ahead)
}

// wants returns the checkpoint that a chain has been without for longest while another
// one had it, of size 0 when there is none. The other's newest would not do: it is never
// old where anchors go on.
func (l *monitorLook) wants(c *publicChain, head point) seen {
	want := l.seen.Wanted[c.cfg.ID]
	if want.Size <= head.Size {
		want = seen{}
	}
	for _, other := range l.chains {
		theirs := l.heads[other.cfg.ID]
		// What no anchor shows may be a node's invention, which nobody ever brings.
		if want.Size == 0 && theirs.Size > head.Size && theirs.Size <= l.seen.Ledger.Size {
			want = seen{Size: theirs.Size, Time: theirs.Time}
		}
	}
	l.seen.Wanted[c.cfg.ID] = want
	return want
}

// sameSet compares the contract's newest member set with those that rotations lead to.
func (l *monitorLook) sameSet(c *publicChain) {
	id := c.cfg.ID
	newest, ok := l.members[id]
	if !ok {
		return
	}
	frozen, unknown := "", ""
	if newest.Frozen {
		frozen = "AnchorLog was shown two histories that its members signed; it takes nothing any more"
	}
	switch first := l.policy.SetVersion; {
	case newest.Version < first: // the chain is behind the policy: nothing to compare with
	case newest.Version-first >= uint64(len(l.sets)):
		unknown = fmt.Sprintf("AnchorLog has member set %d, and no anchor shows how set %d led to it", newest.Version, l.sets[len(l.sets)-1].Version)
	default:
		if own := l.sets[newest.Version-first]; own.Hash() != newest.Hash || own.From > 0 && own.From != newest.From {
			l.set("fork "+id, fmt.Sprintf("AnchorLog has member set %d, %x from size %d on; the members handed over to %x from size %d on",
				newest.Version, newest.Hash, newest.From, own.Hash(), own.From))
		}
	}
	l.set("frozen "+id, frozen)
	l.set("members "+id, unknown)
}

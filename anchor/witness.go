package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

const (
	// maxSkew is how far a checkpoint's time may be from the own clock.
	maxSkew = 30 * time.Second
	// caution is how much less this member's own candidates are ahead.
	caution = 5 * time.Second
	// turn is how long each member waits for the one before it to put a candidate.
	turn = 2 * time.Second
	// acceptTurn is the same for accepting one.
	acceptTurn = time.Second
	// again is when a transaction whose effect does not show is sent once more.
	again = 5 * time.Second
	// maxErrors bounds the errors of one step: candidates may be many.
	maxErrors = 8
)

// witness puts, cosigns and accepts checkpoints. Its fields are memory only:
// losing them costs a few seconds.
type witness struct {
	*anchor
	caughtUp bool
	headSeen time.Time // when the head was first seen
	head     uint64    // its number
	covers   uint64    // blocks in the log then
	set      uint64    // version of the member set in force
	handing  handing
	unsigned time.Time // when the signer, or the disk, failed last; zero since there was a signature
	put      time.Time // when this member put its last candidate
	puts     int       // how many it has put after this head
	seen     map[candidateKey]*sighting
}

type candidateKey struct {
	size uint64
	root [32]byte
	time uint64
}

func (c candidate) key() candidateKey { return candidateKey{c.Size, c.Root, c.Time} }

// sighting is when things were first seen or last tried for a candidate.
type sighting struct {
	first, quorum, signed, accepted time.Time
}

func newWitness(a *anchor) *witness {
	return &witness{anchor: a, seen: map[candidateKey]*sighting{}}
}

// step does whatever is due for checkpoints.
func (w *witness) step(ctx context.Context) error {
	now := w.now()
	ready, err := w.ready(ctx)
	if !ready || err != nil {
		return err
	}
	m := w.members()
	if m.mute != nil || m.coming != nil {
		if err := w.reload(ctx); err != nil { // key files may have come
			return err
		}
		m = w.members()
	}
	if m.mute != nil {
		return m.mute
	}
	head, err := w.index.head(ctx)
	if err != nil {
		return err
	}
	if m.next != nil {
		// Nobody takes a checkpoint until the members have handed over.
		return w.handOver(ctx, m, head)
	}
	size, err := w.size(ctx)
	if err != nil {
		return err
	}
	if w.headSeen.IsZero() || head.Number != w.head {
		w.headSeen, w.head, w.covers, w.puts = now, head.Number, size, 0
	}
	if v := m.set().Version; v != w.set {
		// A checkpoint is due since long ago; members begin in their order again.
		if w.set > 0 {
			w.headSeen, w.puts = now.Add(-w.cfg.Cadence.Busy), 0
		}
		w.set = v
	}
	candidates, err := w.index.candidates(ctx, head.Size, size)
	if err != nil {
		return err
	}
	w.sight(m, candidates, now)
	// The largest first: the others are then covered, and a member that puts many
	// is given one signature.
	var errs []error
	for _, c := range slices.Backward(candidates) {
		if err := w.cosign(ctx, m, head, c); err != nil && len(errs) < maxErrors {
			errs = append(errs, err)
		}
	}
	errs = append(errs, w.accept(ctx, m, head, candidates), w.propose(ctx, m, head, candidates))
	return errors.Join(append(errs, w.signed.broken(errs...))...)
}

// ready reports whether this member may sign: the ledger is initialised as this
// anchor is configured, the log has all that the own peer had at the start, and
// continues what was signed and anchored before.
func (w *witness) ready(ctx context.Context) (bool, error) {
	size, err := w.size(ctx)
	if err != nil || size == 0 {
		return false, err
	}
	m := w.members()
	if m == nil {
		return false, nil
	}
	if w.caughtUp {
		return true, nil
	}
	if err := m.pinned(w.cfg); err != nil {
		return false, err
	}
	height, err := w.ledger.Height(ctx)
	if err != nil || size < height {
		return false, err
	}
	last, root, _, err := w.signed.last()
	if err != nil {
		return false, err
	}
	if err := w.continues("what this organisation signed last", last, root, size); err != nil {
		return false, err
	}
	if err := w.others(ctx, m, size); err != nil {
		return false, err
	}
	for _, c := range w.inOrder() {
		anchored, err := c.anchored(ctx)
		switch {
		case err == nil:
			err = w.continues("what is anchored on "+c.cfg.ID, anchored.Size, anchored.Root, size)
		case last > 0:
			// What was signed last is known from disk, and a public chain that is down
			// must not stop the ledger's clock.
			slog.Warn("chain not asked for what is anchored", "chain", c.cfg.ID, "error", err)
			err = nil
		}
		if err != nil {
			return false, err
		}
	}
	w.caughtUp = true
	return true, nil
}

// others asks the organisations' peers for the newest checkpoint. The log must
// continue what K of them say; one that lies, or is down, cannot stop this one.
func (w *witness) others(ctx context.Context, m *roster, have uint64) error {
	agree := 0
	var errs []error
	for _, of := range m.set().Members {
		err := w.asPeerSays(ctx, of.MSP, have)
		if err == nil {
			agree++
		}
		errs = append(errs, err)
	}
	if agree < m.k() {
		return fmt.Errorf("the log continues the checkpoint of %d organisations' peers, want %d: %w", agree, m.k(), errors.Join(errs...))
	}
	return nil
}

func (w *witness) asPeerSays(ctx context.Context, msp string, have uint64) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	answer, err := w.ledger.Evaluate(ctx, msp, "checkpoint:Head")
	if refusal(err) == fault.NotFound {
		return nil // no checkpoint yet
	}
	if err != nil {
		return fmt.Errorf("%s: %w", msp, err)
	}
	var head struct {
		Size uint64 `json:"size"`
		Root string `json:"root"`
	}
	if err := json.Unmarshal(answer, &head); err != nil {
		return fmt.Errorf("%s: %w", msp, err)
	}
	root, err := canon.UnHex32(head.Root)
	if err != nil {
		return fmt.Errorf("%s: %w", msp, err)
	}
	return w.continues("the checkpoint at the peer of "+msp, head.Size, root, have)
}

// continues reports as an error when the log does not contain a known state of
// itself.
func (w *witness) continues(what string, size uint64, root [32]byte, have uint64) error {
	if size == 0 {
		return nil
	}
	if size > have {
		return fmt.Errorf("the peer has %d blocks, %s covers %d: it lost blocks, or still catches up", have, what, size)
	}
	own, err := w.log.Root(size)
	if err != nil {
		return err
	}
	if own != root {
		return fmt.Errorf("fork: %s has another root for size %d than the peer's blocks give", what, size)
	}
	return nil
}

// sight remembers when candidates were first seen and first had K signatures,
// and forgets those that are gone.
func (w *witness) sight(m *roster, candidates []candidate, now time.Time) {
	seen := map[candidateKey]*sighting{}
	for _, c := range candidates {
		s := w.seen[c.key()]
		if s == nil {
			s = &sighting{first: now}
		}
		if len(c.By) >= m.k() && s.quorum.IsZero() {
			s.quorum = now
		}
		seen[c.key()] = s
	}
	w.seen = seen
}

// cosign signs another member's candidate if it is what this member would have
// put itself.
func (w *witness) cosign(ctx context.Context, m *roster, head point, c candidate) error {
	if c.signedBy(w.cfg.Organisation) {
		return nil
	}
	root, err := w.log.Root(c.Size)
	if err != nil {
		return err
	}
	if root != c.Root {
		// The candidate is gone with the next checkpoint, the reason to look is not: this
		// alarm stays until the anchor is started again.
		w.alarms.set("signed by "+c.By[0].MSP, fmt.Errorf("fork: %s signed another root for size %d than the own peer's blocks give", c.By[0].MSP, c.Size))
		return nil
	}
	if skew := w.now().Sub(time.Unix(int64(c.Time), 0)); skew > maxSkew || skew < -maxSkew || c.Time <= head.Time {
		return nil // too old, too new, or not after the head: a later one will do
	}
	if c.Size < w.covers {
		return nil // what was there at the head is left out: steps that small never catch up
	}
	lastSize, lastTime, err := w.last()
	if err != nil {
		return err
	}
	extends := c.Size > lastSize && c.Time > lastTime
	if !extends && (c.Size != lastSize || c.Time != lastTime) {
		return nil // something later was signed already
	}
	s := w.seen[c.key()]
	if w.now().Sub(s.signed) < again || w.rests() {
		return nil // its transaction may still be on its way
	}
	s.signed = w.now()
	return w.sign(ctx, m, c.Size, root, c.Time)
}

// sign makes both signatures and puts them on the ledger, after writing down that it
// does.
func (w *witness) sign(ctx context.Context, m *roster, size uint64, root [32]byte, time uint64) error {
	c := log.Checkpoint{Network: w.cfg.Network, LogID: w.policy.LogID(), Size: size, Root: root, Time: time}
	// Signed first: a signer that is down for a moment must not use up the size, which
	// is written down once. Until it is on disk the signature is in memory only.
	s, err := m.keys.sign(ctx, m.set(), c)
	if err = w.answered(err); err != nil {
		return err
	}
	if err := w.signed.checkpoint(c, w.horizon()); err != nil {
		w.unsigned = w.now() // as little has left as when the signer fails
		return err
	}
	return w.submit(ctx, "checkpoint:Cosign", struct {
		Size      uint64 `json:"size"`
		Root      string `json:"root"`
		Time      uint64 `json:"time"`
		Ed25519   string `json:"ed25519"`
		Secp256k1 string `json:"secp256k1"`
	}{size, canon.Hex(root[:]), time, base64.StdEncoding.EncodeToString(s.Ed25519[:]), base64.StdEncoding.EncodeToString(s.Secp256k1[:])})
}

// propose puts a candidate when one is due: after the cadence's pause for the
// member whose turn it is, later for the others.
func (w *witness) propose(ctx context.Context, m *roster, head point, candidates []candidate) error {
	now := w.now()
	size, err := w.size(ctx)
	if err != nil || size <= head.Size {
		return err
	}
	busy, err := w.index.busySince(ctx, head.Size)
	if err != nil {
		return err
	}
	pause := w.cfg.Cadence.Quiet
	if busy {
		pause = w.cfg.Cadence.Busy
	}
	due := w.headSeen.Add(pause).Add(m.rank(head.Number+1) * turn)
	for _, c := range candidates {
		// A candidate is out: give it the time to be accepted before another one. Only
		// one that this member has signed: others may be there to delay it.
		s := w.seen[c.key()]
		ours := c.signedBy(w.cfg.Organisation) || !s.signed.IsZero()
		if next := s.first.Add((1 + m.rank(head.Number+1)) * turn); ours && next.After(due) {
			due = next
		}
	}
	// Without a quorum each further one comes later: of no use, they stay for ever.
	if lap := w.put.Add(min(time.Duration(m.n())*turn<<min(w.puts, 10), w.cfg.Cadence.Quiet)); w.puts > 0 && lap.After(due) {
		due = lap
	}
	if now.Before(due) || w.rests() {
		return nil
	}
	lastSize, lastTime, err := w.last()
	// A head that is ahead is followed by its next second rather than waited for.
	at := max(uint64(now.Unix()), head.Time+1, lastTime+1)
	// A size that was signed last is signed again: the signature is in none of its blocks, so
	// it did not get to the ledger, which may stand still until there is a checkpoint.
	if err != nil || size < lastSize || at > uint64(now.Add(maxSkew-caution).Unix()) {
		return err
	}
	root, err := w.log.Root(size)
	if err != nil {
		return err
	}
	w.put = now
	w.puts++
	err = w.sign(ctx, m, size, root, at)
	if w.signed.broken() != nil {
		w.puts-- // it was not put
	}
	return err
}

// accept makes a checkpoint of the largest candidate that K members have signed.
// The member that put it does so at once, the others if it does not.
func (w *witness) accept(ctx context.Context, m *roster, head point, candidates []candidate) error {
	now := w.now()
	for _, c := range slices.Backward(candidates) {
		s := w.seen[c.key()]
		if len(c.By) < m.k() || c.Time <= head.Time {
			continue
		}
		if now.Sub(s.accepted) < again {
			return nil
		}
		putBy := m.place(c.By[0].MSP)
		if now.Before(s.quorum.Add(m.rank(putBy) * acceptTurn)) {
			continue // an earlier one may be due: somebody may put a larger one again and again
		}
		s.accepted = now
		var signers []string
		for _, by := range c.By {
			signers = append(signers, by.MSP)
		}
		err := w.submit(ctx, "checkpoint:Accept", struct {
			Size    uint64   `json:"size"`
			Root    string   `json:"root"`
			Time    uint64   `json:"time"`
			Signers []string `json:"signers"`
		}{c.Size, canon.Hex(c.Root[:]), c.Time, signers})
		if refusal(err) == fault.NoQuorum {
			// An endorsing peer is a block behind ours; soon it is not.
			s.accepted, err = now.Add(acceptTurn-again), nil
		}
		return err
	}
	return nil
}

package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/fault"
)

const (
	// rotateTurn is how long each member waits for the one before it to hand over once K
	// have signed.
	rotateTurn = 2 * time.Second
	// rotateWithin is how long members may take to sign before it is an alarm: there are
	// no checkpoints meanwhile.
	rotateWithin = 30 * time.Second
)

// handing is when things were first seen or last tried for the member set that waits.
// It is memory only: losing it costs a few seconds.
type handing struct {
	version                        uint64
	first, signed, quorum, rotated time.Time
}

// handOver signs the set that waits, as a member of the one in force, and has it put in
// force once K members have signed. What waits is read from the own peer's blocks alone.
func (w *witness) handOver(ctx context.Context, m *roster, head point) error {
	now := w.now()
	if w.handing.version != m.next.Version {
		w.handing = handing{version: m.next.Version, first: now}
	}
	by, err := w.rotationSignatures(ctx, m.next.Version)
	if err != nil {
		return err
	}
	var signers []string // in member order
	for _, of := range m.set().Members {
		if _, ok := by[of.MSP]; ok {
			signers = append(signers, of.MSP)
		}
	}
	if _, done := by[w.cfg.Organisation]; !done {
		err = w.signRotation(ctx, m, head)
	}
	if len(signers) >= m.k() {
		err = errors.Join(err, w.rotate(ctx, m, signers))
	}
	if now.Sub(w.handing.first) >= rotateWithin {
		err = errors.Join(err, fmt.Errorf("member set %d waits, and no checkpoint is made: %d members have signed (%s), %d have to",
			m.next.Version, len(signers), strings.Join(signers, " "), m.k()))
	}
	return errors.Join(err, m.coming)
}

// signRotation puts this member's signature on the ledger. That it signs is on disk
// before it leaves: no ledger gets a second set of the same version signed.
func (w *witness) signRotation(ctx context.Context, m *roster, head point) error {
	h := &w.handing
	if w.now().Sub(h.signed) < again || w.rests() {
		return nil // its transaction may still be on its way
	}
	if m.next.Version != m.set().Version+1 || m.next.From != head.Size+1 {
		return fmt.Errorf("member set %d from size %d waits on the ledger, after set %d and size %d: not signed",
			m.next.Version, m.next.From, m.set().Version, head.Size)
	}
	digest := m.set().RotationDigest(m.next)
	if err := w.signed.rotation(m.next.Version, digest); err != nil {
		return err
	}
	signature, err := m.keys.attest.Sign(ctx, digest)
	if err = w.answered(err); err != nil {
		return err
	}
	h.signed = w.now()
	err = w.submit(ctx, "checkpoint:SignRotation", struct {
		Version   uint64 `json:"version"`
		Secp256k1 string `json:"secp256k1"`
	}{m.next.Version, base64.StdEncoding.EncodeToString(signature[:])})
	return w.behind(err, &h.signed)
}

// rotate puts the set in force when it is this member's turn. It names no more signers
// than are needed: signatures are written once, so none can void it.
func (w *witness) rotate(ctx context.Context, m *roster, signers []string) error {
	h, now := &w.handing, w.now()
	if h.quorum.IsZero() {
		h.quorum = now
	}
	if now.Before(h.quorum.Add(m.rank(m.next.Version)*rotateTurn)) || now.Sub(h.rotated) < again {
		return nil
	}
	h.rotated = now
	err := w.submit(ctx, "checkpoint:Rotate", struct {
		Version uint64   `json:"version"`
		Signers []string `json:"signers"`
	}{m.next.Version, signers[:m.k()]})
	return w.behind(err, &h.rotated)
}

// behind passes over what is no error: another member was faster, or an endorsing peer
// is a block behind ours, which is asked again soon.
func (w *witness) behind(err error, tried *time.Time) error {
	switch refusal(err) {
	case fault.AlreadyDone:
		return nil
	case fault.NotFound, fault.NoQuorum:
		*tried = w.now().Add(acceptTurn - again)
		return nil
	}
	return err
}

func rotateIntent(chain string, version uint64) string {
	return fmt.Sprintf("rotate/%s/%d", chain, version)
}

// waiting returns the chain's newest member set and the one that follows it, if the
// ledger has handed over to it.
func (c *publicChain) waiting(m *roster) (old, next *log.Set, ok bool) {
	at := c.set().Version
	if at == 0 || at >= m.set().Version {
		return nil, nil, false // not looked yet, or it is there
	}
	return m.sets[at-1], m.sets[at], true
}

// rotate plans to bring the member set that follows the chain's newest one, once the
// last checkpoint of that one is final there: what the old keys could sign afterwards,
// whoever has them then, is below the head. The contract takes a version once and passes
// over another member's delivery of it, so nothing can happen twice.
func (p *poster) rotate(ctx context.Context, m *roster, c *publicChain) error {
	old, next, ok := c.waiting(m)
	if _, head := c.seen(); !ok || head.Size < next.From-1 || !c.agreed() {
		return nil
	}
	id := rotateIntent(c.cfg.ID, next.Version)
	if !p.due(id, m.rank(next.Version)*takeover) {
		return nil
	}
	if _, err := p.sender.Status(ctx, id); !errors.Is(err, send.ErrUnknown) {
		return err
	}
	by, err := p.rotationSignatures(ctx, next.Version)
	if err != nil {
		return err
	}
	signatures, err := collect(old, old.RotationDigest(next), by)
	if err != nil {
		return fmt.Errorf("bring member set %d: %w", next.Version, err)
	}
	set, _ := onContracts(next)
	hash := next.Hash()
	return p.sender.Plan(ctx, c.cfg.ID, send.Intent{
		ID: id, To: c.anchorLog.Address,
		Data:  contracts.PackRotate(set, next.From, next.ListHash(), signatures),
		Check: contracts.PackSetHash(next.Version), Want: hash[:],
	})
}

package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/ballot"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/committee"
)

// task is a job that the node attends to.
type task struct {
	job  string
	busy bool      // of Run
	next time.Time // when it is attended to again
	over bool      // there is nothing left to do

	// early says that there is no evidence yet: the job is listed again once there is.
	early bool

	began  time.Time     // when the commitments were first looked at
	window time.Duration // how long they lasted from then on
	tries  int           // submissions so far: where the next one begins
	errors int           // in a row
	op     operation     // that was signed last
	said   string        // what was told last, so that it is told once
}

// operation is a signed operation. It goes to every gateway as it is, and counts once.
type operation struct {
	name string
	jws  string
	at   time.Time
}

// maxPause is the longest pause after errors in a row. Rounds that commit for 20 minutes
// have time for 40 of them.
const maxPause = 30 * time.Second

// attend does what is to be done about a job now.
func (n *Node) attend(ctx context.Context, t *task) {
	err := n.step(ctx, t)
	pause := n.cfg.Poll
	if err != nil && ctx.Err() == nil {
		t.errors++
		n.count(func(s *Status) { s.Errors++ })
		n.say(t, slog.LevelWarn, "round goes on later", "error", err.Error())
		most := maxPause
		if t.window > 0 {
			most = min(most, t.window/8) // short windows have time for some as well
		}
		for range min(t.errors-1, 8) {
			pause = max(min(2*pause, most), n.cfg.Poll)
		}
	} else {
		t.errors = 0
	}
	t.next = n.cfg.Now().Add(pause)
}

// say logs something about a job, once in a row.
func (n *Node) say(t *task, level slog.Level, message string, attributes ...any) {
	text := message + fmt.Sprint(attributes...)
	if t.said == text {
		return
	}
	t.said = text
	n.cfg.Log.Log(context.Background(), level, message, append([]any{"job", t.job}, attributes...)...)
}

// step looks how far the round is, and does what is this node's to do.
func (n *Node) step(ctx context.Context, t *task) error {
	r, err := n.round(ctx, t.job, false)
	if fault.Of(err) == fault.NotFound {
		// Jobs are there long before their evidence: somebody made this one up.
		t.over = true
		return nil
	}
	if err != nil {
		return err
	}
	phase := r.GetPhase()
	if r.GetCommittee() == nil {
		t.early = phase != attest.Drawing.String()
		return nil
	}
	seat := committee.Seat(r, n.signer.DID())
	if seat == nil {
		t.over = true
		return n.retire(t)
	}
	switch phase {
	case attest.Committing.String():
		return n.commit(ctx, t, r, seat)
	case attest.Revealing.String():
		return n.reveal(ctx, t, seat)
	case attest.Counting.String():
		return nil
	}
	return n.finish(t, r, seat)
}

// kept returns the ballot of the job that is on disk, nil when there is none.
func (n *Node) kept(t *task) (*ballot.Ballot, error) {
	for _, path := range []string{n.path(t), n.donePath(t)} {
		b, err := ballot.Read(path, n.cfg.Network, t.job, n.signer.DID())
		if !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
	}
	return nil, nil
}

func (n *Node) path(t *task) string {
	name, err := ballot.Name(t.job, n.signer.DID())
	if err != nil {
		panic(err) // tasks are of references only
	}
	return n.folder(name)
}

func (n *Node) donePath(t *task) string {
	return n.folder(doneFolder + strings.TrimPrefix(n.path(t), n.cfg.Dir))
}

// commit commits to the ballot that is on disk, or judges the evidence first.
func (n *Node) commit(ctx context.Context, t *task, r *client.Round, seat *client.Seat) error {
	b, err := n.kept(t)
	if err != nil {
		return err
	}
	if b == nil && seat.GetCommitment() != "" {
		n.say(t, slog.LevelError, "the ledger has a commitment of this DID, and its ballot is not in this folder: it cannot be revealed here")
		return nil
	}
	if b == nil {
		if b, err = n.decide(ctx, t, r); b == nil || err != nil {
			return err
		}
	}
	had, err := b.Is(seat.GetCommitment())
	if err != nil {
		return err
	}
	if had {
		n.say(t, slog.LevelInfo, "committed")
		return nil
	}
	// The ballot is on disk. Wherever this stops, the same one goes again.
	return n.send(ctx, t, "commit", &ops.AttestCommit{Job: t.job, Commitment: b.Commitment})
}

// decide judges the evidence and writes the ballot. It returns nil when the committee is
// not the one that the seed draws: on such a round nobody votes.
func (n *Node) decide(ctx context.Context, t *task, short *client.Round) (*ballot.Ballot, error) {
	r, err := n.round(ctx, t.job, true)
	if err != nil {
		return nil, err
	}
	check, err := committee.Redraw(n.cfg.Network, r)
	if err != nil {
		return nil, fmt.Errorf("the committee cannot be read: %w", err)
	}
	if check.Result == committee.Differs {
		n.say(t, slog.LevelError, "no vote: the committee is not the one that the seed draws", "problems", strings.Join(check.Problems, "; "))
		n.count(func(s *Status) { s.WrongCommittees++ })
		return nil, nil
	}
	n.warnOfFew(t, r)
	j, err := n.judge(ctx, r, n.near(t, left(short)))
	if err != nil {
		return nil, fmt.Errorf("no ballot yet: %w", err)
	}
	if err := n.crash("before the ballot"); err != nil {
		return nil, err
	}
	b, err := ballot.Keep(n.path(t), n.cfg.Network, t.job, n.signer.DID(), j.ballot.String())
	if err != nil {
		return nil, err
	}
	n.count(func(s *Status) { s.Ballots[j.ballot]++ })
	n.say(t, slog.LevelInfo, "judged", "ballot", b.Ballot, "reason", j.reason, "committee", check.Result)
	return b, n.crash("after the ballot")
}

// warnOfFew says that the gateways are so few that N - K organisations, silent or refusing
// together, could keep the vote from the ledger.
func (n *Node) warnOfFew(t *task, r *client.Round) {
	c := r.GetCommittee()
	if least := len(c.GetBenches()) - int(c.GetK()) + 1; len(n.gateways) < least {
		n.say(t, slog.LevelWarn, "too few gateways: N - K organisations could keep votes from the ledger", "gateways", len(n.gateways), "least", least)
	}
}

// near says whether the commitments, which last so long from now on, end soon: within the
// margin, and after at least half of what there was, by their clock or by this one, which
// goes on when that makes steps.
func (n *Node) near(t *task, left time.Duration) bool {
	now := n.cfg.Now()
	if t.began.IsZero() {
		t.began, t.window = now, left
	}
	return left <= n.cfg.Margin && (left <= t.window/2 || now.Sub(t.began) >= t.window/2)
}

// reveal reveals what the ledger has a commitment to.
func (n *Node) reveal(ctx context.Context, t *task, seat *client.Seat) error {
	b, err := n.kept(t)
	if err != nil {
		return err
	}
	if b == nil {
		n.say(t, slog.LevelWarn, "abstains: there is no ballot")
		return nil
	}
	had, err := b.Is(seat.GetCommitment())
	if err != nil {
		return err
	}
	switch {
	case !had:
		n.say(t, slog.LevelWarn, "the commitment did not come in time: the ballot counts for nothing")
		return nil
	case seat.GetBallot() != "":
		n.say(t, slog.LevelInfo, "revealed", "ballot", b.Ballot)
		return nil
	}
	return n.send(ctx, t, "reveal", &ops.AttestReveal{Job: t.job, Ballot: b.Ballot, Salt: b.Salt})
}

// send signs an operation, unless it has done so, and hands it to the gateways. Each time
// it begins with another one: a gateway that said that it was done, and lied, is not asked
// first again.
func (n *Node) send(ctx context.Context, t *task, name string, body ops.Body) error {
	if now := n.cfg.Now(); t.op.name != name || now.Sub(t.op.at) > client.Lifetime/2 {
		jws, _, err := n.signer.Operation(body, "")
		if err != nil {
			return err
		}
		t.op = operation{name, jws, now}
	}
	first := t.tries
	t.tries++
	if err := n.crash("before " + name); err != nil {
		return err
	}
	if err := n.submit(ctx, t.op.jws, first); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return n.crash("after " + name)
}

// finish tells what became of the round.
func (n *Node) finish(t *task, r *client.Round, seat *client.Seat) error {
	t.over = true
	switch {
	case seat.GetBallot() != "":
		n.count(func(s *Status) { s.Revealed++ })
	case seat.GetCommitment() != "":
		n.count(func(s *Status) { s.Unrevealed++ })
	default:
		n.count(func(s *Status) { s.Abstained++ })
	}
	n.say(t, slog.LevelInfo, "round is over", "ballot", seat.GetBallot(), "finding", r.GetFinding().GetVerdict(), "reason", r.GetFinding().GetReason())
	return n.retire(t)
}

// retire puts the ballot of a round that is over where the next start does not look. It
// stays readable: should somebody have lied about the end of the round, it is still the
// one ballot of this job.
func (n *Node) retire(t *task) error {
	err := os.Rename(n.path(t), n.donePath(t))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

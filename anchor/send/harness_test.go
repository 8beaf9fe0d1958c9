package send_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/sqlite"
	"github.com/killick-ledger/killick/anchor/sqlite/sqlitetest"
)

const block3 = 3 * time.Second

func TestMain(m *testing.M) {
	sqlitetest.InMemory()
	os.Exit(m.Run())
}

// harness drives a Sender over a fake chain, one round for each block.
type harness struct {
	t     *testing.T
	f     *fake
	path  string
	s     *send.Sender
	plans []send.Intent

	budget *big.Int
}

func newHarness(t *testing.T, f *fake) *harness {
	h := &harness{t: t, f: f, path: filepath.Join(t.TempDir(), "journal")}
	h.open()
	t.Cleanup(func() { h.s.Close() })
	return h
}

func (h *harness) open() {
	h.t.Helper()
	s, err := send.Open(h.path, map[string]send.Chain{h.f.ID(): h.f}, send.Config{
		Now:     func() time.Time { return h.f.now },
		Budgets: map[string]*big.Int{h.f.ID(): h.budget},
		Policy:  send.Policy{Bump: 15 * time.Second, Resend: 6 * time.Second, Doubt: time.Minute, Sure: 3 * block3},
		Log:     slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.s = s
}

func intent(id string) send.Intent {
	return send.Intent{ID: id, To: send.Address{1}, Data: []byte("do " + id), Check: []byte("is " + id), Want: []byte{1}, Late: []byte("late " + id)}
}

func (h *harness) plan(ids ...string) {
	h.t.Helper()
	for _, id := range ids {
		in := intent(id)
		if err := h.s.Plan(context.Background(), h.f.ID(), in); err != nil {
			h.t.Fatal(err)
		}
		if !slices.ContainsFunc(h.plans, func(p send.Intent) bool { return p.ID == id }) {
			h.plans = append(h.plans, in)
		}
	}
}

// step does one round; when the process dies in it, a new one takes over.
func (h *harness) step() {
	h.t.Helper()
	died := func() (died bool) {
		defer func() {
			if r := recover(); r != nil {
				if _, is := r.(crash); !is {
					panic(r)
				}
				died = true
			}
		}()
		if err := h.s.Step(context.Background()); err != nil {
			h.t.Fatal(err)
		}
		return false
	}()
	if died {
		h.reopen()
	}
}

func (h *harness) reopen() {
	h.t.Helper()
	if err := h.s.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.open()
	h.onDisk()
}

// edit has the process end and its journal changed, to what a kill may leave.
func (h *harness) edit(statements ...string) {
	h.t.Helper()
	err := h.s.Close()
	db, openErr := sqlite.Open(h.path)
	if err = errors.Join(err, openErr); err != nil {
		h.t.Fatal(err)
	}
	for _, s := range statements {
		_, e := db.ExecContext(h.t.Context(), s)
		err = errors.Join(err, e)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		h.t.Fatal(err)
	}
	h.open()
}

// onDisk checks that all bytes the chain ever saw are in the journal.
func (h *harness) onDisk() {
	h.t.Helper()
	known := map[string]bool{}
	for _, in := range h.plans {
		for _, t := range h.status(in.ID).Tries {
			known[string(t.ID)] = true
		}
	}
	for id := range h.f.sent {
		if !known[id] && !h.f.lost {
			h.t.Errorf("transaction %x left without being on disk", id)
		}
	}
}

// allow starts the sender with a budget.
func (h *harness) allow(budget int64) {
	h.t.Helper()
	h.budget = big.NewInt(budget)
	h.reopen()
}

// rounds lets the sender work, with a block after each time.
func (h *harness) rounds(n int) {
	h.t.Helper()
	for range n {
		h.step()
		h.f.mine(block3)
	}
}

func (h *harness) status(id string) send.Status {
	h.t.Helper()
	st, err := h.s.Status(context.Background(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return st
}

// finish runs until all intents are final, or too late for good.
func (h *harness) finish(rounds int) {
	h.t.Helper()
	for range rounds {
		h.step()
		h.f.mine(block3)
		open := 0
		for _, in := range h.plans {
			if p := h.status(in.ID).Phase; !p.Done() && p != send.PhaseOvertaken {
				open++
			}
		}
		if open == 0 {
			return
		}
	}
	for _, in := range h.plans {
		st := h.status(in.ID)
		h.t.Errorf("%s is %s (%s) after %d rounds, %d tries", in.ID, st.Phase, st.Why, rounds, len(st.Tries))
	}
}

// check verifies what must hold at the end, whatever went wrong.
func (h *harness) check() {
	h.t.Helper()
	for _, b := range h.f.broken {
		h.t.Error(b)
	}
	h.onDisk()
	final := h.f.blocks[h.f.head(send.Final)]
	for _, in := range h.plans {
		if n := h.f.effects(in.ID); n > 1 {
			h.t.Errorf("%s happened %d times", in.ID, n)
		}
		overtaken := h.status(in.ID).Phase == send.PhaseOvertaken
		if !overtaken && !final.held[in.ID] {
			h.t.Errorf("%s is not in the contract at the final head", in.ID)
		}
		if overtaken && (final.held[in.ID] || !final.late[in.ID]) {
			h.t.Errorf("%s is given up although it happened or still can", in.ID)
		}
	}
}

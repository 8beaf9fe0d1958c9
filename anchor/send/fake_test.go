package send_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
)

// fake is a small chain: accounts with one key, a pool, blocks, a final head two
// blocks behind, and a contract that ignores what it holds already and refuses what
// comes too late. With expiry
// it has Tron's rules instead of nonces. It checks on every broadcast that an
// intent has at most one payload that may still land.
type fake struct {
	expiry time.Duration // 0: nonces
	now    time.Time
	blocks []block
	final  int           // height of the final head; never falls
	pool   map[string]tx // by id
	floor  int           // pool and blocks take no lower fee
	behind int           // blocks by which the account's nonce is behind
	pooled bool          // the account's nonce counts the pool, as eth_getTransactionCount("pending") does
	revert map[string]int
	failed map[string]bool // intents that were let fail
	sent   map[string]tx   // all that ever came in, by id

	still  bool                            // the same call with the same nonce and fee is the same transaction
	odd    func(send.Outcome) send.Outcome // what Look says instead
	late   bool                            // that every intent is too late
	held   bool                            // that every change has happened
	alone  bool                            // of several nodes one answers
	deaf   bool                            // of several nodes one answers what became of transactions
	calls  int
	arms   int
	fault  func(call int, name string) fault
	broken []string // violated invariants
	lost   bool     // the journal was lost: two payloads of an intent may be alive
}

type tx struct {
	Intent  string
	Nonce   uint64
	Fee     int
	Expires time.Time
	Made    time.Time
}

type block struct {
	time time.Time
	txs  []mined
	held map[string]bool
	late map[string]bool // intents that the contract refuses from here on
}

type mined struct {
	id       string
	tx       tx
	reverted bool
	effect   bool
}

// fault is what goes wrong around a call.
type fault int

const (
	none      fault = iota
	failed          // not done, error
	doneError       // done, error
	crashIn         // the process dies before the call
	crashOut        // the process dies after it
)

type crash struct{}

const finalDepth = 2

var errNode = errors.New("node is ill")

func newFake(expiry time.Duration) *fake {
	return &fake{
		expiry: expiry, now: time.Unix(1_700_000_000, 0), blocks: []block{{}},
		pool: map[string]tx{}, sent: map[string]tx{}, revert: map[string]int{}, failed: map[string]bool{},
		fault: func(int, string) fault { return none },
	}
}

func (f *fake) ID() string { return "eip155:7" }

// around runs do with the fault that is due.
func (f *fake) around(name string, do func() error) error {
	f.calls++
	kind := f.fault(f.calls, name)
	switch kind {
	case failed:
		return errNode
	case crashIn:
		panic(crash{})
	}
	err := do()
	switch kind {
	case doneError:
		return errNode
	case crashOut:
		panic(crash{})
	}
	return err
}

func (f *fake) head(at send.Head) int {
	if at == send.Final {
		return f.final
	}
	return len(f.blocks) - 1
}

func (f *fake) Holds(_ context.Context, in send.Intent, at send.Head) (held bool, err error) {
	err = f.around("holds", func() error {
		if f.alone && at == send.Final {
			return send.ErrAlone
		}
		b := f.blocks[f.head(at)]
		held = b.held[in.ID] || f.held
		if bytes.Equal(in.Check, in.Late) {
			held = b.late[in.ID] || f.late
		}
		return nil
	})
	return held, err
}

// nonce is the account's at a block.
func (f *fake) nonce(height int) (n uint64) {
	for _, b := range f.blocks[:height+1] {
		n += uint64(len(b.txs))
	}
	return n
}

func (f *fake) Arm(_ context.Context, in send.Intent, earlier []send.Attempt, inUse []uint64) (a send.Attempt, err error) {
	f.arms++
	err = f.around("arm", func() error {
		t := tx{Intent: in.ID, Fee: f.floor, Made: f.now}
		switch {
		case f.expiry > 0:
			if len(earlier) > 0 {
				f.broken = append(f.broken, "armed beside a live attempt that only expires")
			}
			t.Expires = f.now.Add(f.expiry)
		case len(earlier) > 0:
			last := decode(earlier[len(earlier)-1].Raw)
			t.Nonce, t.Fee = last.Nonce, max(last.Fee+1, f.floor)
		default:
			t.Nonce = f.nonce(max(0, f.head(send.Latest)-f.behind))
			if f.pooled {
				t.Nonce += uint64(len(f.pool))
			}
			for slices.Contains(inUse, t.Nonce) {
				t.Nonce++
			}
		}
		if f.still {
			t.Made = time.Time{}
		}
		raw, err := json.Marshal(t)
		id := sha256.Sum256(raw)
		a = send.Attempt{ID: id[:], Raw: raw, Nonce: t.Nonce, Expires: t.Expires, Most: fmt.Sprint(t.Fee), Made: f.now}
		return err
	})
	return a, err
}

func decode(raw []byte) (t tx) {
	if err := json.Unmarshal(raw, &t); err != nil {
		panic(err)
	}
	return t
}

func (f *fake) Send(_ context.Context, a send.Attempt) error {
	return f.around("send", func() error {
		t, id := decode(a.Raw), string(a.ID)
		f.sent[id] = t
		f.checkLive(t, id)
		switch o := f.outcome(id, t); {
		case o.State == send.StateDead:
			return errors.New("nonce too low")
		case o.State != send.StateUnknown:
			return errors.New("already known")
		case t.Fee < f.floor:
			return errors.New("underpriced")
		}
		if f.expiry == 0 {
			for other, o := range f.pool {
				if o.Nonce != t.Nonce {
					continue
				}
				if t.Fee <= o.Fee {
					return errors.New("replacement underpriced")
				}
				delete(f.pool, other)
			}
		}
		f.pool[id] = t
		return nil
	})
}

// checkLive: of the payloads of one intent that may still land, all share a
// nonce; without nonces there is one.
func (f *fake) checkLive(t tx, id string) {
	for other, o := range f.sent {
		out := f.outcome(other, o)
		ended := out.State == send.StateDead || out.State == send.StateReverted && out.Final
		if other == id || o.Intent != t.Intent || ended || f.lost {
			continue
		}
		if f.expiry > 0 || o.Nonce != t.Nonce {
			f.broken = append(f.broken, fmt.Sprintf("two live payloads of %s", t.Intent))
		}
	}
}

func (f *fake) Look(_ context.Context, a send.Attempt) (o send.Outcome, err error) {
	err = f.around("look", func() error {
		o = f.outcome(string(a.ID), decode(a.Raw))
		if f.odd != nil {
			o = f.odd(o)
		}
		if !f.alone && !f.deaf {
			return nil
		}
		if o.Final = false; o.State == send.StateDead {
			o.State = send.StateUnknown
		}
		return send.ErrAlone
	})
	return o, err
}

func (f *fake) outcome(id string, t tx) send.Outcome {
	final := f.head(send.Final)
	for h, b := range f.blocks {
		for _, m := range b.txs {
			if m.id == id {
				o := send.Outcome{State: send.StateMined, Final: h <= final, Block: uint64(h),
					BlockHash: fmt.Appendf(nil, "%d/%v", h, b.time.UnixNano()), Cost: 100, Fee: fmt.Sprint(m.tx.Fee)}
				if m.reverted {
					o.State = send.StateReverted
				}
				return o
			}
		}
	}
	switch _, pooled := f.pool[id]; {
	case f.expiry > 0 && f.blocks[final].time.After(t.Expires):
		return send.Outcome{State: send.StateDead}
	case f.expiry == 0 && t.Nonce < f.nonce(final):
		return send.Outcome{State: send.StateDead}
	case pooled:
		return send.Outcome{State: send.StatePending}
	}
	return send.Outcome{}
}

// mine puts what the pool holds into a new block.
func (f *fake) mine(after time.Duration) {
	f.now = f.now.Add(after)
	f.add(f.next())
	last := &f.blocks[len(f.blocks)-1]
	for again := true; again; {
		again = false
		for _, id := range slices.Sorted(maps.Keys(f.pool)) {
			t := f.pool[id]
			switch {
			case f.expiry == 0 && t.Nonce < f.nonce(len(f.blocks)-1), f.expiry > 0 && !f.now.Before(t.Expires):
				delete(f.pool, id)
				continue
			case f.expiry == 0 && t.Nonce > f.nonce(len(f.blocks)-1), t.Fee < f.floor:
				continue
			}
			delete(f.pool, id)
			m := mined{id: id, tx: t, effect: !last.held[t.Intent]}
			switch {
			case last.late[t.Intent] && !last.held[t.Intent]:
				m.reverted, m.effect = true, false
			case f.revert[t.Intent] > 0:
				f.revert[t.Intent]--
				m.reverted, m.effect = true, false
			default:
				last.held[t.Intent] = true
			}
			last.txs = append(last.txs, m)
			again = true
		}
	}
}

// deliver makes the change happen by somebody else's hand in a block of its own.
func (f *fake) deliver(intent string) {
	b := f.next()
	b.held[intent] = true
	f.add(b)
}

// overtake makes it too late for an intent that has not happened, in a block of its
// own: another change came first.
func (f *fake) overtake(intent string) {
	b := f.next()
	b.late[intent] = true
	f.add(b)
}

// next is an empty block on the newest one.
func (f *fake) next() block {
	last := f.blocks[len(f.blocks)-1]
	b := block{time: f.now, held: maps.Clone(last.held), late: maps.Clone(last.late)}
	if b.held == nil {
		b.held = map[string]bool{}
	}
	if b.late == nil {
		b.late = map[string]bool{}
	}
	return b
}

func (f *fake) add(b block) {
	f.blocks = append(f.blocks, b)
	f.final = max(f.final, len(f.blocks)-1-finalDepth)
}

// reorg drops blocks that are not final; their transactions go back to the pool
// or are forgotten.
func (f *fake) reorg(depth int, keep bool) {
	depth = min(depth, len(f.blocks)-1-f.final)
	gone := f.blocks[len(f.blocks)-depth:]
	f.blocks = f.blocks[:len(f.blocks)-depth]
	for _, b := range gone {
		for _, m := range b.txs {
			if keep {
				f.pool[m.id] = m.tx
			}
		}
	}
}

// effects counts how often an intent's change was made by our transactions.
func (f *fake) effects(intent string) (n int) {
	for _, b := range f.blocks {
		for _, m := range b.txs {
			if m.tx.Intent == intent && m.effect {
				n++
			}
		}
	}
	return n
}

// paid counts the transactions in blocks.
func (f *fake) paid() (n int) {
	for _, b := range f.blocks {
		n += len(b.txs)
	}
	return n
}

package index

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/gateway/submit"
)

// Places in which an account's money is. Outside is everybody else's account.
const (
	Outside  = "outside"
	Balance  = "balance"  // can be spent
	Held     = "held"     // set aside for a job, or as its deposit
	Pending  = "pending"  // credited in epochs that are not folded
	Due      = "due"      // folded, and not assigned to a vault
	Assigned = "assigned" // to an account on a public chain, which claims it there
)

// Totals are what an account has in each place.
type Totals struct {
	Balance  reward.Sum `json:"balance"`
	Held     reward.Sum `json:"held"`
	Pending  reward.Sum `json:"pending"`
	Due      reward.Sum `json:"due"`
	Assigned reward.Sum `json:"assigned"`
}

func (t *Totals) of(place string) *reward.Sum {
	switch place {
	case Balance:
		return &t.Balance
	case Held:
		return &t.Held
	case Pending:
		return &t.Pending
	case Due:
		return &t.Due
	case Assigned:
		return &t.Assigned
	}
	return nil
}

// Line is one movement of an account's money: Amount went from one place to another.
type Line struct {
	Kind   string     `json:"kind"` // why: the kinds are those of docs/formats/statement.md
	From   string     `json:"from"`
	To     string     `json:"to"`
	Amount reward.Sum `json:"amount"`
	After  Totals     `json:"after"` // once it had gone

	Block       uint64 `json:"block"`
	Transaction string `json:"transaction"`
	Time        uint64 `json:"time"`

	Operation string `json:"operation,omitzero"` // reference of what moved it, or the id of a funding
	Other     string `json:"other,omitzero"`     // DID of the other side
	Epoch     uint64 `json:"epoch,omitzero"`
	Job       string `json:"job,omitzero"`
	Role      string `json:"role,omitzero"` // as settlements have it
	Fate      string `json:"fate,omitzero"`
	Source    string `json:"source,omitzero"` // hold or deposit
	Verdict   string `json:"verdict,omitzero"`
	Reason    string `json:"reason,omitzero"`
	Policy    uint64 `json:"policy,omitzero"` // version of the policy of jobs
	Grant     string `json:"grant,omitzero"`
	Record    string `json:"record,omitzero"`
	Version   uint64 `json:"version,omitzero"` // of the record
}

// mover collects the lines of one transaction.
type mover struct {
	*taker
	block   uint64
	tx      string
	network string
	writes  map[string][]byte // of this transaction, what is deleted as nil
	before  map[string][]byte // of the keys that money names
}

// account is whose money of which asset.
type account struct {
	id    ledger.ID
	asset string
}

// move enters what a transaction did to everybody's money. Within a transaction what
// comes in stands before what goes out: which of its operations ran first does not matter
// to the sums, and is not in its writes.
func (t *taker) move(network string, block uint64, tx *submit.Committed) error {
	m := &mover{taker: t, block: block, tx: tx.ID, network: network, writes: map[string][]byte{}, before: map[string][]byte{}}
	var keys []string
	for _, w := range tx.Writes {
		value := w.Value
		if w.Delete {
			value = nil
		}
		if money(w.Key) {
			before, err := t.keep(w.Key, value)
			if err != nil {
				return err
			}
			m.before[w.Key] = before
		}
		m.writes[w.Key] = value
		keys = append(keys, w.Key)
	}
	slices.Sort(keys)
	for _, step := range []struct {
		prefix string
		enter  func(key string) error
	}{
		{"fund/", m.funded}, {"hold/", m.givenBack}, {"hold/", m.setAside}, {"op/", m.paid}, {"use/", m.used},
		{"settlement/", m.settled}, {"late/", m.late}, {"emission/day/", m.emitted}, {"fold/", m.folded}, {"balance/", m.agrees},
	} {
		for _, key := range keys {
			if !strings.HasPrefix(key, step.prefix) {
				continue
			}
			if err := step.enter(key); err != nil {
				return fmt.Errorf("%.100q: %w", key, err)
			}
		}
	}
	return nil
}

// unexplained is the kind of lines that stand for what this program does not know of.
const unexplained = "unexplained"

// enter adds a line to an account. What it takes from a place that has less comes there
// first by a line that says that nothing explains it: so totals never fall below zero, and
// whoever reads the statement sees that something is missing.
func (m *mover) enter(a account, l Line) error {
	totals, err := m.totals(a)
	if err != nil {
		return err
	}
	if from := totals.of(l.From); from != nil && from.Cmp(l.Amount) < 0 {
		short, err := l.Amount.Less(*from)
		if err != nil {
			return err
		}
		if err := m.enter(a, Line{Kind: unexplained, From: Outside, To: l.From, Amount: short}); err != nil {
			return err
		}
	}
	if from := totals.of(l.From); from != nil {
		if *from, err = from.Less(l.Amount); err != nil {
			return err
		}
	}
	if to := totals.of(l.To); to != nil {
		*to = to.Add(l.Amount)
	}
	l.After, l.Block, l.Transaction, l.Time = *totals, m.block, m.tx, m.time
	value, err := json.Marshal(l, json.Deterministic(true))
	if err != nil {
		return err
	}
	m.touched[a] = true
	return m.exec(`INSERT INTO lines(account, asset, time, value) VALUES(?, ?, ?, ?)`, a.id[:], a.asset, int64(m.time), value)
}

// totals are an account's, in memory until the group of blocks is entered.
func (t *taker) totals(a account) (*Totals, error) {
	if had := t.accounts[a]; had != nil {
		return had, nil
	}
	totals := new(Totals)
	var stored []byte
	if err := t.row(`SELECT totals FROM accounts WHERE account = ? AND asset = ?`, []any{&stored}, a.id[:], a.asset); err != nil {
		return nil, err
	}
	if stored != nil {
		if err := json.Unmarshal(stored, totals, json.RejectUnknownMembers(true)); err != nil {
			return nil, err
		}
	}
	t.accounts[a] = totals
	return totals, nil
}

// keepAccounts writes what accounts have come to.
func (t *taker) keepAccounts() error {
	for _, a := range sorted(t.touched) {
		value, err := json.Marshal(t.accounts[a], json.Deterministic(true))
		if err != nil {
			return err
		}
		err = t.exec(`INSERT INTO accounts(account, asset, totals) VALUES(?, ?, ?) ON CONFLICT(account, asset) DO UPDATE SET totals = excluded.totals`, a.id[:], a.asset, value)
		if err != nil {
			return err
		}
	}
	return nil
}

func sumOf(a reward.Amount) reward.Sum { return reward.Sum{Lo: uint64(a)} }

func (m *mover) name(id ledger.ID) string { return did.String(m.network, id) }

func (m *mover) funded(key string) error {
	asset, lines, err := reward.DecodeFunding(m.writes[key])
	for _, l := range lines {
		line := Line{Kind: "funded", From: Outside, To: Balance, Amount: sumOf(l.Amount), Operation: key[len("fund/"):]}
		if err := m.enter(account{l.Payee, asset}, line); err != nil {
			return err
		}
	}
	return err
}

// hold reads a hold and what it was before the transaction.
func (m *mover) hold(key string) (now, was *reward.Hold, err error) {
	if now, err = reward.DecodeHold(m.writes[key]); err != nil {
		return nil, nil, err
	}
	was = new(reward.Hold)
	if before := m.before[key]; before != nil {
		was, err = reward.DecodeHold(before)
	}
	return now, was, err
}

// givenBack enters what a hold that was there before gives back, or gives away.
func (m *mover) givenBack(key string) error {
	now, was, err := m.hold(key)
	if err != nil || was.Amount == 0 {
		return err
	}
	return m.released(key, now, was)
}

func (m *mover) released(key string, now, was *reward.Hold) error {
	ref := key[len("hold/"):]
	a := account{now.Owner, now.Asset}
	job, err := m.jobOf(ref)
	if err != nil {
		return err
	}
	if more := now.Paid - was.Paid; more > 0 {
		l := Line{Kind: "charged", From: Held, To: Outside, Operation: ref, Job: job, Source: sourceOf(ref, job)}
		if err := m.charged(a, l, more); err != nil {
			return err
		}
	}
	if more := now.Returned - was.Returned; more > 0 {
		l := Line{Kind: "refunded", From: Held, To: Balance, Amount: sumOf(more), Operation: ref, Job: job, Source: sourceOf(ref, job)}
		if err := m.verdict(&l); err != nil {
			return err
		}
		return m.enter(a, l)
	}
	return nil
}

// charged enters what a hold pays: what the settlement takes of it, and then what a second
// quote does. Both can be of one transaction, and each has its own reason.
func (m *mover) charged(a account, l Line, more reward.Amount) error {
	late, err := m.quoted(&l)
	if err != nil {
		return err
	}
	var taken reward.Amount
	if late != nil {
		taken = min(late.Amount, more)
	}
	if settled := more - taken; settled > 0 {
		l.Amount = sumOf(settled)
		if err := m.verdict(&l); err != nil {
			return err
		}
		if err := m.enter(a, l); err != nil {
			return err
		}
	}
	if taken == 0 {
		return nil
	}
	l.Amount = sumOf(taken)
	if err := m.forTwoOutputs(&l, late); err != nil {
		return err
	}
	return m.enter(a, l)
}

// setAside enters new holds, those first that gave everything back at once.
func (m *mover) setAside(key string) error {
	now, was, err := m.hold(key)
	if err != nil || was.Amount != 0 {
		return err
	}
	ref := key[len("hold/"):]
	job, err := m.jobOf(ref)
	if err != nil {
		return err
	}
	l := Line{Kind: "set aside", From: Balance, To: Held, Amount: sumOf(now.Amount), Operation: ref, Job: job, Source: sourceOf(ref, job)}
	if err := m.enter(account{now.Owner, now.Asset}, l); err != nil {
		return err
	}
	return m.released(key, now, was)
}

// sourceOf tells the money of a job from the deposit on it.
func sourceOf(hold, job string) string {
	if hold == job {
		return "hold"
	}
	return "deposit"
}

// jobOf returns the job for which money was set aside: the hold of a job has its name,
// that of a deposit is named by the job's round.
func (m *mover) jobOf(hold string) (string, error) {
	var job string
	err := m.row(`SELECT job FROM deposits WHERE hold = ?`, []any{&job}, hold)
	if err != nil || job != "" {
		return job, err
	}
	for key, value := range m.writes {
		ref, ok := strings.CutPrefix(key, "round/")
		if !ok {
			continue
		}
		r, err := attest.DecodeRound(value)
		if err != nil {
			return "", err
		}
		if r.Accepted.String() == hold && r.Deposit > 0 {
			return ref, m.exec(`INSERT INTO deposits(hold, job) VALUES(?, ?)`, hold, ref)
		}
	}
	return hold, nil
}

// verdict adds what became of the line's job, if anything has.
func (m *mover) verdict(l *Line) error {
	value, err := m.kept(attest.SettlementKey(l.Job))
	if value == nil || err != nil {
		return err
	}
	s, err := attest.DecodeSettlement(value)
	if err != nil {
		return err
	}
	l.Verdict, l.Reason, l.Policy, l.Epoch = s.Verdict.String(), s.Reason.String(), s.Policy, s.Epoch
	return nil
}

// quoted returns the second quote that this transaction brought after the settlement, nil
// when it brought none or the line is not of the deposit.
func (m *mover) quoted(l *Line) (*attest.Late, error) {
	value := m.writes[attest.LateKey(l.Job)]
	if value == nil || l.Source != sourceNames[attest.FromDeposit] {
		return nil, nil
	}
	return attest.DecodeLate(value)
}

// forTwoOutputs is verdict for what a second quote takes after the settlement.
func (m *mover) forTwoOutputs(l *Line, late *attest.Late) error {
	if err := m.verdict(l); err != nil {
		return err
	}
	l.Verdict, l.Reason, l.Epoch = attest.Malicious.String(), attest.TwoOutputs.String(), late.Epoch
	return nil
}

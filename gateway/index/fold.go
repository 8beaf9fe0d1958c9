package index

import (
	"bytes"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// folded enters what a page of folding did: credits of the epoch became due, and dues were
// assigned to vaults. One page may do both for the same payee, and writes only what is
// left.
func (m *mover) folded(key string) error {
	was, err := reward.DecodeFold(m.before[key])
	if err != nil {
		return err
	}
	now, err := reward.DecodeFold(m.writes[key])
	if err != nil {
		return err
	}
	added, err := m.passed(was, now)
	if err != nil {
		return err
	}
	for key := range m.writes {
		if a, ok := dueOf(key); ok {
			if _, had := added[a]; !had {
				added[a] = reward.Sum{}
			}
		}
	}
	for _, a := range sorted(added) {
		if err := m.fold(a, added[a], was.Epoch()); err != nil {
			return err
		}
	}
	return nil
}

// fold enters the two movements of one account.
func (m *mover) fold(a account, added reward.Sum, epoch uint64) error {
	if !added.IsZero() {
		if err := m.enter(a, Line{Kind: "folded", From: Pending, To: Due, Amount: added, Epoch: epoch}); err != nil {
			return err
		}
	}
	value, err := m.kept("due/" + a.id.String() + "/" + a.asset)
	if err != nil {
		return err
	}
	left, err := reward.DecodeDue(value)
	if err != nil {
		return err
	}
	totals, err := m.totals(a)
	if err != nil {
		return err
	}
	if totals.Due.Cmp(left) <= 0 {
		return nil
	}
	assigned, err := totals.Due.Less(left)
	if err != nil {
		return err
	}
	return m.enter(a, Line{Kind: "assigned", From: Due, To: Assigned, Amount: assigned, Epoch: epoch})
}

// passed sums the credits over which folding went, by account.
func (m *mover) passed(was, now reward.FoldPlace) (map[account]reward.Sum, error) {
	sums := map[account]reward.Sum{}
	from, to := now.Postings(was)
	s, err := m.statement(`SELECT key, value FROM money WHERE key >= ? AND key < ? ORDER BY key`)
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var value []byte
		if err := rows.Scan(&key, &value); err != nil {
			return nil, err
		}
		if was.Passed(key) || !now.Passed(key) {
			continue
		}
		p, err := reward.DecodePosting(key, value)
		if err != nil {
			return nil, err
		}
		for _, l := range p.Lines {
			a := account{l.Payee, p.Asset}
			sums[a] = sums[a].Plus(l.Amount)
		}
	}
	return sums, rows.Err()
}

// dueOf reads the key of what is due.
func dueOf(key string) (account, bool) {
	rest, ok := strings.CutPrefix(key, "due/")
	id, asset, both := strings.Cut(rest, "/")
	if !ok || !both {
		return account{}, false
	}
	parsed, err := ledger.ParseID(id)
	return account{parsed, asset}, err == nil
}

func sorted[V any](by map[account]V) []account {
	list := make([]account, 0, len(by))
	for a := range by {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b account) int {
		if c := bytes.Compare(a.id[:], b.id[:]); c != 0 {
			return c
		}
		return strings.Compare(a.asset, b.asset)
	})
	return list
}

// agrees compares a balance that the transaction wrote with what its lines come to. What
// differs gets a line of its own, so that a statement always ends with the ledger's
// balance and shows what this program cannot explain.
func (m *mover) agrees(key string) error {
	id, asset, _ := strings.Cut(key[len("balance/"):], "/")
	parsed, err := ledger.ParseID(id)
	if err != nil {
		return err
	}
	stored, err := reward.DecodeBalance(m.writes[key])
	if err != nil {
		return err
	}
	a := account{parsed, asset}
	totals, err := m.totals(a)
	if err != nil {
		return err
	}
	switch want := sumOf(stored); want.Cmp(totals.Balance) {
	case 1:
		more, err := want.Less(totals.Balance)
		if err != nil {
			return err
		}
		return m.enter(a, Line{Kind: unexplained, From: Outside, To: Balance, Amount: more})
	case -1:
		less, err := totals.Balance.Less(want)
		if err != nil {
			return err
		}
		return m.enter(a, Line{Kind: unexplained, From: Balance, To: Outside, Amount: less})
	}
	return nil
}

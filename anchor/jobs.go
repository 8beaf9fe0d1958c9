package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// openJob is a job that is not settled yet.
type openJob struct {
	ref     string
	expires uint64 // time until which it may be accepted
	round   attest.Round
}

// turn spreads jobs, and what else has a reference, over the members.
func (j openJob) turn() uint64 {
	const at = len("00000000-") // the op id begins there
	n, _ := strconv.ParseUint(j.ref[at:at+2], 16, 8)
	return n
}

// job keeps jobs until they are settled, and holds of which something is owed to their
// owners. What is over is of no use to the anchor.
func (w *indexer) job(kind, ref string, value []byte) error {
	switch kind {
	case "job":
		j, err := attest.DecodeJob(value)
		if err != nil {
			return err
		}
		return w.exec(`INSERT OR IGNORE INTO job VALUES (?, ?, NULL)`, ref, int64(j.Expires))
	case "round":
		r, err := attest.DecodeRound(value)
		if err != nil {
			return err
		}
		if r.Phase == attest.Closed {
			return w.exec(`DELETE FROM job WHERE ref = ?`, ref)
		}
		return w.exec(`UPDATE job SET round = ? WHERE ref = ?`, value, ref)
	}
	h, err := reward.DecodeHold(value)
	if err != nil {
		return err
	}
	key := owedPrefix(h.Due) + ref // Due stays as it is once the hold is released
	if h.Status != reward.HoldReleased || h.Left() == 0 {
		return w.exec(`DELETE FROM state WHERE key = ?`, key)
	}
	return w.exec(`INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
}

// owedPrefix begins the keys of holds of which something is owed to their owners, in the
// order in which they are due by the checkpoints' clock.
func owedPrefix(due uint64) string { return fmt.Sprintf("hold/%016x/", due) }

// owed returns the holds that are due by the clock, and when the first of the others is; 0
// when there is none.
func (x *index) owed(ctx context.Context, elapsed uint64) (holds []string, next uint64, err error) {
	due, err := x.values(ctx, `key >= ? AND key < ?`, owedPrefix(0), owedPrefix(elapsed+1))
	if err != nil {
		return nil, 0, err
	}
	for key := range due {
		holds = append(holds, key[len(owedPrefix(0)):])
	}
	var first string
	err = x.db.QueryRowContext(ctx, `SELECT key FROM state WHERE key >= ? AND key < ? ORDER BY key LIMIT 1`, owedPrefix(elapsed+1), "hold0").Scan(&first)
	first, ok, err := found(first, err)
	if err != nil || !ok {
		return holds, 0, err
	}
	next, err = strconv.ParseUint(first[len("hold/"):len(owedPrefix(0))-1], 16, 64)
	return holds, next, err
}

// openJobs returns the jobs that are not settled yet.
func (x *index) openJobs(ctx context.Context) ([]openJob, error) {
	rows, err := x.db.QueryContext(ctx, `SELECT ref, expires, round FROM job ORDER BY ref`)
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}
	defer rows.Close()
	var all []openJob
	for rows.Next() {
		var j openJob
		var expires int64
		var round []byte
		if err := rows.Scan(&j.ref, &expires, &round); err != nil {
			return nil, fmt.Errorf("read jobs: %w", err)
		}
		j.expires = uint64(expires)
		if round != nil {
			r, err := attest.DecodeRound(round)
			if err != nil {
				return nil, fmt.Errorf("round of %s: %w", j.ref, err)
			}
			j.round = *r
		}
		all = append(all, j)
	}
	return all, rows.Err()
}

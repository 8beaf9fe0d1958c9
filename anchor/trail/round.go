package trail

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// drawn computes the seed again.
func (t *trail) drawn() (string, error) {
	if t.settlement.Seats == 0 {
		return "", nil
	}
	key := checkpoint.DrawKey(t.round.Draw)
	value, err := t.take(key)
	if err != nil {
		return "", err
	}
	d, err := checkpoint.DrawOf(over(key, value), t.round.Draw)
	if err != nil {
		return "", err
	}
	if d == nil {
		return "", fmt.Errorf("%s is no draw", key)
	}
	elements := make([][32]byte, len(d.Elements))
	given := 0
	for i, e := range d.Elements {
		if e.Value != nil {
			elements[i] = *e.Value
			given++
		}
	}
	if d.Number != t.round.Draw || canon.DrawSeed(t.network, d.Number, elements) != d.Seed || given < int(t.settlement.K) {
		return "", fmt.Errorf("draw %d with %d elements does not have this seed", d.Number, given)
	}
	t.draw = d
	return fmt.Sprintf("the seed of draw %d follows from the elements of %d of %d members", d.Number, given, len(elements)), nil
}

// over is a ledger of one key.
func over(key string, value []byte) *ledger.Tx {
	store := new(ledger.Memory)
	_ = store.Put(key, value) // which refuses empty ones only; those are not found then
	return ledger.Begin(store, 0, ledger.Caller{})
}

// seated draws the committee again.
func (t *trail) seated() (string, error) {
	if t.settlement.Seats == 0 {
		if t.Candidates != nil {
			return "", fmt.Errorf("there are candidates and was no committee")
		}
		return "none was drawn", nil
	}
	value, err := t.take(attest.CommitteeKey(t.ref.String()))
	if err != nil {
		return "", err
	}
	c, err := attest.DecodeCommittee(value)
	if err != nil {
		return "", err
	}
	t.committee = c
	switch {
	case t.draw == nil || c.Seed != t.draw.Seed:
		return "", fmt.Errorf("its seed is not that of the draw %d", t.round.Draw)
	case c.All() != int(t.settlement.Seats) || c.K != t.settlement.K || int(c.PerMember) != attest.SeatsOf(int(t.job.Terms.Committee), len(c.Organisations)):
		return "", fmt.Errorf("%d seats of %d organisations, %d of which have to agree: not what job and settlement say", c.All(), len(c.Organisations), c.K)
	}
	d, err := t.drawing(c)
	if err != nil {
		return "", err
	}
	var seats []attest.Seat
	for i, bench := range attest.Committee(d) {
		for _, s := range bench.Sitting() {
			seats = append(seats, attest.Seat{Verifier: s.Verifier, Payee: s.Payee, Organisation: i})
		}
	}
	if !slices.Equal(seats, c.Seats) {
		return "", fmt.Errorf("seed, candidates and licences draw another committee")
	}
	return fmt.Sprintf("%d of %d seats, drawn again from the seed and %d candidates with licences; that nobody was left out for being off duty who was not, depth L3 shows",
		len(c.Seats), c.All(), len(d.Candidates)), nil
}

// drawing gathers what the committee depends on. The candidates are those whose digest the
// committee has.
func (t *trail) drawing(c *attest.Drawn) (*attest.Draw, error) {
	value, err := t.take(govern.LicencesKey)
	if err != nil {
		return nil, err
	}
	licences, err := govern.Licences(over(govern.LicencesKey, value))
	if err != nil {
		return nil, err
	}
	if len(t.Candidates)%20 != 0 {
		return nil, fmt.Errorf("candidates of %d bytes", len(t.Candidates))
	}
	var ids [][20]byte
	for rest := t.Candidates; len(rest) > 0; rest = rest[20:] {
		ids = append(ids, [20]byte(rest))
	}
	if canon.CandidatesDigest(ids...) != c.Candidates {
		return nil, fmt.Errorf("the candidates are not those of whom the committee has the digest")
	}
	d := &attest.Draw{Network: t.network, Seed: c.Seed, Job: t.ref, Operator: t.round.Operator, Size: int(t.job.Terms.Committee)}
	for _, o := range c.Organisations {
		d.Organisations = append(d.Organisations, attest.Organisation{MSP: o.MSP, Withheld: t.draw.Withheld(o.MSP)})
	}
	at := 0
	for i := range licences {
		holder, err := licences[i].Holder()
		if err != nil {
			return nil, err
		}
		if at == len(ids) || holder != ids[at] {
			continue
		}
		if licences[i].Epoch >= t.round.Epoch {
			return nil, fmt.Errorf("the licence of %s was given when the evidence could be known", licences[i].DID)
		}
		payee, err := licences[i].Payee()
		if err != nil {
			return nil, err
		}
		d.Candidates = append(d.Candidates, attest.Candidate{Verifier: holder, Payee: payee, Organisation: licences[i].Organisation})
		at++
	}
	if at < len(ids) {
		return nil, fmt.Errorf("a candidate has no licence")
	}
	return d, nil
}

// ballots opens every commitment with what was revealed.
func (t *trail) ballots() (string, error) {
	if t.committee == nil {
		return "", nil
	}
	committed, revealed := 0, 0
	for _, s := range t.committee.Seats {
		v := attest.Vote{Organisation: s.Organisation}
		ballot, reveal := attest.BallotKey(t.ref.String(), s.Verifier), attest.RevealKey(t.ref.String(), s.Verifier)
		if t.links[ballot] != nil {
			v.Committed = true
			committed++
			value, err := t.take(ballot)
			if err != nil {
				return "", err
			}
			commitment, err := attest.DecodeBallot(value)
			if err != nil {
				return "", err
			}
			if t.links[reveal] != nil {
				if value, err = t.take(reveal); err != nil {
					return "", err
				}
				r, err := attest.DecodeRevealed(value)
				if err != nil {
					return "", err
				}
				if canon.BallotDigest(t.network, t.ref.ID, s.Verifier, uint8(r.Ballot), r.Salt) != commitment {
					return "", fmt.Errorf("the commitment of %s does not open with its ballot and salt", s.Verifier)
				}
				v.Ballot = r.Ballot
				revealed++
			}
		}
		t.votes = append(t.votes, v)
	}
	return fmt.Sprintf("%d commitments of verifiers with seats, %d of them opened by their ballots and salts", committed, revealed), nil
}

// money computes the settlement again, to the last micro-unit.
func (t *trail) money() (string, error) {
	s := t.settlement
	c := &attest.Case{Job: t.job, Round: t.round, Committee: t.committee, Votes: t.votes}
	if rival := attest.RivalKey(t.ref.String()); t.links[rival] != nil {
		if _, err := t.take(rival); err != nil {
			return "", err
		}
		c.Rival = true
	}
	if t.committee == nil {
		if s.Seats > 0 {
			return "", fmt.Errorf("without the committee it cannot be computed")
		}
		c.Ended = attest.Outcome{Verdict: s.Verdict, Reason: s.Reason}
		if !t.plausible() {
			return "", fmt.Errorf("%s (%s) is no end of a round in which no ballots were counted", s.Verdict, s.Reason)
		}
	}
	want, err := c.Settle()
	if err != nil {
		return "", err
	}
	want.Epoch = s.Epoch
	redirected := 0
	for i := range want.Lines {
		if i >= len(s.Lines) {
			break
		}
		// Whom the consortium does not let earn is passed over for the account of residues,
		// and that one for nobody.
		switch l := &s.Lines[i]; {
		case l.Payee == want.Lines[i].Payee:
		case l.Payee == t.job.Terms.Residue && want.Lines[i].Amount > 0:
			want.Lines[i].Payee = l.Payee
			redirected++
		case l.Payee == (ledger.ID{}) && l.Amount == 0:
			back := &want.Refund
			if l.From == attest.FromDeposit {
				back = &want.Returned
			}
			*back += want.Lines[i].Amount
			want.Lines[i].Payee, want.Lines[i].Amount = l.Payee, 0
			redirected++
		}
	}
	if !bytes.Equal(want.Encode(), s.Encode()) {
		return "", fmt.Errorf("verdict, votes, lines and amounts that follow from job, finding and ballots are others: %s (%s) with %d lines, refund %d and %d",
			want.Verdict, want.Reason, len(want.Lines), want.Refund, want.Returned)
	}
	text := fmt.Sprintf("%s (%s) and all %d lines follow from job, finding and ballots", s.Verdict, s.Reason, len(s.Lines))
	if redirected > 0 {
		text += fmt.Sprintf("; %d of them pass over somebody who could not be paid, for which the ledger is believed", redirected)
	}
	return text, nil
}

// plausible takes the ends of rounds that state alone decides.
func (t *trail) plausible() bool {
	v, reason, r := t.settlement.Verdict, t.settlement.Reason, t.round
	switch {
	case v == attest.Cancelled:
		return (reason == attest.ByConsumer || reason == attest.NotAccepted) && r.Deposit == 0
	case v == attest.Expired && reason == attest.NoEvidence:
		return r.Draw == 0 && r.Deposit > 0
	case v == attest.Expired && reason == attest.NoDraw:
		return r.Draw > 0 && r.Finding.Verdict != attest.Malicious
	case v == attest.Malicious:
		return r.Draw > 0 && r.Finding == attest.Finding{Verdict: v, Reason: reason}
	}
	return false
}

// credited looks that each line is in a posting of the settlement's transaction.
func (t *trail) credited() (string, error) {
	s := t.settlement
	posted := map[ledger.ID]reward.Sum{}
	prefix := "post/" + ledger.Hex64(s.Epoch) + "/"
	for _, l := range t.Links {
		key := string(l.Write.Record.Key)
		if !strings.HasPrefix(key, prefix) || l.Block.Number != t.place.Block.Number || l.Tx.Index != t.place.Tx.Index {
			continue
		}
		p, err := reward.DecodePosting(key, l.Write.Value)
		if err != nil {
			return "", err
		}
		if p.Asset != s.Asset {
			continue
		}
		delete(t.unused, key)
		for _, c := range p.Lines {
			posted[c.Payee] = posted[c.Payee].Plus(c.Amount)
		}
	}
	owed := map[ledger.ID]reward.Sum{}
	paid := 0
	for i := range s.Lines {
		l := &s.Lines[i]
		if l.Amount == 0 {
			continue
		}
		paid++
		owed[l.Payee] = owed[l.Payee].Plus(l.Amount)
		if posted[l.Payee].Cmp(owed[l.Payee]) < 0 {
			return "", fmt.Errorf("the postings of the settlement's transaction credit %s %s in epoch %d, its lines up to number %d %s", l.Payee, posted[l.Payee], s.Epoch, i+1, owed[l.Payee])
		}
	}
	return fmt.Sprintf("%d lines are credited by the same transaction, in epoch %d", paid, s.Epoch), nil
}

// identityRoot is the root of the identities that are linked to a DID, as its state has it.
func identityRoot(l *log.Bundle) (string, error) {
	claim, err := l.Claim()
	if err != nil {
		return "", err
	}
	for _, line := range claim.Lines {
		if root, ok := strings.CutPrefix(line, "identity-root "); ok {
			return root, nil
		}
	}
	return "", fmt.Errorf("no identity is linked to the DID as of block %d", l.Block.Number)
}

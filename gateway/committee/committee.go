// Package committee draws the committee of a round again, from what anyone may read, and
// says whether it is the one that a gateway tells of. It believes no gateway and asks
// none.
package committee

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
)

// What came of drawing a committee again.
const (
	Same    = "same"    // the committee is the one that the seed draws
	Differs = "differs" // it is not
	Changed = "changed" // licences or standings are others now: only the seats were checked
)

// Check is the result of drawing a committee again.
type Check struct {
	Result   string   `json:"result"`
	Problems []string `json:"problems,omitempty"`
}

// drawing is a committee that is drawn again.
type drawing struct {
	network  string
	seed     [32]byte
	job      ops.Reference
	draw     attest.Draw
	problems []string
}

func (d *drawing) problem(format string, args ...any) {
	d.problems = append(d.problems, fmt.Sprintf(format, args...))
}

// Redraw draws the committee of a round, which was asked for with explain, again, from its
// seed, the job's id and the licences, and compares what the gateway says of it. What
// cannot be read is an error.
func Redraw(network string, r *client.Round) (*Check, error) {
	d := &drawing{network: network}
	candidates, err := d.read(r)
	if err != nil {
		return nil, err
	}
	c := r.GetCommittee()
	benches := attest.Committee(&d.draw)
	seats := 0
	for i, b := range c.GetBenches() {
		seats += int(b.GetSeats())
		if b.GetSeats() != c.GetBenches()[0].GetSeats() {
			d.problem("%s has another number of seats than the first organisation", b.GetOrganisation())
		}
		if err := d.seats(b); err != nil {
			return nil, err
		}
		if candidates == c.GetCandidates() {
			d.compare(b, &benches[i])
		}
	}
	if seats != int(c.GetSeats()) {
		d.problem("the organisations have %d seats together, the committee %d", seats, c.GetSeats())
	}
	switch {
	case len(d.problems) > 0:
		return &Check{Differs, d.problems}, nil
	case candidates != c.GetCandidates():
		return &Check{Changed, nil}, nil
	}
	return &Check{Result: Same}, nil
}

// Explained is Redraw for who looks at the digests of all who hold a licence: one that is
// not what seed, job and verifier make is a problem too, and so is who is said to be drawn
// and has no seat, or the reverse. Verifier nodes leave this out: what a gateway tells of
// licences is its own word, and must not cost a vote.
func Explained(network string, r *client.Round) (*Check, error) {
	check, err := Redraw(network, r)
	if err != nil {
		return nil, err
	}
	d := &drawing{network: network, problems: check.Problems}
	if _, err := d.read(r); err != nil {
		return nil, err
	}
	for _, b := range r.GetCommittee().GetBenches() {
		for _, o := range b.GetOrder() {
			id, err := did.ParseOn(network, o.GetVerifier())
			if err != nil {
				return nil, fmt.Errorf("verifier: %w", err)
			}
			sum := canon.SeatDigest(network, d.seed, d.job.ID, id)
			if digest := canon.Hex(sum[:]); o.GetDigest() != digest {
				d.problem("the digest of %s is %s, not %s", o.GetVerifier(), digest, o.GetDigest())
			}
			if sits := Seat(r, o.GetVerifier()) != nil; sits != o.GetDrawn() {
				d.problem("%s is said to be drawn: %t, and has a seat: %t", o.GetVerifier(), o.GetDrawn(), sits)
			}
		}
	}
	if len(d.problems) > 0 {
		return &Check{Differs, d.problems}, nil
	}
	return check, nil
}

// read takes what the draw depends on, and returns the digest of the candidates.
func (d *drawing) read(r *client.Round) (candidates string, err error) {
	if d.seed, err = canon.UnHex32(r.GetCommittee().GetSeed()); err != nil {
		return "", fmt.Errorf("seed: %w", err)
	}
	if d.job, err = ops.ParseReference(r.GetId()); err != nil {
		return "", err
	}
	d.draw = attest.Draw{Network: d.network, Seed: d.seed, Job: d.job}
	if d.draw.Operator, err = did.ParseOn(d.network, r.GetOperator()); err != nil {
		return "", fmt.Errorf("operator: %w", err)
	}
	type named struct {
		did string
		attest.Candidate
	}
	var all []named
	for _, b := range r.GetCommittee().GetBenches() {
		d.draw.Organisations = append(d.draw.Organisations, attest.Organisation{MSP: b.GetOrganisation(), Withheld: b.GetWithheld()})
		d.draw.Size += int(b.GetSeats())
		for _, o := range b.GetOrder() {
			id, err := did.ParseOn(d.network, o.GetVerifier())
			if err != nil {
				return "", fmt.Errorf("verifier: %w", err)
			}
			// Who was drawn could be: off duty, or with a new licence, it is since then.
			if o.GetWhy() == "" || o.GetDrawn() {
				all = append(all, named{o.GetVerifier(), attest.Candidate{Verifier: id, Organisation: b.GetOrganisation()}})
			}
		}
	}
	slices.SortFunc(all, func(a, b named) int { return cmp.Compare(a.did, b.did) })
	ids := make([][20]byte, len(all))
	for i := range all {
		d.draw.Candidates, ids[i] = append(d.draw.Candidates, all[i].Candidate), all[i].Verifier
	}
	digest := canon.CandidatesDigest(ids...)
	return canon.Hex(digest[:]), nil
}

// seats checks what can be checked of taken seats without knowing who else there was:
// their digests, and that they ascend.
func (d *drawing) seats(b *client.Bench) error {
	if len(b.GetTaken()) > int(b.GetSeats()) || b.GetWithheld() && len(b.GetTaken()) > 0 {
		d.problem("%s has %d verifiers on %d seats", b.GetOrganisation(), len(b.GetTaken()), b.GetSeats())
	}
	before := ""
	for _, s := range b.GetTaken() {
		id, err := did.ParseOn(d.network, s.GetVerifier())
		if err != nil {
			return fmt.Errorf("verifier: %w", err)
		}
		sum := canon.SeatDigest(d.network, d.seed, d.job.ID, id)
		digest := canon.Hex(sum[:])
		if s.GetDigest() != digest {
			d.problem("the digest of %s is %s, not %s", s.GetVerifier(), digest, s.GetDigest())
		}
		if digest <= before {
			d.problem("%s sits behind one with a larger digest", s.GetVerifier())
		}
		before = digest
	}
	return nil
}

// compare wants those on the seats whom the draw puts there.
func (d *drawing) compare(b *client.Bench, drawn *attest.Bench) {
	want := drawn.Sitting()
	for i := range max(len(want), len(b.GetTaken())) {
		has, should := "nobody", "nobody"
		if i < len(b.GetTaken()) {
			has = b.GetTaken()[i].GetVerifier()
		}
		if i < len(want) {
			should = did.String(d.network, want[i].Verifier)
		}
		if has != should {
			d.problem("seat %d of %s has %s, and the draw puts %s there", i+1, b.GetOrganisation(), has, should)
		}
	}
}

// Seat returns the seat of a verifier in a round's committee, nil when it has none.
func Seat(r *client.Round, verifier string) *client.Seat {
	for _, b := range r.GetCommittee().GetBenches() {
		for _, s := range b.GetTaken() {
			if s.GetVerifier() == verifier {
				return s
			}
		}
	}
	return nil
}

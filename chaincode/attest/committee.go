package attest

import (
	"bytes"
	"slices"
	"sort"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const (
	committeeType = 0x54
	// MaxSeats bounds a committee: closing a round reads three keys for each seat.
	MaxSeats = 512
)

// Candidate is a verifier who may be drawn: its licence is older than the epoch in which
// the evidence came, and it is on duty.
type Candidate struct {
	Verifier     ledger.ID
	Payee        ledger.ID
	Organisation string // MSP id
}

// Organisation is a member, and whether it withheld its element of the draw.
type Organisation struct {
	MSP      string
	Withheld bool
}

// Draw is all that a committee depends on.
type Draw struct {
	Network       string
	Seed          [32]byte // of the draw
	Job           ledger.Reference
	Operator      ledger.ID // who ran the job and has no seat
	Size          int       // seats that the policy wants
	Organisations []Organisation
	Candidates    []Candidate
}

// Bench are the seats of one organisation.
type Bench struct {
	Organisation
	Seats int      // that it has, taken or empty
	Order []Ranked // its candidates in the order in which they were drawn; the first Seats of them sit
}

// Ranked is a candidate with the digest that decides about its place.
type Ranked struct {
	Verifier ledger.ID
	Payee    ledger.ID
	Digest   [32]byte
}

// Sitting are those who were drawn.
func (b *Bench) Sitting() []Ranked {
	if b.Withheld {
		return nil
	}
	return b.Order[:min(b.Seats, len(b.Order))]
}

// SeatsOf returns how many seats each of so many organisations has in a committee of the
// size: the same, and at least one.
func SeatsOf(size, organisations int) int { return max(1, size/max(1, organisations)) }

// Committee draws: it is a pure function that anyone can compute again. Every organisation
// has the same number of seats, and one that withheld its element has nobody on them;
// empty seats count when votes are.
func Committee(d *Draw) []Bench {
	benches := make([]Bench, len(d.Organisations))
	for i, o := range d.Organisations {
		benches[i] = Bench{Organisation: o, Seats: SeatsOf(d.Size, len(d.Organisations))}
		for _, c := range d.Candidates {
			if c.Organisation != o.MSP || c.Verifier == d.Operator {
				continue
			}
			benches[i].Order = append(benches[i].Order, Ranked{c.Verifier, c.Payee, canon.SeatDigest(d.Network, d.Seed, d.Job.ID, c.Verifier)})
		}
		order := benches[i].Order
		sort.Slice(order, func(i, j int) bool {
			a, b := &order[i], &order[j]
			if c := bytes.Compare(a.Digest[:], b.Digest[:]); c != 0 {
				return c < 0
			}
			return bytes.Compare(a.Verifier[:], b.Verifier[:]) < 0
		})
	}
	return benches
}

// Seat is a place of a committee that is taken.
type Seat struct {
	Verifier     ledger.ID
	Payee        ledger.ID
	Organisation int // its place among the organisations
}

// Drawn is the committee of a job as it is stored, for good.
type Drawn struct {
	Seed          [32]byte
	Checkpoint    uint64   // that was the newest when it was drawn
	Candidates    [32]byte // digest of all who could be drawn
	PerMember     uint16   // seats of each organisation
	K             uint16   // organisations that have to agree
	Organisations []Organisation
	Seats         []Seat // by organisation, in the order in which they were drawn
}

// CommitteeKey returns the state key of a job's committee.
func CommitteeKey(job string) string { return "committee/" + job }

// All is the number of seats, taken or empty.
func (d *Drawn) All() int { return int(d.PerMember) * len(d.Organisations) }

// seat returns the place of a verifier, -1 when it has none.
func (d *Drawn) seat(id ledger.ID) int {
	return slices.IndexFunc(d.Seats, func(s Seat) bool { return s.Verifier == id })
}

// Encode returns the layout of docs/formats/job.md.
func (d *Drawn) Encode() []byte {
	b := canon.NewRecord(committeeType).Fixed(d.Seed[:]).U64(d.Checkpoint).Fixed(d.Candidates[:])
	b.U16(d.PerMember).U16(d.K).U8(uint8(len(d.Organisations)))
	at := 0
	for i, o := range d.Organisations {
		b.Var8([]byte(o.MSP)).U8(flag(o.Withheld))
		end := at
		for end < len(d.Seats) && d.Seats[end].Organisation == i {
			end++
		}
		b.U16(uint16(end - at))
		for _, s := range d.Seats[at:end] {
			b.Fixed(s.Verifier[:]).Fixed(s.Payee[:])
		}
		at = end
	}
	return b.Bytes()
}

func flag(is bool) uint8 {
	if is {
		return 1
	}
	return 0
}

// DecodeCommittee reads a stored committee. Errors: fault.Malformed, fault.TrailingData.
func DecodeCommittee(data []byte) (*Drawn, error) {
	b := canon.OpenRecord(data, committeeType)
	d := &Drawn{Seed: b.Hash(), Checkpoint: b.U64(), Candidates: b.Hash(), PerMember: b.U16(), K: b.U16()}
	bad := false
	for i := range int(b.U8()) {
		msp, withheld, taken := string(b.Var8()), b.U8(), b.U16()
		d.Organisations = append(d.Organisations, Organisation{msp, withheld == 1})
		bad = bad || withheld > 1 || taken > d.PerMember || withheld == 1 && taken > 0 || len(d.Seats) > MaxSeats
		for range taken {
			if bad {
				break
			}
			d.Seats = append(d.Seats, Seat{readID(b), readID(b), i})
		}
	}
	if err := b.Done(); err != nil {
		return nil, err
	}
	if bad || d.All() < 1 || len(d.Seats) > MaxSeats {
		return nil, fault.New(fault.Malformed, "a committee of %d", d.All())
	}
	return d, nil
}

// readCommittee returns the committee of a job, nil before it is drawn.
func readCommittee(tx *ledger.Tx, job string) (*Drawn, error) {
	stored, err := tx.Get(CommitteeKey(job))
	if stored == nil || err != nil {
		return nil, err
	}
	return DecodeCommittee(stored)
}

package attest

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const (
	ballotType = 0x55
	revealType = 0x56
)

// Verdict is what evidence is found to be: by a verifier, by chaincode, or in the end.
type Verdict uint8

// The verdicts. A ballot is one of the first three.
const (
	Undecided Verdict = iota
	Valid
	Invalid   // it cannot be read, or is not good enough
	Malicious // it was made to deceive
	Expired   // there was no evidence, no draw, or no majority
	Cancelled // by the consumer, or by nobody's acceptance
)

var verdictNames = [...]string{"undecided", "valid", "invalid", "malicious", "expired", "cancelled"}

// String returns the word for a verdict.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return "unknown"
}

// ParseBallot reads the word for a ballot. Errors: fault.InvalidValue.
func ParseBallot(word string) (Verdict, error) {
	for v := Valid; v <= Malicious; v++ {
		if v.String() == word {
			return v, nil
		}
	}
	return 0, fault.New(fault.InvalidValue, "ballot is one of valid, invalid, malicious")
}

// BallotKey returns the state key of a verifier's commitment, and RevealKey that of what
// it revealed. Nobody else's operation reads either before the round is closed.
func BallotKey(job string, verifier ledger.ID) string {
	return "ballot/" + job + "/" + verifier.String()
}

// RevealKey returns the state key of the ballot that a verifier revealed.
func RevealKey(job string, verifier ledger.ID) string {
	return "reveal/" + job + "/" + verifier.String()
}

// Commit is the body of attest.commit.
type Commit struct {
	Job        string `json:"job"`
	Commitment string `json:"commitment"` // 64 hex digits: canon.BallotDigest

	commitment [32]byte // set by Check
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (c *Commit) Check(ledger.Call) (err error) {
	if c.commitment, err = canon.UnHex32(c.Commitment); err != nil {
		return fault.New(fault.InvalidValue, "commitment: %s", fault.Text(err))
	}
	_, err = checkJob(c.Job)
	return err
}

// Keys returns the state keys that Apply reads.
func (c *Commit) Keys(call ledger.Call) []string {
	return []string{RoundKey(c.Job), CommitteeKey(c.Job), BallotKey(c.Job, call.Actor)}
}

// Apply notes what a drawn verifier commits to, once. Errors: fault.WrongPhase,
// fault.NotDrawn, fault.AlreadyDone.
func (c *Commit) Apply(tx *ledger.Tx, call ledger.Call) error {
	if err := mayVote(tx, c.Job, call.Actor, Committing); err != nil {
		return err
	}
	key := BallotKey(c.Job, call.Actor)
	had, err := tx.Has(key)
	if err != nil {
		return err
	}
	if had {
		return fault.New(fault.AlreadyDone, "a ballot is committed to once")
	}
	tx.Put(key, canon.NewRecord(ballotType).Fixed(c.commitment[:]).Bytes())
	return nil
}

// mayVote refuses a DID that was not drawn, and one that was in another phase.
func mayVote(tx *ledger.Tx, job string, actor ledger.ID, phase Phase) error {
	r, err := readRound(tx, job)
	if err != nil {
		return err
	}
	if err := r.in(phase); err != nil {
		return err
	}
	committee, err := readCommittee(tx, job)
	if err != nil {
		return err
	}
	if committee == nil || committee.seat(actor) < 0 {
		return fault.New(fault.NotDrawn, "the committee of this job does not have this DID")
	}
	return nil
}

// Reveal is the body of attest.reveal.
type Reveal struct {
	Job    string `json:"job"`
	Ballot string `json:"ballot"` // valid, invalid or malicious
	Salt   string `json:"salt"`   // 64 hex digits

	job    ledger.Reference // set by Check, as the others
	ballot Verdict
	salt   [32]byte
}

// Check looks at what the body says by itself. Errors: fault.InvalidValue.
func (r *Reveal) Check(ledger.Call) (err error) {
	if r.ballot, err = ParseBallot(r.Ballot); err != nil {
		return err
	}
	if r.salt, err = canon.UnHex32(r.Salt); err != nil {
		return fault.New(fault.InvalidValue, "salt: %s", fault.Text(err))
	}
	r.job, err = checkJob(r.Job)
	return err
}

// Keys returns the state keys that Apply reads.
func (r *Reveal) Keys(call ledger.Call) []string {
	return []string{RoundKey(r.Job), CommitteeKey(r.Job), BallotKey(r.Job, call.Actor), RevealKey(r.Job, call.Actor)}
}

// Apply opens a verifier's ballot, once. Errors: fault.WrongPhase, fault.NotDrawn,
// fault.NotFound without a commitment, fault.BallotDiffers, fault.AlreadyDone.
func (r *Reveal) Apply(tx *ledger.Tx, call ledger.Call) error {
	if err := mayVote(tx, r.Job, call.Actor, Revealing); err != nil {
		return err
	}
	stored, err := tx.Get(BallotKey(r.Job, call.Actor))
	if err != nil {
		return err
	}
	if stored == nil {
		return fault.New(fault.NotFound, "this DID has committed to no ballot")
	}
	commitment, err := DecodeBallot(stored)
	if err != nil {
		return err
	}
	if commitment != canon.BallotDigest(call.Network, r.job.ID, call.Actor, uint8(r.ballot), r.salt) {
		return fault.New(fault.BallotDiffers, "ballot and salt are not those of the commitment")
	}
	key := RevealKey(r.Job, call.Actor)
	had, err := tx.Has(key)
	if err != nil {
		return err
	}
	if had {
		return fault.New(fault.AlreadyDone, "a ballot is revealed once")
	}
	tx.Put(key, Revealed{r.ballot, r.salt}.Encode())
	return nil
}

// DecodeBallot reads a stored commitment. Errors: fault.Malformed, fault.TrailingData.
func DecodeBallot(data []byte) ([32]byte, error) {
	b := canon.OpenRecord(data, ballotType)
	c := b.Hash()
	return c, b.Done()
}

// Revealed is a ballot that was opened.
type Revealed struct {
	Ballot Verdict
	Salt   [32]byte
}

// Encode returns the layout of docs/formats/job.md.
func (r Revealed) Encode() []byte {
	return canon.NewRecord(revealType).U8(uint8(r.Ballot)).Fixed(r.Salt[:]).Bytes()
}

// DecodeRevealed reads a stored ballot. Errors: fault.Malformed, fault.TrailingData.
func DecodeRevealed(data []byte) (Revealed, error) {
	b := canon.OpenRecord(data, revealType)
	r := Revealed{Verdict(b.U8()), b.Hash()}
	if err := b.Done(); err != nil {
		return r, err
	}
	if r.Ballot < Valid || r.Ballot > Malicious {
		return r, fault.New(fault.Malformed, "a ballot of %d", r.Ballot)
	}
	return r, nil
}

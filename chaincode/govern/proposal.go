package govern

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const (
	proposalPrefix = "govern/proposal/"
	approvalPrefix = "govern/approval/"
	enactedPrefix  = "govern/enacted/"
	madePrefix     = "govern/proposals/"

	// maxOpen is how long a proposal may be open, in seconds: 90 days.
	maxOpen = 90 * 86400
	// maxMade is how many proposals of a member may not have expired: every anchor looks
	// through the open ones again and again, and none should be kept busy by one member.
	maxMade = 256
)

// ProposalKey returns the state key of a proposal, given its reference.
func ProposalKey(ref string) string { return proposalPrefix + ref }

// ApprovalKey returns the state key of one organisation's approval.
func ApprovalKey(ref, msp string) string { return approvalPrefix + ref + "/" + msp }

// EnactedKey returns the state key that says that a proposal was enacted.
func EnactedKey(ref string) string { return enactedPrefix + ref }

// Proposal is what members approve: to put a value in force for a subject in place
// of the version prior, not before At, and before Expires. Nobody can change it;
// its reference is made of all of it.
type Proposal struct {
	Network string         `json:"network"`
	By      string         `json:"by"` // MSP id of the organisation that proposed it
	Subject string         `json:"subject"`
	Prior   string         `json:"prior"`
	Value   jsontext.Value `json:"value"`
	At      uint64         `json:"at"`
	Expires uint64         `json:"expires"`
	// Elapsed is what the checkpoints' clock must have counted before it is put in force:
	// the end of its notice, 0 where its subject needs none.
	Elapsed uint64 `json:"elapsed"`
}

// Reference returns what names the proposal, and what is stored of it.
func (p *Proposal) Reference() (ledger.Reference, []byte, error) {
	stored, err := canon.Marshal(p)
	if err != nil {
		return ledger.Reference{}, nil, err
	}
	return ledger.Reference{Expiry: uint32(p.Expires), ID: canon.Sum([]byte("killick.proposal.v1"), stored)}, stored, nil
}

// approval is one organisation's stored approval and when it was given.
type approval struct {
	Time uint64 `json:"time"`
}

// enacted is stored for a proposal that was enacted: the number of its change.
type enacted struct {
	Number uint64 `json:"number"`
}

// Propose is the request of govern:Propose.
type Propose struct {
	Subject string         `json:"subject"`
	Prior   string         `json:"prior"`
	Value   jsontext.Value `json:"value"`
	At      uint64         `json:"at"`
	Expires uint64         `json:"expires"`
}

// Proposed is the answer of govern:Propose.
type Proposed struct {
	Proposal string `json:"proposal"`
}

// Apply stores a proposal with the approval of the organisation that makes it. It
// refuses what could not be enacted now, but for its notice.
// Errors: fault.NotMember unless an admin of a member calls, fault.InvalidValue and
// the codes of bad forms, fault.NotDue before the first checkpoint,
// fault.StalePrior, fault.AlreadyDone, fault.LimitReached.
func (p *Propose) Apply(tx *ledger.Tx, n *Network, clock Clock) (*Proposed, error) {
	member, err := n.decidingMember(tx)
	if err != nil {
		return nil, err
	}
	s, _, err := findSubject(p.Subject)
	if err != nil {
		return nil, err
	}
	if err := p.checkTimes(clock.Time, notice(s)); err != nil {
		return nil, err
	}
	value, err := p.try(tx, n, clock)
	if err != nil {
		return nil, err
	}
	proposal := Proposal{n.Name, member.MSP, p.Subject, p.Prior, value, p.At, p.Expires, 0}
	if wait := notice(s); wait > 0 {
		proposal.Elapsed = clock.Elapsed + wait
	}
	reference, stored, err := proposal.Reference()
	if err != nil {
		return nil, err
	}
	ref := reference.String()
	known, err := tx.Has(ProposalKey(ref))
	if err != nil {
		return nil, err
	}
	if known {
		return nil, fault.New(fault.AlreadyDone, "%s is proposed", ref)
	}
	if err := count(tx, member.MSP, p.Expires, clock.Time); err != nil {
		return nil, err
	}
	tx.Put(ProposalKey(ref), stored)
	return &Proposed{ref}, putJSON(tx, ApprovalKey(ref, member.MSP), approval{clock.Time})
}

// made is what a member has proposed that has not expired: the times when it will.
type made struct {
	Expires []uint64 `json:"expires"`
}

// count takes one more proposal of a member. Errors: fault.LimitReached.
func count(tx *ledger.Tx, msp string, expires, now uint64) error {
	stored, err := tx.Get(madePrefix + msp)
	if err != nil {
		return err
	}
	var m made
	if stored != nil {
		if err := decodeStored(stored, &m); err != nil {
			return err
		}
	}
	m.Expires = slices.DeleteFunc(m.Expires, func(at uint64) bool { return at <= now })
	if len(m.Expires) >= maxMade {
		return fault.New(fault.LimitReached, "%s has made %d proposals that have not expired, at most %d are taken", msp, len(m.Expires), maxMade)
	}
	m.Expires = append(m.Expires, expires)
	return putJSON(tx, madePrefix+msp, m)
}

func (p *Propose) checkTimes(now, notice uint64) error {
	switch {
	case now == 0:
		return fault.New(fault.NotDue, "the ledger has no clock before its first checkpoint")
	case p.Expires <= now || p.Expires-now > maxOpen || p.Expires > 1<<32-1:
		return fault.New(fault.InvalidValue, "expires %d must be 1 to %d s after the newest checkpoint, %d", p.Expires, maxOpen, now)
	case p.At >= p.Expires:
		return fault.New(fault.InvalidValue, "at %d must be before expires %d", p.At, p.Expires)
	case p.Expires-now <= notice:
		return fault.New(fault.InvalidValue, "expires %d leaves no time after the notice of %d s", p.Expires, notice)
	}
	return nil
}

// try returns the value as it would be stored, if it could be put in force now, and
// changes nothing. Errors: fault.InvalidValue and the codes of bad forms,
// fault.StalePrior, fault.AlreadyDone when it is in force, and those of the subject.
func (p *Propose) try(tx *ledger.Tx, n *Network, clock Clock) (jsontext.Value, error) {
	s, name, err := findSubject(p.Subject)
	if err != nil {
		return nil, err
	}
	now, err := readHead(tx, n, p.Subject)
	if err != nil {
		return nil, err
	}
	if p.Prior != now.version {
		return nil, fault.New(fault.StalePrior, "the current version of %s is %s", p.Subject, now.version)
	}
	mark := tx.Mark()
	defer tx.Rollback(mark)
	value, err := s.set(tx, n, clock, name, p.Value)
	if err == nil && bytes.Equal(value, now.Value) {
		return nil, fault.New(fault.AlreadyDone, "this value of %s is in force", p.Subject)
	}
	return value, err
}

// open reads a proposal that can still be decided. Errors: fault.InvalidValue,
// fault.NotFound, fault.Closed, fault.StalePrior.
func open(tx *ledger.Tx, n *Network, ref string, now uint64) (*Proposal, error) {
	p, err := readProposal(tx, ref)
	if err != nil {
		return nil, err
	}
	done, err := tx.Has(EnactedKey(ref))
	switch {
	case err != nil:
		return nil, err
	case done:
		return nil, fault.New(fault.Closed, "%s was enacted", ref)
	case now >= p.Expires:
		return nil, fault.New(fault.Closed, "%s expired at %d, the newest checkpoint is of %d", ref, p.Expires, now)
	}
	head, err := readHead(tx, n, p.Subject)
	if err == nil && p.Prior != head.version {
		return nil, fault.New(fault.StalePrior, "%s was proposed in place of another version than %s", ref, head.version)
	}
	return p, err
}

func readProposal(tx *ledger.Tx, ref string) (*Proposal, error) {
	if _, err := ledger.ParseReference(ref); err != nil {
		return nil, fault.New(fault.InvalidValue, "proposal: %v", err)
	}
	p := new(Proposal)
	if err := readJSON(tx, ProposalKey(ref), p); err != nil {
		return nil, err
	}
	if p.Subject == "" {
		return nil, fault.New(fault.NotFound, "no proposal %s", ref)
	}
	return p, nil
}

// Approve is the request of govern:Approve.
type Approve struct {
	Proposal string `json:"proposal"`
}

// Apply stores the calling organisation's approval. It reads and writes nobody
// else's: a member that keeps changing its own cannot void those of others.
// Errors: fault.NotMember unless an admin of a member calls, fault.InvalidValue,
// fault.NotFound, fault.Closed, fault.StalePrior, fault.AlreadyDone.
func (a *Approve) Apply(tx *ledger.Tx, n *Network, clock Clock) error {
	key, approved, err := own(tx, n, a.Proposal, clock.Time)
	if err != nil {
		return err
	}
	if approved {
		return fault.New(fault.AlreadyDone, "%s has approved it", tx.Caller().MSP)
	}
	return putJSON(tx, key, approval{clock.Time})
}

// Withdraw is the request of govern:Withdraw.
type Withdraw struct {
	Proposal string `json:"proposal"`
}

// Apply takes the calling organisation's approval back, while the proposal is open.
// Errors: fault.NotMember unless an admin of a member calls, fault.InvalidValue,
// fault.NotFound, also when it has not approved, fault.Closed, fault.StalePrior.
func (w *Withdraw) Apply(tx *ledger.Tx, n *Network, clock Clock) error {
	key, approved, err := own(tx, n, w.Proposal, clock.Time)
	if err != nil {
		return err
	}
	if !approved {
		return fault.New(fault.NotFound, "%s has not approved it", tx.Caller().MSP)
	}
	tx.Delete(key)
	return nil
}

// own returns the key of the calling organisation's approval of an open proposal,
// and whether there is one.
func own(tx *ledger.Tx, n *Network, ref string, now uint64) (key string, approved bool, err error) {
	member, err := n.decidingMember(tx)
	if err != nil {
		return "", false, err
	}
	if _, err := open(tx, n, ref, now); err != nil {
		return "", false, err
	}
	key = ApprovalKey(ref, member.MSP)
	approved, err = tx.Has(key)
	return key, approved, err
}

// Enact is the request of govern:Enact: a proposal and organisations that approve
// it.
type Enact struct {
	Proposal  string   `json:"proposal"`
	Approvals []string `json:"approvals"`
}

// Apply puts an open proposal in force whose time has come, with the approvals of K
// members. Any member may ask for it. It reads the approvals that are named and no
// others, so nobody who is not needed can hold it up.
// Errors: fault.NotMember, fault.InvalidValue, fault.NotFound, fault.Closed,
// fault.StalePrior, fault.NotDue, fault.NoQuorum.
func (e *Enact) Apply(tx *ledger.Tx, n *Network, clock Clock) (*Change, error) {
	if _, err := n.CallingMember(tx); err != nil {
		return nil, err
	}
	p, err := open(tx, n, e.Proposal, clock.Time)
	if err != nil {
		return nil, err
	}
	if err := p.checkDue(clock); err != nil {
		return nil, err
	}
	if err := e.checkApprovals(tx, n); err != nil {
		return nil, err
	}
	s, name, err := findSubject(p.Subject)
	if err != nil {
		return nil, err
	}
	before, err := readHead(tx, n, p.Subject)
	if err != nil {
		return nil, err
	}
	if _, err := s.set(tx, n, clock, name, p.Value); err != nil {
		return nil, err
	}
	c := Change{p.Subject, before.Number + 1, p.Value, e.Proposal, clock.Time, e.Approvals}
	if err := putJSON(tx, EnactedKey(e.Proposal), enacted{c.Number}); err != nil {
		return nil, err
	}
	return &c, c.put(tx, before)
}

// checkDue refuses a proposal whose time has not come. Errors: fault.NotDue.
func (p *Proposal) checkDue(clock Clock) error {
	if clock.Time < p.At {
		return fault.New(fault.NotDue, "the proposal is for %d, the newest checkpoint is of %d", p.At, clock.Time)
	}
	if clock.Elapsed < p.Elapsed {
		return fault.New(fault.NotDue, "the proposal's notice ends when the checkpoints have counted %d s, they have counted %d s", p.Elapsed, clock.Elapsed)
	}
	return nil
}

// checkApprovals refuses fewer than K different members, those out of the order of
// members, and any that has not approved.
func (e *Enact) checkApprovals(tx *ledger.Tx, n *Network) error {
	if len(e.Approvals) < n.K {
		return fault.New(fault.NoQuorum, "%d approvals, name at least %d", len(e.Approvals), n.K)
	}
	last := -1
	for _, msp := range e.Approvals {
		_, at, err := n.Member(msp)
		if err != nil {
			return err
		}
		if at <= last {
			return fault.New(fault.InvalidValue, "approvals must stand in the order of members, each named once")
		}
		last = at
		given, err := tx.Has(ApprovalKey(e.Proposal, msp))
		if err != nil {
			return err
		}
		if !given {
			return fault.New(fault.NoQuorum, "%s has not approved %s", msp, e.Proposal)
		}
	}
	return nil
}

// approvals returns who approves a proposal now, in the order of members.
func approvals(tx *ledger.Tx, n *Network, ref string) ([]string, error) {
	keys := make([]string, len(n.Members))
	for i, m := range n.Members {
		keys[i] = ApprovalKey(ref, m.MSP)
	}
	if err := tx.Prefetch(keys); err != nil {
		return nil, err
	}
	given := []string{}
	for i, m := range n.Members {
		has, err := tx.Has(keys[i])
		if err != nil {
			return nil, err
		}
		if has {
			given = append(given, m.MSP)
		}
	}
	return slices.Clip(given), nil
}

package govern

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const (
	headPrefix   = "govern/head/"
	changePrefix = "govern/change/"
)

// HeadKey returns the state key of a subject's newest change.
func HeadKey(subject string) string { return headPrefix + subject }

// ChangeKey returns the state key of a subject's change with the number.
func ChangeKey(subject string, number uint64) string {
	return changePrefix + subject + "/" + ledger.Hex64(number)
}

// Change is a value of a subject that came in force: by which proposal, at which
// time of the checkpoints' clock, and who approved it. Number 0 is what the ledger
// was founded with; it has no proposal and nobody's approval.
type Change struct {
	Subject   string         `json:"subject"`
	Number    uint64         `json:"number"`
	Value     jsontext.Value `json:"value"`
	Proposal  string         `json:"proposal"`
	Time      uint64         `json:"time"`
	Approvals []string       `json:"approvals"`
}

// head is the change that is in force, and its version: what a proposal states as
// prior. Versions never come again, since numbers do not.
type head struct {
	Change
	stored  []byte
	version string
}

// readHead returns what is in force for a subject. Before the first change, number 0
// is made of what is in force.
func readHead(tx *ledger.Tx, n *Network, text string) (*head, error) {
	h := new(head)
	stored, err := tx.Get(HeadKey(text))
	if err != nil {
		return nil, err
	}
	if stored != nil {
		if err := decodeStored(stored, &h.Change); err != nil {
			return nil, fmt.Errorf("stored %s: %w", HeadKey(text), err)
		}
		h.stored, h.version = stored, ledger.Version(stored)
	}
	s, name, err := findSubject(text)
	if err != nil {
		return nil, err
	}
	if stored != nil {
		switch s.(type) {
		case tags, members: // verifiers may have bound it since; a set may wait, and stands without proofs
			h.Value, err = s.read(tx, n, name)
		}
		return h, err
	}
	h.Change = Change{Subject: text, Approvals: []string{}}
	if h.Value, err = s.read(tx, n, name); err != nil {
		return nil, err
	}
	if h.stored, err = canon.Marshal(h.Change); err != nil {
		return nil, err
	}
	h.version = ledger.Version(h.stored)
	return h, nil
}

// put makes the change the head of its subject, after the one before.
func (c *Change) put(tx *ledger.Tx, before *head) error {
	if before.Number == 0 {
		tx.Put(ChangeKey(c.Subject, 0), before.stored)
	}
	if err := putJSON(tx, ChangeKey(c.Subject, c.Number), c); err != nil {
		return err
	}
	return putJSON(tx, HeadKey(c.Subject), c)
}

// historyPage and proposalPage bound what one query answers.
const (
	historyPage  = 100
	proposalPage = 50
)

// HistoryQuery is the request of govern:History: changes with larger numbers than
// After, or from the first one.
type HistoryQuery struct {
	Subject string  `json:"subject"`
	After   *uint64 `json:"after,omitempty"`
}

// HistoryView is the answer of govern:History.
type HistoryView struct {
	Subject string         `json:"subject"`
	Value   jsontext.Value `json:"value"`   // in force
	Version string         `json:"version"` // what a proposal states as prior
	Changes []Change       `json:"changes"` // ascending, at most 100
}

// Answer returns what is in force for a subject and how it came so. Errors:
// fault.InvalidValue.
func (q *HistoryQuery) Answer(tx *ledger.Tx, n *Network) (*HistoryView, error) {
	h, err := readHead(tx, n, q.Subject)
	if err != nil {
		return nil, err
	}
	v := &HistoryView{q.Subject, h.Value, h.version, []Change{}}
	if h.Number == 0 {
		if q.After == nil {
			v.Changes = append(v.Changes, h.Change)
		}
		return v, nil
	}
	var after string
	if q.After != nil {
		after = ChangeKey(q.Subject, *q.After)
	}
	entries, err := tx.Prefix(changePrefix+q.Subject+"/", after, historyPage)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		var c Change
		if err := decodeStored(e.Value, &c); err != nil {
			return nil, fmt.Errorf("stored %s: %w", e.Key, err)
		}
		v.Changes = append(v.Changes, c)
	}
	return v, nil
}

// Status of a proposal.
const (
	Open      = "open"      // it needs approvals, or its time has not come
	Ready     = "ready"     // K members approve and its time has come
	Enacted   = "enacted"   // it was put in force
	Expired   = "expired"   // it was not, in time
	Overtaken = "overtaken" // another change of its subject came first
)

// ProposalQuery is the request of govern:Proposal.
type ProposalQuery struct {
	Proposal string `json:"proposal"`
}

// ProposalView is a proposal as queries answer it.
type ProposalView struct {
	Reference string `json:"reference"`
	Proposal
	Status    string   `json:"status"`
	Approvals []string `json:"approvals"` // now, in the order of members; when enacted, those that counted are in the change
	Number    uint64   `json:"number"`    // of the change; 0 unless enacted
}

// Answer returns a proposal and how far it is. Errors: fault.InvalidValue,
// fault.NotFound.
func (q *ProposalQuery) Answer(tx *ledger.Tx, n *Network, clock Clock) (*ProposalView, error) {
	p, err := readProposal(tx, q.Proposal)
	if err != nil {
		return nil, err
	}
	v := &ProposalView{Reference: q.Proposal, Proposal: *p}
	if v.Approvals, err = approvals(tx, n, q.Proposal); err != nil {
		return nil, err
	}
	var done enacted
	if err := readJSON(tx, EnactedKey(q.Proposal), &done); err != nil {
		return nil, err
	}
	v.Number = done.Number
	_, err = open(tx, n, q.Proposal, clock.Time)
	switch code := fault.Of(err); {
	case code == fault.Closed && v.Number > 0:
		v.Status = Enacted
	case code == fault.Closed:
		v.Status = Expired
	case code == fault.StalePrior:
		v.Status = Overtaken
	case err != nil:
		return nil, err
	case len(v.Approvals) >= n.K && p.checkDue(clock) == nil:
		v.Status = Ready
	default:
		v.Status = Open
	}
	return v, nil
}

// ProposalsQuery is the request of govern:Proposals: references after After, or
// those that have not expired. References are in the order of expiry.
type ProposalsQuery struct {
	After string `json:"after,omitempty"`
}

// Answer returns at most 50 proposals. Errors: fault.InvalidValue.
func (q *ProposalsQuery) Answer(tx *ledger.Tx, n *Network, clock Clock) ([]*ProposalView, error) {
	from := proposalPrefix + string(ledger.AppendHex32(nil, uint32(min(clock.Time+1, 1<<32-1))))
	if q.After != "" {
		if _, err := ledger.ParseReference(q.After); err != nil {
			return nil, fault.New(fault.InvalidValue, "after: %v", err)
		}
		from = ProposalKey(q.After) + "\x00"
	}
	entries, err := tx.Range(from, ledger.PrefixEnd(proposalPrefix), proposalPage)
	if err != nil {
		return nil, err
	}
	views := []*ProposalView{}
	for _, e := range entries {
		v, err := (&ProposalQuery{e.Key[len(proposalPrefix):]}).Answer(tx, n, clock)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

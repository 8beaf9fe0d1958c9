package attest

// Reason says on what ground evidence was found not to be valid.
type Reason uint8

// The reasons. The first group are grounds on which a deposit is taken: anyone can find
// them again from what is on the ledger.
const (
	NoReason    Reason = iota
	ForgedChain        // the quote leads to no pinned root, or is not signed by what it brings
	DebugEnclave
	Unlisted     // what ran is not among the measurements of the job's operation
	QuoteReused  // the operator had shown the same quote for another job
	TwoOutputs   // there is a second genuine quote of this job, for another output
	Unreadable   // from here on no ground
	BelowPolicy  // genuine, but the platform is not as current as the policy asks for
	NoCollateral // it could not be judged with the collateral on the ledger
	NoRoots      // the consortium has put no roots or measurements in force that could be used
	NotJudged    // chaincode cannot read evidence of this kind
	NoEvidence
	NoDraw
	NoMajority
	ByMajority // of verifiers alone
	BySeats    // chaincode and verifiers agree
	NotAccepted
	ByConsumer
	lastReason
)

var reasonNames = [...]string{
	"none", "forged_chain", "debug_enclave", "unlisted_measurement", "quote_reused", "two_outputs", "unreadable", "below_policy", "no_collateral",
	"no_roots", "not_judged", "no_evidence", "no_draw", "no_majority", "by_majority", "agreed", "not_accepted", "by_consumer",
}

// String returns the name of a reason.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown"
}

// Ground says that a deposit is taken for it.
func (r Reason) Ground() bool { return r >= ForgedChain && r <= TwoOutputs }

// Finding is what chaincode itself says of evidence: Valid, Invalid, Malicious, or
// Undecided with the reason why it cannot say.
type Finding struct {
	Verdict Verdict
	Reason  Reason
}

func (f Finding) known() bool { return f.Verdict <= Malicious && f.Reason < lastReason }

// Vote is what came of one seat that is taken.
type Vote struct {
	Organisation int
	Committed    bool
	Ballot       Verdict // Undecided until it is revealed
}

// Count is what a round comes down to.
type Count struct {
	Finding Finding
	Seats   int // all of them, taken or empty
	K       int // organisations that have to agree
	Votes   []Vote
}

// Outcome is the verdict of a round, and which ballots were right: both are functions of
// the Count alone. Judged says that there was a right one.
type Outcome struct {
	Verdict Verdict
	Reason  Reason
	Judged  bool
	right   [Malicious + 1]bool
}

// Right says whether a ballot was the right one.
func (o *Outcome) Right(ballot Verdict) bool { return ballot <= Malicious && o.right[ballot] }

func (o *Outcome) rightly(ballots ...Verdict) Outcome {
	o.Judged = true
	for _, b := range ballots {
		o.right[b] = true
	}
	return *o
}

// Decide ends a round. What chaincode finds is the truth. Valid needs more than half of
// all seats besides, from at least K organisations; where chaincode cannot read the kind
// of evidence, the same majority decides alone, either way. Without one the round has
// expired.
func (c *Count) Decide() Outcome {
	switch f := c.Finding; {
	case f.Verdict == Invalid || f.Verdict == Malicious:
		o := Outcome{Verdict: f.Verdict, Reason: f.Reason}
		return o.rightly(f.Verdict)
	case f.Verdict == Valid:
		o := Outcome{Verdict: Expired, Reason: NoMajority}
		if c.agree(Valid) {
			o = Outcome{Verdict: Valid, Reason: BySeats}
		}
		return o.rightly(Valid)
	case f.Reason != NotJudged:
		return Outcome{Verdict: Expired, Reason: f.Reason}
	}
	for _, v := range []Verdict{Valid, Invalid, Malicious} {
		if c.agree(v) {
			o := Outcome{Verdict: v, Reason: ByMajority}
			return o.rightly(v)
		}
	}
	if c.agree(Invalid, Malicious) {
		o := Outcome{Verdict: Invalid, Reason: ByMajority}
		return o.rightly(Invalid, Malicious)
	}
	return Outcome{Verdict: Expired, Reason: NoMajority}
}

// agree says whether more than half of all seats, of K organisations or more, have voted
// for one of these.
func (c *Count) agree(ballots ...Verdict) bool {
	votes := 0
	organisations := map[int]bool{}
	for _, v := range c.Votes {
		for _, b := range ballots {
			if v.Ballot == b {
				votes++
				organisations[v.Organisation] = true
			}
		}
	}
	return 2*votes > c.Seats && len(organisations) >= c.K
}

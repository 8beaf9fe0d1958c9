package attest

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/chaincode/tee"
)

const (
	evidenceType = 0x53
	quoteType    = 0x59
)

// Platform is what made a quote.
type Platform uint8

// The platforms. Quotes of the first two are on the ledger and chaincode judges them;
// of the others it has the digest alone, and verifiers judge.
const (
	SGX Platform = 1 + iota
	TDX
	SEVSNP
	TPM
)

var platformNames = [...]string{"", "sgx", "tdx", "sev-snp", "tpm"}

// String returns the word for a platform.
func (p Platform) String() string {
	if int(p) < len(platformNames) {
		return platformNames[p]
	}
	return "unknown"
}

// Read says that chaincode reads quotes of the platform.
func (p Platform) Read() bool { return p == SGX || p == TDX }

func parsePlatform(word string) (Platform, error) {
	for p := SGX; p <= TPM; p++ {
		if p.String() == word {
			return p, nil
		}
	}
	return 0, fault.New(fault.InvalidValue, "platform is one of %v", platformNames[1:])
}

// Evidence is the body of attest.evidence. The operator hands it in once. After that
// anyone may hand in a second genuine quote of the same job and machine for another output:
// until the verifiers have committed that ends it as malicious, and once it is settled,
// until the deposit is due, the deposit is taken.
type Evidence struct {
	Job      string `json:"job"`
	Platform string `json:"platform"`
	Output   string `json:"output"`          // SHA-256 of the output's ciphertext, 64 hex digits
	Quote    string `json:"quote,omitzero"`  // of sgx and tdx: base64url of its bytes
	Digest   string `json:"digest,omitzero"` // of the others: SHA-256 of the quote, 64 hex digits

	job        ledger.Reference // set by Check, as the others
	platform   Platform
	output     [32]byte
	digest     [32]byte
	quote      []byte
	reportData [64]byte
	collateral string // the key of the collateral that the quote needs
	machine    [16]byte
}

// Check looks at what the body says by itself, and reads the layout of a quote. Errors:
// fault.InvalidValue, and those of tee.Read and tee.Quote.Platform: fault.Malformed,
// fault.TrailingData, fault.TooLarge, fault.BadProof.
func (e *Evidence) Check(ledger.Call) (err error) {
	if e.job, err = checkJob(e.Job); err != nil {
		return err
	}
	if e.platform, err = parsePlatform(e.Platform); err != nil {
		return err
	}
	if e.output, err = canon.UnHex32(e.Output); err != nil {
		return fault.New(fault.InvalidValue, "output: %s", fault.Text(err))
	}
	if (e.Quote != "") != e.platform.Read() || (e.Digest != "") == e.platform.Read() {
		return fault.New(fault.InvalidValue, "of sgx and tdx give the quote, of others its digest")
	}
	if !e.platform.Read() {
		if e.digest, err = canon.UnHex32(e.Digest); err != nil {
			return fault.New(fault.InvalidValue, "digest: %s", fault.Text(err))
		}
		return nil
	}
	return e.readQuote()
}

func (e *Evidence) readQuote() (err error) {
	if e.quote, err = canon.UnB64(e.Quote); err != nil {
		return fault.New(fault.InvalidValue, "quote: %s", fault.Text(err))
	}
	q, err := tee.Read(e.quote)
	if err != nil {
		return err
	}
	if (q.Kind == tee.SGX) != (e.platform == SGX) {
		return fault.New(fault.InvalidValue, "platform: the quote is of %s", q.Kind)
	}
	p, err := q.Platform()
	if err != nil {
		return err
	}
	e.machine = p.PPID
	e.digest, e.reportData, e.collateral = canon.Sum(e.quote), q.ReportData, collateralKey(p.Kind, p.FMSPC, p.PCEID, p.CA)
	return nil
}

// EvidenceKey returns the state key of a job's evidence, RivalKey that of a second
// genuine quote for another output.
func EvidenceKey(job string) string { return "evidence/" + job }

// RivalKey returns the state key of a second genuine quote that came in time for the verdict.
func RivalKey(job string) string { return "rival/" + job }

// QuoteKey returns the state key that says for which job an operator has shown a quote.
func QuoteKey(digest [32]byte, operator ledger.ID) string {
	return "quote/" + canon.Hex(digest[:]) + "/" + operator.String()
}

// Keys returns the state keys that Apply reads and its body names. Of a second quote it
// also reads what it is judged by, and of a settled job the deposit.
func (e *Evidence) Keys(call ledger.Call) []string {
	keys := []string{JobKey(e.Job), RoundKey(e.Job), QuoteKey(e.digest, call.Actor)}
	if e.platform.Read() {
		keys = append(keys, e.collateral)
	}
	return keys
}

// Apply takes the evidence at the door, and has the committee drawn by the draw of the
// next checkpoint: it reads the newest one, so it is ordered before that. Errors:
// fault.NotFound, fault.WrongPhase, fault.NotParty, fault.TooLate, fault.EvidenceUnbound,
// fault.CollateralMissing, fault.NotDue before the first checkpoint, and those of a
// second quote.
func (e *Evidence) Apply(tx *ledger.Tx, call ledger.Call, n *govern.Network) error {
	j, err := ReadJob(tx, e.Job)
	if err != nil {
		return err
	}
	r, err := readRound(tx, e.Job)
	if err != nil {
		return err
	}
	if err := r.in(Accepted, Drawing, Committing, Closed); err != nil {
		return err
	}
	head, err := checkpoint.Head(tx)
	if err != nil {
		return err
	}
	if head == nil {
		return fault.New(fault.NotDue, "there is no checkpoint yet")
	}
	if r.Phase == Closed && head.Elapsed >= r.Due {
		return r.in(Accepted, Drawing, Committing) // nothing is at stake any more
	}
	if err := e.bound(j, r, n.Name); err != nil {
		return err
	}
	switch r.Phase {
	case Drawing, Committing:
		return e.rival(tx, call, j, head.Time)
	case Closed:
		return e.late(tx, call, n, j, r, head.Time)
	}
	switch {
	case r.Operator != call.Actor:
		return fault.New(fault.NotParty, "another DID has accepted the job")
	case head.Elapsed >= r.Ends:
		return fault.New(fault.TooLate, "the time for the evidence ended at %d of the checkpoints' clock, which is at %d", r.Ends, head.Elapsed)
	}
	r.Due = head.Elapsed + uint64(j.Terms.DepositSeconds)
	return e.take(tx, call, r, head.Number+1)
}

// bound compares the quote with what it has to be bound to.
func (e *Evidence) bound(j *Job, r *Round, network string) error {
	if e.platform.Read() && e.reportData != j.ReportData(network, e.job, r.Operator, e.output) {
		return fault.New(fault.EvidenceUnbound, "the report data of the quote is not that of this job, operator and output")
	}
	return nil
}

// take stores the evidence of the job.
func (e *Evidence) take(tx *ledger.Tx, call ledger.Call, r *Round, draw uint64) error {
	if e.platform.Read() {
		// Without it nobody could judge the quote, and the round would expire at nobody's cost.
		there, err := tx.Has(e.collateral)
		if err != nil {
			return err
		}
		if !there {
			return fault.New(fault.CollateralMissing, "no collateral under %s", e.collateral)
		}
	}
	epoch, err := reward.Current(tx)
	if err != nil {
		return err
	}
	key := QuoteKey(e.digest, call.Actor)
	reused, err := tx.Has(key)
	if err != nil {
		return err
	}
	if reused {
		r.Finding = Finding{Malicious, QuoteReused}
	} else {
		b := canon.NewRecord(quoteType)
		appendReference(b, e.job)
		tx.Put(key, b.Bytes())
	}
	tx.Put(EvidenceKey(e.Job), e.shown(call).Encode())
	r.Phase, r.Epoch, r.Draw, r.Ends = Drawing, epoch.Number, draw, 0
	r.put(tx, e.Job)
	return checkpoint.Await(tx, draw)
}

// rival stores a second quote, if it is genuine at a time and for another output. It
// leaves the round as it is, so that it voids nobody's ballot.
func (e *Evidence) rival(tx *ledger.Tx, call ledger.Call, j *Job, now uint64) error {
	second, err := e.second(tx, call, j, RivalKey(e.Job), now)
	if err != nil {
		return err
	}
	tx.Put(RivalKey(e.Job), second.Encode())
	return nil
}

// second returns a second quote, to be kept under key, once, if it is genuine at a time, of
// the machine that made the first, and for another output.
func (e *Evidence) second(tx *ledger.Tx, call ledger.Call, j *Job, key string, now uint64) (*Shown, error) {
	if err := tx.Prefetch([]string{EvidenceKey(e.Job), key}); err != nil {
		return nil, err
	}
	first, err := readShown(tx, EvidenceKey(e.Job))
	if err != nil {
		return nil, err
	}
	had, err := tx.Has(key)
	if err != nil {
		return nil, err
	}
	if had || first.Output == e.output || !e.platform.Read() || !first.Platform.Read() {
		return nil, fault.New(fault.AlreadyDone, "there is evidence of this job; only a second quote that chaincode reads, for another output, counts")
	}
	if err := e.sameMachine(first); err != nil {
		return nil, err
	}
	second := e.shown(call)
	finding, err := judge(tx, j, second, now)
	if err != nil {
		return nil, err
	}
	if finding.Verdict != Valid {
		return nil, fault.New(fault.BadProof, "the second quote is %s: %s", finding.Verdict, finding.Reason)
	}
	return second, nil
}

// sameMachine refuses a second quote of another machine than the first: programs that are
// listed are public, so anyone who has a machine could have one run for another's job.
func (e *Evidence) sameMachine(first *Shown) error {
	q, err := tee.Read(first.Quote)
	if err != nil {
		return err
	}
	p, err := q.Platform()
	if err != nil {
		return err
	}
	if e.machine != p.PPID || e.machine == [16]byte{} {
		return fault.New(fault.EvidenceUnbound, "the second quote is not of the machine that made the first")
	}
	return nil
}

func (e *Evidence) shown(call ledger.Call) *Shown {
	return &Shown{Platform: e.platform, Output: e.output, Digest: e.digest, By: call.Ref, Quote: e.quote}
}

// Shown is evidence as it is stored, for good.
type Shown struct {
	Platform Platform
	Output   [32]byte
	Digest   [32]byte         // SHA-256 of the quote
	By       ledger.Reference // the operation that brought it
	Quote    []byte           // empty where chaincode does not read it
}

// Encode returns the layout of docs/formats/job.md.
func (s *Shown) Encode() []byte {
	b := canon.NewRecord(evidenceType).U8(uint8(s.Platform)).Fixed(s.Output[:]).Fixed(s.Digest[:])
	appendReference(b, s.By)
	return b.Var16(s.Quote).Bytes()
}

// DecodeShown reads stored evidence. Errors: fault.Malformed, fault.TrailingData.
func DecodeShown(data []byte) (*Shown, error) {
	b := canon.OpenRecord(data, evidenceType)
	s := &Shown{Platform: Platform(b.U8()), Output: b.Hash(), Digest: b.Hash(), By: readReference(b), Quote: b.Var16()}
	if err := b.Done(); err != nil {
		return nil, err
	}
	if s.Platform < SGX || s.Platform > TPM || s.Platform.Read() != (len(s.Quote) > 0) || s.Platform.Read() && canon.Sum(s.Quote) != s.Digest {
		return nil, fault.New(fault.Malformed, "evidence of platform %d with a quote of %d bytes", s.Platform, len(s.Quote))
	}
	return s, nil
}

func readShown(tx *ledger.Tx, key string) (*Shown, error) {
	stored, err := tx.Get(key)
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, fault.New(fault.NotFound, "no %s", key)
	}
	return DecodeShown(stored)
}

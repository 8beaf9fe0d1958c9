package opstest

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// Prices of every job that Jobs opens.
const (
	TEEFee          reward.Amount = 1000
	VerificationFee reward.Amount = 401
	OwnerPrice      reward.Amount = 250
)

// Jobs is a ledger on which jobs are done: a consumer with money and grants of two
// owners, a TEE operator with a simulated platform, and verifiers of every member.
type Jobs struct {
	*World
	Consumer, Operator, Treasury, Residue *User
	Owners                                []*User
	Verifiers                             []*User // member by member, in turn
	Grants                                []attest.OpenLine
	Platform                              *simulated.Platform
	Chains                                []*Chain
}

// JobsPolicy is the policy of jobs that Jobs has, with a committee of the size.
func JobsPolicy(size int, treasury, residue *User) govern.Policy {
	return govern.Policy{
		Committee: uint64(size), EvidenceSeconds: 100, CommitSeconds: 100, RevealSeconds: 100, AcceptSeconds: 7200, DepositSeconds: 300,
		MinTEEFee: 10, MinVerificationFee: 10, Treasury: treasury.DID, TreasuryBasisPoints: 333, Residue: residue.DID,
		Standing: govern.Standing{Start: 100, Right: 5, Wrong: 30, Missed: 40, OffBelow: 50, MissedOff: 2, LeaveSeconds: 1000},
	}
}

// NewJobs returns such a ledger with so many verifiers of each member, and a committee of
// one seat for each of these.
func NewJobs(t testing.TB, each int) *Jobs {
	t.Helper()
	j := NewJobsOn(New(t), each)
	j.Register()
	return j
}

// NewJobsOn prepares a world; what draws need is not registered.
func NewJobsOn(w *World, each int) *Jobs {
	w.t.Helper()
	j := &Jobs{
		World: w, Consumer: NewUser("consumer"), Operator: NewUser("operator"), Treasury: NewUser("treasury"), Residue: NewUser("residue"),
		Platform: simulated.New(simulated.Default(tee.SGX, "jobs", w.Now)),
	}
	if head := j.Head(); head.Time < j.Now {
		j.Checkpoint(head.Size+1, j.Now) // evidence and collateral are of today
	}
	j.Owners = []*User{NewUser("first owner"), NewUser("second owner")}
	for _, u := range append([]*User{j.Consumer, j.Operator, j.Treasury, j.Residue}, j.Owners...) {
		j.Create(u)
	}
	j.Fund(j.Consumer, 1_000_000)
	j.Fund(j.Operator, 1_000_000)
	for _, o := range j.Owners {
		j.Grants = append(j.Grants, j.Grant(o, nil))
	}
	j.Decide("jobs", j.JSON(JobsPolicy(each*len(j.Members), j.Treasury, j.Residue)))
	j.Decide("operator/"+j.Operator.ID.String(), `{"organisation":"Org1MSP"}`)
	j.Trust(j.Platform)
	j.license(each)
	j.SetEpoch(2)
	return j
}

// Grant has an owner submit a record and allow jobs on it to the consumer.
func (j *Jobs) Grant(owner *User, uses *uint64) attest.OpenLine {
	j.t.Helper()
	j.nonce++
	ref := j.Do(owner, Submit(fmt.Sprint("of a job ", j.nonce)), "")
	grant := j.Do(owner, &ops.RecordAllow{
		Record: ref.String(), Client: j.Consumer.DID, Operation: "job.mean", Scope: []string{"/"}, Asset: "usd", Price: 250,
		Expires: j.Now + 86400, Uses: uses,
	}, "")
	return attest.OpenLine{Grant: grant.String(), Record: ref.String(), Version: 1, Owner: owner.DID, Price: OwnerPrice}
}

// Trust has the members list the platform's root and what it measures, and brings its
// collateral.
func (j *Jobs) Trust(p *simulated.Platform) {
	j.t.Helper()
	j.Decide("tee/roots", j.JSON([]govern.Root{{Certificate: base64.StdEncoding.EncodeToString(p.Root())}}))
	q, err := tee.Read(p.Quote([64]byte{}))
	if err != nil {
		j.t.Fatal(err)
	}
	m := govern.Measurement{Platform: platformOf(q), Operation: "job.mean"}
	if q.Kind == tee.SGX {
		m.Measurement = canon.Hex(q.SGX.MREnclave[:])
	} else {
		m.Measurement = canon.Hex(q.TDX.MRTD[:]) + canon.Hex(q.TDX.RTMR[0][:]) + canon.Hex(q.TDX.RTMR[1][:])
	}
	j.Decide("tee/measurements", j.JSON([]govern.Measurement{m}))
	j.Do(j.Consumer, CollateralOf(p), "")
}

func platformOf(q *tee.Quote) string { return strings.ToLower(q.Kind.String()) }

// CollateralOf is the body that brings a platform's collateral.
func CollateralOf(p *simulated.Platform) *ops.AttestCollateral {
	data, err := p.Collateral().Encode()
	if err != nil {
		panic(err) // it was made well
	}
	return &ops.AttestCollateral{Collateral: canon.B64(data)}
}

// license puts licences into the state, by hand: members decide on each.
func (j *Jobs) license(each int) {
	j.t.Helper()
	list := []govern.Licence{}
	for i := range each * len(j.Members) {
		u := NewUser(fmt.Sprint("verifier ", i))
		j.Verifiers = append(j.Verifiers, u)
		list = append(list, govern.Licence{DID: u.DID, Organisation: j.Members[i%len(j.Members)].MSP, Pay: u.DID, Epoch: 1})
	}
	j.Batches(j.Verifiers)
	j.SetLicences(list)
}

// Batches creates DIDs, many in a batch.
func (j *Jobs) Batches(users []*User) {
	j.t.Helper()
	for len(users) > 0 {
		n := min(len(users), 100)
		items := make([]ops.Item, n)
		for i, u := range users[:n] {
			items[i], _ = j.Sign(u, &ops.DIDCreate{Document: u.Doc}, "")
		}
		for _, b := range j.Batch(items...) {
			if b != 0 {
				j.t.Fatalf("did.create: %d", b)
			}
		}
		users = users[n:]
	}
}

// SetLicences puts licences into the state, by hand.
func (j *Jobs) SetLicences(list []govern.Licence) {
	j.t.Helper()
	sortLicences(list)
	if err := j.Store.Put(govern.LicencesKey, []byte(j.JSON(list))); err != nil {
		j.t.Fatal(err)
	}
}

func sortLicences(list []govern.Licence) {
	for i := range list {
		for k := i; k > 0 && list[k].DID < list[k-1].DID; k-- {
			list[k], list[k-1] = list[k-1], list[k]
		}
	}
}

// Register registers the members' chains, and has the first checkpoint accepted that they
// have an element for.
func (j *Jobs) Register() {
	j.t.Helper()
	j.Chains = j.RegisterAll(1000)
	j.AdvanceTo(j.Chains[len(j.Chains)-1].From)
}

// OpenBody is the body that opens a job on the grants.
func (j *Jobs) OpenBody(nonce string) *ops.AttestOpen {
	return &ops.AttestOpen{
		Operation: "job.mean", Lines: j.Grants, Asset: "usd", TEEFee: TEEFee, VerificationFee: VerificationFee,
		Key: canon.Hex(Seed("output key")), Nonce: canon.Hex(Seed(nonce)), Expires: j.Now + 7200,
	}
}

// Open opens a job.
func (j *Jobs) Open(nonce string) ledger.Reference {
	j.t.Helper()
	return j.Do(j.Consumer, j.OpenBody(nonce), "")
}

// AcceptBody is the body that accepts a job with the smallest deposit.
func (j *Jobs) AcceptBody(job ledger.Reference) *ops.AttestAccept {
	return &ops.AttestAccept{Job: job.String(), Checkpoint: j.Head().Number, Asset: "usd", Deposit: 2*OwnerPrice + VerificationFee}
}

// Accept accepts a job.
func (j *Jobs) Accept(job ledger.Reference) {
	j.t.Helper()
	j.Do(j.Operator, j.AcceptBody(job), "")
}

// OutputOf is the SHA-256 of an output.
func OutputOf(name string) string { return canon.Hex(Seed("output " + name)) }

// EvidenceBody is the body that brings a platform's quote of a job.
func (j *Jobs) EvidenceBody(job ledger.Reference, p *simulated.Platform, output string) *ops.AttestEvidence {
	j.t.Helper()
	stored, err := attest.ReadJob(ledger.Begin(j.Store, j.Now, ledger.Caller{}), job.String())
	if err != nil {
		j.t.Fatal(err)
	}
	hash, err := canon.UnHex32(output)
	if err != nil {
		j.t.Fatal(err)
	}
	quote := p.Quote(stored.ReportData(j.Name, job, j.Operator.ID, hash))
	q, err := tee.Read(quote)
	if err != nil {
		j.t.Fatal(err)
	}
	return &ops.AttestEvidence{Job: job.String(), Platform: platformOf(q), Output: output, Quote: canon.B64(quote)}
}

// Show brings good evidence.
func (j *Jobs) Show(job ledger.Reference) {
	j.t.Helper()
	j.Do(j.Operator, j.EvidenceBody(job, j.Platform, OutputOf("one")), "")
}

// Clone returns a ledger of its own with the same jobs.
func (j *Jobs) Clone(t testing.TB) *Jobs {
	c := *j
	c.World = j.World.Clone(t)
	return &c
}

// Earned returns the credits of a user in the asset that are not assigned to a vault.
func (j *Jobs) Earned(u *User) reward.Amount {
	j.t.Helper()
	return reward.Amount(j.Balance(u).Pending.Lo)
}

// Balance returns what a user has in usd.
func (j *Jobs) Balance(u *User) reward.BalanceView {
	j.t.Helper()
	var v reward.BalanceView
	j.Read("reward:Balance", reward.BalanceQuery{DID: u.DID, Asset: "usd"}, &v)
	return v
}

// Delete deletes a user's record.
func (j *Jobs) Delete(u *User, ref string) {
	j.t.Helper()
	value, err := j.Store.Get("record/" + ref)
	if err != nil {
		j.t.Fatal(err)
	}
	j.Do(u, &ops.RecordDelete{Record: ref}, ledger.Version(value))
}

// Bind has two verifiers of identities bind a person to a user's DID.
func (j *Jobs) Bind(u *User) {
	j.t.Helper()
	for i := range 2 {
		v := NewUser(fmt.Sprint("identity verifier ", i))
		j.Create(v)
		j.Decide("verifier/"+v.ID.String(), fmt.Sprintf(`{"organisation":"Org%dMSP"}`, i+1))
		j.Do(v, &ops.DIDBind{DID: u.DID, Tag: canon.Hex(Seed("person " + u.DID))}, "")
	}
}

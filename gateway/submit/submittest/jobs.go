package submittest

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// Jobs is a ledger on which jobs are done. Once it has started, what Jobs does by hand and
// what others submit is done on the one Ledger.
type Jobs struct {
	*opstest.Jobs
	Ledger *Ledger // after Start
	t      testing.TB
}

// NewJobs prepares a ledger of the present time, with a verifier of each member.
func NewJobs(t testing.TB) *Jobs {
	t.Helper()
	scene := opstest.New(t)
	scene.Now = now() // which the Ledger goes by
	return &Jobs{Jobs: opstest.NewJobsOn(scene, 1), t: t}
}

// Start registers the members' chains and goes on in a Ledger.
func (j *Jobs) Start() {
	j.t.Helper()
	j.Register()
	j.Ledger = NewOn(j.Store)
	j.Through = func(caller ledger.Caller, name string, args [][]byte) error {
		_, err := j.Ledger.InvokeAs(caller, name, args...)
		j.Pull()
		return err
	}
}

// Pull takes over what others have written to the Ledger.
func (j *Jobs) Pull() {
	j.t.Helper()
	store := new(ledger.Memory)
	for _, e := range j.Ledger.State() {
		if err := store.Put(e.Key, e.Value); err != nil {
			j.t.Fatal(err)
		}
	}
	j.Store = store
}

// Enrol creates the DID of somebody who signs as a client does, and gives it money.
func (j *Jobs) Enrol(signer interface {
	DID() string
	Create(links []string, payout string) (jws string, err error)
}) *opstest.User {
	j.t.Helper()
	jws, err := signer.Create(nil, "")
	if err != nil {
		j.t.Fatal(err)
	}
	item, err := ops.ParseCompact(jws)
	if err != nil {
		j.t.Fatal(err)
	}
	if got := j.Batch(item); got[0] != 0 {
		j.t.Fatalf("create: %v", fault.Code(got[0]))
	}
	id, err := did.ParseOn(Network, signer.DID())
	if err != nil {
		j.t.Fatal(err)
	}
	u := &opstest.User{DID: signer.DID(), ID: id}
	j.Fund(u, 1_000_000)
	return u
}

// License puts a verifier in the place of the first member's.
func (j *Jobs) License(u *opstest.User) {
	j.t.Helper()
	list := []govern.Licence{{DID: u.DID, Organisation: j.Members[0].MSP, Pay: u.DID, Epoch: 1}}
	for i, v := range j.Verifiers[1:] {
		list = append(list, govern.Licence{DID: v.DID, Organisation: j.Members[i+1].MSP, Pay: v.DID, Epoch: 1})
	}
	j.SetLicences(list)
}

// Others has all drawn verifiers but the first member's act.
func (j *Jobs) Others(job ledger.Reference, body func(u *opstest.User) ops.Body) {
	j.t.Helper()
	for _, u := range j.Drawn(job)[1:] {
		j.Do(u, body(u), "")
	}
}

package inside_test

import (
	"bytes"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
	"github.com/killick-ledger/killick/gateway/enclave/inside"
	"github.com/killick-ledger/killick/gateway/sealed"
)

const now = 1_800_000_000

func start(t *testing.T, secret string) *inside.Enclave {
	t.Helper()
	sum := hash(secret)
	e, err := inside.New(simulated.New(simulated.Default(tee.SGX, "inside", now)), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A key is of its task and its platform alone: after a restart it is the same, for
// whatever else the enclave is told it is another one.
func TestKeys(t *testing.T) {
	a, _ := assignment(t)
	first, quote, err := start(t, "one").Key(a)
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := start(t, "one").Key(a); err != nil || again != first {
		t.Errorf("after a restart the key is %x, was %x (%v)", again, first, err)
	}
	if q, err := tee.Read(quote); err != nil || q.ReportData != a.Task().ReportData(first) {
		t.Errorf("the quote binds something else: %v", err)
	}
	if other, _, err := start(t, "two").Key(a); err != nil || other == first {
		t.Errorf("another platform has the same key (%v)", err)
	}
	for name, change := range map[string]func(a *inside.Assignment){
		"network": func(a *inside.Assignment) { a.Network += "0" }, "job": func(a *inside.Assignment) { a.Ref.ID[0]++ }, "operator": func(a *inside.Assignment) { a.Operator[0]++ },
		"acceptance": func(a *inside.Assignment) { a.Accepted.Expiry++ }, "operation": func(a *inside.Assignment) { a.Job.Operation = "job.k-means" },
		"output key": func(a *inside.Assignment) { a.Job.Key[0]++ }, "nonce": func(a *inside.Assignment) { a.Job.Nonce[0]++ }, "version": func(a *inside.Assignment) { a.Job.Lines[0].Version++ },
		"commitment": func(a *inside.Assignment) { a.Job.Lines[0].Commitment[0]++ }, "price": func(a *inside.Assignment) { a.Job.Lines[0].Price++ }, "owner": func(a *inside.Assignment) { a.Job.Lines[0].Owner[0]++ },
	} {
		b, _ := assignment(t)
		change(b)
		if other, _, err := start(t, "one").Key(b); err != nil || other == first {
			t.Errorf("with another %s the key is the same (%v)", name, err)
		}
	}
}

// What is not sealed to this task, for this record, or not what it commits to, is refused
// by the door and by the run, and the refusal does not say what it was.
func TestDoor(t *testing.T) {
	e := start(t, "one")
	a, r := assignment(t)
	line := a.Job.Lines[0]
	key, _, err := e.Key(a)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(r *sealed.Record, to *sealed.Task, key [32]byte, version uint32) []byte {
		data, err := r.Seal(to, key, line.Record, version)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	good := seal(r, a.Task(), key, 3)
	if err := e.Check(a, 0, good); err != nil {
		t.Fatalf("a good record: %v", err)
	}
	changed := *r
	changed.Content = []byte(`{"pulse":200}`)
	salted := *r
	salted.Salt[0]++
	other := *a.Task()
	other.Nonce[0]++
	stranger := [32]byte(key2(t))
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1]++
	for name, data := range map[string][]byte{
		"another content": seal(&changed, a.Task(), key, 3), "another salt": seal(&salted, a.Task(), key, 3), "another version": seal(r, a.Task(), key, 4),
		"another task": seal(r, &other, key, 3), "another key": seal(r, a.Task(), stranger, 3), "a changed byte": flipped, "cut off": good[:len(good)-1],
		"too short": good[:10], "nothing": {}, "the content itself": r.Content,
	} {
		err := e.Check(a, 0, data)
		if fault.Of(err) != fault.InvalidValue || bytes.Contains([]byte(err.Error()), []byte("pulse")) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := e.Run(a, []byte(orderText), [][]byte{data}); fault.Of(err) != fault.InvalidValue {
			t.Errorf("run on %s: %v", name, err)
		}
	}
}

// The evidence binds the output that comes with it; orders that are not the job's, and
// what does not fit its lines, are refused.
func TestRun(t *testing.T) {
	e := start(t, "one")
	a, _ := assignment(t)
	out, err := e.Run(a, []byte(orderText), make([][]byte, 1))
	if err != nil {
		t.Fatal(err)
	}
	q, err := tee.Read(out.Quote)
	if err != nil || q.ReportData != a.Job.ReportData(a.Network, a.Ref, a.Operator, canon.Sum(out.Ciphertext)) {
		t.Errorf("the quote binds something else: %v", err)
	}
	plain, err := sealed.OpenOutput(a.Task(), key(t, "consumer"), out.Ciphertext)
	want := `{"absent":["` + a.Job.Lines[0].Record.String() + `"],"format":"killick-output-1","job":"` + a.Ref.String() + `","network":"test-0011223344556677","operation":"job.mean","parameters":{"contributors":2,"field":"/pulse"},"withheld":"too_few_contributors"}`
	if err != nil || string(plain) != want {
		t.Errorf("output %s, %v\nwant %s", plain, err, want)
	}
	if _, err := e.Run(a, []byte(`{"parameters":{},"salt":"`+canon.Hex(make([]byte, 32))+`"}`), make([][]byte, 1)); fault.Of(err) != fault.BadProof {
		t.Errorf("another order: %v", err)
	}
	if _, err := e.Run(a, nil, make([][]byte, 1)); fault.Of(err) != fault.WrongType {
		t.Errorf("no order: %v", err)
	}
	if _, err := e.Run(a, []byte(orderText), nil); fault.Of(err) != fault.InvalidValue {
		t.Errorf("no records: %v", err)
	}
	a.Job.Operation = "job.nothing"
	if _, err := e.Run(a, []byte(orderText), make([][]byte, 1)); fault.Of(err) != fault.UnknownOperation {
		t.Errorf("no operation: %v", err)
	}
}

// A simulated platform has the same root after a restart on another day, and quotes that
// are good on both.
func TestSimulationOnAnotherDay(t *testing.T) {
	for _, kind := range []tee.Kind{tee.SGX, tee.TDX} {
		s := inside.Simulation{Kind: kind, Seed: "a seed of sixteen", Since: now}
		first, later := s.Platform(now+100), s.Platform(now+40*86400)
		if !bytes.Equal(first.Root(), later.Root()) {
			t.Errorf("%s: another root", kind)
		}
		quote := later.Quote([64]byte{1})
		if _, err := tee.Appraise(quote, later.Collateral(), first.Roots(), now+41*86400, nil); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if _, err := tee.Appraise(quote, first.Collateral(), first.Roots(), now+41*86400, nil); err == nil {
			t.Errorf("%s: collateral of 41 days ago is good", kind)
		}
		l, err := inside.ListingOf(first, []string{"job.mean", "job.k-means"})
		if err != nil || len(l.Measurements) != 2 || !l.Roots[0].Simulated || l.Measurements[1].Operation != "job.k-means" {
			t.Errorf("%s: listing %+v, %v", kind, l, err)
		}
	}
	s := inside.Simulation{Kind: tee.SGX, Seed: "a seed of sixteen", Since: now, MREnclave: hash("other")}
	if q, err := tee.Read(s.Platform(now).Quote([64]byte{})); err != nil || q.SGX.MREnclave != hash("other") {
		t.Errorf("the measurement is not the one that was asked for (%v)", err)
	}
}

func key2(t *testing.T) []byte { return key(t, "a stranger").PublicKey().Bytes() }

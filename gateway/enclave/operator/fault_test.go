package operator_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/enclave/analysis"
	"github.com/killick-ledger/killick/gateway/enclave/operator"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// lost is what a caller sees of a call whose answer never came.
var lost = status.Error(codes.Unavailable, "the connection broke")

// broken has an operation fail so many times, before it reaches the ledger or after.
type broken struct {
	operation string
	stored    bool
	times     int
	sent      map[string]int // operations that reached the ledger's gateway
}

func (b *broken) submit(operation string, forward func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
	b.sent[operation]++
	if operation != b.operation || b.times == 0 {
		return forward()
	}
	b.times--
	if b.stored {
		if _, err := forward(); err != nil {
			return nil, err
		}
	}
	return nil, lost
}

// An operation that got lost, or was done although its answer was, is done once, whether
// the program goes on or is killed there. (EC-2)
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"attest.accept", "attest.evidence"} {
		for _, stored := range []bool{false, true} {
			for _, killed := range []bool{false, true} {
				name := operation + map[bool]string{false: " not done", true: " done although it failed"}[stored] + map[bool]string{false: "", true: ", killed"}[killed]
				t.Run(name, func(t *testing.T) { lostAnswer(t, operation, stored, killed) })
			}
		}
	}
}

func lostAnswer(t *testing.T, operation string, stored, killed bool) {
	t.Parallel()
	s := begin(t, analysis.CountBySchema, "a", "b")
	job := s.openWith(analysis.CountBySchema, s.order(`{}`))
	b := &broken{operation: operation, stored: stored, times: 1, sent: map[string]int{}}
	s.submit = b.submit
	fails := 0
	step := func() {
		t.Helper()
		if err := s.Once(t.Context()); err != nil {
			fails++
			if killed {
				s.restart()
			}
			if err := s.Once(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	step()
	s.release(job, s.owners...)
	step()
	if got := s.state(job); got != "proven" || fails != 1 {
		t.Fatalf("it is %q after %d failures: %s", got, fails, s.log)
	}
	if v := s.result(job)["result"].(map[string]any); v["records"] != 2.0 {
		t.Errorf("result %v", v)
	}
	// One deposit of 901 is set aside, and one output is on the ledger.
	if got := s.jobs.Balance(s.jobs.Operator).Balance; got != 1_000_000-901 {
		t.Errorf("the operator has %d", got)
	}
	ref := s.reference(job)
	if got := s.jobs.Round(ref); got.Rival != nil || got.Phase != "drawing" {
		t.Errorf("round %+v", got)
	}
}

// faulty is a disk on which writing one file fails once, before it is done or after.
type faulty struct {
	operator.Disk
	name  string
	done  bool
	times int
}

var errDisk = errors.New("input/output error")

func (d *faulty) Write(name string, data []byte) error {
	if !strings.HasSuffix(name, "/"+d.name) || d.times == 0 {
		return d.Disk.Write(name, data)
	}
	d.times--
	if d.done {
		if err := d.Disk.Write(name, data); err != nil {
			return err
		}
	}
	return errDisk
}

// A write that failed, or was done although it failed, loses no job and makes no second
// output, whether the program goes on or is killed there. (EC-2)
func TestDiskFails(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"accept", "output", "evidence", "end"} {
		for _, done := range []bool{false, true} {
			for _, killed := range []bool{false, true} {
				t.Run(name+map[bool]string{false: " not written", true: " written although it failed"}[done]+map[bool]string{false: "", true: ", killed"}[killed], func(t *testing.T) {
					diskFails(t, name, done, killed)
				})
			}
		}
	}
}

func diskFails(t *testing.T, name string, done, killed bool) {
	t.Parallel()
	s := begin(t, analysis.CountBySchema, "a", "b")
	d := &faulty{Disk: operator.Folder(s.cfg.Dir), name: name, done: done, times: 1}
	s.cfg = s.cfg.On(d)
	s.restart()
	b := &broken{sent: map[string]int{}}
	s.submit = b.submit
	job := s.openWith(analysis.CountBySchema, s.order(`{}`))
	fails := 0
	step := func() {
		t.Helper()
		if err := s.Once(t.Context()); err != nil {
			if !strings.Contains(err.Error(), "input/output") {
				t.Fatal(err)
			}
			fails++
			if killed {
				s.restart()
			}
			if err := s.Once(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	step()
	s.release(job, s.owners...)
	step()
	s.settle(job)
	step()
	if got := s.state(job); got != "settled" || fails != 1 {
		t.Fatalf("it is %q after %d failures: %s", got, fails, s.log)
	}
	if b.sent["attest.accept"] != 1 || b.sent["attest.evidence"] != 1 {
		t.Errorf("sent %v", b.sent)
	}
	if v := s.result(job)["result"].(map[string]any); v["records"] != 2.0 {
		t.Errorf("result %v", v)
	}
}

// A record whose write failed is not taken, and can be brought again.
func TestRecordNotWritten(t *testing.T) {
	t.Parallel()
	for _, done := range []bool{false, true} {
		s := begin(t, analysis.CountBySchema, "a", "b")
		s.cfg = s.cfg.On(&faulty{Disk: operator.Folder(s.cfg.Dir), name: "record-0", done: done, times: 1})
		s.restart()
		job := s.openWith(analysis.CountBySchema, s.order(`{}`))
		s.pass()
		data, err := s.seal(job, s.owners[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := s.enclave.PutRecord(t.Context(), job, s.owners[0].line.Record, data); fault.Of(err) != fault.Internal {
			t.Errorf("a record that was not written: %v", err)
		}
		s.restart()
		s.pass()
		s.release(job, s.owners...)
		s.pass()
		if got := s.state(job); got != "proven" {
			t.Errorf("it is %q: %s", got, s.log)
		}
	}
}

// An acceptance that never reached the ledger and cannot any more ends the job here; one
// that somebody else was faster with as well.
func TestNotAccepted(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.CountBySchema, "a", "b")
	job := s.openWith(analysis.CountBySchema, s.order(`{}`))
	b := &broken{operation: "attest.accept", times: 1, sent: map[string]int{}}
	s.submit = b.submit
	if err := s.Once(t.Context()); err == nil {
		t.Fatal("the answer was not lost")
	}
	other := s.rival()
	v, err := s.gateway.Job(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	jws, _, err := other.AcceptJob(v, s.jobs.Head().Number, "901")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.gateway.Submit(t.Context(), jws); err != nil {
		t.Fatal(err)
	}
	s.pass()
	if got := s.state(job); got != "lost" {
		t.Errorf("it is %q: %s", got, s.log)
	}
	if _, err := s.enclave.Key(t.Context(), job); fault.Of(err) != fault.NotFound {
		t.Errorf("a key for another operator's job: %v", err)
	}
	s.jobs.Pull()
	if got := s.jobs.Balance(s.jobs.Operator).Balance; got != 1_000_000 {
		t.Errorf("the operator has %d", got)
	}
}

// A gateway that breaks off is no refusal, one with a code is.
func TestUnknownIsNoRefusal(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.CountBySchema, "a", "b")
	job := s.openWith(analysis.CountBySchema, s.order(`{}`))
	s.submit = func(operation string, forward func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
		return nil, lost
	}
	for range 3 {
		if err := s.Once(t.Context()); err == nil || fault.Of(err) != fault.Unknown {
			t.Errorf("a pass without answers: %v", err)
		}
	}
	if got := s.state(job); got != "accepting" {
		t.Errorf("it is %q", got)
	}
	s.submit = nil
	s.restart()
	s.pass()
	if got := s.state(job); got != "accepted" {
		t.Errorf("it is %q: %s", got, s.log)
	}
}

// A platform whose collateral the ledger does not have brings it, and goes on; what the
// members have stopped waits.
func TestCollateralAndStop(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.CountBySchema, "a", "b")
	spec := simulated.Default(tee.SGX, "jobs", s.jobs.Now)
	spec.FMSPC = [6]byte{9} // another model, under the same root
	s.cfg.Platform = simulated.New(spec)
	s.restart()
	job := s.openWith(analysis.CountBySchema, s.order(`{}`))
	stopped := 2
	s.submit = func(operation string, forward func() (*killickv1.Operation, error)) (*killickv1.Operation, error) {
		if operation == "attest.accept" && stopped > 0 {
			stopped--
			st, err := status.New(codes.Unavailable, "stopped").WithDetails(&errdetails.ErrorInfo{Reason: "stopped", Domain: "killick", Metadata: map[string]string{"text": "by the members"}})
			if err != nil {
				return nil, err
			}
			return nil, st.Err()
		}
		return forward()
	}
	for range 2 {
		if err := s.Once(t.Context()); fault.Of(err) != fault.Stopped || s.state(job) != "accepting" {
			t.Errorf("stopped: %v, it is %q", err, s.state(job))
		}
	}
	s.pass()
	quoted, err := s.enclave.Key(t.Context(), job)
	if err != nil {
		t.Fatal(err, s.log)
	}
	if quoted.Quote == "" {
		t.Error("no quote")
	}
	s.release(job, s.owners...)
	for end := time.Now().Add(20 * time.Second); s.state(job) != "proven" && time.Now().Before(end); {
		s.pass() // evidence that is signed in the same second is the refused one
	}
	if got := s.state(job); got != "proven" || strings.Count(s.log.String(), "collateral of the platform is on the ledger") != 1 {
		t.Errorf("it is %q: %s", got, s.log)
	}
}

// A job that ended is dropped when its time to be kept is over, and what its end was
// written of is dropped after a restart as well; orders of jobs that others took end.
func TestDropped(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.CountBySchema, "a", "b")
	job := s.openWith(analysis.CountBySchema, s.order(`{}`))
	s.pass()
	s.release(job, s.owners...)
	s.pass()
	s.settle(job)
	s.pass()
	if got := s.state(job); got != "settled" {
		t.Fatalf("it is %q: %s", got, s.log)
	}
	s.restart()
	s.pass()
	if _, err := s.enclave.Output(t.Context(), job); err != nil {
		t.Errorf("the output after a restart: %v", err)
	}
	s.cfg.Keep = time.Nanosecond
	s.restart()
	s.pass()
	if _, err := s.enclave.Output(t.Context(), job); fault.Of(err) != fault.NotFound || len(s.Status().Jobs) != 0 {
		t.Errorf("the output after its time: %v", err)
	}
	s.restart()
	if len(s.Status().Jobs) != 0 {
		t.Error("the journal has it after a restart")
	}
}

// The order of a job that its consumer cancels ends with it.
func TestCancelled(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.Mean, `{"pulse":60}`, `{"pulse":71}`)
	s.cfg.Assets = []operator.Asset{{Name: "pts"}}
	s.restart()
	job := s.open(analysis.Mean, meanOfPulse)
	s.pass()
	if got := s.state(job); got != "ordered" {
		t.Fatalf("it is %q", got)
	}
	jws, _, err := s.consumer.Operation(&ops.AttestCancel{Job: job}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.gateway.Submit(t.Context(), jws); err != nil {
		t.Fatal(err)
	}
	for s.state(job) == "ordered" { // until the gateway's list has it
		s.pass()
	}
	if got := s.state(job); got != "lost" {
		t.Errorf("it is %q", got)
	}
}

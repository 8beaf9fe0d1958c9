package operator_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api/apitest"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/enclave/analysis"
	"github.com/killick-ledger/killick/gateway/enclave/operator"
)

// behind is a gateway that has not seen what happened since rounds were as it has them:
// it knows no operation. With rounds nil it has caught up.
type behind struct {
	killickv1.UnimplementedKillickServer
	rounds map[string]*killickv1.Round
	sent   []fault.Code         // answers to what is submitted next, before any other
	answer *killickv1.Operation // to look-ups, if set
}

// fallBehind puts another gateway before the operator from its next start on, which is
// behind.
func (s *stage) fallBehind(jobs ...string) *behind {
	s.t.Helper()
	b := &behind{rounds: map[string]*killickv1.Round{}}
	for _, job := range jobs {
		r, err := s.gateway.Round(s.t.Context(), job, false)
		if err != nil {
			s.t.Fatal(err)
		}
		b.rounds[job] = r
	}
	front := apitest.Between(s.t, apitest.Serve(s.t, s.jobs.Ledger).Address, func(killickv1.KillickClient) killickv1.KillickServer { return b })
	gateway, err := client.Dial(front)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := gateway.Close(); err != nil {
			s.t.Error(err)
		}
	})
	s.cfg.Gateway = gateway
	return b
}

// listed waits until the gateway of the operator's next start lists what there is.
func (s *stage) listed() {
	s.t.Helper()
	n, err := s.gateway.Network(s.t.Context())
	if err == nil {
		_, err = s.cfg.Gateway.Jobs(s.t.Context(), &client.ListJobs{Phase: "open", MinBlock: n.GetHeight() - 1})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// refused is an answer with a code.
func refused(code fault.Code) error {
	st, err := status.New(codes.FailedPrecondition, code.String()).WithDetails(&errdetails.ErrorInfo{Reason: code.String(), Domain: "killick", Metadata: map[string]string{"instance": "x"}})
	if err != nil {
		return err
	}
	return st.Err()
}

// passOn has the other gateway answer.
var passOn = status.Error(codes.Unimplemented, "")

func (b *behind) GetRound(_ context.Context, in *killickv1.GetRoundRequest) (*killickv1.Round, error) {
	if r := b.rounds[in.GetId()]; r != nil {
		return r, nil
	}
	return nil, passOn
}

func (b *behind) GetOperation(context.Context, *killickv1.GetOperationRequest) (*killickv1.Operation, error) {
	switch {
	case b.answer != nil:
		return b.answer, nil
	case b.rounds != nil:
		return nil, refused(fault.NotFound)
	}
	return nil, passOn
}

func (b *behind) Submit(context.Context, *killickv1.SubmitRequest) (*killickv1.Operation, error) {
	if len(b.sent) == 0 {
		return nil, passOn
	}
	code := b.sent[0]
	b.sent = b.sent[1:]
	return nil, refused(code)
}

// expire has an operation of a job expire, in the journal of a program that does not run.
func (s *stage) expire(job, name string) {
	s.t.Helper()
	path := filepath.Join(s.cfg.Dir, "jobs", job, name)
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		s.t.Fatal(err)
	}
	v["expires"] = time.Now().Add(-10 * time.Minute).Unix()
	if data, err = json.Marshal(v); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// unsure has the operator accept a job, the answer to which is lost, and its gateway fall
// behind. The acceptance has reached the ledger if it is stored.
func unsure(t *testing.T, stored bool) (*stage, *behind, string) {
	t.Helper()
	s := begin(t, analysis.CountBySchema, "a", "b")
	job := s.openWith(analysis.CountBySchema, s.order(`{}`))
	b := s.fallBehind(job)
	s.submit = (&broken{operation: "attest.accept", stored: stored, times: 1, sent: map[string]int{}}).submit
	if err := s.Once(t.Context()); err == nil {
		t.Fatal("the answer was not lost")
	}
	s.submit = nil
	return s, b, job
}

// An acceptance that has expired is not lost because a gateway does not know it: it may
// be behind the ledger, where the deposit is set aside. (EC-7)
func TestExpiredUnknown(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]bool{"expired": false, "expired long ago": true} {
		t.Run(name+", done", func(t *testing.T) {
			t.Parallel()
			s, b, job := unsure(t, true)
			s.cfg.Jobs = 1
			s.waits(b, job, old)
			b.rounds = nil
			second := s.openWith(analysis.CountBySchema, s.order(`{ }`))
			s.listed()
			s.pass()
			if got := s.state(second); got != "" {
				t.Errorf("beside a job that is under way a second one is %q", got)
			}
			if got := s.state(job); got != "accepted" {
				t.Errorf("with a gateway that has caught up it is %q: %s", got, s.log)
			}
			if got := s.jobs.Balance(s.jobs.Operator).Balance; got != 1_000_000-901 {
				t.Errorf("the operator has %d", got)
			}
		})
		t.Run(name+", not done", func(t *testing.T) {
			t.Parallel()
			s, b, job := unsure(t, false)
			s.waits(b, job, old)
			b.rounds = nil
			s.lapse(job)
			b.sent = []fault.Code{fault.Expired}
			s.pass()
			if got := s.state(job); got != "lost" {
				t.Errorf("with a job that has lapsed it is %q: %s", got, s.log)
			}
			if got := s.jobs.Balance(s.jobs.Operator).Balance; got != 1_000_000 {
				t.Errorf("the operator has %d", got)
			}
		})
	}
}

// waits has the operator look again at an acceptance that has expired.
func (s *stage) waits(b *behind, job string, old bool) {
	s.t.Helper()
	if old {
		s.expire(job, "accept")
	}
	s.restart()
	for range 2 {
		b.sent = []fault.Code{fault.Expired}
		if err := s.Once(s.t.Context()); fault.Of(err) != fault.Unknown || s.state(job) != "accepting" {
			s.t.Fatalf("with a gateway that is behind: %v, it is %q", err, s.state(job))
		}
	}
	b.sent = nil
}

// lapse has the checkpoints' time go past that of an open job.
func (s *stage) lapse(job string) {
	s.t.Helper()
	ref := s.reference(job)
	v, err := s.gateway.Job(s.t.Context(), job)
	if err != nil {
		s.t.Fatal(err)
	}
	for s.jobs.Head().Time <= v.GetExpires() {
		s.jobs.Tick(120)
	}
	if got := s.jobs.Step(ref); got != "lapsed" {
		s.t.Fatalf("the job is %s", got)
	}
}

// What a look-up says of an acceptance that has expired holds, but that it expired: this
// a gateway says that is behind. (EC-7)
func TestExpiredLookedUp(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		state, code string
		want        string
	}{
		"pending":              {"pending", "", "accepting"},
		"done, not shown yet":  {"done", "ok", "accepting"},
		"refused by the state": {"refused", fault.WrongPhase.String(), "declined"},
		"refused as expired":   {"refused", fault.Expired.String(), "accepting"},
		"stopped":              {"refused", fault.Stopped.String(), "accepting"},
		"of a newer gateway":   {"refused", "what_is_this", "accepting"},
		"a word of its own":    {"gone", "", "accepting"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b, job := unsure(t, true)
			s.expire(job, "accept")
			v, err := s.gateway.Round(t.Context(), job, false)
			if err != nil {
				t.Fatal(err)
			}
			b.answer = &killickv1.Operation{Reference: v.GetAccepted(), State: tt.state, Code: tt.code}
			s.restart()
			if err := s.Once(t.Context()); (err == nil) != (tt.want == "declined") {
				t.Error(err)
			}
			if got := s.state(job); got != tt.want {
				t.Errorf("it is %q, want %q", got, tt.want)
			}
			b.answer.Reference = job
			if err := s.Once(t.Context()); tt.want != "declined" && (err == nil || !strings.Contains(err.Error(), "another operation")) {
				t.Errorf("an answer about another operation: %v", err)
			}
		})
	}
}

// An acceptance that has expired with an unknown outcome keeps its deposit at risk, and no
// place.
func TestExpiredKeepsNoPlace(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		atRisk string
		want   string
	}{"room for two": {"1802", "accepted"}, "room for one": {"1801", ""}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, job := unsure(t, false)
			s.expire(job, "accept")
			s.cfg.Jobs = 1
			s.cfg.Assets = []operator.Asset{{Name: "usd"}}
			if err := s.cfg.Assets[0].MaxAtRisk.UnmarshalText([]byte(tt.atRisk)); err != nil {
				t.Fatal(err)
			}
			s.restart()
			second := s.openWith(analysis.CountBySchema, s.order(`{ }`))
			s.listed()
			if err := s.Once(t.Context()); fault.Of(err) != fault.Unknown {
				t.Error(err)
			}
			if got := s.state(second); got != tt.want || s.state(job) != "accepting" {
				t.Errorf("the second job is %q, want %q, the first %q: %s", got, tt.want, s.state(job), s.log)
			}
		})
	}
}

// Evidence that the ledger refuses for what the gateway does not show yet is no failure:
// an earlier operation may have brought it.
func TestEvidenceThere(t *testing.T) {
	t.Parallel()
	for _, code := range []fault.Code{fault.AlreadyDone, fault.WrongPhase} {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			s := begin(t, analysis.CountBySchema, "a", "b")
			job := s.openWith(analysis.CountBySchema, s.order(`{}`))
			s.pass()
			b := s.fallBehind(job)
			s.submit = (&broken{operation: "attest.evidence", stored: true, times: 1, sent: map[string]int{}}).submit
			s.release(job, s.owners...)
			if err := s.Once(t.Context()); err == nil {
				t.Fatal("the answer was not lost")
			}
			s.expire(job, "evidence")
			s.restart()
			b.sent = []fault.Code{code}
			if err := s.Once(t.Context()); err == nil || s.state(job) != "run" {
				t.Errorf("with a gateway that is behind: %v, it is %q", err, s.state(job))
			}
			b.rounds = nil
			s.pass()
			if got := s.state(job); got != "proven" {
				t.Errorf("with a gateway that has caught up it is %q: %s", got, s.log)
			}
			if got := s.jobs.Round(s.reference(job)); got.Rival != nil || got.Phase != attest.Drawing.String() {
				t.Errorf("round %+v", got)
			}
		})
	}
}

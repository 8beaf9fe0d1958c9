package tee_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

const now = 1_790_000_000

var data = [64]byte(bytes.Repeat([]byte{0xd4}, 64))

// makers are all forms of quotes, each of a platform that is up to date.
var makers = []struct {
	name string
	spec func() *simulated.Spec
}{
	{"SGX 3", func() *simulated.Spec { return simulated.Default(tee.SGX, "sgx", now) }},
	{"TDX 4", func() *simulated.Spec { return simulated.Default(tee.TDX, "tdx", now) }},
	{"TDX 5", func() *simulated.Spec {
		s := simulated.Default(tee.TDX, "tdx", now)
		s.Version = 5
		return s
	}},
	{"TDX 5, report 1.5", func() *simulated.Spec {
		s := simulated.Default(tee.TDX, "tdx", now)
		s.Version, s.TD15 = 5, true
		return s
	}},
}

// appraise makes the platform and has its quote appraised by nobody's policy.
func appraise(s *simulated.Spec) (*tee.Result, error) {
	p := simulated.New(s)
	return tee.Appraise(p.Quote(data), p.Collateral(), p.Roots(), now, nil)
}

// reason is the stable name of a refusal, or empty.
func reason(err error) string {
	var r *tee.Refusal
	if errors.As(err, &r) {
		return r.Reason()
	}
	if err != nil {
		return "not a refusal: " + err.Error()
	}
	return ""
}

// TE-1: what is genuine is accepted, with what it measures.
func TestAppraise(t *testing.T) {
	for _, m := range makers {
		t.Run(m.name, func(t *testing.T) {
			s := m.spec()
			got, err := appraise(s)
			if err != nil {
				t.Fatal(err)
			}
			want := &tee.Result{Kind: s.Kind, Version: s.Version, Status: tee.UpToDate, TCBDate: now - 60*86400, Evaluation: 20, FMSPC: s.FMSPC, Until: now + 25*86400,
				Root: sum(simulated.New(s).Root()), ReportData: data}
			if s.Kind == tee.SGX {
				r := s.SGX
				r.ReportData = data
				want.SGX = &r
			} else {
				r := s.TDX
				r.ReportData = data
				if !s.TD15 {
					r.TCBSVN2 = [16]byte{}
				}
				want.TDX = &r
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Both ends of all validities are inclusive.
func TestTimesAreInclusive(t *testing.T) {
	p := simulated.New(simulated.Default(tee.SGX, "times", now))
	const day = 86400
	for _, tt := range []struct {
		at   uint64
		want string
	}{
		{now - 5*day, ""}, {now + 25*day, ""}, {now - 5*day - 1, "root_crl/early"}, {now + 25*day + 1, "root_crl/expired"},
		{0, "root/early"}, {1 << 63, "root/expired"}, {1<<64 - 1, "root/expired"},
	} {
		_, err := tee.Appraise(p.Quote(data), p.Collateral(), p.Roots(), tt.at, nil)
		if got := reason(err); got != tt.want {
			t.Errorf("at %d: %q, want %q", tt.at, got, tt.want)
		}
	}
}

// TE-2: equal input gives equal output, and nothing of the input is changed.
func TestAppraiseIsDeterministic(t *testing.T) {
	p := simulated.New(makers[3].spec())
	quote := p.Quote(data)
	before := bytes.Clone(quote)
	encoded, err := p.Collateral().Encode()
	if err != nil {
		t.Fatal(err)
	}
	first, err := tee.Appraise(quote, p.Collateral(), p.Roots(), now, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c, err := tee.DecodeCollateral(encoded)
		if err != nil {
			t.Fatal(err)
		}
		again, err := tee.Appraise(quote, c, p.Roots(), now, nil)
		if diff := cmp.Diff(first, again); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	}
	if after, _ := p.Collateral().Encode(); !bytes.Equal(quote, before) || !bytes.Equal(encoded, after) {
		t.Error("an appraisal changed its input")
	}
}

// A platform made again from its seed is the same one, to the byte.
func TestSimulatedIsDeterministic(t *testing.T) {
	for _, m := range makers {
		a, b := simulated.New(m.spec()), simulated.New(m.spec())
		ca, _ := a.Collateral().Encode()
		cb, _ := b.Collateral().Encode()
		if !bytes.Equal(a.Quote(data), b.Quote(data)) || !bytes.Equal(ca, cb) || !bytes.Equal(a.Root(), b.Root()) {
			t.Errorf("%s: two platforms of one seed differ", m.name)
		}
	}
}

func TestRead(t *testing.T) {
	for _, m := range makers {
		s := m.spec()
		p := simulated.New(s)
		q, err := tee.Read(p.Quote(data))
		if err != nil {
			t.Fatal(err)
		}
		if q.Kind != s.Kind || q.Version != s.Version || q.ReportData != data || (q.SGX != nil) != (s.Kind == tee.SGX) || (q.TDX != nil) != (s.Kind == tee.TDX) {
			t.Errorf("%s: read %+v", m.name, q)
		}
		if other, err := tee.Read(p.Quote([64]byte{1})); err != nil || other.Digest() == q.Digest() {
			t.Errorf("%s: two quotes have one digest", m.name)
		}
		for _, padding := range []int{0, 1, 3000} {
			if got := tee.Trim(append(p.Quote(data), make([]byte, padding)...)); !bytes.Equal(got, p.Quote(data)) {
				t.Errorf("%s: trimmed to %d bytes", m.name, len(got))
			}
		}
		platform, err := q.Platform()
		if err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		want := &tee.Platform{Kind: s.Kind, FMSPC: s.FMSPC, CA: "Simulated SGX PCK Platform CA", PPID: platform.PPID}
		if diff := cmp.Diff(want, platform); diff != "" {
			t.Errorf("%s: %s", m.name, diff)
		}
		elsewhere := *s
		elsewhere.Machine = "another"
		if q, err = tee.Read(simulated.New(&elsewhere).Quote(data)); err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		if other, err := q.Platform(); err != nil || other.PPID == platform.PPID || platform.PPID == [16]byte{} {
			t.Errorf("%s: machines %x and %x: %v", m.name, platform.PPID, other.PPID, err)
		}
	}
	for _, junk := range [][]byte{nil, {3}, bytes.Repeat([]byte{0xff}, 700)} {
		if got := tee.Trim(junk); !bytes.Equal(got, junk) {
			t.Errorf("%d bytes that are no quote were trimmed to %d", len(junk), len(got))
		}
	}
}

package operator_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/enclave/analysis"
	"github.com/killick-ledger/killick/gateway/enclave/operator"
	"github.com/killick-ledger/killick/gateway/sealed"
)

// slow is a request whose body comes as the test writes it.
type slow struct {
	*io.PipeWriter
	answer *httptest.ResponseRecorder
	done   chan struct{}
}

// put begins to bring a body, and returns once the service reads it.
func put(t *testing.T, h http.Handler, path, media string) *slow {
	t.Helper()
	r, w := io.Pipe()
	s := &slow{w, httptest.NewRecorder(), make(chan struct{})}
	request := httptest.NewRequest(http.MethodPut, path, r)
	request.Header.Set("Content-Type", media)
	go func() {
		defer close(s.done)
		h.ServeHTTP(s.answer, request)
		r.Close() // else who writes would wait for ever
	}()
	if _, err := s.Write([]byte("{")); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Fatal(err)
	}
	return s
}

// end ends the body and returns the code of the answer.
func (s *slow) end(err error) int {
	s.CloseWithError(err)
	<-s.done
	return s.answer.Code
}

func asked(h http.Handler) int {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v1/status", nil))
	return answer.Code
}

// nobodys is a job that nobody opened.
var nobodys = strings.Repeat("0", 8) + "-" + strings.Repeat("0", 64)

// Who brings a body slowly keeps nobody else out.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.CountBySchema, "a", "b")
	h := s.Handler()
	var bodies []*slow
	for range 4 * operator.MaxRequests {
		bodies = append(bodies, put(t, h, "/v1/jobs/"+nobodys+"/order", "application/json"))
	}
	if got := asked(h); got != http.StatusOK {
		t.Errorf("with %d slow bodies the status answers %d", len(bodies), got)
	}
	job := s.open(analysis.CountBySchema, `{}`)
	s.pass()
	s.release(job, s.owners...)
	s.pass()
	if got := s.state(job); got != "proven" {
		t.Errorf("with %d slow bodies the job is %q: %s", len(bodies), got, s.log)
	}
	for _, b := range bodies {
		if got := b.end(io.ErrUnexpectedEOF); got != fault.Malformed.HTTP() {
			t.Fatalf("a body that was cut off: %d", got)
		}
	}
	if got := s.Held(); got != 0 {
		t.Errorf("%d bytes are held when all have gone", got)
	}
}

// What bodies take in memory has a bound, whoever sends them; one that ends makes room.
func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.CountBySchema, "a", "b")
	job := s.open(analysis.CountBySchema, `{}`)
	s.pass()
	const most = 2 << 20
	s.Bodies(most)
	h, path := s.Handler(), "/v1/jobs/"+job+"/records/"+s.owners[0].line.Record
	var bodies []*slow
	refused := 0
	for range 6 {
		b := put(t, h, path, "application/octet-stream")
		if _, err := b.Write(make([]byte, 600<<10)); err != nil {
			refused++
		}
		bodies = append(bodies, b)
		if got := s.Held(); got > most {
			t.Fatalf("%d bytes are held", got)
		}
	}
	if refused != 4 {
		t.Errorf("%d of 6 were refused, want 4", refused)
	}
	codes := map[int]int{}
	for _, b := range bodies {
		codes[b.end(nil)]++
	}
	if codes[fault.Overloaded.HTTP()] != 4 || codes[fault.Malformed.HTTP()] != 2 {
		t.Errorf("answers %v", codes)
	}
	if got := s.Held(); got != 0 {
		t.Errorf("%d bytes are held when all have gone", got)
	}
	s.release(job, s.owners...)
}

// A body has its bound, whether it announces its length or not, and is whole.
func TestBody(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.CountBySchema, "a", "b")
	job := s.open(analysis.CountBySchema, `{}`)
	s.pass()
	web := httptest.NewServer(s.Handler())
	defer web.Close()
	good, err := s.seal(job, s.owners[0])
	if err != nil {
		t.Fatal(err)
	}
	send := func(body io.Reader, length int64, media string) int {
		t.Helper()
		request, err := http.NewRequest(http.MethodPut, web.URL+"/v1/jobs/"+job+"/records/"+s.owners[0].line.Record, body)
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = length
		request.Header.Set("Content-Type", media)
		answer, err := web.Client().Do(request)
		if err != nil {
			return 0
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	const binary = "application/octet-stream"
	unsized := func(data []byte) io.Reader { return io.MultiReader(bytes.NewReader(data)) }
	most := bytes.Repeat([]byte{1}, sealed.MaxRecord)
	for name, tt := range map[string]struct {
		body   io.Reader
		length int64
		media  string
		want   int
	}{
		"another media type":         {bytes.NewReader(good), int64(len(good)), "application/json", fault.InvalidValue.HTTP()},
		"the largest":                {bytes.NewReader(most), int64(len(most)), binary, fault.Malformed.HTTP()},
		"the largest, no length":     {unsized(most), -1, binary, fault.Malformed.HTTP()},
		"one byte more, no length":   {unsized(append(most, 1)), -1, binary, fault.TooLarge.HTTP()},
		"shorter than is announced":  {bytes.NewReader(good), int64(len(good)) + 1, binary, 0},
		"nothing":                    {unsized(nil), -1, binary, fault.Malformed.HTTP()},
		"a sealed record, no length": {unsized(good), -1, binary, http.StatusNoContent},
	} {
		if got := send(tt.body, tt.length, tt.media); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
	if got := s.Held(); got != 0 {
		t.Errorf("%d bytes are held when all have gone", got)
	}
}

// stuck is a client who reads nothing.
type stuck struct {
	header http.Header
	writes chan<- struct{}
	until  <-chan struct{}
}

func (s *stuck) Header() http.Header { return s.header }
func (s *stuck) WriteHeader(int)     {}
func (s *stuck) Write(data []byte) (int, error) {
	s.writes <- struct{}{}
	<-s.until
	return len(data), nil
}

// Who reads an answer slowly keeps nobody else out.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.CountBySchema, "a", "b")
	h := s.Handler()
	writes, until := make(chan struct{}), make(chan struct{})
	var wait sync.WaitGroup
	for range operator.MaxRequests {
		wait.Go(func() {
			h.ServeHTTP(&stuck{http.Header{}, writes, until}, httptest.NewRequest(http.MethodGet, "/v1/status", nil))
		})
		<-writes
	}
	if got := asked(h); got != http.StatusOK {
		t.Errorf("with %d slow readers the status answers %d", operator.MaxRequests, got)
	}
	close(until)
	wait.Wait()
}

// A gateway that hangs, and is asked about orders of jobs that nobody opened, keeps nobody
// out but other orders.
func TestHangingGateway(t *testing.T) {
	t.Parallel()
	s := begin(t, analysis.CountBySchema, "a")
	h := s.Handler()
	body := s.order(`{}`).Encode()
	hung := make(chan struct{}, 4*operator.MaxRequests)
	s.hangs.Store(&hung)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	codes := make(chan int, 2*operator.MaxRequests)
	for range 2 * operator.MaxRequests {
		go func() {
			answer := httptest.NewRecorder()
			request := httptest.NewRequestWithContext(ctx, http.MethodPut, "/v1/jobs/"+nobodys+"/order", bytes.NewReader(body))
			request.Header.Set("Content-Type", "application/json")
			h.ServeHTTP(answer, request)
			codes <- answer.Code
		}()
	}
	for range operator.MaxOrders {
		<-hung
	}
	for range 2*operator.MaxRequests - operator.MaxOrders {
		if got := <-codes; got != fault.Overloaded.HTTP() {
			t.Errorf("an order beyond the places: %d", got)
		}
	}
	if got := asked(h); got != http.StatusOK {
		t.Errorf("while the gateway hangs the status answers %d", got)
	}
	cancel()
	for range operator.MaxOrders {
		<-codes
	}
	s.hangs.Store(nil)
	s.open(analysis.CountBySchema, `{}`) // brings its order
}

package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/api"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/events"
	"github.com/killick-ledger/killick/gateway/killick/cli"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// The matrix of bad input: every operation, with everything made wrong about it that
// specimen.bad lists, through every door. It is refused with its own stable code, with
// the statuses of docs/formats/codes.md and a sentence that says what to do, and leaves
// the state as it was, byte for byte; what a good signature asks for in vain leaves its
// result besides. In one request with good operations it fails alone. The same
// operation with nothing wrong about it is done after all that. An operation of the table that has no example fails. (GW-5)
func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, name := range ops.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scene := opstest.NewScene(t, uint64(time.Now().Unix()))
			if scene.Examples[name] == nil {
				return // the scene said so
			}
			m := newMatrix(t, scene)
			s := newSpecimen(t, scene, name)
			state, results := m.ledger.State(), map[string]fault.Code{}
			all := s.bad()
			for _, b := range all {
				t.Run(b.kind, func(t *testing.T) { m.answers(t, b.jws, b.code) })
				if judged(b.code) {
					results[resultKey(t, b.jws)] = b.code
				}
			}
			m.unchanged(t, state, results)
			m.together(t, scene, all)
			m.answers(t, s.jws(), fault.OK)
		})
	}
}

// bad is an operation about which one thing is wrong.
type bad struct {
	kind string
	jws  string
	code fault.Code
}

// judged says that a code is about an operation that is valid by itself, of which the
// ledger keeps what became of it.
func judged(code fault.Code) bool {
	switch code {
	case fault.MissingPrior, fault.UnexpectedPrior, fault.Batched, fault.Stopped:
		return false
	}
	return code >= fault.DIDExists && code < fault.Internal && code/10 != 6 // those concern the transaction
}

// matrix is a gateway before the ledger of a scene.
type matrix struct {
	ledger *submittest.Ledger
	url    string // of the REST form
	grpc   string
	client *client.Client
	conn   *grpc.ClientConn // that sends bytes as they are
}

func newMatrix(t *testing.T, scene *opstest.Scene) *matrix {
	t.Helper()
	m := &matrix{ledger: submittest.NewOn(scene.Store)}
	server := serve(t, m.ledger)
	rest, err := server.REST()
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(rest)
	t.Cleanup(web.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rpc := server.GRPC()
	go func() { _ = rpc.Serve(listener) }() // ends with Stop
	t.Cleanup(rpc.Stop)
	m.url, m.grpc = web.URL, listener.Addr().String()
	if m.client, err = client.Dial(m.grpc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.client.Close() })
	m.conn, err = grpc.NewClient(m.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(verbatim{})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.conn.Close() })
	return m
}

// serve is the server of a gateway before a ledger.
func serve(t testing.TB, ledger *submittest.Ledger, configs ...func(*api.Config)) *api.Server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	stream := events.New(events.Config{Ledger: ledger, Network: submittest.Network, Log: log})
	s, err := submit.Open(submit.Config{
		Journal: filepath.Join(t.TempDir(), "journal.db"), Network: submittest.Network, Ledger: stream.Watch(ledger), Log: log, Hold: 4 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stream.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg := api.Config{Submitter: s, Ledger: ledger, Events: stream, Network: submittest.Network, Log: log}
	for _, f := range configs {
		f(&cfg)
	}
	return api.New(cfg)
}

// answers submits through every door, each of which must answer with the code.
func (m *matrix) answers(t *testing.T, jws string, want fault.Code) {
	t.Helper()
	for _, d := range doors {
		got := d.submit(t, m, jws)
		if got.code != want.String() || got.status != d.status(want) {
			t.Errorf("%s: %+v, want %s with %s", d.name, got, want, d.status(want))
		}
		if want != fault.OK && (got.text == "" || got.advice != want.Advice() || !strings.HasSuffix(got.advice, ".")) {
			t.Errorf("%s does not say what to do: %+v", d.name, got)
		}
	}
}

// unchanged compares the state with an earlier one: only results may have come.
func (m *matrix) unchanged(t *testing.T, before []ledger.Entry, results map[string]fault.Code) {
	t.Helper()
	var after []ledger.Entry
	for _, e := range m.ledger.State() {
		code, ok := results[e.Key]
		if ok && e.Value[2] != byte(code) {
			t.Errorf("%s holds the code %d, want %s", e.Key, e.Value[2], code)
		}
		if !ok {
			after = append(after, e)
		}
		delete(results, e.Key)
	}
	if len(results) > 0 {
		t.Errorf("no results: %v", results)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("bad input changed the ledger:\n%s", diff)
	}
}

// together submits all bad operations in one request, a good one after each: nothing
// comes of it but what the good ones create.
func (m *matrix) together(t *testing.T, scene *opstest.Scene, all []bad) {
	t.Helper()
	before, created := m.ledger.State(), map[string]bool{}
	var jws []string
	var want []fault.Code
	for i, b := range all {
		if b.jws == "" || len(b.jws) > 1<<20 || !utf8.ValidString(b.jws) {
			continue // of a request, not of an item
		}
		good, ref := scene.Sign(scene.Bob, opstest.Submit("between "+strconv.Itoa(i)), "")
		created["record/"+ref.String()] = true
		jws, want = append(jws, b.jws, good.Compact()), append(want, b.code, fault.OK)
	}
	receipts, err := m.client.SubmitAll(t.Context(), jws...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts {
		if r.GetCode() != want[i].String() || r.GetAdvice() != want[i].Advice() {
			t.Errorf("%.200s in a batch: %v, want %s", jws[i], r, want[i])
		}
	}
	after := slices.DeleteFunc(m.ledger.State(), func(e ledger.Entry) bool { return created[e.Key] })
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("bad input in a batch changed the ledger:\n%s", diff)
	}
}

func resultKey(t *testing.T, jws string) string {
	t.Helper()
	item, err := ops.ParseCompact(jws)
	if err != nil {
		t.Fatal(err)
	}
	o, err := ops.Open(item)
	if err != nil {
		t.Fatal(err)
	}
	return ops.ResultKey(o.Reference())
}

// said is what a door said, with its status in the words of the door.
type said struct{ code, status, text, advice string }

// doors are the ways into the gateway.
var doors = []struct {
	name   string
	status func(fault.Code) string
	submit func(*testing.T, *matrix, string) said
}{
	{"REST", func(c fault.Code) string { return strconv.Itoa(c.HTTP()) }, throughREST},
	{"gRPC", fault.Code.GRPC, throughGRPC},
	{"command line", func(c fault.Code) string {
		if c == fault.OK {
			return "exit 0"
		}
		return "exit 1"
	}, throughCommand},
}

func throughREST(t *testing.T, m *matrix, jws string) said {
	body := `{"operation":"` + jws + `"}` // as it is, if it is not UTF-8, or large
	if utf8.ValidString(jws) && len(jws) < 1<<20 {
		quoted, err := json.Marshal(map[string]string{"operation": jws})
		if err != nil {
			t.Fatal(err)
		}
		body = string(quoted)
	}
	response, err := m.post(body)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	status := strconv.Itoa(response.StatusCode)
	if response.StatusCode == http.StatusOK {
		return said{code: "ok", status: status}
	}
	var p api.Problem
	if err := json.Unmarshal(data, &p); err != nil || response.Header.Get("Content-Type") != "application/problem+json" || p.Status != response.StatusCode {
		t.Errorf("status %s is no problem of that status: %s, %v", status, data, err)
	}
	return said{p.Code, status, p.Detail, p.Advice}
}

func (m *matrix) post(body string) (*http.Response, error) {
	return http.Post(m.url+"/v1/operations", "application/json", strings.NewReader(body))
}

func throughGRPC(t *testing.T, m *matrix, jws string) said {
	message := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), jws)
	err := m.conn.Invoke(t.Context(), killickv1.Killick_Submit_FullMethodName, message, nil)
	st := status.Convert(err)
	if err == nil {
		return said{code: "ok", status: st.Code().String()}
	}
	for _, d := range st.Details() {
		info, ok := d.(*errdetails.ErrorInfo)
		if known, coded := fault.Parse(st.Message()); ok && info.GetDomain() == api.Domain && coded && known.Code.String() == info.GetReason() {
			return said{info.GetReason(), st.Code().String(), info.GetMetadata()["text"], info.GetMetadata()["advice"]}
		}
	}
	t.Errorf("gRPC: %v, details %v", err, st.Details())
	return said{status: st.Code().String()}
}

func throughCommand(t *testing.T, m *matrix, jws string) said {
	var out, errOut bytes.Buffer
	exit := cli.Run(t.Context(), []string{"--gateway", m.grpc, "--json", "operation", "submit", "-"}, strings.NewReader(jws), &out, &errOut)
	status := "exit " + strconv.Itoa(exit)
	if exit == 0 {
		return said{code: "ok", status: status}
	}
	var v struct {
		Error struct{ Code, Text, Advice string }
	}
	if err := json.Unmarshal(errOut.Bytes(), &v); err != nil || out.Len() > 0 {
		t.Errorf("killick: %q and %q, %v", out.String(), errOut.String(), err)
	}
	return said{v.Error.Code, status, v.Error.Text, v.Error.Advice}
}

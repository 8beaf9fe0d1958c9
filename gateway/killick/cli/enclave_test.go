package cli_test

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/enclave/inside"
	"github.com/killick-ledger/killick/gateway/enclave/operator"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// hall is a bureau with an operator's program at work, and two owners with data.
type hall struct {
	*bureau
	program *operator.Operator
	grants  []string
	reach   []string    // flags that reach the operator's service
	liar    string      // address of the gateway that can lie
	hides   atomic.Bool // its service does not show orders
}

// openHall has records of alice, whose content the members keep, and of bob, who keeps it
// himself, granted to the consumer.
func openHall(t *testing.T) *hall {
	t.Helper()
	h := &hall{bureau: startJobs(t, "alice", "bob")}
	l, err := inside.ListingOf(h.jobs.Platform, []string{"job.mean"})
	if err != nil {
		t.Fatal(err)
	}
	trust, err := canon.Marshal(client.Trust{
		Roots:        []client.TrustedRoot{{Certificate: l.Roots[0].Certificate, Simulated: true}},
		Measurements: []client.TrustedProgram{client.TrustedProgram(l.Measurements[0])},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.write("trust.json", string(trust))
	h.liar, h.gateway = h.gateway, h.honest
	consumer := publicDID(t, h.path("consumer.keys"))
	for name, flags := range map[string][]string{"alice": {"--private"}, "bob": nil} {
		file := h.write(name+".json", `{"pulse":`+map[string]string{"alice": "61.5", "bob": "70"}[name]+`}`)
		keys := h.path(name + ".keys")
		h.do(append([]string{"record", "submit", "--keys", keys, file}, flags...)...)
		made := h.do("record", "allow", "--keys", keys, "--operation", "job.mean", "--price", "250", file+".record", consumer)
		h.grants = append(h.grants, made["grant"].(string))
	}
	h.serve()
	return h
}

// serve starts the operator's program behind TLS and names it in its DID document.
func (h *hall) serve() {
	t := h.t
	t.Helper()
	gateway, err := client.Dial(h.honest)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := client.Load(h.path("operator.keys"), []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	h.program, err = operator.Open(operator.Config{
		Gateway: gateway, Identity: identity, Network: submittest.Network, Platform: h.jobs.Platform, Dir: h.path("enclave"), Init: true,
		Assets: []operator.Asset{{Name: "usd"}}, Poll: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	honest := h.program.Handler()
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.hides.Load() && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/order") {
			r.URL.Path = "/v1/hidden"
		}
		honest.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		web.Close()
		if err := gateway.Close(); err != nil {
			t.Error(err)
		}
	})
	ca := h.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})))
	h.do("did", "update", "--keys", h.path("operator.keys"), "--service", "enclave,"+client.EnclaveService+","+web.URL)
	h.reach = []string{"--ca", ca}
}

// order opens a job with parameters and brings its order.
func (h *hall) order(parameters string) string {
	h.t.Helper()
	file := h.write("parameters.json", parameters)
	args := []string{"job", "open", "--keys", h.path("consumer.keys"), "--tee-fee", "1000", "--verification-fee", "401", "--parameters", file}
	job := h.do(append(args, h.grants...)...)["job"].(string)
	h.do(append([]string{"job", "order", "--operator", publicDID(h.t, h.path("operator.keys")), job, file + ".order"}, h.reach...)...)
	return job
}

func (h *hall) pass() {
	h.t.Helper()
	if err := h.program.Once(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hall) letIn(name string, more ...string) []string {
	return append(append([]string{"job", "release", "--keys", h.path(name + ".keys"), "--trust", h.path("trust.json")}, h.reach...), more...)
}

// A job with parameters by the command line: the owners appraise the enclave and let their
// records in, the consumer opens the output. (EC-3)
func TestEnclaveByCommandLine(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	job := h.order(`{"field":"/pulse","contributors":2}`)
	h.refused("wrong_phase", h.letIn("alice", job)...)
	h.pass()

	if exit, _, errOut := h.run(h.letIn("alice", job, "--contributors", "3")...); exit != 1 || !strings.Contains(errOut, "may tell of 2 owners") {
		t.Errorf("too few contributors: exit %d, %s", exit, errOut)
	}
	h.hides.Store(true)
	h.refused("not_found", h.letIn("alice", job, "--contributors", "3")...)
	h.refused("not_found", h.letIn("alice", job)...)
	h.hides.Store(false)
	h.refused("not_party", h.letIn("verifier", job)...)
	if exit, _, errOut := h.run(h.letIn("bob", job)...); exit != 1 || !strings.Contains(errOut, "name the file with --content") {
		t.Errorf("no content: exit %d, %s", exit, errOut)
	}
	got := h.do(h.letIn("alice", job)...)
	if got["parameters"] != `{"contributors":2,"field":"/pulse"}` || got["simulated"] != true {
		t.Errorf("release says %v", got)
	}
	h.refused("not_found", append([]string{"job", "output", job, "--keys", h.path("consumer.keys"), "--out", h.path("early")}, h.reach...)...)
	if _, out, errOut := h.run(h.letIn("bob", job, "--content", h.path("bob.json"))...); !strings.Contains(out, "SIMULATED") || !strings.Contains(out, "is in the enclave") {
		t.Errorf("for people: %s%s", out, errOut)
	}
	// What the members have in force serves as well, and again changes nothing.
	again := append([]string{"job", "release", "--keys", h.path("alice.keys"), "--compare", h.honest, job}, h.reach...)
	if got := h.do(again...); len(got["records"].([]any)) != 1 {
		t.Errorf("by what is in force: %v", got)
	}
	h.pass()
	h.do(append([]string{"job", "output", job, "--keys", h.path("consumer.keys"), "--out", h.path("result.json")}, h.reach...)...)
	var v struct{ Result struct{ Mean string } }
	if err := json.Unmarshal([]byte(h.read("result.json")), &v); err != nil || v.Result.Mean != "65.75" {
		t.Errorf("result %s (%v)", h.read("result.json"), err)
	}
	if exit, _, errOut := h.run(append([]string{"job", "output", job, "--keys", h.path("alice.keys"), "--out", h.path("stolen")}, h.reach...)...); exit != 1 || !strings.Contains(errOut, "do not open") {
		t.Errorf("the output with another's keys: exit %d, %s", exit, errOut)
	}
	h.refused("wrong_phase", h.letIn("alice", job)...)
}

// An enclave that the members have not listed, or whose key is quoted for another job,
// gets nothing. (EC-3)
func TestNothingForStrangers(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	job := h.order(`{"field":"/pulse","contributors":2}`)
	h.pass()
	var trust client.Trust
	if err := json.Unmarshal([]byte(h.read("trust.json")), &trust); err != nil {
		t.Fatal(err)
	}
	set := func(name string, change func(*client.Trust)) string {
		other := trust
		change(&other)
		data, err := canon.Marshal(other)
		if err != nil {
			t.Fatal(err)
		}
		return h.write(name, string(data))
	}
	stranger := simulated.New(simulated.Default(tee.SGX, "a stranger", uint64(time.Now().Unix())))
	l, err := inside.ListingOf(stranger, []string{"job.mean"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		trust string
		want  string
	}{
		"another root": {set("a.json", func(o *client.Trust) { o.Roots = []client.TrustedRoot{{Certificate: l.Roots[0].Certificate}} }), "not signed by"},
		"another measurement": {set("b.json", func(o *client.Trust) {
			o.Measurements = []client.TrustedProgram{{Platform: "sgx", Measurement: strings.Repeat("77", 32), Operation: "job.mean"}}
		}), "not among"},
		"another operation": {set("c.json", func(o *client.Trust) {
			o.Measurements = []client.TrustedProgram{{Platform: "sgx", Measurement: l.Measurements[0].Measurement, Operation: "job.k-means"}}
		}), "no program for job.mean"},
		"a newer evaluation": {set("d.json", func(o *client.Trust) { o.MinEvaluation = 99 }), "evaluation"},
	} {
		exit, _, errOut := h.run(append([]string{"job", "release", "--keys", h.path("alice.keys"), "--trust", c.trust, job}, h.reach...)...)
		if exit != 1 || !strings.Contains(errOut, c.want) {
			t.Errorf("%s: exit %d, %s", name, exit, errOut)
		}
	}
	// A gateway tells of a job whose output is for somebody else, as its operator would.
	h.tamper.job = func(j *killickv1.Job) { j.Key = strings.Repeat("09", 32) }
	for _, how := range [][]string{h.letIn("alice", job), append([]string{"job", "release", "--keys", h.path("alice.keys"), job}, h.reach...)} {
		h.gateway = h.liar
		exit, _, errOut := h.run(append(how, "--compare", h.honest)...)
		if h.gateway = h.honest; exit != 1 || !strings.Contains(errOut, "it shows another job") {
			t.Errorf("another job: exit %d, %s", exit, errOut)
		}
	}
	// The members take the program from the list.
	h.jobs.Pull()
	h.jobs.Decide("tee/measurements", `[]`)
	if exit, _, errOut := h.run(append([]string{"job", "release", "--keys", h.path("alice.keys"), job}, h.reach...)...); exit != 1 || !strings.Contains(errOut, "no program for job.mean") {
		t.Errorf("taken from the list: exit %d, %s", exit, errOut)
	}
	if got := h.program.Status().Jobs[0]; got.Records != 0 {
		t.Errorf("the enclave has %d records", got.Records)
	}
}

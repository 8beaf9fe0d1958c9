package inside_test

import (
	"bytes"
	"crypto/ecdh"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/gateway/enclave/analysis"
	"github.com/killick-ledger/killick/gateway/enclave/inside"
	"github.com/killick-ledger/killick/gateway/sealed"
)

var update = flag.Bool("update", false, "write docs/formats/vectors/enclave.json")

const vectorsFile = "../../../docs/formats/vectors/enclave.json"

// vectors is docs/formats/vectors/enclave.json. Bytes are hex.
type vectors struct {
	Note       string            `json:"note"`
	Task       taskVector        `json:"task"`
	Record     sealVector        `json:"record"`
	Order      orderVector       `json:"order"`
	Output     sealVector        `json:"output"`
	Operations []operationVector `json:"operations"`
}

type taskVector struct {
	Network    string `json:"network"`
	Job        string `json:"job"`
	Operator   string `json:"operator"` // 20 bytes
	Accepted   string `json:"accepted"`
	Operation  string `json:"operation"`
	Output     string `json:"output"`
	Nonce      string `json:"nonce"`
	Input      string `json:"inputRoot"`
	Grants     string `json:"grantsRoot"`
	Digest     string `json:"task"`
	Key        string `json:"key"`
	ReportData string `json:"reportData"`
}

type sealVector struct {
	Secret     string   `json:"secretKey"`
	Record     string   `json:"record,omitempty"`
	Version    uint32   `json:"version,omitempty"`
	Salt       string   `json:"salt,omitempty"`
	Schema     string   `json:"schema,omitempty"`
	Scope      []string `json:"scope,omitempty"`
	Commitment string   `json:"commitment,omitempty"`
	Content    string   `json:"content"` // text
	Sealed     string   `json:"sealed"`
}

type orderVector struct {
	Order string `json:"order"` // text
	Nonce string `json:"nonce"`
}

type operationVector struct {
	Name       string          `json:"operation"`
	Parameters json.RawMessage `json:"parameters"`
	Records    []recordVector  `json:"records"`
	Result     string          `json:"result,omitempty"` // JCS
	Withheld   string          `json:"withheld,omitempty"`
}

type recordVector struct {
	Owner   int      `json:"owner"`
	Schema  string   `json:"schema"`
	Scope   []string `json:"scope"`
	Content string   `json:"content"`
}

func hash(name string) [32]byte { return canon.Sum([]byte("killick vector " + name)) }

func key(t *testing.T, name string) *ecdh.PrivateKey {
	t.Helper()
	secret := hash(name)
	k, err := ecdh.X25519().NewPrivateKey(secret[:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// assignment is a job with one line, for the record.
func assignment(t *testing.T) (*inside.Assignment, *sealed.Record) {
	t.Helper()
	r := &sealed.Record{Salt: hash("salt"), Schema: "heart", Scope: []string{"/pulse", "/lab/2026"}, Content: []byte(`{"pulse":61.5}`)}
	o, err := sealed.DecodeOrder([]byte(orderText))
	if err != nil {
		t.Fatal(err)
	}
	j := &attest.Job{Operation: analysis.Mean, Asset: "usd", Key: [32]byte(key(t, "consumer").PublicKey().Bytes()), Nonce: o.Nonce()}
	j.Lines = []attest.Line{{
		Grant: ledger.Reference{Expiry: 1_800_000_000, ID: hash("grant")}, Record: ledger.Reference{Expiry: 1_790_000_000, ID: hash("record")}, Version: 3,
		Commitment: r.Commitment(), Owner: ledger.ID{7}, Price: 250,
	}}
	return &inside.Assignment{
		Network: "test-0011223344556677", Ref: ledger.Reference{Expiry: 1_800_000_100, ID: hash("job")}, Operator: ledger.ID{9},
		Accepted: ledger.Reference{Expiry: 1_800_000_200, ID: hash("acceptance")}, Job: j,
	}, r
}

const orderText = `{"parameters":{"contributors":2,"field":"/pulse"},"salt":"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"}`

var operationVectors = []operationVector{
	{Name: analysis.CountBySchema, Parameters: json.RawMessage(`{}`), Records: []recordVector{{1, "heart", []string{"/"}, "x"}, {2, "sleep", []string{"/"}, ""}, {2, "heart", []string{"/a"}, "y"}}},
	{Name: analysis.Mean, Parameters: json.RawMessage(`{"field":"/pulse"}`), Records: []recordVector{{1, "heart", []string{"/"}, `[{"pulse":60},{"pulse":0.0000005},{"rest":1}]`}, {2, "heart", []string{"/pulse"}, `{"pulse":71.25}`}, {3, "heart", []string{"/rest"}, `{"pulse":99}`}}},
	{Name: analysis.Mean, Parameters: json.RawMessage(`{"contributors":3,"field":"/pulse"}`), Records: []recordVector{{1, "heart", []string{"/"}, `{"pulse":60}`}, {2, "heart", []string{"/"}, `{"pulse":61}`}, {2, "heart", []string{"/"}, `{"pulse":62}`}}},
	{Name: analysis.KMeans, Parameters: json.RawMessage(`{"fields":["/x","/y"],"iterations":5,"k":3}`), Records: []recordVector{
		{1, "p", []string{"/"}, `[{"x":1,"y":1},{"x":101,"y":100}]`}, {2, "p", []string{"/"}, `[{"x":2,"y":1.5},{"x":103,"y":101}]`}, {3, "p", []string{"/"}, `{"x":-5000,"y":5000}`}}},
}

func makeVectors(t *testing.T) *vectors {
	t.Helper()
	a, r := assignment(t)
	task, enclave := a.Task(), key(t, "enclave")
	public := [32]byte(enclave.PublicKey().Bytes())
	data, err := r.Seal(task, public, a.Job.Lines[0].Record, 3)
	if err != nil {
		t.Fatal(err)
	}
	out, err := sealed.SealOutput(task, []byte("an output"))
	if err != nil {
		t.Fatal(err)
	}
	v := &vectors{Note: "docs/formats/enclave.md; made by go test ./gateway/enclave/inside -run Vectors -update"}
	v.Task = taskVectorOf(task, public)
	commitment := r.Commitment()
	v.Record = sealVector{Secret: canon.Hex(enclave.Bytes()), Record: a.Job.Lines[0].Record.String(), Version: 3, Salt: canon.Hex(r.Salt[:]), Schema: r.Schema,
		Scope: r.Scope, Commitment: canon.Hex(commitment[:]), Content: string(r.Content), Sealed: canon.Hex(data)}
	v.Order = orderVector{orderText, canon.Hex(task.Nonce[:])}
	v.Output = sealVector{Secret: canon.Hex(key(t, "consumer").Bytes()), Content: "an output", Sealed: canon.Hex(out)}
	for _, o := range operationVectors {
		o.Result, o.Withheld = runVector(t, o)
		v.Operations = append(v.Operations, o)
	}
	return v
}

func taskVectorOf(task *sealed.Task, public [32]byte) taskVector {
	digest, report := task.Digest(), task.ReportData(public)
	return taskVector{
		Network: task.Network, Job: task.Job.String(), Operator: canon.Hex(task.Operator[:]), Accepted: task.Accepted.String(), Operation: task.Operation,
		Output: canon.Hex(task.Output[:]), Nonce: canon.Hex(task.Nonce[:]), Input: canon.Hex(task.Input[:]), Grants: canon.Hex(task.Grants[:]),
		Digest: canon.Hex(digest[:]), Key: canon.Hex(public[:]), ReportData: canon.Hex(report[:]),
	}
}

func runVector(t *testing.T, o operationVector) (result, withheld string) {
	t.Helper()
	p, err := canon.ParseObject(o.Parameters)
	if err != nil {
		t.Fatal(err)
	}
	operation, err := analysis.Of(o.Name, p)
	if err != nil {
		t.Fatal(err)
	}
	var records []analysis.Record
	for _, r := range o.Records {
		records = append(records, analysis.Record{Owner: ledger.ID{byte(r.Owner)}, Schema: r.Schema, Scope: r.Scope, Content: []byte(r.Content)})
	}
	v, withheld := operation.Run(records)
	if withheld != "" {
		return "", withheld
	}
	return string(v.JCS()), ""
}

// What the vectors say is what this program makes, and opens.
func TestVectors(t *testing.T) {
	if *update {
		text, err := json.MarshalIndent(makeVectors(t), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorsFile, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	a, want := assignment(t)
	task := a.Task()
	if got := taskVectorOf(task, [32]byte(unhex(t, v.Task.Key))); got != v.Task {
		t.Errorf("task %+v, want %+v", got, v.Task)
	}
	enclave, err := ecdh.X25519().NewPrivateKey(unhex(t, v.Record.Secret))
	if err != nil {
		t.Fatal(err)
	}
	line := a.Job.Lines[0]
	r, err := sealed.OpenRecord(task, enclave, line.Record, line.Version, unhex(t, v.Record.Sealed))
	if err != nil || !reflect.DeepEqual(r, want) {
		t.Errorf("record %+v, %v", r, err)
	}
	consumer, err := ecdh.X25519().NewPrivateKey(unhex(t, v.Output.Secret))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := sealed.OpenOutput(task, consumer, unhex(t, v.Output.Sealed)); err != nil || string(out) != v.Output.Content {
		t.Errorf("output %q, %v", out, err)
	}
	for _, o := range v.Operations {
		if result, withheld := runVector(t, o); result != o.Result || withheld != o.Withheld {
			t.Errorf("%s: %s%s, want %s%s", o.Name, result, withheld, o.Result, o.Withheld)
		}
	}
	if o, err := sealed.DecodeOrder([]byte(v.Order.Order)); err != nil || string(o.Encode()) != v.Order.Order || o.Nonce() != task.Nonce || canon.Hex(task.Nonce[:]) != v.Order.Nonce {
		t.Errorf("order %+v, %v", o, err)
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := canon.UnHex(text, len(text)/2)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

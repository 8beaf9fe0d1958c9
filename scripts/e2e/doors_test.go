//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// answer is what one of the doors said about an operation.
type answer struct {
	code     string // ok, or the refusal's stable code
	text     string
	advice   string
	repeated bool
	receipt  bool // there is a receipt: the ledger has a result
	tx       string
}

// doors submits an operation through REST, gRPC and the command line.
func (n *network) doors(t *testing.T, jws string) map[string]answer {
	t.Helper()
	return map[string]answer{"REST": n.byREST(t, jws), "gRPC": n.byGRPC(t, jws), "command line": n.byCommand(t, jws)}
}

// byREST checks the form of the answer: JSON, or problem+json whose status is the
// one of its code.
func (n *network) byREST(t *testing.T, jws string) answer {
	t.Helper()
	body, err := json.Marshal(map[string]string{"operation": jws})
	if err != nil {
		t.Fatal(err)
	}
	return n.post(t, "/v1/operations", bytes.NewReader(body))
}

func (n *network) post(t *testing.T, path string, body io.Reader) answer {
	t.Helper()
	response, err := http.Post(n.Cluster.GatewayURL()+path, "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	type receipt struct {
		State       string
		Transaction string
		Repeated    bool
	}
	var v struct {
		receipt
		Type, Code, Detail, Advice, Instance string
		Status                               int
		Operation                            *receipt
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%d %s: %v", response.StatusCode, data, err)
	}
	if response.StatusCode == http.StatusOK {
		return answer{code: v.Code, repeated: v.Repeated, receipt: v.State == "done", tx: v.Transaction}
	}
	code, known := fault.ByName(v.Code)
	if got := response.Header.Get("Content-Type"); got != "application/problem+json" || !known || v.Status != response.StatusCode ||
		v.Status != code.HTTP() || v.Type != "urn:killick:problem:"+v.Code || v.Instance == "" {
		t.Errorf("REST answers %d, %s: %s", response.StatusCode, got, data)
	}
	a := answer{code: v.Code, text: v.Detail, advice: v.Advice}
	if v.Operation != nil {
		a.receipt, a.repeated, a.tx = true, v.Operation.Repeated, v.Operation.Transaction
	}
	return a
}

// byGRPC checks the status code and reads the ErrorInfo.
func (n *network) byGRPC(t *testing.T, jws string) answer {
	t.Helper()
	operation, err := n.api.Submit(t.Context(), &killickv1.SubmitRequest{Operation: jws})
	if err == nil {
		return answer{code: operation.GetCode(), repeated: operation.GetRepeated(), receipt: operation.GetState() == "done", tx: operation.GetTransaction()}
	}
	st := status.Convert(err)
	for _, d := range st.Details() {
		info, ok := d.(*errdetails.ErrorInfo)
		if !ok {
			continue
		}
		code, known := fault.ByName(info.GetReason())
		if info.GetDomain() != "killick" || !known || st.Code().String() != code.GRPC() {
			t.Errorf("gRPC answers %v with %v", st, info)
		}
		m := info.GetMetadata()
		return answer{
			code: info.GetReason(), text: m["text"], advice: m["advice"],
			receipt: m["operation"] != "", repeated: m["repeated"] == "true", tx: m["transaction"],
		}
	}
	return answer{code: "gRPC's own " + st.Code().String(), text: st.Message()}
}

// byCommand runs killick operation submit, towards another member's gateway.
func (n *network) byCommand(t *testing.T, jws string) answer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "operation.jws")
	if err := os.WriteFile(path, []byte(jws), 0o600); err != nil {
		t.Fatal(err)
	}
	gateways := n.Cluster.GatewayAddresses()
	cmd := exec.CommandContext(t.Context(), filepath.Join(n.bin, "killick"), "--gateway", gateways[len(gateways)-1], "--json", "operation", "submit", path)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	type receipt struct {
		State, Code, Transaction string
		Repeated                 bool
	}
	if err := cmd.Run(); err == nil {
		var r receipt
		if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
			t.Fatalf("killick printed %s: %v", stdout.Bytes(), err)
		}
		return answer{code: r.Code, repeated: r.Repeated, receipt: r.State == "done", tx: r.Transaction}
	} else if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 || stdout.Len() > 0 {
		t.Fatalf("killick: %v: %s%s", err, stdout.Bytes(), stderr.Bytes())
	}
	var v struct {
		Error struct {
			Code, Text, Advice string
			Operation          *receipt
		}
	}
	if err := json.Unmarshal(stderr.Bytes(), &v); err != nil {
		t.Fatalf("killick printed %s: %v", stderr.Bytes(), err)
	}
	a := answer{code: v.Error.Code, text: v.Error.Text, advice: v.Error.Advice}
	if o := v.Error.Operation; o != nil {
		a.receipt, a.repeated, a.tx = true, o.Repeated, o.Transaction
	}
	return a
}

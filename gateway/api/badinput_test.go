package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

// sign signs header and payload as they are.
func sign(t *testing.T, p ops.Signer, header, payload string) string {
	t.Helper()
	item, err := ops.Sign([]byte(header), []byte(payload), p)
	if err != nil {
		t.Fatal(err)
	}
	return item.Compact()
}

func header(kid string) string {
	return `{"alg":"EdDSA","kid":"` + kid + `","typ":"killick-op"}`
}

// payload renders a payload; members after the first four replace the body.
func payload(op string, iat, exp int64, rest string) string {
	return fmt.Sprintf(`{"op":%q,"net":%q,"iat":%d,"exp":%d,%s}`, op, submittest.Network, iat, exp, rest)
}

type badInput struct {
	name string
	jws  string
	code fault.Code
}

// badInputs are refused for what is on the ledger, each with its code. What is wrong
// about an operation by itself is in the matrix.
func badInputs(t *testing.T, h *harness) []badInput {
	now := time.Now().Unix()
	recordJWS, ref := h.alice.Record("first")
	if _, err := h.client.Submit(t.Context(), recordJWS); err != nil {
		t.Fatal(err)
	}
	bob := func(op, rest string) string {
		return sign(t, h.bob, header(h.bob.KeyID()), payload(op, now, now+600, rest))
	}
	return slices.Concat(h.badLives(t, now), h.badCredentials(t, now), h.badGrants(t, now), []badInput{
		{"record of another", bob("record.delete", `"prior":"`+zeros+`","body":{"record":"`+ref+`"}`), fault.NotOwner},
		{"too little money", h.alice.Pay(5000, h.bob), fault.InsufficientFunds},
		{"issuer without accreditation", bob("credential.schema", `"body":{"name":"a","digest":"`+zeros+`"}`), fault.NotAccredited},
	})
}

// badLives are changes of DIDs that must be refused.
func (h *harness) badLives(t *testing.T, now int64) []badInput {
	leaving := submittest.NewPerson("leaving")
	asked, _ := leaving.Operation(&ops.DIDDeactivate{}, "")
	next := submittest.NewPerson("next")
	for _, jws := range []string{leaving.Create(), asked} {
		if _, err := h.client.Submit(t.Context(), jws); err != nil {
			t.Fatal(err)
		}
	}
	resolved, err := h.client.Resolve(t.Context(), h.alice.DID)
	if err != nil {
		t.Fatal(err)
	}
	document := func(d *did.Document) string {
		body, err := did.NewUpdate(d)
		if err != nil {
			t.Fatal(err)
		}
		return `"body":{"document":` + string(body.Document) + `}`
	}
	var full did.Document
	if err := canon.Decode(next.Document, &full); err != nil {
		t.Fatal(err)
	}
	taken := document(&full) // with #key-1, which is alice's
	full.VerificationMethod[0].ID, full.Authentication, full.CapabilityInvocation = "#key-2", nil, []string{"#key-2"}
	update := document(&full)
	alice := func(op, rest string) string {
		return sign(t, h.alice, header(h.alice.KeyID()), payload(op, now, now+600, rest))
	}
	recovery := func(p *submittest.Person, key, rest string) string {
		return sign(t, p, header(h.alice.DID+"#recovery"), payload("did.recover", now, now+600, rest+`"body":{"key":"`+key+`","document":`+string(next.Document)+`}`))
	}
	stale, current := `"prior":"`+zeros+`",`, `"prior":"`+resolved.GetVersion().GetHash()+`",`
	complete := func(name string) string { return alice("did.complete", `"body":{"did":"`+name+`"}`) }
	return []badInput{
		{"update without prior", alice("did.update", update), fault.MissingPrior},
		{"update with a stale prior", alice("did.update", stale+update), fault.StalePrior},
		{"update of the recovery commitment", alice("did.update", current+`"body":{"document":`+string(next.Document)+`}`), fault.UnknownField},
		{"update without a document", alice("did.update", current+`"body":{}`), fault.MissingField},
		{"update with a document as a text", alice("did.update", current+`"body":{"document":"x"}`), fault.Malformed},
		{"update after which nobody may act", alice("did.update", current+strings.Replace(update, `["#key-2"]`, `[]`, 1)), fault.MissingField},
		{"fragment that passes to another key", alice("did.update", current+taken), fault.FragmentTaken},
		{"recovery with a key that is not committed", recovery(h.alice, leaving.RecoveryKey(), ""), fault.KeyUnknown},
		{"recovery signed by a key of the document", recovery(h.alice, h.alice.RecoveryKey(), ""), fault.BadSignature},
		{"recovery with the kid of a key", alice("did.recover", `"body":{"key":"`+h.alice.RecoveryKey()+`","document":`+string(next.Document)+`}`), fault.KidMismatch},
		{"recovery with a prior", recovery(h.alice, h.alice.RecoveryKey(), current), fault.UnexpectedPrior},
		{"recovery to the same recovery key", sign(t, h.alice, header(h.alice.DID+"#recovery"), payload("did.recover", now, now+600,
			`"body":{"key":"`+h.alice.RecoveryKey()+`","document":`+string(h.alice.Document)+`}`)), fault.InvalidValue},
		{"recovery without a key", alice("did.recover", `"body":{"document":`+string(next.Document)+`}`), fault.MissingField},
		{"deactivation with a prior", alice("did.deactivate", current+`"body":{}`), fault.UnexpectedPrior},
		{"deactivation of another", alice("did.deactivate", `"body":{"did":"`+h.bob.DID+`"}`), fault.UnknownField},
		{"deactivation that is pending", sign(t, leaving, header(leaving.KeyID()), payload("did.deactivate", now, now+600, `"body":{}`)), fault.AlreadyDone},
		{"completion before it is due", complete(leaving.DID), fault.NotDue},
		{"completion of what nobody asked for", complete(h.bob.DID), fault.NotDue},
		{"completion of an unknown DID", complete(next.DID), fault.NotFound},
		{"completion of no DID", complete("did:web:example.org"), fault.InvalidValue},
		{"completion on another network", complete(strings.Replace(h.bob.DID, submittest.Network, "main-ffffffffffffffff", 1)), fault.WrongNetwork},
		{"link without prior", alice("did.link", `"body":{"commitment":"`+zeros+`"}`), fault.MissingPrior},
		{"link with a stale prior", alice("did.link", stale+`"body":{"commitment":"`+zeros+`"}`), fault.StalePrior},
		{"link of nothing", alice("did.link", current+`"body":{}`), fault.MissingField},
		{"link of an identity in the clear", alice("did.link", current+`"body":{"identity":"https://social.example/@alice"}`), fault.UnknownField},
		{"link of another's account", alice("did.link", current+`"body":{"account":"eip155:1:0x`+zeros[:40]+`","proof":"AA","salt":"`+strings.Repeat("A", 43)+`"}`), fault.BadProof},
		{"link of an account in capitals", alice("did.link", current+`"body":{"account":"eip155:1:0x`+strings.Repeat("A", 40)+`","proof":"AA","salt":"`+strings.Repeat("A", 43)+`"}`), fault.InvalidValue},
		{"unlink of what is not linked", alice("did.unlink", current+`"body":{"leaf":"`+zeros+`"}`), fault.NotFound},
		{"unlink of an account", alice("did.unlink", current+`"body":{"leaf":"eip155:1"}`), fault.InvalidValue},
		{"preference of a chain", alice("did.prefer", `"body":{"payout":"eip155:1"}`), fault.InvalidValue},
		{"preference of what is not linked", alice("did.prefer", `"body":{"payout":"eip155:1:0x`+zeros[:40]+`"}`), fault.NotFound},
		{"bind by no verifier", alice("did.bind", `"body":{"did":"`+h.bob.DID+`","tag":"`+zeros+`"}`), fault.NotAccredited},
		{"bind with the evidence", alice("did.bind", `"body":{"did":"`+h.bob.DID+`","tag":"`+zeros+`","passport":"x"}`), fault.UnknownField},
	}
}

// Each bad operation has its own stable code through every door, with a sentence
// that says what to do, and changes nothing; in a batch it fails alone. (GW-5)
func TestBadInput(t *testing.T) {
	t.Parallel()
	h := start(t)
	cases := badInputs(t, h)
	before := records(h)
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			for door, got := range h.doors(tt.jws) {
				if got.Code != tt.code.String() || got.Status != tt.code.HTTP() || got.Advice != tt.code.Advice() || got.Text == "" {
					t.Errorf("%s: %+v, want %s %d", door, got, tt.code, tt.code.HTTP())
				}
			}
		})
	}
	if diff := cmp.Diff(before, records(h)); diff != "" {
		t.Errorf("bad input changed the ledger:\n%s", diff)
	}
	// The same in one batch, good operations between them.
	var jws []string
	for i, tt := range cases {
		good, _ := h.bob.Record(fmt.Sprint("between", i))
		jws = append(jws, tt.jws, good)
	}
	receipts, err := h.client.SubmitAll(t.Context(), jws...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts {
		want := fault.OK
		if i%2 == 0 {
			want = cases[i/2].code
		}
		if r.GetCode() != want.String() || r.GetAdvice() != want.Advice() {
			t.Errorf("item %d of the batch: %s, want %s", i, r, want)
		}
	}
}

// records lists what bad input must not change: everything but the results that
// refused operations leave.
func records(h *harness) map[string]string {
	state := map[string]string{}
	for _, e := range h.ledger.State() {
		if !strings.HasPrefix(e.Key, "op/") {
			state[e.Key] = string(e.Value)
		}
	}
	return state
}

// A changed signature over the same content neither takes the honest operation's
// place nor blocks it, in whatever order they come. (GW-3)
func TestForgedSignature(t *testing.T) {
	t.Parallel()
	h := start(t)
	for _, first := range []string{"forged", "honest"} {
		honest, ref := h.alice.Record("content " + first)
		item, err := ops.ParseCompact(honest)
		if err != nil {
			t.Fatal(err)
		}
		item.Signature = bytes.Clone(item.Signature)
		item.Signature[3] ^= 1
		jws := []string{item.Compact(), honest}
		want := []string{"bad_signature", "ok"}
		if first == "honest" {
			jws[0], jws[1], want[0], want[1] = jws[1], jws[0], want[1], want[0]
		}
		for i := range jws {
			for door, got := range h.doors(jws[i]) {
				if got.Code != want[i] {
					t.Errorf("%s first, %s: %+v, want %s", first, door, got, want[i])
				}
			}
		}
		if o, err := h.client.Operation(t.Context(), ref); err != nil || o.GetState() != "done" {
			t.Errorf("look-up after all: %v %v", o, err)
		}
	}
}

// What is wrong about the request itself, around a good operation. (GW-5)
func TestBadRequests(t *testing.T) {
	t.Parallel()
	h := start(t)
	good, _ := h.alice.Record("good")
	quoted, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	op := string(quoted)
	many := `{"operations":[` + strings.Repeat(op+",", 1000) + op + `]}`
	tests := []struct {
		name, path, body string
		code             fault.Code
	}{
		{"empty", "/v1/operations", "", fault.Malformed},
		{"not JSON", "/v1/operations", "hello", fault.Malformed},
		{"array", "/v1/operations", "[]", fault.WrongType},
		{"no operation", "/v1/operations", "{}", fault.MissingField},
		{"unknown member", "/v1/operations", `{"operation":` + op + `,"extra":1}`, fault.UnknownField},
		{"member in other case", "/v1/operations", `{"Operation":` + op + `}`, fault.UnknownField},
		{"wrong type", "/v1/operations", `{"operation":5}`, fault.WrongType},
		{"null", "/v1/operations", `{"operation":null}`, fault.WrongType},
		{"wrong type of wait", "/v1/operations", `{"operation":` + op + `,"wait":"no"}`, fault.WrongType},
		{"duplicate member", "/v1/operations", `{"operation":` + op + `,"operation":` + op + `}`, fault.DuplicateKey},
		{"trailing data", "/v1/operations", `{"operation":` + op + `}{}`, fault.TrailingData},
		{"unknown query parameter", "/v1/operations?wait=false", `{"operation":` + op + `}`, fault.UnknownField},
		{"no operations", "/v1/operations:batch", `{"operations":[]}`, fault.MissingField},
		{"too many operations", "/v1/operations:batch", many, fault.TooLarge},
		{"operations of the wrong type", "/v1/operations:batch", `{"operations":[5]}`, fault.WrongType},
		{"duplicate in a batch", "/v1/operations:batch", `{"operations":[` + op + `],"operations":[]}`, fault.DuplicateKey},
		{"no such path", "/v1/operation", "{}", fault.UnknownFunction},
		{"no such method", "/v1/network", "", fault.UnknownFunction},
	}
	height := len(h.ledger.Chain())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, got := h.post(tt.path, strings.NewReader(tt.body)); got.Code != tt.code.String() || got.Status != tt.code.HTTP() || got.Advice != tt.code.Advice() {
				t.Errorf("got %+v, want %s", got, tt.code)
			}
		})
	}
	for _, path := range []string{"/v1/balances/%ff/usd", "/v1/balances/" + h.alice.DID + "/%ff", "/v1/proofs?key=%ff", "/v1/records/%ff"} {
		if _, _, got := h.get(path); got.Code != fault.Malformed.String() {
			t.Errorf("%s: got %+v", path, got)
		}
	}
	if got := len(h.ledger.Chain()); got != height {
		t.Errorf("%d blocks, %d before", got, height)
	}
}

// endless counts what is read of a body that would have 256 MB.
type endless struct{ read atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	const all = 256 << 20
	read := int(e.read.Load())
	if read >= all {
		return 0, io.EOF
	}
	n := min(len(p), all-read)
	for i := range p[:n] {
		p[i] = ' '
	}
	e.read.Add(int64(n))
	return n, nil
}

// sendsFirst posts a body as many clients do: all of it, and then the answer is read.
func sendsFirst(t *testing.T, url, body string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // of a test
	if _, err := fmt.Fprintf(conn, "POST /v1/operations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// A body of 256 MB is refused without being read, whether it says its length or
// not. (GW-5)
func TestLargeBody(t *testing.T) {
	h := start(t)
	for _, path := range []string{"/v1/operations", "/v1/operations:batch"} {
		for _, length := range []int64{256 << 20, -1} {
			body := &endless{}
			request, err := http.NewRequest(http.MethodPost, h.url+path, body)
			if err != nil {
				t.Fatal(err)
			}
			request.ContentLength = length
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, got := h.read(response); got.Code != "too_large" || got.Status != 413 {
				t.Errorf("%s, length %d: %+v", path, length, got)
			}
			if read := body.read.Load(); read > 64<<20 { // the limit, and what sockets hold
				t.Errorf("%s, length %d: %d bytes were sent", path, length, read)
			}
		}
	}
	big := strings.Repeat("x", 20<<20)
	if answer := sendsFirst(t, h.url, big); !strings.Contains(answer, "413 Request Entity Too Large") || !strings.Contains(answer, `"too_large"`) {
		t.Errorf("who sends all before it looks for an answer has %q", answer)
	}
	_, err := h.client.Submit(t.Context(), big)
	if fault.Of(err) != fault.TooLarge {
		t.Errorf("gRPC: %v", err)
	}
	if got := h.doors(big)["command line"]; got.Code != "too_large" {
		t.Errorf("command line: %+v", got)
	}
}

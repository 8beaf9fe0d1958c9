//go:build e2e

package e2e_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/client"
	"google.golang.org/protobuf/encoding/protojson"
)

// privacy has a user do everything in which personal data could come near the ledger,
// through the command line, the client and the gateway, rightly and by mistake, and then
// looks for each datum in all that the consortium keeps: blocks, states, the gateways'
// journals, the anchors' stores, logs, events and metrics. (PR-1)
func (n *network) privacy(t *testing.T) {
	began := time.Now()
	id := make([]byte, 4)
	if _, err := rand.Read(id); err != nil {
		t.Fatal(err)
	}
	mark := hex.EncodeToString(id)
	personal := map[string]string{
		"name":            "Zephyrine Quillfeather-" + mark,
		"e-mail":          "zephyrine.quillfeather." + mark + "@mail.example",
		"national number": "85.07.30-" + mark + ".61",
		"web identity":    "https://social.example/@zephyrine" + mark,
		"content":         "Diagnosis of the thirtieth of July: hay fever, " + mark + ", nothing else.",
		"evidence":        "PASSPORT<QUILLFEATHER<<ZEPHYRINE<" + mark + "<1985-07-30",
		"passphrase":      "correct horse " + mark + " battery staple",
	}
	// What has to be found, so that the search is known to look.
	location := "urn:e2e:public-location-" + mark
	u := &user{network: n, t: t, dir: t.TempDir(), personal: personal}
	u.write("passphrase", personal["passphrase"])
	did := u.lives(location)
	tag := n.vouched(t, did, personal["evidence"])
	u.errs()

	values := maps.Clone(personal)
	values["the location"], values["the tag"], values["the DID"] = location, tag, did
	values["the address"] = n.Cluster.GatewayAddress()
	s := newSearch(values)
	s.in(n.told(t, did), "events and metrics")
	searched := s.files(t, n.Cluster.Dir)
	for name := range personal {
		if places := s.found[name]; len(places) > 0 {
			t.Errorf("the %s is in %d places: %q", name, len(places), places[:min(len(places), 8)])
		}
	}
	for i, o := range n.Cluster.Orgs() {
		for _, where := range []struct{ what, part string }{{"a block", "blockfile"}, {"the state", "stateLeveldb"}} {
			if !s.has("the location", strings.ToLower(o.Name), where.part) {
				t.Errorf("the location is not found in %s of the peer of organisation %d: %q", where.what, i+1, s.found["the location"])
			}
		}
	}
	for value, place := range map[string]string{"the location": "journal", "the tag": "stateLeveldb", "the DID": "events and metrics", "the address": "logs"} {
		if !s.has(value, place) {
			t.Errorf("%s is not found in %s: %q", value, place, s.found[value])
		}
	}
	t.Logf("searched %.0f MB in %.1f s", float64(searched)/1e6, time.Since(began).Seconds())
}

// user is a person at a machine of her own.
type user struct {
	*network
	t        *testing.T
	dir      string // what lies there is hers
	personal map[string]string
}

func (u *user) path(name string) string { return filepath.Join(u.dir, name) }

func (u *user) write(name, content string) string {
	u.t.Helper()
	if err := os.WriteFile(u.path(name), []byte(content), 0o600); err != nil {
		u.t.Fatal(err)
	}
	return u.path(name)
}

// killick runs the command line.
func (u *user) killick(args ...string) (map[string]any, error) {
	args = append([]string{"--gateway", u.Cluster.GatewayAddress(), "--json", "--passphrase-file", u.path("passphrase")}, args...)
	cmd := exec.CommandContext(u.t.Context(), filepath.Join(u.bin, "killick"), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("killick %v: %w: %s", args, err, stderr.Bytes())
	}
	var v map[string]any
	return v, json.Unmarshal(stdout.Bytes(), &v)
}

func (u *user) do(args ...string) map[string]any {
	u.t.Helper()
	v, err := u.killick(args...)
	if err != nil {
		u.t.Fatal(err)
	}
	return v
}

// lives has her make a DID, link identities, show one, put a record of her data on the
// ledger and prove what it is, and have the members keep another's content. It returns the
// DID.
func (u *user) lives(location string) string {
	u.do("keys", "new", "--out", u.path("z"), "--chain")
	keys := []string{"--keys", u.path("z.keys")}
	with := func(args ...string) []string { return append(args, keys...) }
	did := u.do(with("did", "create", "--link", "eip155:1337")...)["did"].(string)
	u.do(with("did", "link", "--web", u.personal["web identity"])...)
	u.do(with("did", "link", "--web", "mailto:"+u.personal["e-mail"])...)
	text := fmt.Sprintf(`{"name":%q,"email":%q,"number":%q,"text":%q}`,
		u.personal["name"], u.personal["e-mail"], u.personal["national number"], u.personal["content"])
	file, kept := u.write("file.json", text), u.write("kept.json", text)
	u.do(with("record", "submit", "--location", location, file)...)
	u.do("record", "check", file+".record", file)
	private := u.do(with("record", "submit", "--private", kept)...)["record"].(string)
	u.do(with("record", "fetch", private, "--out", u.path("fetched.json"))...)
	if got, err := os.ReadFile(u.path("fetched.json")); err != nil || string(got) != text {
		u.t.Errorf("fetched %q, %v", got, err)
	}
	u.do(with("did", "disclose", "--web", u.personal["web identity"], "--out", u.path("shown"))...)
	if got := u.do("did", "verify-link", u.path("shown")); got["identity"] != u.personal["web identity"] {
		u.t.Errorf("verified %v", got)
	}
	u.do(with("did", "prefer", "eip155:1337")...)
	u.do(with("did", "unlink", "--web", "mailto:"+u.personal["e-mail"])...)

	// The same through the client.
	identity, err := client.Load(u.path("z.keys"), []byte(u.personal["passphrase"]))
	if err != nil {
		u.t.Fatal(err)
	}
	signer := identity.On(u.name)
	linked, err := u.Client.Identity(u.t.Context(), did)
	if err != nil {
		u.t.Fatal(err)
	}
	jws, err := signer.LinkWeb("acct:"+strings.ReplaceAll(u.personal["e-mail"], "@", "%40"), linked.GetVersion())
	if err == nil {
		_, err = u.Client.Submit(u.t.Context(), jws)
	}
	if err != nil {
		u.t.Fatal(err)
	}
	return did
}

// errs has her send personal data where it does not belong: all of it is refused.
func (u *user) errs() {
	u.t.Helper()
	gateway := u.Cluster.GatewayURL()
	send := func(what string, response *http.Response, err error) {
		u.t.Helper()
		if err != nil {
			u.t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode < 400 {
			u.t.Errorf("%s: %d", what, response.StatusCode)
		}
	}
	p := u.newPerson(u.t)
	u.create(u.t, p)
	for name, value := range u.personal {
		path := url.PathEscape(value)
		for _, at := range []string{"/v1/records/", "/v1/dids/", "/v1/operations/", "/1.0/identifiers/", "/v1/payouts/", "/v1/nothing/"} {
			response, err := http.Get(gateway + at + path)
			send(name+" in "+at, response, err)
		}
		response, err := http.Get(gateway + "/v1/proofs?key=" + url.QueryEscape(value))
		send(name+" in a query", response, err)
		text, err := json.Marshal(map[string]string{"operation": value})
		if err != nil {
			u.t.Fatal(err)
		}
		response, err = http.Post(gateway+"/v1/operations", "application/json", bytes.NewReader(text))
		send(name+" as an operation", response, err)
		u.certifies(name, value, send)
		// Signed, in a member that the operation does not have, and in one that it has.
		quoted, err := json.Marshal(value)
		if err != nil {
			u.t.Fatal(err)
		}
		now := time.Now().Unix()
		for _, body := range []string{
			`{"schema":"note","commitment":"` + strings.Repeat("0", 64) + `","size":1,"location":"","note":` + string(quoted) + `}`,
			`{"schema":"note","commitment":` + string(quoted) + `,"size":1,"location":""}`,
		} {
			item := p.raw(u.t, header(p.kid), fmt.Sprintf(`{"op":"record.submit","net":%q,"iat":%d,"exp":%d,"body":%s}`, u.name, now, now+600, body))
			if got := u.byGRPC(u.t, item.Compact()); got.code != fault.UnknownField.String() && got.code != fault.InvalidValue.String() {
				u.t.Errorf("%s in an operation: %+v", name, got)
			}
		}
		if _, err := u.killick("did", "resolve", value); err == nil {
			u.t.Errorf("the %s was resolved", name)
		}
	}
}

// certifies sends a datum in credentials, in logins and in questions of lists.
func (u *user) certifies(name, value string, send func(string, *http.Response, error)) {
	u.t.Helper()
	gateway := u.Cluster.GatewayURL()
	quoted, err := json.Marshal(value)
	if err != nil {
		u.t.Fatal(err)
	}
	about := `{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential"],"issuer":"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK","credentialSubject":{"name":` + string(quoted) + `}}`
	for path, body := range map[string]string{
		"/credentials/issue":        `{"credential":` + about + `}`,
		"/credentials/verify":       `{"verifiableCredential":` + about + `}`,
		"/presentations/verify":     `{"verifiablePresentation":{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiablePresentation"],"verifiableCredential":[` + about + `]},"options":{"challenge":` + string(quoted) + `,"domain":` + string(quoted) + `}}`,
		"/v1/contents":              `{"request":` + string(quoted) + `}`,
		"/v1/records/x/certificate": `{"note":` + string(quoted) + `}`,
		"/v1/openid/offers":         `{"credentials":[{"configuration":"diploma","claims":{"name":` + string(quoted) + `}}]}`,
		"/v1/token":                 url.Values{"grant_type": {value}, "assertion": {value}}.Encode(),
		"/openid/response":          url.Values{"response": {value}, "state": {value}}.Encode(),
	} {
		kind := "application/json"
		if !strings.HasPrefix(body, "{") {
			kind = "application/x-www-form-urlencoded"
		}
		response, err := http.Post(gateway+path, kind, strings.NewReader(body))
		send(name+" to "+path, response, err)
	}
	for _, question := range []string{"records?owner=", "records?pageToken=", "grants?client=", "uses?grant=", "events?cursor="} {
		response, err := http.Get(gateway + "/v1/" + question + url.QueryEscape(value))
		send(name+" in "+question, response, err)
	}
	request, err := http.NewRequestWithContext(u.t.Context(), http.MethodGet, gateway+"/v1/me", nil)
	if err != nil {
		u.t.Fatal(err)
	}
	request.Header.Set("Authorization", "DPoP "+url.PathEscape(value))
	request.Header.Set("DPoP", value)
	response, err := http.DefaultClient.Do(request)
	send(name+" as a token", response, err)
}

// vouched accredits identity verifiers of two organisations and has them bind the person
// whose evidence they have seen to a DID. It returns the tag.
func (n *network) vouched(t *testing.T, did, evidence string) string {
	t.Helper()
	key := make([]byte, 32) // in the verifiers' HSM
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(evidence))
	tag := hex.EncodeToString(mac.Sum(nil))
	for i := range 2 {
		identity, _, err := client.Generate("EdDSA", false)
		if err != nil {
			t.Fatal(err)
		}
		verifier := identity.On(n.name)
		jws, err := verifier.Create(nil, "")
		if err == nil {
			_, err = n.Client.Submit(t.Context(), jws)
		}
		if err != nil {
			t.Fatal(err)
		}
		ref := n.proposed(t, 0, "verifier/"+verifier.DID(), fmt.Sprintf(`{"organisation":%q}`, n.Cluster.Orgs()[i].MSPID))
		n.decides(t, 1, "status     open", "approve", ref)
		n.decides(t, 2, "status     enacted", "approve", ref)
		if jws, err = verifier.Bind(did, tag); err == nil {
			_, err = n.Client.Submit(t.Context(), jws)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	linked, err := n.Client.Identity(t.Context(), did)
	if err != nil || !linked.GetBound() || len(linked.GetOrganisations()) != 2 {
		t.Errorf("bound: %v, %v", linked, err)
	}
	// What gateways keep to themselves.
	for _, key := range []string{"tag/" + tag, "person/" + did[strings.LastIndex(did, ":")+1:], "link/x", "account/x", "preference/x"} {
		if _, err := n.Client.Proof(t.Context(), client.Subject{Key: key}); fault.Of(err) != fault.NotOwner {
			t.Errorf("proof of %s: %v", key, err)
		}
	}
	n.decides(t, 3, "status     open", "propose", "tag/"+tag, `""`)
	return tag
}

// told is all that a gateway tells anyone: its events from the beginning to now, with
// the DID's own among them, what it answers about the DID, and its metrics.
func (n *network) told(t *testing.T, did string) []byte {
	t.Helper()
	var all bytes.Buffer
	height := n.height(t)
	from := uint64(0)
	for e, err := range n.Client.Events(t.Context(), &client.EventsRequest{Block: &from}) {
		if err != nil {
			t.Fatal(err)
		}
		text, err := protojson.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
		if e.GetBlock() >= height-1 {
			break
		}
	}
	for _, path := range []string{"/metrics", "/healthz", "/v1/dids/" + did, "/v1/dids/" + did + "/identity", "/v1/balances/" + did + "/usd"} {
		response, err := http.Get(n.Cluster.GatewayURL() + path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&all, response.Body); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	return all.Bytes()
}

package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/gateway/api/apitest"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/killick/cli"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

var update = flag.Bool("update", false, "rewrite testdata/help.txt")

// world is a gateway before a ledger in memory, and a folder to work in.
type world struct {
	t       *testing.T
	ledger  *submittest.Ledger
	dir     string
	gateway string
	url     string // of the REST service
	pairs   int    // of key files from the pool
}

func begin(t *testing.T) *world {
	t.Helper()
	return beginOn(t, submittest.New())
}

// beginOn is a world before a ledger that there is.
func beginOn(t *testing.T, ledger *submittest.Ledger) *world {
	t.Helper()
	w := &world{t: t, ledger: ledger, dir: t.TempDir()}
	w.write("pass", passphrase+"\n")
	gateway := apitest.Serve(t, ledger)
	w.gateway, w.url = gateway.Address, gateway.URL
	return w
}

// founded is a world with a ledger that has been founded and the DIDs of new key files.
func founded(t *testing.T, names ...string) *world {
	t.Helper()
	w := begin(t)
	if err := w.ledger.Found(); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		w.keys(name)
		w.do("did", "create", "--keys", w.path(name+".keys"))
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, content string) string {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return w.path(name)
}

func (w *world) run(args ...string) (exit int, out, errOut string) {
	var o, e bytes.Buffer
	exit = cli.Run(context.Background(), append([]string{"--gateway", w.gateway, "--passphrase-file", w.path("pass")}, args...), strings.NewReader(""), &o, &e)
	return exit, o.String(), e.String()
}

// do runs a command with --json that must succeed, and returns its answer.
func (w *world) do(args ...string) map[string]any {
	w.t.Helper()
	exit, out, errOut := w.run(append(args, "--json")...)
	if exit != 0 {
		w.t.Fatalf("killick %s: exit %d: %s", strings.Join(args, " "), exit, errOut)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		w.t.Fatalf("killick %s: %v in %s", strings.Join(args, " "), err, out)
	}
	w.lighten()
	return v
}

// refused runs a command that must be refused with a code.
func (w *world) refused(code string, args ...string) {
	w.t.Helper()
	exit, out, errOut := w.run(append(args, "--json")...)
	var v struct{ Error struct{ Code, Advice string } }
	if err := json.Unmarshal([]byte(errOut), &v); err != nil || exit != 1 || out != "" || v.Error.Code != code || v.Error.Advice == "" {
		w.t.Errorf("killick %s: exit %d, %s%s, want %s", strings.Join(args, " "), exit, out, errOut, code)
	}
}

// A person's way through the ledger: keys, DID, a record that is amended and
// deleted, a credential that is revoked, a payment.
func TestStory(t *testing.T) {
	t.Parallel()
	w := begin(t)
	// The consortium accredits the issuer when it founds the ledger, so the
	// issuer's keys come first; their DID is known without a ledger.
	made := w.do("keys", "new", "--out", w.path("issuer"), "--alg", "ES256")
	w.do("keys", "new", "--out", w.path("owner.keys"), "--alg", "ES256K", "--chain")
	issuer, owner := w.path("issuer.keys"), w.path("owner.keys")
	issuerDID, ownerDID := publicDID(t, issuer), publicDID(t, owner)
	if id, _ := made["id"].(string); id == "" || !strings.HasSuffix(issuerDID, ":"+id) {
		t.Errorf("keys new says the id %q, of %s", id, issuerDID)
	}
	if err := w.ledger.Found(&submittest.Person{DID: issuerDID}); err != nil {
		t.Fatal(err)
	}

	if got := w.do("did", "create", "--keys", issuer)["did"]; got != issuerDID {
		t.Errorf("created %v, want %s", got, issuerDID)
	}
	w.do("did", "create", "--keys", owner, "--link", "eip155:1337", "--link", "tron:0x2b6653dc", "--payout", "tron:0x2b6653dc")
	resolved := w.do("did", "resolve", ownerDID)["didDocument"].(map[string]any)
	if resolved["alsoKnownAs"] != nil || resolved["id"] != ownerDID {
		t.Errorf("resolved %v", resolved)
	}

	file := w.write("invoice.txt", "100 apples")
	record := w.do("record", "submit", "--keys", owner, "--schema", "invoice", file)
	w.do("record", "check", file+".record", file)
	other := w.write("other.txt", "101 apples")
	if exit, _, errOut := w.run("record", "check", file+".record", other); exit != 1 || !strings.Contains(errOut, "not what the record commits to") {
		t.Errorf("check of another file: %d %s", exit, errOut)
	}
	if exit, _, errOut := w.run("record", "submit", "--keys", owner, file); exit != 1 || !strings.Contains(errOut, "exists") {
		t.Errorf("a receipt file was overwritten: %d %s", exit, errOut)
	}
	w.do("record", "amend", "--keys", owner, file+".record", other)
	w.do("record", "check", other+".record", other)
	w.refused("not_owner", "record", "delete", "--keys", issuer, record["record"].(string))
	w.do("record", "delete", "--keys", owner, record["record"].(string))
	if got := w.do("record", "show", record["record"].(string)); got["status"] != "deleted" || got["version"] != 3.0 {
		t.Errorf("record %v", got)
	}
	w.refused("deleted", "record", "amend", "--keys", owner, "--receipt", w.path("late"), record["record"].(string), other)
	if _, err := os.Stat(w.path("late")); err == nil {
		t.Error("a refused amendment left a receipt file")
	}

	schema := w.do("credential", "schema", "--keys", issuer, "--name", "member", w.write("schema.json", "{}"))["schema"].(string)
	issuer = w.credentials(issuer, owner, issuerDID, ownerDID, schema)

	if err := w.ledger.Fund("issuer", &submittest.Person{DID: issuerDID}, 5_000_000); err != nil {
		t.Fatal(err)
	}
	paid := w.do("pay", "--keys", issuer, ownerDID+"=2500000")
	w.refused("insufficient_funds", "pay", "--keys", issuer, ownerDID+"=2500001")
	w.refused("insufficient_funds", "withdraw", "--keys", issuer, "2500001")
	if got := w.do("balance", issuer); got["balance"] != "2500000" || got["did"] != issuerDID {
		t.Errorf("balance %v", got)
	}
	w.do("withdraw", "--keys", issuer, "500000", "--for", "not needed")
	if got := w.do("balance", issuer); got["balance"] != "2000000" || got["pending"] != "500000" {
		t.Errorf("balance after a withdrawal %v", got)
	}
	reference := paid["operation"].(map[string]any)["reference"].(string)
	if got := w.do("operation", reference); got["state"] != "done" || got["transaction"] == "" || got["validation"] != "VALID" {
		t.Errorf("operation %v", got)
	}
	if _, out, _ := w.run("operation", reference); !strings.Contains(out, "\nvalidation   VALID\nblock        ") {
		t.Errorf("for people: %s", out)
	}
	w.refused("not_found", "operation", strings.Repeat("0", 64))
	w.refused("invalid_value", "operation", "nonsense")
	w.refused("unavailable", "proof", reference, "--out", w.path("p.anchorproof"))
	if got := w.do("network")["network"]; got != submittest.Network {
		t.Errorf("network %v", got)
	}
}

func publicDID(t *testing.T, keys string) string {
	t.Helper()
	did, _, err := client.LoadPublic(keys, submittest.Network)
	if err != nil {
		t.Fatal(err)
	}
	return did
}

func TestUsageAndErrors(t *testing.T) {
	t.Parallel()
	w := begin(t)
	for _, args := range [][]string{
		{"nonsense"}, {"did", "create"}, {"did", "update", "--keys", "x"}, {"did", "recover", "--out", "x"}, {"did", "deactivate"},
		{"balance"}, {"pay", "--keys", "x"}, {"withdraw", "--keys", "x"}, {"proof", "--out", "x"}, {"balance", "did:x", "--nonsense"},
		{"proof", "--key", "a", "b", "--out", "x"}, {"proof", "--key", "a", "--transaction", "b", "--out", "x"},
	} {
		if exit, out, errOut := w.run(args...); exit != 2 || out != "" || !strings.Contains(errOut, "Usage:") {
			t.Errorf("killick %v: exit %d, %q, %q", args, exit, out, errOut)
		}
	}
	w.refused("not_initialised", "network")
	w.do("keys", "new", "--out", w.path("a"))
	if exit, _, errOut := w.run("keys", "new", "--out", w.path("a")); exit != 1 || !strings.Contains(errOut, "never overwritten") {
		t.Errorf("second keys new: %d %s", exit, errOut)
	}
	if exit, _, errOut := w.run("keys", "new", "--out", w.path("rsa"), "--alg", "RS256"); exit != 1 || !strings.Contains(errOut, "ES256K") {
		t.Errorf("keys new --alg RS256: %d %s", exit, errOut)
	}
	// Neither file is left without the other.
	w.write("half.recovery", "")
	if exit, _, errOut := w.run("keys", "new", "--out", w.path("half")); exit != 1 || !strings.Contains(errOut, "never overwritten") {
		t.Errorf("keys new beside another recovery key: %d %s", exit, errOut)
	}
	if _, err := os.Stat(w.path("half.keys")); err == nil {
		t.Error("keys without their recovery key are left")
	}
	if err := os.Remove(w.path("a.recovery")); err != nil { // it is kept elsewhere
		t.Fatal(err)
	}
	if exit, _, errOut := w.run("keys", "new", "--out", w.path("a")); exit != 1 || !strings.Contains(errOut, "never overwritten") {
		t.Errorf("keys new beside other keys: %d %s", exit, errOut)
	}
	if _, err := os.Stat(w.path("a.recovery")); err == nil {
		t.Error("a recovery key of no keys is left")
	}
	if err := w.ledger.Found(); err != nil {
		t.Fatal(err)
	}
	w.write("pass", "wrong\n")
	if exit, _, errOut := w.run("did", "create", "--keys", w.path("a.keys")); exit != 1 || !strings.Contains(errOut, "passphrase does not open") {
		t.Errorf("wrong passphrase: %d %s", exit, errOut)
	}
	exit, _, errOut := w.run("balance", "did:killick:main-ffffffffffffffff:3yZe7d")
	if want := "error: invalid_value: "; exit != 1 || !strings.HasPrefix(errOut, want) || !strings.Contains(errOut, "\nwhat to do: ") {
		t.Errorf("for people: %d %q", exit, errOut)
	}
	var o, e bytes.Buffer
	if exit := cli.Run(context.Background(), []string{"--gateway", "127.0.0.1:1", "--json", "network"}, strings.NewReader(""), &o, &e); exit != 1 || !strings.Contains(e.String(), `"unavailable"`) {
		t.Errorf("no gateway: %d %s", exit, e.String())
	}
}

// The help texts of all commands, as people see them: go test ./gateway/killick/cli -update
func TestHelp(t *testing.T) {
	var all strings.Builder
	var show func(args []string)
	show = func(args []string) {
		var o, e bytes.Buffer
		if exit := cli.Run(context.Background(), append(slices.Clone(args), "--help"), strings.NewReader(""), &o, &e); exit != 0 || e.Len() > 0 {
			t.Fatalf("%v --help: exit %d, %s", args, exit, e.String())
		}
		fmt.Fprintf(&all, "$ killick %s\n%s\n", strings.Join(append(slices.Clone(args), "--help"), " "), o.String())
		_, commands, _ := strings.Cut(o.String(), "Available Commands:\n")
		commands, _, _ = strings.Cut(commands, "\n\n")
		for line := range strings.Lines(commands) {
			if name := strings.Fields(line)[0]; name != "help" && name != "govern" { // which is another program
				show(append(slices.Clone(args), name))
			}
		}
	}
	show(nil)
	const path = "testdata/help.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != all.String() {
		t.Error("help differs from testdata/help.txt; look at it and run with -update")
	}
}

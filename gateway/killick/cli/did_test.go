package cli_test

import (
	"os"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
)

// A DID's keys and services are changed, a thief's deactivation is prevented, and the
// DID is ended, from the command line. New keys are on disk before anything is sent,
// and stay there whatever the gateway says.
func TestLifeOfADID(t *testing.T) {
	t.Parallel()
	w := founded(t)
	w.keys("a")
	name := w.do("did", "create", "--keys", w.path("a.keys"))["did"].(string)
	if got := w.do("did", "update", "--keys", w.path("a.keys"), "--rotate", w.path("b.keys"), "--alg", "ES256",
		"--service", "files,LinkedDomains,https://alice.example")["did"]; got != name {
		t.Errorf("updated %v", got)
	}
	if got := publicDID(t, w.path("b.keys")); got != name {
		t.Errorf("the new keys are of %s", got)
	}
	if exit, _, errOut := w.run("did", "update", "--keys", w.path("a.keys"), "--rotate", w.path("c.keys")); exit != 1 || !strings.Contains(errOut, "not in the document") {
		t.Errorf("the old key was rotated again: %d %s", exit, errOut)
	}
	w.refused("key_unknown", "did", "update", "--keys", w.path("a.keys"), "--remove-service", "files")
	if exit, _, errOut := w.run("did", "update", "--keys", w.path("b.keys"), "--remove-service", "other"); exit != 1 || !strings.Contains(errOut, "no service") {
		t.Errorf("a service that is not there was removed: %d %s", exit, errOut)
	}
	if exit, _, errOut := w.run("did", "update", "--keys", w.path("b.keys"), "--service", "x"); exit != 1 || !strings.Contains(errOut, "fragment,type,") {
		t.Errorf("a service in another form: %d %s", exit, errOut)
	}
	w.do("did", "update", "--keys", w.path("b.keys"), "--remove-service", "files")
	version := func(args ...string) any {
		return w.do(append([]string{"did", "resolve", name}, args...)...)["didDocumentMetadata"].(map[string]any)["versionId"]
	}
	if a, b, c := version(), version("--version", "1"), version("--at", "2999-01-01T00:00:00Z"); a != "3" || b != "1" || c != "3" {
		t.Errorf("versions %v, %v, %v", a, b, c)
	}
	if exit, _, errOut := w.run("did", "resolve", name, "--at", "yesterday"); exit != 1 || !strings.Contains(errOut, "is no time") {
		t.Errorf("resolved at a time that is none: %d %s", exit, errOut)
	}

	w.do("did", "deactivate", "--keys", w.path("b.keys"))
	w.refused("not_due", "did", "complete", name, "--keys", w.path("b.keys"))
	w.do("did", "recover", "--recovery", w.path("a.recovery"), "--out", w.path("d"))
	w.refused("key_unknown", "did", "recover", "--recovery", w.path("a.recovery"), "--out", w.path("e"))
	if _, err := os.Stat(w.path("c.keys")); err == nil {
		t.Error("keys were written for an operation that was never sent")
	}
	for _, file := range []string{"e.keys", "e.recovery"} {
		if _, err := os.Stat(w.path(file)); err != nil {
			t.Errorf("a gateway's word destroys keys: %v", err)
		}
	}
	if exit, _, errOut := w.run("did", "recover", "--recovery", w.path("a.recovery"), "--out", w.path("x")); exit != 1 ||
		!strings.Contains(errOut, w.path("x.keys")+" and "+w.path("x.recovery")) {
		t.Errorf("nobody says where the keys are: %d %s", exit, errOut)
	}
	w.do("did", "deactivate", "--keys", w.path("d.keys"))
	w.keys("f")
	w.do("did", "create", "--keys", w.path("f.keys"))
	if err := w.ledger.Elapse(did.Delay); err != nil {
		t.Fatal(err)
	}
	w.do("did", "complete", name, "--keys", w.path("f.keys"))
	w.refused("did_deactivated", "did", "recover", "--recovery", w.path("d.recovery"), "--out", w.path("g"))
	w.do("did", "deactivate", "--recovery", w.path("f.recovery"))
	w.refused("did_deactivated", "did", "update", "--keys", w.path("f.keys"), "--rotate", w.path("h.keys"))
}

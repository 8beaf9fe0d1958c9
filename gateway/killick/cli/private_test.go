package cli_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

func (w *world) read(name string) string {
	w.t.Helper()
	data, err := os.ReadFile(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

// A private content from the command line: kept, read by those it is for, given to
// somebody else by an amendment, readable after keys were rotated, exported, deleted.
// (PV-1, PV-4)
func TestPrivateContent(t *testing.T) {
	t.Parallel()
	w := founded(t)
	dids := map[string]string{}
	for _, name := range []string{"alice", "bob", "carol"} {
		w.keys(name)
		dids[name] = w.do("did", "create", "--keys", w.path(name+".keys"))["did"].(string)
	}
	alice, bob, carol := w.path("alice.keys"), w.path("bob.keys"), w.path("carol.keys")
	file := w.write("note.txt", "for bob only")
	ref := w.do("record", "submit", "--keys", alice, "--private", "--to", dids["bob"], file)["record"].(string)
	for _, left := range []string{"note.txt.record.op", "note.txt.record.content"} {
		if _, err := os.Stat(w.path(left)); err == nil {
			t.Errorf("%s is left of what was done", left)
		}
	}
	if got := w.do("record", "show", ref)["private"]; got == "" {
		t.Error("the record names no content")
	}
	w.do("record", "fetch", ref, "--keys", bob, "--out", w.path("bob.txt"))
	w.do("record", "fetch", file+".record", "--keys", alice, "--out", w.path("alice.txt"))
	if w.read("bob.txt") != "for bob only" || w.read("alice.txt") != "for bob only" {
		t.Error("another content was fetched")
	}
	w.refused("not_owner", "record", "fetch", ref, "--keys", carol, "--out", w.path("carol.txt"))
	if exit, _, errOut := w.run("record", "fetch", ref, "--keys", bob, "--out", w.path("bob.txt")); exit != 1 || !strings.Contains(errOut, "exists") {
		t.Errorf("a file was overwritten: %d %s", exit, errOut)
	}

	// New keys open what is encrypted to the old ones, and what comes is to the new ones.
	w.do("did", "update", "--keys", bob, "--rotate", w.path("bob2.keys"))
	bob2 := w.path("bob2.keys")
	w.do("record", "fetch", ref, "--keys", bob2, "--out", w.path("bob2.txt"))
	other := w.write("other.txt", "for bob and carol")
	w.do("record", "amend", file+".record", other, "--keys", alice, "--private", "--to", dids["bob"], "--to", dids["carol"])
	w.do("record", "fetch", ref, "--keys", bob2, "--out", w.path("bob3.txt"))
	w.do("record", "fetch", ref, "--keys", carol, "--out", w.path("carol.txt"))
	if w.read("bob3.txt") != "for bob and carol" || w.read("carol.txt") != "for bob and carol" {
		t.Error("another content was fetched")
	}
	w.refused("key_unknown", "record", "fetch", ref, "--keys", bob, "--out", w.path("bob4.txt"))

	w.do("record", "submit", "--keys", alice, w.write("open.txt", "a plain one"))
	w.do("record", "offer", "--keys", alice, ref)
	offered := items(w.do("record", "catalogue"))[0]["offer"].(string)
	w.do("record", "use", "--keys", carol, offered)
	export := w.do("data", "export", "--keys", alice, "--out", w.path("data"))
	if export["operations"] != 5.0 || export["records"] != 2.0 || export["contents"] != 1.0 || w.read("data/contents/"+ref) != "for bob and carol" {
		t.Errorf("export %v", export)
	}
	for file, want := range map[string]int{
		"did.json": 1, "identity.json": 1, "operations.json": 5, "records.json": 2, "grants.json": 1, "uses.json": 1, "credentials-issued.json": 0, "payments-received.json": 0, "balances.json": 1,
	} {
		var list []map[string]any
		if err := json.Unmarshal([]byte(w.read("data/"+file)), &list); err != nil || len(list) != want {
			t.Errorf("%s has %d entries, want %d: %v", file, len(list), want, err)
		}
	}

	w.do("record", "delete", "--keys", alice, ref)
	w.refused("deleted", "record", "fetch", ref, "--keys", alice, "--out", w.path("gone.txt"))
	if exit, _, errOut := w.run("record", "submit", "--keys", alice, "--to", dids["bob"], w.write("x.txt", "x")); exit != 1 || !strings.Contains(errOut, "--private") {
		t.Errorf("--to alone: %d %s", exit, errOut)
	}
	w.refused("too_large", "record", "submit", "--keys", alice, "--private", w.write("large.txt", strings.Repeat("x", 60000)))
}

// A gateway that shows another key of a recipient than others do gets nothing encrypted
// to it, where it is compared with one of them; nor does a DID without such a key. (PV-4)
func TestRecipientsAreCompared(t *testing.T) {
	t.Parallel()
	w, other := founded(t, "alice", "bob"), founded(t)
	alice, bob := w.path("alice.keys"), other.do("did", "create", "--keys", w.path("bob.keys"))["did"].(string)
	file := w.write("note.txt", "for bob only")
	submit := []string{"record", "submit", "--keys", alice, "--private", "--to", bob, "--compare", other.gateway, file}
	w.do(append(submit, "--receipt", w.path("first"))...)
	other.do("did", "update", "--keys", w.path("bob.keys"), "--rotate", w.path("bob2.keys"))
	if exit, _, errOut := w.run(append(submit, "--receipt", w.path("second"))...); exit != 1 || !strings.Contains(errOut, "other keys") {
		t.Errorf("%d %s", exit, errOut)
	}
	bare := submittest.NewPerson("bare")
	w.do("operation", "submit", w.write("bare.op", bare.Create()))
	w.refused("key_purpose", "record", "submit", "--keys", alice, "--private", "--to", bare.DID, file, "--receipt", w.path("third"))
}

// An operation with a content whose outcome stays unknown is kept with it, and sent
// again as it was, be it done meanwhile or not. (PV-2)
func TestPrivateContentSentAgain(t *testing.T) {
	t.Parallel()
	w := founded(t, "alice")
	alice := w.path("alice.keys")
	w.ledger.SetPaced(true) // no block comes, for which the command does not wait
	var file, errOut string
	exit, sent := 0, false
	for limit := time.Second; !sent && limit < time.Minute; limit *= 2 { // the machine may be slow
		file = w.write("note"+limit.String(), "mine")
		exit, _, errOut = w.run("record", "submit", "--keys", alice, "--private", file, "--timeout", limit.String())
		sent = strings.Contains(errOut, "--content "+file+".record.content")
	}
	if exit != 1 || !strings.Contains(errOut, fault.Unknown.String()) || !sent {
		t.Fatalf("%d %s", exit, errOut)
	}
	w.ledger.SetPaced(false)
	time.AfterFunc(100*time.Millisecond, w.ledger.Cut)
	w.do("operation", "submit", file+".record.op", "--content", file+".record.content")
	if done := w.do("operation", "submit", file+".record.op"); done["repeated"] != true {
		t.Errorf("%v", done)
	}
	w.do("record", "fetch", file+".record", "--keys", alice, "--out", w.path("out"))
	if w.read("out") != "mine" {
		t.Error("another content was fetched")
	}
}

// After a recovery, contents from before are fetched with the new keys and opened with the
// old ones; an export has all the rest, and says what it could not open. (PV-4)
func TestContentsAfterARecovery(t *testing.T) {
	t.Parallel()
	w := founded(t, "alice")
	alice := w.path("alice.keys")
	before := w.do("record", "submit", "--keys", alice, "--private", w.write("before.txt", "from before"))["record"].(string)
	w.do("did", "recover", "--recovery", w.path("alice.recovery"), "--out", w.path("alice2"))
	alice2 := w.path("alice2.keys")
	after := w.do("record", "submit", "--keys", alice2, "--private", w.write("after.txt", "from after"))["record"].(string)
	fetch := []string{"record", "fetch", before, "--out", w.path("out"), "--keys"}
	w.refused("key_unknown", append(fetch, alice)...)
	if exit, _, errOut := w.run(append(fetch, alice2)...); exit != 1 || !strings.Contains(errOut, "not encrypted to this key") {
		t.Errorf("%d %s", exit, errOut)
	}
	w.do(append(fetch, alice2, "--old-keys", alice)...)
	if w.read("out") != "from before" {
		t.Error("another content was fetched")
	}
	if exit, _, errOut := w.run("data", "export", "--keys", alice2, "--out", w.path("data")); exit != 1 || !strings.Contains(errOut, before) || strings.Contains(errOut, after) {
		t.Errorf("%d %s", exit, errOut)
	}
	if w.read("data/contents/"+after) != "from after" || !strings.Contains(w.read("data/contents/"+before+".jwe"), `"ciphertext"`) {
		t.Error("the contents are not in the export")
	}
	if !strings.Contains(w.read("data/records.json"), before) || !strings.Contains(w.read("data/grants.json"), "[") {
		t.Error("the rest is not in the export")
	}
}

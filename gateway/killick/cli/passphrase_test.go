package cli_test

import (
	"strings"
	"testing"

	"github.com/killick-ledger/killick/gateway/client"
)

// A passphrase is the first line of its file up to the line's end: no byte within it ends it,
// and what other programs open with it, they open.
func TestPassphraseOfAFile(t *testing.T) {
	w := begin(t)
	w.write("pass", " two\rparts \r\nnot this\n")
	if exit, _, errOut := w.run("keys", "new", "--out", w.path("a")); exit != 0 {
		t.Fatal(errOut)
	}
	if _, err := client.Load(w.path("a.keys"), []byte(" two\rparts ")); err != nil {
		t.Errorf("the key file is sealed with something else: %v", err)
	}
	w.write("pass", "\r\nnot this\n")
	if exit, _, errOut := w.run("keys", "new", "--out", w.path("b")); exit != 1 || !strings.Contains(errOut, "the first line of "+w.path("pass")+" is empty") {
		t.Errorf("an empty line: %d %s", exit, errOut)
	}
}

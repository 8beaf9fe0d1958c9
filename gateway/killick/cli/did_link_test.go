package cli_test

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/client"
)

// Accounts and another identity are linked, one is shown and the others are not, the
// account to be paid is chosen, and after a recovery all of it can still be shown, from
// the command line.
func TestLinkedIdentities(t *testing.T) {
	t.Parallel()
	w := founded(t)
	w.do("keys", "new", "--out", w.path("a"), "--chain")
	keys := []string{"--keys", w.path("a.keys")}
	with := func(args ...string) []string { return append(args, keys...) }
	name := w.do(with("did", "create", "--link", "eip155:1337", "--payout", "eip155:1337")...)["did"].(string)
	w.do(with("did", "link", "--chain", "tron:0x2b6653dc")...)
	const web = "https://social.example/@alice"
	leaf := w.do(with("did", "link", "--web", web)...)["leaf"].(string)
	w.refused("already_done", with("did", "link", "--web", web)...)

	wallet := secp256k1.PrivKeyFromBytes([]byte(strings.Repeat("w", 32)))
	account := canon.Account{Chain: "eip155:1", Address: canon.KeyAddress(wallet.PubKey())}
	text := w.do(with("did", "link", "--account", account.String())...)["sign"].(string)
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[1] != name || lines[2] != account.String() {
		t.Fatalf("to be signed: %q", text)
	}
	signature := canon.SignDigest(wallet, canon.LinkDigest(name, account, lines[3]))
	signature[64] -= 27 // as some wallets have it
	w.refused("bad_proof", with("did", "link", "--account", "eip155:2"+account.String()[8:], "--signature", "0x"+hex.EncodeToString(signature[:]))...)
	w.do(with("did", "link", "--account", account.String(), "--signature", "0x"+hex.EncodeToString(signature[:]))...)
	if exit, _, errOut := w.run(with("did", "link", "--account", account.String(), "--signature", "0x00")...); exit != 1 || !strings.Contains(errOut, "want 65") {
		t.Errorf("a short signature: %d %s", exit, errOut)
	}

	v := w.do("did", "identity", name)
	if len(v["leaves"].([]any)) != 4 || v["leaves"].([]any)[2].(map[string]any)["leaf"] != leaf || v["bound"] != false || len(v["payouts"].([]any)) != 1 {
		t.Errorf("identity %v", v)
	}
	shown := w.path("alice.disclosure")
	w.do(with("did", "disclose", "--web", web, "--out", shown)...)
	if got := w.do("did", "verify-link", shown); got["identity"] != web || got["did"] != name || got["kind"] != "web" || got["root"] != v["root"] {
		t.Errorf("verified %v", got)
	}
	w.do("did", "verify-link", shown, "--root", v["root"].(string))
	w.refused("bad_proof", "did", "verify-link", shown, "--root", strings.Repeat("0", 64))
	data, err := os.ReadFile(shown)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{account.String(), "eip155:1337", "tron"} {
		if strings.Contains(string(data), other) {
			t.Errorf("%s shows %s", data, other)
		}
	}
	w.refused("unknown_field", "did", "verify-link", w.write("spoilt", strings.Replace(string(data), `"did"`, `"x"`, 1)))
	w.refused("not_found", with("did", "disclose", "--web", "https://social.example/@bob", "--out", w.path("bob.disclosure"))...)

	w.do(with("did", "prefer", "tron:0x2b6653dc")...)
	w.do(with("did", "prefer", account.String())...)
	w.refused("not_found", with("did", "prefer", "eip155:99")...)
	w.do(with("did", "unlink", "--chain", "tron:0x2b6653dc")...)
	w.refused("bad_proof", "did", "verify-link", shown) // another tree
	w.refused("not_accredited", with("did", "bind", name, strings.Repeat("ab", 32))...)

	// Recovery takes back what this epoch has brought: what is left is what the DID was
	// created with, and the new keys can show it.
	w.do("did", "recover", "--recovery", w.path("a.recovery"), "--out", w.path("b"))
	v = w.do("did", "identity", name)
	if len(v["leaves"].([]any)) != 1 || len(v["payouts"].([]any)) != 1 {
		t.Errorf("recovered: %v", v)
	}
	own := w.do("did", "disclose", "--keys", w.path("b.keys"), "--account", "eip155:1337:"+address(t, w.path("a.keys")), "--out", w.path("own.disclosure"))
	w.do("did", "verify-link", own["disclosure"].(string))
	w.do("did", "prefer", "none", "--keys", w.path("b.keys"))
}

// address reads the address of a key file's chain key.
func address(t *testing.T, path string) string {
	t.Helper()
	_, address, err := client.LoadPublic(path, "main-0011223344556677")
	if err != nil {
		t.Fatal(err)
	}
	return address
}

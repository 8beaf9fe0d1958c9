package cli_test

import (
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// Who prefers an account that no vault pays is told so, by every command that states a
// preference, and nobody else is.
func TestPreferWithoutVault(t *testing.T) {
	t.Parallel()
	w := beginOn(t, submittest.NewOn(opstest.New(t).Store)) // vaults for usd on eip155:1337 and on Tron
	w.do("keys", "new", "--out", w.path("a"), "--chain")
	with := func(args ...string) []string { return append(args, "--keys", w.path("a.keys")) }
	const want = "no vault on eip155:99 pays out usd; "
	warns := func(what string, answer map[string]any, want string) {
		t.Helper()
		got, _ := answer["warning"].(string)
		if !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: warning %q, want %q", what, got, want)
		}
		if want != "" && !strings.HasSuffix(got, "; vaults: usd on eip155:1337, usd on tron:0x2b6653dc") {
			t.Errorf("%s: it does not say where the vaults are: %q", what, got)
		}
	}
	warns("created with a chain that has none", w.do(with("did", "create", "--link", "eip155:99", "--link", "eip155:1337", "--payout", "eip155:99")...), want)
	warns("a chain that has one", w.do(with("did", "prefer", "eip155:1337")...), "")
	warns("a chain that has none", w.do(with("did", "prefer", "eip155:99")...), want)
	warns("none", w.do(with("did", "prefer", "none")...), "")
	account := "eip155:99:" + address(t, w.path("a.keys"))
	exit, out, errOut := w.run(with("did", "prefer", account)...)
	if exit != 0 || !strings.Contains(errOut, "warning: "+want) || strings.Contains(out, "warning") {
		t.Errorf("for people: %d %s%s", exit, out, errOut)
	}
	if exit, _, errOut := w.run(with("did", "prefer", "eip155:1337")...); exit != 0 || errOut != "" {
		t.Errorf("for people, with a vault: %d %s", exit, errOut)
	}
	w.refused("not_found", with("did", "prefer", "eip155:98")...) // and no warning beside it
	warns("recovered", w.do("did", "recover", "--recovery", w.path("a.recovery"), "--out", w.path("b"), "--payout", account), want)
}

// On a ledger without vaults every preference is warned of.
func TestPreferWithoutVaults(t *testing.T) {
	t.Parallel()
	w := founded(t)
	w.do("keys", "new", "--out", w.path("a"), "--chain")
	v := w.do("did", "create", "--keys", w.path("a.keys"), "--link", "eip155:1337", "--payout", "eip155:1337")
	if got, _ := v["warning"].(string); !strings.HasPrefix(got, "no vault pays out on any chain") {
		t.Errorf("warning %q", got)
	}
	w.do("keys", "new", "--out", w.path("b"), "--chain")
	if v := w.do("did", "create", "--keys", w.path("b.keys"), "--link", "eip155:1337"); v["warning"] != nil {
		t.Errorf("without a preference: %v", v["warning"])
	}
}

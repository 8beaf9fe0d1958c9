package cli_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

func items(v map[string]any) []map[string]any {
	var out []map[string]any
	for _, i := range v["items"].([]any) {
		out = append(out, i.(map[string]any))
	}
	return out
}

// An owner's and a client's way: find records, share one, offer another, browse, use and
// pay, see who used what, and end it.
func TestGrantStory(t *testing.T) {
	t.Parallel()
	w := founded(t, "owner", "client", "other")
	owner, client, other := w.path("owner.keys"), w.path("client.keys"), w.path("other.keys")
	for _, keys := range []string{client, other} {
		if err := w.ledger.Fund(keys, &submittest.Person{DID: publicDID(t, keys)}, 1_000_000); err != nil {
			t.Fatal(err)
		}
	}
	var files, refs []string
	for i := range 3 {
		files = append(files, w.write(fmt.Sprint("visit", i), fmt.Sprint("what was found ", i)))
		refs = append(refs, w.do("record", "submit", "--keys", owner, "--schema", "lab", files[i])["record"].(string))
	}

	// Find.
	listed := w.do("record", "list", "--owner", owner, "--limit", "2")
	if got := items(listed); len(got) != 2 || got[0]["record"] != refs[0] || got[1]["record"] != refs[1] {
		t.Errorf("list %v", listed)
	}
	listed = w.do("record", "list", "--owner", owner, "--limit", "2", "--page", listed["next"].(string))
	if got := items(listed); len(got) != 1 || got[0]["record"] != refs[2] || listed["next"] != nil {
		t.Errorf("second page %v", listed)
	}
	if got := items(w.do("record", "list", "--schema", "lab", "--status", "live", "--since", "2020-01-01T00:00:00Z")); len(got) != 3 {
		t.Errorf("of a schema %v", got)
	}
	if got := items(w.do("record", "list", "--owner", client, "--until", "2020-01-01T00:00:00Z")); len(got) != 0 {
		t.Errorf("of another %v", got)
	}
	w.refused("invalid_value", "record", "list", "--limit", "1001")
	w.refused("invalid_value", "record", "list", "--status", "alive")
	if got := items(w.do("record", "history", files[0]+".record")); len(got) != 1 || got[0]["schema"] != "lab" || got[0]["record"] != refs[0] {
		t.Errorf("history %v", got)
	}

	// Share.
	grant := w.do("record", "allow", "--keys", owner, "--price", "250000", "--path", "/lab/2026", "--uses", "1", files[1]+".record", publicDID(t, client))["grant"].(string)
	offer := w.do("record", "offer", "--keys", owner, "--price", "400000", refs[2])["grant"].(string)
	catalogue := items(w.do("record", "catalogue", "--schema", "lab"))
	if len(catalogue) != 1 || catalogue[0]["offer"] != offer || catalogue[0]["price"] != "400000" || len(catalogue[0]) != 4 { // nothing of whose it is
		t.Errorf("catalogue %v", catalogue)
	}
	if got := w.do("record", "grant", grant); got["client"] != publicDID(t, client) || got["uses"] != 1.0 || got["used"] != 0.0 || got["status"] != "live" {
		t.Errorf("grant %v", got)
	}

	// Use.
	w.refused("not_grantee", "record", "use", "--keys", other, "--path", "/lab/2026", grant)
	w.refused("out_of_scope", "record", "use", "--keys", client, grant)
	used := w.do("record", "use", "--keys", client, "--path", "/lab/2026/blood", "--for", "second opinion", grant)
	w.refused("grant_used_up", "record", "use", "--keys", client, "--path", "/lab/2026", grant)
	if exit, _, errOut := w.run("record", "use", "--keys", other, "--most", "399999", offer); exit != 1 || !strings.Contains(errOut, "it costs 400000") {
		t.Errorf("too dear: exit %d, %s", exit, errOut)
	}
	w.do("record", "use", "--keys", other, "--most", "400000", offer)
	if got := w.do("balance", client)["balance"]; got != "750000" {
		t.Errorf("the client has %v", got)
	}
	if got := w.do("balance", owner)["pending"]; got != "650000" {
		t.Errorf("the owner gets %v", got)
	}
	uses := items(w.do("record", "uses", "--owner", owner))
	if len(uses) != 2 || uses[0]["use"] != used["use"] || uses[0]["path"] != "/lab/2026/blood" || uses[0]["price"] != "250000" || uses[0]["left"] != 0.0 || uses[1]["client"] != publicDID(t, other) {
		t.Errorf("uses %v", uses)
	}
	if _, out, _ := w.run("record", "uses", "--grant", grant); !strings.Contains(out, "read /lab/2026/blood of record "+refs[1]) || !strings.Contains(out, "as of block ") {
		t.Errorf("for people: %s", out)
	}
	if got := items(w.do("record", "grants", "--owner", owner, "--status", "live")); len(got) != 2 {
		t.Errorf("grants %v", got)
	}
	w.refused("missing_field", "record", "grants")
	w.refused("missing_field", "record", "uses")

	// End.
	w.do("record", "withdraw", "--keys", owner, offer)
	w.refused("grant_withdrawn", "record", "use", "--keys", client, offer)
	if got := items(w.do("record", "catalogue")); len(got) != 0 {
		t.Errorf("catalogue %v", got)
	}
	for _, args := range [][]string{{"record", "allow", "--keys", owner, refs[0]}, {"record", "use", offer}, {"record", "history"}} {
		if exit, out, errOut := w.run(args...); exit != 2 || out != "" || !strings.Contains(errOut, "Usage:") {
			t.Errorf("killick %v: exit %d, %q, %q", args, exit, out, errOut)
		}
	}
	for _, args := range [][]string{
		{"record", "list", "--since", "yesterday"}, {"record", "allow", "--keys", owner, "--until", "tomorrow", refs[0], "did:x"}, {"record", "offer", "--keys", owner, "--price", "1.5", refs[0]},
	} {
		if exit, _, errOut := w.run(args...); exit != 1 || errOut == "" {
			t.Errorf("killick %v: exit %d, %q", args, exit, errOut)
		}
	}
}

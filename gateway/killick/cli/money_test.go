package cli_test

import (
	"encoding/csv"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/killick-ledger/killick/gateway/api/apitest"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// rich is a ledger on which alice, who has money, has paid bob.
func rich(t *testing.T) (w *world, alice, bob string) {
	t.Helper()
	w = founded(t, "alice", "bob")
	alice, bob = publicDID(t, w.path("alice.keys")), publicDID(t, w.path("bob.keys"))
	if err := w.ledger.Fund("alice", &submittest.Person{DID: alice}, 5_000); err != nil {
		t.Fatal(err)
	}
	w.do("pay", "--keys", w.path("alice.keys"), bob+"=1200")
	w.do("withdraw", "--keys", w.path("alice.keys"), "300")
	return w, alice, bob
}

// A statement is the same as text, JSON and CSV, its last totals are those of the balance,
// and times narrow it.
func TestStatement(t *testing.T) {
	w, alice, bob := rich(t)
	v := w.do("statement", w.path("alice.keys"))
	lines, totals, balance := items2(v["lines"]), v["totals"].(map[string]any), w.do("balance", alice)
	if len(lines) != 3 || totals["balance"] != balance["balance"] || totals["pending"] != balance["pending"] || totals["due"] != balance["due"] {
		t.Fatalf("%v, want %v", v, balance)
	}
	for i, want := range []string{"funded outside balance 5000", "paid balance outside 1200", "withdrawn balance pending 300"} {
		l := lines[i]
		if got := strings.Join([]string{l["kind"].(string), l["from"].(string), l["to"].(string), l["amount"].(string)}, " "); got != want || l["operation"] == nil {
			t.Errorf("line %d: %v, want %s", i, l, want)
		}
	}
	if lines[1]["other"] != bob || lines[2]["after"].(map[string]any)["balance"] != "3500" {
		t.Errorf("%v", lines)
	}
	exit, out, errOut := w.run("statement", bob, "--csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if exit != 0 || err != nil || len(rows) != 2 || rows[0][3] != "kind" || rows[1][3] != "received" || rows[1][6] != "1200" || rows[1][13] != alice {
		t.Errorf("%d %v %v %s", exit, rows, err, errOut)
	}
	if exit, out, _ := w.run("statement", alice); exit != 0 || !strings.Contains(out, "withdrawn") || !strings.Contains(out, "balance      3500") {
		t.Errorf("%d %s", exit, out)
	}
	if v := w.do("statement", alice, "--from", "2999-01-01"); len(items2(v["lines"])) != 0 || v["totals"].(map[string]any)["balance"] != "3500" {
		t.Errorf("lines of the future: %v", v)
	}
	if exit, _, errOut := w.run("statement", alice, "--to", "yesterday"); exit != 1 || !strings.Contains(errOut, "neither a time") {
		t.Errorf("%d %s", exit, errOut)
	}
}

func items2(v any) (out []map[string]any) {
	for _, e := range v.([]any) {
		out = append(out, e.(map[string]any))
	}
	return out
}

// spoiler is a gateway that changes the ledger of money on its way.
type spoiler struct {
	killickv1.UnimplementedKillickServer
	honest killickv1.KillickClient
	spoil  func(*killickv1.MoneyPage) *killickv1.MoneyPage
}

func (s *spoiler) ReadMoney(in *killickv1.ReadMoneyRequest, to grpc.ServerStreamingServer[killickv1.MoneyPage]) error {
	from, err := s.honest.ReadMoney(to.Context(), in)
	if err != nil {
		return err
	}
	page, err := from.Recv()
	if err != nil {
		return err
	}
	if page = s.spoil(page); page != nil {
		return to.Send(page)
	}
	return nil
}

// auditLedger audits again while the gateway has not seen that the last reader is gone: it
// lets one read at a time, and learns later than the reader that it has ended.
func (w *world) auditLedger() (exit int, out, errOut string) {
	for range 1000 {
		if exit, out, errOut = w.run("audit", "ledger"); !strings.Contains(errOut, "somebody else reads") {
			break
		}
	}
	return exit, out, errOut
}

// A ledger that adds up is told from one that does not, and from one that could not be
// read whole.
func TestAuditLedger(t *testing.T) {
	w, _, _ := rich(t)
	v := w.do("audit", "ledger")
	books := items2(v["books"])
	if v["verdict"] != "agrees" || len(books) != 1 || books[0]["funded"] != "5000" || books[0]["balances"] != "3500" || books[0]["pending"] != "1500" {
		t.Errorf("%v", v)
	}
	if exit, out, _ := w.auditLedger(); exit != 0 || !strings.Contains(out, "AGREES") {
		t.Errorf("%d %s", exit, out)
	}
	var s *spoiler
	w.gateway = apitest.Between(t, w.gateway, func(honest killickv1.KillickClient) killickv1.KillickServer {
		s = &spoiler{honest: honest}
		return s
	})
	entry := func(prefix string, edit func(e *killickv1.MoneyEntry)) func(*killickv1.MoneyPage) *killickv1.MoneyPage {
		return func(p *killickv1.MoneyPage) *killickv1.MoneyPage {
			for _, e := range p.Entries {
				if strings.HasPrefix(e.Key, prefix) {
					edit(e)
					return p
				}
			}
			t.Errorf("no %s", prefix)
			return p
		}
	}
	for what, c := range map[string]struct {
		spoil func(*killickv1.MoneyPage) *killickv1.MoneyPage
		exit  int
		says  string
	}{
		"one more in a balance": {entry("balance/", func(e *killickv1.MoneyEntry) { e.Value[len(e.Value)-1]++ }), 2, "RW-1"},
		"a negative balance":    {entry("balance/", func(e *killickv1.MoneyEntry) { e.Value[2] ^= 0x80 }), 2, "RW-3"},
		"another funding":       {entry("fund/", func(e *killickv1.MoneyEntry) { e.Value[len(e.Value)-1]++ }), 2, "RW-1"},
		"a credit is missing": {func(p *killickv1.MoneyPage) *killickv1.MoneyPage {
			for i, e := range p.Entries {
				if strings.HasPrefix(e.Key, "post/") {
					p.Entries = append(p.Entries[:i], p.Entries[i+1:]...)
					return p
				}
			}
			return p
		}, 2, "RW-1"},
		"an end too early": {func(p *killickv1.MoneyPage) *killickv1.MoneyPage { p.Last = false; return p }, 3, "cut"},
		"nothing":          {func(*killickv1.MoneyPage) *killickv1.MoneyPage { return nil }, 3, "cut"},
		"no parameters":    {entry("network", func(e *killickv1.MoneyEntry) { e.Key = "networx" }), 3, "not_initialised"},
		"keys in another order": {func(p *killickv1.MoneyPage) *killickv1.MoneyPage {
			p.Entries[0], p.Entries[1] = p.Entries[1], p.Entries[0]
			return p
		}, 3, "behind"},
	} {
		s.spoil = c.spoil
		if exit, out, errOut := w.auditLedger(); exit != c.exit || !strings.Contains(out+errOut, c.says) {
			t.Errorf("%s: exit %d, %s%s, want %d and %s", what, exit, out, errOut, c.exit, c.says)
		}
	}
	if exit, _, _ := w.run("audit", "ledger", "--blocks", w.path("nowhere")); exit != 3 {
		t.Errorf("no blocks: exit %d", exit)
	}
}

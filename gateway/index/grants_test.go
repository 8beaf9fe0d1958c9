package index_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/gateway/index"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// IX-4: the catalogue holds the offers that can be used, with price and schema, and an
// offer is gone with whatever ends it: withdrawal, the last use, its time, its record,
// its owner's DID; also when one transaction made both.
func TestCatalogue(t *testing.T) {
	w := begin(t)
	alice, bob, carol := w.people[0], w.people[1], w.people[2]
	x := w.index()
	now := uint64(time.Now().Unix())
	var live []string
	check := func(what string) {
		t.Helper()
		w.reach(x)
		var got []string
		for _, o := range offers(t, x, index.Offers{Now: now}) {
			got = append(got, o.Reference)
		}
		if diff := cmp.Diff(live, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	remove := func(ref string) {
		for i := range live {
			if live[i] == ref {
				live = append(live[:i:i], live[i+1:]...)
				return
			}
		}
	}
	lab, note := w.do(alice, w.submit("lab"), ""), w.do(alice, w.submit("note"), "")
	his, hers := w.do(bob, w.submit("lab"), ""), w.do(carol, w.submit("scan"), "")
	offer := func(by *submittest.Person, a *ops.RecordAllow) string {
		ref := w.do(by, a, "")
		live = append(live, ref)
		return ref
	}
	anyone := func(ref string, price int64, uses uint64) *ops.RecordAllow {
		return w.allow(ref, record.Anyone, price, uses)
	}
	withdrawn, used, kept := offer(alice, anyone(lab, 5, 0)), offer(alice, anyone(lab, 7, 2)), offer(alice, anyone(note, 0, 0))
	gone, ended := offer(bob, anyone(his, 9, 0)), offer(carol, anyone(hers, 11, 0))
	w.do(alice, w.allow(lab, bob.DID, 1, 0), "") // no offer
	short := anyone(lab, 3, 0)
	short.Expires = now - 1
	w.do(alice, short, "")
	check("offered")

	got := offers(t, x, index.Offers{Now: now, Schema: "lab"})
	if diff := cmp.Diff([]index.Offer{
		{Reference: withdrawn, Schema: "lab", Asset: "usd", Price: 5}, {Reference: used, Schema: "lab", Asset: "usd", Price: 7}, {Reference: gone, Schema: "lab", Asset: "usd", Price: 9},
	}, got); diff != "" {
		t.Errorf("of one schema: %s", diff)
	}
	if got := offers(t, x, index.Offers{Now: now, Asset: "pts"}); len(got) != 0 {
		t.Errorf("in another asset: %v", got)
	}

	w.do(alice, &ops.RecordWithdraw{Grant: withdrawn}, "")
	remove(withdrawn)
	check("withdrawn")
	w.do(bob, w.use(used, lab, alice, 7, "one"), "")
	check("used once")
	w.do(carol, w.use(used, lab, alice, 7, "two"), "")
	remove(used)
	check("used up")
	w.do(bob, &ops.RecordDelete{Record: his}, w.prior("record/"+his))
	remove(gone)
	check("record deleted")
	w.block(carol.Deactivate())
	remove(ended)
	check("owner gone")

	// All in one transaction: the writes come by key, not in the order of events.
	third := w.do(alice, w.submit("lab"), "")
	allow, ref := alice.Operation(anyone(third, 1, 0), "")
	end, _ := alice.Operation(&ops.RecordWithdraw{Grant: ref}, "")
	w.block(allow, end)
	check("offered and withdrawn")
	allow, _ = alice.Operation(anyone(third, 2, 0), "")
	end, _ = alice.Operation(&ops.RecordDelete{Record: third}, w.prior("record/"+third))
	w.block(allow, end)
	check("offered and deleted")
	allow, ref = alice.Operation(anyone(note, 3, 1), "")
	use, _ := bob.Operation(w.use(ref, note, alice, 3, "at once"), "")
	w.block(allow, use)
	check("offered and used up")
	allow, _ = bob.Operation(anyone(w.do(bob, w.submit("lab"), ""), 3, 0), "")
	w.block(allow, bob.Deactivate())
	check("offered, and the owner gone")
	schema := w.amend(note, "diary")
	w.do(alice, schema, w.prior("record/"+note))
	w.reach(x)
	if got := offers(t, x, index.Offers{Now: now}); len(got) != 1 || got[0].Reference != kept || got[0].Schema != "diary" {
		t.Errorf("after all: %+v", got)
	}
	if got := offers(t, x, index.Offers{Now: now + 1<<20}); len(got) != 0 {
		t.Errorf("when all have expired: %v", got)
	}
	// An index that reads the same blocks later says the same.
	if diff := cmp.Diff(offers(t, x, index.Offers{Now: now}), offers(t, w.index(), index.Offers{Now: now})); diff != "" {
		t.Error(diff)
	}
}

// Grants are found by those concerned, with what was taken of them; uses with what was
// paid.
func TestGrantsAndUses(t *testing.T) {
	w := begin(t)
	alice, bob, carol := w.people[0], w.people[1], w.people[2]
	one, two := w.do(alice, w.submit("lab"), ""), w.do(bob, w.submit("lab"), "")
	toBob := w.do(alice, w.allow(one, bob.DID, 10, 3), "")
	open := w.do(alice, w.allow(one, record.Anyone, 20, 0), "")
	toCarol := w.do(bob, w.allow(two, carol.DID, 0, 0), "")
	var taken []string
	for i := range 2 {
		taken = append(taken, w.do(bob, w.use(toBob, one, alice, 10, fmt.Sprint(i)), ""))
	}
	taken = append(taken, w.do(carol, w.use(open, one, alice, 20, ""), ""), w.do(carol, w.use(toCarol, two, bob, 0, ""), ""))
	w.do(alice, &ops.RecordWithdraw{Grant: open}, "")
	x := w.index()
	for _, tt := range []struct {
		name string
		q    index.Grants
		want []string
	}{
		{"owner", index.Grants{Owner: alice.DID}, []string{toBob, open}},
		{"client", index.Grants{Client: carol.DID}, []string{toCarol}},
		{"record", index.Grants{Record: one}, []string{toBob, open}},
		{"live", index.Grants{Owner: alice.DID, Status: "live"}, []string{toBob}},
		{"withdrawn", index.Grants{Record: one, Status: "withdrawn"}, []string{open}},
		{"owner and client", index.Grants{Owner: bob.DID, Client: bob.DID}, nil},
		{"record and client", index.Grants{Record: one, Client: bob.DID}, []string{toBob}},
	} {
		var got []string
		for _, g := range walk(t, 1, func(p index.Paging) (*index.Page[index.Grant], error) {
			tt.q.Paging = p
			return x.Grants(t.Context(), tt.q)
		}) {
			got = append(got, g.Reference)
			if g.Reference == toBob && (g.Uses != 3 || g.Used != 2 || g.Client != bob.DID || g.Time == 0) {
				t.Errorf("%+v", g)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("grants by %s: %s", tt.name, diff)
		}
	}
	for _, tt := range []struct {
		name string
		q    index.Uses
		want []string
	}{
		{"owner", index.Uses{Owner: alice.DID}, taken[:3]},
		{"client", index.Uses{Client: carol.DID}, taken[2:]},
		{"grant", index.Uses{Grant: toBob}, taken[:2]},
		{"owner and client", index.Uses{Owner: bob.DID, Client: carol.DID}, taken[3:]},
	} {
		var got []string
		for _, u := range walk(t, 1, func(p index.Paging) (*index.Page[index.Use], error) {
			tt.q.Paging = p
			return x.Uses(t.Context(), tt.q)
		}) {
			got = append(got, u.Reference)
			if u.Reference == taken[2] && (u.Price != 20 || u.Path != "/a" || u.Version != 1 || u.Record != one || u.Left != nil || u.Client != carol.DID) {
				t.Errorf("%+v", u)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("uses by %s: %s", tt.name, diff)
		}
	}
}

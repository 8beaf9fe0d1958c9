package govern_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

func history(w *opstest.World, subject string) (v govern.HistoryView) {
	w.Read("govern:History", govern.HistoryQuery{Subject: subject}, &v)
	return v
}

func view(w *opstest.World, ref string) (v govern.ProposalView) {
	w.Read("govern:Proposal", govern.ProposalQuery{Proposal: ref}, &v)
	return v
}

// refused runs a function of an organisation that must be refused and write nothing.
func refused(t *testing.T, w *opstest.World, caller ledger.Caller, code fault.Code, function string, request any) {
	t.Helper()
	before := w.Store.Clone().Entries()
	if _, err := w.Invoke(caller, function, request); fault.Of(err) != code {
		t.Errorf("%s by %s %s: %v, want %v", function, caller.Role, caller.MSP, err, code)
	}
	if after := w.Store.Entries(); !reflect.DeepEqual(before, after) { // which is faster than a diff
		t.Errorf("%s was refused and wrote:\n%s", function, cmp.Diff(before, after))
	}
}

// GV-8: a member may have so many proposals that have not expired, and no more; another's do
// not count, and room comes back when they expire.
func TestProposalsOfAMemberAreBounded(t *testing.T) {
	w := opstest.New(t)
	w.Checkpoint(1, opstest.Start)
	request := func(i int) govern.Propose {
		r := w.Request("heartbeatSeconds", fmt.Sprint(61+i%2))
		r.At, r.Expires = opstest.Start+1+uint64(i), opstest.Start+1000
		return r
	}
	for i := range 256 {
		w.Propose(w.Members[0], request(i))
	}
	refused(t, w, w.Members[0].Admin(), fault.LimitReached, "govern:Propose", request(256))
	w.Propose(w.Members[1], request(256))
	w.Checkpoint(2, opstest.Start+1000)
	late := request(0)
	late.Expires = opstest.Start + 2000
	w.Propose(w.Members[0], late)
	stored, err := w.Store.Get("govern/proposals/" + w.Members[0].MSP)
	if want := fmt.Sprintf(`{"expires":[%d]}`, late.Expires); err != nil || string(stored) != want {
		t.Errorf("%s, %v", stored, err)
	}
}

// GV-2: a value comes in force with the approvals of K members, not before its time,
// and never with fewer.
func TestLifeOfAProposal(t *testing.T) {
	w := opstest.New(t)
	w.Checkpoint(1, opstest.Start)
	request := w.Request("treasuries", `["Org2MSP", "Org3MSP"]`)
	request.At = opstest.Start + 100
	ref := w.Propose(w.Members[0], request)
	refused(t, w, w.Members[0].Admin(), fault.AlreadyDone, "govern:Propose", request)
	one := w.Members[0].MSP
	enact := func(approvals ...string) govern.Enact { return govern.Enact{Proposal: ref, Approvals: approvals} }
	approve := govern.Approve{Proposal: ref}

	// One organisation counts once, however often it says so.
	refused(t, w, w.Members[0].Admin(), fault.AlreadyDone, "govern:Approve", approve)
	w.Must(w.Members[1].Admin(), "govern:Approve", approve)
	refused(t, w, w.Members[1].Admin(), fault.AlreadyDone, "govern:Approve", approve)
	w.Checkpoint(2, opstest.Start+100)
	someone := w.Members[3].Caller()
	refused(t, w, someone, fault.NoQuorum, "govern:Enact", enact(one, "Org2MSP"))
	refused(t, w, someone, fault.NoQuorum, "govern:Enact", enact(one, "Org2MSP", "Org3MSP"))
	refused(t, w, someone, fault.InvalidValue, "govern:Enact", enact(one, "Org2MSP", "Org2MSP"))
	refused(t, w, someone, fault.InvalidValue, "govern:Enact", enact("Org2MSP", one, "Org3MSP"))
	refused(t, w, someone, fault.NotMember, "govern:Enact", enact(one, "Org2MSP", "Org9MSP"))

	// What was withdrawn does not count; it may be given again.
	w.Must(w.Members[1].Admin(), "govern:Withdraw", govern.Withdraw{Proposal: ref})
	refused(t, w, w.Members[1].Admin(), fault.NotFound, "govern:Withdraw", govern.Withdraw{Proposal: ref})
	w.Must(w.Members[2].Admin(), "govern:Approve", approve)
	w.Must(w.Members[3].Admin(), "govern:Approve", approve)
	refused(t, w, someone, fault.NoQuorum, "govern:Enact", enact(one, "Org2MSP", "Org3MSP"))
	if v := view(w, ref); v.Status != govern.Ready || !slices.Equal(v.Approvals, []string{one, "Org3MSP", "Org4MSP"}) {
		t.Errorf("%+v", v)
	}
	before := history(w, "treasuries")
	var c govern.Change
	if err := json.Unmarshal(w.Must(someone, "govern:Enact", enact(one, "Org3MSP", "Org4MSP")), &c); err != nil {
		t.Fatal(err)
	}
	want := govern.Change{
		Subject: "treasuries", Number: 1, Value: jsontext.Value(`["Org2MSP","Org3MSP"]`), Proposal: ref, Time: opstest.Start + 100,
		Approvals: []string{one, "Org3MSP", "Org4MSP"},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	h := history(w, "treasuries")
	if diff := cmp.Diff([]govern.Change{before.Changes[0], want}, h.Changes); diff != "" || string(h.Value) != string(c.Value) || h.Version == before.Version {
		t.Errorf("%s\n%+v", diff, h)
	}
	var n ops.NetworkView
	if w.Read("ops:Network", nil, &n); !slices.Equal(n.Treasuries, []string{"Org2MSP", "Org3MSP"}) {
		t.Errorf("treasuries %v", n.Treasuries)
	}
	for name, request := range map[string]any{"govern:Enact": enact(one, "Org3MSP", "Org4MSP"), "govern:Approve": approve, "govern:Withdraw": govern.Withdraw{Proposal: ref}} {
		refused(t, w, w.Members[2].Admin(), fault.Closed, name, request)
	}
	if v := view(w, ref); v.Status != govern.Enacted || v.Number != 1 {
		t.Errorf("%+v", v)
	}
	// Who funds is decided.
	refused(t, w, w.Members[0].Caller(), fault.NotMember, "reward:Fund", `{"id":"","asset":"usd"}`)
	refused(t, w, w.Members[1].Caller(), fault.InvalidValue, "reward:Fund", `{"id":"","asset":"usd"}`)
}

// GV-2: nothing is enacted before its time, nor decided after its end, by the
// checkpoints' clock; what transactions claim does not matter.
func TestTimesOfAProposal(t *testing.T) {
	w := opstest.New(t)
	someone := w.Members[3].Caller()
	early := govern.Propose{Subject: "stopped", Prior: history(w, "stopped").Version, Value: jsontext.Value(`["reward"]`), Expires: opstest.Start + 50}
	refused(t, w, w.Members[0].Admin(), fault.NotDue, "govern:Propose", early)
	w.Checkpoint(1, opstest.Start)
	request := w.Request("epochSeconds", "61")
	request.At, request.Expires = opstest.Start+100, opstest.Start+200
	ref := w.Propose(w.Members[0], request)
	for _, m := range w.Members[1:3] {
		w.Must(m.Admin(), "govern:Approve", govern.Approve{Proposal: ref})
	}
	enact := govern.Enact{Proposal: ref, Approvals: []string{"Org1MSP", "Org2MSP", "Org3MSP"}}
	w.Checkpoint(2, opstest.Start+99)
	w.Now = opstest.Start + 150
	refused(t, w, someone, fault.NotDue, "govern:Enact", enact)
	if v := view(w, ref); v.Status != govern.Open {
		t.Errorf("%+v", v)
	}
	late := w.Clone(t)
	late.Checkpoint(3, opstest.Start+200)
	refused(t, late, someone, fault.Closed, "govern:Enact", enact)
	refused(t, late, w.Members[3].Admin(), fault.Closed, "govern:Approve", govern.Approve{Proposal: ref})
	refused(t, late, w.Members[0].Admin(), fault.Closed, "govern:Withdraw", govern.Withdraw{Proposal: ref})
	if v := view(late, ref); v.Status != govern.Expired || len(v.Approvals) != 3 {
		t.Errorf("%+v", v)
	}
	w.Checkpoint(3, opstest.Start+199)
	w.Must(someone, "govern:Enact", enact)
}

// GV-3: a proposal is made in place of one version of its subject and of no other,
// even one with the same value.
func TestOvertakenProposals(t *testing.T) {
	w := opstest.New(t)
	first := w.Request("treasuries", `["Org2MSP"]`)
	ref := w.Propose(w.Members[0], first)
	other := w.Propose(w.Members[0], w.Request("heartbeatSeconds", "61"))
	w.Decide("treasuries", `[]`)
	w.Decide("treasuries", `["Org1MSP"]`) // as it was founded
	for _, m := range w.Members[1:3] {
		refused(t, w, m.Admin(), fault.StalePrior, "govern:Approve", govern.Approve{Proposal: ref})
		w.Must(m.Admin(), "govern:Approve", govern.Approve{Proposal: other}) // another subject
	}
	refused(t, w, w.Members[0].Caller(), fault.StalePrior, "govern:Enact", govern.Enact{Proposal: ref, Approvals: []string{"Org1MSP", "Org2MSP", "Org3MSP"}})
	refused(t, w, w.Members[2].Admin(), fault.StalePrior, "govern:Propose", first)
	if v := view(w, ref); v.Status != govern.Overtaken {
		t.Errorf("%+v", v)
	}
	w.Must(w.Members[3].Caller(), "govern:Enact", govern.Enact{Proposal: other, Approvals: []string{"Org1MSP", "Org2MSP", "Org3MSP"}})
}

// schemas are the terms of an issuer for so many.
func schemas(count int) string {
	list := make([]string, count)
	for i := range list {
		list[i] = fmt.Sprintf("%q", ledger.Reference{Expiry: uint32(i)})
	}
	return `{"schemas":[` + strings.Join(list, ",") + `]}`
}

func TestProposeRefuses(t *testing.T) {
	w := opstest.New(t)
	w.Checkpoint(1, opstest.Start)
	u := opstest.NewUser("x")
	admin := w.Members[0].Admin()
	schema := ledger.Reference{Expiry: 1}.String()
	for name, test := range map[string]struct {
		caller         ledger.Caller
		subject, value string
		change         func(*govern.Propose)
		code           fault.Code
	}{
		"a client":               {w.Members[0].Caller(), "stopped", `["did"]`, nil, fault.NotMember},
		"a peer":                 {ledger.Caller{MSP: "Org1MSP", Role: "peer"}, "stopped", `["did"]`, nil, fault.NotMember},
		"a stranger":             {ledger.Caller{MSP: "Org9MSP", Role: "admin"}, "stopped", `["did"]`, nil, fault.NotMember},
		"nothing new":            {admin, "treasuries", ` [ "Org1MSP" ] `, nil, fault.AlreadyDone},
		"other prior":            {admin, "stopped", `["did"]`, func(p *govern.Propose) { p.Prior = strings.Repeat("0", 64) }, fault.StalePrior},
		"over":                   {admin, "stopped", `["did"]`, func(p *govern.Propose) { p.Expires = opstest.Start }, fault.InvalidValue},
		"for ever":               {admin, "stopped", `["did"]`, func(p *govern.Propose) { p.Expires += 89*86400 + 1 }, fault.InvalidValue},
		"too late":               {admin, "stopped", `["did"]`, func(p *govern.Propose) { p.At = p.Expires }, fault.InvalidValue},
		"no such domain":         {admin, "stopped", `["ops"]`, nil, fault.InvalidValue},
		"domain twice":           {admin, "stopped", `["did","did"]`, nil, fault.InvalidValue},
		"domains in disorder":    {admin, "stopped", `["reward","did"]`, nil, fault.InvalidValue},
		"null":                   {admin, "stopped", `null`, nil, fault.WrongType},
		"a number":               {admin, "treasuries", `1`, nil, fault.WrongType},
		"no member":              {admin, "treasuries", `["Org9MSP"]`, nil, fault.InvalidValue},
		"member twice":           {admin, "treasuries", `["Org1MSP","Org1MSP"]`, nil, fault.InvalidValue},
		"asset taken away":       {admin, "assets", `["usd"]`, nil, fault.InvalidValue},
		"assets in other order":  {admin, "assets", `["pts","usd","eur"]`, nil, fault.InvalidValue},
		"asset twice":            {admin, "assets", `["usd","pts","pts"]`, nil, fault.InvalidValue},
		"asset with a slash":     {admin, "assets", `["usd","pts","a/b"]`, nil, fault.InvalidValue},
		"no epoch":               {admin, "epochSeconds", `0`, nil, fault.InvalidValue},
		"epoch in words":         {admin, "epochSeconds", `"60"`, nil, fault.WrongType},
		"negative":               {admin, "heartbeatSeconds", `-1`, nil, fault.NumberRange},
		"no heartbeat":           {admin, "heartbeatSeconds", `0`, nil, fault.InvalidValue},
		"no digest":              {admin, "program", `"current"`, nil, fault.InvalidValue},
		"upper case":             {admin, "program", `"` + strings.ToUpper(program("x")) + `"`, nil, fault.InvalidValue},
		"issuer without terms":   {admin, "issuer/" + u.ID.String(), `[]`, nil, fault.WrongType},
		"issuer with more":       {admin, "issuer/" + u.ID.String(), `{"schemas":[],"x":1}`, nil, fault.UnknownField},
		"any schema and one":     {admin, "issuer/" + u.ID.String(), `{"schemas":["*","` + schema + `"]}`, nil, fault.InvalidValue},
		"schema twice":           {admin, "issuer/" + u.ID.String(), `{"schemas":["` + schema + `","` + schema + `"]}`, nil, fault.InvalidValue},
		"65 schemas":             {admin, "issuer/" + u.ID.String(), schemas(65), nil, fault.InvalidValue},
		"no issuer to withdraw":  {admin, "issuer/" + u.ID.String(), `{ }`, nil, fault.AlreadyDone},
		"verifier of a stranger": {admin, "verifier/" + u.ID.String(), `{"organisation":"Org9MSP"}`, nil, fault.InvalidValue},
		"verifier of nobody":     {admin, "verifier/" + u.ID.String(), `{"organisation":""}`, nil, fault.InvalidValue},
	} {
		request := w.Request(test.subject, test.value)
		if test.change != nil {
			test.change(&request)
		}
		t.Run(name, func(t *testing.T) { refused(t, w, test.caller, test.code, "govern:Propose", request) })
	}
	longest := w.Request("stopped", `["record"]`)
	longest.Expires += 89 * 86400
	w.Propose(w.Members[0], longest)
	w.Propose(w.Members[0], w.Request("issuer/"+u.ID.String(), schemas(64)))
	for _, subject := range []string{"", "member", "k", "vaults", "rules", "network", "issuer", "issuer/", "issuer/x", "stopped/" + u.ID.String(), "role/" + u.ID.String(), "issuer/" + u.ID.String() + "/"} {
		p := govern.Propose{Subject: subject, Value: jsontext.Value("1"), Expires: opstest.Start + 5}
		refused(t, w, admin, fault.InvalidValue, "govern:Propose", p)
		refused(t, w, admin, fault.InvalidValue, "govern:History", govern.HistoryQuery{Subject: subject})
	}
	for _, function := range []string{"govern:Approve", "govern:Withdraw", "govern:Proposal"} {
		refused(t, w, admin, fault.InvalidValue, function, govern.Approve{Proposal: "x"})
		refused(t, w, admin, fault.NotFound, function, govern.Approve{Proposal: schema})
	}
	refused(t, w, admin, fault.NotFound, "govern:Enact", govern.Enact{Proposal: schema, Approvals: []string{}})
	refused(t, w, ledger.Caller{MSP: "Org1MSP", Role: "peer"}, fault.NotMember, "govern:Enact", govern.Enact{Proposal: schema, Approvals: []string{}})
	ref := w.Propose(w.Members[0], w.Request("stopped", `["did"]`))
	refused(t, w, w.Members[1].Caller(), fault.NotMember, "govern:Approve", govern.Approve{Proposal: ref})
	last := opstest.New(t)
	last.Checkpoint(1, 1<<32-86400) // references end with 2^32
	refused(t, last, admin, fault.InvalidValue, "govern:Propose", last.Request("stopped", `["did"]`))
	refused(t, w, w.Members[0].Caller(), fault.NotMember, "govern:Withdraw", govern.Withdraw{Proposal: ref})
}

// GV-4: deciding reads no other member's approval, and enacting those that are named
// alone, so no member can void what others do by changing its own.
func TestNobodyHoldsOthersUp(t *testing.T) {
	w := opstest.New(t)
	ref := w.Propose(w.Members[0], w.Request("stopped", `["reward"]`))
	w.Must(w.Members[1].Admin(), "govern:Approve", govern.Approve{Proposal: ref})
	w.Must(w.Members[2].Admin(), "govern:Approve", govern.Approve{Proposal: ref})
	w.Must(w.Members[3].Admin(), "govern:Approve", govern.Approve{Proposal: ref})
	for _, test := range []struct {
		function string
		request  any
		reads    []string
	}{
		{"govern:Withdraw", govern.Withdraw{Proposal: ref}, []string{"Org2MSP"}},
		{"govern:Enact", govern.Enact{Proposal: ref, Approvals: []string{"Org1MSP", "Org2MSP", "Org4MSP"}}, []string{"Org1MSP", "Org2MSP", "Org4MSP"}},
	} {
		var got []string
		for _, key := range w.Reads(w.Members[1].Admin(), test.function, test.request) {
			if msp, ok := strings.CutPrefix(key, govern.ApprovalKey(ref, "")); ok {
				got = append(got, msp)
			}
		}
		if !slices.Equal(got, test.reads) {
			t.Errorf("%s reads the approvals of %v, want %v", test.function, got, test.reads)
		}
	}
}

// Queries answer page by page: the history of a subject, and proposals in the order
// of their expiry.
func TestPagesOfQueries(t *testing.T) {
	w := opstest.New(t)
	for i := range 120 {
		w.Decide("epochSeconds", fmt.Sprint(1000+i))
	}
	var all []govern.Change
	for after := (*uint64)(nil); ; after = &all[len(all)-1].Number {
		var page govern.HistoryView
		w.Read("govern:History", govern.HistoryQuery{Subject: "epochSeconds", After: after}, &page)
		if len(page.Changes) == 0 {
			break
		}
		all = append(all, page.Changes...)
	}
	for i, c := range all {
		if want := fmt.Sprint(999 + i); c.Number != uint64(i) || i > 0 && string(c.Value) != want {
			t.Fatalf("change %d is %+v", i, c)
		}
	}
	if len(all) != 121 {
		t.Errorf("%d changes", len(all))
	}
	var open []govern.ProposalView
	if w.Read("govern:Proposals", struct{}{}, &open); len(open) != 50 {
		t.Errorf("%d proposals on a page", len(open))
	}
	first := open[0].Reference
	var refs []string
	for after := first; ; after = refs[len(refs)-1] {
		w.Read("govern:Proposals", govern.ProposalsQuery{After: after}, &open)
		if len(open) == 0 {
			break
		}
		for _, p := range open {
			refs = append(refs, p.Reference)
		}
	}
	if len(refs) != 119 || !slices.IsSorted(refs) || refs[0] <= first {
		t.Errorf("%d proposals after the first", len(refs))
	}
	w.Checkpoint(2, opstest.Start+86400)
	if w.Read("govern:Proposals", struct{}{}, &open); len(open) != 0 {
		t.Errorf("%d proposals are open that have expired", len(open))
	}
	if w.Read("govern:Proposals", govern.ProposalsQuery{After: "00000000-" + strings.Repeat("0", 64)}, &open); len(open) != 50 {
		t.Errorf("%d old proposals on a page", len(open))
	}
}

// What is no subject is named, with the reason in words.
func TestSubjects(t *testing.T) {
	w := opstest.New(t)
	for subject, text := range map[string]string{
		"issuer/":   `subject "issuer/": not a base58 id of 20 bytes`,
		"issuer/0":  `subject "issuer/0": not a base58 id of 20 bytes`,
		"tag/":      `subject "tag/": tag: want 64 hexadecimal digits, got 0`,
		"tag/AA":    `subject "tag/AA": tag: want 64 hexadecimal digits, got 2`,
		"stopped/":  `there is no subject "stopped/"`,
		"stopped/x": `there is no subject "stopped/x"`,
		"":          `there is no subject ""`,
	} {
		_, err := w.Invoke(ledger.Caller{}, "govern:History", govern.HistoryQuery{Subject: subject})
		if fault.Of(err) != fault.InvalidValue || fault.Text(err) != text {
			t.Errorf("%q: %v, want %s", subject, err, text)
		}
	}
}

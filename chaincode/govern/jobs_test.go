package govern_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// policy is a policy of jobs that is allowed, with changes.
func policy(change ...func(*govern.Policy)) govern.Policy {
	p := govern.Policy{
		Committee: 7, EvidenceSeconds: 3600, CommitSeconds: 60, RevealSeconds: 60, AcceptSeconds: 600, DepositSeconds: 604800, MinTEEFee: 5, MinVerificationFee: 7,
		Treasury: opstest.NewUser("treasury").DID, TreasuryBasisPoints: 250, Residue: opstest.NewUser("residue").DID,
		Standing: govern.Standing{Start: 100, Right: 1, Wrong: 5, Missed: 5, OffBelow: 50, MissedOff: 3, LeaveSeconds: 86400},
	}
	for _, f := range change {
		f(&p)
	}
	return p
}

// certificate is something of the form of one.
func certificate(name string) string {
	der := append([]byte{0x30, 0x82, 1, 0}, make([]byte, 256)...)
	copy(der[4:], opstest.Seed(name))
	return base64.StdEncoding.EncodeToString(der)
}

func reading(w *opstest.World) *ledger.Tx { return ledger.Begin(w.Store, w.Now, ledger.Caller{}) }

// JP-1: the policy of jobs has versions, each of which stays, and none in which silence
// is cheaper than an error.
func TestJobPolicy(t *testing.T) {
	w := opstest.New(t)
	if _, _, err := govern.JobPolicy(reading(w)); fault.Of(err) != fault.NotFound {
		t.Errorf("before the first: %v", err)
	}
	first, second := policy(), policy(func(p *govern.Policy) { p.Committee = 9 })
	for i, p := range []govern.Policy{first, second, first} {
		w.Decide("jobs", w.JSON(p))
		got, version, err := govern.JobPolicy(reading(w))
		if diff := cmp.Diff(&p, got); err != nil || version != uint64(i+1) || diff != "" {
			t.Errorf("version %d, %v, %s", version, err, diff)
		}
	}
	for version, want := range map[uint64]*govern.Policy{0: nil, 1: &first, 2: &second, 3: &first, 4: nil} {
		got, err := govern.JobPolicyAt(reading(w), version)
		if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (want != nil) {
			t.Errorf("version %d: %v, %s", version, err, diff)
		}
	}
	foreign := strings.Replace(opstest.NewUser("x").DID, opstest.Network, "main-ffffffffffffffff", 1)
	for name, c := range map[string]struct {
		change func(*govern.Policy)
		code   fault.Code
	}{
		"nobody judges":           {func(p *govern.Policy) { p.Committee = 0 }, fault.InvalidValue},
		"everybody judges":        {func(p *govern.Policy) { p.Committee = 201 }, fault.InvalidValue},
		"no time for evidence":    {func(p *govern.Policy) { p.EvidenceSeconds = 0 }, fault.InvalidValue},
		"no time to commit":       {func(p *govern.Policy) { p.CommitSeconds = 0 }, fault.InvalidValue},
		"no time to reveal":       {func(p *govern.Policy) { p.RevealSeconds = 0 }, fault.InvalidValue},
		"deposits back at once":   {func(p *govern.Policy) { p.DepositSeconds = 0 }, fault.InvalidValue},
		"deposits kept for ever":  {func(p *govern.Policy) { p.DepositSeconds = 30*86400 + 1 }, fault.InvalidValue},
		"for ever":                {func(p *govern.Policy) { p.AcceptSeconds = 30*86400 + 1 }, fault.InvalidValue},
		"more than all":           {func(p *govern.Policy) { p.TreasuryBasisPoints = 10_001 }, fault.InvalidValue},
		"treasury elsewhere":      {func(p *govern.Policy) { p.Treasury = foreign }, fault.WrongNetwork},
		"residue for nobody":      {func(p *govern.Policy) { p.Residue = "" }, fault.InvalidValue},
		"silence is cheaper":      {func(p *govern.Policy) { p.Standing.Missed = 4 }, fault.InvalidValue},
		"nobody begins":           {func(p *govern.Policy) { p.Standing.OffBelow = 101 }, fault.InvalidValue},
		"off after nothing":       {func(p *govern.Policy) { p.Standing.MissedOff = 0 }, fault.InvalidValue},
		"no leave":                {func(p *govern.Policy) { p.Standing.LeaveSeconds = 0 }, fault.InvalidValue},
		"points beyond all bound": {func(p *govern.Policy) { p.Standing.Right = 1_000_001 }, fault.InvalidValue},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, w, w.Members[0].Admin(), c.code, "govern:Propose", w.Request("jobs", w.JSON(policy(c.change))))
		})
	}
	for value, code := range map[string]fault.Code{
		`{}`: fault.MissingField, `[]`: fault.WrongType, strings.Replace(w.JSON(first), `"5"`, `5`, 1): fault.WrongType,
		strings.Replace(w.JSON(first), `"5"`, `"-5"`, 1): fault.InvalidValue, strings.Replace(w.JSON(first), `"wrong"`, `"bad"`, 1): fault.UnknownField,
	} {
		refused(t, w, w.Members[0].Admin(), code, "govern:Propose", w.Request("jobs", value))
	}
}

// JP-2: a licence is for an organisation from the next epoch on; who is paid may change
// meanwhile, and another organisation begins anew.
func TestLicences(t *testing.T) {
	w := opstest.New(t)
	ann, ben, cid := opstest.NewUser("ann"), opstest.NewUser("ben"), opstest.NewUser("cid")
	terms := func(organisation string, pay *opstest.User) string {
		return fmt.Sprintf(`{"organisation":%q,"pay":%q}`, organisation, pay.DID)
	}
	want := func(licences ...govern.Licence) {
		t.Helper()
		slices.SortFunc(licences, func(a, b govern.Licence) int { return strings.Compare(a.DID, b.DID) })
		got, err := govern.Licences(reading(w))
		if diff := cmp.Diff(append([]govern.Licence{}, licences...), got); err != nil || diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
	}
	want()
	subject := func(u *opstest.User) string { return "licence/" + u.ID.String() }
	w.Decide(subject(ann), terms("Org1MSP", cid))
	w.SetEpoch(4)
	w.Decide(subject(ben), terms("Org2MSP", ben))
	want(govern.Licence{DID: ann.DID, Organisation: "Org1MSP", Pay: cid.DID, Epoch: 1}, govern.Licence{DID: ben.DID, Organisation: "Org2MSP", Pay: ben.DID, Epoch: 4})
	w.Decide(subject(ann), terms("Org1MSP", ann)) // paid elsewhere
	w.SetEpoch(5)
	w.Decide(subject(ben), terms("Org3MSP", ben)) // for another
	want(govern.Licence{DID: ann.DID, Organisation: "Org1MSP", Pay: ann.DID, Epoch: 1}, govern.Licence{DID: ben.DID, Organisation: "Org3MSP", Pay: ben.DID, Epoch: 5})
	all, err := govern.Licences(reading(w))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		holder, err := l.Holder()
		payee, bad := l.Payee()
		if err != nil || bad != nil || holder != payee || holder != ann.ID && holder != ben.ID {
			t.Errorf("%v and %v, %v %v", holder, payee, err, bad)
		}
	}
	var v govern.JobsView
	if w.Read("govern:Jobs", nil, &v); len(v.Licences) != 2 || v.Policy != nil || v.Version != 0 {
		t.Errorf("%+v", v)
	}
	foreign := strings.Replace(terms("Org1MSP", ann), opstest.Network, "main-ffffffffffffffff", 1)
	for value, code := range map[string]fault.Code{
		`{"organisation":"Org1MSP"}`: fault.MissingField, terms("Org9MSP", ann): fault.InvalidValue, foreign: fault.WrongNetwork, `{"pay":"x"}`: fault.MissingField,
		`[]`: fault.WrongType, `null`: fault.WrongType,
	} {
		refused(t, w, w.Members[0].Admin(), code, "govern:Propose", w.Request(subject(cid), value))
	}
	refused(t, w, w.Members[0].Admin(), fault.AlreadyDone, "govern:Propose", w.Request(subject(cid), `{}`))
	refused(t, w, w.Members[0].Admin(), fault.AlreadyDone, "govern:Propose", w.Request(subject(ann), terms("Org1MSP", ann)))
	w.Decide(subject(ann), `{}`)
	want(govern.Licence{DID: ben.DID, Organisation: "Org3MSP", Pay: ben.DID, Epoch: 5})
	w.SetEpoch(9)
	w.Decide(subject(ann), terms("Org1MSP", ann)) // given again: from the next epoch on
	want(govern.Licence{DID: ann.DID, Organisation: "Org1MSP", Pay: ann.DID, Epoch: 9}, govern.Licence{DID: ben.DID, Organisation: "Org3MSP", Pay: ben.DID, Epoch: 5})
	var values []string
	for _, c := range history(w, subject(ann)).Changes {
		values = append(values, string(c.Value))
	}
	if diff := cmp.Diff([]string{`{}`, terms("Org1MSP", cid), terms("Org1MSP", ann), `{}`, terms("Org1MSP", ann)}, values); diff != "" {
		t.Error(diff)
	}
}

// A TEE operator acts for a member as long as that is one.
func TestOperators(t *testing.T) {
	w := opstest.New(t)
	ann := opstest.NewUser("ann")
	want := func(organisation string, code fault.Code) {
		t.Helper()
		n, err := govern.Load(reading(w))
		if err != nil {
			t.Fatal(err)
		}
		got, err := n.Operator(reading(w), ann.ID)
		if got != organisation || fault.Of(err) != code {
			t.Errorf("%q, %v, want %q", got, err, organisation)
		}
		var v govern.JobsView
		if w.Read("govern:Jobs", nil, &v); len(v.Operators) != map[bool]int{true: 1}[code == fault.OK] {
			t.Errorf("%+v", v.Operators)
		}
	}
	want("", fault.NotAccredited)
	w.Decide("operator/"+ann.ID.String(), `{"organisation":"Org4MSP"}`)
	want("Org4MSP", fault.OK)
	founded := slices.Clone(w.Members)
	w.Rotate(2, founded[:3]...)
	want("", fault.NotAccredited)
	w.AdvanceTo(w.Head().Number + 1)
	w.Rotate(3, founded...)
	want("Org4MSP", fault.OK)
	w.AdvanceTo(w.Head().Number + 1)
	w.Decide("operator/"+ann.ID.String(), `{}`)
	want("", fault.NotAccredited)
}

// What the members say of enclaves is in force as it was decided, and in one form.
func TestEnclaves(t *testing.T) {
	w := opstest.New(t)
	sgx, tdx := strings.Repeat("ab", 32), strings.Repeat("cd", 48)
	measurements := fmt.Sprintf(`[{"platform":"sgx","measurement":%q,"operation":"job.mean"},{"platform":"tdx","measurement":%q,"operation":"job.mean"}]`, sgx, tdx+tdx)
	roots := fmt.Sprintf(`[{"certificate":%q},{"certificate":%q}]`, certificate("a"), certificate("b"))
	statuses := `{"statuses":["UpToDate","SWHardeningNeeded"],"minEvaluation":17}`
	var founded govern.JobsView
	w.Read("govern:Jobs", nil, &founded)
	if want := (govern.JobsView{
		Operators: []govern.Verifier{}, Licences: []govern.Licence{}, Measurements: []govern.Measurement{}, Roots: []govern.Root{},
		Platforms: &govern.TEEPolicy{Statuses: []string{"UpToDate"}},
	}); cmp.Diff(want, founded) != "" {
		t.Error(cmp.Diff(want, founded))
	}
	for subject, value := range map[string]string{"tee/measurements": measurements, "tee/roots": roots, "tee/policy": statuses, "jobs": w.JSON(policy())} {
		w.Decide(subject, value)
		if got := string(history(w, subject).Value); got != value {
			t.Errorf("%s is %s", subject, got)
		}
	}
	var v govern.JobsView
	w.Read("govern:Jobs", nil, &v)
	if len(v.Measurements) != 2 || v.Measurements[1] != (govern.Measurement{Platform: "tdx", Measurement: tdx + tdx, Operation: "job.mean"}) ||
		len(v.Roots) != 2 || v.Roots[1].Certificate != certificate("b") || v.Platforms.MinEvaluation != 17 || len(v.Platforms.Statuses) != 2 || v.Version != 1 {
		t.Errorf("%+v", v)
	}
	if der, err := v.Roots[0].DER(); err != nil || len(der) != 260 {
		t.Errorf("%x, %v", der, err)
	}
	one := func(platform, measurement, operation string) string {
		return fmt.Sprintf(`[{"platform":%q,"measurement":%q,"operation":%q}]`, platform, measurement, operation)
	}
	short := base64.StdEncoding.EncodeToString(append([]byte{0x30, 0x82, 1, 1}, make([]byte, 256)...))
	for _, c := range []struct{ subject, value string }{
		{"tee/measurements", one("sev", sgx, "job.x")}, {"tee/measurements", one("sgx", tdx, "job.x")}, {"tee/measurements", one("tdx", sgx, "job.x")},
		{"tee/measurements", one("sgx", strings.ToUpper(sgx), "job.x")}, {"tee/measurements", one("sgx", sgx, "mean")}, {"tee/measurements", one("sgx", sgx, "job.")},
		{"tee/measurements", one("sgx", sgx, "job.a/b")}, {"tee/measurements", one("sgx", sgx, "job."+strings.Repeat("x", 29))},
		{"tee/measurements", strings.Replace(one("sgx", sgx, "job.x"), "]", ","+one("sgx", sgx, "job.x")[1:], 1)},
		{"tee/roots", `[{"certificate":""}]`}, {"tee/roots", `[{"certificate":"?"}]`}, {"tee/roots", `[{}]`}, {"tee/roots", `[{"certificate":"` + short + `"}]`},
		{"tee/roots", fmt.Sprintf(`[{"certificate":%q},{"certificate":%[1]q}]`, certificate("a"))},
		{"tee/roots", fmt.Sprintf(`[{"certificate":%q,"simulated":true}]`, certificate("a"))},
		{"tee/policy", `{"statuses":[],"minEvaluation":0}`}, {"tee/policy", `{"statuses":["Revoked"],"minEvaluation":0}`},
		{"tee/policy", `{"statuses":["SWHardeningNeeded","UpToDate"],"minEvaluation":0}`}, {"tee/policy", `{"statuses":["UpToDate","UpToDate"],"minEvaluation":0}`},
	} {
		refused(t, w, w.Members[0].Admin(), fault.InvalidValue, "govern:Propose", w.Request(c.subject, c.value))
	}
}

// Chains are of members, and of those who are to be next; what is of no use any more
// goes away.
func TestChains(t *testing.T) {
	w := opstest.New(t)
	w.AdvanceTo(5)
	tip := func(i int) string { return fmt.Sprintf("%064x", i) }
	value := func(from, length uint64, tip string) string {
		return fmt.Sprintf(`{"from":%d,"length":%d,"tip":%q}`, from, length, tip)
	}
	const subject = "chain/Org1MSP"
	for v, code := range map[string]fault.Code{
		value(8, 1, tip(1)): fault.InvalidValue, value(9, 0, tip(1)): fault.InvalidValue, value(9, 1<<20+1, tip(1)): fault.InvalidValue, value(0, 1, tip(1)): fault.InvalidValue,
		value(9, 1, "x"): fault.InvalidValue, value(9, 1, ""): fault.InvalidValue, `{}`: fault.MissingField, value(1<<53, 1, tip(1)): fault.NumberRange,
	} {
		refused(t, w, w.Members[0].Admin(), code, "govern:Propose", w.Request(subject, v))
	}
	chain := func(draw uint64, want int) {
		t.Helper()
		c, err := govern.ChainOf(reading(w), "Org1MSP", draw)
		if err != nil || want == 0 && c != nil || want > 0 && (c == nil || c.Tip != tip(want)) {
			t.Errorf("draw %d is of %+v, want %d; %v", draw, c, want, err)
		}
	}
	chain(9, 0)
	w.Decide(subject, value(9, 100, tip(1)))
	w.Decide(subject, value(20, 5, tip(2)))
	refused(t, w, w.Members[0].Admin(), fault.InvalidValue, "govern:Propose", w.Request(subject, value(30, 5, tip(1))))
	for draw, want := range map[uint64]int{8: 0, 9: 1, 19: 1, 20: 2, 24: 2, 25: 0, 108: 0} {
		chain(draw, want)
	}
	w.Decide(subject, value(12, 1<<20, tip(3))) // in place of the second one
	for draw, want := range map[uint64]int{11: 1, 12: 3, 20: 3, 12 + 1<<20 - 1: 3, 12 + 1<<20: 0} {
		chain(draw, want)
	}
	w.AdvanceTo(14) // the draw 11 is closed
	w.Decide(subject, value(30, 1, tip(4)))
	chain(11, 0)
	chain(29, 3)
	for i := range 14 {
		w.Decide(subject, value(31+uint64(i), 1, tip(5+i)))
	}
	refused(t, w, w.Members[0].Admin(), fault.InvalidValue, "govern:Propose", w.Request(subject, value(60, 1, tip(99))))

	five := opstest.NewMember(5)
	refused(t, w, w.Members[0].Admin(), fault.InvalidValue, "govern:Propose", w.Request("chain/Org5MSP", value(60, 1, tip(99))))
	w.Decide("members", w.JSON(w.Membership(3, w.Members[0], w.Members[1], w.Members[2], five)))
	w.Decide("chain/Org5MSP", value(60, 1, tip(99)))
	if _, err := w.Invoke(ledger.Caller{}, "govern:History", govern.HistoryQuery{Subject: "chain/a/b"}); fault.Of(err) != fault.InvalidValue {
		t.Errorf("a chain of nobody: %v", err)
	}
}

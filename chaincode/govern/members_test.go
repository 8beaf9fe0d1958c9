package govern_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// RO-1: what is proposed as the next set makes a network that could have been founded so,
// and whoever joins or gets new keys has shown that the keys are there.
func TestMembersRefuses(t *testing.T) {
	w := opstest.New(t)
	w.Checkpoint(7, opstest.Start)
	five, four := opstest.NewMember(5), w.Members[3]
	rekeyed := four.Rekeyed("new")
	now := slices.Clone(w.Members)
	value := func(k int, members ...govern.Joiner) string { return w.JSON(govern.Membership{K: k, Members: members}) }
	first := []govern.Joiner{now[0].Known(), now[1].Known(), now[2].Known()}
	proof := func(change func(*govern.Possession)) govern.Joiner {
		j := five.Joining()
		change(j.Proof)
		return j
	}
	other := opstest.NewMember(6).Joining().Proof
	needless := now[3].Joining()
	renamed := five.Known()
	renamed.MSP = "Org6MSP"
	raw := append([]byte{4}, now[0].CosignKey().Public().(ed25519.PublicKey)...)
	id := canon.Sum([]byte("Org5MSP."+opstest.Network+"\n"), raw)
	shared := "Org5MSP." + opstest.Network + "+" + canon.Hex(id[:4]) + "+" + base64.StdEncoding.EncodeToString(raw)
	written := func(cosign string, key ed25519.PrivateKey) govern.Joiner {
		j := five.Joining()
		j.Cosign = cosign
		text := canon.PossessionText(opstest.LogID, canon.MemberLine(j.MSP, j.Cosign, j.Address))
		signature := canon.SignDigest(five.Chain, canon.Keccak(text))
		j.Proof = &govern.Possession{
			Ed25519:   base64.StdEncoding.EncodeToString(ed25519.Sign(key, text)),
			Secp256k1: base64.StdEncoding.EncodeToString(signature[:]),
		}
		return j
	}
	for name, c := range map[string]struct {
		value string
		code  fault.Code
	}{
		"no object":             {`[]`, fault.WrongType},
		"without k":             {`{"members":[]}`, fault.MissingField},
		"a member too much":     {`{"k":1,"members":[],"from":1}`, fault.UnknownField},
		"nobody":                {`{"k":0,"members":[]}`, fault.InvalidValue},
		"as it is":              {value(3, append(first, now[3].Known())...), fault.AlreadyDone},
		"k too small":           {value(2, append(first, now[3].Known())...), fault.InvalidValue},
		"k too large":           {value(4, first...), fault.InvalidValue},
		"the treasury leaves":   {value(2, now[1].Known(), now[2].Known(), now[3].Known()), fault.InvalidValue},
		"one twice":             {value(3, append(first, now[0].Known())...), fault.InvalidValue},
		"without proof":         {value(3, append(first, five.Known())...), fault.InvalidValue},
		"new keys, no proof":    {value(3, append(first, rekeyed.Known())...), fault.InvalidValue},
		"needless proof":        {value(3, append(first, needless)...), fault.InvalidValue},
		"key of another name":   {value(3, append(first, renamed)...), fault.InvalidValue},
		"key with a line break": {value(3, append(first, written(five.Public().Cosign+"\n", five.CosignKey()))...), fault.InvalidValue},
		"key of another":        {value(3, append(first, written(shared, now[0].CosignKey()))...), fault.InvalidValue},
		"ed25519 of another":    {value(3, append(first, proof(func(p *govern.Possession) { p.Ed25519 = other.Ed25519 }))...), fault.BadProof},
		"secp256k1 of another":  {value(3, append(first, proof(func(p *govern.Possession) { p.Secp256k1 = other.Secp256k1 }))...), fault.BadProof},
		"ed25519 is no base64":  {value(3, append(first, proof(func(p *govern.Possession) { p.Ed25519 = "?" }))...), fault.InvalidValue},
		"secp256k1 is too long": {value(3, append(first, proof(func(p *govern.Possession) { p.Secp256k1 += "AAAA" }))...), fault.InvalidValue},
	} {
		if _, err := w.Invoke(now[0].Admin(), "govern:Propose", w.Request("members", c.value)); fault.Of(err) != c.code {
			t.Errorf("%s: %v, want %v", name, err, c.code)
		}
	}
	for _, good := range []string{
		value(3, append(first, five.Joining())...), value(3, append(first, rekeyed.Joining())...), value(2, first...), value(3, first...),
		value(4, append(first, now[3].Known(), five.Joining())...), value(4, append(first, now[3].Known())...), value(3, append([]govern.Joiner{now[3].Known()}, first...)...),
	} {
		w.Propose(now[0], w.Request("members", good))
	}
}

// RO-2: what is enacted waits. Until it is in force everything goes by the set before;
// nothing that is decided meanwhile can stop it, and no second one comes between.
func TestMembersWait(t *testing.T) {
	w := opstest.New(t)
	w.Checkpoint(7, opstest.Start)
	founded, five := slices.Clone(w.Members), opstest.NewMember(5)
	before := history(w, "members")
	value := w.JSON(w.Membership(3, founded[0], founded[1], founded[2], five))
	late := w.Propose(founded[1], w.Request("members", w.JSON(w.Membership(2, founded[0], founded[1], founded[2]))))
	treasuries := w.Propose(founded[0], w.Request("treasuries", `["Org1MSP","Org4MSP"]`)) // Org4MSP leaves
	change := w.Decide("members", value)
	next := w.Next()
	want := govern.Set{Version: 2, From: 8, K: 3, Members: []govern.Member{founded[0].Public(), founded[1].Public(), founded[2].Public(), five.Public()}}
	if diff := cmp.Diff(&want, next); diff != "" {
		t.Error(diff)
	}
	// The history has the change with its proofs; in force is the set before.
	h := history(w, "members")
	if string(h.Value) != string(before.Value) || h.Version == before.Version || len(h.Changes) != 2 || string(h.Changes[1].Value) != value {
		t.Errorf("%+v", h)
	}
	if v := view(w, change.Proposal); v.Status != govern.Enacted || v.Number != 1 {
		t.Errorf("%+v", v)
	}
	var n ops.NetworkView
	if w.Read("ops:Network", nil, &n); n.SetVersion != 1 || len(n.Members) != 4 || n.Members[3].MSP != "Org4MSP" {
		t.Errorf("%+v", n)
	}
	refused(t, w, founded[3].Admin(), fault.NotDue, "govern:Propose", w.Request("members", w.JSON(w.Membership(4, founded...))))
	refused(t, w, founded[3].Admin(), fault.StalePrior, "govern:Approve", govern.Approve{Proposal: late})
	refused(t, w, five.Admin(), fault.NotMember, "govern:Approve", govern.Approve{Proposal: late})
	// A treasury that is to leave is refused, when proposed and when enacted.
	refused(t, w, founded[0].Admin(), fault.InvalidValue, "govern:Propose", w.Request("treasuries", `["Org4MSP"]`))
	for _, m := range founded[1:3] {
		w.Must(m.Admin(), "govern:Approve", govern.Approve{Proposal: treasuries})
	}
	refused(t, w, founded[0].Caller(), fault.InvalidValue, "govern:Enact", govern.Enact{Proposal: treasuries, Approvals: []string{"Org1MSP", "Org2MSP", "Org3MSP"}})
	w.Decide("stopped", `["reward"]`) // by the set in force, the one that leaves among it

	w.HandOver(founded[:3], []opstest.Member{founded[0], founded[1], founded[2], five})
	refused(t, w, founded[3].Admin(), fault.NotMember, "govern:Withdraw", govern.Withdraw{Proposal: treasuries})
	refused(t, w, w.Members[0].Admin(), fault.NotDue, "govern:Propose", w.Request("members", w.JSON(w.Membership(2, founded[:3]...))))
	w.Checkpoint(8, opstest.Start+1)
	w.Propose(w.Members[0], w.Request("members", w.JSON(w.Membership(2, founded[:3]...))))
	// In force is what ops:Network says, in the form of a value.
	var in govern.Membership
	if err := json.Unmarshal(history(w, "members").Value, &in); err != nil || in.K != 3 || len(in.Members) != 4 || in.Members[3] != five.Known() {
		t.Errorf("%+v, %v", in, err)
	}
}

// An accreditation for an organisation that has left counts for nothing, and neither does
// what its verifier has said and what is not bound yet; both count again when it is back.
func TestVerifiersOfMembersThatLeft(t *testing.T) {
	o := openOffice(t)
	o.vouch(o.ben, o.alice, o.tag, fault.OK)
	o.vouch(o.ben, o.bob, o.tag, fault.OK)
	founded := slices.Clone(o.Members)
	o.Rotate(2, founded[0], founded[2], founded[3])
	o.Checkpoint(2, o.Clock()+1)
	var n ops.NetworkView
	if o.Read("ops:Network", nil, &n); slices.ContainsFunc(n.Verifiers, func(v govern.Verifier) bool { return v.Organisation == "Org2MSP" }) {
		t.Errorf("verifiers %v", n.Verifiers)
	}
	o.vouch(o.ben, o.alice, o.tag, fault.NotAccredited)
	o.vouch(o.ann, o.alice, o.tag, fault.OK) // with Org2MSP's word it would be bound
	o.bound(o.alice, false, "Org1MSP")
	o.vouch(o.cid, o.alice, o.tag, fault.OK)
	o.bound(o.alice, true, "Org1MSP", "Org3MSP")
	o.Rotate(3, founded...)
	o.vouch(o.ben, o.bob, o.tag, fault.AlreadyDone) // its word is there, and counts again
}

// Approvals of members that have left do not count, and those of the others do.
func TestApprovalsOfMembersThatLeft(t *testing.T) {
	w := opstest.New(t)
	w.Checkpoint(1, opstest.Start)
	founded := slices.Clone(w.Members)
	ref := w.Propose(founded[3], w.Request("stopped", `["did"]`))
	w.Must(founded[0].Admin(), "govern:Approve", govern.Approve{Proposal: ref})
	w.Rotate(2, founded[:3]...)
	refused(t, w, founded[0].Caller(), fault.NotMember, "govern:Enact", govern.Enact{Proposal: ref, Approvals: []string{"Org1MSP", "Org4MSP"}})
	if v := view(w, ref); v.Status != govern.Open || !slices.Equal(v.Approvals, []string{"Org1MSP"}) {
		t.Errorf("%+v", v)
	}
	w.Must(founded[1].Admin(), "govern:Approve", govern.Approve{Proposal: ref})
	w.Must(founded[0].Caller(), "govern:Enact", govern.Enact{Proposal: ref, Approvals: []string{"Org1MSP", "Org2MSP"}})
}

// Whatever bytes stand where members are proposed, the ledger refuses them with a code or
// stores one form, whose set is that of the value.
func FuzzMembers(f *testing.F) {
	w := opstest.New(f)
	w.Checkpoint(1, opstest.Start)
	for _, m := range []govern.Membership{
		w.Membership(3, w.Members[0], w.Members[1], w.Members[2], opstest.NewMember(5)), w.Membership(2, w.Members[:3]...),
		w.Membership(3, w.Members[0], w.Members[1], w.Members[2], w.Members[3].Rekeyed("x")),
	} {
		f.Add(w.JSON(m))
	}
	f.Add(strings.Repeat("[", 100))
	f.Fuzz(func(t *testing.T, value string) {
		w := w.Clone(t)
		request := fmt.Appendf(nil, `{"subject":"members","prior":%q,"value":%s,"at":0,"expires":%d}`, history(w, "members").Version, value, opstest.Start+5)
		answer, err := w.Invoke(w.Members[0].Admin(), "govern:Propose", request)
		if fault.Of(err) >= fault.Internal {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		var made govern.Proposed
		if err := json.Unmarshal(answer, &made); err != nil {
			t.Fatal(err)
		}
		stored := view(w, made.Proposal).Value
		w.Decide("members", string(stored))
		var m govern.Membership
		if err := json.Unmarshal(stored, &m); err != nil || w.JSON(m) != string(stored) {
			t.Fatalf("%s: %v", stored, err)
		}
		next := w.Next()
		if next.K != m.K || len(next.Members) != len(m.Members) {
			t.Errorf("%+v is not %s", next, stored)
		}
		if _, err := next.Hash(); err != nil {
			t.Error(err)
		}
	})
}

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// Operators take the set in force as a file, change it, and propose it; what waits for the
// members' signatures is shown until it is in force.
func TestOperatorsChangeMembers(t *testing.T) {
	ctx := t.Context()
	w := opstest.New(t)
	w.Checkpoint(7, opstest.Start)
	one := newOperator(t, w, 0)
	printed := one.prints(one.d.members(ctx), "\n  \"k\": 3,\n", "Org4MSP")
	var next govern.Membership
	if err := json.Unmarshal([]byte(printed), &next); err != nil {
		t.Fatal(err)
	}
	next.Members[3] = opstest.NewMember(5).Joining()
	file := filepath.Join(t.TempDir(), "members.json")
	text, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	value, err := valueOf("@" + file)
	if err != nil {
		t.Fatal(err)
	}
	out := one.prints(one.d.propose(ctx, "members", value, "", openFor), "subject    members\n", w.JSON(next), "status     open\n")
	ref, _, _ := strings.Cut(strings.TrimPrefix(out, "proposal "), "\n")
	two, three := newOperator(t, w, 1), newOperator(t, w, 2)
	two.prints(two.d.approve(ctx, ref), "status     open\n")
	three.prints(three.d.approve(ctx, ref), "status     enacted\n")
	w.Must(w.Members[2].Caller(), "checkpoint:SignRotation", w.SignRotation(w.Members[2]))
	three.prints(three.d.show(ctx), "Org4MSP (3 of them decide, set 1)\n",
		"waiting", "set 2 from size 8 on: Org1MSP Org2MSP Org3MSP Org5MSP (3 of them decide); 1 of 3 have signed: Org3MSP\n")
	if again := one.prints(one.d.members(ctx)); again != printed {
		t.Errorf("in force before the members have handed over:\n%s", again)
	}
	w.HandOver(w.Members[:3], []opstest.Member{w.Members[0], w.Members[1], w.Members[2], opstest.NewMember(5)})
	if shown := one.prints(one.d.show(ctx), "Org5MSP (3 of them decide, set 2)\n"); strings.Contains(shown, "waiting") {
		t.Errorf("something waits still:\n%s", shown)
	}
	one.prints(one.d.history(ctx, "members"), "0  {", "1  {", "as founded", "Org1MSP Org2MSP Org3MSP, proposal "+ref)
	if _, err := valueOf("@" + file + ".none"); err == nil {
		t.Error("a file that is not there was read")
	}
}

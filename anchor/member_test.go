package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// What an anchor prints of its keys is taken where members are proposed.
func TestMember(t *testing.T) {
	path, _ := writeConfig(t, strings.Replace(keysYAML, "Org1MSP", "Org5MSP", 1))
	cfg, err := readKeysConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cfg.LogID = canon.Hex(opstest.LogID[:])
	if err := printMember(t.Context(), &out, cfg); err == nil {
		t.Error("printed without keys")
	}
	if err := printKeys(new(bytes.Buffer), cfg, false); err != nil {
		t.Fatal(err)
	}
	if err := printMember(t.Context(), &out, cfg); err != nil {
		t.Fatal(err)
	}
	var five govern.Joiner
	if err := json.Unmarshal(out.Bytes(), &five); err != nil {
		t.Fatal(err)
	}
	w := opstest.New(t)
	w.Checkpoint(1, opstest.Start)
	next := w.Membership(3, w.Members[:3]...)
	next.Members = append(next.Members, five)
	w.Decide("members", w.JSON(next))
	if want := (govern.Member{MSP: "Org5MSP", Cosign: five.Cosign, Address: five.Address}); !slices.Contains(w.Next().Members, want) {
		t.Errorf("%+v", w.Next())
	}
	for _, id := range []string{"", "00"} {
		cfg.LogID = id
		if err := printMember(t.Context(), &out, cfg); err == nil {
			t.Errorf("printed for the log %q", id)
		}
	}
}

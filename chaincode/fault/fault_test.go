package fault_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
)

var update = flag.Bool("update", false, "rewrite docs/formats/codes.md")

func TestParseFindsTheCodeInForeignText(t *testing.T) {
	tests := []struct {
		text string
		code fault.Code
		rest string
		ok   bool
	}{
		{"stale_prior: version 3 is current", fault.StalePrior, "version 3 is current", true},
		{"chaincode response 500, not_member: Org9MSP", fault.NotMember, "Org9MSP", true},
		{"rpc error: code = Unknown desc = chaincode response 500, no_quorum: 2 of 3", fault.NoQuorum, "2 of 3", true},
		{"chaincode response 500, not_due", fault.NotDue, "", true},
		{"error: connection refused", 0, "", false},
		{"ok: fine", 0, "", false},
	}
	for _, tt := range tests {
		got, ok := fault.Parse(tt.text)
		if ok != tt.ok {
			t.Errorf("Parse(%q) ok = %v, want %v", tt.text, ok, tt.ok)
			continue
		}
		if ok && (got.Code != tt.code || got.Text != tt.rest) {
			t.Errorf("Parse(%q) = %v %q, want %v %q", tt.text, got.Code, got.Text, tt.code, tt.rest)
		}
	}
}

func TestWireFormRoundTrip(t *testing.T) {
	for _, c := range fault.All() {
		if c == fault.OK {
			continue
		}
		err := fmt.Errorf("outer: %w", fault.New(c, "why: %d", 7))
		if fault.Of(err) != c {
			t.Errorf("Of = %v, want %v", fault.Of(err), c)
		}
		got, ok := fault.Parse(fault.New(c, "why: %d", 7).Error())
		if !ok || got.Code != c || got.Text != "why: 7" {
			t.Errorf("%v: parsed %+v %v", c, got, ok)
		}
		if c.Advice() == "" || c.HTTP() == 0 || c.GRPC() == "" || c >= 128 {
			t.Errorf("%v is incomplete", c)
		}
	}
	if fault.Of(errors.New("x")) != fault.Internal || fault.Of(nil) != fault.OK {
		t.Error("foreign errors must be internal, nil must be ok")
	}
}

// The table in docs/formats is made from the code:
// go test ./chaincode/fault -update
func TestCodesTableIsCurrent(t *testing.T) {
	const path = "../../docs/formats/codes.md"
	var b strings.Builder
	b.WriteString("# Codes\n\nOne table for state, batches, HTTP (problem+json), gRPC and the command line. Made by `go test ./chaincode/fault -update`.\n\n")
	b.WriteString("| number | code | HTTP | gRPC | what to do |\n|---|---|---|---|---|\n")
	for _, c := range fault.All() {
		fmt.Fprintf(&b, "| %d | `%s` | %d | %s | %s |\n", c, c, c.HTTP(), c.GRPC(), c.Advice())
	}
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Error("docs/formats/codes.md differs from the table; run with -update")
	}
}

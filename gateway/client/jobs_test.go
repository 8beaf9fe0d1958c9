package client_test

import (
	"context"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
)

// unpaid returns who sat on the committee of a settled job and got nothing, and why.
func unpaid(ctx context.Context, c *client.Client, job string) (map[string]string, error) {
	settlement, err := c.Settlement(ctx, job)
	if err != nil {
		return nil, err // not_found before the job is closed
	}
	why := map[string]string{}
	for _, line := range settlement.GetLines() {
		if line.GetRole() == "verifier" && line.GetAmount() == "0" {
			why[line.GetWho()] = line.GetFate() // wrong, voted, unrevealed or missed
		}
	}
	return why, nil
}

// docs/partners.md shows unpaid as it stands here.
func TestJobSnippet(t *testing.T) {
	source, err := os.ReadFile("jobs_test.go")
	if err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile("../../docs/partners.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(guide), "```go\n// unpaid")
	snippet, _, ok := strings.Cut(after, "```")
	if !ok || !strings.Contains(string(source), "// unpaid"+snippet) {
		t.Error("the snippet in docs/partners.md differs from unpaid in this file")
	}
	got, err := unpaid(t.Context(), dialled(t, inventive{}), invented)
	if err != nil || !maps.Equal(got, map[string]string{"c": "missed"}) {
		t.Errorf("%v %v", got, err)
	}
}

// What is signed about a job lasts no longer than the job lets it.
func TestJobOperations(t *testing.T) {
	identity, _, err := client.Generate("EdDSA", false)
	if err != nil {
		t.Fatal(err)
	}
	signer := identity.On("main-0011223344556677")
	body := &ops.AttestOpen{}
	if key, ok := signer.OutputKey(); !ok || len(key) != 32 {
		t.Errorf("output key %x %v", key, ok)
	}
	_, ref, err := signer.OpenJob(body, 90*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	name, err := ops.ParseReference(ref)
	if err != nil || body.Expires < uint64(name.Expiry)+89 || body.Expires > uint64(name.Expiry)+91 {
		t.Errorf("expires %d, of an operation until %d (%v)", body.Expires, name.Expiry, err)
	}
	soon := uint64(time.Now().Unix()) + 30
	job := &killickv1.Job{Id: ref, Asset: "usd", Expires: soon}
	if _, ref, err = signer.AcceptJob(job, 3, "900"); err != nil {
		t.Fatal(err)
	}
	if name, err = ops.ParseReference(ref); err != nil || uint64(name.Expiry) != soon {
		t.Errorf("accepted until %d, the job until %d (%v)", name.Expiry, soon, err)
	}
	if _, _, err := signer.AcceptJob(job, 3, "1.5"); fault.Of(err) != fault.InvalidValue {
		t.Errorf("a deposit of 1.5: %v", err)
	}
	job.Expires = soon - 60
	if _, _, err := signer.AcceptJob(job, 3, "900"); err == nil {
		t.Error("a job that is over was accepted")
	}
}

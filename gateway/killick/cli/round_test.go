package cli_test

import (
	"fmt"
	"strings"

	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// lateQuote looks what a round says of the deposit of a settled job until it is due, and once
// a second quote has taken it.
func (b *bureau) lateQuote(job ledger.Reference) {
	b.t.Helper()
	r := b.jobs.Round(job)
	waits := fmt.Sprintf("deposit      what is left of it, if anything, is given back at %d, in %d s by the checkpoints' clock\n", r.Due, r.Due-b.jobs.Head().Elapsed)
	if _, out, _ := b.run("round", job.String()); !strings.Contains(out, waits) || strings.Contains(out, "late ") {
		b.t.Errorf("no %q: %s", waits, out)
	}
	if got := b.do("round", job.String()); got["due"] != float64(r.Due) || got["late"] != nil {
		b.t.Errorf("due %v, late %v, want %d", got["due"], got["late"], r.Due)
	}

	b.jobs.Do(b.jobs.Consumer, b.jobs.EvidenceBody(job, b.jobs.Platform, opstest.OutputOf("another")), "")
	l := b.jobs.Round(job).Late
	took := fmt.Sprintf("late         sgx quote %s of output %s, after the settlement: 901 of the deposit go to %s\n", l.Evidence.Digest, opstest.OutputOf("another"), b.jobs.Treasury.DID)
	if _, out, _ := b.run("round", job.String()); !strings.Contains(out, took) || strings.Contains(out, "is given back") {
		b.t.Errorf("no %q: %s", took, out)
	}
	late, _ := b.do("round", job.String())["late"].(map[string]any)
	evidence, _ := late["evidence"].(map[string]any)
	if late["payee"] != b.jobs.Treasury.DID || late["amount"] != "901" || late["epoch"] != float64(l.Epoch) || evidence["platform"] != "sgx" ||
		evidence["output"] != l.Evidence.Output || evidence["digest"] != l.Evidence.Digest || evidence["operation"] != l.Evidence.By || evidence["quote"] != l.Evidence.Quote {
		b.t.Errorf("late %v, want %+v", late, l)
	}
	if _, out, _ := b.run("settlement", job.String()); !strings.Contains(out, took) {
		b.t.Errorf("no %q: %s", took, out)
	}
	if late, _ := b.do("settlement", job.String())["late"].(map[string]any); late["amount"] != "901" {
		b.t.Errorf("late %v", late)
	}
}

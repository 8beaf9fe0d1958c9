package ops_test

import (
	"fmt"
	"strings"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

var zeros = strings.Repeat("0", 64)

// openJob is the body of a job of alice on a grant of bob's, with changes.
func (r *refusals) openJob(change ...string) string {
	body := fmt.Sprintf(`{"operation":"job.mean","lines":[{"grant":%q,"record":%q,"version":1,"owner":%q,"price":"5"}],"asset":"usd","teeFee":"10",`+
		`"verificationFee":"10","key":%q,"nonce":%q,"expires":%d}`, ref, ref, r.bob.DID, zeros, zeros, opstest.Start+3600)
	return strings.NewReplacer(change...).Replace(body)
}

// jobForms are operations on jobs that are refused before state is looked at.
func (r *refusals) jobForms() []refusal {
	of := func(op, body string) refusal {
		return refusal{item: raw(r.alice, head(r.alice, "EdDSA", "k"), load(op, body))}
	}
	job := fmt.Sprintf(`"job":%q`, ref)
	cases := []struct {
		name     string
		code     fault.Code
		op, body string
	}{
		{"opens for an operation without a TEE", fault.InvalidValue, "attest.open", r.openJob("job.mean", "read")},
		{"opens without lines", fault.InvalidValue, "attest.open", `{"operation":"job.mean","lines":[],` + r.openJob()[strings.Index(r.openJob(), `"asset"`):]},
		{"opens with a short key", fault.InvalidValue, "attest.open", strings.Replace(r.openJob(), zeros, "00", 1)},
		{"opens with a number as a fee", fault.WrongType, "attest.open", r.openJob(`"teeFee":"10"`, `"teeFee":10`)},
		{"opens with a fee below zero", fault.InvalidValue, "attest.open", r.openJob(`"teeFee":"10"`, `"teeFee":"-1"`)},
		{"opens what has expired before it is opened", fault.NumberRange, "attest.open", r.openJob(fmt.Sprint(opstest.Start+3600), fmt.Sprint(opstest.Start+59))},
		{"opens on the own record", fault.InvalidValue, "attest.open", r.openJob(r.bob.DID, r.alice.DID)},
		{"opens with another network's owner", fault.WrongNetwork, "attest.open", r.openJob(r.bob.DID, strings.Replace(r.bob.DID, opstest.Network, "main-ffffffffffffffff", 1))},
		{"opens version 0", fault.NumberRange, "attest.open", r.openJob(`"version":1`, `"version":0`)},
		{"opens without a nonce", fault.MissingField, "attest.open", r.openJob(fmt.Sprintf(`"nonce":%q,`, zeros), "")},
		{"opens with more", fault.UnknownField, "attest.open", r.openJob(`"asset"`, `"path":"/","asset"`)},
		{"accepts with no deposit", fault.InvalidValue, "attest.accept", `{` + job + `,"checkpoint":1,"asset":"usd","deposit":"0"}`},
		{"accepts no job", fault.InvalidValue, "attest.accept", `{"job":"x","checkpoint":1,"asset":"usd","deposit":"5"}`},
		{"cancels no job", fault.InvalidValue, "attest.cancel", `{"job":""}`},
		{"evidence of no platform", fault.InvalidValue, "attest.evidence", `{` + job + `,"platform":"SGX","output":"` + zeros + `","quote":"AAAA"}`},
		{"evidence without a quote", fault.InvalidValue, "attest.evidence", `{` + job + `,"platform":"sgx","output":"` + zeros + `"}`},
		{"evidence with a quote and a digest", fault.InvalidValue, "attest.evidence", `{` + job + `,"platform":"tpm","output":"` + zeros + `","quote":"AAAA","digest":"` + zeros + `"}`},
		{"evidence that is no quote", fault.Malformed, "attest.evidence", `{` + job + `,"platform":"sgx","output":"` + zeros + `","quote":"AAAA"}`},
		{"commitment of 31 bytes", fault.InvalidValue, "attest.commit", `{` + job + `,"commitment":"` + zeros[2:] + `"}`},
		{"ballot of another word", fault.InvalidValue, "attest.reveal", `{` + job + `,"ballot":"Valid","salt":"` + zeros + `"}`},
		{"ballot as a number", fault.WrongType, "attest.reveal", `{` + job + `,"ballot":1,"salt":"` + zeros + `"}`},
		{"collateral that is none", fault.Malformed, "attest.collateral", `{"collateral":"AAAA"}`},
		{"step without a checkpoint", fault.MissingField, "attest.step", `{` + job + `}`},
		{"closes no job", fault.InvalidValue, "attest.close", `{"job":"` + zeros + `"}`},
	}
	list := make([]refusal, len(cases))
	for i, c := range cases {
		list[i] = of(c.op, c.body)
		list[i].name, list[i].code = c.name, c.code
	}
	return list
}

// jobContents are operations on jobs that state refuses: they leave a result.
func (r *refusals) jobContents() []refusal {
	job := fmt.Sprintf(`"job":%q`, ref)
	try := func(name string, code fault.Code, op, body string) refusal {
		return refusal{name, code, acting(r.alice, op, body, "")}
	}
	return []refusal{
		try("job without a policy", fault.NotFound, "attest.open", r.openJob()),
		try("acceptance without an accreditation", fault.NotAccredited, "attest.accept", `{`+job+`,"checkpoint":1,"asset":"usd","deposit":"5"}`),
		try("cancellation of an unknown job", fault.NotFound, "attest.cancel", `{`+job+`}`),
		try("evidence of an unknown job", fault.NotFound, "attest.evidence", `{`+job+`,"platform":"tpm","output":"`+zeros+`","digest":"`+zeros+`"}`),
		try("commitment to an unknown job", fault.WrongPhase, "attest.commit", `{`+job+`,"commitment":"`+zeros+`"}`),
		try("ballot of an unknown job", fault.WrongPhase, "attest.reveal", `{`+job+`,"ballot":"valid","salt":"`+zeros+`"}`),
		try("step of an unknown job", fault.NotFound, "attest.step", `{`+job+`,"checkpoint":1}`),
		try("close of an unknown job", fault.NotFound, "attest.close", `{`+job+`}`),
	}
}

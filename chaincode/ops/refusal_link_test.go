package ops_test

import (
	"fmt"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

func text(v any) string {
	b, err := canon.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// links are changes of what is linked to a DID that are refused before state is looked
// at.
func (r *refusals) links() []refusal {
	u, zeros := r.alice, strings.Repeat("0", 64)
	of := func(op, body string) ops.Item { return acting(u, op, body, "") }
	prior := func(op, body string) ops.Item { return acting(u, op, body, zeros) }
	good := text(r.LinkNow(u, "eip155:1"))
	account := u.Account("eip155:1").String()
	return []refusal{
		{"link of nothing", fault.MissingField, prior("did.link", `{}`)},
		{"link without prior", fault.MissingPrior, of("did.link", good)},
		{"link of a checksummed address", fault.InvalidValue, prior("did.link", strings.Replace(good, account, strings.Replace(account, "0x", "0X", 1), 1))},
		{"link on no chain", fault.InvalidValue, prior("did.link", strings.Replace(good, "eip155:1:", "bip122:1:", 1))},
		{"link with a proof in hex", fault.InvalidValue, prior("did.link", strings.Replace(good, `"proof":"`, `"proof":"0x==`, 1))},
		{"link without a salt", fault.InvalidValue, prior("did.link", fmt.Sprintf(`{"account":%q,"proof":"AA"}`, account))},
		{"link with a commitment as well", fault.InvalidValue, prior("did.link", strings.Replace(good, "{", `{"commitment":"`+zeros+`",`, 1))},
		{"link with a short commitment", fault.InvalidValue, prior("did.link", `{"commitment":"00"}`)},
		{"link with the identity in the clear", fault.UnknownField, prior("did.link", `{"identity":"https://social.example/@alice"}`)},
		{"unlink of nothing", fault.MissingField, prior("did.unlink", `{}`)},
		{"unlink without prior", fault.MissingPrior, of("did.unlink", `{"leaf":"`+zeros+`"}`)},
		{"unlink of an account", fault.InvalidValue, prior("did.unlink", fmt.Sprintf(`{"leaf":%q}`, account))},
		{"preference of nothing", fault.MissingField, of("did.prefer", `{}`)},
		{"preference of a chain", fault.InvalidValue, of("did.prefer", `{"payout":"eip155:1"}`)},
		{"preference with a prior", fault.UnexpectedPrior, prior("did.prefer", `{"payout":""}`)},
		{"recovery with the payout on a chain", fault.InvalidValue, raw(u.With(u.Recovery, did.RecoveryFragment), head(u, "EdDSA", did.RecoveryFragment),
			load("did.recover", fmt.Sprintf(`{"key":%q,"document":%s,"payout":"eip155:1"}`, u.Recovery.Multikey,
				opstest.Recoverable(opstest.NewKey("spare", did.ES256), "k2", opstest.NewKey("next", did.EdDSA)))))},
		{"bind without a tag", fault.MissingField, of("did.bind", fmt.Sprintf(`{"did":%q}`, r.bob.DID))},
		{"bind a short tag", fault.InvalidValue, of("did.bind", fmt.Sprintf(`{"did":%q,"tag":"00"}`, r.bob.DID))},
		{"bind an upper-case tag", fault.InvalidValue, of("did.bind", fmt.Sprintf(`{"did":%q,"tag":%q}`, r.bob.DID, strings.Repeat("AB", 32)))},
		{"bind no DID", fault.InvalidValue, of("did.bind", fmt.Sprintf(`{"did":"did:web:x","tag":%q}`, zeros))},
		{"bind on another network", fault.WrongNetwork, of("did.bind",
			fmt.Sprintf(`{"did":%q,"tag":%q}`, strings.Replace(r.bob.DID, opstest.Network, "main-ffffffffffffffff", 1), zeros))},
		{"bind with the evidence", fault.UnknownField, of("did.bind", fmt.Sprintf(`{"did":%q,"tag":%q,"passport":"C01X00T47"}`, r.bob.DID, zeros))},
	}
}

// linkContents are refused by state and leave a result.
func (r *refusals) linkContents() []refusal {
	u := r.alice
	current, other := r.version(did.Key(u.ID)), canon.Hex(opstest.Seed("other"))
	link := func(prior string, change func(*ops.DIDLink)) ops.Item {
		l := r.LinkNow(u, "eip155:1")
		change(l)
		return acting(u, "did.link", text(l), prior)
	}
	taken := r.LinkNow(r.bob, "eip155:7")
	if r.version("link/"+taken.Account) == r.version("none") {
		r.Do(r.bob, taken, r.Prior(r.bob))
	}
	return []refusal{
		{"link with a stale prior", fault.StalePrior, link(other, func(*ops.DIDLink) {})},
		{"link that another key has proven", fault.BadProof, link(current, func(l *ops.DIDLink) { l.Account = r.bob.Account("eip155:1").String() })},
		{"link proven for another DID", fault.BadProof, link(current, func(l *ops.DIDLink) {
			l.Account, l.Proof = r.bob.Account("eip155:1").String(), r.LinkNow(r.bob, "eip155:1").Proof
		})},
		{"link that is another's", fault.LinkTaken, link(current, func(l *ops.DIDLink) {
			mallory := *r.bob // has the key of bob's account
			mallory.DID, mallory.ID = u.DID, u.ID
			l.Account, l.Proof = mallory.Account("eip155:7").String(), mallory.LinkIn("eip155:7", current).Proof
		})},
		{"unlink with a stale prior", fault.StalePrior, acting(u, "did.unlink", `{"leaf":"`+other+`"}`, other)},
		{"unlink of what is not linked", fault.NotFound, acting(u, "did.unlink", `{"leaf":"`+other+`"}`, current)},
		{"preference of what is not linked", fault.NotFound, acting(u, "did.prefer", fmt.Sprintf(`{"payout":%q}`, u.Account("eip155:1")), "")},
		{"preference of nobody again", fault.AlreadyDone, acting(u, "did.prefer", `{"payout":""}`, "")},
		{"bind by who is no verifier", fault.NotAccredited, acting(u, "did.bind", fmt.Sprintf(`{"did":%q,"tag":%q}`, r.bob.DID, other), "")},
	}
}

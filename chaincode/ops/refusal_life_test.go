package ops_test

import (
	"fmt"
	"strings"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// lives are changes of a DID that are refused before state is looked at.
func (r *refusals) lives() []refusal {
	u, key, spare := r.alice, opstest.NewKey("next", did.EdDSA), opstest.NewKey("spare", did.ES256)
	h, byRecovery := head(u, "EdDSA", "k"), head(u, "EdDSA", did.RecoveryFragment)
	of := func(op, body string) ops.Item { return raw(u, h, load(op, body)) }
	prior := func(op, body string) ops.Item { return acting(u, op, body, strings.Repeat("0", 64)) }
	update := func(change ...string) string {
		return `{"document":` + strings.NewReplacer(change...).Replace(string(opstest.Document("k2", key))) + `}`
	}
	recovering := func(key, document string) ops.Item {
		return raw(u.With(u.Recovery, did.RecoveryFragment), byRecovery, load("did.recover", fmt.Sprintf(`{"key":%q,"document":%s}`, key, document)))
	}
	good := string(opstest.Recoverable(spare, "k2", key))
	return []refusal{
		{"update without a document", fault.MissingField, prior("did.update", `{}`)},
		{"update without prior", fault.MissingPrior, of("did.update", update())},
		{"update with a text", fault.Malformed, prior("did.update", `{"document":"x"}`)},
		{"update with a recovery commitment", fault.UnknownField, prior("did.update", `{"document":`+good+`}`)},
		{"update with another DID's id", fault.UnknownField, prior("did.update", update(`{"verificationMethod"`, `{"id":"x","verificationMethod"`))},
		{"update after which nobody may act", fault.MissingField, prior("did.update", update(`["#k2"]`, `[]`))},
		{"update with a fragment that is kept", fault.InvalidValue, prior("did.update", update("#k2", "#recovery"))},
		{"update with a key twice", fault.DuplicateKey, prior("did.update", update(`"type"`, `"id":"#k3","type"`))},
		{"update with a key of no kind", fault.InvalidValue, prior("did.update", update(key.Multikey, "z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc"))},
		{"update with a body that has more", fault.UnknownField, prior("did.update", strings.Replace(update(), "{", `{"key":"z",`, 1))},
		{"recovery without a key", fault.MissingField, of("did.recover", `{"document":`+good+`}`)},
		{"recovery without a document", fault.MissingField, of("did.recover", `{"key":"z"}`)},
		{"recovery with a key in another form", fault.InvalidValue, recovering("did:key:"+u.Recovery.Multikey, good)},
		{"recovery with a document that commits to none", fault.InvalidValue, recovering(u.Recovery.Multikey, string(opstest.Document("k2", key)))},
		{"recovery with the same recovery key again", fault.InvalidValue, recovering(u.Recovery.Multikey, string(opstest.Recoverable(u.Recovery, "k2", key)))},
		{"recovery with the kid of a key", fault.KidMismatch, of("did.recover", fmt.Sprintf(`{"key":%q,"document":%s}`, u.Recovery.Multikey, good))},
		{"recovery with a prior", fault.UnexpectedPrior, raw(u, byRecovery, strings.Replace(
			load("did.recover", fmt.Sprintf(`{"key":%q,"document":%s}`, u.Recovery.Multikey, good)), net, net+`,"prior":"`+strings.Repeat("0", 64)+`"`, 1))},
		{"deactivation with a prior", fault.UnexpectedPrior, prior("did.deactivate", `{}`)},
		{"deactivation of another", fault.UnknownField, of("did.deactivate", fmt.Sprintf(`{"did":%q}`, r.bob.DID))},
		{"deactivation with a key of null", fault.WrongType, of("did.deactivate", `{"key":null}`)},
		{"deactivation with a key in another form", fault.InvalidValue, of("did.deactivate", `{"key":"x"}`)},
		{"deactivation by the recovery key with the kid of another", fault.KidMismatch, of("did.deactivate", fmt.Sprintf(`{"key":%q}`, u.Recovery.Multikey))},
		{"completion of nobody", fault.MissingField, of("did.complete", `{}`)},
		{"completion of no DID", fault.InvalidValue, of("did.complete", `{"did":"did:web:example.org"}`)},
		{"completion of a DID URL", fault.InvalidValue, of("did.complete", fmt.Sprintf(`{"did":%q}`, u.KeyID()))},
		{"completion on another network", fault.WrongNetwork, of("did.complete",
			fmt.Sprintf(`{"did":%q}`, strings.Replace(r.bob.DID, opstest.Network, "main-ffffffffffffffff", 1)))},
	}
}

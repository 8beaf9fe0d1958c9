package ops_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// raw signs header and payload as they are.
func raw(u ops.Signer, header, payload string) ops.Item {
	item, err := ops.Sign([]byte(header), []byte(payload), u)
	if err != nil {
		panic(err)
	}
	return item
}

// head is the user's header with the key that the fragment names.
func head(u *opstest.User, alg, fragment string) string {
	return fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"killick-op"}`, alg, u.DID+"#"+fragment)
}

// load is a payload at the start of the world.
func load(op, body string, change ...string) string {
	p := fmt.Sprintf(`{"op":%q,"net":%q,"iat":%d,"exp":%d,"body":%s}`, op, opstest.Network, opstest.Start, opstest.Start+60, body)
	return strings.NewReplacer(change...).Replace(p)
}

const (
	commitment = `"commitment":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"`
	goodBody   = `{"schema":"s",` + commitment + `,"size":1,"location":""}`
)

var (
	iat = fmt.Sprintf(`"iat":%d`, opstest.Start)
	exp = fmt.Sprintf(`"exp":%d`, opstest.Start+60)
	net = fmt.Sprintf(`"net":%q`, opstest.Network)
	ref = ledger.Reference{Expiry: 1, ID: [32]byte{1}}.String()
)

// refusals has alice, whose DID exists, with a record and money; bob, whose DID
// exists; carol, who is deactivated; dave, who has asked to be; and nobody, whose DID
// was never created.
type refusals struct {
	*opstest.World
	alice, bob, carol, dave, nobody *opstest.User
	record, deleted                 ops.Reference
}

func newRefusals(t *testing.T) *refusals {
	r := &refusals{
		World: opstest.New(t), alice: opstest.NewUser("alice"), bob: opstest.NewUser("bob"),
		carol: opstest.NewUser("carol"), dave: opstest.NewUser("dave"), nobody: opstest.NewUser("nobody"),
	}
	for _, u := range []*opstest.User{r.alice, r.bob, r.carol, r.dave} {
		r.Create(u)
	}
	r.Do(r.dave, &ops.DIDDeactivate{}, "")
	r.Do(r.carol.With(r.carol.Recovery, "recovery"), &ops.DIDDeactivate{Key: r.carol.Recovery.Multikey}, "")
	r.Fund(r.alice, 100)
	r.record = r.Do(r.alice, opstest.Submit("record"), "")
	r.deleted = r.Do(r.alice, opstest.Submit("deleted"), "")
	r.Do(r.alice, &ops.RecordDelete{Record: r.deleted.String()}, r.version("record/"+r.deleted.String()))
	return r
}

func (r *refusals) version(key string) string {
	value, _ := r.Store.Get(key)
	return ledger.Version(value)
}

// refusal is an item and the code with which it must be refused.
type refusal struct {
	name string
	code fault.Code
	item ops.Item
}

// forms are refused before state is looked at.
func (r *refusals) forms() []refusal {
	of := func(header, payload string) ops.Item { return raw(r.alice, header, payload) }
	h := head(r.alice, "EdDSA", "k")
	good := load("record.submit", goodBody)
	with := func(change ...string) ops.Item { return of(h, load("record.submit", goodBody, change...)) }
	return append(append(append(r.lives(), r.links()...), r.jobForms()...), []refusal{
		{"no JSON", fault.Malformed, of(h, "hello")},
		{"empty", fault.Malformed, of(h, "")},
		{"not closed", fault.Malformed, of(h, good[:len(good)-1])},
		{"array", fault.WrongType, of(h, "[]")},
		{"invalid UTF-8", fault.Malformed, with(`"location":""`, "\"location\":\"\xff\"")},
		{"byte order mark", fault.Malformed, of(h, "\xef\xbb\xbf"+good)},
		{"too deep", fault.Malformed, with(`"size":1`, `"size":`+strings.Repeat("[", 20)+strings.Repeat("]", 20))},
		{"trailing data", fault.TrailingData, of(h, good+"{}")},
		{"trailing space", fault.TrailingData, of(h, good+" ")},
		{"trailing data in the header", fault.TrailingData, of(h+" ", good)},
		{"duplicate key", fault.DuplicateKey, with(`"size":1`, `"size":1,"size":1`)},
		{"duplicate key in the payload", fault.DuplicateKey, with(net, net+","+net)},
		{"duplicate key in the header", fault.DuplicateKey, of(strings.Replace(h, `"alg"`, `"typ":"killick-op","alg"`, 1), good)},
		{"unknown field in the body", fault.UnknownField, with(`"size":1`, `"size":1,"extra":1`)},
		{"unknown field in the payload", fault.UnknownField, with(net, net+`,"jti":"x"`)},
		{"unknown field in the header", fault.UnknownField, of(strings.Replace(h, `"alg"`, `"crit":["b64"],"alg"`, 1), good)},
		{"other case", fault.UnknownField, with(`"size"`, `"Size"`)},
		{"string for a number", fault.WrongType, with(`"size":1`, `"size":"1"`)},
		{"number for a string", fault.WrongType, with(`"schema":"s"`, `"schema":1`)},
		{"null", fault.WrongType, with(`"location":""`, `"location":null`)},
		{"negative size", fault.NumberRange, with(`"size":1`, `"size":-1`)},
		{"money as a number", fault.WrongType, of(h, load("reward.pay", fmt.Sprintf(`{"asset":"usd","lines":[{"to":%q,"amount":5}]}`, r.bob.DID)))},
		{"number beyond 2^53", fault.NumberRange, with(`"size":1`, `"size":9007199254740992`)},
		{"fraction", fault.NumberRange, with(`"size":1`, `"size":1.0`)},
		{"exponent", fault.NumberRange, with(`"size":1`, `"size":1e0`)},
		{"missing net", fault.MissingField, with(net+",", "")},
		{"missing member", fault.MissingField, with(`,"location":""`, "")},
		{"escaped name", fault.UnknownField, with(`"size"`, `"siz\u0065"`)},
		{"no kid", fault.MissingField, of(`{"alg":"EdDSA","typ":"killick-op"}`, good)},
		{"typ", fault.InvalidValue, of(strings.Replace(h, "killick-op", "JWT", 1), good)},
		{"schema with a slash", fault.InvalidValue, with(`"schema":"s"`, `"schema":"a/b"`)},
		{"short commitment", fault.InvalidValue, with(commitment, `"commitment":"00"`)},
		{"upper-case commitment", fault.InvalidValue, with("aabb", "AABB")},
		{"location without scheme", fault.InvalidValue, with(`"location":""`, `"location":"example.org"`)},
		{"long location", fault.InvalidValue, with(`"location":""`, `"location":"https:`+strings.Repeat("x", 256)+`"`)},
		{"prior of another form", fault.InvalidValue, with(net, net+`,"prior":"abc"`)},
		{"empty prior", fault.InvalidValue, with(net, net+`,"prior":""`)},
		{"prior is missing", fault.MissingPrior, of(h, load("record.delete", `{"record":"`+ref+`"}`))},
		{"prior is not wanted", fault.UnexpectedPrior, with(net, net+`,"prior":"`+strings.Repeat("0", 64)+`"`)},
		{"reference of another form", fault.InvalidValue, of(h, load("record.delete", `{"record":"x"}`))},
		{"zero amount", fault.InvalidValue, of(h, payLoad(r.bob.DID, "0"))},
		{"negative amount", fault.InvalidValue, of(h, payLoad(r.bob.DID, "-1"))},
		{"amount with a leading zero", fault.InvalidValue, of(h, payLoad(r.bob.DID, "01"))},
		{"amount beyond 2^63-1", fault.InvalidValue, of(h, payLoad(r.bob.DID, "9223372036854775808"))},
		{"pay oneself", fault.InvalidValue, of(h, payLoad(r.alice.DID, "1"))},
		{"pay no DID", fault.InvalidValue, of(h, payLoad("did:web:example.org", "1"))},
		{"pay nobody", fault.InvalidValue, of(h, load("reward.pay", `{"asset":"usd","lines":[]}`))},
		{"pay twice", fault.InvalidValue, of(h, strings.Replace(payLoad(r.bob.DID, "1"), "]", fmt.Sprintf(`,{"to":%q,"amount":"1"}]`, r.bob.DID), 1))},
		{"withdraw nothing", fault.InvalidValue, of(h, load("reward.withdraw", `{"asset":"usd","amount":"0"}`))},
		{"withdraw less than nothing", fault.InvalidValue, of(h, load("reward.withdraw", `{"asset":"usd","amount":"-1"}`))},
		{"withdraw a number", fault.WrongType, of(h, load("reward.withdraw", `{"asset":"usd","amount":1}`))},
		{"withdraw without an asset", fault.MissingField, of(h, load("reward.withdraw", `{"amount":"1"}`))},
		{"withdraw to another", fault.UnknownField, of(h, load("reward.withdraw", fmt.Sprintf(`{"asset":"usd","amount":"1","to":%q}`, r.bob.DID)))},
		{"line without to", fault.MissingField, of(h, load("reward.pay", `{"asset":"usd","lines":[{"amount":"1"}]}`))},
		{"too large", fault.TooLarge, with(`"schema":"s"`, `"schema":"`+strings.Repeat("s", 65536)+`"`)},
		{"unknown operation", fault.UnknownOperation, of(h, load("record.grant", `{}`))},
		{"empty operation", fault.UnknownOperation, of(h, load("", `{}`))},
		{"operation in another case", fault.UnknownOperation, of(h, load("Record.submit", goodBody))},
		{"a function of organisations", fault.Batched, of(h, load("reward.fund", `{}`))},
		{"a query", fault.UnknownOperation, of(h, load("reward.balance", `{}`))},
		{"wrong network", fault.WrongNetwork, with(opstest.Network, "main-ffffffffffffffff")},
		{"kid of another network", fault.WrongNetwork, of(strings.Replace(h, opstest.Network, "main-ffffffffffffffff", 1), good)},
		{"pay on another network", fault.WrongNetwork, of(h, payLoad(strings.Replace(r.bob.DID, opstest.Network, "main-ffffffffffffffff", 1), "1"))},
		{"expired", fault.Expired, with(iat, fmt.Sprintf(`"iat":%d`, opstest.Start-60), exp, fmt.Sprintf(`"exp":%d`, opstest.Start))},
		{"far future", fault.NotYetValid, with(iat, fmt.Sprintf(`"iat":%d`, opstest.Start+301), exp, fmt.Sprintf(`"exp":%d`, opstest.Start+400))},
		{"lives too long", fault.LifetimeTooLong, with(exp, fmt.Sprintf(`"exp":%d`, opstest.Start+86401))},
		{"ends before it begins", fault.LifetimeTooLong, with(exp, fmt.Sprintf(`"exp":%d`, opstest.Start))},
		{"exp beyond all hours", fault.LifetimeTooLong, with(iat, `"iat":9007199254740000`, exp, `"exp":9007199254740990`)},
		{"unknown algorithm", fault.AlgMismatch, of(head(r.alice, "ES512", "k"), good)},
		{"no algorithm", fault.AlgMismatch, of(head(r.alice, "none", "k"), good)},
		{"kid is no DID URL", fault.KidMismatch, of(strings.Replace(h, "#k", "", 1), good)},
		{"kid of another method", fault.KidMismatch, of(strings.Replace(h, "did:killick", "did:web", 1), good)},
		{"kid is not what the document makes", fault.KidMismatch, of(h, load("did.create", `{"document":`+string(r.nobody.Doc)+`}`))},
	}...)
}

func payLoad(to, amount string) string {
	return load("reward.pay", fmt.Sprintf(`{"asset":"usd","lines":[{"to":%q,"amount":%q}]}`, to, amount))
}

// keys are refused for what the actor's document says.
func (r *refusals) keys() []refusal {
	good := load("record.submit", goodBody)
	changed := raw(r.alice, head(r.alice, "EdDSA", "k"), good)
	changed.Signature[3] ^= 1
	short := raw(r.alice, head(r.alice, "EdDSA", "k"), good)
	short.Signature = short.Signature[:63]
	moved := raw(r.alice, head(r.alice, "EdDSA", "k"), good)
	moved.Payload = append([]byte{}, strings.Replace(good, `"size":1`, `"size":2`, 1)...)
	spare := opstest.NewKey("spare", did.ES256)
	document := string(opstest.Recoverable(spare, "k2", spare))
	recovering := func(u *opstest.User, key, signer opstest.Key, alg string) ops.Item {
		return raw(u.With(signer, did.RecoveryFragment), head(u, alg, did.RecoveryFragment),
			load("did.recover", fmt.Sprintf(`{"key":%q,"document":%s}`, key.Multikey, document)))
	}
	return []refusal{
		{"recovery with a key that is not committed", fault.KeyUnknown, recovering(r.alice, opstest.NewKey("thief", did.EdDSA), opstest.NewKey("thief", did.EdDSA), "EdDSA")},
		{"recovery with another's recovery key", fault.KeyUnknown, recovering(r.alice, r.bob.Recovery, r.bob.Recovery, "EdDSA")},
		{"recovery signed by a key of the document", fault.BadSignature, recovering(r.alice, r.alice.Recovery, opstest.NewKey("alice", did.EdDSA), "EdDSA")},
		{"recovery with the algorithm of another key", fault.AlgMismatch, recovering(r.alice, r.alice.Recovery, r.alice.Recovery, "ES256")},
		{"recovery of a DID that is deactivated", fault.DIDDeactivated, recovering(r.carol, r.carol.Recovery, r.carol.Recovery, "EdDSA")},
		{"recovery of an unknown DID", fault.DIDUnknown, recovering(r.nobody, r.nobody.Recovery, r.nobody.Recovery, "EdDSA")},
		{"deactivation with a key that is not committed", fault.KeyUnknown, raw(r.alice.With(spare, did.RecoveryFragment),
			head(r.alice, "ES256", did.RecoveryFragment), load("did.deactivate", fmt.Sprintf(`{"key":%q}`, spare.Multikey)))},
		{"the recovery key for something else", fault.KeyUnknown, raw(r.alice.With(r.alice.Recovery, did.RecoveryFragment),
			head(r.alice, "EdDSA", did.RecoveryFragment), good)},
		{"unknown DID", fault.DIDUnknown, raw(r.nobody, head(r.nobody, "EdDSA", "k"), good)},
		{"unknown key", fault.KeyUnknown, raw(r.alice, head(r.alice, "EdDSA", "k2"), good)},
		{"key for another purpose", fault.KeyPurpose, raw(r.alice, head(r.alice, "EdDSA", "auth"), good)},
		{"key for another purpose, own document", fault.KeyPurpose, raw(r.nobody, head(r.nobody, "EdDSA", "auth"), load("did.create", `{"document":`+string(r.nobody.Doc)+`}`))},
		{"algorithm of another key", fault.AlgMismatch, raw(r.alice, head(r.alice, "ES256", "k"), good)},
		{"deactivated DID", fault.DIDDeactivated, raw(r.carol, head(r.carol, "EdDSA", "k"), good)},
		{"another's kid", fault.BadSignature, raw(r.bob, head(r.alice, "EdDSA", "k"), good)},
		{"another's document", fault.BadSignature, raw(r.bob, head(r.nobody, "EdDSA", "k"), load("did.create", `{"document":`+string(r.nobody.Doc)+`}`))},
		{"changed signature", fault.BadSignature, changed},
		{"short signature", fault.BadSignature, short},
		{"changed payload", fault.BadSignature, moved},
	}
}

// acting makes an operation with a prior, or without when it is empty.
func acting(u *opstest.User, op, body, prior string) ops.Item {
	p := load(op, body)
	if prior != "" {
		p = strings.Replace(p, net, net+`,"prior":"`+prior+`"`, 1)
	}
	return raw(u, head(u, "EdDSA", "k"), p)
}

// contents are refused by the domain and leave a result.
func (r *refusals) contents() []refusal {
	record := fmt.Sprintf(`{"record":%q}`, r.record)
	amend := fmt.Sprintf(`{"record":%q,%s`, r.record, goodBody[1:])
	current, other := r.version("record/"+r.record.String()), canon.Hex(opstest.Seed("other"))
	document := string(r.alice.Doc)
	update := func(fragment string) string {
		return fmt.Sprintf(`{"document":%s}`, opstest.Document(fragment, opstest.NewKey("next", did.EdDSA)))
	}
	complete := func(u *opstest.User) ops.Item {
		return acting(r.alice, "did.complete", fmt.Sprintf(`{"did":%q}`, u.DID), "")
	}
	return append(append(r.linkContents(), r.jobContents()...), []refusal{
		{"stale prior of an update", fault.StalePrior, acting(r.alice, "did.update", update("k2"), other)},
		{"prior of the signer's record", fault.StalePrior, acting(r.alice, "did.update", update("k2"), r.version(did.SignerKeyOf(r.alice.ID)))},
		{"fragment that passes to another key", fault.FragmentTaken, acting(r.alice, "did.update", update("k"), r.version(did.Key(r.alice.ID)))},
		{"deactivation that is pending", fault.AlreadyDone, acting(r.dave, "did.deactivate", `{}`, "")},
		{"completion that is not due", fault.NotDue, complete(r.dave)},
		{"completion with none pending", fault.NotDue, complete(r.bob)},
		{"completion of a DID that is deactivated", fault.AlreadyDone, complete(r.carol)},
		{"completion of an unknown DID", fault.NotFound, complete(r.nobody)},
		{"DID exists", fault.DIDExists, acting(r.alice, "did.create", `{"document":`+document+`}`, "")},
		{"stale prior", fault.StalePrior, acting(r.alice, "record.delete", record, other)},
		{"stale prior of an amendment", fault.StalePrior, acting(r.alice, "record.amend", amend, other)},
		{"another's record", fault.NotOwner, acting(r.bob, "record.delete", record, current)},
		{"deleted record", fault.Deleted, acting(r.alice, "record.delete", fmt.Sprintf(`{"record":%q}`, r.deleted), other)},
		{"unknown record", fault.NotFound, acting(r.alice, "record.delete", fmt.Sprintf(`{"record":%q}`, ref), other)},
		{"not an issuer", fault.NotAccredited, acting(r.alice, "credential.schema", `{"name":"n","digest":"`+other+`"}`, "")},
		{"unknown credential", fault.NotFound, acting(r.alice, "credential.revoke", fmt.Sprintf(`{"credential":%q}`, ref), other)},
		{"unknown payee", fault.NotFound, raw(r.alice, head(r.alice, "EdDSA", "k"), payLoad(r.nobody.DID, "1"))},
		{"unknown asset", fault.AssetUnknown, raw(r.alice, head(r.alice, "EdDSA", "k"), strings.Replace(payLoad(r.bob.DID, "1"), "usd", "eur", 1))},
		{"not enough money", fault.InsufficientFunds, raw(r.alice, head(r.alice, "EdDSA", "k"), payLoad(r.bob.DID, "101"))},
		{"withdraw more than there is", fault.InsufficientFunds, acting(r.alice, "reward.withdraw", `{"asset":"usd","amount":"101"}`, "")},
		{"withdraw an unknown asset", fault.AssetUnknown, acting(r.alice, "reward.withdraw", `{"asset":"eur","amount":"1"}`, "")},
		{"sum overflows", fault.Overflow, raw(r.alice, head(r.alice, "EdDSA", "k"), strings.Replace(payLoad(r.bob.DID, "9223372036854775807"), "]",
			fmt.Sprintf(`,{"to":%q,"amount":"1"}]`, r.carol.DID), 1))},
	}...)
}

// OP-1, OP-2: a refused operation changes nothing, alone, in a batch and in a
// check alike; a bad item of a batch fails alone; one whose form, times, key
// and signature are good leaves its result and nothing else.
func TestRefusals(t *testing.T) {
	r := newRefusals(t)
	for _, group := range []struct {
		name   string
		cases  []refusal
		result bool
	}{{"forms", r.forms(), false}, {"keys", r.keys(), false}, {"contents", r.contents(), true}} {
		for _, c := range group.cases {
			t.Run(group.name+"/"+c.name, func(t *testing.T) { r.try(t, c, group.result) })
		}
	}
}

func (r *refusals) try(t *testing.T, c refusal, result bool) {
	before := r.Store
	defer func() { r.Store = before }()

	r.Store = before.Clone()
	var check ops.CheckView
	if len(c.item.Compact()) <= ops.MaxOperation {
		r.Read("ops:Check", c.item.Compact(), &check)
		if fault.Code(check.Code) != c.code || check.Text == "" {
			t.Errorf("ops:Check answers %s: %s, want %v", check.Name, check.Text, c.code)
		}
	}
	if answer := r.Must(ledger.Caller{}, "ops:Apply", c.item.Compact()); len(answer) != 1 || fault.Code(answer[0]) != c.code {
		t.Errorf("ops:Apply answers %v (%s), want %v", fault.Code(answer[0]), check.Text, c.code)
	}
	alone := changed(before, r.Store)
	if !result && len(alone) != 0 || result && (len(alone) != 1 || !strings.HasPrefix(alone[0], "op/")) {
		t.Errorf("ops:Apply changed %q", alone)
	}

	r.Store = before.Clone()
	first, _ := r.Sign(r.alice, opstest.Submit("first"), "")
	last, _ := r.Sign(r.bob, opstest.Submit("last"), "")
	if answer := r.Batch(first, c.item, last, c.item); answer[0] != 0 || fault.Code(answer[1]) != c.code || answer[2] != 0 {
		t.Errorf("ops:Batch answers %v", answer)
	} else if again := answer[3]; result && again != byte(c.code)|ops.Replayed || !result && again != byte(c.code) {
		t.Errorf("the second time it answers %#x", again)
	}
	if together := changed(before, r.Store); len(together) != len(alone)+2 {
		t.Errorf("ops:Batch changed %q", together)
	}
}

// changed lists the keys whose values differ.
func changed(before, after *ledger.Memory) []string {
	var keys []string
	for _, e := range after.Entries() {
		if old, _ := before.Get(e.Key); !bytes.Equal(old, e.Value) {
			keys = append(keys, e.Key)
		}
	}
	for _, e := range before.Entries() {
		if now, _ := after.Get(e.Key); now == nil {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// What the gateway can find before it takes an operation, it finds with the
// same code.
func TestAdmitAgrees(t *testing.T) {
	r := newRefusals(t)
	admit := func(item ops.Item) error {
		parsed, err := ops.ParseCompact(item.Compact())
		if err == nil {
			_, err = ops.Admit(parsed, opstest.Network, opstest.Start)
		}
		return err
	}
	for _, c := range r.forms() {
		if err := admit(c.item); fault.Of(err) != c.code {
			t.Errorf("%s: %v, want %v", c.name, err, c.code)
		}
	}
	for _, c := range append(r.keys(), r.contents()...) {
		if err := admit(c.item); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestParseCompactIsStrict(t *testing.T) {
	good := raw(opstest.NewUser("alice"), "{}", "{}").Compact()
	if item, err := ops.ParseCompact(good); err != nil || item.Compact() != good {
		t.Fatalf("%v, %v", item, err)
	}
	for name, test := range map[string]struct {
		jws  string
		code fault.Code
	}{
		"two parts":   {"e30.e30", fault.Malformed},
		"four parts":  {good + ".", fault.Malformed},
		"padding":     {"e30=.e30.AA", fault.Malformed},
		"line break":  {"e30\n.e30.AA", fault.Malformed},
		"unused bits": {"e31.e30.AA", fault.Malformed},
		"standard":    {"e30.e30.+/+/", fault.Malformed},
		"20 MB":       {strings.Repeat("A", 20<<20), fault.TooLarge},
	} {
		if _, err := ops.ParseCompact(test.jws); fault.Of(err) != test.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

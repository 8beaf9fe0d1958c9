package ops_test

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Made by: go test ./chaincode/ops -run Vectors -update
const vectorFile = "../../docs/formats/vectors/operations.json"

// vectors is a history that any implementation can play: founding, fundings and
// operations in their order, each with the writes that it makes.
type vectors struct {
	Comment  string       `json:"comment"`
	Now      uint64       `json:"now"`
	Caller   string       `json:"caller"`
	Founding govern.Init  `json:"founding"`
	Keys     []vectorKey  `json:"keys"`
	Steps    []vectorStep `json:"steps"`
	Frame    vectorFrame  `json:"frame"`
}

type vectorKey struct {
	Name     string `json:"name"`
	DID      string `json:"did"`
	Alg      string `json:"alg"`
	Secret   string `json:"secret"`
	Document string `json:"document"`
}

type vectorStep struct {
	Name      string       `json:"name"`
	Fund      *reward.Fund `json:"fund,omitempty"`
	JWS       string       `json:"jws,omitempty"`
	OpID      string       `json:"opId,omitempty"`
	Reference string       `json:"reference,omitempty"`
	Response  string       `json:"response,omitempty"`
	Code      string       `json:"code,omitempty"`
	Writes    [][2]string  `json:"writes"` // key, value in hex
}

type vectorFrame struct {
	Frame       string          `json:"frame"`
	Reads       []string        `json:"reads"`       // keys in the digest of the state
	Explanation ops.Explanation `json:"explanation"` // before it is executed
	Response    string          `json:"response"`
	Writes      [][2]string     `json:"writes"`
	Again       ops.Explanation `json:"again"` // explained after it was executed
}

// maker plays a history and notes what it does.
type maker struct {
	*opstest.World
	v *vectors
}

func writesSince(before, after *ledger.Memory) [][2]string {
	writes := [][2]string{}
	for _, key := range changed(before, after) {
		value, _ := after.Get(key)
		writes = append(writes, [2]string{key, canon.Hex(value)})
	}
	return writes
}

func (m *maker) step(name string, item ops.Item) ops.Reference {
	before := m.Store.Clone()
	answer := m.Must(ledger.Caller{}, "ops:Apply", item.Compact())
	s := vectorStep{
		Name: name, JWS: item.Compact(), Response: canon.Hex(answer), Code: fault.Code(answer[0] & 0x7f).String(), Writes: writesSince(before, m.Store),
	}
	var ref ops.Reference
	if o, err := ops.Open(item); err == nil {
		ref = o.Reference()
		s.OpID, s.Reference = canon.Hex(ref.ID[:]), ref.String()
	}
	m.v.Steps = append(m.v.Steps, s)
	return ref
}

func (m *maker) sign(u opstest.Signer, body ops.Body, prior string) ops.Item {
	item, _ := m.World.Sign(u, body, prior)
	return item
}

func (m *maker) version(key string) string {
	value, _ := m.Store.Get(key)
	return ledger.Version(value)
}

func makeVectors(t *testing.T) *vectors {
	issuer, alice, bob := opstest.NewUser("vector issuer"), opstest.NewUser("vector alice"), opstest.NewUser("vector bob")
	m := &maker{World: opstest.New(t, issuer), v: &vectors{
		Comment: "Signed operations, what they answer and what they write. Made by go test ./chaincode/ops -run Vectors -update",
		Now:     opstest.Start, Caller: "Org1MSP",
	}}
	m.v.Founding = m.Founding(issuer)
	for _, name := range []string{"alice", "bob", "issuer"} {
		m.key(name, did.EdDSA)
	}
	m.step("create issuer", m.sign(issuer, &ops.DIDCreate{Document: issuer.Doc}, ""))
	create := m.sign(alice, &ops.DIDCreate{Document: alice.Doc}, "")
	m.step("create alice", create)
	m.step("create alice again: the first result", create)
	m.step("create bob with two links", m.sign(bob, &ops.DIDCreate{
		Document: bob.Doc, Links: []did.Link{bob.Link("eip155:1337"), bob.Link("tron:0x2b6653dc")}, Payout: bob.Account("tron:0x2b6653dc").String(),
	}, ""))
	schema := m.step("schema", m.sign(issuer, &ops.CredentialSchema{Name: "membership", Digest: canon.Hex(opstest.Seed("schema"))}, ""))
	issue := &ops.CredentialIssue{Schema: schema.String(), Digest: canon.Hex(opstest.Seed("credential")), ValidFrom: 1_700_000_000, ValidUntil: 1_800_000_000, Evidence: "provider", Endorser: "did:web:registry.example", List: 1, Index: 94567}
	credential := m.step("issue", m.sign(issuer, issue, ""))
	m.step("issue, not accredited", m.sign(alice, issue, ""))
	current := func() string { return m.version("credential/" + credential.String()) }
	issue.ValidUntil++
	m.step("issue, entry taken", m.sign(issuer, issue, ""))
	m.step("suspend", m.sign(issuer, &ops.CredentialSuspend{Credential: credential.String()}, current()))
	m.step("suspend again", m.sign(issuer, &ops.CredentialSuspend{Credential: credential.String()}, current()))
	m.step("reinstate", m.sign(issuer, &ops.CredentialReinstate{Credential: credential.String()}, current()))
	m.step("revoke", m.sign(issuer, &ops.CredentialRevoke{Credential: credential.String()}, current()))
	m.step("reinstate what is revoked", m.sign(issuer, &ops.CredentialReinstate{Credential: credential.String()}, current()))
	record := m.step("submit", m.sign(alice, opstest.Submit("the content"), ""))
	amend := &ops.RecordAmend{Record: record.String(), Schema: "plain", Commitment: canon.Hex(opstest.Seed("amended")), Size: 7, Location: ""}
	first := m.version("record/" + record.String())
	m.step("amend", m.sign(alice, amend, first))
	m.step("amend, stale prior", m.sign(alice, amend, first))
	m.step("delete", m.sign(alice, &ops.RecordDelete{Record: record.String()}, m.version("record/"+record.String())))
	m.fund(alice)
	m.step("pay", m.sign(alice, opstest.Pay("usd", bob, 250_000, issuer, 1), ""))
	m.step("pay, not enough", m.sign(alice, opstest.Pay("usd", bob, 2_000_000), ""))
	m.refusedSteps(alice)
	m.algorithmSteps()
	m.lifeSteps()
	m.linkSteps()
	m.grantSteps(alice, bob)
	m.step("withdraw", m.sign(alice, &ops.RewardWithdraw{Asset: "usd", Amount: 1000, For: "not needed"}, ""))
	m.step("withdraw, not enough", m.sign(alice, &ops.RewardWithdraw{Asset: "usd", Amount: 1_000_000}, ""))
	items := []ops.Item{m.sign(alice, opstest.Pay("usd", bob, 3), ""), create, m.sign(alice, opstest.Pay("usd", bob, 4), ""), m.sign(bob, opstest.Submit("in a batch"), "")}
	items[3].Signature = make([]byte, 64)
	frame, err := ops.EncodeFrame(items)
	if err != nil {
		t.Fatal(err)
	}
	before := m.Store.Clone()
	reads := slices.Sorted(maps.Keys(m.Endorse(items...).Reads))
	m.v.Frame = vectorFrame{Frame: canon.Hex(frame), Reads: reads, Explanation: explain(t, m.World, items...)}
	m.v.Frame.Response = canon.Hex(m.Must(ledger.Caller{}, "ops:Batch", frame))
	m.v.Frame.Writes, m.v.Frame.Again = writesSince(before, m.Store), explain(t, m.World, items...)
	return m.v
}

func (m *maker) fund(u *opstest.User) {
	before := m.Store.Clone()
	fund := &reward.Fund{ID: canon.Hex(opstest.Seed("vector fund")), Asset: "usd", To: u.DID, Amount: 1_000_000}
	m.Must(m.Members[0].Caller(), "reward:Fund", fund)
	m.v.Steps = append(m.v.Steps, vectorStep{Name: "fund", Fund: fund, Writes: writesSince(before, m.Store)})
}

// refusedSteps are refused for their form or signature and write nothing.
func (m *maker) refusedSteps(u *opstest.User) {
	good := load("record.submit", goodBody)
	h := head(u, "EdDSA", "k")
	bad := raw(u, h, good)
	bad.Signature[0] ^= 1
	m.step("changed signature", bad)
	m.step("key for another purpose", raw(u, head(u, "EdDSA", "auth"), good))
	m.step("unknown key", raw(u, head(u, "EdDSA", "none"), good))
	m.step("another algorithm", raw(u, head(u, "ES256", "k"), good))
	m.step("duplicate key", raw(u, h, strings.Replace(good, `"size":1`, `"size":1,"size":1`, 1)))
	m.step("unknown field", raw(u, h, strings.Replace(good, `"size":1`, `"size":1,"extra":1`, 1)))
	m.step("missing field", raw(u, h, strings.Replace(good, `"size":1,`, "", 1)))
	m.step("number beyond 2^53-1", raw(u, h, strings.Replace(good, `"size":1`, `"size":9007199254740992`, 1)))
	m.step("trailing data", raw(u, h, good+"\n"))
	m.step("wrong network", raw(u, h, strings.Replace(good, opstest.Network, "main-ffffffffffffffff", 1)))
	m.step("unknown operation", raw(u, h, load("attest.appeal", "{}")))
}

// key notes the key of a user.
func (m *maker) key(name string, alg did.Algorithm) *opstest.User {
	u := opstest.NewUserOf("vector "+name, alg)
	m.v.Keys = append(m.v.Keys, vectorKey{name, u.DID, string(alg), canon.Hex(opstest.Seed("vector " + name)), string(u.Doc)})
	return u
}

// algorithmSteps are signed with the algorithms other than EdDSA.
func (m *maker) algorithmSteps() {
	for _, user := range []struct {
		name string
		alg  did.Algorithm
	}{{"carol", did.ES256}, {"dave", did.ES256K}} {
		u := m.key(user.name, user.alg)
		step := func(name string, item ops.Item) { m.step(name+", "+string(user.alg), item) }
		step("create "+user.name, m.sign(u, &ops.DIDCreate{Document: u.Doc}, ""))
		submit := m.sign(u, opstest.Submit("by "+user.name), "")
		step("submit", submit)
		other := submit
		other.Signature = opstest.Malleate(user.alg, submit.Signature)
		step("the same with the negative of s: the first result", other)
		next := m.sign(u, opstest.Submit("more by "+user.name), "")
		signature := next.Signature
		next.Signature = append(make([]byte, 32), signature[32:]...)
		step("r is 0", next)
		next.Signature = append(opstest.Order(user.alg), signature[32:]...)
		step("r is the order", next)
		next.Signature = append(bytes.Clone(signature[:32]), make([]byte, 32)...)
		step("s is 0", next)
		next.Signature = opstest.Malleate(user.alg, signature)
		step("the greater or smaller s first", next)
		next.Signature = signature
		step("then the other: the first result", next)
		step("signed as EdDSA", raw(u, head(u, "EdDSA", "k"), load("record.submit", goodBody)))
	}
}

// lifeSteps are the life of two DIDs. The ledger has no checkpoint yet, so its clock
// has counted nothing.
func (m *maker) lifeSteps() {
	u := m.key("erin", did.EdDSA)
	stored := func() string { return m.version(did.Key(u.ID)) }
	m.step("create erin", m.sign(u, &ops.DIDCreate{Document: u.Doc, Links: []did.Link{u.Link("eip155:1337")}}, ""))
	second := opstest.NewKey("vector erin 2", did.ES256)
	update := &ops.DIDUpdate{Document: opstest.Document("k2", second)}
	first := stored()
	m.step("update erin, a fragment passes to another key", m.sign(u, &ops.DIDUpdate{Document: opstest.Document("k", second)}, first))
	updated := m.sign(u, update, first)
	m.step("update erin", updated)
	m.step("update erin again, with a key that it replaced: the first result", updated)
	rotated := u.With(second, "k2")
	m.step("signed with the key that was replaced", m.sign(u, opstest.Submit("by the old key"), ""))
	m.step("signed with the new key", m.sign(rotated, opstest.Submit("by the new key"), ""))
	m.step("update, stale prior", m.sign(rotated, update, first))
	m.step("update with a recovery commitment", m.sign(rotated, &ops.DIDUpdate{Document: u.Doc}, stored()))
	m.step("deactivate", m.sign(rotated, &ops.DIDDeactivate{}, ""))
	m.step("deactivate again", m.sign(rotated, &ops.DIDDeactivate{}, ""))
	m.step("complete, not due", m.sign(rotated, &ops.DIDComplete{DID: u.DID}, ""))
	third, spare := opstest.NewKey("vector erin 3", did.EdDSA), opstest.NewKey("vector erin spare", did.ES256)
	recovery := &ops.DIDRecover{Key: u.Recovery.Multikey, Document: opstest.Recoverable(spare, "k", third)}
	m.step("recover, kid of another key", m.sign(rotated, recovery, ""))
	m.step("recover, another key", m.sign(u.With(spare, "recovery"), &ops.DIDRecover{Key: spare.Multikey, Document: opstest.Recoverable(third, "k", third)}, ""))
	m.step("recover", m.sign(u.With(u.Recovery, "recovery"), recovery, ""))
	m.step("signed with a key that recovery removed", m.sign(rotated, opstest.Submit("too late"), ""))
	m.step("recover with the key that was used up", m.sign(u.With(u.Recovery, "recovery"), recovery, ""))
	m.step("deactivate with the recovery key, ES256", m.sign(u.With(spare, "recovery"), &ops.DIDDeactivate{Key: spare.Multikey}, ""))
	m.step("signed by a DID that is deactivated", m.sign(u.With(third, "k"), opstest.Submit("never"), ""))
}

// linkSteps link identities to a DID, in epoch 1, and recover it.
func (m *maker) linkSteps() {
	u := m.key("frank", did.EdDSA)
	stored := func() string { return m.version(did.Key(u.ID)) }
	own := u.Account("eip155:1337").String()
	m.step("create frank, paid on EVM", m.sign(u, &ops.DIDCreate{Document: u.Doc, Links: []did.Link{u.Link("eip155:1337")}, Payout: own}, ""))
	tron := m.LinkNow(u, "tron:0x2b6653dc")
	m.step("link an account on Tron", m.sign(u, tron, stored()))
	m.step("link with a proof for an earlier version", m.sign(u, tron, stored()))
	m.step("link a web identity, https://social.example/@frank", m.sign(u, opstest.LinkWeb(u, "https://social.example/@frank"), stored()))
	m.step("prefer the account on Tron", m.sign(u, &ops.DIDPrefer{Payout: tron.Account}, ""))
	m.step("prefer it again", m.sign(u, &ops.DIDPrefer{Payout: tron.Account}, ""))
	evm := u.Hidden(did.KindAccount, own)
	m.step("unlink the account on EVM", m.sign(u, &ops.DIDUnlink{Leaf: evm.Leaf(opstest.Network, u.ID).String()}, stored()))
	next := opstest.NewKey("vector frank 2", did.EdDSA)
	m.step("recover frank: what has not taken effect is taken back", m.sign(u.With(u.Recovery, "recovery"),
		&ops.DIDRecover{Key: u.Recovery.Multikey, Document: opstest.Recoverable(next, "k2", next)}, ""))
	m.step("bind, not accredited", m.sign(u.With(next, "k2"), &ops.DIDBind{DID: u.DID, Tag: canon.Hex(opstest.Seed("vector tag"))}, ""))
}

func TestVectors(t *testing.T) {
	v := makeVectors(t)
	canontest.GoldenJSON(t, vectorFile, " ", v)
}

// The file alone, played on an empty ledger, gives what it says.
func TestVectorsPlay(t *testing.T) {
	var v vectors
	canontest.ReadJSON(t, vectorFile, &v)
	w := opstest.New(t)
	w.Store, w.Now = new(ledger.Memory), v.Now
	treasury := ledger.Caller{MSP: v.Caller, Role: "client"}
	w.Must(treasury, "ops:Init", v.Founding)
	check := func(name string, before *ledger.Memory, writes [][2]string) {
		t.Helper()
		got := writesSince(before, w.Store)
		if len(got) != len(writes) {
			t.Fatalf("%s: %d writes, want %d", name, len(got), len(writes))
		}
		for i := range got {
			if got[i] != writes[i] {
				t.Errorf("%s: write %q, want %q", name, got[i], writes[i])
			}
		}
	}
	for _, s := range v.Steps {
		before := w.Store.Clone()
		if s.Fund != nil {
			w.Must(treasury, "reward:Fund", s.Fund)
		} else if answer := canon.Hex(w.Must(ledger.Caller{}, "ops:Apply", s.JWS)); answer != s.Response {
			t.Errorf("%s: %s, want %s", s.Name, answer, s.Response)
		}
		check(s.Name, before, s.Writes)
	}
	frame, err := canon.UnHex(v.Frame.Frame, len(v.Frame.Frame)/2)
	if err != nil {
		t.Fatal(err)
	}
	explained := func(want ops.Explanation) {
		t.Helper()
		var got ops.Explanation
		w.Read("ops:Explain", frame, &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if state := digestOf(w.Store, v.Frame.Reads); got.State != state {
			t.Errorf("the digest of the state is %s, that of the keys %s", got.State, state)
		}
	}
	explained(v.Frame.Explanation)
	before := w.Store.Clone()
	if answer := canon.Hex(w.Must(ledger.Caller{}, "ops:Batch", frame)); answer != v.Frame.Response {
		t.Errorf("frame: %s, want %s", answer, v.Frame.Response)
	}
	check("frame", before, v.Frame.Writes)
	explained(v.Frame.Again)
}

// digestOf is the digest of docs/formats/explain.md over keys that stand in order.
func digestOf(m *ledger.Memory, keys []string) string {
	text := "killick.explain.v1"
	for _, key := range keys {
		value, _ := m.Get(key)
		text += length(len(key)) + key
		if value == nil {
			text += length(0)
		} else {
			text += length(len(value)+1) + string(value)
		}
	}
	sum := sha256.Sum256([]byte(text))
	return canon.Hex(sum[:])
}

func length(n int) string { return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) }

package ops_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
)

const (
	network  = "main-0011223344556677"
	start    = 1_700_000_000
	evmVault = "eip155:1337:0x00000000000000000000000000000000000000aa"
	evmToken = "eip155:1337:0x00000000000000000000000000000000000000bb"
)

var (
	tronVault = canon.Account{Chain: "tron:0x2b6653dc", Address: [20]byte{19: 0xaa}}.String()
	tronToken = canon.Account{Chain: "tron:0x2b6653dc", Address: [20]byte{19: 0xbb}}.String()
	logID     = canon.Sum([]byte("log"))
)

// seed derives fixed keys, so that vectors and failures repeat.
func seed(name string) []byte {
	h := canon.Sum([]byte("killick test " + name))
	return h[:]
}

// member is an organisation with its cosigner keys.
type member struct {
	msp     string
	ed25519 ed25519.PrivateKey
	chain   *secp256k1.PrivateKey
}

func newMember(i int) member {
	msp := fmt.Sprintf("Org%dMSP", i)
	return member{msp, ed25519.NewKeyFromSeed(seed(msp)), secp256k1.PrivKeyFromBytes(seed(msp + " chain"))}
}

func (m member) vkey() string {
	name := m.msp + "." + network
	raw := append([]byte{4}, m.ed25519.Public().(ed25519.PublicKey)...)
	id := canon.Sum([]byte(name+"\n"), raw)
	return name + "+" + canon.Hex(id[:4]) + "+" + base64.StdEncoding.EncodeToString(raw)
}

func (m member) address() [20]byte { return canon.KeyAddress(m.chain.PubKey()) }

func (m member) caller() ledger.Caller { return ledger.Caller{MSP: m.msp, Role: "client"} }

// user is a DID with one key, and a chain key for links.
type user struct {
	did   string
	id    ledger.ID
	key   ed25519.PrivateKey
	chain *secp256k1.PrivateKey
	doc   []byte
}

func newUser(name string) *user {
	u := &user{key: ed25519.NewKeyFromSeed(seed(name)), chain: secp256k1.PrivKeyFromBytes(seed(name + " chain"))}
	recovery := canon.Sum(seed(name + " recovery"))
	u.doc = fmt.Appendf(nil, `{"verificationMethod":[{"id":"#k","type":"Multikey","publicKeyMultibase":%q},{"id":"#auth","type":"Multikey","publicKeyMultibase":%q}],`+
		`"authentication":["#auth"],"capabilityInvocation":["#k"],"recovery":%q}`,
		did.FormatKey([32]byte(u.key.Public().(ed25519.PublicKey))),
		did.FormatKey([32]byte(ed25519.NewKeyFromSeed(seed(name+" auth")).Public().(ed25519.PublicKey))), canon.B64(recovery[:]))
	var err error
	if u.did, u.id, err = ops.NewDID(network, u.doc); err != nil {
		panic(err)
	}
	return u
}

func (u *user) KeyID() string { return u.did + "#k" }

func (u *user) Sign(message []byte) ([]byte, error) { return ed25519.Sign(u.key, message), nil }

// account is the user's address on a chain.
func (u *user) account(chain string) canon.Account {
	return canon.Account{Chain: chain, Address: canon.KeyAddress(u.chain.PubKey())}
}

func (u *user) link(chain string) did.Link {
	account := u.account(chain)
	proof := canon.SignDigest(u.chain, canon.LinkDigest(u.did, account))
	return did.Link{Account: account.String(), Proof: canon.B64(proof[:])}
}

// world is a ledger in memory with its members and a clock.
type world struct {
	t       testing.TB
	store   *ledger.Memory
	engine  *ops.Engine
	now     uint64
	members []member
	nonce   uint64
}

func newWorld(t testing.TB, issuers ...*user) *world {
	t.Helper()
	w := &world{t: t, store: new(ledger.Memory), engine: ops.New(), now: start}
	for i := range 4 {
		w.members = append(w.members, newMember(i+1))
	}
	if _, err := w.invoke(w.members[0].caller(), "ops:Init", w.init(issuers...)); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) init(issuers ...*user) govern.Init {
	i := govern.Init{
		Network: network, Log: canon.Hex(logID[:]), Rules: 1, K: 3,
		Vaults:  []govern.Vault{{ID: evmVault, Token: evmToken, Asset: "usd"}, {ID: tronVault, Token: tronToken, Asset: "usd"}},
		Issuers: []string{}, Treasuries: []string{"Org1MSP"}, Assets: []string{"usd", "pts"}, EpochSeconds: 60, HeartbeatSeconds: 60,
	}
	for _, m := range w.members {
		a := m.address()
		i.Members = append(i.Members, govern.Member{MSP: m.msp, Cosign: m.vkey(), Address: "0x" + canon.Hex(a[:])})
	}
	for _, u := range issuers {
		i.Issuers = append(i.Issuers, u.did)
	}
	return i
}

// invoke runs a function in a transaction of its own, as the contract does.
func (w *world) invoke(caller ledger.Caller, name string, arg any) ([]byte, error) {
	var args [][]byte
	switch a := arg.(type) {
	case nil:
	case string:
		args = [][]byte{[]byte(a)}
	case []byte:
		args = [][]byte{a}
	default:
		b, err := canon.Marshal(a)
		if err != nil {
			w.t.Fatal(err)
		}
		args = [][]byte{b}
	}
	f, err := ops.LookupFunction(name)
	if err != nil {
		return nil, err
	}
	tx := ledger.Begin(w.store, w.now, caller)
	answer, err := w.engine.Invoke(tx, name, args)
	if err == nil && f.Writes {
		err = tx.Flush()
	}
	return answer, err
}

func (w *world) must(caller ledger.Caller, name string, arg any) []byte {
	w.t.Helper()
	answer, err := w.invoke(caller, name, arg)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return answer
}

// read asks a query and decodes its answer.
func (w *world) read(name string, arg, into any) {
	w.t.Helper()
	if err := json.Unmarshal(w.must(ledger.Caller{}, name, arg), into); err != nil {
		w.t.Fatal(err)
	}
}

// sign makes an operation of the user; the nonce in iat keeps equal bodies
// apart.
func (w *world) sign(u *user, body ops.Body, prior string) (ops.Item, ops.Reference) {
	w.t.Helper()
	w.nonce++
	item, ref, err := ops.SignRequest(ops.Request{
		Network: network, IssuedAt: w.now - 1000 - w.nonce%1000, Expires: w.now + 3600 + w.nonce/1000, Prior: prior, Body: body,
	}, u)
	if err != nil {
		w.t.Fatal(err)
	}
	return item, ref
}

// batch applies items as one batch and returns the response bytes.
func (w *world) batch(items ...ops.Item) []byte {
	w.t.Helper()
	frame, err := ops.EncodeFrame(items)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.must(ledger.Caller{MSP: "Org1MSP", Role: "client"}, "ops:Batch", frame)
}

// do applies one operation that must succeed.
func (w *world) do(u *user, body ops.Body, prior string) ops.Reference {
	w.t.Helper()
	item, ref := w.sign(u, body, prior)
	if got := w.batch(item); got[0] != 0 {
		var check ops.CheckView
		w.read("ops:Check", item.Compact(), &check)
		w.t.Fatalf("%T: %v, now %+v", body, fault.Code(got[0]), check)
	}
	return ref
}

// create makes the user's DID, linked to the chains, paid on the first.
func (w *world) create(u *user, chains ...string) {
	w.t.Helper()
	body := &ops.DIDCreate{Document: u.doc}
	for _, c := range chains {
		body.Links = append(body.Links, u.link(c))
	}
	if len(chains) > 0 {
		body.Payout = chains[0]
	}
	w.do(u, body, "")
}

func (w *world) fund(u *user, amount reward.Amount) {
	w.t.Helper()
	w.nonce++
	id := canon.Sum(fmt.Append(nil, "fund", w.nonce))
	w.must(w.members[0].caller(), "reward:Fund", reward.Fund{ID: canon.Hex(id[:]), Asset: "usd", To: u.did, Amount: amount})
}

// checkpoint has K members cosign and accept a checkpoint.
func (w *world) checkpoint(size, time uint64) {
	w.t.Helper()
	root := canon.Sum(fmt.Append(nil, "root", size))
	var signers []string
	for _, m := range w.members[:3] {
		w.must(m.caller(), "checkpoint:Cosign", w.cosign(m, size, root, time))
		signers = append(signers, m.msp)
	}
	w.must(w.members[1].caller(), "checkpoint:Accept", checkpoint.Accept{Size: size, Root: canon.Hex(root[:]), Time: time, Signers: signers})
}

func (w *world) cosign(m member, size uint64, root [32]byte, time uint64) checkpoint.Cosign {
	set := w.setHash()
	signature := canon.SignDigest(m.chain, canon.CheckpointDigest(logID, 1, set, size, root, time))
	return checkpoint.Cosign{
		Size: size, Root: canon.Hex(root[:]), Time: time,
		Ed25519:   base64.StdEncoding.EncodeToString(ed25519.Sign(m.ed25519, checkpoint.CosignedMessage(network, logID, size, root, time))),
		Secp256k1: base64.StdEncoding.EncodeToString(signature[:]),
	}
}

func (w *world) setHash() [32]byte {
	w.t.Helper()
	tx := ledger.Begin(w.store, w.now, ledger.Caller{})
	n, err := govern.Load(tx)
	if err != nil {
		w.t.Fatal(err)
	}
	h, err := n.SetHash()
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// audit checks all invariants of the reward ledger.
func (w *world) audit() {
	w.t.Helper()
	tx := ledger.Begin(w.store, w.now, ledger.Caller{})
	n, err := govern.Load(tx)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := reward.Audit(tx, n); err != nil {
		w.t.Fatal(err)
	}
}

func submitBody(content string) *ops.RecordSubmit {
	c := canon.Sum([]byte(content))
	return &ops.RecordSubmit{Schema: "plain", Commitment: canon.Hex(c[:]), Size: uint64(len(content)), Location: "https://example.org/" + strings.ReplaceAll(content, " ", "-")}
}

func pay(asset string, lines ...any) *ops.RewardPay {
	p := &ops.RewardPay{Asset: asset}
	for i := 0; i < len(lines); i += 2 {
		p.Lines = append(p.Lines, reward.Line{To: lines[i].(*user).did, Amount: reward.Amount(lines[i+1].(int))})
	}
	return p
}

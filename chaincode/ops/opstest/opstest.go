// Package opstest is a whole ledger in memory for tests: members with keys,
// users with DIDs, a clock, and every function of the table.
package opstest

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

// What every World has.
const (
	Network = "main-0011223344556677" // name of the ledger
	// TestNetwork is the name of a ledger that is founded for tests (NewTest).
	TestNetwork = "test-0011223344556677"
	Start       = 1_700_000_000
	EVMVault    = "eip155:1337:0x00000000000000000000000000000000000000aa"
	evmToken    = "eip155:1337:0x00000000000000000000000000000000000000bb"
)

// Contracts on a second chain, and the log.
var (
	TronVault = canon.Account{Chain: "tron:0x2b6653dc", Address: [20]byte{19: 0xaa}}.String()
	tronToken = canon.Account{Chain: "tron:0x2b6653dc", Address: [20]byte{19: 0xbb}}.String()
	LogID     = canon.Sum([]byte("log"))
	// Program is the digest of the chaincode program that the ledger is founded with.
	Program = canon.Hex(Seed("program"))
)

// Seed derives fixed keys, so that vectors and failures repeat.
func Seed(name string) []byte {
	h := canon.Sum([]byte("killick test " + name))
	return h[:]
}

// Member is an organisation with its cosigner keys.
type Member struct {
	MSP     string
	ed25519 ed25519.PrivateKey
	Chain   *secp256k1.PrivateKey
	network string // for which its keys are named
}

func newMember(i int) Member {
	msp := fmt.Sprintf("Org%dMSP", i)
	return Member{msp, ed25519.NewKeyFromSeed(Seed(msp)), secp256k1.PrivKeyFromBytes(Seed(msp + " chain")), Network}
}

func (m Member) vkey() string {
	name := m.MSP + "." + m.network
	raw := append([]byte{4}, m.ed25519.Public().(ed25519.PublicKey)...)
	id := canon.Sum([]byte(name+"\n"), raw)
	return name + "+" + canon.Hex(id[:4]) + "+" + base64.StdEncoding.EncodeToString(raw)
}

// Address returns the address of the secp256k1 key.
func (m Member) Address() [20]byte { return canon.KeyAddress(m.Chain.PubKey()) }

// Caller returns a client of the organisation.
func (m Member) Caller() ledger.Caller { return ledger.Caller{MSP: m.MSP, Role: "client"} }

// User is a DID with one key, and a chain key for links.
type User struct {
	DID   string
	ID    ledger.ID
	Key   ed25519.PrivateKey // nil of a key of another algorithm
	Chain *secp256k1.PrivateKey
	Doc   []byte // inception document: #k may act, #auth may not
	Auth  Key    // #auth
	// Recovery is the key to which the document commits, of the same algorithm as #k.
	Recovery Key

	key Key // #k
}

// With is the same DID with another key in the place of #k; fragment is the kid's.
func (u *User) With(key Key, fragment string) Other { return Other{u.DID + "#" + fragment, key} }

// Other signs for a DID with a key that is not its user's own.
type Other struct {
	kid string
	Key Key
}

// KeyID returns the DID URL of the key.
func (o Other) KeyID() string { return o.kid }

// Alg is the algorithm of the key.
func (o Other) Alg() did.Algorithm { return o.Key.Alg }

// Sign signs with the key.
func (o Other) Sign(message []byte) ([]byte, error) { return o.Key.Signature(message), nil }

// Signer signs operations: a *User, or an Other.
type Signer interface {
	ops.Signer
	Alg() did.Algorithm
}

// NewUser returns a user with keys made from the name, #k of Ed25519; its DID is
// not created.
func NewUser(name string) *User { return NewUserOf(name, did.EdDSA) }

// NewUser returns such a user of this ledger.
func (w *World) NewUser(name string) *User { return newUserOn(w.Name, name, did.EdDSA) }

// KeyID returns the DID URL of the key that may act.
func (u *User) KeyID() string { return u.DID + "#k" }

// Account is the user's address on a chain.
func (u *User) Account(chain string) canon.Account {
	return canon.Account{Chain: chain, Address: canon.KeyAddress(u.Chain.PubKey())}
}

// World is a ledger in memory with its members and a clock.
type World struct {
	t       testing.TB
	Name    string // of the ledger
	Store   *ledger.Memory
	Private ledger.MemoryPrivate
	Engine  *ops.Engine
	Now     uint64 // the time that transactions claim
	Members []Member
	// Through, when it is set, runs transactions that write, in place of the ledger itself:
	// for tests that make blocks of them.
	Through func(caller ledger.Caller, name string, args [][]byte) error
	nonce   uint64
}

// New returns an initialised ledger with four members, of which three are a
// quorum and the first is the treasury.
func New(t testing.TB, issuers ...*User) *World {
	t.Helper()
	return found(t, Network, issuers)
}

// NewTest returns such a ledger that is founded for tests. Its users are made with
// World.NewUser.
func NewTest(t testing.TB) *World {
	t.Helper()
	return found(t, TestNetwork, nil)
}

func found(t testing.TB, name string, issuers []*User) *World {
	t.Helper()
	w := &World{t: t, Name: name, Store: new(ledger.Memory), Engine: ops.New(), Now: Start}
	for i := range 4 {
		m := newMember(i + 1)
		m.network = name
		w.Members = append(w.Members, m)
	}
	if _, err := w.Invoke(w.Members[0].Caller(), "ops:Init", w.Founding(issuers...)); err != nil {
		t.Fatal(err)
	}
	return w
}

// Founding returns the request that initialises the ledger.
func (w *World) Founding(issuers ...*User) govern.Init {
	i := govern.Init{
		Network: w.Name, Log: canon.Hex(LogID[:]), Rules: 1, K: 3, Test: w.Name == TestNetwork,
		Vaults:  []govern.Vault{{ID: EVMVault, Token: evmToken, Asset: "usd"}, {ID: TronVault, Token: tronToken, Asset: "usd"}},
		Issuers: []string{}, Program: Program, Treasuries: []string{"Org1MSP"}, Assets: []string{"usd", "pts"}, EpochSeconds: 60, HeartbeatSeconds: 60,
	}
	for _, m := range w.Members {
		a := m.Address()
		i.Members = append(i.Members, govern.Member{MSP: m.MSP, Cosign: m.vkey(), Address: "0x" + canon.Hex(a[:])})
	}
	for _, u := range issuers {
		i.Issuers = append(i.Issuers, u.DID)
	}
	return i
}

// Invoke runs a function in a transaction of its own, as the contract does.
func (w *World) Invoke(caller ledger.Caller, name string, arg any) ([]byte, error) {
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
	tx := ledger.Begin(w.Store, w.Now, caller).With(&w.Private)
	answer, err := w.Engine.Invoke(tx, name, args)
	switch {
	case err != nil || !f.Writes:
	case w.Through != nil:
		err = w.Through(caller, name, args)
	default:
		err = tx.Flush()
	}
	return answer, err
}

// Must runs a function that must succeed.
func (w *World) Must(caller ledger.Caller, name string, arg any) []byte {
	w.t.Helper()
	answer, err := w.Invoke(caller, name, arg)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return answer
}

// Read asks a query and decodes its answer.
func (w *World) Read(name string, arg, into any) {
	w.t.Helper()
	if err := json.Unmarshal(w.Must(ledger.Caller{}, name, arg), into); err != nil {
		w.t.Fatal(err)
	}
}

// Sign makes an operation of the user; the nonce in iat keeps equal bodies
// apart.
func (w *World) Sign(u Signer, body ops.Body, prior string) (ops.Item, ops.Reference) {
	w.t.Helper()
	w.nonce++
	item, ref, err := ops.SignRequest(ops.Request{
		Alg: u.Alg(), Network: w.Name, IssuedAt: w.Now - 1000 - w.nonce%1000, Expires: w.Now + 3600 + w.nonce/1000, Prior: prior, Body: body,
	}, u)
	if err != nil {
		w.t.Fatal(err)
	}
	return item, ref
}

// Batch applies items as one batch and returns the response bytes.
func (w *World) Batch(items ...ops.Item) []byte {
	w.t.Helper()
	frame, err := ops.EncodeFrame(items)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Must(ledger.Caller{MSP: "Org1MSP", Role: "client"}, "ops:Batch", frame)
}

// Do applies one operation that must succeed.
func (w *World) Do(u Signer, body ops.Body, prior string) ops.Reference {
	w.t.Helper()
	item, ref := w.Sign(u, body, prior)
	if got := w.Batch(item); got[0] != 0 {
		var check ops.CheckView
		w.Read("ops:Check", item.Compact(), &check)
		w.t.Fatalf("%T: %v, now %+v", body, fault.Code(got[0]), check)
	}
	return ref
}

// Create makes the user's DID, linked to the chains, paid on the first.
func (w *World) Create(u *User, chains ...string) {
	w.t.Helper()
	body := &ops.DIDCreate{Document: u.Doc}
	for _, c := range chains {
		body.Links = append(body.Links, u.Link(c))
	}
	if len(chains) > 0 {
		body.Payout = u.Account(chains[0]).String()
	}
	w.Do(u, body, "")
}

// Fund gives the user a balance in usd.
func (w *World) Fund(u *User, amount reward.Amount) {
	w.t.Helper()
	w.nonce++
	id := canon.Sum(fmt.Append(nil, "fund", w.nonce))
	w.Must(w.Members[0].Caller(), "reward:Fund", reward.Fund{ID: canon.Hex(id[:]), Asset: "usd", To: u.DID, Amount: amount})
}

// quorum are members who are enough to decide: three, or K when that is more.
func (w *World) quorum() []Member { return w.Members[:max(3, w.network().K)] }

// Checkpoint has K members cosign and accept a checkpoint.
func (w *World) Checkpoint(size, time uint64) {
	w.t.Helper()
	root := canon.Sum(fmt.Append(nil, "root", size))
	var signers []string
	for _, m := range w.quorum() {
		w.Must(m.Caller(), "checkpoint:Cosign", w.Cosign(m, size, root, time))
		signers = append(signers, m.MSP)
	}
	w.Must(w.Members[1].Caller(), "checkpoint:Accept", checkpoint.Accept{Size: size, Root: canon.Hex(root[:]), Time: time, Signers: signers})
}

// SetElapsed puts a checkpoint into the state, by hand, by which the ledger's clock has
// counted so many seconds.
func (w *World) SetElapsed(seconds uint64) {
	w.t.Helper()
	head, err := canon.Marshal(checkpoint.Checkpoint{
		Number: 1, Size: 1, Root: strings.Repeat("0", 64), Time: Start + seconds, Elapsed: seconds, Signers: []string{},
	})
	if err == nil {
		err = w.Store.Put(checkpoint.HeadKey, head)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// Cosign returns the member's cosignature.
func (w *World) Cosign(m Member, size uint64, root [32]byte, time uint64) checkpoint.Cosign {
	n := w.network()
	set, err := n.SetHash()
	if err != nil {
		w.t.Fatal(err)
	}
	signature := canon.SignDigest(m.Chain, canon.CheckpointDigest(LogID, n.SetVersion, set, size, root, time))
	return checkpoint.Cosign{
		Size: size, Root: canon.Hex(root[:]), Time: time,
		Ed25519:   base64.StdEncoding.EncodeToString(ed25519.Sign(m.ed25519, checkpoint.CosignedMessage(w.Name, LogID, size, root, time))),
		Secp256k1: base64.StdEncoding.EncodeToString(signature[:]),
	}
}

// SetHash returns the hash of the member set in force.
func (w *World) SetHash() [32]byte {
	w.t.Helper()
	h, err := w.network().SetHash()
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func (w *World) network() *govern.Network {
	w.t.Helper()
	n, err := govern.Load(ledger.Begin(w.Store, w.Now, ledger.Caller{}))
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// Audit checks all invariants of the reward ledger.
func (w *World) Audit() {
	w.t.Helper()
	if err := w.AuditOf(w.Store); err != nil {
		w.t.Fatal(err)
	}
}

// AuditOf returns the invariants of the reward ledger that a state breaks.
func (w *World) AuditOf(store ledger.Store) error {
	w.t.Helper()
	tx := ledger.Begin(store, w.Now, ledger.Caller{})
	n, err := govern.Load(tx)
	if err != nil {
		w.t.Fatal(err)
	}
	return reward.Audit(tx, n)
}

// Submit returns a record of the content.
func Submit(content string) *ops.RecordSubmit {
	c := canon.Sum([]byte(content))
	return &ops.RecordSubmit{Schema: "plain", Commitment: canon.Hex(c[:]), Size: uint64(len(content)), Location: "https://example.org/" + strings.ReplaceAll(content, " ", "-")}
}

// Pay returns a payment; lines are a *User and an int in turn.
func Pay(asset string, lines ...any) *ops.RewardPay {
	p := &ops.RewardPay{Asset: asset}
	for i := 0; i < len(lines); i += 2 {
		p.Lines = append(p.Lines, reward.Line{To: lines[i].(*User).DID, Amount: reward.Amount(lines[i+1].(int))})
	}
	return p
}

// CosignKey returns the key of the member's Ed25519 cosignatures.
func (m Member) CosignKey() ed25519.PrivateKey { return m.ed25519 }

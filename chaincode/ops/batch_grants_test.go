package ops_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// market is a naive ledger of grants: what each operation of a history must answer, by
// docs/formats/operation.md alone.
type market struct {
	w        *opstest.World
	random   *rand.Rand
	users    []*opstest.User
	money    map[*opstest.User]int
	records  []*marketRecord
	grants   []*marketGrant
	items    []ops.Item
	expected []fault.Code
}

type marketRecord struct {
	ref   string
	owner *opstest.User
	prior string // of its one version
	gone  bool
}

type marketGrant struct {
	ref         string
	of          *marketRecord
	client      *opstest.User // nil: anyone
	price       int
	uses, used  int // uses 0: any number
	over, ended bool
}

func newMarket(w *opstest.World, random *rand.Rand) *market {
	m := &market{w: w, random: random, money: map[*opstest.User]int{}}
	for i := range 4 {
		u := opstest.NewUser(fmt.Sprint("market ", i))
		w.Create(u)
		w.Fund(u, 100)
		m.users, m.money[u] = append(m.users, u), 100
	}
	return m
}

func (m *market) add(by *opstest.User, body ops.Body, prior string, code fault.Code) string {
	item, ref := m.w.Sign(by, body, prior)
	m.items, m.expected = append(m.items, item), append(m.expected, code)
	return ref.String()
}

func (m *market) user() *opstest.User { return m.users[m.random.IntN(len(m.users))] }

// one says so once in n times.
func (m *market) one(n int) bool { return m.random.IntN(n) == 0 }

func (m *market) submit() {
	by, body := m.user(), opstest.Submit(fmt.Sprint("market ", len(m.items)))
	commitment, err := canon.UnHex32(body.Commitment)
	if err != nil {
		panic(err) // it was made above
	}
	v := record.Value{Status: record.Live, Version: 1, Owner: by.ID, Commitment: commitment, Size: body.Size, Schema: body.Schema, Location: body.Location}
	m.records = append(m.records, &marketRecord{ref: m.add(by, body, "", fault.OK), owner: by, prior: ledger.Version(v.Encode())})
}

func (m *market) remove() {
	r, by, code := m.records[m.random.IntN(len(m.records))], m.user(), fault.OK
	switch {
	case by != r.owner:
		code = fault.NotOwner
	case r.gone:
		code = fault.Deleted
	}
	m.add(by, &ops.RecordDelete{Record: r.ref}, r.prior, code)
	r.gone = r.gone || code == fault.OK
}

func (m *market) allow() {
	r, by := m.records[m.random.IntN(len(m.records))], m.user()
	if !m.one(4) {
		by = r.owner
	}
	g := &marketGrant{of: r, client: m.user(), price: m.random.IntN(60), uses: m.random.IntN(3), over: m.one(6)}
	if g.client == by || m.one(2) {
		g.client = nil
	}
	body := &ops.RecordAllow{
		Record: r.ref, Client: record.Anyone, Operation: "read", Scope: []string{"/a", "/b"}, Asset: "usd", Price: record.Price(g.price), Expires: m.w.Now + 7200,
	}
	if g.over {
		body.Expires = m.w.Now + 60
	}
	if g.client != nil {
		body.Client = g.client.DID
	}
	if uses := uint64(g.uses); uses > 0 {
		body.Uses = &uses
	}
	code := fault.OK
	switch {
	case by != r.owner:
		code = fault.NotOwner
	case r.gone:
		code = fault.Deleted
	}
	if g.ref = m.add(by, body, "", code); code == fault.OK {
		m.grants = append(m.grants, g)
	}
}

func (m *market) withdraw() {
	g, by, code := m.grants[m.random.IntN(len(m.grants))], m.user(), fault.OK
	switch {
	case by != g.of.owner:
		code = fault.NotOwner
	case g.ended:
		code = fault.AlreadyDone
	}
	m.add(by, &ops.RecordWithdraw{Grant: g.ref}, "", code)
	g.ended = g.ended || code == fault.OK
}

func (m *market) use() {
	g, by := m.grants[m.random.IntN(len(m.grants))], m.user()
	if g.client != nil && !m.one(4) {
		by = g.client
	}
	if by == g.of.owner {
		return
	}
	u := &ops.AttestUse{
		Grant: g.ref, Record: g.of.ref, Version: 1, Owner: g.of.owner.DID, Operation: "read", Path: "/b/c", Asset: "usd", Price: reward.Amount(g.price),
	}
	if m.one(12) {
		u.Operation = "copy"
	}
	if m.one(12) {
		u.Path = "/c"
	}
	if m.one(12) {
		u.Version = 2
	}
	if m.one(12) {
		u.Price++
	}
	code := fault.OK
	switch {
	case int(u.Price) != g.price:
		code = fault.GrantDiffers
	case g.ended:
		code = fault.GrantWithdrawn
	case g.client != nil && g.client != by:
		code = fault.NotGrantee
	case u.Operation != "read":
		code = fault.NotGranted
	case u.Path == "/c":
		code = fault.OutOfScope
	case g.over:
		code = fault.GrantExpired
	case g.uses > 0 && g.used == g.uses:
		code = fault.GrantUsedUp
	case g.of.gone:
		code = fault.Deleted
	case u.Version != 1:
		code = fault.VersionChanged
	case m.money[by] < g.price:
		code = fault.InsufficientFunds
	}
	m.add(by, u, "", code)
	if code == fault.OK {
		g.used++
		m.money[by] -= g.price
	}
}

// GR-2, OP-5: a history of grants and uses answers what a naive ledger does, leaves the
// money that it says, and is the same in any split into batches.
func TestGrantsAgainstModel(t *testing.T) {
	seen := map[fault.Code]bool{}
	for seed := range uint64(3) {
		w := opstest.New(t)
		m := newMarket(w, rand.New(rand.NewPCG(seed, 77)))
		for len(m.items) < 150 {
			switch n := m.random.IntN(12); {
			case n < 2 || len(m.records) == 0:
				m.submit()
			case n < 5 || len(m.grants) == 0:
				m.allow()
			case n < 6:
				m.withdraw()
			case n < 7 && m.one(2):
				m.remove()
			default:
				m.use()
			}
		}
		start := w.Store.Clone()
		for i, got := range w.Batch(m.items...) {
			if seen[fault.Code(got)] = true; fault.Code(got) != m.expected[i] {
				t.Fatalf("seed %d, operation %d: %v, want %v", seed, i, fault.Code(got), m.expected[i])
			}
		}
		w.Audit()
		for _, u := range m.users {
			var v reward.BalanceView
			if w.Read("reward:Balance", reward.BalanceQuery{DID: u.DID, Asset: "usd"}, &v); int(v.Balance) != m.money[u] {
				t.Errorf("seed %d: %s has %d, want %d", seed, u.DID, v.Balance, m.money[u])
			}
		}
		w.Store = start
		sameInAnySplit(t, w, m.random, m.items)
	}
	for _, code := range []fault.Code{
		fault.OK, fault.GrantDiffers, fault.GrantWithdrawn, fault.NotGrantee, fault.NotGranted, fault.OutOfScope, fault.GrantExpired, fault.GrantUsedUp,
		fault.Deleted, fault.VersionChanged, fault.InsufficientFunds, fault.NotOwner, fault.AlreadyDone,
	} {
		if !seen[code] {
			t.Errorf("no operation is refused as %v", code)
		}
	}
}

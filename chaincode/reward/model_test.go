package reward_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"sort"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// model is the reward ledger as one would write it without Fabric in mind: maps
// and whole epochs at once.
type model struct {
	balance  map[string]int64            // by payer
	credit   map[uint64]map[string]int64 // by epoch and payee
	due      map[string]*big.Int
	assigned map[string]map[string]int64 // by vault and payee
	funded   map[string][]int64          // by vault, of each member
	holds    []*modelHold
	epoch    uint64
	folded   uint64
}

func newModel() *model {
	return &model{
		balance: map[string]int64{}, credit: map[uint64]map[string]int64{}, due: map[string]*big.Int{},
		assigned: map[string]map[string]int64{opstest.EVMVault: {}, opstest.TronVault: {}},
		funded:   map[string][]int64{opstest.EVMVault: {0, 0, 0, 0}, opstest.TronVault: {0, 0, 0, 0}}, epoch: 1,
	}
}

func (m *model) pay(from string, to []string, amounts []int64) bool {
	sum := int64(0)
	for _, a := range amounts {
		sum += a
	}
	if m.balance[from] < sum {
		return false
	}
	m.balance[from] -= sum
	for i := range to {
		if m.credit[m.epoch] == nil {
			m.credit[m.epoch] = map[string]int64{}
		}
		m.credit[m.epoch][to[i]] += amounts[i]
	}
	return true
}

// fold assigns everything due after the next epoch, vault by vault.
func (m *model) fold(vaultOf map[string]string) {
	m.folded++
	for payee, amount := range m.credit[m.folded] {
		if m.due[payee] == nil {
			m.due[payee] = new(big.Int)
		}
		m.due[payee].Add(m.due[payee], big.NewInt(amount))
	}
	for vault, assigned := range m.assigned {
		confirmed := append([]int64{}, m.funded[vault]...)
		sort.Slice(confirmed, func(i, j int) bool { return confirmed[i] > confirmed[j] })
		available := confirmed[2] // K is 3
		for _, a := range assigned {
			available -= a
		}
		var payees []string
		want := new(big.Int)
		for payee, due := range m.due {
			if vaultOf[payee] == vault && due.Sign() > 0 {
				payees = append(payees, payee)
				want.Add(want, due)
			}
		}
		share(m.due, assigned, payees, want, available)
	}
}

// share gives everything, or in proportion with the largest remainders rounded
// up, in the order of the payees' names where they are equal.
func share(due map[string]*big.Int, assigned map[string]int64, payees []string, want *big.Int, available int64) {
	if available <= 0 {
		return
	}
	if want.Cmp(big.NewInt(available)) <= 0 {
		for _, p := range payees {
			assigned[p] += due[p].Int64()
			due[p].SetInt64(0)
		}
		return
	}
	remainder := map[string]*big.Int{}
	left := available
	for _, p := range payees {
		product := new(big.Int).Mul(due[p], big.NewInt(available))
		q, r := new(big.Int).QuoRem(product, want, new(big.Int))
		assigned[p] += q.Int64()
		due[p].Sub(due[p], q)
		remainder[p] = r
		left -= q.Int64()
	}
	sort.Slice(payees, func(i, j int) bool {
		if c := remainder[payees[i]].Cmp(remainder[payees[j]]); c != 0 {
			return c > 0
		}
		return payees[i] < payees[j]
	})
	for _, p := range payees[:left] {
		assigned[p]++
		due[p].Sub(due[p], big.NewInt(1))
	}
}

// game plays random operations on the ledger and on the model.
type game struct {
	*opstest.World
	t       *testing.T
	model   *model
	random  *rand.Rand
	users   []*opstest.User
	vaultOf map[string]string // by id, empty without preference
	size    uint64
}

func newGame(t *testing.T, number uint64) *game {
	g := &game{
		World: opstest.New(t), t: t, model: newModel(), random: rand.New(rand.NewPCG(number, 7)), vaultOf: map[string]string{},
	}
	for i := range 9 {
		u := opstest.NewUser(fmt.Sprint("player ", i))
		switch i % 3 {
		case 0:
			g.Create(u, "eip155:1337")
			g.vaultOf[u.ID.String()] = opstest.EVMVault
		case 1:
			g.Create(u, "tron:0x2b6653dc", "eip155:1337")
			g.vaultOf[u.ID.String()] = opstest.TronVault
		default:
			g.Create(u)
		}
		g.users = append(g.users, u)
	}
	return g
}

func (g *game) payment() (ops.Item, *opstest.User, []string, []int64) {
	from := g.users[g.random.IntN(len(g.users))]
	body := &ops.RewardPay{Asset: "usd"}
	var to []string
	var amounts []int64
	for _, i := range g.random.Perm(len(g.users))[:1+g.random.IntN(4)] {
		if u := g.users[i]; u != from {
			a := 1 + g.random.Int64N(1<<g.random.IntN(20))
			body.Lines = append(body.Lines, reward.Line{To: u.DID, Amount: reward.Amount(a)})
			to, amounts = append(to, u.ID.String()), append(amounts, a)
		}
	}
	if len(to) == 0 {
		return g.payment()
	}
	item, _ := g.World.Sign(from, body, "")
	return item, from, to, amounts
}

func (g *game) batch() {
	var items []ops.Item
	var want []byte
	for range 1 + g.random.IntN(30) {
		item, from, to, amounts := g.payment()
		items = append(items, item)
		code := byte(0)
		if !g.model.pay(from.ID.String(), to, amounts) {
			code = byte(fault.InsufficientFunds)
		}
		want = append(want, code)
	}
	if got := g.Batch(items...); string(got) != string(want) {
		g.t.Fatalf("results %v, want %v", got, want)
	}
}

func (g *game) fundSome() {
	u := g.users[g.random.IntN(len(g.users))]
	a := 1 + g.random.Int64N(1<<22)
	g.Fund(u, reward.Amount(a))
	g.model.balance[u.ID.String()] += a
}

func (g *game) confirm() {
	vault := []string{opstest.EVMVault, opstest.TronVault}[g.random.IntN(2)]
	i := g.random.IntN(4)
	a := g.model.funded[vault][i] + 1 + g.random.Int64N(1<<g.random.IntN(22))
	_, err := g.Invoke(g.Members[i].Caller(), "reward:Reserve", reward.Reserve{Vault: vault, Funded: reward.Amount(a)})
	if fault.Of(err) == fault.NotDue && g.model.funded[vault][i] > 0 {
		return // an epoch is being folded
	}
	if err != nil {
		g.t.Fatal(err)
	}
	g.model.funded[vault][i] = a
}

func (g *game) cut() {
	g.size++
	g.Now += 61
	g.Checkpoint(g.size, g.Now)
	_, err := g.Invoke(g.Members[2].Caller(), "reward:Cut", nil)
	switch fault.Of(err) {
	case fault.OK:
		g.model.epoch++
	case fault.NotDue: // the first checkpoint opens the first epoch
	default:
		g.t.Fatal(err)
	}
}

func (g *game) foldOne() {
	waiting := g.model.folded+1 < g.model.epoch
	for {
		answer, err := g.Invoke(g.Members[3].Caller(), "reward:Fold", nil)
		if !waiting {
			if fault.Of(err) != fault.NotDue {
				g.t.Fatalf("fold with nothing to fold: %v", err)
			}
			return
		}
		if err != nil {
			g.t.Fatal(err)
		}
		g.Audit()
		var folded reward.Folded
		if err := json.Unmarshal(answer, &folded); err != nil {
			g.t.Fatal(err)
		}
		if folded.Done {
			g.model.fold(g.vaultOf)
			return
		}
		if g.random.IntN(2) == 0 {
			g.batch() // payments go on while an epoch is folded
		}
	}
}

// compare checks every account against the model.
func (g *game) compare() {
	g.t.Helper()
	for _, u := range g.users {
		id := u.ID.String()
		var v reward.BalanceView
		g.Read("reward:Balance", reward.BalanceQuery{DID: u.DID, Asset: "usd"}, &v)
		pending := int64(0)
		for epoch, credits := range g.model.credit {
			if epoch > g.model.folded {
				pending += credits[id]
			}
		}
		due := new(big.Int)
		if d := g.model.due[id]; d != nil {
			due = d
		}
		assigned := int64(0)
		if vault := g.vaultOf[id]; vault != "" {
			assigned = g.model.assigned[vault][id]
		}
		got := fmt.Sprint(v.Balance, v.Pending, v.Due, v.Assigned)
		if want := fmt.Sprint(g.model.balance[id], pending, due, assigned); got != want {
			g.t.Fatalf("%s: balance, pending, due, assigned are %s, want %s", id, got, want)
		}
	}
	g.compareHolds()
}

// RW-1 to RW-8: random histories agree with the naive model after every step,
// and Audit finds nothing.
func TestAgainstModel(t *testing.T) {
	for number := range uint64(6) {
		t.Run(fmt.Sprint("game ", number), func(t *testing.T) {
			g := newGame(t, number)
			for range 80 {
				switch g.random.IntN(12) {
				case 0, 1:
					g.fundSome()
				case 2:
					g.confirm()
				case 3:
					g.cut()
				case 4:
					g.foldOne()
				case 5:
					g.withdraw()
				case 6, 7:
					g.spend()
				case 8:
					g.settle()
				default:
					g.batch()
				}
				g.Audit()
				g.compare()
			}
		})
	}
}

// Many payees: pages end in the middle of every stage, the reserve covers a
// part, and remainders are shared out one by one.
func TestFoldInPages(t *testing.T) {
	g := newGame(t, 99)
	g.users = g.users[:0]
	clear(g.vaultOf)
	const payees = 2300
	fund := reward.Fund{ID: canon.Hex(opstest.Seed("many")), Asset: "usd"}
	payer := opstest.NewUser("payer")
	g.Create(payer)
	fund.To, fund.Amount = payer.DID, 1<<50
	g.Must(g.Members[0].Caller(), "reward:Fund", fund)
	g.model.balance[payer.ID.String()] = 1 << 50
	var items []ops.Item
	for i := range payees {
		u := opstest.NewUser(fmt.Sprint("payee ", i))
		body := &ops.DIDCreate{Document: u.Doc}
		if i%10 != 0 {
			link := u.Link("eip155:1337")
			body.Links, body.Payout = append(body.Links, link), link.Account
			g.vaultOf[u.ID.String()] = opstest.EVMVault
		}
		item, _ := g.World.Sign(u, body, "")
		items = append(items, item)
		g.users = append(g.users, u)
	}
	for rest := items; len(rest) > 0; rest = rest[min(len(rest), 500):] {
		g.Batch(rest[:min(len(rest), 500)]...)
	}
	items = nil
	for i := 0; i < payees; i += 10 {
		body := &ops.RewardPay{Asset: "usd"}
		var to []string
		var amounts []int64
		for _, u := range g.users[i : i+10] {
			a := 1 + g.random.Int64N(1000)
			body.Lines = append(body.Lines, reward.Line{To: u.DID, Amount: reward.Amount(a)})
			to, amounts = append(to, u.ID.String()), append(amounts, a)
		}
		item, _ := g.World.Sign(payer, body, "")
		items = append(items, item)
		g.model.pay(payer.ID.String(), to, amounts)
	}
	g.Batch(items...)
	for epoch, funded := range []reward.Amount{700_003, 1 << 40} { // about two thirds, then all
		for i := range 3 {
			g.Must(g.Members[i].Caller(), "reward:Reserve", reward.Reserve{Vault: opstest.EVMVault, Funded: funded})
			g.model.funded[opstest.EVMVault][i] = int64(funded)
		}
		g.cut()
		g.cut()
		pages := 0
		for done := false; !done; pages++ {
			tx := ledger.Begin(g.Store, g.Now, ledger.Caller{})
			answer, err := g.Engine.Invoke(tx, "reward:Fold", nil)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(tx.Changes()); n > 4*1000+10 {
				t.Fatalf("a page of %d writes", n)
			}
			if err := tx.Flush(); err != nil {
				t.Fatal(err)
			}
			var folded reward.Folded
			if err := json.Unmarshal(answer, &folded); err != nil {
				t.Fatal(err)
			}
			done = folded.Done
			g.Audit()
		}
		g.model.fold(g.vaultOf)
		if pages < 5 {
			t.Errorf("epoch %d took %d pages, want several", epoch+1, pages)
		}
		g.compareSome()
	}
}

func (g *game) compareSome() {
	all := g.users
	g.users = nil
	for i := 0; i < len(all); i += 97 {
		g.users = append(g.users, all[i])
	}
	g.compare()
	g.users = all
}

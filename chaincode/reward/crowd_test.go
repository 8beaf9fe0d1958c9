package reward_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// crowd is a ledger with very many payees, of whom each has an account on a chain. They
// are put into the state by hand: folding looks at accounts and postings alone.
type crowd struct {
	*opstest.World
	tb    testing.TB
	payer *opstest.User
	ids   []ledger.ID
	size  uint64
}

// newCrowd has each of so many payees credited once, together with others in a
// transaction, or alone when that is 1.
func newCrowd(tb testing.TB, payees, together int) *crowd {
	tb.Helper()
	c := &crowd{World: opstest.New(tb), tb: tb, payer: opstest.NewUser("payer")}
	c.Create(c.payer)
	c.Fund(c.payer, 1<<50)
	for i := range payees {
		h := canon.Sum(fmt.Append(nil, "payee ", i))
		c.ids = append(c.ids, ledger.ID(h[:20]))
		account := canon.Account{Chain: evm, Address: [20]byte(h[12:])}.String()
		a := &did.Accounts{Linked: []did.Linked{{Leaf: did.Leaf(h), Account: account}}, Payouts: []did.Payout{{Epoch: 1, Account: account}}}
		if err := c.Store.Put(did.AccountsKey(c.ids[i]), a.Encode()); err != nil {
			tb.Fatal(err)
		}
	}
	for from := 0; from < payees; from += together {
		if err := c.Run(c.credit(from, min(from+together, payees))); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

// credit pays some of the payees out of a hold, each another amount.
func (c *crowd) credit(from, to int) func(*ledger.Tx, *govern.Network) error {
	call := c.Call(c.payer)
	return func(tx *ledger.Tx, n *govern.Network) error {
		var lines []reward.Credit
		var sum reward.Amount
		for i := from; i < to; i++ {
			a := reward.Amount(1 + i%1000)
			lines, sum = append(lines, reward.Credit{Payee: c.ids[i], Amount: a}), sum+a
		}
		if err := reward.Spend(tx, call, n, "usd", sum); err != nil {
			return err
		}
		_, err := reward.Release(tx, call, n, call.Ref, lines, 0)
		return err
	}
}

// cut ends the epoch.
func (c *crowd) cut() {
	c.tb.Helper()
	c.Now += 61
	for range 2 { // the first checkpoint of all opens the first epoch
		c.size++
		c.Checkpoint(c.size, c.Now+61*c.size)
	}
	c.Must(ledger.Caller{}, "reward:Cut", nil)
}

// reserve has the members confirm what is in the vault.
func (c *crowd) reserve(funded reward.Amount) {
	c.tb.Helper()
	for _, m := range c.Members[:3] {
		c.Must(m.Caller(), "reward:Reserve", reward.Reserve{Vault: opstest.EVMVault, Funded: funded})
	}
}

// fold folds what was cut, page by page, and returns the roots of the last page.
func (c *crowd) fold() (pages int) {
	c.tb.Helper()
	for done := false; !done; pages++ {
		var folded reward.Folded
		if err := json.Unmarshal(c.Must(ledger.Caller{}, "reward:Fold", nil), &folded); err != nil {
			c.tb.Fatal(err)
		}
		done = folded.Done
	}
	return pages
}

// perKey bounds what Fabric writes down for a key that is read or written, beside key and
// value: version, lengths and tags.
const perKey = 32

// Of a range of more than degree rows Fabric writes down at most so many hashes
// (core/ledger/kvledger/txmgmt/txmgr, maxDegreeQueryReadsHashing), else its rows.
const degree = 50

// meter bounds the bytes of a transaction's read-write set, at the seam at which the
// contract reads and flushes.
type meter struct {
	*ledger.Memory
	read, written int // bytes
}

func (m *meter) Get(key string) ([]byte, error) {
	m.read += len(key) + perKey
	return m.Memory.Get(key)
}

func (m *meter) GetMany(keys []string) ([][]byte, error) {
	for _, key := range keys {
		m.read += len(key) + perKey
	}
	return m.Memory.GetMany(keys)
}

func (m *meter) Range(from, to string, limit int) ([]ledger.Entry, error) {
	rows, err := m.Memory.Range(from, to, limit)
	m.read += len(from) + len(to) + perKey
	for _, e := range rows[:min(len(rows), degree)] {
		m.read += len(e.Key) + perKey // more than a hash
	}
	return rows, err
}

func (m *meter) Put(key string, value []byte) error {
	m.written += len(key) + len(value) + perKey
	return m.Memory.Put(key, value)
}

func (m *meter) Delete(key string) error {
	m.written += len(key) + perKey
	return m.Memory.Delete(key)
}

// page runs one page and keeps it; it returns what it costs to write down.
func (c *crowd) page() (m *meter, folded reward.Folded) {
	c.tb.Helper()
	m = &meter{Memory: c.Store}
	tx := ledger.Begin(m, c.Now, ledger.Caller{})
	answer, err := c.Engine.Invoke(tx, "reward:Fold", nil)
	if err == nil {
		err = tx.Flush()
	}
	if err == nil {
		err = json.Unmarshal(answer, &folded)
	}
	if err != nil {
		c.tb.Fatal(err)
	}
	return m, folded
}

// fillSubtree makes a vault's tree with so many leaves in the subtree of the first payee.
func (c *crowd) fillSubtree(leaves int) {
	c.tb.Helper()
	accounts, err := did.ReadAccounts(ledger.Begin(c.Store, c.Now, ledger.Caller{}), c.ids[0])
	if err != nil {
		c.tb.Fatal(err)
	}
	paid, ok := accounts.Paid(1)
	if !ok {
		c.tb.Fatal("the first payee has no account")
	}
	subtree := reward.SubtreeOf(paid.Address)
	prefix := "total/" + opstest.EVMVault + "/" + canon.Hex([]byte{subtree}) + "/"
	for i := range leaves {
		var address [20]byte
		binary.BigEndian.PutUint64(address[12:], uint64(i))
		if err := c.Store.Put(prefix+canon.Hex(address[:]), canon.NewRecord(0x41).U64(0).Bytes()); err != nil {
			c.tb.Fatal(err)
		}
	}
	trees := canon.NewRecord(0x42).U64(0)
	for i := range reward.Subtrees {
		trees.Fixed(make([]byte, 48))
		if i == int(subtree) {
			trees.U32(uint32(leaves))
		} else {
			trees.U32(0)
		}
	}
	if err := c.Store.Put("subtrees/"+opstest.EVMVault, trees.Bytes()); err != nil {
		c.tb.Fatal(err)
	}
}

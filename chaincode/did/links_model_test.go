package did_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// crowd is a ledger on which holders of DIDs contend for the same chain accounts.
type crowd struct {
	*opstest.World
	t      *testing.T
	random *rand.Rand
	epoch  uint64
	turn   int
	people []*holder
	keys   []*opstest.User // of whose chain keys the accounts are
}

type holder struct {
	*opstest.User
	hot       opstest.Signer
	recovery  opstest.Key
	gone      bool
	paid      map[uint64]string // by epochs that had begun
	recovered uint64            // the last epoch in which it was
}

func (c *crowd) person() {
	p := &holder{User: opstest.NewUser(fmt.Sprint("crowd ", len(c.people))), paid: map[uint64]string{}}
	p.hot, p.recovery = p.User, p.Recovery
	c.Create(p.User)
	c.people = append(c.people, p)
	c.note(p)
}

// note keeps what is paid in the epoch that begins, for good.
func (c *crowd) note(p *holder) { p.paid[c.epoch] = c.paidIn(p, c.epoch) }

func (c *crowd) paidIn(p *holder, epoch uint64) string {
	account, ok, err := did.PaidIn(ledger.Begin(c.Store, c.Now, ledger.Caller{}), p.ID, epoch)
	if err != nil {
		c.t.Fatal(err)
	}
	if ok {
		return account.String()
	}
	return ""
}

func (c *crowd) try(by opstest.Signer, body ops.Body, prior string) fault.Code {
	item, _ := c.Sign(by, body, prior)
	return fault.Code(c.Batch(item)[0])
}

// account is one of those for which all contend, or nobody's.
func (c *crowd) account() (*opstest.User, string) {
	u := c.keys[c.random.IntN(len(c.keys))]
	return u, u.Account(mainnet).String()
}

// play lets somebody do something.
func (c *crowd) play() {
	c.turn++
	p := c.people[c.random.IntN(len(c.people))]
	by, account := c.account()
	switch n := c.random.IntN(20); {
	case n < 2:
		c.epoch++
		c.SetEpoch(c.epoch)
		for _, p := range c.people {
			c.note(p)
		}
	case n < 8:
		prior := c.Prior(p.User)
		proof := canon.SignDigest(by.Chain, canon.LinkDigest(p.DID, by.Account(mainnet), prior))
		salt := opstest.Seed(fmt.Sprint(c.random.IntN(2)))
		c.try(p.hot, &ops.DIDLink{Account: account, Proof: canon.B64(proof[:]), Salt: canon.B64(salt)}, prior)
	case n < 12:
		if leaves := c.Linked(p.User).Leaves; len(leaves) > 0 {
			c.try(p.hot, &ops.DIDUnlink{Leaf: leaves[c.random.IntN(len(leaves))].Leaf}, c.Prior(p.User))
		}
	case n < 16:
		if c.random.IntN(4) == 0 {
			account = ""
		}
		c.try(p.hot, &ops.DIDPrefer{Payout: account}, "")
	case n < 19:
		if c.random.IntN(2) == 0 {
			account = ""
		}
		name := fmt.Sprint("turn", c.turn)
		spare, next := opstest.NewKey(name+" spare", did.EdDSA), opstest.NewKey(name, did.EdDSA)
		body := &ops.DIDRecover{Key: p.recovery.Multikey, Document: opstest.Recoverable(spare, name, next), Payout: account}
		if c.try(p.With(p.recovery, "recovery"), body, "") == fault.OK {
			p.hot, p.recovery, p.recovered = p.With(next, name), spare, c.epoch
		}
	case c.random.IntN(3) == 0:
		if c.try(p.With(p.recovery, "recovery"), &ops.DIDDeactivate{Key: p.recovery.Multikey}, "") == fault.OK {
			p.gone = true
			c.person()
		}
	}
}

// check compares what is stored under accounts with what is stored under DIDs, and what
// is paid with what was to be paid when its epoch began.
func (c *crowd) check() {
	held, gone := map[string]string{}, map[string]bool{} // what link/<account> must be; ids that ended
	for _, p := range c.people {
		gone[p.ID.String()] = p.gone
		c.linked(p, held)
		for epoch, was := range p.paid {
			got := c.paidIn(p, epoch)
			if epoch+60 > c.epoch && got != was && (epoch < c.epoch || p.recovered != epoch) {
				c.t.Fatalf("turn %d, epoch %d: what epoch %d brought %s is paid to %q, and was to be to %q", c.turn, c.epoch, epoch, p.DID, got, was)
			}
			if epoch == c.epoch {
				p.paid[epoch] = got
			}
		}
	}
	for _, u := range c.keys {
		account := u.Account(mainnet).String()
		stored, err := c.Store.Get(did.LinkKey(account))
		var stands struct {
			ID    string `json:"id"`
			Until uint64 `json:"until"`
		}
		if err == nil && stored != nil {
			err = canon.Decode(stored, &stands)
		}
		free := stored == nil || stands.Until != 0 && (stands.Until <= c.epoch || gone[stands.ID])
		if want := held[account]; err != nil || want != string(stored) && (want != "" || !free) {
			c.t.Fatalf("turn %d, epoch %d: %s is held as %s, want %s: %v", c.turn, c.epoch, account, stored, want, err)
		}
	}
}

// linked notes who must hold the accounts that are linked to a DID, or were when the
// epoch began.
func (c *crowd) linked(p *holder, held map[string]string) {
	accounts := c.Accounts(p.User)
	if p.gone && len(accounts.Linked) > 0 {
		c.t.Fatalf("turn %d: %s is deactivated and has %+v", c.turn, p.DID, accounts.Linked)
	}
	var live []did.Leaf
	own := map[string]uint64{}
	for _, l := range accounts.Linked {
		if _, twice := own[l.Account]; twice && own[l.Account] == 0 && l.Until == 0 {
			c.t.Fatalf("turn %d: %s is linked twice to %s", c.turn, l.Account, p.DID)
		}
		switch {
		case l.Until == 0:
			live, own[l.Account] = append(live, l.Leaf), 0
		case l.Until > c.epoch:
			own[l.Account] = l.Until // one that is linked anew comes later
		}
	}
	for account, until := range own {
		if held[account] != "" {
			c.t.Fatalf("turn %d: %s is linked to %s and another DID", c.turn, account, p.DID)
		}
		held[account] = fmt.Sprintf(`{"id":%q,"until":%d}`, p.ID, until)
	}
	if root, err := did.Root(live); err != nil || c.Linked(p.User).Root != root {
		c.t.Fatalf("turn %d: the root of %s is not that of its leaves: %v", c.turn, p.DID, err)
	}
}

// ID-2, ID-6: however holders contend for accounts, each is one DID's, what is stored
// under the account says so, and what an epoch that had begun brings goes where it was to
// go then, unless the recovery key says otherwise within it.
func TestLinksAgainstModel(t *testing.T) {
	for seed := range uint64(6) {
		c := &crowd{World: opstest.New(t), t: t, random: rand.New(rand.NewPCG(seed, 23)), epoch: 1}
		for i := range 3 {
			c.keys = append(c.keys, opstest.NewUser(fmt.Sprint("contended ", i)))
		}
		for range 3 {
			c.person()
		}
		for range 400 {
			c.play()
			c.check()
		}
	}
}

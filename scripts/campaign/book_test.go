package campaign_test

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
)

const (
	period = 3 * time.Second // between blocks
	amount = 500             // of each payment
)

// ground is a chain under the test's hand, and our account there.
type ground interface {
	// dial opens the real driver, through the wires.
	dial() send.Chain
	id() string
	now() time.Time
	pass(time.Duration)
	// block lets a period pass and makes a block, full or empty.
	block(full bool)
	// depth is how many blocks may still be left.
	depth() int
	// reorg leaves the newest blocks. What was in them comes back later, is
	// forgotten, or has its place taken by something else.
	reorg(how string, depth int)
	forget()
	// setback has the payments that wait fail in the next block.
	setback(kind int)
	// spike makes blocks so full that fees rise, or blocks that no one makes.
	spike(blocks int)
	// foreign uses our key behind the sender's back.
	foreign(gap bool)
	// stranger puts somebody else's delivery among what waits.
	stranger(in send.Intent)
	// heal undoes setbacks.
	heal()
	// head is that of AnchorLog at the newest block.
	head() contracts.Checkpoint
	// holds reports what an intent's view says, by no wire.
	holds(in send.Intent, at send.Head) bool
	contracts() (token, log send.Address)
	// blocks reads the chain again: our transactions in it, in order.
	landed() []landing
	// again sends what was ever sent to the node once more, and makes blocks.
	again()
	ledger() *book
}

// landing is a transaction of ours in a block.
type landing struct {
	id    string
	call  string // what it does: sent.call
	ok    bool
	block uint64
	hash  []byte
	cost  uint64
	fee   string
}

// sent is a transaction of ours that reached a node.
type sent struct {
	id    string
	call  string // contract and calldata
	nonce uint64
	raw   []byte
	until int64 // expiration, in ms; 0 where nonces count
}

// book holds what was sent, whatever the journal says, and which rules that broke.
type book struct {
	t     testing.TB
	mu    sync.Mutex
	all   []sent
	rules []string
	own   map[string]bool // transactions made by the harness with our key
	wires []*wire
	lost  bool // the journal was lost: what is known only there may be sent twice
	// ended reports whether a transaction can change nothing any more.
	ended func(sent) bool
	// moot reports whether an intent's change is there, or too late, at the newest block.
	moot func(send.Intent) bool
	seen map[string]bool // calls of intents that were moot when the sender had a turn
}

func callOf(to send.Address, data []byte) string { return string(to[:]) + string(data) }

func (b *book) broke(format string, args ...any) {
	b.rules = append(b.rules, fmt.Sprintf(format, args...))
}

// add writes down a transaction that reaches a node, and checks what must hold of it
// beside those before: two of one intent can never both land, and two intents share a
// nonce only where the first one's change was on the chain, or too late, for all that the
// sender could see: one of the two dies, and if it was the wrong one, for a block was
// left, it is signed anew.
func (b *book) add(s sent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range b.all {
		if o.id == s.id {
			return
		}
	}
	for _, o := range b.all {
		same, expire := o.call == s.call, s.until != 0
		switch {
		case same && (expire || o.nonce != s.nonce) && !b.lost && !b.ended(o):
			b.broke("two live transactions of one intent: %x (nonce %d) and %x (nonce %d)", o.id, o.nonce, s.id, s.nonce)
		case !same && !expire && o.nonce == s.nonce && !b.lost && !b.seen[o.call]:
			b.broke("nonce %d is that of two intents: %x and %x", s.nonce, o.id, s.id)
		}
	}
	b.all = append(b.all, s)
}

// look notices which intents nothing is wanted of at this moment.
func (b *book) look(plans []send.Intent) {
	for _, in := range plans {
		if call := callOf(in.To, in.Data); !b.seen[call] && b.moot(in) {
			b.mu.Lock()
			b.seen[call] = true
			b.mu.Unlock()
		}
	}
}

// turn begins a new page: what was sent so far is no more the next sender's.
func (b *book) turn(landed []landing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range landed {
		b.own[l.id] = true
	}
	b.all, b.rules, b.lost = nil, nil, false
}

func keyOf(name string) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		panic(err)
	}
	return key
}

func addressOf(name string) common.Address { return crypto.PubkeyToAddress(keyOf(name).PublicKey) }

// payment is the intent to pay a payee of its own. The token would pay a duplicate, too.
func payment(g ground, n int) send.Intent {
	token, _ := g.contracts()
	payee := addressOf(fmt.Sprintf("payee %d", n))
	want := common.BigToHash(big.NewInt(amount))
	return send.Intent{
		ID: fmt.Sprintf("pay/%d", n), To: token, Data: contracts.PackTransfer(payee, big.NewInt(amount)),
		Check: contracts.PackBalanceOf(payee), Want: want[:],
	}
}

var (
	logID  = [32]byte{1}
	signer = func() *secp256k1.PrivateKey {
		seed := canon.Keccak([]byte("member"))
		return secp256k1.PrivKeyFromBytes(seed[:])
	}()
	memberSet = contracts.Set{Version: 1, K: 1, Members: [][20]byte{canon.KeyAddress(signer.PubKey())}}
	leaves    = makeLeaves(200)
)

// tree is the log of the tests.
type tree []tlog.Hash

// ReadHashes implements tlog.HashReader.
func (t tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, t[i])
	}
	return out, nil
}

func makeLeaves(n int64) (hashes tree) {
	for i := range n {
		stored, err := tlog.StoredHashes(i, []byte{byte(i)}, hashes)
		if err != nil {
			panic(err)
		}
		hashes = append(hashes, stored...)
	}
	return hashes
}

// checkpoint is the intent to anchor some blocks more than AnchorLog has: its calldata
// is good on the present head only.
func checkpoint(g ground, more uint64) send.Intent {
	head := g.head()
	_, log := g.contracts()
	size := head.Size + more
	root, err := tlog.TreeHash(int64(size), leaves)
	if err != nil {
		g.ledger().t.Fatal(err)
	}
	var proof [][32]byte
	if head.Size > 0 {
		hashes, err := tlog.ProveTree(int64(size), int64(head.Size), leaves)
		if err != nil {
			g.ledger().t.Fatal(err)
		}
		for _, h := range hashes {
			proof = append(proof, h)
		}
	}
	c := contracts.Checkpoint{Size: size, Root: root, Time: size}
	sig := canon.SignDigest(signer, canon.CheckpointDigest(logID, 1, memberSet.Hash(), c.Size, c.Root, c.Time))
	return send.Intent{
		ID: fmt.Sprintf("anchor/%d/%d", size, head.Size), To: log,
		Data:  contracts.PackSubmit(c, proof, contracts.Signatures{Set: memberSet, Signers: big.NewInt(1), Bytes: sig[:]}),
		Check: contracts.PackSizeReached(size), Want: contracts.True(), Late: contracts.PackSizeReached(head.Size + 1),
	}
}

func late(in send.Intent) send.Intent {
	in.Check, in.Want = in.Late, contracts.True()
	return in
}

// compare holds the journal against the chain: blocks are all that counts.
func compare(b *book, blocks []landing, journal []send.Status) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Clone(b.rules)
	bad := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	effects, ids, known := map[string]int{}, map[string]landing{}, map[string]bool{}
	for _, l := range blocks {
		if _, twice := ids[l.id]; twice {
			bad("transaction %x is in two blocks", l.id)
		}
		ids[l.id] = l
		if l.ok {
			effects[l.call]++
		}
	}
	seen := map[string]bool{}
	for _, s := range b.all {
		seen[s.id] = true
	}
	for _, st := range journal {
		n := effects[callOf(st.To, st.Data)]
		ours := len(st.Tries) > 0 && n > 0
		switch {
		case n > 1 && !b.lost:
			bad("%s happened %d times", st.ID, n)
		case st.Phase.Done() && len(st.Late) == 0 && n == 0 && !b.lost:
			bad("%s is %s and not on the chain", st.ID, st.Phase)
		case !st.Phase.Done() && ours:
			bad("%s is %s (%s) and on the chain", st.ID, st.Phase, st.Why)
		}
		for _, t := range st.Tries {
			known[string(t.ID)] = true
			l, there := ids[string(t.ID)]
			o := t.Outcome
			switch {
			case seen[string(t.ID)] && t.First.IsZero() && !b.lost:
				bad("%s: transaction %x left, and the journal does not say so", st.ID, t.ID)
			case there != (o.State == send.StateMined || o.State == send.StateReverted):
				bad("%s: transaction %x has state %d, in a block: %v", st.ID, t.ID, o.State, there)
			case there && (l.ok != (o.State == send.StateMined) || l.block != o.Block || !bytes.Equal(l.hash, o.BlockHash) ||
				l.cost != o.Cost || l.fee != o.Fee || !o.Final):
				bad("%s: the journal has %+v, the chain %+v", st.ID, o, l)
			}
		}
	}
	for _, l := range blocks {
		if !known[l.id] && !b.own[l.id] && !b.lost {
			bad("transaction %x in block %d is not in the journal", l.id, l.block)
		}
		if !seen[l.id] && !b.own[l.id] {
			bad("transaction %x in block %d came by no wire", l.id, l.block)
		}
	}
	for _, s := range b.all {
		if !known[s.id] && !b.lost {
			bad("transaction %x left without being in the journal", s.id)
		}
	}
	return out
}

package govern

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const (
	// maxChain bounds the elements of a chain: to find where an element belongs a peer
	// hashes as often as there are elements between it and one that it knows.
	maxChain = 1 << 20
	// maxChains bounds the chains of a member that are of use at a time.
	maxChains = 16
	// Reach is how many checkpoints after its own a draw takes elements.
	Reach = 3
)

// Chain is a member's chain of hashes for draws: element i belongs to the draw From + i,
// its hash (canon.ChainWalk) is the element before it, that of the first is Tip. Whoever
// knows an element knows those before it and none after it.
type Chain struct {
	From   uint64 `json:"from"`
	Length uint64 `json:"length"`
	Tip    string `json:"tip"`
}

// chainList is what is stored of a member's chains, by ascending From.
type chainList struct {
	Chains []Chain `json:"chains"`
}

// ChainKey returns the state key of a member's chains.
func ChainKey(msp string) string { return "chain/" + msp }

// ChainOf returns the chain of a member that has the element of a draw, nil when none
// does.
func ChainOf(tx *ledger.Tx, msp string, draw uint64) (*Chain, error) {
	var l chainList
	if err := readJSON(tx, ChainKey(msp), &l); err != nil {
		return nil, err
	}
	for i := len(l.Chains) - 1; i >= 0; i-- {
		if c := l.Chains[i]; c.From <= draw {
			if draw-c.From >= c.Length {
				return nil, nil
			}
			return &c, nil
		}
	}
	return nil, nil
}

// chains are the members' chains.
type chains struct{}

// read returns the member's newest chain.
func (chains) read(tx *ledger.Tx, _ *Network, msp string) ([]byte, error) {
	var l chainList
	if err := readJSON(tx, ChainKey(msp), &l); err != nil {
		return nil, err
	}
	if len(l.Chains) == 0 {
		return []byte(none), nil
	}
	return canon.Marshal(l.Chains[len(l.Chains)-1])
}

// set adds a chain for draws from its From on, in place of what was to come then. From is
// beyond every draw for which a round may wait already or will by the next checkpoints:
// nobody chooses elements for a draw about which something is known.
// Errors: fault.InvalidValue and the codes of bad forms.
func (chains) set(tx *ledger.Tx, n *Network, clock Clock, msp string, value []byte) ([]byte, error) {
	var c Chain
	if err := canon.Decode(value, &c, "from", "length", "tip"); err != nil {
		return nil, err
	}
	if err := n.checkChainOwner(tx, msp); err != nil {
		return nil, err
	}
	if _, err := canon.UnHex32(c.Tip); err != nil {
		return nil, fault.New(fault.InvalidValue, "tip: %s", fault.Text(err))
	}
	if c.Length < 1 || c.Length > maxChain {
		return nil, fault.New(fault.InvalidValue, "length of %d, 1 to %d are allowed", c.Length, maxChain)
	}
	if c.From <= clock.Number+Reach {
		return nil, fault.New(fault.InvalidValue, "from %d must be after %d, since the newest checkpoint is %d", c.From, clock.Number+Reach, clock.Number)
	}
	var l chainList
	if err := readJSON(tx, ChainKey(msp), &l); err != nil {
		return nil, err
	}
	next := l.before(c.From, clock.Number)
	for _, have := range next.Chains {
		if have.Tip == c.Tip {
			return nil, fault.New(fault.InvalidValue, "the chain with this tip begins at %d", have.From)
		}
	}
	if len(next.Chains) >= maxChains {
		return nil, fault.New(fault.InvalidValue, "%s has %d chains that are of use, at most %d are allowed", msp, len(next.Chains), maxChains)
	}
	next.Chains = append(next.Chains, c)
	if err := putJSON(tx, ChainKey(msp), next); err != nil {
		return nil, err
	}
	return canon.Marshal(c)
}

// checkChainOwner refuses a chain of who neither is a member nor is to be one next.
func (n *Network) checkChainOwner(tx *ledger.Tx, msp string) error {
	if n.isMember(msp) {
		return nil
	}
	next, err := NextSet(tx)
	if err != nil {
		return err
	}
	if next == nil || !n.with(next).isMember(msp) {
		return fault.New(fault.InvalidValue, "%.80q is not a member organisation", msp)
	}
	return nil
}

// before returns the chains that are of use besides one that begins at from: those that
// begin before it and have a draw that takes elements still.
func (l *chainList) before(from, head uint64) chainList {
	kept := chainList{[]Chain{}}
	for i, c := range l.Chains {
		if c.From >= from {
			break
		}
		end := min(c.From+c.Length, from)
		if i+1 < len(l.Chains) {
			end = min(end, l.Chains[i+1].From)
		}
		if end-1+Reach > head {
			kept.Chains = append(kept.Chains, c)
		}
	}
	return kept
}

package send

import (
	"context"
	"time"
)

// Address is an account or contract on a chain: 20 bytes, on Tron without the
// 0x41 prefix.
type Address [20]byte

// Intent is one change of a contract that has to happen exactly once. Its ID is
// chosen before anything is signed. Check is the calldata of a view call on To
// that returns exactly Want once the change has happened, whoever caused it:
// the contract, not our journal, is the truth about "did it happen".
//
// Late is for calldata that works only on the state it was made for: a view call on
// To that returns the ABI's true once that state has passed, for ever. Then Data can
// change nothing any more; the intent is given up, and the caller plans another one,
// with an id of its own, for what is left to do.
type Intent struct {
	ID    string // for example "anchor/eip155:1337/4711/4690"; at most 200 bytes
	To    Address
	Data  []byte // calldata of the change
	Check []byte // calldata of the view call
	Want  []byte // its ABI-encoded result once the change has happened
	Late  []byte // calldata of the view call on what passed; empty where Data always works
}

// late is the intent that holds once in is late.
func (in Intent) late() Intent {
	yes := make([]byte, 32)
	yes[31] = 1
	in.Check, in.Want = in.Late, yes
	return in
}

// Attempt is one signed transaction for an intent. Raw is what leaves the
// process; it is on disk before it does. Attempts of one intent on an EVM chain
// share Nonce and calldata; on Tron a second attempt exists only when the first
// is provably dead.
type Attempt struct {
	ID      []byte    // transaction hash (EVM) or id (Tron), 32 bytes
	Raw     []byte    // signed transaction as broadcast
	Nonce   uint64    // EVM account nonce; 0 on Tron
	Expires time.Time // Tron expiration; zero on EVM
	Most    string    // what it costs at most: wei on EVM, sun on Tron, decimal
	Made    time.Time
}

// State is what a chain says of an attempt.
type State int

// The states of an attempt, as far as the asked nodes know.
const (
	StateUnknown  State = iota // no node knows it, and it could still land
	StatePending               // known, not in a block
	StateMined                 // in a canonical block, succeeded
	StateReverted              // in a canonical block, failed; its fee is gone
	StateDead                  // it can never land any more
)

// Outcome is what a chain says of an attempt, and what it cost. Cost is gas on
// EVM and energy on Tron; Fee is wei on EVM and sun on Tron, decimal.
type Outcome struct {
	State     State
	Final     bool // the block is finalized (EVM) or solidified (Tron)
	Block     uint64
	BlockHash []byte
	Cost      uint64
	Bandwidth uint64 // bytes charged on Tron; 0 on EVM
	Fee       string
}

// Head names the point of a chain at which a contract is read.
type Head int

// The heads a contract is read at.
const (
	Latest Head = iota
	Final       // finalized (EVM), solidified (Tron)
)

// Chain is one public chain as the sender needs it. Implementations must be
// safe for concurrent use, must not retry, and must not keep state that a
// restart needs.
type Chain interface {
	// ID returns the CAIP-2 id of the chain.
	ID() string
	// Holds reports whether in.Check returns in.Want at the given head. At the final one
	// it is ErrAlone when fewer than two of several nodes answer.
	Holds(ctx context.Context, in Intent, at Head) (bool, error)
	// Arm builds and signs an attempt; nothing leaves the process. earlier holds
	// the attempts made for the same intent that may still land, oldest first: on
	// EVM the new one takes their nonce and outbids the last of them, and it is an
	// error when they seem to have ended meanwhile; on Tron it is always empty.
	// inUse holds the nonces of attempts of other intents of this key that may still
	// land (ignored on Tron).
	Arm(ctx context.Context, in Intent, earlier []Attempt, inUse []uint64) (Attempt, error)
	// Send broadcasts a.Raw. A nil error means that a node took it, and nothing
	// more; any error leaves the outcome unknown, to be found by Look.
	Send(ctx context.Context, a Attempt) error
	// Look finds out what became of a. With ErrAlone, when fewer than two of several nodes
	// answer, its outcome counts, and is neither final nor dead.
	Look(ctx context.Context, a Attempt) (Outcome, error)
}

// Reader reads contracts of a chain. Every driver implements it beside Chain;
// the sender itself does not need it.
type Reader interface {
	// Call returns the ABI-encoded result of a view call on to at the given head.
	Call(ctx context.Context, to Address, data []byte, at Head) ([]byte, error)
}

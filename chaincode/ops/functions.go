package ops

import (
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Function is one function of the chaincode.
type Function struct {
	Name   string // "<contract>:<Function>", exactly so
	Args   int    // number of arguments, exactly so many
	Writes bool   // its changes are to be kept
	// Organisation says that it acts for the organisation that submits it, whose
	// identity therefore has to be known.
	Organisation bool

	run runner // nil of a query
}

// runner runs a function.
type runner func(*Engine, *ledger.Tx, []byte) (any, error)

// raw marks an answer that is not to be rendered as JSON.
type raw []byte

// Functions returns every function in the order of the table.
func Functions() []Function { return functions }

// LookupFunction finds a function by its exact name. Errors:
// fault.UnknownFunction.
func LookupFunction(name string) (Function, error) {
	f, ok := functionByName[name]
	if !ok {
		return Function{}, fault.New(fault.UnknownFunction, "%.80q", name)
	}
	return *f, nil
}

// Execute runs a function that writes; the caller flushes the transaction when there was
// no error. Errors: fault.UnknownFunction, also for a query, fault.WrongArguments,
// fault.Stopped, and those of the function.
func (e *Engine) Execute(tx *ledger.Tx, name string, args [][]byte) ([]byte, error) {
	f, err := LookupFunction(name)
	if err == nil && f.run == nil {
		err = fault.New(fault.UnknownFunction, "%s is a query", name)
	}
	if err != nil {
		return nil, err
	}
	return e.call(f, f.run, tx, args)
}

func (e *Engine) call(f Function, run runner, tx *ledger.Tx, args [][]byte) ([]byte, error) {
	if len(args) != f.Args {
		return nil, fault.New(fault.WrongArguments, "%s takes %d, got %d", f.Name, f.Args, len(args))
	}
	var arg []byte
	if f.Args == 1 {
		arg = args[0]
	}
	if err := f.checkRunning(tx); err != nil {
		return nil, err
	}
	answer, err := run(e, tx, arg)
	if err != nil {
		return nil, err
	}
	if bytes, ok := answer.(raw); ok {
		return bytes, nil
	}
	return canon.Marshal(answer)
}

// functions is the table. Those that write nothing are queries: what answers them stands
// apart (queries.go).
var functions = []Function{
	{Name: "ops:Init", Args: 1, Writes: true, Organisation: true, run: initialise},
	{Name: "ops:Apply", Args: 1, Writes: true, run: (*Engine).apply},
	{Name: "ops:Batch", Args: 1, Writes: true, run: (*Engine).batch},
	{Name: "ops:Sweep", Writes: true, Organisation: true, run: withNetwork(func(tx *ledger.Tx, n *govern.Network, _ []byte) (any, error) {
		return sweep(tx, n)
	})},
	{Name: "ops:Check", Args: 1},
	{Name: "ops:Explain", Args: 1},
	{Name: "ops:Network"},
	{Name: "ops:Operation", Args: 1},

	{Name: "govern:Propose", Args: 1, Writes: true, Organisation: true,
		run: timed([]string{"subject", "prior", "value", "at", "expires"}, (*govern.Propose).Apply)},
	{Name: "govern:Approve", Args: 1, Writes: true, Organisation: true, run: decide((*govern.Approve).Apply)},
	{Name: "govern:Withdraw", Args: 1, Writes: true, Organisation: true, run: decide((*govern.Withdraw).Apply)},
	{Name: "govern:Enact", Args: 1, Writes: true, Organisation: true,
		run: timed([]string{"proposal", "approvals"}, (*govern.Enact).Apply)},
	{Name: "govern:Proposal", Args: 1},
	{Name: "govern:Proposals", Args: 1},
	{Name: "govern:History", Args: 1},
	{Name: "govern:Jobs"},
	{Name: "govern:Program"},

	{Name: "did:Resolve", Args: 1},
	{Name: "did:Identity", Args: 1},
	{Name: "record:Read", Args: 1},
	{Name: "record:History", Args: 1},
	{Name: "record:Grant", Args: 1},
	{Name: "record:Content", Args: 1},
	{Name: "credential:Read", Args: 1},
	{Name: "credential:Entry", Args: 1},
	{Name: "credential:Schema", Args: 1},

	{Name: "reward:Fund", Args: 1, Writes: true, Organisation: true, run: request([]string{"id", "asset"}, (*reward.Fund).Apply)},
	{Name: "reward:Cut", Writes: true, Organisation: true, run: withNetwork(func(tx *ledger.Tx, n *govern.Network, _ []byte) (any, error) {
		clock, err := readClock(tx)
		if err != nil {
			return nil, err
		}
		return reward.Cut(tx, n, clock)
	})},
	{Name: "reward:Fold", Writes: true, Organisation: true, run: withNetwork(func(tx *ledger.Tx, n *govern.Network, _ []byte) (any, error) {
		return reward.Fold(tx, n)
	})},
	{Name: "reward:Emit", Writes: true, Organisation: true, run: withNetwork(func(tx *ledger.Tx, n *govern.Network, _ []byte) (any, error) {
		clock, err := readClock(tx)
		if err != nil {
			return nil, err
		}
		return reward.Emit(tx, n, clock)
	})},
	{Name: "reward:Reserve", Args: 1, Writes: true, Organisation: true, run: request([]string{"vault", "funded"}, (*reward.Reserve).Apply)},
	{Name: "reward:Sign", Args: 1, Writes: true, Organisation: true,
		run: request([]string{"vault", "epoch", "attempt", "signature"}, (*reward.Sign).Apply)},
	{Name: "reward:Return", Args: 1, Writes: true, Organisation: true, run: query([]string{"hold"}, giveBack)},
	{Name: "reward:Hold", Args: 1},
	{Name: "reward:Balance", Args: 1},
	{Name: "reward:Epoch"},
	{Name: "reward:Emission", Args: 1},
	{Name: "reward:Root", Args: 1},
	{Name: "reward:Leaves", Args: 1},
	{Name: "reward:Signatures", Args: 1},

	{Name: "attest:Use", Args: 1},
	{Name: "attest:Step", Args: 1, Writes: true, Organisation: true, run: query([]string{"job", "checkpoint"}, (*attest.Step).Answer)},
	{Name: "attest:Close", Args: 1, Writes: true, Organisation: true, run: query([]string{"job"}, (*attest.Close).Answer)},
	{Name: "attest:Job", Args: 1},
	{Name: "attest:Round", Args: 1},
	{Name: "attest:Settlement", Args: 1},
	{Name: "attest:Standing", Args: 1},

	{Name: "checkpoint:Cosign", Args: 1, Writes: true, Organisation: true,
		run: request([]string{"size", "root", "time", "ed25519", "secp256k1"}, (*checkpoint.Cosign).Apply)},
	{Name: "checkpoint:Accept", Args: 1, Writes: true, Organisation: true,
		run: query([]string{"size", "root", "time", "signers"}, (*checkpoint.Accept).Apply)},
	{Name: "checkpoint:Receipt", Args: 1, Writes: true, Organisation: true,
		run: request([]string{"chain", "size", "tx", "block", "blockHash"}, (*checkpoint.Receipt).Apply)},
	{Name: "checkpoint:SignRotation", Args: 1, Writes: true, Organisation: true,
		run: request([]string{"version", "secp256k1"}, (*checkpoint.SignRotation).Apply)},
	{Name: "checkpoint:Rotate", Args: 1, Writes: true, Organisation: true,
		run: query([]string{"version", "signers"}, (*checkpoint.Rotate).Apply)},
	{Name: "checkpoint:Element", Args: 1, Writes: true, Organisation: true,
		run: request([]string{"draw", "element"}, (*checkpoint.Publish).Apply)},
	{Name: "checkpoint:Draw", Args: 1, Writes: true, Organisation: true, run: query([]string{"draw"}, (*checkpoint.Draw).Apply)},
	{Name: "checkpoint:DrawAt", Args: 1},
	{Name: "checkpoint:Draws", Args: 1},
	{Name: "checkpoint:Head"},
	{Name: "checkpoint:At", Args: 1},
	{Name: "checkpoint:Cosignatures", Args: 1},
	{Name: "checkpoint:Receipts", Args: 1},
	{Name: "checkpoint:Sets", Args: 1},
}

var functionByName = map[string]*Function{}

func init() {
	for i := range functions {
		functionByName[functions[i].Name] = &functions[i]
	}
}

// done is the answer of functions that have nothing to say but that they ran.
type done struct {
	Done bool `json:"done"`
}

// withNetwork makes a function of one that needs the network.
func withNetwork(f func(*ledger.Tx, *govern.Network, []byte) (any, error)) func(*Engine, *ledger.Tx, []byte) (any, error) {
	return func(_ *Engine, tx *ledger.Tx, arg []byte) (any, error) {
		n, err := govern.Load(tx)
		if err != nil {
			return nil, err
		}
		return f(tx, n, arg)
	}
}

// query makes a function of one that takes a strict JSON object with the named
// members and answers.
func query[Q, A any](fields []string, answer func(*Q, *ledger.Tx, *govern.Network) (A, error)) func(*Engine, *ledger.Tx, []byte) (any, error) {
	return withNetwork(func(tx *ledger.Tx, n *govern.Network, arg []byte) (any, error) {
		q := new(Q)
		if err := canon.Decode(arg, q, fields...); err != nil {
			return nil, err
		}
		return answer(q, tx, n)
	})
}

// request makes a function of one that takes a strict JSON object and has no
// answer.
func request[R any](fields []string, apply func(*R, *ledger.Tx, *govern.Network) error) func(*Engine, *ledger.Tx, []byte) (any, error) {
	return query(fields, func(r *R, tx *ledger.Tx, n *govern.Network) (done, error) {
		return done{true}, apply(r, tx, n)
	})
}

// giveBack runs reward:Return. It reads the newest checkpoint only where the hold says
// that time has to pass.
func giveBack(q *reward.HoldQuery, tx *ledger.Tx, _ *govern.Network) (done, error) {
	return done{true}, q.Return(tx, func() (uint64, error) { return elapsedSeconds(tx) })
}

// timed makes a function of one that takes a strict JSON object with the named
// members and looks at what the newest checkpoint says of time.
func timed[Q, A any](fields []string, answer func(*Q, *ledger.Tx, *govern.Network, govern.Clock) (A, error)) func(*Engine, *ledger.Tx, []byte) (any, error) {
	return query(fields, func(q *Q, tx *ledger.Tx, n *govern.Network) (answered A, err error) {
		head, err := checkpoint.Head(tx)
		if err != nil {
			return answered, err
		}
		var clock govern.Clock
		if head != nil {
			clock = govern.Clock{Time: head.Time, Elapsed: head.Elapsed, Size: head.Size, Number: head.Number}
		}
		clock.Epoch = func() (uint64, error) {
			e, err := reward.Current(tx)
			return e.Number, err
		}
		return answer(q, tx, n, clock)
	})
}

// decide makes a function of one by which an organisation changes its approval of a
// proposal.
func decide[R any](apply func(*R, *ledger.Tx, *govern.Network, govern.Clock) error) func(*Engine, *ledger.Tx, []byte) (any, error) {
	return timed([]string{"proposal"}, func(r *R, tx *ledger.Tx, n *govern.Network, clock govern.Clock) (done, error) {
		return done{true}, apply(r, tx, n, clock)
	})
}

func initialise(_ *Engine, tx *ledger.Tx, arg []byte) (any, error) {
	i := new(govern.Init)
	fields := []string{"network", "log", "rules", "members", "k", "vaults", "program", "treasuries", "assets", "epochSeconds", "heartbeatSeconds"}
	if err := canon.Decode(arg, i, fields...); err != nil {
		return nil, err
	}
	if err := i.Apply(tx); err != nil {
		return nil, err
	}
	return done{true}, reward.Open(tx)
}

// readClock returns what the accepted checkpoints say about time.
func readClock(tx *ledger.Tx) (reward.Clock, error) {
	head, err := checkpoint.Head(tx)
	if head == nil || err != nil {
		return reward.Clock{}, err
	}
	first, err := checkpoint.At(tx, 1)
	if err != nil {
		return reward.Clock{}, err
	}
	return reward.Clock{First: first.Time, Now: head.Time}, nil
}

// elapsedSeconds returns what the clock of accepted checkpoints has counted, 0 before
// the first.
func elapsedSeconds(tx *ledger.Tx) (uint64, error) {
	head, err := checkpoint.Head(tx)
	if head == nil || err != nil {
		return 0, err
	}
	return head.Elapsed, nil
}

func (e *Engine) batch(tx *ledger.Tx, frame []byte) (any, error) {
	items, err := DecodeFrame(frame)
	if err != nil {
		return nil, err
	}
	outcomes, err := e.ApplyBatch(tx, items)
	if err != nil {
		return nil, err
	}
	answer := make(raw, len(outcomes))
	for i, o := range outcomes {
		answer[i] = o.Byte()
	}
	return answer, nil
}

// single applies one operation in compact form. A JWS that cannot be taken
// apart is refused like any other bad form.
func (e *Engine) single(tx *ledger.Tx, jws []byte) (Outcome, error) {
	item, err := ParseCompact(string(jws))
	if err != nil {
		return refused(err)
	}
	outcomes, err := e.ApplyBatch(tx, []Item{item})
	if err != nil {
		return Outcome{}, err
	}
	return outcomes[0], nil
}

func (e *Engine) apply(tx *ledger.Tx, jws []byte) (any, error) {
	o, err := e.single(tx, jws)
	return raw{o.Byte()}, err
}

// CheckView is the answer of ops:Check: what Apply would say, and why.
type CheckView struct {
	Code   uint8  `json:"code"`
	Name   string `json:"name"`
	Text   string `json:"text"`
	Replay bool   `json:"replay"`
}

func (e *Engine) check(tx *ledger.Tx, jws []byte) (any, error) {
	o, err := e.single(tx, jws)
	view := CheckView{Code: uint8(o.Code), Name: o.Code.String(), Replay: o.Replay}
	if o.Err != nil {
		view.Text = fault.Text(o.Err)
	}
	return view, err
}
